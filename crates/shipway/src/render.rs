//! Diagnostics as rustc shows them, with the source line and a mark below it.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use shipway_base::{Diagnostic, Severity};

/// One finding with its source excerpt, several lines, no trailing newline.
pub(crate) fn diagnostic(found: &Diagnostic, colour: bool) -> String {
    let range = found.source.byte_range(found.span);
    let level = match found.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let snippet = Snippet::source(&*found.source.text)
        .path(&*found.source.name)
        .line_start(1)
        .annotation(AnnotationKind::Primary.span(range));
    let mut group = level.primary_title(&found.message).id(found.code).element(snippet);
    if let Some(help) = &found.help {
        group = group.element(Level::HELP.message(help));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

#[cfg(test)]
mod tests {
    use super::*;
    use shipway_base::{Pos, Source, Span};

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
