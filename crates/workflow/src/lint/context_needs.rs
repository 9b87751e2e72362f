//! References to `needs` and `jobs` that can only be empty.

use super::{
    File, Kind, Level, Rule,
    finding::Findings,
    view::{At, JobView, Slot, Target, View},
};
use crate::expr::Reference;
use shipway_base::yaml::{Node, closest};

pub(super) const UNKNOWN_NEED: Rule = Rule {
    id: "unknown-need",
    level: Level::Error,
    pedantic: false,
    what: "`needs.ID` names a job that is not among the `needs` of the job; the value is always empty.",
    example: "if: needs.build.result == 'success' # without `needs: build`",
    fix: "add the job to `needs`; needs of needs are not handed on",
    zizmor: &[],
};

pub(super) const UNKNOWN_JOB_OUTPUT: Rule = Rule {
    id: "unknown-job-output",
    level: Level::Error,
    pedantic: false,
    what: "A job does not have the output or property that is asked for.",
    example: "run: echo ${{ needs.build.outputs.version }} # `build` has no such output",
    fix: "add it to the `outputs` of that job; a need has `outputs` and `result`",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    if view.kind == Kind::Action {
        return;
    }
    for site in &view.sites {
        for (reference, at) in site.references() {
            let context = reference.context.to_ascii_lowercase();
            if context == "needs"
                && let Some(job) = view.job(site)
            {
                need(file, job, reference, at, out);
            } else if context == "jobs" && site.slot == Slot::Output {
                called(file, reference, at, out);
            }
        }
    }
}

fn need(file: &File<'_>, job: &JobView<'_>, reference: &Reference, at: At<'_>, out: &mut Findings<'_>) {
    let Some(id) = reference.name(0) else { return };
    if !job.needs.iter().any(|need| need.value.eq_ignore_ascii_case(id)) {
        let message = format!(
            "the job {:?} does not need {id:?}, so {} is always empty",
            job.id.value,
            reference.text()
        );
        let exists = find(file.view, id).is_some();
        let found = out.report(&UNKNOWN_NEED, at.span(), message);
        let close = closest(id, job.needs.iter().map(|need| need.value));
        match close {
            _ if exists => found.help(format!("add {id} to its needs")),
            Some(close) => found.help(format!("did you mean needs.{close}?")),
            None => found.help("there is no such job"),
        };
        return;
    }
    let Some(property) = reference.name(1) else { return };
    let properties = ["outputs", "result"];
    if !properties.iter().any(|known| known.eq_ignore_ascii_case(property)) {
        let message = format!("a need has no property {property:?}, so {} is always empty", reference.text());
        let found = out.report(&UNKNOWN_JOB_OUTPUT, at.span(), message);
        found.help(match closest(property, properties) {
            Some(close) => format!("did you mean needs.{id}.{close}?"),
            None => format!("write needs.{id}.outputs.{property} for an output, or needs.{id}.result"),
        });
        return;
    }
    if let Some(needed) = find(file.view, id) {
        output(file, needed, reference, at, out);
    }
}

/// `jobs.<id>.outputs.<name>` in the outputs of `workflow_call`.
fn called(file: &File<'_>, reference: &Reference, at: At<'_>, out: &mut Findings<'_>) {
    let Some(id) = reference.name(0) else { return };
    match find(file.view, id) {
        Some(job) => output(file, job, reference, at, out),
        None => {
            let message = format!("there is no job {id:?}, so {} is always empty", reference.text());
            let close = closest(id, file.view.jobs.iter().map(|job| job.id.value));
            let found = out.report(&UNKNOWN_NEED, at.span(), message);
            found.help = close.map(|close| format!("did you mean jobs.{close}?"));
        }
    }
}

fn output(file: &File<'_>, job: &JobView<'_>, reference: &Reference, at: At<'_>, out: &mut Findings<'_>) {
    if !reference.name(1).is_some_and(|word| word.eq_ignore_ascii_case("outputs")) {
        return;
    }
    let Some(name) = reference.name(2) else { return };
    let Some(known) = outputs(file, job) else { return };
    if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return;
    }
    let message =
        format!("the job {:?} has no output {name:?}, so {} is always empty", job.id.value, reference.text());
    let found = out.report(&UNKNOWN_JOB_OUTPUT, at.span(), message);
    match closest(name, known.iter().copied()) {
        Some(close) => found.help(format!("did you mean {close:?}?")),
        None if known.is_empty() => found.help(format!("add it to jobs.{}.outputs", job.id.value)),
        None => found.help(format!("its outputs: {}", known.join(", "))),
    };
}

/// The outputs of a job where all are known.
fn outputs<'a>(file: &'a File<'a>, job: &'a JobView<'a>) -> Option<Vec<&'a str>> {
    if let Some(calls) = &job.calls {
        return match Target::parse(calls.value) {
            Target::Local(path) => {
                file.interfaces.find(path).map(|found| found.outputs.iter().map(String::as_str).collect())
            }
            Target::Repository { .. } | Target::Docker(_) | Target::Other => None,
        };
    }
    match job.map.get("outputs") {
        None => Some(Vec::new()),
        Some(node) => {
            let names = node.as_mapping().map(|map| map.iter().map(|(key, _)| key.value.as_str()).collect());
            names.or_else(|| Node::is_null(node).then(Vec::new))
        }
    }
}

fn find<'a, 'v>(view: &'v View<'a>, id: &str) -> Option<&'v JobView<'a>> {
    view.jobs.iter().find(|job| job.id.value.eq_ignore_ascii_case(id))
}
