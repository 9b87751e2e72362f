//! `strategy.matrix`: from its text to the list of its legs.

use crate::expr::{Template, Value};
use shipway_base::{Span, Spanned};

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
    Mapping(Vec<(Spanned<String>, Tree)>, Span),
}
