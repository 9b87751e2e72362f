//! Values of a matrix that come twice, and exclusions that exclude nothing.

use super::{File, Kind, Level, Rule, finding::Findings};
use crate::expr;
use shipway_base::yaml::{Mapping, Node};

pub(super) const REPEATED_MATRIX_VALUE: Rule = Rule {
    id: "repeated-matrix-value",
    level: Level::Warning,
    pedantic: false,
    what: "A vector of a matrix has the same value twice, so the same leg runs twice.",
    example: "matrix: {node: [18, 20, 18]}",
    fix: "name it once",
    zizmor: &[],
};

pub(super) const EXCLUDE_WITHOUT_LEG: Rule = Rule {
    id: "exclude-without-leg",
    level: Level::Warning,
    pedantic: false,
    what: "An entry of `exclude` names a value that the matrix does not have, so it excludes nothing.",
    example: "exclude: [{os: windows}] # the matrix has windows-latest",
    fix: "spell it as the matrix does; `exclude` compares whole values",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    if file.view.kind == Kind::Action {
        return;
    }
    for job in &file.view.jobs {
        let strategy = job.map.get("strategy").and_then(Node::as_mapping);
        let Some(matrix) = strategy.and_then(|map| map.get("matrix")).and_then(Node::as_mapping) else {
            continue;
        };
        for (key, value) in
            matrix.iter().filter(|(key, _)| !matches!(key.value.as_str(), "include" | "exclude"))
        {
            let items = value.as_sequence().unwrap_or_default();
            for (at, item) in items.iter().enumerate() {
                if items[..at].iter().any(|other| other.value == item.value) {
                    let message = format!("{} has this value already, so its leg runs twice", key.value);
                    out.report(&REPEATED_MATRIX_VALUE, item.span, message).help("name it once");
                }
            }
        }
        for entry in matrix.get("exclude").and_then(Node::as_sequence).unwrap_or_default() {
            exclude(matrix, entry, out);
        }
    }
}

fn exclude(matrix: &Mapping, entry: &Node, out: &mut Findings<'_>) {
    let computed = |map: &Mapping| map.iter().any(|(key, _)| expr::has_expression(&key.value));
    if computed(matrix) {
        return;
    }
    for (key, value) in entry.as_mapping().iter().flat_map(|map| map.iter()) {
        if expr::has_expression(&key.value) {
            continue;
        }
        let vector = matrix.iter().find(|(name, _)| {
            name.value.eq_ignore_ascii_case(&key.value)
                && !matches!(name.value.as_str(), "include" | "exclude")
        });
        // A key that is no vector is an error of the document.
        let Some((_, vector)) = vector else { continue };
        let (Some(items), Some(wanted)) = (vector.as_sequence(), value.as_text()) else { continue };
        let texts: Option<Vec<&str>> = items.iter().map(|item| item.as_text()).collect();
        let Some(texts) = texts else { continue };
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let same = |text: &&str| {
            expr::has_expression(text)
                || text.eq_ignore_ascii_case(wanted)
                || number(text).is_some_and(|value| Some(value) == number(wanted))
        };
        if !expr::has_expression(wanted) && !texts.iter().any(same) {
            let message = format!("{} is never {wanted:?}, so this excludes nothing", key.value);
            out.report(&EXCLUDE_WITHOUT_LEG, value.span, message)
                .help(format!("its values: {}", texts.join(", ")));
        }
    }
}
