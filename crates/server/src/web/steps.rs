//! The steps of a job, each with its duration and the way to its lines.

use super::{job, marks::of_status, parts};
use maud::{Markup, html};
use shipway_api::{Job, Run};
use shipway_base::Timestamp;

/// The most steps that are listed.
const MOST: usize = 60;

/// The list of steps.
pub(super) fn of_job(run: &Run, job: &Job, now: Timestamp) -> Markup {
    let log = job::path(run, &job.key);
    html! {
        ol class="steps" {
            @for step in job.steps.iter().take(MOST) {
                li {
                    (of_status(step.status, step.conclusion).sign())
                    @match step.first_line {
                        Some(n) => a href={ (log) "?at=" (n) "#L" (n) } { (parts::words(&step.name)) },
                        None => span { (parts::words(&step.name)) },
                    }
                    @if let Some(code) = step.exit_code.filter(|code| *code != 0) {
                        span class="why" { "exit code " (code) }
                    }
                    span class="num" { (parts::took(step.started_at, step.finished_at, now)) }
                }
            }
        }
        @if job.steps.len() > MOST { p class="dim" { (job.steps.len() - MOST) " more steps in the log." } }
    }
}
