//! The list of runs.

use super::{View, marks::of_run, parts};
use maud::{Markup, html};
use shipway_api::{Conclusion, Page, RunQuery, RunSummary, Status, request::runs_query};
use shipway_base::Timestamp;

/// The page.
pub fn view(query: &RunQuery, page: &Page<RunSummary>, now: Timestamp) -> View {
    let mut view = View::new("Runs", "/runs", "wide")
        .with("filters", filters(query))
        .with("runs", runs(query, page, now));
    view.lives_on(format!("/live/runs{}", runs_query(query)), now);
    view
}

/// Rows of runs; the home page has them too.
pub(super) fn table(runs: &[RunSummary], now: Timestamp) -> Markup {
    html! {
        ul class="rows" {
            @for run in runs {
                li {
                    (of_run(run).badge())
                    div class="what" {
                        a class="title" href={ "/runs/" (run.id) } { (run.title) }
                        span class="dim" {
                            (run.workflow) " #" (run.number) @if run.attempt > 1 { " attempt " (run.attempt) } ", " (run.event) " by " (run.actor)
                        }
                        @if let Some(failed) = &run.failed { span class="why" { (failed) } }
                    }
                    span class="tag" { (run.branch) }
                    code class="dim" { (parts::short_sha(&run.commit)) }
                    span class="num" { (parts::run_took(run, now)) }
                    span class="num dim" { (parts::ago(run.created_at, now)) }
                }
            }
        }
    }
}

/// What the place of the runs says before the first one.
pub(super) fn no_runs_yet() -> Markup {
    parts::empty(
        "No runs yet",
        "Every push to the watched repository runs its workflows under .github/workflows. Push a commit, or try a \
         workflow here and now without the server:",
        Some("shipway run push"),
    )
}

/// The states that one looks for, with their words.
const STATES: [(&str, Option<Status>, Option<Conclusion>); 6] = [
    ("Any state", None, None),
    ("Running", Some(Status::InProgress), None),
    ("Queued", Some(Status::Queued), None),
    ("Failed", None, Some(Conclusion::Failure)),
    ("Succeeded", None, Some(Conclusion::Success)),
    ("Cancelled", None, Some(Conclusion::Cancelled)),
];

fn filters(query: &RunQuery) -> Markup {
    let chips = [
        ("workflow", &query.workflow),
        ("branch", &query.branch),
        ("event", &query.event),
        ("actor", &query.actor),
    ];
    html! {
        h1 { "Runs" }
        nav class="chips" aria-label="Filter by state" {
            @for (word, status, conclusion) in STATES {
                @let current = query.status == status && query.conclusion == conclusion;
                @let target = RunQuery { status, conclusion, page: Default::default(), ..query.clone() };
                a href={ "/runs" (runs_query(&target)) } aria-current=[current.then_some("true")] { (word) }
            }
        }
        form class="search" method="get" action="/runs" role="search" {
            @for (name, value) in hidden(query) { input type="hidden" name=(name) value=(value); }
            @for (name, value) in chips {
                input type="text" name=(name) value=(value.as_deref().unwrap_or_default())
                    placeholder=(name) aria-label=(name);
            }
            input type="search" name="q" id="q" value=(query.q.as_deref().unwrap_or_default())
                placeholder="title or commit" aria-label="Search titles and commits";
            button { "Filter" }
            @if *query != RunQuery::default() { a href="/runs" { "Clear" } }
        }
    }
}

/// What the form must carry along: the state, which is chosen by a link.
fn hidden(query: &RunQuery) -> Vec<(&'static str, String)> {
    let state = RunQuery { status: query.status, conclusion: query.conclusion, ..RunQuery::default() };
    runs_query(&state)
        .trim_start_matches('?')
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (if name == "status" { "status" } else { "conclusion" }, value.to_owned()))
        .collect()
}

fn runs(query: &RunQuery, page: &Page<RunSummary>, now: Timestamp) -> Markup {
    let unfiltered = RunQuery { page: query.page.clone(), ..RunQuery::default() } == *query;
    html! {
        @if page.items.is_empty() && unfiltered {
            (no_runs_yet())
        } @else if page.items.is_empty() {
            (parts::empty("No run matches", "Take a filter away, or look at all runs.", None))
        } @else {
            (table(&page.items, now))
            (parts::pager(page, query.page.after.is_some(), &first(query), next(query, page)))
        }
    }
}

fn first(query: &RunQuery) -> String {
    let mut first = query.clone();
    first.page.after = None;
    format!("/runs{}", runs_query(&first))
}

fn next(query: &RunQuery, page: &Page<RunSummary>) -> Option<String> {
    let mut next = query.clone();
    next.page.after = Some(page.next.clone()?);
    Some(format!("/runs{}", runs_query(&next)))
}
