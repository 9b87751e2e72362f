//! Steps that wait for background steps, cancel one, or group steps that run at once.

use super::{Home, Ids, KEYS};
use crate::{
    document::{Fields, Reader, Step, StepKind, values},
    expr::{self, Condition},
};
use shipway_base::{
    Diagnostic, Spanned,
    yaml::{self, Mapping, Node},
};

/// The keys that make such a step.
const WORDS: [&str; 4] = ["wait", "wait-all", "cancel", "parallel"];
/// What else may stand beside them, but for `parallel`.
const BESIDE: &[&str] = &["id", "name", "continue-on-error"];

/// Reads such a step; the outer `None` when it is one of another kind.
pub(super) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    mapping: &Mapping,
    ids: &mut Ids,
) -> Option<Option<Step>> {
    let (word, target) = mapping.iter().find(|(key, _)| WORDS.contains(&key.value.as_str()))?;
    let parallel = word.value == "parallel";
    let (mut id, mut name, mut continue_on_error) = (None, None, None);
    for (key, value) in mapping.iter().filter(|(key, _)| key.value != word.value) {
        match key.value.as_str() {
            text if !parallel && BESIDE.contains(&text) => match text {
                "id" => {
                    id = reader.literal(value, "id").filter(|id| values::check_id(reader, id, "a step"));
                }
                "name" => name = reader.template(value, "name", &expr::STEP),
                _ => continue_on_error = reader.maybe_bool(value, text, &expr::STEP),
            },
            text if KEYS.contains(&text) => {
                let message = format!("{text:?} cannot stand beside {:?} of a step", word.value);
                reader.error("SW0110", key.span, message);
            }
            _ => reader.unknown_key(key, "a step", KEYS),
        }
    }
    let kind = match word.value.as_str() {
        "wait" => wait(reader, target, ids),
        "wait-all" => wait_all(reader, target),
        "cancel" => {
            reader.name(target, "cancel").filter(|target| known(reader, target, ids)).map(StepKind::Cancel)
        }
        _ => group(reader, target, ids),
    };
    if let Some(id) = &id {
        ids.add(reader, id, false);
    }
    let always = Condition::parse("always()", word.span, reader.source, &expr::STEP_IF);
    Some(always.ok().zip(kind).map(|(condition, kind)| Step {
        id,
        name,
        condition,
        env: Fields::default(),
        continue_on_error,
        timeout_minutes: None,
        background: false,
        kind,
        span: node.span,
    }))
}

fn wait(reader: &mut Reader<'_>, node: &Node, ids: &Ids) -> Option<StepKind> {
    if node.as_sequence().is_some_and(<[Node]>::is_empty) {
        reader.error("SW0113", node.span, "wait names no step");
    }
    let targets = reader.names(node, "wait");
    let all = targets.len();
    let targets: Vec<Spanned<String>> =
        targets.into_iter().filter(|target| known(reader, target, ids)).collect();
    (targets.len() == all && all > 0).then_some(StepKind::Wait(targets))
}

fn wait_all(reader: &mut Reader<'_>, node: &Node) -> Option<StepKind> {
    if node.is_null() || reader.boolean(node, "wait-all")? {
        return Some(StepKind::WaitAll);
    }
    reader.error("SW0104", node.span, "wait-all must be true or left empty");
    None
}

/// Whether a step to wait for or to cancel is there, further up. One that does not run in the background has ended by
/// then, which is no fault on GitHub either, but hardly what was meant.
fn known(reader: &mut Reader<'_>, target: &Spanned<String>, ids: &Ids) -> bool {
    match ids.find(&target.value) {
        Some((_, true)) => true,
        Some((id, false)) => {
            let line = id.span.start.line;
            let message = format!("the step {:?} on line {line} does not run in the background", id.value);
            let found = Diagnostic::warning("SW0118", reader.source, target.span, message);
            reader.found.push(found.with_help("give that step `background: true`, or remove this one"));
            true
        }
        None => {
            let message = format!("there is no step {:?} before this one", target.value);
            let background = ids.0.iter().filter(|(_, background)| *background);
            let close = yaml::closest(&target.value, background.map(|(id, _)| id.value.as_str()));
            let help = match close {
                Some(close) => format!("did you mean {close:?}?"),
                None => "name the id of an earlier step that has `background: true`".to_owned(),
            };
            reader.error_with_help("SW0108", target.span, message, help);
            false
        }
    }
}

fn group(reader: &mut Reader<'_>, node: &Node, ids: &mut Ids) -> Option<StepKind> {
    let items = reader.sequence(node, "parallel");
    if node.as_sequence().is_some_and(<[Node]>::is_empty) {
        reader.error("SW0113", node.span, "parallel has no steps");
        return None;
    }
    let steps = items.iter().filter_map(|item| read_inner(reader, item, ids)).collect();
    Some(StepKind::Parallel(steps))
}

fn read_inner(reader: &mut Reader<'_>, node: &Node, ids: &mut Ids) -> Option<Step> {
    let special = |key: &str| key == "background" || WORDS.contains(&key);
    let found = node.as_mapping().into_iter().flat_map(Mapping::iter).find(|(key, _)| special(&key.value));
    if let Some((key, _)) = found {
        let message = format!("{:?} cannot stand within `parallel`", key.value);
        let help = "all steps within `parallel` run at once, and the job goes on when all have ended";
        reader.error_with_help("SW0110", key.span, message, help);
        return None;
    }
    super::read(reader, node, Home::Parallel, ids)
}
