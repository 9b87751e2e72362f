//! References to `steps` that can only be empty, and outputs that are used as what they are not.

use super::{
    File, Level, Rule,
    context::local,
    finding::Findings,
    popular,
    view::{At, JobView, Site, Slot, StepView},
};
use crate::expr::Reference;
use shipway_base::yaml::closest;

pub(super) const UNKNOWN_STEP: Rule = Rule {
    id: "unknown-step",
    level: Level::Error,
    pedantic: false,
    what: "`steps.ID` names no step of the same job that comes before; the value is always empty.",
    example: "run: echo ${{ steps.build.outputs.tag }} # `build` is a later step, or in another job",
    fix: "give the step that id, move it before, or use `needs` for another job's outputs",
    zizmor: &[],
};

pub(super) const UNKNOWN_STEP_OUTPUT: Rule = Rule {
    id: "unknown-step-output",
    level: Level::Error,
    pedantic: false,
    what: "A step cannot have the output or property that is asked for. A local action of JavaScript or Docker may give \
           outputs that it does not declare, so that there only what looks like a slip of the pen is told, as a warning.",
    example: "if: steps.cache.outputs.cache_hit == 'true' # it is called cache-hit",
    fix: "use an output that the action declares; a step has `outputs`, `outcome` and `conclusion`",
    zizmor: &[],
};

pub(super) const AFFIX_OF_LINES: Rule = Rule {
    id: "affix-of-lines",
    level: Level::Warning,
    pedantic: false,
    what: "Text is put beside an output that has several lines, so it ends up at the first or last line only.",
    example: "tags: ${{ steps.meta.outputs.tags }}-backend",
    fix: "let the action build the whole text (metadata-action: `flavor: suffix=-backend`, or other `images`)",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    for site in &file.view.sites {
        let Some(job) = file.view.job(site) else { continue };
        if matches!(site.slot, Slot::Other("strategy" | "name" | "concurrency" | "runs-on"))
            && site.step.is_none()
        {
            continue;
        }
        for (reference, at) in site.references() {
            if reference.context.eq_ignore_ascii_case("steps") {
                steps(file, job, site, reference, at, out);
            }
        }
        affix(job, site, out);
    }
}

fn steps(
    file: &File<'_>,
    job: &JobView<'_>,
    site: &Site<'_>,
    reference: &Reference,
    at: At<'_>,
    out: &mut Findings<'_>,
) {
    let Some(id) = reference.name(0) else { return };
    let named = |step: &&StepView<'_>| step.id.as_ref().is_some_and(|own| own.value.eq_ignore_ascii_case(id));
    let before = job.steps_before(site.step);
    let Some(step) = before.iter().find(named) else {
        let message = match job.steps.iter().position(|step| named(&step)) {
            Some(at) if site.step == Some(at) => {
                format!(
                    "{} asks for the step's own result, which is not known before it ends",
                    reference.text()
                )
            }
            Some(_) => format!("the step {id:?} comes after this, so {} is empty here", reference.text()),
            None => format!("no step of this job has the id {id:?}, so {} is always empty", reference.text()),
        };
        let elsewhere = file.view.jobs.iter().find(|other| other.steps.iter().any(|step| named(&step)));
        let ids: Vec<&str> = before.iter().filter_map(|step| Some(step.id.as_ref()?.value)).collect();
        let found = out.report(&UNKNOWN_STEP, at.span(), message);
        match (closest(id, ids.iter().copied()), elsewhere) {
            (Some(close), _) => {
                found.help(format!("did you mean steps.{close}?"));
            }
            (None, Some(other)) if other.id.value != job.id.value => {
                let other = other.id.value;
                found.help(format!(
                    "the job {other:?} has such a step; make its value an output of that job, and use needs.{other}"
                ));
            }
            (None, _) if !ids.is_empty() => {
                found.help(format!("ids before it: {}", ids.join(", ")));
            }
            (None, _) => {}
        }
        return;
    };
    let Some(property) = reference.name(1) else { return };
    let properties = ["outputs", "outcome", "conclusion"];
    if !properties.iter().any(|known| known.eq_ignore_ascii_case(property)) {
        let message = format!("a step has no property {property:?}, so {} is always empty", reference.text());
        let found = out.report(&UNKNOWN_STEP_OUTPUT, at.span(), message);
        found.help(match closest(property, properties) {
            Some(close) => format!("did you mean steps.{id}.{close}?"),
            None => format!("write steps.{id}.outputs.{property} for an output"),
        });
        return;
    }
    if property.eq_ignore_ascii_case("outputs")
        && let Some(output) = reference.name(2)
    {
        outputs(file, step, output, reference, at, out);
    }
}

