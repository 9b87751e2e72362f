//! The form that starts a workflow by hand.

use super::{View, workflows::ref_field};
use maud::{Markup, html};
use shipway_api::{Workflow, WorkflowInput, WorkflowInputKind, Workflows, request::percent_encode};
use std::collections::BTreeMap;

/// What was sent before, when it did not fit.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The key of the form, so that sending it twice starts one run.
    pub key: String,
    /// The values of inputs; absent when nothing was sent yet.
    pub values: Option<BTreeMap<String, String>>,
    /// Why it did not fit, one line each.
    pub errors: Vec<String>,
}

/// The page.
pub fn view(workflows: &Workflows, workflow: &Workflow, given: &Given) -> View {
    View::new(format!("Run {}", workflow.name), "/workflows", "wide")
        .with("head", head(workflows, workflow))
        .with("errors", errors(&given.errors))
        .with("form", form(workflows, workflow, given))
}

fn head(workflows: &Workflows, workflow: &Workflow) -> Markup {
    html! {
        p class="crumbs" { a href="/workflows" { "Workflows" } " / " (workflow.file) }
        h1 { "Run " (workflow.name) }
        // The inputs may be others there, so choosing a branch loads the form anew.
        form class="search" method="get" action={ "/workflows/" (percent_encode(&workflow.file)) } {
            (ref_field(workflows))
            button { "Use this branch or tag" }
        }
    }
}

fn errors(errors: &[String]) -> Markup {
    html! {
        @if !errors.is_empty() {
            section class="box bad" role="alert" {
                p { strong { "Nothing was started." } }
                ul { @for error in errors { li { (error) } } }
            }
        }
    }
}

fn form(workflows: &Workflows, workflow: &Workflow, given: &Given) -> Markup {
    html! {
        @match &workflow.inputs {
            Some(inputs) if workflow.findings.is_empty() => {
                form class="command-form inputs" method="post" action={ "/workflows/" (percent_encode(&workflow.file)) } {
                    // In full, so that a tag of the same name as a branch stays what was chosen.
                    input type="hidden" name="ref" value=(workflows.git_ref.as_deref().unwrap_or_default());
                    input type="hidden" name="key" value=(given.key);
                    @for (at, input) in inputs.iter().enumerate() { (field(at, input, given)) }
                    button { "Run workflow" }
                }
            },
            Some(_) => {
                p { "The file has errors, so that it cannot be started:" }
                ul { @for finding in &workflow.findings { li { (finding) } } }
            },
            None => p {
                "This workflow is not started by hand here: add " code { "workflow_dispatch" } " under " code { "on" }
                " to its file."
            },
        }
    }
}

/// One input with its label. What was given before wins over the default.
fn field(at: usize, input: &WorkflowInput, given: &Given) -> Markup {
    let id = format!("input-{at}");
    let name = format!("input.{}", input.name);
    let default = input.default.as_deref().unwrap_or_default();
    let value = match &given.values {
        Some(values) => values.get(&input.name).map_or("", String::as_str),
        None => default,
    };
    let said = input.description.as_deref().filter(|said| !said.trim().is_empty());
    let label = said.unwrap_or(&input.name);
    let label = html! {
        label for=(id) { (label) @if input.required { span class="dim" { " (required)" } } }
    };
    match input.kind {
        WorkflowInputKind::Boolean => html! {
            p class="tick" {
                input type="checkbox" id=(id) name=(name) value="true" checked[value == "true"];
                " " (label)
            }
        },
        WorkflowInputKind::Choice => html! {
            (label)
            select id=(id) name=(name) {
                @for option in &input.options { option value=(option) selected[option == value] { (option) } }
            }
        },
        WorkflowInputKind::Number => html! {
            (label)
            input type="number" step="any" id=(id) name=(name) value=(value) required[input.required];
        },
        WorkflowInputKind::String | WorkflowInputKind::Environment => html! {
            (label)
            input type="text" id=(id) name=(name) value=(value) required[input.required];
        },
    }
}
