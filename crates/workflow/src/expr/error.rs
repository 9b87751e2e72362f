//! What can be wrong with an expression.

use std::fmt;

/// What is wrong with an expression, in GitHub's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// What kind of thing it is.
    pub kind: ExprErrorKind,
    /// What is wrong, as one sentence without its place.
    pub message: String,
    /// The character of the expression at which it was found, from 1; none for what concerns the whole.
    pub position: Option<u32>,
    /// How many characters from there on it concerns.
    pub length: u32,
    /// What to do about it, when there is something definite to say.
    pub help: Option<String>,
}

/// Where in its way an expression failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExprErrorKind {
    /// Characters that form no token.
    Lexing,
    /// Tokens in an order that means nothing.
    Parsing,
    /// A context or function that does not exist, or that this key does not offer.
    Name,
    /// A function called with the wrong number of arguments.
    Arguments,
    /// More than 21,000 characters, or nested deeper than 50.
    Limit,
    /// A function refused its arguments.
    Evaluation,
    /// The values built on the way outgrew their budget.
    Memory,
}

impl ExprError {
    /// An error about the whole expression.
    pub(crate) fn new(kind: ExprErrorKind, message: impl Into<String>) -> ExprError {
        ExprError { kind, message: message.into(), position: None, length: 0, help: None }
    }

    /// The same error about `length` characters from `position` on.
    pub(crate) fn at(self, position: u32, length: u32) -> ExprError {
        ExprError { position: Some(position), length, ..self }
    }

    /// The same error with what to do about it.
    pub(crate) fn with_help(self, help: impl Into<String>) -> ExprError {
        ExprError { help: Some(help.into()), ..self }
    }

    /// The code under which `docs/errors` explains this kind.
    pub fn code(&self) -> &'static str {
        match self.kind {
            ExprErrorKind::Lexing | ExprErrorKind::Parsing => "SW0201",
            ExprErrorKind::Name => "SW0202",
            ExprErrorKind::Arguments => "SW0203",
            ExprErrorKind::Limit | ExprErrorKind::Memory => "SW0204",
            ExprErrorKind::Evaluation => "SW0206",
        }
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(position) = self.position {
            write!(f, ". Located at position {position}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ExprError {}
