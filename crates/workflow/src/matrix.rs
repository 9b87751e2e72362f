//! `strategy.matrix`: from its text to the list of its legs.

mod expand;
mod read;
mod strategy;

use crate::{
    document::Key,
    expr::{Object, Template, Value},
};
use shipway_base::{Span, Spanned};

pub use expand::MOST_LEGS;
pub(crate) use read::read;
pub use strategy::StrategyValues;

/// A piece of YAML in which any scalar may be an expression.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A scalar without expressions, typed as YAML types it.
    Scalar(Spanned<Value>),
    /// A scalar with expressions.
    Template(Template),
    /// A sequence.
    Sequence(Vec<Tree>, Span),
    /// A mapping in the order of the text.
    Mapping(Vec<(Key, Tree)>, Span),
}

/// One leg of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Leg {
    /// The `matrix` context.
    pub values: Object,
    /// The values that tell it from the others, as they stand in the suffix of its name: `a, b`; empty when there are
    /// none.
    pub suffix: String,
}

impl Leg {
    /// The name of a job with the leg's suffix: `build (a, b)`, cut to 100 characters as GitHub does.
    pub fn name(&self, job: &str) -> String {
        if self.suffix.is_empty() {
            return job.to_owned();
        }
        let name = format!("{job} ({})", self.suffix);
        match name.char_indices().nth(100) {
            None => name,
            Some(_) => name.chars().take(97).chain("...".chars()).collect(),
        }
    }
}

impl Tree {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Tree::Scalar(value) => value.span,
            Tree::Template(template) => template.span(),
            Tree::Sequence(_, span) | Tree::Mapping(_, span) => *span,
        }
    }
}
