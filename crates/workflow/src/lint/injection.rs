//! Texts of outsiders that become part of a program.

use super::{
    File, Level, Rule,
    evaluated::Evaluated,
    finding::Findings,
    injection_fix, roundabout,
    untrusted::{Author, author},
    view::{JobView, Site, Slot, StepView, View},
};
use crate::expr;
use shipway_base::{Span, yaml::Node};
use std::borrow::Cow;

pub(super) const SCRIPT_INJECTION: Rule = Rule {
    id: "script-injection",
    level: Level::Error,
    pedantic: false,
    what: "A text that an outsider chooses is pasted into a script before it runs, so it can be a program. An error for \
           texts of anybody; a note for those of people with write access, such as inputs.",
    example: "run: echo \"${{ github.event.issue.title }}\"",
    fix: "hand it over in `env`, and write `\"$TITLE\"` in the script; `--fix` does so inside double quotes. Where bash evaluates \
          the text (`[[ .. -eq .. ]]`, `$(( ))`, `let`, `declare -i`, `a[..]`, `eval`), check the variable first",
    zizmor: &["template-injection"],
};

pub(super) const ENV_INJECTION: Rule = Rule {
    id: "env-injection",
    level: Level::Error,
    pedantic: false,
    what: "A text that an outsider chooses is written to `$GITHUB_ENV` or `$GITHUB_PATH`, and can set variables such as \
           `LD_PRELOAD` for the steps after it.",
    example: "run: echo \"TITLE=$TITLE\" >> \"$GITHUB_ENV\" # TITLE: ${{ github.event.issue.title }}",
    fix: "use an output (`$GITHUB_OUTPUT`) instead, or check the text first",
    zizmor: &["github-env"],
};

/// Actions whose input is a program.
const SCRIPTS: &[(&str, &str)] = &[
    ("actions/github-script", "script"),
    ("azure/cli", "inlineScript"),
    ("azure/powershell", "inlineScript"),
    ("appleboy/ssh-action", "script"),
];

/// Actions that unpack artifacts.
const ARTIFACTS: &[&str] = &["actions/download-artifact", "dawidd6/action-download-artifact"];

/// How a line of a script reads a file.
const READS: &[&str] = &["cat ", "$(<", "head ", "tail ", "jq ", "grep ", "sed ", "awk ", "unzip -p"];

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    for site in &view.sites {
        let Some(step) = view.step(site) else { continue };
        let script = match site.slot {
            Slot::Run => true,
            Slot::With(input) => SCRIPTS
                .iter()
                .any(|(action, name)| step.is_action(action) && input.eq_ignore_ascii_case(name)),
            Slot::If | Slot::Env(_) | Slot::JobOutput(_) | Slot::Output | Slot::Other(_) => false,
        };
        if script {
            pasted(view, site, step, out);
        }
    }
    for (_, step) in view.steps() {
        environment(view, step, out);
    }
    for job in &view.jobs {
        artifacts(view, job, out);
    }
}

fn pasted(view: &View<'_>, site: &Site<'_>, step: &StepView<'_>, out: &mut Findings<'_>) {
    for written in site.expressions() {
        let direct = author(view, &written.expr.root).map(|found| (found, None));
        let found = direct.or_else(|| {
            let (found, through) = roundabout::author(view, site, &written.expr.root)?;
            Some((found, Some(through)))
        });
        let Some(((author, reference), through)) = found else { continue };
        let who = match author {
            Author::Anybody => "anybody who can open an issue or a pull request",
            Author::Member => "whoever starts this workflow",
        };
        let message = match &through {
            None => format!("{} is chosen by {who}, and becomes part of this script", reference.text()),
            Some(through) => format!(
                "{through} holds {}, which is chosen by {who}, and becomes part of this script",
                reference.text()
            ),
        };
        let fix = match through {
            None => injection_fix::through_env(view, site, step, &written),
            Some(_) => None,
        };
        let found = out.report(&SCRIPT_INJECTION, written.span(), message).fix(fix);
        if author == Author::Member {
            found.level(Level::Note);
        }
        let name = injection_fix::variable(&reference);
        found.help(match site.slot {
            Slot::Run => match injection_fix::evaluated_by_shell(view, site, step, &written) {
                Some(as_what) => checked(as_what, &name, written.text),
                None => {
                    format!("set `{name}: ${{{{ {} }}}}` under env, and write \"${name}\" here", written.text)
                }
            },
            Slot::With(_) | Slot::If | Slot::Env(_) | Slot::JobOutput(_) | Slot::Output | Slot::Other(_) => {
                format!(
                    "set `{name}: ${{{{ {} }}}}` under env, and read it from the environment",
                    written.text
                )
            }
        });
    }
}

