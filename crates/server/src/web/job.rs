//! The page of one job: its steps beside its log. Without scripts the log comes in pages of plain HTML; with them,
//! the viewer takes the place of the page's lines.

use super::{View, ansi, ansi::Numbered, layout::heading, marks::of_status, parts, run, steps};
use maud::{Markup, PreEscaped, html};
use serde_json::json;
use shipway_api::request::percent_encode;
use shipway_api::{Conclusion, Job, JobKey, LineKind, LogLine, LogMatches, LogPage, Run, RunAction, Status};
use shipway_base::Timestamp;

/// How many lines a page without scripts shows.
pub const PAGE_LINES: u32 = 200;

/// How many lines the viewer asks for at once; `CHUNK` in its script.
const VIEWER_CHUNK: u64 = 500;

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct JobPage<'a> {
    /// The run.
    pub run: &'a Run,
    /// The job.
    pub job: &'a Job,
    /// The lines of this page.
    pub log: &'a LogPage,
    /// The number of the first of them.
    pub from: u64,
    /// All of its summary.
    pub summary: Option<&'a str>,
    /// What was searched for, and what was found.
    pub search: Option<(&'a str, &'a LogMatches)>,
}

/// The path of the page.
pub(super) fn path(run: &Run, job: &JobKey) -> String {
    format!("{}/jobs/{}", run::path(run), job.segment())
}

/// The page.
pub fn view(page: JobPage<'_>, now: Timestamp) -> View {
    let mut view = live(page.run, page.job, page.log, now).with_summary(page.run, page.job, page.summary);
    view.regions.push(super::Region { id: "log", content: log(page) });
    view.viewer = Some(first_lines(page));
    view
}

/// The chunk that the viewer opens at, unless the address names a line: the first error of a failed job, the end of
/// one that runs, else the beginning.
fn first_lines(page: JobPage<'_>) -> String {
    let failed = page.job.conclusion == Some(Conclusion::Failure);
    let line = match page.job.error_line.filter(|_| failed) {
        Some(line) => line,
        None if failed || !page.log.complete => page.log.total,
        None => 1,
    };
    let chunk = line.saturating_sub(1) / VIEWER_CHUNK;
    format!(
        "/api/v1{}/log?from={}&count={VIEWER_CHUNK}",
        path(page.run, &page.job.key),
        chunk * VIEWER_CHUNK + 1
    )
}

/// The parts of the page that change whenever something happens, without the summary; the lines themselves come through the viewer.
pub fn live(run: &Run, job: &Job, log: &LogPage, now: Timestamp) -> View {
    let mark = of_status(job.status, job.conclusion);
    let summary = &run.summary;
    let title = format!("{}, {} #{}", job.name, summary.workflow, summary.number);
    let mut view = View::new(title, "/runs", "job")
        .with("head", head(run, job, now))
        .with("steps", steps_of(run, job, now));
    view.word = Some(mark.word.into());
    view.tone = mark.tone;
    view.lives_on(format!("/live{}", path(run, &job.key)), now);
    view.facts.push(("log", json!({ "total": log.total, "complete": log.complete })));
    view
}

/// A line at the end of a failed step, numbered as in the log.
pub(super) fn tail_line(log: &str, line: &LogLine) -> Markup {
    html! {
        a href={ (log) "?at=" (line.n) "#L" (line.n) } { (line.n) }
        span class=[class(line.kind)] { (ansi::line(&line.text)) }
        (PreEscaped("\n"))
    }
}

fn head(run: &Run, job: &Job, now: Timestamp) -> Markup {
    let summary = &run.summary;
    let mark = of_status(job.status, job.conclusion);
    html! {
        p class="crumbs" {
            a href="/runs" { "Runs" } " / "
            a href=(run::path(run)) { (run::name(summary)) } " / " (summary.title)
        }
        (heading(mark.tone, mark.shape, &html! { (job.name) }))
        p class="dim" {
            (mark.word)
            @if job.attempt > 1 { ", attempt " (job.attempt) }
            @if job.started_at.is_some() { ", " (parts::took(job.started_at, job.finished_at, now)) }
            @if job.conclusion != Some(Conclusion::Skipped) { ", expected: " (parts::usual(job.usual)) }
            @if let Some(from) = job.kept_from { ", kept from attempt " (from) }
            @if let Some(reason) = &job.reason { ". " (reason) }
            @if job.step_summary.is_some() { ". " a href="#summary" { "Summary" } }
        }
        @if run.actions.contains(&RunAction::Rerun) {
            form class="actions" method="post" action={ "/runs/" (summary.id) "/rerun" } {
                input type="hidden" name="job" value=(job.key.segment());
                input type="hidden" name="attempt" value=(summary.attempt);
                button { "Re-run this job" }
            }
        }
    }
}

