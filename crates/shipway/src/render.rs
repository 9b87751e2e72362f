//! Text for people: diagnostics as rustc shows them, and long sentences in lines that fit.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use shipway_base::{Diagnostic, Pos, Severity, Source, Span};
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
    // Its lines alone: the renderer reads all it is given, and there may be thousands of findings in a long file.
    let beyond = Pos::new(span.end.line.saturating_add(1), 1);
    let lines = source.byte_range(Span::new(Pos::new(span.start.line, 1), beyond));
    // A place at the very end, or behind it, belongs to whichever line is the last.
    let (first, lines) = match lines.start < source.text.len() {
        true => (span.start.line.max(1) as usize, lines),
        false => (1, 0..source.text.len()),
    };
    let place = source.byte_range(span);
    let snippet = Snippet::source(source.text.get(lines.clone()).unwrap_or_default())
        .path(&*source.name)
        .line_start(first)
        .annotation(AnnotationKind::Primary.span(place.start - lines.start..place.end - lines.start));
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

    /// The lines of a place show what the whole text shows, whatever the place is.
    #[test]
    fn a_place_is_shown_by_its_lines_alone() {
        let whole = |source: &Source, span: Span| {
            let annotation = AnnotationKind::Primary.span(source.byte_range(span));
            let snippet = Snippet::source(&*source.text).path("x").line_start(1).annotation(annotation);
            let group = Level::ERROR.primary_title("m").id("SW0001").element(snippet);
            Renderer::plain().render(&[group])
        };
        for text in
            ["", "one", "é: one\n  two\n\nfour\n five\nsix\nseven\neight\n", "a\r\nb\r\n\r\nc", "\n\n"]
        {
            let source = Source::new("x", text);
            let places = || (1..11).flat_map(|line| [1, 2, 4, 90].map(|column| Pos::new(line, column)));
            for (start, end) in places().flat_map(|start| places().map(move |end| (start, end))) {
                if start <= end {
                    let span = Span::new(start, end);
                    let shown = diagnostic(&Diagnostic::error("SW0001", &source, span, "m"), false);
                    assert_eq!(shown, whole(&source, span), "{text:?} {span:?}");
                }
            }
        }
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
