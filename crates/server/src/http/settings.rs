//! The page of secrets and variables, and its forms.

use super::{
    Context,
    auth::Principal,
    error::{PageError, problem},
    forms,
    pages::document,
};
use crate::{backend::ValuePlace, web};
use axum::{
    Extension, Form, Router,
    extract::{Path, State, rejection::FormRejection},
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use shipway_api::{ValueKind, codes};
use shipway_base::Secret;

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/settings", get(read))
        .route("/settings/{kind}", post(set))
        .route("/settings/{kind}/remove", post(remove))
}

#[derive(Deserialize)]
struct Place {
    name: String,
    #[serde(default)]
    environment: String,
}

#[derive(Deserialize)]
struct Value {
    name: String,
    #[serde(default)]
    environment: String,
    value: String,
}

async fn read(State(context): State<Context>) -> Result<Response, PageError> {
    let secrets = context.backend.values(ValueKind::Secret).await?;
    let variables = context.backend.values(ValueKind::Variable).await?;
    Ok(document(&context, &web::settings::view(&secrets.items, &variables.items, context.clock.now())))
}

async fn set(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(kind): Path<String>,
    form: Result<Form<Value>, FormRejection>,
) -> Result<Response, PageError> {
    let kind = kind_of(&kind)?;
    let Value { name, environment, value } = forms::read(form)?;
    // Browsers send the ends of lines in a form of their own, and a text field ends with one easily.
    let value = Secret::new(value.replace("\r\n", "\n").trim_end_matches('\n'));
    context.backend.set_value(place(kind, &name, &environment), value, (&principal).into()).await?;
    Ok(forms::see("/settings"))
}

async fn remove(
    State(context): State<Context>,
    Extension(principal): Extension<Principal>,
    Path(kind): Path<String>,
    form: Result<Form<Place>, FormRejection>,
) -> Result<Response, PageError> {
    let kind = kind_of(&kind)?;
    let Place { name, environment } = forms::read(form)?;
    context.backend.remove_value(place(kind, &name, &environment), (&principal).into()).await?;
    Ok(forms::see("/settings"))
}

fn place(kind: ValueKind, name: &str, environment: &str) -> ValuePlace {
    let environment = Some(environment.trim().to_owned()).filter(|environment| !environment.is_empty());
    ValuePlace { kind, environment, name: name.trim().to_owned() }
}

fn kind_of(segment: &str) -> Result<ValueKind, PageError> {
    let found = [ValueKind::Secret, ValueKind::Variable].into_iter().find(|kind| kind.segment() == segment);
    found.ok_or_else(|| {
        PageError(problem(codes::NOT_FOUND, format!("there is nothing at /settings/{segment}")))
    })
}