fn steps_of(run: &Run, job: &Job, now: Timestamp) -> Markup {
    html! {
        h2 { "Steps" }
        @if job.steps.is_empty() {
            p class="dim" { @if job.status == Status::Completed { "No step ran." } @else { "No step has begun." } }
        } @else {
            (steps::of_job(run, job, now))
        }
    }
}

fn log(page: JobPage<'_>) -> Markup {
    let JobPage { run, job, log, from, summary: _, search } = page;
    let path = path(run, &job.key);
    let failed = job.conclusion == Some(Conclusion::Failure);
    // The viewer lands on the first error of a failed job, and follows one that runs.
    let land = job.error_line.filter(|_| failed);
    html! {
        div class="viewer" id="viewer" hidden
            data-api={ "/api/v1" (path) "/log" } data-total=(log.total) data-complete=(log.complete)
            data-land=[land] data-failed[failed] {}
        div class="fallback" id="fallback" {
            form class="search" method="get" action=(path) role="search" {
                input type="search" name="q" value=(search.map(|(q, _)| q).unwrap_or_default())
                    placeholder="Search this log" aria-label="Search this log";
                button { "Search" }
                a href={ (path) "/log.txt" } { "Raw log" }
                @if let Some(n) = job.error_line { a href={ (path) "?at=" (n) "#L" (n) } { "First error" } }
            }
            @match search {
                Some((q, found)) => (matches(&path, q, found)),
                None => (lines(&path, log, from)),
            }
        }
    }
}

fn lines(path: &str, log: &LogPage, from: u64) -> Markup {
    let size = u64::from(PAGE_LINES);
    let to = from + log.lines.len() as u64;
    html! {
        @if log.lines.is_empty() {
            p class="dim" { @if log.complete { "The job wrote no lines." } @else { "No lines yet." } }
        } @else {
            (pages(path, log, from, size, to, "Pages of the log"))
            pre class="lines" tabindex="0" aria-label="Log" {
                @for line in &log.lines { (Numbered(line.n, class(line.kind).unwrap_or_default(), &line.text)) }
            }
            (pages(path, log, from, size, to, "Pages of the log, at its end"))
        }
    }
}

fn pages(path: &str, log: &LogPage, from: u64, size: u64, to: u64, label: &str) -> Markup {
    html! {
        @if log.total > size {
            nav class="pager" aria-label=(label) {
                @if from > 1 {
                    a href={ (path) "?from=1" } { "Start" }
                    a href={ (path) "?from=" (from.saturating_sub(size).max(1)) } rel="prev" { "Earlier" }
                }
                @if to <= log.total {
                    a href={ (path) "?from=" (to) } rel="next" { "Later" }
                    a href={ (path) "?from=" (log.total.saturating_sub(size - 1).max(1)) } { "End" }
                }
                span class="dim" { "Lines " (parts::count(from)) " to " (parts::count(to - 1)) " of " (parts::count(log.total)) }
            }
        }
    }
}

fn matches(path: &str, q: &str, found: &LogMatches) -> Markup {
    let next = found.matches.last().filter(|_| found.before + (found.matches.len() as u64) < found.total);
    html! {
        p role="status" {
            (parts::plural(found.total, "line")) " of " (parts::count(found.lines)) " contain "
            code { (q) } ". " a href=(path) { "Back to the log" }
        }
        ol class="plain" {
            @for hit in &found.matches {
                li { a href={ (path) "?at=" (hit.n) "#L" (hit.n) } { "Line " (parts::count(hit.n)) } }
            }
        }
        @if let Some(last) = next {
            p { a rel="next" href={ (path) "?q=" (percent_encode(q)) "&from=" (last.n + 1) } { "More matches" } }
        }
    }
}

fn class(kind: LineKind) -> Option<&'static str> {
    match kind {
        LineKind::Text => None,
        LineKind::EndGroup => Some("k-end_group"),
        LineKind::Command => Some("k-command"),
        LineKind::Error => Some("k-error"),
        LineKind::Warning => Some("k-warning"),
        LineKind::Notice => Some("k-notice"),
        LineKind::Debug => Some("k-debug"),
        LineKind::Group => Some("k-group"),
    }
}
