//! Calls of reusable workflows of the same repository.

use super::{
    File, Interface, Level, Rule,
    finding::Findings,
    view::{JobView, Target, text},
};
use crate::expr;
use shipway_base::{
    Spanned,
    yaml::{Node, closest},
};

pub(super) const UNKNOWN_LOCAL_WORKFLOW: Rule = Rule {
    id: "unknown-local-workflow",
    level: Level::Error,
    pedantic: false,
    what: "A job calls a workflow of this repository that does not exist, or that cannot be called.",
    example: "uses: ./.github/workflows/biuld.yml",
    fix: "spell the path as it is, and give the called file `on: workflow_call`",
    zizmor: &[],
};

pub(super) const CIRCULAR_CALL: Rule = Rule {
    id: "circular-call",
    level: Level::Error,
    pedantic: false,
    what: "A workflow calls itself, directly or through others; GitHub starts no run of it.",
    example: "uses: ./.github/workflows/ci.yml # in ci.yml",
    fix: "move the jobs that both need into a workflow that calls neither",
    zizmor: &[],
};

pub(super) const UNKNOWN_WORKFLOW_INPUT: Rule = Rule {
    id: "unknown-workflow-input",
    level: Level::Error,
    pedantic: false,
    what: "A call hands a reusable workflow an input or secret that it does not declare, or of another type.",
    example: "with: {enviroment: production}",
    fix: "spell it as `on.workflow_call` of the called file does",
    zizmor: &[],
};

pub(super) const MISSING_WORKFLOW_INPUT: Rule = Rule {
    id: "missing-workflow-input",
    level: Level::Error,
    pedantic: false,
    what: "A call does not give an input or secret that the called workflow requires.",
    example: "uses: ./.github/workflows/deploy.yml # without its required input `target`",
    fix: "give it under `with` or `secrets`",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    for job in &file.view.jobs {
        let Some(calls) = &job.calls else { continue };
        let Target::Local(path) = Target::parse(calls.value) else { continue };
        match file.interfaces.find(path) {
            Some(interface) if interface.callable => {
                let own: &str = &file.view.source.name;
                if let Some(way) = file.interfaces.way_back(own, path.trim_start_matches("./")) {
                    let message = format!("this workflow calls itself: {own} -> {}", way.join(" -> "));
                    out.report(&CIRCULAR_CALL, calls.span, message)
                        .help("move the jobs that both need into a workflow that calls neither");
                }
                call(job, calls, interface, out);
            }
            Some(_) => {
                let message = format!("{path} cannot be called: it is not started by workflow_call");
                out.report(&UNKNOWN_LOCAL_WORKFLOW, calls.span, message)
                    .help("add workflow_call to its `on`");
            }
            None if file.interfaces.is_absent(path) => {
                let found =
                    out.report(&UNKNOWN_LOCAL_WORKFLOW, calls.span, format!("there is no workflow {path}"));
                let close = closest(path, file.interfaces.paths());
                found.help = close.map(|close| format!("did you mean ./{close}?"));
            }
            None => {}
        }
    }
}

fn call(job: &JobView<'_>, calls: &Spanned<&str>, interface: &Interface, out: &mut Findings<'_>) {
    let with = job.map.get("with").and_then(Node::as_mapping);
    let names: Vec<&str> = interface.inputs.iter().map(|input| input.name.as_str()).collect();
    for (key, value) in with.iter().flat_map(|map| map.iter()) {
        let Some(input) = interface.inputs.iter().find(|input| input.name.eq_ignore_ascii_case(&key.value))
        else {
            unknown(key, "input", &names, out);
            continue;
        };
        let wrong = match input.kind.as_deref() {
            _ if value.as_text().is_some_and(expr::has_expression) => false,
            Some("boolean") => value.as_bool().is_none(),
            Some("number") => value.as_number().is_none(),
            Some(_) | None => false,
        };
        if wrong {
            let kind = input.kind.as_deref().unwrap_or_default();
            let message =
                format!("the input {:?} must be a {kind}, and this is {}", input.name, value.kind_name());
            out.report(&UNKNOWN_WORKFLOW_INPUT, value.span, message);
        }
    }
    let given = |name: &str| {
        with.iter().flat_map(|map| map.iter()).any(|(key, _)| key.value.eq_ignore_ascii_case(name))
    };
    let open = job.map.get("with").is_some_and(|with| with.as_mapping().is_none() && !with.is_null());
    for input in interface.inputs.iter().filter(|input| input.needed && !given(&input.name) && !open) {
        let message = format!("this workflow needs the input {:?}", input.name);
        out.report(&MISSING_WORKFLOW_INPUT, calls.span, message)
            .help(format!("add it under `with`: {}: ...", input.name));
    }
    secrets(job, calls, interface, out);
}

fn secrets(job: &JobView<'_>, calls: &Spanned<&str>, interface: &Interface, out: &mut Findings<'_>) {
    let node = job.map.get("secrets");
    if node.and_then(text).is_some_and(|text| text.value == "inherit") {
        return;
    }
    let map = node.and_then(Node::as_mapping);
    let declared = interface.secrets.clone().unwrap_or_default();
    let names: Vec<&str> = declared.iter().map(|(name, _)| name.as_str()).collect();
    for (key, _) in map.iter().flat_map(|map| map.iter()) {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(&key.value)) {
            unknown(key, "secret", &names, out);
        }
    }
    for (name, needed) in &declared {
        let given =
            map.iter().flat_map(|map| map.iter()).any(|(key, _)| key.value.eq_ignore_ascii_case(name));
        if *needed && !given {
            out.report(
                &MISSING_WORKFLOW_INPUT,
                calls.span,
                format!("this workflow needs the secret {name:?}"),
            )
            .help(format!("add it under `secrets`: {name}: ${{{{ secrets.{name} }}}}"));
        }
    }
}

fn unknown(key: &Spanned<String>, what: &str, names: &[&str], out: &mut Findings<'_>) {
    let message = format!("the called workflow has no {what} {:?}", key.value);
    let found = out.report(&UNKNOWN_WORKFLOW_INPUT, key.span, message);
    match closest(&key.value, names.iter().copied()) {
        Some(close) => found.help(format!("did you mean {close:?}?")),
        None if names.is_empty() => found.help(format!("it declares no {what}s")),
        None => found.help(format!("its {what}s: {}", names.join(", "))),
    };
}
