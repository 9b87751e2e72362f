//! The page of one run: failure first, then the graph of its jobs, the jobs, and what it left behind.

use super::{View, ansi, graph, job, jobs, layout::heading, marks::of_run, parts, rollouts};
use maud::{Markup, html};
use shipway_api::{
    Annotation, AnnotationLevel, Failure, JobKey, Run, RunAction, RunSummary, request::percent_encode,
};
use shipway_base::Timestamp;

/// So many of the newest attempts are linked.
const MOST_ATTEMPTS: u32 = 20;

/// The page.
pub fn view(run: &Run, now: Timestamp) -> View {
    live(run, now).with_summaries(run)
}

/// The parts of the page that change whenever something happens; summaries change more rarely.
pub(crate) fn live(run: &Run, now: Timestamp) -> View {
    let summary = &run.summary;
    let mark = of_run(summary);
    let mut view = View::new(format!("{} #{}", summary.workflow, summary.number), "/runs", "run")
        .with("head", head(run, now))
        .with("failure", failure(run))
        .with("graph", graph(run))
        .with("jobs", jobs::list(run, now))
        .with("side", side(run, now))
        .with("notes", annotations(run));
    view.word = Some(mark.text());
    view.tone = mark.tone;
    view.lives_on(format!("/live{}", path(run)), now);
    view
}

/// The path of the page of a run, or of an earlier attempt of it.
pub(super) fn path(run: &Run) -> String {
    let RunSummary { id, attempt, .. } = run.summary;
    if attempt == run.attempts { format!("/runs/{id}") } else { format!("/runs/{id}/attempts/{attempt}") }
}

/// How a run is called, with its attempt when there was one before.
pub(super) fn name(summary: &RunSummary) -> String {
    let RunSummary { workflow, number, attempt, .. } = summary;
    if *attempt > 1 {
        format!("{workflow} #{number}, attempt {attempt}")
    } else {
        format!("{workflow} #{number}")
    }
}

fn head(run: &Run, now: Timestamp) -> Markup {
    let summary = &run.summary;
    let mark = of_run(summary);
    html! {
        p class="crumbs" { a href="/runs" { "Runs" } " / " (name(summary)) }
        (heading(mark.tone, mark.shape, &html! { (summary.title) }))
        @if summary.attempt != run.attempts {
            p class="lead" {
                "Attempt " (summary.attempt) " of " (run.attempts) ", which was run again: "
                a href={ "/runs/" (summary.id) } { "the newest attempt" }
            }
        }
        dl class="facts" {
            div { dt { "State" } dd { (mark.text()) } }
            div { dt { "Commit" } dd { code { (parts::short_sha(&summary.commit)) } " " (summary.commit.subject) " by " (summary.commit.author) } }
            div { dt { "Trigger" } dd { (summary.event) " on " span class="tag" { (summary.branch) } " by " (summary.actor) } }
            div { dt { "Began" } dd { (parts::ago(summary.created_at, now)) } }
            @if summary.started_at.is_some() {
                div { dt { "Took" } dd { (parts::run_took(summary, now)) } }
            }
            div { dt { "Expected" } dd { (parts::usual(run.usual)) } }
            @if run.attempts > 1 { div { dt { "Attempts" } dd { (attempts(run)) } } }
        }
        (actions(run))
    }
}

/// The attempts of the run, each a link but the one that is shown; of many the first and the newest.
fn attempts(run: &Run) -> Markup {
    let (id, shown, count) = (run.summary.id, run.summary.attempt, run.attempts);
    let near = |attempt: &u32| *attempt == 1 || *attempt == shown || attempt + MOST_ATTEMPTS > count;
    html! {
        @for attempt in (1..=count).filter(near) {
            @if attempt == shown { strong aria-current="page" { (attempt) } }
            @else if attempt == count { a href={ "/runs/" (id) } { (attempt) } }
            @else { a href={ "/runs/" (id) "/attempts/" (attempt) } { (attempt) } }
            " "
        }
    }
}

fn actions(run: &Run) -> Markup {
    let id = run.summary.id;
    html! {
        @if !run.actions.is_empty() {
            div class="actions" {
                @for action in &run.actions {
                    @match action {
                        RunAction::Cancel => form method="post" action={ "/runs/" (id) "/cancel" } {
                            button class="danger" { "Cancel run" }
                        },
                        RunAction::ForceCancel => form method="post" action={ "/runs/" (id) "/force-cancel" } {
                            button class="danger" title="Ends also what runs in spite of the cancellation, such as steps with if: always()" {
                                "Force the end"
                            }
                        },
                        RunAction::RerunFailed => form method="post" action={ "/runs/" (id) "/rerun" } {
                            input type="hidden" name="only_failed" value="true";
                            (again(run))
                            button { "Re-run failed jobs" }
                        },
                        RunAction::Rerun => form method="post" action={ "/runs/" (id) "/rerun" } {
                            (again(run))
                            button { "Re-run all jobs" }
                        },
                    }
                }
            }
        }
    }
}

