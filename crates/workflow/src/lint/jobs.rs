//! Jobs that never run, and keys whose values mean nothing.

use super::{
    File, Kind, Level, Rule,
    compare::constant_value,
    finding::Findings,
    view::{JobView, Slot, View, text},
};
use crate::{
    document::scalar_value,
    expr::{self, Expr},
};
use shipway_base::{
    Span, Spanned,
    yaml::{Mapping, Node, closest},
};
use std::collections::BTreeMap;

pub(super) const UNREACHABLE_JOB: Rule = Rule {
    id: "unreachable-job",
    level: Level::Warning,
    pedantic: false,
    what: "A job can never run: its `if` is never true, or it needs a job that never runs.",
    example: "needs: nightly # whose `if` is false",
    fix: "remove the need, or give the job `if: always()` or `if: !cancelled()`",
    zizmor: &[],
};

pub(super) const REPEATED_NEED: Rule = Rule {
    id: "repeated-need",
    level: Level::Note,
    pedantic: false,
    what: "A job names the same need twice.",
    example: "needs: [build, build]",
    fix: "name it once",
    zizmor: &[],
};

pub(super) const UNKNOWN_RUNNER: Rule = Rule {
    id: "unknown-runner",
    level: Level::Note,
    pedantic: false,
    what: "A label of `runs-on` is none of GitHub's, and looks like one misspelt, or is one that is gone.",
    example: "runs-on: ubuntu-lastest",
    fix: "spell it as GitHub does; labels of one's own machines go beside `self-hosted`",
    zizmor: &[],
};

pub(super) const CONFLICTING_RUNNERS: Rule = Rule {
    id: "conflicting-runners",
    level: Level::Error,
    pedantic: false,
    what: "`runs-on` names hosted runners of two systems; no machine has both labels, so the job waits for ever.",
    example: "runs-on: [ubuntu-latest, windows-latest]",
    fix: "use a matrix to run on each of them",
    zizmor: &[],
};

pub(super) const UNKNOWN_SHELL: Rule = Rule {
    id: "unknown-shell",
    level: Level::Error,
    pedantic: false,
    what: "`shell` names no shell that GitHub knows, and is no command with `{0}`; or a shell of another system.",
    example: "shell: bsh",
    fix: "use bash, sh, pwsh, powershell, cmd or python, or a command such as `perl {0}`",
    zizmor: &[],
};

pub(super) const INVALID_ENV_NAME: Rule = Rule {
    id: "invalid-env-name",
    level: Level::Warning,
    pedantic: false,
    what: "The name of an `env` variable that no shell can use.",
    example: "env: {\"MY VAR\": 1}",
    fix: "use letters, digits and `_`",
    zizmor: &[],
};

pub(super) const MISSING_TIMEOUT: Rule = Rule {
    id: "missing-timeout",
    level: Level::Note,
    pedantic: true,
    what: "A job has no `timeout-minutes`, so a hanging step holds a runner for six hours.",
    example: "jobs: {build: {runs-on: ubuntu-latest, steps: ...}}",
    fix: "add `timeout-minutes` with some multiple of what the job takes",
    zizmor: &[],
};

pub(super) const FRACTIONAL_TIMEOUT: Rule = Rule {
    id: "fractional-timeout",
    level: Level::Warning,
    pedantic: false,
    what: "`timeout-minutes` has a fraction, which GitHub drops: below one minute a step has no limit there. Shipway obeys it.",
    example: "timeout-minutes: 0.5",
    fix: "write whole minutes",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    unreachable(view, out);
    names(view.root, out);
    shells(view.root, None, out);
    for job in &view.jobs {
        names(job.map, out);
        shells(job.map, Some(job), out);
        minutes(job.map, false, out);
        for step in &job.steps {
            names(step.map, out);
            minutes(step.map, true, out);
            if let Some(shell) = step.map.get("shell").and_then(text) {
                shell_name(&shell, Some(job), out);
            }
        }
        if view.kind == Kind::Action {
            continue;
        }
        for (at, need) in job.needs.iter().enumerate() {
            if job.needs[..at].iter().any(|other| other.value.eq_ignore_ascii_case(need.value)) {
                out.report(&REPEATED_NEED, need.span, format!("{} is already among the needs", need.value));
            }
        }
        for label in job.labels().into_iter().flatten() {
            runner(job, &label, out);
        }
        conflicting(job, out);
        if job.calls.is_none() && job.map.get("timeout-minutes").is_none() {
            let message = format!("the job {:?} has no timeout-minutes; it may take six hours", job.id.value);
            out.report(&MISSING_TIMEOUT, job.id.span, message).help("add, for example, timeout-minutes: 15");
        }
    }
}

