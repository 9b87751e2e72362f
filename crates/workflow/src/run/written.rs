//! `concurrency` and `environment` as they come out: each may be a text, a mapping, or one expression that gives either.

use crate::{
    document::{Concurrency, ConcurrencyQueue, Environment},
    expr::{Object, Scope, Template, Value},
    plan::ConcurrencyGroup,
};
use shipway_base::Diagnostic;

/// How many characters the name of a group may have on GitHub.
const MOST_NAME: usize = 400;

impl Concurrency {
    /// The group.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx) or gives something else than its key needs, an empty or long
    /// name among it (SW0117); `cancel-in-progress` beside `queue: max` (SW0110).
    pub(crate) fn eval(&self, scope: &dyn Scope) -> Result<ConcurrencyGroup, Diagnostic> {
        let at = &self.group;
        let (mut group, mut cancel_in_progress, mut queue) = (String::new(), false, ConcurrencyQueue::Single);
        match whole(self.whole, at, scope)? {
            Some(object) => {
                for (key, value) in object.iter() {
                    match key {
                        "group" => group = text(at, "concurrency.group", value)?,
                        "cancel-in-progress" => {
                            cancel_in_progress = boolean(at, "concurrency.cancel-in-progress", value)?;
                        }
                        "queue" => {
                            queue = value
                                .as_str()
                                .and_then(ConcurrencyQueue::named)
                                .ok_or_else(|| wrong(at, "concurrency.queue", "single or max", value))?;
                        }
                        _ => return Err(unknown(at, "concurrency", key, "group, cancel-in-progress, queue")),
                    }
                }
            }
            None => {
                group = at.eval_string(scope)?.as_ref().to_owned();
                if let Some(maybe) = &self.cancel_in_progress {
                    cancel_in_progress = maybe.eval(scope)?;
                }
                if let Some(maybe) = &self.queue {
                    queue = maybe.eval(scope)?;
                }
            }
        }
        if group.is_empty() {
            return Err(refused(at, "the name of a concurrency group must not be empty")
                .with_help("give it a name for every event, or leave concurrency out"));
        }
        if group.chars().count() > MOST_NAME {
            let message = format!("the name of a concurrency group must have at most {MOST_NAME} characters");
            return Err(refused(at, message));
        }
        if cancel_in_progress && queue == ConcurrencyQueue::Max {
            let message = "a group cannot have cancel-in-progress and queue: max at once";
            return Err(Diagnostic::error("SW0110", at.source(), at.span(), message)
                .with_help("those that wait in line would end each other; remove one of the two"));
        }
        Ok(ConcurrencyGroup { group: group.to_lowercase(), cancel_in_progress, queue })
    }
}

impl Environment {
    /// The name, none when it is empty, and whether a deployment is to be recorded.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx) or gives something else than its key needs (SW0117).
    pub(crate) fn eval(&self, scope: &dyn Scope) -> Result<(Option<String>, bool), Diagnostic> {
        let at = &self.name;
        let (mut name, mut deployment) = (String::new(), true);
        match whole(self.whole, at, scope)? {
            Some(object) => {
                for (key, value) in object.iter() {
                    match key {
                        "name" => name = text(at, "environment.name", value)?,
                        // It is asked for again when the job has ended; what cannot be one is told of at once.
                        "url" => {
                            text(at, "environment.url", value)?;
                        }
                        "deployment" => deployment = boolean(at, "environment.deployment", value)?,
                        _ => return Err(unknown(at, "environment", key, "name, url, deployment")),
                    }
                }
                if object.get("name").is_none() {
                    return Err(refused(at, "this expression gives an environment without a name"));
                }
            }
            None => {
                name = at.eval_string(scope)?.as_ref().to_owned();
                if let Some(maybe) = &self.deployment {
                    deployment = maybe.eval(scope)?;
                }
            }
        }
        let name = name.trim();
        Ok(((!name.is_empty()).then(|| name.to_owned()), deployment))
    }
}

impl Environment {
    /// The address of what the job deployed, worked out when it has ended; none when there is none.
    ///
    /// # Errors
    /// As for its other parts.
    pub fn address(&self, scope: &dyn Scope) -> Result<Option<String>, Diagnostic> {
        let found = match (whole(self.whole, &self.name, scope)?, &self.url) {
            (Some(object), _) => match object.get("url") {
                Some(value) => text(&self.name, "environment.url", value)?,
                None => return Ok(None),
            },
            (None, Some(url)) => url.eval_string(scope)?.as_ref().to_owned(),
            (None, None) => return Ok(None),
        };
        Ok(Some(found).filter(|found| !found.is_empty()))
    }
}

/// The object that one expression gives for the whole; none when it is a text, or the mapping is written out.
fn whole(
    whole: bool,
    at: &Template,
    scope: &dyn Scope,
) -> Result<Option<std::sync::Arc<Object>>, Diagnostic> {
    if !whole || at.as_single().is_none() {
        return Ok(None);
    }
    match at.eval_value(scope)? {
        Value::Object(object) => Ok(Some(object)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Ok(None),
    }
}

fn text(at: &Template, place: &str, value: &Value) -> Result<String, Diagnostic> {
    match value.is_primitive() {
        true => Ok(value.to_text().as_ref().to_owned()),
        false => Err(wrong(at, place, "text", value)),
    }
}

fn boolean(at: &Template, place: &str, value: &Value) -> Result<bool, Diagnostic> {
    value.as_bool().ok_or_else(|| wrong(at, place, "true or false", value))
}

fn wrong(at: &Template, place: &str, expected: &str, value: &Value) -> Diagnostic {
    let kind = value.kind().to_lowercase();
    refused(
        at,
        format!("this expression must give {expected} for {place}, but it gives a value of the kind {kind}"),
    )
}

fn unknown(at: &Template, place: &str, key: &str, known: &str) -> Diagnostic {
    refused(at, format!("this expression gives {place} the key {key:?}, which it does not have"))
        .with_help(format!("known keys: {known}"))
}

fn refused(at: &Template, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("SW0117", at.source(), at.span(), message)
}