/// What helps where bash evaluates the text: a variable alone does not.
fn checked(as_what: Evaluated, name: &str, text: &str) -> String {
    let set = format!("set `{name}: ${{{{ {text} }}}}` under env");
    match as_what {
        Evaluated::Number { compared } => {
            let or = if compared {
                format!(", or compare with [ \"${name}\" = .. ], which computes nothing")
            } else {
                String::new()
            };
            format!(
                "bash computes this text, and carries out the command in a number such as a[$(..)], also when a variable holds it: \
                 {set}, go on only when [[ \"${name}\" =~ ^[0-9]+$ ]], and write ${name} here{or}"
            )
        }
        Evaluated::Name => format!(
            "bash takes this text for a name, and carries out the command in a name such as a[$(..)], also when a variable holds it: \
             {set}, go on only when [[ \"${name}\" =~ ^[A-Za-z_]+$ ]], and write \"${name}\" here"
        ),
        Evaluated::Program(by) => format!(
            "{by} carries this text out as a program, also when a variable holds it: {set}, and write \"${name}\" where no {by} reads it, \
             or go on only when [[ \"${name}\" =~ ^[A-Za-z0-9_-]+$ ]]"
        ),
    }
}

/// Lines of a script that write to the environment what came from outside.
fn environment(view: &View<'_>, step: &StepView<'_>, out: &mut Findings<'_>) {
    let (Some(node), Some(script)) = (step.run, step.script()) else { return };
    let writes = |line: &str| line.contains("GITHUB_ENV") || line.contains("GITHUB_PATH");
    if !writes(script) {
        return;
    }
    // Variables of this step whose text comes from outside.
    let outside: Vec<(&str, String)> = view
        .sites
        .iter()
        .filter(|site| view.step(site).is_some_and(|other| std::ptr::eq(other, step)))
        .filter_map(|site| {
            let Slot::Env(name) = site.slot else { return None };
            let found = site.expressions().filter_map(|written| author(view, &written.expr.root));
            let (_, reference) = found.into_iter().find(|(author, _)| *author == Author::Anybody)?;
            Some((name, reference.text()))
        })
        .collect();
    let Some(at) = Place::new(view, node) else { return };
    for (start, line) in lines(script).filter(|(_, line)| writes(line)) {
        for (name, reference) in &outside {
            if mentions(line, name) {
                let message = format!(
                    "{reference} is chosen by anybody, and is written to the environment of later steps"
                );
                out.report(&ENV_INJECTION, at.span(start, line), message)
                    .help("use an output (GITHUB_OUTPUT) instead, or let only known texts through");
            }
        }
    }
}

/// Lines that write a file to the environment, after the artifact of a run that outsiders start was unpacked.
fn artifacts(view: &View<'_>, job: &JobView<'_>, out: &mut Findings<'_>) {
    if !view.started_by(&["workflow_run"]) {
        return;
    }
    let fetches = |step: &StepView<'_>| {
        ARTIFACTS.iter().any(|action| step.is_action(action))
            || step.script().is_some_and(|script| script.contains("gh run download"))
    };
    let Some(first) = job.steps.iter().position(fetches) else { return };
    for step in &job.steps[first..] {
        let (Some(node), Some(script)) = (step.run, step.script()) else { continue };
        let Some(at) = Place::new(view, node) else { continue };
        let writes = |line: &str| {
            let target = line.contains("GITHUB_ENV") || line.contains("GITHUB_PATH");
            target && line.contains('>') && READS.iter().any(|reads| line.contains(reads))
        };
        for (start, line) in lines(script).filter(|(_, line)| writes(line)) {
            let message = "a file of another run's artifact, which a stranger's pull request may have made, is written \
                           to the environment of later steps";
            out.report(&ENV_INJECTION, at.span(start, line), message)
                .help("use an output (GITHUB_OUTPUT) instead, or let only known texts through");
        }
    }
}

/// Whether a line uses a shell variable.
fn mentions(line: &str, name: &str) -> bool {
    let end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    line.match_indices('$').any(|(at, _)| {
        let rest = line[at + 1..].trim_start_matches('{').trim_start_matches("env:");
        rest.strip_prefix(name).is_some_and(end)
    })
}

/// Each line with the byte it begins at.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

/// Finds where parts of a scalar stand in the source.
pub(super) struct Place<'a> {
    text: &'a str,
    template: Cow<'a, expr::Template>,
}

impl<'a> Place<'a> {
    /// None when the scalar holds expressions that cannot be read.
    pub(super) fn new(view: &View<'_>, node: &'a Node) -> Option<Place<'a>> {
        let text = node.as_text()?;
        let template = Cow::Owned(super::view::read(text, node.span, view.source)?);
        Some(Place { text, template })
    }

    /// Of a scalar that was read before.
    pub(super) fn of(site: &'a Site<'_>) -> Place<'a> {
        Place { text: site.template.text(), template: Cow::Borrowed(&site.template) }
    }

    /// The span of a part that begins at a byte.
    pub(super) fn span(&self, start: usize, part: &str) -> Span {
        let blank = part.len() - part.trim_start().len();
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        self.template.locate(count(&self.text[..start + blank]), count(part.trim()))
    }

    /// The bytes of the source that are this part, when it stands there letter by letter.
    pub(super) fn exact(&self, view: &View<'_>, start: usize, part: &str) -> Option<std::ops::Range<usize>> {
        let range = view.source.byte_range(self.span(start, part));
        (view.source.text.get(range.clone())? == part.trim()).then_some(range)
    }
}