/// Limits that GitHub reads as whole numbers.
fn minutes(map: &Mapping, of_step: bool, out: &mut Findings<'_>) {
    for key in ["timeout-minutes", "cancel-timeout-minutes"] {
        let Some(node) = map.get(key) else { continue };
        let Some(minutes) = scalar_value(node).and_then(|value| value.as_number()) else { continue };
        if minutes.fract() == 0.0 || minutes <= 0.0 {
            continue;
        }
        let whole = minutes.trunc();
        let read = match whole == 0.0 && of_step {
            true => "0, which is no limit".to_owned(),
            false => whole.to_string(),
        };
        out.report(&FRACTIONAL_TIMEOUT, node.span, format!("GitHub reads {key}: {minutes} as {read}"))
            .help(format!("write {key}: {}", minutes.ceil()));
    }
}

fn unreachable(view: &View<'_>, out: &mut Findings<'_>) {
    // Of each job: whether its condition is certainly false, and whether it asks for the status itself.
    let mut conditions: BTreeMap<usize, (Option<bool>, bool)> = BTreeMap::new();
    for site in view.sites.iter().filter(|site| site.slot == Slot::If && site.step.is_none()) {
        let Some(job) = site.job else { continue };
        let value = site.template.as_single().and_then(constant_value);
        conditions.insert(job, (value, site.template.expressions().any(Expr::asks_status)));
    }
    let never = |job: usize| conditions.get(&job).is_some_and(|(value, _)| *value == Some(false));
    let at = |id: &str| view.jobs.iter().position(|job| job.id.value.eq_ignore_ascii_case(id));
    // A skipped need skips its job unless that asks for the status; this spreads until nothing changes.
    let mut dead: Vec<bool> = (0..view.jobs.len()).map(never).collect();
    loop {
        let next = (0..view.jobs.len()).find(|job| {
            !dead[*job]
                && !conditions.get(job).is_some_and(|(_, asks)| *asks)
                && view.jobs[*job].needs.iter().any(|need| at(need.value).is_some_and(|need| dead[need]))
        });
        let Some(job) = next else { break };
        dead[job] = true;
    }
    for (_, job) in view.jobs.iter().enumerate().filter(|(index, _)| dead[*index] && !never(*index)) {
        let Some(need) = job.needs.iter().find(|need| at(need.value).is_some_and(|need| dead[need])) else {
            continue;
        };
        let message = format!("the job {:?} never runs, because {} never does", job.id.value, need.value);
        out.report(&UNREACHABLE_JOB, need.span, message)
            .help("remove the need, or give the job a condition that asks for the status, such as `if: !cancelled()`");
    }
}

const HOSTED: &[&str] = &[
    "ubuntu-latest",
    "ubuntu-26.04",
    "ubuntu-26.04-arm",
    "ubuntu-24.04",
    "ubuntu-24.04-arm",
    "ubuntu-22.04",
    "ubuntu-22.04-arm",
    "ubuntu-slim",
    "windows-latest",
    "windows-2025",
    "windows-2025-vs2026",
    "windows-2022",
    "windows-11-arm",
    "macos-latest",
    "macos-latest-large",
    "macos-latest-xlarge",
    "macos-26",
    "macos-26-intel",
    "macos-26-large",
    "macos-26-xlarge",
    "macos-15",
    "macos-15-intel",
    "macos-15-large",
    "macos-15-xlarge",
    "macos-14",
    "macos-14-large",
    "macos-14-xlarge",
];

const GONE: &[&str] = &[
    "ubuntu-16.04",
    "ubuntu-18.04",
    "ubuntu-20.04",
    "windows-2016",
    "windows-2019",
    "macos-10.15",
    "macos-11",
    "macos-12",
    "macos-13",
];

