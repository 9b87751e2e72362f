//! The list of rollouts.

use super::{View, marks::of_phase, parts};
use maud::{Markup, html};
use shipway_api::{Page, RolloutPhase, RolloutQuery, RolloutSummary, request::rollouts_query};
use shipway_base::Timestamp;

/// The page.
pub fn view(query: &RolloutQuery, page: &Page<RolloutSummary>, now: Timestamp) -> View {
    let mut view = View::new("Rollouts", "/rollouts", "wide")
        .with("filters", filters(query))
        .with("rollouts", rollouts(query, page, now));
    view.lives_on(format!("/live/rollouts{}", rollouts_query(query)), now);
    view
}

/// Rows of rollouts; other pages have them too.
pub(super) fn list(rollouts: &[RolloutSummary], now: Timestamp) -> Markup {
    html! {
        ul class="rows" {
            @for rollout in rollouts {
                li {
                    (of_phase(rollout.phase).badge())
                    div class="what" {
                        a class="title" href={ "/rollouts/" (rollout.id) } {
                            (rollout.service) ": " (way(rollout))
                        }
                        span class="dim" { (rollout.headline) }
                    }
                    (share_bar(rollout.share))
                    span class="num" { (parts::share(rollout.share)) }
                    span class="num dim" { (parts::ago(rollout.created_at, now)) }
                }
            }
        }
    }
}

/// A rollout that waits for a person.
pub(super) fn card(rollout: &RolloutSummary, now: Timestamp) -> Markup {
    let mark = of_phase(rollout.phase);
    html! {
        a class={ "card " (mark.tone.class()) } href={ "/rollouts/" (rollout.id) } {
            (mark.badge())
            strong { (rollout.service) ": " (way(rollout)) }
            span { (rollout.headline) }
            span class="dim" { (parts::share(rollout.share)) " of clients, began " (parts::ago(rollout.created_at, now)) }
        }
    }
}

/// From which version to which.
pub(super) fn way(rollout: &RolloutSummary) -> String {
    match &rollout.from {
        Some(from) => format!("{} to {}", from.version, rollout.release.version),
        None => format!("first release {}", rollout.release.version),
    }
}

/// A small picture of a share.
fn share_bar(points: u32) -> Markup {
    html! {
        svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect class="stable" width="100" height="6" rx="3" {}
            rect class="canary" width=(f64::from(points.min(10_000)) / 100.0) height="6" rx="3" {}
        }
    }
}

/// The phases that one looks for, with their words.
const PHASES: [(&str, Option<RolloutPhase>, Option<bool>); 6] = [
    ("All", None, None),
    ("In flight", None, Some(true)),
    ("Paused", Some(RolloutPhase::Paused), None),
    ("Promoted", Some(RolloutPhase::Promoted), None),
    ("Rolled back", Some(RolloutPhase::RolledBack), None),
    ("Failed", Some(RolloutPhase::Failed), None),
];

fn filters(query: &RolloutQuery) -> Markup {
    html! {
        h1 { "Rollouts" }
        nav class="chips" aria-label="Filter by phase" {
            @for (word, phase, in_flight) in PHASES {
                @let current = query.phase == phase && query.in_flight == in_flight;
                @let target = RolloutQuery { phase, in_flight, page: Default::default(), ..query.clone() };
                a href={ "/rollouts" (rollouts_query(&target)) } aria-current=[current.then_some("true")] { (word) }
            }
        }
        form class="search" method="get" action="/rollouts" role="search" {
            input type="search" name="service" id="q" value=(query.service.as_deref().unwrap_or_default())
                placeholder="service" aria-label="Service";
            button { "Filter" }
            @if *query != RolloutQuery::default() { a href="/rollouts" { "Clear" } }
        }
    }
}

fn rollouts(query: &RolloutQuery, page: &Page<RolloutSummary>, now: Timestamp) -> Markup {
    let unfiltered = RolloutQuery { page: query.page.clone(), ..RolloutQuery::default() } == *query;
    html! {
        @if page.items.is_empty() && unfiltered {
            (parts::empty(
                "No rollouts yet",
                "Each deployment of an artifact becomes a rollout: steps, a traffic split, and the evidence of both \
                 versions. A job step begins one:",
                Some("shipway deploy web --artifact web --wait"),
            ))
        } @else if page.items.is_empty() {
            (parts::empty("No rollout matches", "Take a filter away, or look at all rollouts.", None))
        } @else {
            (list(&page.items, now))
            (parts::pager(page, query.page.after.is_some(), &first(query), next(query, page)))
        }
    }
}

fn first(query: &RolloutQuery) -> String {
    let mut first = query.clone();
    first.page.after = None;
    format!("/rollouts{}", rollouts_query(&first))
}

fn next(query: &RolloutQuery, page: &Page<RolloutSummary>) -> Option<String> {
    let mut next = query.clone();
    next.page.after = Some(page.next.clone()?);
    Some(format!("/rollouts{}", rollouts_query(&next)))
}
