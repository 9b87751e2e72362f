//! The pages of workflows, and the form that starts one by hand.

use super::{
    Context,
    auth::{self, Principal},
    error::{PageError, problem},
    forms,
    pages::document,
    params::Params,
};
use crate::{
    backend::{BackendError, BackendErrorKind},
    web::{self, View, workflow::Given},
};
use axum::{
    Extension, Form, Router,
    extract::{Path, RawQuery, State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use shipway_api::{DispatchRequest, Problem, Workflow, WorkflowInputKind, Workflows, codes};
use shipway_base::Digest;
use std::collections::BTreeMap;

/// A key of a form has at most so many characters.
const MOST_KEY: usize = 100;

/// What the names of fields begin with that hold inputs, so that an input may be called as any other field.
const INPUT: &str = "input.";

pub(super) fn routes() -> Router<Context> {
    Router::new().route("/workflows", get(list)).route("/workflows/{file}", get(read).post(start))
}

/// Which branch or tag a page's URL asks for.
pub(super) fn ref_query(query: Option<&str>) -> Result<Option<String>, Box<Problem>> {
    Ok(Params::read(query, &["ref"])?.text("ref"))
}

pub(super) async fn list_view(context: &Context, git_ref: Option<String>) -> Result<View, BackendError> {
    let workflows = context.backend.workflows(git_ref).await?;
    Ok(web::workflows::view(&workflows, context.clock.now()))
}

async fn list(State(context): State<Context>, RawQuery(query): RawQuery) -> Result<Response, PageError> {
    Ok(document(&context, &list_view(&context, ref_query(query.as_deref())?).await?))
}

async fn read(
    State(context): State<Context>,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let workflows = context.backend.workflows(ref_query(query.as_deref())?).await?;
    let workflow = find(&workflows, &file)?;
    // A page is never kept by the browser, so that each time that it is shown it has a key of its own.
    let given = Given { key: key()?, ..Given::default() };
    Ok(document(&context, &web::workflow::view(&workflows, workflow, &given)))
}

/// Starts a run. What does not fit is told on the form, which keeps what was typed.
async fn start(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(file): Path<String>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, PageError> {
    let fields: BTreeMap<String, String> = forms::read(form)?.into_iter().collect();
    let git_ref = fields.get("ref").filter(|name| !name.is_empty()).cloned();
    let workflows = context.backend.workflows(git_ref.clone()).await?;
    let workflow = find(&workflows, &file)?;
    let values = values(workflow, &fields)?;
    // What was changed after it was sent is another request.
    let sent = |key: &String| {
        let inputs = Digest::of(format!("{git_ref:?} {values:?}").as_bytes());
        format!("form {key} {}", inputs.hex())
    };
    let once = fields.get("key").filter(|key| (1..=MOST_KEY).contains(&key.len())).map(sent);
    let inputs = values.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let request = DispatchRequest { git_ref: git_ref.clone(), inputs };
    match context.backend.dispatch(file.clone(), request, once, (&principal).into()).await {
        Ok(started) => Ok(forms::see(&format!("/runs/{}", started.run))),
        Err(BackendError { kind: BackendErrorKind::Document(errors), .. }) => {
            let given = Given { key: key()?, values: Some(values), errors };
            let page = document(&context, &web::workflow::view(&workflows, workflow, &given));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// A key for a form.
fn key() -> Result<String, PageError> {
    auth::random().map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "no key for a form");
        PageError(problem(codes::INTERNAL, error.to_string()))
    })
}

fn find<'w>(workflows: &'w Workflows, file: &str) -> Result<&'w Workflow, PageError> {
    let found = workflows.items.iter().find(|workflow| workflow.file == file);
    let missing = || PageError(problem(codes::NOT_FOUND, format!("there is no workflow {file} here")));
    found.ok_or_else(missing)
}

/// The inputs as a form says them: a box that is not ticked is not sent and means no, and a field that was left empty was
/// not given where an empty text says nothing.
fn values(
    workflow: &Workflow,
    fields: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, PageError> {
    let declared = workflow.inputs.as_deref().unwrap_or_default();
    for name in fields.keys() {
        let known = ["ref", "key"].contains(&name.as_str())
            || name.strip_prefix(INPUT).is_some_and(|name| declared.iter().any(|input| input.name == name));
        if !known {
            let detail = format!("the form of this workflow has no field {name:?}");
            return Err(PageError(problem(codes::BAD_REQUEST, detail)));
        }
    }
    let mut values = BTreeMap::new();
    for input in declared {
        let text =
            fields.get(&format!("{INPUT}{}", input.name)).map(|text| text.trim_end_matches(['\r', '\n']));
        let value = match input.kind {
            WorkflowInputKind::Boolean => Some(if text == Some("true") { "true" } else { "false" }),
            WorkflowInputKind::String if !input.required => text,
            WorkflowInputKind::String
            | WorkflowInputKind::Number
            | WorkflowInputKind::Choice
            | WorkflowInputKind::Environment => text.filter(|text| !text.is_empty()),
        };
        if let Some(value) = value {
            values.insert(input.name.clone(), value.to_owned());
        }
    }
    Ok(values)
}
