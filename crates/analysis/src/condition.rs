//! Argo's `successCondition` and `failureCondition`: conditions over a measured `result`.
//!
//! The language is the part of expr (expr-lang.org) that conditions are written in: literals, arithmetic,
//! comparisons, `in`, `contains`, ranges, members and slices, `?:`, `??`, `?.`, `let`, pipes, predicates
//! (`all(result, {# > 1})`) and the functions listed in [`functions`]. Besides them Argo's own: `asInt`, `asFloat`,
//! `isNaN`, `isInf`, `isNil` and `default`. Regular expressions, dates, durations, bytes and JSON texts are refused when the
//! condition is read, so that an analysis never fails on them later. Comparing values of different kinds is an error
//! and not "false": a condition that can never hold must not look like a verdict.

mod ast;
mod builtin;
mod eval;
mod lexer;
mod number;
mod parser;
mod predicate;
mod value;

use crate::{Measurement, MeasurementPhase};
use shipway_base::Timestamp;
use std::fmt;

pub use value::Value;

/// A condition or expression, read and ready to be evaluated.
#[derive(Clone, PartialEq)]
pub struct Condition {
    text: String,
    root: ast::Expr,
}

/// Why a condition cannot be read or evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    /// What is wrong, as one sentence without its place.
    pub message: String,
    /// Where, in characters from the start of the condition; `None` when it is about the whole.
    pub at: Option<usize>,
}

impl Condition {
    /// Reads a condition in which `result` is the only variable.
    ///
    /// # Errors
    /// The first thing that is wrong: the grammar, a name nobody defines, or what is not supported.
    pub fn parse(text: &str) -> Result<Condition, ConditionError> {
        Condition::parse_with(text, &["result"])
    }

    /// Reads an expression in which these variables are defined.
    ///
    /// # Errors
    /// As [`Condition::parse`].
    pub fn parse_with(text: &str, variables: &[&str]) -> Result<Condition, ConditionError> {
        let root = parser::parse(text, variables)?;
        Ok(Condition { text: text.to_owned(), root })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the condition holds for a result.
    ///
    /// # Errors
    /// What went wrong, also when the outcome is not a truth value.
    pub fn holds(&self, result: &Value) -> Result<bool, ConditionError> {
        let outcome = self.eval(&[("result", result.clone())])?;
        if let Value::Bool(holds) = outcome {
            return Ok(holds);
        }
        let message = format!("a condition must be true or false, but this one is {}", outcome.kind());
        Err(ConditionError { message, at: None })
    }

    /// The value of the expression with these variables; the work it may do is bounded.
    ///
    /// # Errors
    /// What went wrong.
    pub fn eval(&self, variables: &[(&str, Value)]) -> Result<Value, ConditionError> {
        eval::run(&self.root, variables).map_err(|message| ConditionError { message, at: None })
    }
}

/// The functions that conditions may call, in order.
pub fn functions() -> impl Iterator<Item = &'static str> {
    builtin::NAMES.iter().chain(predicate::NAMES).copied()
}

/// Judges a result by Argo's table: without conditions it is successful; one condition decides by itself; with both,
/// the failure condition goes first and "neither" is inconclusive. A condition that cannot be evaluated is an error.
pub fn assess(
    success: Option<&Condition>,
    failure: Option<&Condition>,
    result: &Value,
    at: Timestamp,
) -> Measurement {
    let holds =
        |condition: Option<&Condition>| condition.map(|condition| condition.holds(result)).transpose();
    let outcome = holds(success)
        .map_err(|error| ("successCondition", success, error))
        .and_then(|s| Ok((s, holds(failure).map_err(|error| ("failureCondition", failure, error))?)));
    let (phase, message) = match outcome {
        Err((name, condition, error)) => {
            let text = condition.map(Condition::text).unwrap_or_default();
            (MeasurementPhase::Error, Some(format!("could not evaluate {name} `{text}`: {}", error.message)))
        }
        Ok((_, Some(true)) | (Some(false), None)) => (MeasurementPhase::Failed, None),
        Ok((Some(false), Some(false))) => (MeasurementPhase::Inconclusive, None),
        Ok((Some(true) | None, _)) => (MeasurementPhase::Successful, None),
    };
    Measurement { phase, value: result.to_string(), message, at }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?})", self.text)
    }
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} (at character {})", self.message, at + 1),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConditionError {}

#[cfg(test)]
mod tests;
