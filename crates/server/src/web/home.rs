//! The first page: what needs a person, what is under way, what was last.

use super::{
    View,
    marks::{Tone, of_status},
    parts, rollouts, runs,
};
use maud::{Markup, html};
use shipway_api::{Page, RolloutSummary, RunSummary};
use shipway_base::Timestamp;

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Home {
    /// Rollouts that are not over.
    pub in_flight: Page<RolloutSummary>,
    /// The latest runs of any kind.
    pub runs: Page<RunSummary>,
    /// The latest rollouts that are over.
    pub finished: Page<RolloutSummary>,
}

/// The page.
pub fn view(home: &Home, now: Timestamp) -> View {
    let needs = needs(home);
    let count = needs.len();
    let mut view = View::new("Home", "/", "home")
        .with("needs", needs_you(&needs, now))
        .with("flight", flight(home, now))
        .with("latest", latest(home, now));
    if count > 0 {
        view.title = format!("{count} for you");
        view.tone = Tone::Wait;
    }
    view.lives_on("/live/home".to_owned(), now);
    view
}

/// Something that waits for a person.
enum Need<'a> {
    Rollout(&'a RolloutSummary),
    Run(&'a RunSummary),
}

/// Rollouts that wait, then the latest finished run of each workflow and branch when it failed.
fn needs(home: &Home) -> Vec<Need<'_>> {
    let waiting = home.in_flight.items.iter().filter(|rollout| rollout.needs_you).map(Need::Rollout);
    let mut seen = std::collections::BTreeSet::new();
    let failing = home
        .runs
        .items
        .iter()
        // A run under way says nothing yet: what failed before it still waits.
        .filter(|run| run.conclusion.is_some())
        .filter(|run| seen.insert((&run.workflow, &run.branch)))
        .filter(|run| run.conclusion == Some(shipway_api::Conclusion::Failure))
        .map(Need::Run);
    waiting.chain(failing).collect()
}

fn needs_you(needs: &[Need<'_>], now: Timestamp) -> Markup {
    html! {
        h1 { "Needs you" }
        @if needs.is_empty() {
            p class="calm" { (of_nothing()) "Nothing waits for you." }
        } @else {
            ul class="cards" {
                @for need in needs {
                    @match need {
                        Need::Rollout(rollout) => li { (rollouts::card(rollout, now)) },
                        Need::Run(run) => li {
                            a class="card bad" href={ "/runs/" (run.id) } {
                                (of_status(run.status, run.conclusion).badge())
                                strong { (run.title) }
                                span { (run.failed.as_deref().unwrap_or("The run failed.")) }
                                span class="dim" {
                                    (run.workflow) " #" (run.number) " on " (run.branch) ", "
                                    (parts::ago(run.finished_at.unwrap_or(run.created_at), now))
                                }
                            }
                        },
                    }
                }
            }
        }
    }
}

fn of_nothing() -> Markup {
    html! { span class="sign good" { (super::icons::icon(super::icons::Shape::Check)) } }
}

fn flight(home: &Home, now: Timestamp) -> Markup {
    html! {
        h2 { "Rollouts in flight" }
        @if home.in_flight.items.is_empty() {
            @if home.finished.items.is_empty() {
                (parts::empty(
                    "No rollouts yet",
                    "A rollout takes a release to everyone in steps, and brings it back by itself when it is worse than \
                     the version before. A job step begins one:",
                    Some("shipway deploy web --artifact web --wait"),
                ))
            } @else {
                p class="dim" { "None. The latest that are over:" }
                (rollouts::list(&home.finished.items, now))
            }
        } @else {
            (rollouts::list(&home.in_flight.items, now))
        }
        p { a href="/rollouts" { "All rollouts" } }
    }
}

fn latest(home: &Home, now: Timestamp) -> Markup {
    html! {
        h2 { "Latest runs" }
        @if home.runs.items.is_empty() {
            (runs::no_runs_yet())
        } @else {
            (runs::table(&home.runs.items, now))
            p { a href="/runs" { "All runs" } }
        }
    }
}
