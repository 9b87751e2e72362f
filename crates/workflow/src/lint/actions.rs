//! What is handed to actions with `with`, and whether local ones exist.

use super::{
    File, Kind, Level, Rule,
    context::local,
    finding::Findings,
    popular,
    view::{JobView, StepView},
};
use crate::expr;
use shipway_base::{
    Span,
    yaml::{Mapping, Node, closest},
};

pub(super) const UNKNOWN_ACTION_INPUT: Rule = Rule {
    id: "unknown-action-input",
    level: Level::Error,
    pedantic: false,
    what: "`with` gives an action an input that it does not have. A warning for actions of other repositories.",
    example: "with: {pyhton-version: '3.12'}",
    fix: "spell the input as the action's `action.yml` does",
    zizmor: &[],
};

pub(super) const MISSING_ACTION_INPUT: Rule = Rule {
    id: "missing-action-input",
    level: Level::Error,
    pedantic: false,
    what: "A local action needs an input that `with` does not give.",
    example: "uses: ./.github/actions/deploy # without its required `target`",
    fix: "give the input, or a default in `action.yml`",
    zizmor: &[],
};

pub(super) const DEPRECATED_INPUT: Rule = Rule {
    id: "deprecated-input",
    level: Level::Warning,
    pedantic: false,
    what: "`with` gives a local action an input that its `action.yml` calls deprecated.",
    example: "with: {mode: fast} # which has a deprecationMessage",
    fix: "as the message of the action says",
    zizmor: &[],
};

pub(super) const UNKNOWN_LOCAL_ACTION: Rule = Rule {
    id: "unknown-local-action",
    level: Level::Warning,
    pedantic: false,
    what: "`uses: ./path` names a folder of the repository that holds no `action.yml`. In an action of its own only where a \
           workflow of the repository uses it, since `./` is the workspace of whoever does.",
    example: "uses: ./.github/actions/depoly",
    fix: "spell the folder as it is; it is looked for from the root of the repository",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    for (job, step) in file.view.steps() {
        let Some((target, span)) = &step.uses else { continue };
        if let Some(path) = local(target) {
            local_action(file, job, step, path, *span, out);
        } else if let Some(inputs) = popular::inputs(target) {
            unknown(step, inputs, Level::Warning, out);
        }
    }
}

fn local_action(
    file: &File<'_>,
    job: &JobView<'_>,
    step: &StepView<'_>,
    path: &str,
    span: Span,
    out: &mut Findings<'_>,
) {
    let Some(interface) = file.interfaces.find(path) else {
        if file.interfaces.is_absent(path) && is_here(file, job, step, path) && !path.contains("${{") {
            let message = format!("there is no action in {}", if path.is_empty() { "./" } else { path });
            let close = closest(path, file.interfaces.paths().filter(|path| !path.contains(".y")));
            let found = out.report(&UNKNOWN_LOCAL_ACTION, span, message);
            match close {
                Some(close) => found.help(format!("did you mean ./{close}?")),
                None => found.help("the folder is looked for from the root of the repository"),
            };
        }
        return;
    };
    let names: Vec<&str> = interface.inputs.iter().map(|input| input.name.as_str()).collect();
    unknown(step, &names, Level::Error, out);
    let with = step.map.get("with");
    for (key, _) in with.and_then(Node::as_mapping).iter().flat_map(|map| map.iter()) {
        let input = interface.inputs.iter().find(|input| input.name.eq_ignore_ascii_case(&key.value));
        if let Some(message) = input.and_then(|input| input.deprecated.as_ref()) {
            out.report(
                &DEPRECATED_INPUT,
                key.span,
                format!("the input {:?} is deprecated: {message}", key.value),
            );
        }
    }
    let computed = |map: &Mapping| map.iter().any(|(key, _)| expr::has_expression(&key.value));
    if with.is_some_and(|with| with.as_mapping().map_or(!with.is_null(), computed)) {
        return;
    }
    for input in &interface.inputs {
        let given = step.with(&input.name).is_some();
        if input.needed && !given {
            let message = format!("this action needs the input {:?}", input.name);
            out.report(&MISSING_ACTION_INPUT, span, message)
                .help(format!("add it under `with`: {}: ...", input.name));
        }
    }
}

/// Whether the folder that a step names can only be one of this repository. Another one may have been checked out beside it, or in
/// its place; an action is used in the workspaces of others, too.
fn is_here(file: &File<'_>, job: &JobView<'_>, step: &StepView<'_>, path: &str) -> bool {
    // The repository of the file, whatever is checked out.
    if step.map.get("uses").and_then(Node::as_text).is_some_and(|uses| uses.starts_with("$/")) {
        return true;
    }
    let elsewhere = job.steps.iter().any(|step| {
        step.is_action("actions/checkout")
            && (step.with("path").is_some() || step.with("repository").is_some())
    });
    let mut segments = path.split('/').filter(|segment| !matches!(*segment, "" | "."));
    if elsewhere || segments.clone().any(|segment| segment == "..") {
        return false;
    }
    // A folder at the top that holds nothing of the repository, and that other steps name, is made by them.
    let top = segments.next().unwrap_or_default();
    let is_there =
        top.is_empty() || file.interfaces.paths().any(|known| known.split('/').next() == Some(top));
    match file.view.kind {
        Kind::Workflow => is_there || !job.steps.iter().any(|step| names(step, top)),
        Kind::Action => {
            let own: &str = &file.view.source.name;
            let folder = own.rsplit_once('/').map_or("", |(folder, _)| folder);
            is_there && file.interfaces.is_used_here(folder)
        }
    }
}

/// Whether the script or an input of a step holds a text.
fn names(step: &StepView<'_>, text: &str) -> bool {
    let holds = |node: &Node| node.as_text().is_some_and(|value| value.contains(text));
    let with = step.map.get("with").and_then(Node::as_mapping);
    step.run.is_some_and(holds) || with.is_some_and(|with| with.iter().any(|(_, value)| holds(value)))
}

fn unknown(step: &StepView<'_>, inputs: &[&str], level: Level, out: &mut Findings<'_>) {
    let with = step.map.get("with").and_then(Node::as_mapping);
    for (key, _) in with.iter().flat_map(|map| map.iter()) {
        // The two that every Docker action takes.
        let general = matches!(key.value.as_str(), "args" | "entrypoint");
        if general
            || expr::has_expression(&key.value)
            || inputs.iter().any(|known| known.eq_ignore_ascii_case(&key.value))
        {
            continue;
        }
        let found =
            out.report(&UNKNOWN_ACTION_INPUT, key.span, format!("this action has no input {:?}", key.value));
        found.level(level);
        match closest(&key.value, inputs.iter().copied()) {
            Some(close) => found.help(format!("did you mean {close:?}?")),
            None if inputs.is_empty() => found.help("it takes no inputs"),
            None => found.help(format!("its inputs: {}", inputs.join(", "))),
        };
    }
}
