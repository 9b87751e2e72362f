//! Calls and values whose kind cannot be right: formats, JSON texts, objects where text is needed.

use super::{
    File, Level, Rule,
    finding::Findings,
    view::{Slot, Written},
};
use crate::expr::{Node, Reference, read_json};

pub(super) const FORMAT_ARGUMENTS: Rule = Rule {
    id: "format-arguments",
    level: Level::Error,
    pedantic: false,
    what: "A `format` names a placeholder that has no argument, which fails; or has an argument that no placeholder \
           names, which is a warning.",
    example: "${{ format('{0} {1}', github.ref) }}",
    fix: "give as many arguments as there are placeholders",
    zizmor: &[],
};

pub(super) const BROKEN_JSON: Rule = Rule {
    id: "broken-json",
    level: Level::Error,
    pedantic: false,
    what: "`fromJSON` is given a literal text that its reader does not take, which fails. It takes more than JSON: single \
           quotes, names without quotes, a comma at the end, comments.",
    example: "${{ fromJSON('[1, 2') }}",
    fix: "write JSON: each text, list and object closed, numbers, `true`, `false` and `null` as they are, all else in quotes",
    zizmor: &[],
};

pub(super) const OBJECT_AS_TEXT: Rule = Rule {
    id: "object-as-text",
    level: Level::Warning,
    pedantic: false,
    what: "A whole object is put where text is needed; it comes out as `Object`, or fails.",
    example: "run: echo '${{ github.event }}'",
    fix: "use one of its properties, or `toJSON(..)` handed over in `env`",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    for site in &file.view.sites {
        for written in site.expressions() {
            written.expr.root.visit(&mut |node| {
                if let Node::Call(name, arguments) = node {
                    match (name.to_ascii_lowercase().as_str(), arguments.as_slice()) {
                        ("format", [Node::String(pattern), rest @ ..]) => {
                            format(&written, pattern, rest.len(), out)
                        }
                        ("fromjson", [Node::String(text)]) => json(&written, text, out),
                        _ => {}
                    }
                }
            });
            let text = match site.slot {
                Slot::Run => true,
                Slot::Env(name) | Slot::With(name) => !name.is_empty(),
                Slot::If | Slot::JobOutput(_) | Slot::Output | Slot::Other(_) => false,
            };
            if text
                && let Some(reference) = written.expr.root.as_reference()
                && is_object(&reference)
            {
                let message = format!("{} is an object, and text is needed here", reference.text());
                out.report(&OBJECT_AS_TEXT, written.span(), message)
                    .help("use one of its properties, or toJSON(..)");
            }
        }
    }
}

fn is_object(reference: &Reference) -> bool {
    let context = reference.context.to_ascii_lowercase();
    match reference.keys.len() {
        0 => true,
        1 => match context.as_str() {
            "steps" | "needs" => reference.name(0).is_some(),
            "github" => reference.is(&["github", "event"]) && reference.name(0).is_some(),
            _ => false,
        },
        2 => {
            matches!(context.as_str(), "steps" | "needs")
                && reference.name(1).is_some_and(|name| name.eq_ignore_ascii_case("outputs"))
        }
        _ => false,
    }
}

fn json(written: &Written<'_>, text: &str, out: &mut Findings<'_>) {
    if let Err(why) = read_json(text) {
        out.report(&BROKEN_JSON, written.span(), format!("this text is no JSON: {why}")).help(
            "lists, objects and texts are closed, and all but numbers, true, false and null stands in quotes",
        );
    }
}

fn format(written: &Written<'_>, pattern: &str, arguments: usize, out: &mut Findings<'_>) {
    let Some(named) = placeholders(pattern) else { return };
    if let Some(beyond) = named.iter().find(|index| **index >= arguments) {
        out.report(
            &FORMAT_ARGUMENTS,
            written.span(),
            format!("the placeholder {{{beyond}}} has no argument; there are {arguments}"),
        )
        .help("placeholders are counted from 0");
    } else if let Some(unused) = (0..arguments).find(|index| !named.contains(index)) {
        out.report(
            &FORMAT_ARGUMENTS,
            written.span(),
            format!("no placeholder {{{unused}}} takes the argument given"),
        )
        .level(Level::Warning);
    }
}

/// The placeholders of a format; none when it is not one, which evaluation tells about.
fn placeholders(pattern: &str) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        let doubled = &rest[at..at + 1].repeat(2);
        if rest[at..].starts_with(doubled.as_str()) {
            rest = &rest[at + 2..];
            continue;
        }
        let inner = rest[at..].strip_prefix('{')?;
        let (digits, after) = inner.split_once('}')?;
        found.push(digits.trim().parse().ok()?);
        rest = after;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::placeholders;

    #[test]
    fn counts_placeholders() {
        assert_eq!(placeholders("a {0} {{1}} {2}"), Some(vec![0, 2]));
        for wrong in ["{", "}", "{x}", "{0"] {
            assert_eq!(placeholders(wrong), None, "{wrong}");
        }
    }
}
