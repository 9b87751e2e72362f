//! `strategy` as it is once its expressions are known.

use super::{
    Leg, Tree,
    expand::{Builder, kind},
};
use crate::{
    document::{Key, Strategy, StrategyMatrix},
    expr::{Scope, Template, Value},
};
use shipway_base::{Diagnostic, Source, Span};

/// What a `strategy` comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategyValues {
    /// The legs of its matrix, in GitHub's order; `None` without a matrix.
    pub legs: Option<Vec<Leg>>,
    /// Whether a failed leg cancels the others.
    pub fail_fast: bool,
    /// How many legs may run at once; `None` for all.
    pub max_parallel: Option<usize>,
}

impl Strategy {
    /// What it comes to.
    ///
    /// # Errors
    /// As [`Strategy::legs`], and SW0104 or SW0117 for a `fail-fast` or `max-parallel` that is none.
    pub fn eval(&self, source: &Source, scope: &dyn Scope) -> Result<StrategyValues, Diagnostic> {
        if let Some(whole) = &self.whole {
            return self.of_value(&whole.eval_value(scope)?, whole);
        }
        let fail_fast = self.fail_fast.as_ref().map_or(Ok(true), |maybe| maybe.eval(scope))?;
        let legs = self.matrix.as_ref().map(|matrix| matrix.legs(source, scope)).transpose()?;
        let max_parallel = self.max_parallel.as_ref().map(|maybe| maybe.eval(scope)).transpose()?;
        let max_parallel = max_parallel.map_or(Ok(None), |number| parallel(number, source, self.span))?;
        Ok(StrategyValues { legs, fail_fast, max_parallel })
    }

    /// The legs of its matrix, whatever else it holds; `None` without a matrix.
    ///
    /// # Errors
    /// As [`StrategyMatrix::legs`]; for a strategy that is one expression also SW0116 when that gives no strategy.
    pub fn legs(&self, source: &Source, scope: &dyn Scope) -> Result<Option<Vec<Leg>>, Diagnostic> {
        match &self.whole {
            Some(_) => Ok(self.eval(source, scope)?.legs),
            None => self.matrix.as_ref().map(|matrix| matrix.legs(source, scope)).transpose(),
        }
    }

    /// Whether an expression has a part in what its legs are.
    pub fn legs_have_expressions(&self) -> bool {
        self.whole.is_some() || self.matrix.as_ref().is_some_and(|matrix| matrix.tree.has_expressions())
    }

    /// Where its matrix stands, or the whole when that is one expression.
    pub(crate) fn matrix_span(&self) -> Span {
        self.matrix.as_ref().map_or(self.span, |matrix| matrix.span)
    }

    /// A strategy from the value of one expression.
    fn of_value(&self, value: &Value, whole: &Template) -> Result<StrategyValues, Diagnostic> {
        let source = whole.source();
        let wrong = |message: String| Diagnostic::error("SW0116", source, self.span, message);
        let Some(object) = value.as_object() else {
            let found = wrong(format!("the strategy must be an object, but it is {}", kind(value)));
            return Err(match value {
                Value::String(_) => {
                    found.with_help("fromJSON(..) turns text into the value that it stands for")
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => found,
            });
        };
        let mut found = StrategyValues { legs: None, fail_fast: true, max_parallel: None };
        for (key, value) in object.iter() {
            match key {
                "matrix" => {
                    let builder = Builder { source, span: self.span };
                    found.legs = Some(builder.of_value(value)?);
                }
                "fail-fast" => {
                    let message = || wrong(format!("fail-fast must be a boolean, but it is {}", kind(value)));
                    found.fail_fast = value.as_bool().ok_or_else(message)?;
                }
                "max-parallel" => {
                    let message =
                        || wrong(format!("max-parallel must be a number, but it is {}", kind(value)));
                    let number = value.as_number().ok_or_else(message)?;
                    found.max_parallel = parallel(number, source, self.span)?;
                }
                _ => {
                    return Err(wrong(format!(
                        "the strategy has the key {key:?}, which is none of a strategy"
                    ))
                    .with_help("known keys: matrix, fail-fast, max-parallel"));
                }
            }
        }
        Ok(found)
    }
}

impl StrategyMatrix {
    /// The legs, in GitHub's order; none when `exclude` leaves none.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx); SW0116 for what is no matrix: a vector that is empty or no
    /// sequence, an entry of `exclude` with a key that is no vector, or more than [`super::MOST_LEGS`] legs.
    pub fn legs(&self, source: &Source, scope: &dyn Scope) -> Result<Vec<Leg>, Diagnostic> {
        let builder = Builder { source, span: self.span };
        builder.of_value(&builder.evaluate(&self.tree, scope)?)
    }
}

impl Tree {
    /// Whether an expression stands anywhere in it.
    pub fn has_expressions(&self) -> bool {
        match self {
            Tree::Scalar(_) => false,
            Tree::Template(_) => true,
            Tree::Sequence(items, _) => items.iter().any(Tree::has_expressions),
            Tree::Mapping(pairs, _) => {
                pairs.iter().any(|(key, value)| !matches!(key, Key::Name(_)) || value.has_expressions())
            }
        }
    }
}

/// `max-parallel` as a number of legs; as on GitHub, 0 and less are no limit.
fn parallel(number: f64, source: &Source, span: Span) -> Result<Option<usize>, Diagnostic> {
    if number.fract() != 0.0 {
        let message = format!("max-parallel must be a whole number, but it is {number}");
        return Err(Diagnostic::error("SW0104", source, span, message));
    }
    // The cast saturates, and more than there are legs is the same as all of them.
    Ok((number >= 1.0).then_some(number as usize))
}
