//! A finding, and the list that checks write into.

use super::{DOCUMENT, Options, Rule};
use shipway_base::{Diagnostic, Source, Span};
use std::ops::Range;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing; nothing is wrong for certain.
    Note,
    /// Probably not what its author meant, or a way in for an attacker under conditions.
    Warning,
    /// Wrong for certain, or open to anyone who can open an issue or a pull request.
    Error,
}

impl Level {
    /// `error`, `warning` or `note`.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// One finding of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The code of a document's error (`SW0101`), when it is one; `docs/errors` explains it.
    pub code: Option<&'static str>,
    /// How much it matters here.
    pub level: Level,
    /// The file.
    pub source: Source,
    /// The place.
    pub span: Span,
    /// What is wrong, as one sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Edits that mend it without changing anything else that the document does.
    pub fix: Option<Fix>,
}

/// Edits of one file that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What they do, imperative.
    pub title: String,
    /// The edits in the order of the text, without overlap.
    pub edits: Vec<Edit>,
}

/// Replaces a range of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that go; empty for an insertion.
    pub range: Range<usize>,
    /// What comes instead.
    pub text: String,
}

impl Finding {
    /// An error of the document itself.
    pub fn of_document(found: Diagnostic) -> Finding {
        Finding {
            rule: &DOCUMENT,
            code: Some(found.code),
            level: found.severity.into(),
            source: found.source,
            span: found.span,
            message: found.message,
            help: found.help.map(String::from),
            fix: None,
        }
    }

    /// How it is called where it is shown: the code of a document's error, or the id of the rule.
    pub fn name(&self) -> &'static str {
        self.code.unwrap_or(self.rule.id)
    }

    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Finding {
        self.help = Some(help.into());
        self
    }

    pub(super) fn level(&mut self, level: Level) -> &mut Finding {
        self.level = level;
        self
    }

    pub(super) fn fix(&mut self, fix: Option<Fix>) -> &mut Finding {
        self.fix = fix;
        self
    }
}

/// What the checks have found so far.
pub(super) struct Findings<'a> {
    source: &'a Source,
    options: Options,
    found: Vec<Finding>,
    /// Takes what a rule says that does not speak now.
    unheard: Option<Finding>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(source: &'a Source, options: Options) -> Findings<'a> {
        Findings { source, options, found: Vec::new(), unheard: None }
    }

    pub(super) fn pedantic(&self) -> bool {
        self.options.pedantic
    }

    /// Adds a finding, to be completed by the caller.
    pub(super) fn report(
        &mut self,
        rule: &'static Rule,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Finding {
        let finding = Finding {
            rule,
            code: None,
            level: rule.level,
            source: self.source.clone(),
            span,
            message: message.into(),
            help: None,
            fix: None,
        };
        if rule.pedantic && !self.options.pedantic {
            return self.unheard.insert(finding);
        }
        let at = self.found.len();
        self.found.push(finding);
        &mut self.found[at]
    }

    /// Adds an error of the document itself.
    pub(super) fn document(&mut self, found: Diagnostic) {
        self.found.push(Finding::of_document(found));
    }

    /// All of them in the order of the text, each once.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.found.sort_by(|a, b| (a.span, a.name(), &a.message).cmp(&(b.span, b.name(), &b.message)));
        // What a fix adds ends its lines as the file does.
        if self.source.text.find('\n').is_some_and(|at| self.source.text[..at].ends_with('\r')) {
            let fixes = self.found.iter_mut().filter_map(|finding| finding.fix.as_mut());
            for edit in fixes.flat_map(|fix| &mut fix.edits) {
                edit.text = edit.text.replace("\r\n", "\n").replace('\n', "\r\n");
            }
        }
        self.found.dedup_by(|a, b| a.span == b.span && a.name() == b.name() && a.message == b.message);
        self.found
    }
}
