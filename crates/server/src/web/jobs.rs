//! Jobs of a run: single ones with their steps, the legs of a matrix folded together.

use super::{
    View, job,
    marks::{Mark, of_status},
    parts, run,
};
use maud::{Markup, html};
use shipway_api::{Conclusion, Job, Run, Status};
use shipway_base::Timestamp;

/// The legs of one job.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// The id of the job in the workflow.
    pub(super) id: &'a str,
    /// The jobs that it needs.
    pub(super) needs: &'a [String],
    /// At least one.
    pub(super) legs: Vec<&'a Job>,
}

/// How many legs of a matrix a page shows before it leads on to a page of their own.
const SHOWN_LEGS: usize = 12;
/// With at most this many jobs, the steps of all of them are shown.
const FEW: usize = 6;
/// How many rows the page of all jobs shows at once.
const PAGE: usize = 100;

/// The jobs in the order of the workflow, legs together.
pub(super) fn groups(run: &Run) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for job in &run.jobs {
        let id = job.key.job_id();
        match groups.iter_mut().find(|group| group.id == id) {
            Some(group) => group.legs.push(job),
            None => groups.push(Group { id, needs: &job.needs, legs: vec![job] }),
        }
    }
    groups
}

impl Group<'_> {
    /// The state of the whole: the worst that is certain, else what is under way.
    pub(super) fn mark(&self) -> Mark {
        let any = |conclusion| self.legs.iter().any(|job| job.conclusion == Some(conclusion));
        if let [only] = self.legs.as_slice() {
            return of_status(only.status, only.conclusion);
        }
        let unfinished = self.legs.iter().any(|job| job.status != Status::Completed);
        let begun = self.legs.iter().any(|job| job.status != Status::Queued);
        if any(Conclusion::Failure) {
            of_status(Status::Completed, Some(Conclusion::Failure))
        } else if unfinished {
            of_status(if begun { Status::InProgress } else { Status::Queued }, None)
        } else if any(Conclusion::Cancelled) {
            of_status(Status::Completed, Some(Conclusion::Cancelled))
        } else if any(Conclusion::Success) {
            of_status(Status::Completed, Some(Conclusion::Success))
        } else {
            of_status(Status::Completed, Some(Conclusion::Skipped))
        }
    }

    /// How many legs are over.
    pub(super) fn finished(&self) -> usize {
        self.legs.iter().filter(|job| job.status == Status::Completed).count()
    }

    /// The path of its place on the page of the run.
    pub(super) fn anchor(&self) -> String {
        format!("job-{}", self.id)
    }
}

/// The list on the page of a run.
pub(super) fn list(run: &Run, now: Timestamp) -> Markup {
    let few = run.jobs.len() <= FEW;
    html! {
        h2 { "Jobs" }
        @if run.jobs.is_empty() { p class="dim" { "The jobs are being planned." } }
        @for group in &groups(run) {
            div class="group" id=(group.anchor()) {
                @match group.legs.as_slice() {
                    [only] => (single(run, only, few, now)),
                    _ => (matrix(run, group, now)),
                }
            }
        }
    }
}

/// The page of all legs of one job, or of all jobs.
pub(crate) fn view(run: &Run, group: Option<&str>, from: usize, now: Timestamp) -> View {
    let chosen: Vec<&Job> =
        run.jobs.iter().filter(|job| group.is_none_or(|group| job.key.job_id() == group)).collect();
    let title = match group {
        Some(group) => format!("Jobs of {group}, {} #{}", run.summary.workflow, run.summary.number),
        None => format!("Jobs of {} #{}", run.summary.workflow, run.summary.number),
    };
    let path = |from: usize| match group {
        Some(group) => format!("{}/jobs?group={group}&from={from}", run::path(run)),
        None => format!("{}/jobs?from={from}", run::path(run)),
    };
    let content = html! {
        p class="crumbs" {
            a href="/runs" { "Runs" } " / "
            a href=(run::path(run)) { (run::name(&run.summary)) }
        }
        h1 { @match group { Some(group) => { "Jobs of " (group) }, None => "Jobs" } }
        ul class="jobs" {
            @for job in chosen.iter().skip(from).take(PAGE) { li { (row(run, job, now)) } }
        }
        nav class="pager" aria-label="Pages" {
            @if from > 0 { a href=(path(from.saturating_sub(PAGE))) rel="prev" { "Earlier" } }
            @if from + PAGE < chosen.len() { a href=(path(from + PAGE)) rel="next" { "Later" } }
            span class="dim" { (parts::plural(chosen.len() as u64, "job")) }
        }
    };
    View::new(title, "/runs", "wide").with("all-jobs", content)
}

fn single(run: &Run, job: &Job, few: bool, now: Timestamp) -> Markup {
    let telling = job.conclusion == Some(Conclusion::Failure) || job.status == Status::InProgress;
    html! {
        (row(run, job, now))
        @if (few || telling) && !job.steps.is_empty() { (super::steps::of_job(run, job, now)) }
    }
}

fn matrix(run: &Run, group: &Group<'_>, now: Timestamp) -> Markup {
    let mut legs = group.legs.clone();
    // What failed or runs comes first; the order of the matrix is kept otherwise.
    legs.sort_by_key(|job| match (job.conclusion, job.status) {
        (Some(Conclusion::Failure), _) => 0,
        (_, Status::InProgress) => 1,
        (_, Status::Queued) => 2,
        (_, Status::Completed) => 3,
    });
    let mark = group.mark();
    html! {
        details open[group.legs.len() <= SHOWN_LEGS || mark.tone == super::marks::Tone::Bad] {
            summary class="jobrow" {
                (mark.sign()) span class="title" { (group.id) }
                span class="dim" { (group.finished()) " of " (parts::plural(legs.len() as u64, "leg")) " over" }
            }
            ul class="jobs" {
                @for job in legs.iter().take(SHOWN_LEGS) { li { (row(run, job, now)) } }
            }
            @if legs.len() > SHOWN_LEGS {
                p { a href={ (run::path(run)) "/jobs?group=" (group.id) } { "All " (parts::plural(legs.len() as u64, "leg")) } }
            }
        }
    }
}

/// One job as a row.
fn row(run: &Run, job: &Job, now: Timestamp) -> Markup {
    let failed_step = job.steps.iter().find(|step| step.conclusion == Some(Conclusion::Failure));
    html! {
        div class="jobrow" {
            (of_status(job.status, job.conclusion).sign())
            @if job.attempt > 0 || job.log_lines > 0 {
                a class="title" href=(job::path(run, &job.key)) { (job.name) }
            } @else {
                span class="title" { (job.name) }
            }
            @if job.attempt > 1 { span class="tag" { "attempt " (job.attempt) } }
            @if let Some(from) = job.kept_from { span class="tag" { "kept from attempt " (from) } }
            div class="told" {
                @if let Some(reason) = &job.reason { span class="dim reason" { (reason) } }
                @if let Some(step) = failed_step {
                    span class="why" { (parts::words(&step.name)) @if let Some(code) = step.exit_code { ", exit code " (code) } }
                }
                span class="num" {
                    (parts::took(job.started_at, job.finished_at, now))
                    @if job.status != Status::Completed {
                        @let between = if job.usual.is_some() { " of " } else { ", " };
                        span class="dim" { @if job.started_at.is_some() { (between) } (parts::usual(job.usual)) }
                    }
                }
            }
        }
    }
}
