//! Values that are evaluated when a job runs.

use super::{ConcurrencyQueue, Fields, Maybe, keyed};
use crate::expr::{Scope, Template, Value};
use shipway_base::Diagnostic;
use std::sync::Arc;

impl Default for Fields {
    fn default() -> Fields {
        Fields::Entries(Vec::new())
    }
}

impl Fields {
    /// Names and texts in order.
    ///
    /// # Errors
    /// An expression that cannot be evaluated, or that gives no text (SW02xx); a key that comes twice (SW0107); an expression for the whole that gives
    /// no object (SW0117).
    pub fn eval(&self, scope: &dyn Scope) -> Result<Vec<(String, Arc<str>)>, Diagnostic> {
        match self {
            Fields::Entries(entries) => entries
                .iter()
                .map(|(name, template)| Ok((name.value.clone(), template.eval_string(scope)?)))
                .collect(),
            Fields::Keyed(entries) => keyed::eval(entries, scope),
            Fields::Expression(template) => keyed::texts(template, &template.eval_value(scope)?),
        }
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        match self {
            Fields::Entries(entries) => entries.is_empty(),
            Fields::Keyed(entries) => entries.is_empty(),
            Fields::Expression(_) => false,
        }
    }
}

impl Maybe<bool> {
    /// The boolean.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx), or that gives something else (SW0117): as on GitHub, the text
    /// `'true'` is not a boolean.
    pub fn eval(&self, scope: &dyn Scope) -> Result<bool, Diagnostic> {
        match self {
            Maybe::Literal(value) => Ok(value.value),
            Maybe::Expression(template) => {
                let value = template.eval_value(scope)?;
                value.as_bool().ok_or_else(|| wrong_kind(template, "true or false", &value))
            }
        }
    }
}

impl Maybe<f64> {
    /// The number.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx), or that gives something else (SW0117): as on GitHub, the text
    /// `'10'` is not a number.
    pub fn eval(&self, scope: &dyn Scope) -> Result<f64, Diagnostic> {
        match self {
            Maybe::Literal(value) => Ok(value.value),
            Maybe::Expression(template) => {
                let value = template.eval_value(scope)?;
                value.as_number().ok_or_else(|| wrong_kind(template, "a number", &value))
            }
        }
    }
}

impl ConcurrencyQueue {
    /// The one of that name.
    pub fn named(text: &str) -> Option<ConcurrencyQueue> {
        match text {
            "single" => Some(ConcurrencyQueue::Single),
            "max" => Some(ConcurrencyQueue::Max),
            _ => None,
        }
    }
}

impl Maybe<ConcurrencyQueue> {
    /// The queue.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx), or that gives something else (SW0117).
    pub fn eval(&self, scope: &dyn Scope) -> Result<ConcurrencyQueue, Diagnostic> {
        match self {
            Maybe::Literal(queue) => Ok(queue.value),
            Maybe::Expression(template) => {
                let value = template.eval_value(scope)?;
                let queue = value.as_str().and_then(ConcurrencyQueue::named);
                queue.ok_or_else(|| wrong_kind(template, "single or max", &value))
            }
        }
    }
}

/// An expression that gave something else than its place needs.
pub(super) fn wrong_kind(template: &Template, expected: &str, value: &Value) -> Diagnostic {
    let kind = value.kind().to_lowercase();
    let message = format!("this expression must give {expected}, but it gives a value of the kind {kind}");
    let found = Diagnostic::error("SW0117", template.source(), template.span(), message);
    match value {
        Value::String(_) => found.with_help("fromJSON(..) turns text into the value that it stands for"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => found,
    }
}
