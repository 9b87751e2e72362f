//! Reading the entries of `steps`, of a job or of a composite action.

use super::{Fields, RunStep, Step, StepKind, UsesStep, reader::Reader, uses, values};
use crate::expr::{self, AllowedNames, Condition};
use shipway_base::{Spanned, yaml::Node};

/// Where steps stand; composite actions offer fewer contexts and fewer keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// `jobs.<id>.steps`.
    Job,
    /// `runs.steps` of an action.
    Composite,
}

const KEYS: &[&str] = &[
    "id",
    "name",
    "if",
    "run",
    "uses",
    "with",
    "env",
    "shell",
    "working-directory",
    "continue-on-error",
    "timeout-minutes",
    "background",
    "wait",
    "wait-all",
    "cancel",
    "parallel",
];

const COMPOSITE_KEYS: &[&str] =
    &["id", "name", "if", "run", "uses", "with", "env", "shell", "working-directory", "continue-on-error"];

/// Reads all steps; those that are wrong are noted and left out.
pub(crate) fn read_steps(reader: &mut Reader<'_>, node: &Node, home: Home) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Kept apart from the steps, so that those which are wrong otherwise count too.
    let mut ids: Vec<&Spanned<String>> = Vec::new();
    let found = &mut Vec::new();
    for item in reader.sequence(node, "steps") {
        steps.extend(read(reader, item, home, found));
    }
    for id in found.iter() {
        match ids.iter().find(|known| known.value.eq_ignore_ascii_case(&id.value)) {
            Some(first) => {
                let message =
                    format!("the step id {:?} is already used on line {}", id.value, first.span.start.line);
                reader.error_with_help(
                    "SW0107",
                    id.span,
                    message,
                    "ids are compared without case; choose another",
                );
            }
            None => ids.push(id),
        }
    }
    steps
}

/// What has been read of a step before it is known to be complete.
#[derive(Default)]
struct Parts<'n> {
    run: Option<&'n Node>,
    uses: Option<&'n Node>,
    with: Option<(&'n Spanned<String>, &'n Node)>,
    shell: Option<(&'n Spanned<String>, &'n Node)>,
    working_directory: Option<(&'n Spanned<String>, &'n Node)>,
    refused: bool,
}

fn read(reader: &mut Reader<'_>, node: &Node, home: Home, ids: &mut Vec<Spanned<String>>) -> Option<Step> {
    let mapping = reader.mapping(node, "a step")?;
    let (names, if_names): (&AllowedNames<'_>, &AllowedNames<'_>) = match home {
        Home::Job => (&expr::STEP, &expr::STEP_IF),
        Home::Composite => (&expr::COMPOSITE_STEP, &expr::COMPOSITE_STEP_IF),
    };
    let known = match home {
        Home::Job => KEYS,
        Home::Composite => COMPOSITE_KEYS,
    };
    let (mut id, mut name, mut continue_on_error, mut timeout_minutes) = (None, None, None, None);
    let mut condition = Condition::success();
    let mut env = Fields::default();
    let mut parts = Parts::default();
    for (key, value) in mapping.iter() {
        let word = key.value.as_str();
        match word {
            _ if !known.contains(&word) => reader.unknown_key(key, "a step", known),
            "id" => {
                id = reader.literal(value, "id").filter(|id| values::check_id(reader, id, "a step"));
                ids.extend(id.clone());
            }
            "name" => name = reader.template(value, "name", names),
            "if" => {
                if let Some(read) = reader.condition(value, "if", if_names) {
                    condition = read;
                }
            }
            "env" => env = reader.fields(value, "env", names),
            "continue-on-error" => continue_on_error = reader.maybe_bool(value, word, names),
            "timeout-minutes" => timeout_minutes = values::minutes(reader, value, word, names),
            "run" => parts.run = Some(value),
            "uses" => parts.uses = Some(value),
            "with" => parts.with = Some((key, value)),
            "shell" => parts.shell = Some((key, value)),
            "working-directory" => parts.working_directory = Some((key, value)),
            _ => {
                parts.refused = true;
                reader.not_supported(key.span, &format!("{word:?} of a step"));
            }
        }
    }
    let kind = read_kind(reader, node, &parts, home, names)?;
    Some(Step { id, name, condition, env, continue_on_error, timeout_minutes, kind, span: node.span })
}

fn read_kind(
    reader: &mut Reader<'_>,
    node: &Node,
    parts: &Parts<'_>,
    home: Home,
    names: &AllowedNames<'_>,
) -> Option<StepKind> {
    let misplaced = |reader: &mut Reader<'_>, keys: &[Option<(&Spanned<String>, &Node)>], owner: &str| {
        for (key, _) in keys.iter().flatten() {
            reader.error("SW0110", key.span, format!("{:?} belongs to a step with `{owner}`", key.value));
        }
    };
    match (parts.run, parts.uses) {
        (Some(_), Some(uses)) => {
            reader.error("SW0110", uses.span, "a step has either `run` or `uses`, not both");
            None
        }
        (Some(run), None) => {
            misplaced(reader, &[parts.with], "uses");
            let shell = parts.shell.and_then(|(_, shell)| reader.filled(shell, "shell", names));
            if home == Home::Composite && parts.shell.is_none() {
                reader.missing(node.span, "a `run` step of a composite action", "shell");
            }
            let directory = parts.working_directory;
            let working_directory =
                directory.and_then(|(_, path)| reader.template(path, "working-directory", names));
            let run = reader.template(run, "run", names)?;
            Some(StepKind::Run(Box::new(RunStep { run, shell, working_directory })))
        }
        (None, Some(target)) => {
            misplaced(reader, &[parts.shell, parts.working_directory], "run");
            let with =
                parts.with.map_or_else(Fields::default, |(_, with)| reader.fields(with, "with", names));
            let uses = uses::read(reader, target)?;
            Some(StepKind::Uses(Box::new(UsesStep { uses, with })))
        }
        (None, None) => {
            if !parts.refused {
                reader.error("SW0102", node.span, "a step needs the key \"run\" or the key \"uses\"");
            }
            None
        }
    }
}