fn outputs(
    file: &File<'_>,
    step: &StepView<'_>,
    output: &str,
    reference: &Reference,
    at: At<'_>,
    out: &mut Findings<'_>,
) {
    let Some((target, _)) = &step.uses else { return };
    // Its script may set any output, and may call other files to do so.
    if target.is("actions/github-script") {
        return;
    }
    let (known, level): (Vec<&str>, Level) = if let Some(path) = local(target) {
        let Some(interface) = file.interfaces.find(path) else { return };
        let known: Vec<&str> = interface.outputs.iter().map(String::as_str).collect();
        if !interface.closed {
            return undeclared(&known, output, at, out);
        }
        (known, Level::Error)
    } else if let Some(outputs) = popular::outputs(target) {
        (outputs.to_vec(), Level::Warning)
    } else {
        return;
    };
    if known.iter().any(|name| name.eq_ignore_ascii_case(output)) {
        return;
    }
    let message = format!("this action has no output {output:?}, so {} is always empty", reference.text());
    let found = out.report(&UNKNOWN_STEP_OUTPUT, at.span(), message).level(level);
    match closest(output, known.iter().copied()) {
        Some(close) => found.help(format!("did you mean {close:?}?")),
        None if known.is_empty() => found.help("it declares no outputs"),
        None => found.help(format!("its outputs: {}", known.join(", "))),
    };
}

/// The code of a JavaScript or Docker action may set outputs that its manifest does not name, and GitHub hands them all on;
/// so only what looks like a slip of the pen is told.
fn undeclared(known: &[&str], output: &str, at: At<'_>, out: &mut Findings<'_>) {
    if known.iter().any(|name| name.eq_ignore_ascii_case(output)) {
        return;
    }
    if let Some(close) = closest(output, known.iter().copied()) {
        let message = format!("this action declares no output {output:?}");
        let found = out.report(&UNKNOWN_STEP_OUTPUT, at.span(), message).level(Level::Warning);
        found.help(format!("did you mean {close:?}?"));
    }
}

/// Outputs of many lines: of which action, and which.
const LINES: &[(&str, &[&str])] = &[("docker/metadata-action", &["tags", "labels", "annotations"])];

fn affix(job: &JobView<'_>, site: &Site<'_>, out: &mut Findings<'_>) {
    let text = site.template.text();
    for written in site.expressions() {
        let Some(reference) = written.expr.root.as_reference() else { continue };
        let (Some(id), Some(output)) = (reference.name(0), reference.name(2)) else { continue };
        if !reference.starts_with(&["steps", "*", "outputs", "*"])
            || matches!(site.slot, Slot::Run | Slot::If)
        {
            continue;
        }
        let of_lines = |step: &StepView<'_>| {
            LINES.iter().any(|(name, outputs)| step.is_action(name) && outputs.contains(&output))
        };
        let step = job.steps.iter().find(|step| {
            step.id.as_ref().is_some_and(|own| own.value.eq_ignore_ascii_case(id)) && of_lines(step)
        });
        if step.is_none() {
            continue;
        }
        let (before, after) = text.split_at(written.start);
        let after = after.get(written.text.len()..).unwrap_or_default();
        let before = before.rsplit_once("${{").map_or("", |(before, _)| before);
        let after = after.split_once("}}").map_or("", |(_, after)| after);
        let glued_before = before.chars().last().is_some_and(|c| !c.is_whitespace());
        let glued_after = after.chars().next().is_some_and(|c| !c.is_whitespace() && c != ',');
        if !glued_before && !glued_after {
            continue;
        }
        let line = if glued_after { "last" } else { "first" };
        let message = format!(
            "{} has one {} a line, and the text beside it changes the {line} line only",
            reference.text(),
            output.trim_end_matches('s')
        );
        out.report(&AFFIX_OF_LINES, written.span(), message).help(
            "let the action that makes the list put the text into every line, for example with its `flavor` or `images`",
        );
    }
}
