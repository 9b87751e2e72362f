//! Text for people: diagnostics as rustc shows them, and long sentences in lines that fit.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use shipway_base::{Diagnostic, Severity, Source, Span};
use shipway_workflow::lint::{self, Finding};

/// One finding with its source excerpt, several lines, no trailing newline.
pub(crate) fn diagnostic(found: &Diagnostic, colour: bool) -> String {
    let level = match found.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    excerpt(&found.source, found.span, level, (found.code, &found.message, found.help.as_deref()), colour)
}

/// A title with an id, the place in the source, and what to do.
fn excerpt(
    source: &Source,
    span: Span,
    level: Level<'_>,
    (id, message, help): (&str, &str, Option<&str>),
    colour: bool,
) -> String {
    let snippet = Snippet::source(&*source.text)
        .path(&*source.name)
        .line_start(1)
        .annotation(AnnotationKind::Primary.span(source.byte_range(span)));
    let mut group = level.primary_title(message).id(id).element(snippet);
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// One finding of `lint` with its source excerpt, several lines, no trailing newline.
pub(crate) fn finding(found: &Finding, colour: bool) -> String {
    let level = match found.level {
        lint::Level::Error => Level::ERROR,
        lint::Level::Warning => Level::WARNING,
        lint::Level::Note => Level::NOTE,
    };
    excerpt(&found.source, found.span, level, (found.name(), &found.message, found.help.as_deref()), colour)
}

/// The most characters of a line; what is longer goes on in the next.
const WIDTH: usize = 100;

/// A text in lines that fit: the first begins with `first`, the others with as many spaces as `hang` says. A word that
/// is too long for any line stays whole.
pub(crate) fn wrapped(first: &str, hang: usize, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}

/// A text in one line of at most `most` characters; what is cut off is marked.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// `1 error`, `2 errors`.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::Pos;

    #[test]
    fn long_sentences_are_wrapped_and_lose_no_word() {
        assert_eq!(wrapped("- ", 2, "short"), ["- short"]);
        let text = "word ".repeat(40);
        let lines = wrapped("- ", 4, text.trim());
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:?}");
        assert!(lines[1].starts_with("    word"), "{lines:?}");
        assert_eq!(lines.concat().matches("word").count(), 40);
        let long = "x".repeat(2 * WIDTH);
        assert_eq!(wrapped("", 0, &long), [long]);
    }

    #[test]
    fn what_is_cut_off_is_marked() {
        assert_eq!(shortened("as it is", 8), "as it is");
        assert_eq!(shortened("as it is not", 7), "as it…");
    }

    #[test]
    fn shows_the_place() {
        let source = Source::new("ci.yml", "on: push\njobs:\n  a: {run-on: host}\n");
        let span = Span::new(Pos::new(3, 7), Pos::new(3, 13));
        let found = Diagnostic::error("SW0101", &source, span, "unknown key `run-on`")
            .with_help("did you mean `runs-on`?");
        insta::assert_snapshot!(diagnostic(&found, false), @"
        error[SW0101]: unknown key `run-on`
         --> ci.yml:3:7
          |
        3 |   a: {run-on: host}
          |       ^^^^^^
          |
          = help: did you mean `runs-on`?
        ");
    }
}
