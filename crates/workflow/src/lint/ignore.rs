//! Comments that ask to leave a finding out: `# shipway-lint: ignore RULE because ...`.
//!
//! A comment counts for the line that it ends, or, when it stands alone, for the next line that is no comment. Several
//! rules are given with commas. zizmor's `# zizmor: ignore[rule]` is understood as well.

use super::{
    Finding, Level, Rule,
    finding::Findings,
    rule::{RULES, find},
};
use shipway_base::{Pos, Source, Span, yaml::closest};

pub(super) const UNKNOWN_RULE: Rule = Rule {
    id: "unknown-rule",
    level: Level::Warning,
    pedantic: false,
    what: "An ignore comment names a rule that does not exist.",
    example: "# shipway-lint: ignore unpined-action because ...",
    fix: "spell the rule as this table does",
    zizmor: &[],
};

pub(super) const IGNORE_WITHOUT_REASON: Rule = Rule {
    id: "ignore-without-reason",
    level: Level::Warning,
    pedantic: false,
    what: "An ignore comment does not say why; it is obeyed, and the reader is left alone.",
    example: "# shipway-lint: ignore unpinned-action",
    fix: "add `because` and the reason",
    zizmor: &[],
};

pub(super) const NEEDLESS_IGNORE: Rule = Rule {
    id: "needless-ignore",
    level: Level::Note,
    pedantic: true,
    what: "An ignore comment leaves nothing out.",
    example: "# shipway-lint: ignore unpinned-action because it was a tag once",
    fix: "remove the comment",
    zizmor: &[],
};

const MARK: &str = "shipway-lint: ignore";

struct Comment<'a> {
    /// The line that it counts for.
    line: u32,
    span: Span,
    names: Vec<&'a str>,
    reason: bool,
    own: bool,
}

/// Leaves out what comments ask to ignore, and finds fault with the comments themselves.
pub(super) fn filter(source: &Source, mut out: Findings<'_>) -> Vec<Finding> {
    let comments = comments(&source.text);
    for comment in comments.iter().filter(|comment| comment.own) {
        for name in comment.names.iter().filter(|name| find(name).is_none()) {
            let close = closest(name, RULES.iter().map(|rule| rule.id));
            let found = out.report(&UNKNOWN_RULE, comment.span, format!("there is no rule {name:?}"));
            found.help = close.map(|close| format!("did you mean {close}?"));
        }
        if comment.names.is_empty() {
            out.report(&UNKNOWN_RULE, comment.span, "this comment names no rule to ignore")
                .help("write: # shipway-lint: ignore RULE because REASON");
        } else if !comment.reason {
            out.report(&IGNORE_WITHOUT_REASON, comment.span, "this comment does not say why")
                .help("write: # shipway-lint: ignore RULE because REASON");
        }
    }
    let pedantic = out.pedantic();
    let mut used = vec![false; comments.len()];
    let mut found = out.finish();
    found.retain(|finding| {
        let by = comments.iter().position(|comment| comment.covers(finding));
        if let Some(by) = by {
            used[by] = true;
        }
        by.is_none()
    });
    for (comment, used) in comments.iter().zip(used) {
        if pedantic && comment.own && !used && comment.names.iter().any(|name| find(name).is_some()) {
            found.push(Finding {
                rule: &NEEDLESS_IGNORE,
                code: None,
                level: NEEDLESS_IGNORE.level,
                source: source.clone(),
                span: comment.span,
                message: "there is nothing to ignore here".to_owned(),
                help: Some("remove the comment".to_owned()),
                fix: None,
            });
        }
    }
    found
}

impl Comment<'_> {
    fn covers(&self, finding: &Finding) -> bool {
        // A document that is invalid stays so.
        let lines = finding.span.start.line..=finding.span.end.line;
        let here = match self.own {
            true => self.line == finding.span.start.line,
            // zizmor looks at every line that a finding covers.
            false => lines.contains(&self.line) && finding.span.end.line - finding.span.start.line < 100,
        };
        here && self.names.iter().any(|name| match self.own {
            true => finding.rule.id == *name && finding.code.is_none(),
            false => finding.rule.zizmor.contains(name),
        })
    }
}

fn comments(text: &str) -> Vec<Comment<'_>> {
    let mut found: Vec<Comment<'_>> = Vec::new();
    let mut waiting: Vec<usize> = Vec::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        let alone = line.trim_start().starts_with('#');
        if !alone && !line.trim().is_empty() {
            waiting.drain(..).for_each(|at| found[at].line = number);
        }
        let Some(comment) = read(line, number) else { continue };
        if alone && comment.own {
            waiting.push(found.len());
        }
        found.push(comment);
    }
    found
}

fn read(line: &str, number: u32) -> Option<Comment<'_>> {
    let (at, _) = line.match_indices('#').find(|(at, _)| {
        let rest = line[at + 1..].trim_start();
        (*at == 0 || line[..*at].ends_with(char::is_whitespace))
            && (rest.starts_with(MARK) || rest.starts_with("zizmor: ignore["))
    })?;
    let column = |byte: usize| u32::try_from(line[..byte].chars().count() + 1).unwrap_or(u32::MAX);
    let span = Span::new(Pos::new(number, column(at)), Pos::new(number, column(line.len())));
    let rest = line[at + 1..].trim_start();
    if let Some(list) = rest.strip_prefix("zizmor: ignore[") {
        let names = list.split(']').next()?.split(',').map(str::trim).collect();
        return Some(Comment { line: number, span, names, reason: true, own: false });
    }
    let rest = rest.strip_prefix(MARK)?;
    let (names, reason) = match rest.split_once("because") {
        Some((names, reason)) => (names, !reason.trim().is_empty()),
        None => (rest, false),
    };
    let names = names.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()).collect();
    Some(Comment { line: number, span, names, reason, own: true })
}
