//! Handing a value to a script through its environment, where that is exactly the same but for the danger.

use super::{
    evaluated::{Evaluated, evaluated},
    finding::{Edit, Fix},
    injection::Place,
    quotes::is_plain_word,
    view::{JobView, Site, Slot, StepView, View, Written},
};
use crate::expr::{Key, Reference};
use shipway_base::yaml::Node;

/// The name of the variable for a value: its last two properties.
pub(super) fn variable(reference: &Reference) -> String {
    let all: Vec<&str> = (0..reference.keys.len()).filter_map(|depth| reference.name(depth)).collect();
    let plain: Vec<&str> = all.into_iter().filter(|name| !matches!(*name, "event")).collect();
    let last = plain.len().saturating_sub(2);
    let mut name: String = plain[last..]
        .join("_")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "VALUE_");
    }
    // Names that mean something to shells and runners.
    if matches!(name.as_str(), "REF_NAME" | "PATH" | "HOME" | "USER" | "SHELL" | "ENV") {
        name.push_str("_VALUE");
    }
    name
}

/// What bash takes the text of an expression in a script for, where that is more than a word.
pub(super) fn evaluated_by_shell(
    view: &View<'_>,
    site: &Site<'_>,
    step: &StepView<'_>,
    written: &Written<'_>,
) -> Option<Evaluated> {
    let text = site.template.text();
    if !is_posix(view, view.job(site)?, step) {
        return None;
    }
    evaluated(text, text.get(..written.start)?.rfind("${{")?)
}

/// Puts an expression of a script under `env`. Offered where the script is bash or sh and the expression stands
/// inside double quotes, or is a whole quoted text of a github-script.
pub(super) fn through_env(
    view: &View<'_>,
    site: &Site<'_>,
    step: &StepView<'_>,
    written: &Written<'_>,
) -> Option<Fix> {
    let reference = written.expr.root.as_reference()?;
    // A list is no text: as a value of `env` it fails, where in a script it was the word `Array`.
    if reference.keys.contains(&Key::Wildcard) {
        return None;
    }
    let name = variable(&reference);
    let text = site.template.text();
    let open = text.get(..written.start)?.rfind("${{")?;
    let from_end = written.start + written.text.len();
    let close = from_end + text[from_end..].find("}}")? + 2;
    let (node, start, end, new) = match site.slot {
        Slot::Run => {
            if !is_posix(view, view.job(site)?, step) || !is_plain_word(text, open) {
                return None;
            }
            (step.run?, open, close, format!("${{{name}}}"))
        }
        Slot::With(_) if step.is_action("actions/github-script") => {
            let quote = text[..open].chars().last().filter(|c| matches!(c, '\'' | '"' | '`'))?;
            if !text[close..].starts_with(quote) {
                return None;
            }
            (step.with("script")?, open - 1, close + 1, format!("process.env.{name}"))
        }
        Slot::With(_) | Slot::If | Slot::Env(_) | Slot::JobOutput(_) | Slot::Output | Slot::Other(_) => {
            return None;
        }
    };
    if is_shared(view, step, node) {
        return None;
    }
    let range = Place::of(site).exact(view, start, &text[start..end])?;
    let mut edits = vec![Edit { range, text: new }];
    if let Some(edit) = declare(view, step, &name, written.text, text)? {
        edits.push(edit);
    }
    edits.sort_by_key(|edit| edit.range.start);
    Some(Fix { title: format!("hand it over as ${name}"), edits })
}

/// Whether another step has the same script by an anchor and an alias: the variable would be set for one of them only.
fn is_shared(view: &View<'_>, step: &StepView<'_>, script: &Node) -> bool {
    let is_anchor = |node: &Node| view.source.text[view.source.byte_range(node.span)].starts_with('&');
    let (own, text) = (step.span, script.span);
    let elsewhere = text.start < own.start || own.end < text.end;
    elsewhere || is_anchor(script) || step.map.get("with").is_some_and(is_anchor)
}

/// The edit that sets the variable for the step; `Some(None)` when it is set already, none when it cannot be set.
fn declare(
    view: &View<'_>,
    step: &StepView<'_>,
    name: &str,
    value: &str,
    script: &str,
) -> Option<Option<Edit>> {
    let line = format!("{name}: ${{{{ {value} }}}}\n");
    if value.contains('\n') {
        return None;
    }
    let (key, text) = match step.map.iter().find(|(key, _)| key.value == "env") {
        Some((_, env)) => {
            let env = env.as_mapping()?;
            if let Some(known) = env.get(name) {
                let same = known.as_text()?.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim() == value;
                return same.then_some(None);
            }
            let (first, _) = env.iter().next()?;
            (first, line)
        }
        None => {
            let (key, _) = step.map.iter().find(|(key, _)| matches!(key.value.as_str(), "run" | "uses"))?;
            (key, format!("env:\n{}{line}", " ".repeat(key.span.start.column as usize + 1)))
        }
    };
    // A variable of that name that the script has of its own must not be overwritten.
    if script.contains(name) {
        return None;
    }
    let at = view.block_key(key.span)?;
    let indent = " ".repeat(key.span.start.column as usize - 1);
    Some(Some(Edit { range: at..at, text: format!("{text}{indent}") }))
}

/// Whether the script of a step is run by bash or sh.
pub(super) fn is_posix(view: &View<'_>, job: &JobView<'_>, step: &StepView<'_>) -> bool {
    let default = |map: &shipway_base::yaml::Mapping| -> Option<String> {
        let run = map.get("defaults")?.as_mapping()?.get("run")?.as_mapping()?;
        run.get("shell").and_then(Node::as_text).map(str::to_owned)
    };
    let shell = step.map.get("shell").and_then(Node::as_text).map(str::to_owned);
    if let Some(shell) = shell.or_else(|| default(job.map)).or_else(|| default(view.root)) {
        let first = shell.split_whitespace().next().unwrap_or_default();
        return matches!(first, "bash" | "sh");
    }
    job.labels().is_some_and(|labels| {
        labels.iter().any(|label| {
            let label = label.value.to_ascii_lowercase();
            label.starts_with("ubuntu") || label.starts_with("macos")
        })
    })
}