/// Which attempt a form runs again, so that a form that is sent twice does it once.
fn again(run: &Run) -> Markup {
    html! { input type="hidden" name="attempt" value=(run.summary.attempt); }
}

/// The box with what to look at first.
fn failure(run: &Run) -> Markup {
    html! {
        @if let Some(failure) = &run.failure {
            section class="box bad" aria-labelledby="failure-title" {
                h2 id="failure-title" { (parts::words(&ansi::plain(&failure.message))) }
                p {
                    "Job " strong { (failure.job_name) }
                    @if let Some(step) = &failure.step_name { ", step " strong { (parts::words(step)) } }
                    @if let Some(code) = failure.exit_code { ", exit code " strong { (code) } }
                    @if failure.other_jobs > 0 {
                        ". " (parts::plural(u64::from(failure.other_jobs), "other job")) " failed as well"
                    }
                    "."
                }
                (last_lines(run, failure))
            }
        }
    }
}

fn last_lines(run: &Run, failure: &Failure) -> Markup {
    let log = job::path(run, &failure.job);
    let error = run.jobs.iter().find(|job| job.key == failure.job).and_then(|job| job.error_line);
    let target = error.or_else(|| failure.lines.last().map(|line| line.n));
    html! {
        @if !failure.lines.is_empty() {
            pre class="lines" tabindex="0" aria-label="Last lines of the failed step" {
                @for line in &failure.lines { (job::tail_line(&log, line)) }
            }
        }
        p {
            a class="button" href={ (log) @if let Some(n) = target { "?at=" (n) "#L" (n) } } { "Open the log at the error" }
            " "
            a href={ (log) "/log.txt" } { "Raw log" }
        }
    }
}

fn graph(run: &Run) -> Markup {
    html! {
        @if run.jobs.len() > 1 {
            h2 { "Graph" }
            (graph::draw(run))
        }
    }
}

fn annotations(run: &Run) -> Markup {
    html! {
        @if !run.annotations.is_empty() {
            h2 { "Annotations" }
            ul class="notes" {
                @for note in run.annotations.iter().take(50) {
                    li class=(level_class(note.level)) {
                        strong { (level_word(note.level)) }
                        " " (ansi::plain(note.title.as_deref().unwrap_or_default())) " "
                        @if let Some(file) = &note.file {
                            code { (ansi::plain(file)) @if let Some(line) = note.line { ":" (line) } }
                        }
                        span { (ansi::plain(without_place(note))) }
                        " " a class="dim" href=(job::path(run, &note.job)) { (known_as(run, &note.job)) }
                    }
                }
            }
        }
    }
}

/// A job by the name that people know it by.
fn known_as(run: &Run, key: &JobKey) -> String {
    let job = run.jobs.iter().find(|job| job.key == *key);
    job.map_or_else(|| key.to_string(), |job| job.name.clone())
}

/// The message; the place that diagnostics begin with stands before it already.
fn without_place(note: &Annotation) -> &str {
    let (Some(file), Some(line)) = (&note.file, note.line) else { return &note.message };
    let after =
        note.message.strip_prefix(file.as_str()).and_then(|rest| rest.strip_prefix(&format!(":{line}:")));
    after.and_then(|rest| rest.split_once(": ")).map_or(&*note.message, |(_, words)| words)
}

fn side(run: &Run, now: Timestamp) -> Markup {
    html! {
        @if !run.rollouts.is_empty() {
            h2 { "Rollouts" }
            (rollouts::list(&run.rollouts, now))
        }
        @if !run.artifacts.is_empty() {
            h2 { "Artifacts" }
            ul class="plain" {
                @for artifact in run.artifacts.iter().take(50) {
                    li {
                        // Of this very attempt: another one may begin before somebody follows it.
                        a href={ "/runs/" (run.summary.id) "/attempts/" (run.summary.attempt) "/artifacts/" (percent_encode(&artifact.name)) } {
                            (artifact.name)
                        }
                        span class="dim" { " " (parts::bytes(artifact.bytes)) }
                        code class="dim cut" { (artifact.digest) }
                    }
                }
            }
        }
    }
}

fn level_word(level: AnnotationLevel) -> &'static str {
    match level {
        AnnotationLevel::Error => "Error",
        AnnotationLevel::Warning => "Warning",
        AnnotationLevel::Notice => "Notice",
    }
}

fn level_class(level: AnnotationLevel) -> &'static str {
    match level {
        AnnotationLevel::Error => "bad",
        AnnotationLevel::Warning => "wait",
        AnnotationLevel::Notice => "quiet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_once() {
        let check = |message: &str, expect: &str| {
            let note = Annotation {
                level: AnnotationLevel::Error,
                job: shipway_api::JobKey::new("job".to_owned()).expect("a key"),
                title: None,
                message: message.to_owned(),
                file: Some("ci.yml".to_owned()),
                line: Some(3),
            };
            assert_eq!(without_place(&note), expect);
        };
        check("ci.yml:3:5: error[SW0101]: a job has no key: x", "error[SW0101]: a job has no key: x");
        check("ci.yml:4:5: error: another place", "ci.yml:4:5: error: another place");
        check("it went wrong: here", "it went wrong: here");
    }
}