fn runner(job: &JobView<'_>, label: &Spanned<&str>, out: &mut Findings<'_>) {
    let own = job.labels().into_iter().flatten().any(|label| label.value.eq_ignore_ascii_case("self-hosted"));
    let known = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(label.value));
    if own || known(HOSTED) {
        return;
    }
    if known(GONE) {
        out.report(
            &UNKNOWN_RUNNER,
            label.span,
            format!("GitHub no longer has runners called {}", label.value),
        )
        .level(Level::Warning)
        .help("a job with this label waits until it is cancelled; use a newer one");
        return;
    }
    // Other labels are machines of one's own, which nobody but their owner knows.
    if let Some(close) = closest(label.value, HOSTED.iter().copied()) {
        out.report(&UNKNOWN_RUNNER, label.span, format!("GitHub has no runners called {}", label.value))
            .help(format!("did you mean {close}?"));
    }
}

fn conflicting(job: &JobView<'_>, out: &mut Findings<'_>) {
    let labels = job.labels().unwrap_or_default();
    let system = |label: &str| {
        let label = label.to_ascii_lowercase();
        let hosted = HOSTED.iter().any(|known| *known == label);
        label.split('-').next().filter(|_| hosted).map(str::to_owned)
    };
    let mut first: Option<(String, &str)> = None;
    for label in &labels {
        let Some(system) = system(label.value) else { continue };
        match &first {
            Some((known, other)) if *known != system => {
                let message = format!("no runner is both {other} and {}", label.value);
                out.report(&CONFLICTING_RUNNERS, label.span, message)
                    .help("use a matrix to run on each of them");
            }
            Some(_) => {}
            None => first = Some((system, label.value)),
        }
    }
}

fn shells(map: &Mapping, job: Option<&JobView<'_>>, out: &mut Findings<'_>) {
    let run = map.get("defaults").and_then(Node::as_mapping).and_then(|map| map.get("run"));
    if let Some(shell) = run.and_then(Node::as_mapping).and_then(|run| run.get("shell")).and_then(text) {
        shell_name(&shell, job, out);
    }
}

fn shell_name(shell: &Spanned<&str>, job: Option<&JobView<'_>>, out: &mut Findings<'_>) {
    const SHELLS: &[&str] = &["bash", "sh", "pwsh", "powershell", "cmd", "python"];
    if expr::has_expression(shell.value) || shell.value.contains("{0}") || shell.value.is_empty() {
        return;
    }
    // Names of shells are compared without case.
    if !SHELLS.iter().any(|known| known.eq_ignore_ascii_case(shell.value)) {
        let message = match shell.value.split_whitespace().nth(1) {
            Some(_) => format!("the command {:?} lacks {{0}}, where the script's file goes", shell.value),
            None => format!("there is no shell {:?}", shell.value),
        };
        let found = out.report(&UNKNOWN_SHELL, shell.span, message);
        match closest(shell.value, SHELLS.iter().copied()) {
            Some(close) => found.help(format!("did you mean {close}?")),
            None => {
                found.help("use bash, sh, pwsh, powershell, cmd or python, or a command such as `perl {0}`")
            }
        };
        return;
    }
    let labels = job.and_then(JobView::labels).unwrap_or_default();
    let unix = |label: &Spanned<&str>| label.value.starts_with("ubuntu") || label.value.starts_with("macos");
    if matches!(shell.value.to_ascii_lowercase().as_str(), "cmd" | "powershell")
        && !labels.is_empty()
        && labels.iter().all(unix)
    {
        let message =
            format!("{} is there on Windows only, and this job runs on {}", shell.value, labels[0].value);
        out.report(&UNKNOWN_SHELL, shell.span, message).help("use bash, or pwsh, which is there everywhere");
    }
}

fn names(map: &Mapping, out: &mut Findings<'_>) {
    let env = map.get("env").and_then(Node::as_mapping);
    for (key, _) in env.iter().flat_map(|env| env.iter()) {
        if key.value.contains(['=', ' ', '&', '$']) && !expr::has_expression(&key.value) {
            let span: Span = key.span;
            out.report(
                &INVALID_ENV_NAME,
                span,
                format!("no shell can use a variable called {:?}", key.value),
            )
            .help("use letters, digits and _");
        }
    }
}
