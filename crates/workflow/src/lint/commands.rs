//! Commands that GitHub has replaced by files, and the variable that switches some on again.

use super::{
    File, Level, Rule,
    finding::{Edit, Findings, Fix},
    injection::{Place, lines},
    injection_fix::is_posix,
    view::{JobView, StepView, View},
};
use shipway_base::yaml::{Mapping, Node};

pub(super) const DEPRECATED_COMMAND: Rule = Rule {
    id: "deprecated-command",
    level: Level::Warning,
    pedantic: false,
    what: "A script prints `::set-output`, `::save-state`, `::set-env`, `::add-path` or their `##[..]` forms, which GitHub \
           has replaced by files; `set-env` and `add-path` are errors there.",
    example: "run: echo \"::set-output name=tag::$TAG\"",
    fix: "write to the file: `echo \"tag=$TAG\" >> \"$GITHUB_OUTPUT\"`; `--fix` does so where the line is only that",
    zizmor: &[],
};

pub(super) const INSECURE_COMMANDS: Rule = Rule {
    id: "insecure-commands",
    level: Level::Error,
    pedantic: false,
    what: "`ACTIONS_ALLOW_UNSECURE_COMMANDS` lets anything that is printed set variables and the path of later steps.",
    example: "env: {ACTIONS_ALLOW_UNSECURE_COMMANDS: true}",
    fix: "remove it, and write to `$GITHUB_ENV` and `$GITHUB_PATH`",
    zizmor: &["insecure-commands"],
};

struct Old {
    name: &'static str,
    file: &'static str,
    /// Whether it has `name=..` and a value; otherwise the value alone.
    named: bool,
    /// Whether it fails, unless `ACTIONS_ALLOW_UNSECURE_COMMANDS` is set; GitHub still carries the others out.
    refused: bool,
}

const OLD: &[Old] = &[
    Old { name: "set-output", file: "GITHUB_OUTPUT", named: true, refused: false },
    Old { name: "save-state", file: "GITHUB_STATE", named: true, refused: false },
    Old { name: "set-env", file: "GITHUB_ENV", named: true, refused: true },
    Old { name: "add-path", file: "GITHUB_PATH", named: false, refused: true },
];

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    for (job, step) in view.steps() {
        old_commands(view, job, step, out);
    }
    let own = [Some(view.root)].into_iter().flatten();
    let jobs = view.jobs.iter().map(|job| job.map);
    let steps = view.steps().map(|(_, step)| step.map);
    for map in own.chain(jobs).chain(steps) {
        allowed(map, out);
    }
}

fn allowed(map: &Mapping, out: &mut Findings<'_>) {
    let env = map.get("env").and_then(Node::as_mapping);
    for (key, value) in env.iter().flat_map(|env| env.iter()) {
        let on = value.as_text().is_some_and(|text| !matches!(text, "" | "false"));
        if key.value == "ACTIONS_ALLOW_UNSECURE_COMMANDS" && on {
            out.report(
                &INSECURE_COMMANDS,
                key.span,
                "this lets printed text set variables and the path of later steps",
            )
            .help("remove it, and write to $GITHUB_ENV and $GITHUB_PATH");
        }
    }
}

fn old_commands(view: &View<'_>, job: &JobView<'_>, step: &StepView<'_>, out: &mut Findings<'_>) {
    let (Some(node), Some(script)) = (step.run, step.script()) else { return };
    if !script.contains("::") && !script.contains("##[") {
        return;
    }
    let Some(place) = Place::new(view, node) else { return };
    for (start, line) in lines(script) {
        if line.trim_start().starts_with('#') && !line.trim_start().starts_with("##[") {
            continue;
        }
        let found = OLD.iter().find(|old| {
            let forms = [format!("::{} ", old.name), format!("::{}::", old.name), format!("##[{}", old.name)];
            forms.iter().any(|form| line.contains(form.as_str()))
        });
        let Some(old) = found else { continue };
        let fix = replaced(line, old).filter(|_| is_posix(view, job, step)).and_then(|text| {
            let range = place.exact(view, start, line)?;
            Some(Fix { title: format!("write to ${}", old.file), edits: vec![Edit { range, text }] })
        });
        let value = if old.named { "NAME=VALUE" } else { "FOLDER" };
        let message = match old.refused {
            true => format!("the command {} is refused, and the step fails", old.name),
            false => format!("the command {} is deprecated, and each run warns of it", old.name),
        };
        out.report(&DEPRECATED_COMMAND, place.span(start, line), message)
            .help(format!("write: echo \"{value}\" >> \"${}\"", old.file))
            .fix(fix);
    }
}

/// The line with the file in place of the command, where it is a lone `echo` in a shell of the POSIX kind.
fn replaced(line: &str, old: &Old) -> Option<String> {
    let argument = line.trim().strip_prefix("echo ")?.trim();
    let quote = argument.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = match quote {
        Some(quote) => argument.strip_prefix(quote)?.strip_suffix(quote)?,
        None => argument,
    };
    let unsafe_inside = match quote {
        Some('\'') => inner.contains('\''),
        Some(_) => inner.contains(['"', '`']) || inner.contains("$("),
        None => {
            inner.contains(['"', '\'', '`', '|', '&', ';', '<', '>', '(', ')', ' ']) && !plain_unquoted(inner)
        }
    };
    // Escapes of the old commands would have to be taken back.
    if unsafe_inside || inner.contains('%') || inner.contains('\\') {
        return None;
    }
    let rest = inner.strip_prefix("::")?.strip_prefix(old.name)?;
    let text = match old.named {
        true => {
            let (name, value) = rest.strip_prefix(" name=")?.split_once("::")?;
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name.is_empty() || !name.chars().all(legal) {
                return None;
            }
            format!("{name}={value}")
        }
        false => rest.strip_prefix("::")?.to_owned(),
    };
    let quote = quote.map(String::from).unwrap_or_default();
    Some(format!("echo {quote}{text}{quote} >> \"${}\"", old.file))
}

/// `::set-output name=x::$Y` has one space, before `name`, and nothing that a shell would act on.
fn plain_unquoted(inner: &str) -> bool {
    inner.matches(' ').count() == 1
        && inner.contains(" name=")
        && !inner.contains(['"', '\'', '`', '|', '&', ';', '<', '>', '(', ')'])
}
