//! The tree of an expression, and its canonical text.

use super::{fold, lex, number};
use std::{fmt, sync::Arc};

/// A parsed expression. Its `Display` is canonical text that parses to the same expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub(crate) root: Node,
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    String(Arc<str>),
    Context(Arc<str>),
    /// `a.b` and `a['b']` are the same.
    Index(Box<Node>, Box<Node>),
    /// `a.*`
    Wildcard(Box<Node>),
    Call(Arc<str>, Vec<Node>),
    Not(Box<Node>),
    Compare(Box<Node>, Comparison, Box<Node>),
    /// Chains are flat, so that a long one is not deep.
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Compare(Comparison),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Expr {
    /// The contexts it refers to as written, each time they occur.
    pub fn contexts(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            if let Node::Context(name) = node {
                found.push(&**name);
            }
        });
        found
    }

    /// Whether it calls a function of that name, in any case, anywhere.
    pub fn calls(&self, function: &str) -> bool {
        let mut found = false;
        self.root.visit(&mut |node| {
            if let Node::Call(name, _) = node {
                found |= fold::eq(name, function);
            }
        });
        found
    }

    /// Whether it asks how things have gone so far: `success()`, `failure()`, `cancelled()` or `always()`.
    pub fn asks_status(&self) -> bool {
        ["success", "failure", "cancelled", "always"].iter().any(|name| self.calls(name))
    }
}

impl Node {
    /// Shows a node and all below it, parents first.
    pub(crate) fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Node)) {
        see(self);
        self.parts().for_each(|part| part.visit(see));
    }

    /// What it is made of, from left to right.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Node> {
        let (one, other, all): (Option<&Node>, Option<&Node>, &[Node]) = match self {
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) | Node::Context(_) => {
                (None, None, &[])
            }
            Node::Wildcard(inner) | Node::Not(inner) => (Some(inner), None, &[]),
            Node::Index(left, right) | Node::Compare(left, _, right) => (Some(left), Some(right), &[]),
            Node::Call(_, nodes) | Node::And(nodes) | Node::Or(nodes) => (None, None, nodes),
        };
        one.into_iter().chain(other).chain(all)
    }

    /// The parts whose text may reach its result unchanged.
    pub(crate) fn carriers(&self) -> impl Iterator<Item = &Node> {
        const KEEPS: [&str; 5] = ["format", "join", "toJSON", "fromJSON", "case"];
        let (one, all): (Option<&Node>, &[Node]) = match self {
            // `fromJSON(..).x`, `f(..)[0]`
            Node::Index(inner, _) | Node::Wildcard(inner) => (Some(inner), &[]),
            Node::Call(name, arguments) if KEEPS.iter().any(|known| fold::eq(known, name)) => {
                (None, arguments)
            }
            Node::And(nodes) => (nodes.last(), &[]),
            Node::Or(nodes) => (None, nodes),
            Node::Null
            | Node::Bool(_)
            | Node::Number(_)
            | Node::String(_)
            | Node::Context(_)
            | Node::Call(..)
            | Node::Not(_)
            | Node::Compare(..) => (None, &[]),
        };
        one.into_iter().chain(all)
    }

    /// How tightly it holds together: a child that binds less than its place needs is put in parentheses.
    fn binding(&self) -> u8 {
        match self {
            Node::Or(_) => Operator::Or.binding(),
            Node::And(_) => Operator::And.binding(),
            Node::Compare(_, comparison, _) => Operator::Compare(*comparison).binding(),
            Node::Not(_) => NOT,
            // Nothing may be asked of a literal directly: `(1).a`, not `1.a`.
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_) => LITERAL,
            Node::Context(_) | Node::Index(..) | Node::Wildcard(_) | Node::Call(..) => POSTFIX,
        }
    }
}

const NOT: u8 = 5;
const LITERAL: u8 = 6;
const POSTFIX: u8 = 7;

impl Operator {
    /// The operator that binds least.
    pub(super) const LOOSEST: u8 = 1;

    /// How tightly it binds: `<` more than `==`, that more than `&&`, that more than `||`.
    pub(super) fn binding(self) -> u8 {
        match self {
            Operator::Or => Operator::LOOSEST,
            Operator::And => 2,
            Operator::Compare(Comparison::Equal | Comparison::NotEqual) => 3,
            Operator::Compare(
                Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual,
            ) => 4,
        }
    }
}

impl Comparison {
    fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Null => f.write_str("null"),
            Node::Bool(value) => write!(f, "{value}"),
            Node::Number(value) => write_number(*value, f),
            Node::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Node::Context(name) => f.write_str(name),
            Node::Wildcard(inner) => write!(f, "{}.*", Held(inner, POSTFIX)),
            Node::Index(inner, key) => {
                if let Node::String(name) = &**key
                    && lex::is_name(name)
                {
                    return write!(f, "{}.{name}", Held(inner, POSTFIX));
                }
                write!(f, "{}[{key}]", Held(inner, POSTFIX))
            }
            Node::Call(name, arguments) => {
                write!(f, "{name}(")?;
                write_joined(arguments, ", ", 0, f)?;
                f.write_str(")")
            }
            Node::Not(inner) => write!(f, "!{}", Held(inner, NOT)),
            // Operators of one level group to the left.
            Node::Compare(left, comparison, right) => {
                let binding = Operator::Compare(*comparison).binding();
                write!(f, "{} {} {}", Held(left, binding), comparison.symbol(), Held(right, binding + 1))
            }
            Node::And(operands) => write_joined(operands, " && ", self.binding() + 1, f),
            Node::Or(operands) => write_joined(operands, " || ", self.binding() + 1, f),
        }
    }
}

/// A node in a place that needs at least the given binding.
struct Held<'a>(&'a Node, u8);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.binding() < self.1 {
            true => write!(f, "({})", self.0),
            false => self.0.fmt(f),
        }
    }
}

fn write_joined(nodes: &[Node], between: &str, binding: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, node) in nodes.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        write!(f, "{}", Held(node, binding))?;
    }
    Ok(())
}

/// The shortest digits that read back as the same number, where `number::to_text` keeps only 15.
fn write_number(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value.is_finite() {
        true => write!(f, "{value:?}"),
        false => f.write_str(&number::to_text(value)),
    }
}
