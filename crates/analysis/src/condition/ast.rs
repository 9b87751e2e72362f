//! The tree of a condition.

use super::Value;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Literal(Value),
    /// A variable; `$env` is all of them.
    Name(String),
    /// `#`, `#index`, `#acc`: what a predicate looks at.
    Pointer(Pointer),
    Array(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// `base.key`, `base[key]`; optional: nothing follows from nothing (`base?.key`).
    Member {
        base: Box<Expr>,
        key: Box<Expr>,
        optional: bool,
    },
    Slice {
        base: Box<Expr>,
        from: Option<Box<Expr>>,
        to: Option<Box<Expr>>,
    },
    /// The extent in which a `?.` that meets nil makes everything nil.
    Chain(Box<Expr>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Conditional(Box<[Expr; 3]>),
    Call {
        name: &'static str,
        args: Vec<Expr>,
    },
    /// A function over a list with a predicate: `all(list, {# > 1})`.
    Over {
        name: &'static str,
        list: Box<Expr>,
        predicate: Option<Box<Expr>>,
        rest: Vec<Expr>,
    },
    Let {
        name: String,
        value: Box<Expr>,
        body: Box<Expr>,
    },
    /// `a; b`: the value is the last one's.
    Sequence(Vec<Expr>),
}

/// What a predicate looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    Item,
    Index,
    Accumulator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Arithmetic(Arithmetic),
    Coalesce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl Binary {
    /// The operator, how tightly it binds, and whether it groups to the right.
    pub(super) fn by_token(token: &str) -> Option<(Binary, u8, bool)> {
        Some(match token {
            "||" | "or" => (Binary::Or, 10, false),
            "&&" | "and" => (Binary::And, 15, false),
            "==" => (Binary::Equal, 20, false),
            "!=" => (Binary::NotEqual, 20, false),
            "<" => (Binary::Less, 20, false),
            "<=" => (Binary::LessOrEqual, 20, false),
            ">" => (Binary::Greater, 20, false),
            ">=" => (Binary::GreaterOrEqual, 20, false),
            "in" => (Binary::In, 20, false),
            "contains" => (Binary::Contains, 20, false),
            "startsWith" => (Binary::StartsWith, 20, false),
            "endsWith" => (Binary::EndsWith, 20, false),
            ".." => (Binary::Range, 25, false),
            "+" => (Binary::Arithmetic(Arithmetic::Add), 30, false),
            "-" => (Binary::Arithmetic(Arithmetic::Subtract), 30, false),
            "*" => (Binary::Arithmetic(Arithmetic::Multiply), 60, false),
            "/" => (Binary::Arithmetic(Arithmetic::Divide), 60, false),
            "%" => (Binary::Arithmetic(Arithmetic::Remainder), 60, false),
            "**" | "^" => (Binary::Arithmetic(Arithmetic::Power), 100, true),
            "??" => (Binary::Coalesce, 200, false),
            _ => return None,
        })
    }

    /// Whether `a < b < c` means `a < b and b < c`.
    pub(super) fn is_comparison(self) -> bool {
        matches!(self, Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual)
    }
}
