//! Summaries of jobs: on the page of a run the beginning of each, under the job's name, on the page of a job all of it.

use super::{
    job,
    markdown::{self, Room},
    parts, run,
};
use maud::{Markup, html};
use shipway_api::{Job, Run, Status};

/// So many summaries are on the page of a run.
const MOST_JOBS: usize = 50;
/// So many bytes of one summary.
const MOST_OF_ONE: usize = 16 << 10;
/// What the page of a run has room for.
const RUN_ROOM: Room = Room { bytes: 256 << 10, pieces: 40_000 };
/// What the page of a job has room for: as much as one step may write.
const JOB_ROOM: Room = Room { bytes: 1 << 20, pieces: 250_000 };
/// So many jobs whose summaries are left out are linked.
const MOST_LINKS: usize = 100;

/// By what is rendered again on a live page: how often each job was begun, whether it is over, when all it wrote is there, and how
/// much that is, which only grows until it begins again.
pub(crate) type Stamp = Vec<(u32, bool, usize)>;

/// The stamp of the summaries of jobs.
pub(crate) fn stamp<'j>(jobs: impl IntoIterator<Item = &'j Job>) -> Stamp {
    let of = |job: &Job| {
        let long = job.step_summary.as_ref().map_or(0, |text| whole(job, text));
        (job.attempt, job.status == Status::Completed, long)
    };
    jobs.into_iter().map(of).collect()
}

/// The summaries on the page of a run, in the order of its jobs.
pub(super) fn of_run(run: &Run) -> Markup {
    let all = run.jobs.iter().filter_map(|job| Some((job, job.step_summary.as_deref()?)));
    let mut room = RUN_ROOM;
    let (mut shown, mut left) = (Vec::new(), Vec::new());
    for (job, text) in all {
        if shown.len() == MOST_JOBS || room.bytes < text.len().min(MOST_OF_ONE) {
            left.push(job);
        } else {
            shown.push((job, markdown::render(text, MOST_OF_ONE, &mut room), whole(job, text)));
        }
    }
    html! {
        @for (job, found, whole) in &shown {
            section class="summary" {
                h2 { a href=(job::path(run, &job.key)) { (job.name) } " summary" }
                (found.markup)
                @if found.bytes < *whole { p class="dim" { (first(found.bytes, *whole)) " " a href=(place(run, job)) { "All of it" } } }
            }
        }
        @if !left.is_empty() {
            p { (more(left.len())) " not on this page:" }
            ul class="plain" {
                @for job in left.iter().take(MOST_LINKS) { li { a href=(place(run, job)) { (job.name) } } }
            }
            @if left.len() > MOST_LINKS {
                p { a href={ (run::path(run)) "/jobs" } { "All " (parts::plural(run.jobs.len() as u64, "job")) } }
            }
        }
    }
}

/// The summary on the page of its job: all of it, or as much as there is room for.
pub(super) fn of_job(run: &Run, job: &Job, text: Option<&str>) -> Markup {
    let Some(text) = text else { return html! {} };
    let found = markdown::render(text, JOB_ROOM.bytes, &mut JOB_ROOM.clone());
    html! {
        h2 { "Summary" }
        (found.markup)
        @if found.bytes < text.len() {
            p class="dim" {
                (first(found.bytes, text.len())) " "
                a href={ (job::path(run, &job.key)) "/summary.md" } { "All of it as text" }
            }
        }
    }
}

/// How long a summary is of which this is the beginning.
fn whole(job: &Job, beginning: &str) -> usize {
    usize::try_from(job.step_summary_bytes.unwrap_or_default()).unwrap_or(usize::MAX).max(beginning.len())
}

/// Where all of a job's summary is.
fn place(run: &Run, job: &Job) -> String {
    format!("{}#summary", job::path(run, &job.key))
}

fn first(bytes: usize, of: usize) -> String {
    let kib = |bytes: usize| parts::count(bytes as u64);
    format!("The first {} of {} KiB.", kib(bytes >> 10), kib(of.div_ceil(1 << 10)))
}

fn more(count: usize) -> String {
    if count == 1 {
        "1 more summary is".to_owned()
    } else {
        format!("{} more summaries are", parts::count(count as u64))
    }
}
