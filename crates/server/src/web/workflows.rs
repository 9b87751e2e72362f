//! The list of workflows at a branch or tag.

use super::{View, parts};
use maud::{Markup, html};
use shipway_api::{RunQuery, Workflow, Workflows, request::percent_encode, request::runs_query};
use shipway_base::Timestamp;

/// The page.
pub fn view(workflows: &Workflows, now: Timestamp) -> View {
    let mut view = View::new("Workflows", "/workflows", "wide")
        .with("filters", filters(workflows))
        .with("workflows", list(workflows, now));
    view.lives_on(format!("/live/workflows?ref={}", percent_encode(ref_name(workflows))), now);
    view
}

/// The short name of the ref that is looked at.
pub(super) fn ref_name(workflows: &Workflows) -> &str {
    match &workflows.git_ref {
        Some(name) => crate::source::ref_name(name).0,
        None => &workflows.default_branch,
    }
}

/// A field with the names of branches and tags to choose from; `list` is the id of those.
pub(super) fn ref_field(workflows: &Workflows) -> Markup {
    html! {
        input type="text" name="ref" value=(ref_name(workflows)) list="refs" aria-label="Branch or tag";
        datalist id="refs" {
            // A repository may have thousands; whoever knows the name types it.
            @for name in workflows.refs.iter().take(200) { option value=(name) {} }
        }
    }
}

fn filters(workflows: &Workflows) -> Markup {
    html! {
        h1 { "Workflows" }
        form class="search" method="get" action="/workflows" {
            span class="dim" { "Branch or tag" }
            (ref_field(workflows))
            button { "Show" }
        }
    }
}

fn list(workflows: &Workflows, now: Timestamp) -> Markup {
    html! {
        @if workflows.items.is_empty() {
            (parts::empty(
                "No workflows here",
                "Workflows are files under .github/workflows of the watched repository. Commit one, or look at another \
                 branch.",
                None,
            ))
        } @else {
            ul class="rows" {
                @for workflow in &workflows.items { (row(workflows, workflow, now)) }
            }
        }
    }
}

fn row(workflows: &Workflows, workflow: &Workflow, now: Timestamp) -> Markup {
    let runs = RunQuery { workflow: Some(workflow.name.clone()), ..RunQuery::default() };
    html! {
        li {
            div class="what" {
                a class="title" href={ "/runs" (runs_query(&runs)) } { (workflow.name) }
                span class="dim" { (workflow.file) @if !workflow.events.is_empty() { ", on " (workflow.events.join(", ")) } }
                @for schedule in &workflow.schedules {
                    span class="dim" {
                        code { (schedule.cron) } @if let Some(zone) = &schedule.timezone { " " (zone) }
                        @if let Some(next) = schedule.next_at { ", next " (parts::until(next, now)) }
                    }
                }
                @for finding in workflow.findings.iter().take(3) { span class="why" { (finding) } }
                @for line in workflow.unheard.iter().take(3) { span class="dim" { (line) } }
            }
            @if workflow.inputs.is_some() && workflow.findings.is_empty() {
                a class="button" href=(path(workflows, workflow)) { "Run workflow" }
            }
        }
    }
}

/// The path of the form that starts a workflow.
fn path(workflows: &Workflows, workflow: &Workflow) -> String {
    let file = percent_encode(&workflow.file);
    format!("/workflows/{file}?ref={}", percent_encode(ref_name(workflows)))
}
