//! Reading the entries of `steps`, of a job or of a composite action.

mod control;

use super::{Fields, RunStep, Step, StepKind, UsesStep, reader::Reader, uses, values};
use crate::expr::{self, AllowedNames, Condition};
use shipway_base::{Spanned, yaml::Node};

/// Where steps stand; composite actions offer fewer contexts and fewer keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// `jobs.<id>.steps`.
    Job,
    /// `parallel` of such a step.
    Parallel,
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

/// Where the keys of background steps begin in [`KEYS`]; none of them may stand within `parallel`.
const BACKGROUND: usize = 11;

const COMPOSITE_KEYS: &[&str] =
    &["id", "name", "if", "run", "uses", "with", "env", "shell", "working-directory", "continue-on-error"];

/// Reads all steps; those that are wrong are noted and left out.
pub(crate) fn read_steps(reader: &mut Reader<'_>, node: &Node, home: Home) -> Vec<Step> {
    let mut ids = Ids::default();
    reader.sequence(node, "steps").iter().filter_map(|item| read(reader, item, home, &mut ids)).collect()
}

/// The ids of the steps so far, kept apart from the steps, so that those which are wrong otherwise count too.
#[derive(Default)]
struct Ids(Vec<(Spanned<String>, bool)>);

impl Ids {
    fn find(&self, id: &str) -> Option<&(Spanned<String>, bool)> {
        self.0.iter().find(|(known, _)| known.value.eq_ignore_ascii_case(id))
    }

    fn add(&mut self, reader: &mut Reader<'_>, id: &Spanned<String>, background: bool) {
        match self.find(&id.value) {
            Some((first, _)) => {
                let message =
                    format!("the step id {:?} is already used on line {}", id.value, first.span.start.line);
                let help = "ids are compared without case; choose another";
                reader.error_with_help("SW0107", id.span, message, help);
            }
            None => self.0.push((id.clone(), background)),
        }
    }
}

/// What has been read of a step before it is known to be complete.
#[derive(Default)]
struct Parts<'n> {
    run: Option<&'n Node>,
    uses: Option<&'n Node>,
    with: Option<(&'n Spanned<String>, &'n Node)>,
    shell: Option<(&'n Spanned<String>, &'n Node)>,
    working_directory: Option<(&'n Spanned<String>, &'n Node)>,
}

fn read(reader: &mut Reader<'_>, node: &Node, home: Home, ids: &mut Ids) -> Option<Step> {
    let mapping = reader.mapping(node, "a step")?;
    if home == Home::Job
        && let Some(step) = control::read(reader, node, mapping, ids)
    {
        return step;
    }
    let (names, if_names): (&AllowedNames<'_>, &AllowedNames<'_>) = match home {
        Home::Job | Home::Parallel => (&expr::STEP, &expr::STEP_IF),
        Home::Composite => (&expr::COMPOSITE_STEP, &expr::COMPOSITE_STEP_IF),
    };
    let known = match home {
        Home::Job => KEYS,
        Home::Parallel => &KEYS[..BACKGROUND],
        Home::Composite => COMPOSITE_KEYS,
    };
    let mut background = false;
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
            }
            "name" => name = reader.template(value, "name", names),
            "if" => {
                if let Some(read) = reader.condition(value, "if", if_names) {
                    condition = read;
                }
            }
            "env" => env = reader.fields(value, "env", names),
            "continue-on-error" => continue_on_error = reader.maybe_bool(value, word, names),
            "timeout-minutes" => timeout_minutes = values::step_minutes(reader, value, word, names),
            "run" => parts.run = Some(value),
            "uses" => parts.uses = Some(value),
            "with" => parts.with = Some((key, value)),
            "shell" => parts.shell = Some((key, value)),
            "working-directory" => parts.working_directory = Some((key, value)),
            "background" => background = reader.boolean(value, word).unwrap_or(false),
            // The other known keys make a step that waits, cancels or groups, which is read elsewhere.
            _ => {}
        }
    }
    if let Some(id) = &id {
        ids.add(reader, id, background || home == Home::Parallel);
    }
    let kind = read_kind(reader, node, &parts, home, names)?;
    let span = node.span;
    Some(Step { id, name, condition, env, continue_on_error, timeout_minutes, background, kind, span })
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
            let shell_names = match home {
                Home::Job | Home::Parallel => &expr::NOTHING,
                Home::Composite => names,
            };
            let shell = parts.shell.and_then(|(_, shell)| reader.filled(shell, "shell", shell_names));
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
            reader.error("SW0102", node.span, "a step needs the key \"run\" or the key \"uses\"");
            None
        }
    }
}
