//! From tokens to the tree, checking names and argument counts on the way.

use super::{
    AllowedNames, Expr, ExprError, ExprErrorKind, Function,
    ast::{Node, Operator},
    fold,
    lex::{self, Lexer, Token, TokenKind},
    names::BUILT_IN,
};
use shipway_base::yaml::closest;
use std::sync::Arc;

/// How deep an expression may nest. Chains of `&&` or `||` count once.
pub const MAX_DEPTH: u32 = 50;

/// How many characters an expression may have.
pub const MAX_CHARACTERS: usize = 21_000;

/// How deep the parser itself descends. Parentheses cost no depth of the tree, but they cost stack.
const MAX_DESCENT: u32 = 200;

/// Parses an expression, the text between `${{` and `}}`. Nothing but space is null.
///
/// # Errors
/// The first thing that is wrong, with its position.
pub fn parse(text: &str, allowed: &AllowedNames<'_>) -> Result<Expr, ExprError> {
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        let message = format!("Exceeded max expression length {MAX_CHARACTERS}");
        return Err(ExprError::new(ExprErrorKind::Limit, message));
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser = Parser { lexer, allowed, last: next, next, descent: 0 };
    if parser.next.kind == TokenKind::End {
        return Ok(Expr { root: Node::Null });
    }
    let (root, _) = parser.binary(Operator::LOOSEST)?;
    parser.expect(TokenKind::End)?;
    Ok(Expr { root })
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    allowed: &'a AllowedNames<'a>,
    /// The token before `next`, for complaints about the end.
    last: Token<'a>,
    next: Token<'a>,
    descent: u32,
}

/// A node and how deep it is.
type Measured = (Node, u32);

impl<'a> Parser<'a> {
    /// Operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> Result<Measured, ExprError> {
        let mut left = self.unary()?;
        while let TokenKind::Operator(operator) = self.next.kind
            && operator.binding() >= least
        {
            self.advance()?;
            let right = self.binary(operator.binding() + 1)?;
            left = self.joined(left, operator, right)?;
        }
        Ok(left)
    }

    fn joined(&self, left: Measured, operator: Operator, right: Measured) -> Result<Measured, ExprError> {
        let ((left, left_depth), (right, right_depth)) = (left, right);
        let depth = left_depth.max(right_depth);
        // A chain is as deep as one more than its deepest operand, however long it is.
        let chained = left_depth.saturating_sub(1).max(right_depth);
        match (operator, left) {
            (Operator::And, Node::And(mut operands)) => {
                operands.push(right);
                deeper(Node::And(operands), chained)
            }
            (Operator::Or, Node::Or(mut operands)) => {
                operands.push(right);
                deeper(Node::Or(operands), chained)
            }
            (Operator::And, left) => deeper(Node::And(vec![left, right]), depth),
            (Operator::Or, left) => deeper(Node::Or(vec![left, right]), depth),
            (Operator::Compare(comparison), left) => {
                deeper(Node::Compare(Box::new(left), comparison, Box::new(right)), depth)
            }
        }
    }

    fn unary(&mut self) -> Result<Measured, ExprError> {
        self.descent += 1;
        if self.descent > MAX_DESCENT {
            return Err(too_deep());
        }
        let found = if self.next.kind == TokenKind::Symbol('!') {
            self.advance()?;
            let (inner, depth) = self.unary()?;
            deeper(Node::Not(Box::new(inner)), depth)?
        } else {
            self.postfix()?
        };
        self.descent -= 1;
        Ok(found)
    }

    /// An operand and what is asked of it: `.name`, `.*`, `[key]`.
    fn postfix(&mut self) -> Result<Measured, ExprError> {
        let (mut node, mut depth) = self.operand()?;
        // Nothing may be asked of a literal.
        if matches!(node, Node::Null | Node::Bool(_) | Node::Number(_) | Node::String(_))
            && self.last.kind != TokenKind::Symbol(')')
        {
            return Ok((node, depth));
        }
        loop {
            (node, depth) = match self.next.kind {
                TokenKind::Symbol('.') => {
                    self.advance()?;
                    if self.next.kind == TokenKind::Symbol('*') {
                        deeper(Node::Wildcard(Box::new(node)), depth)?
                    } else {
                        self.expect(TokenKind::Word)?;
                        let key = Node::String(Arc::from(self.next.raw));
                        deeper(Node::Index(Box::new(node), Box::new(key)), depth)?
                    }
                }
                TokenKind::Symbol('[') => {
                    self.advance()?;
                    let asked = if self.next.kind == TokenKind::Symbol('*') {
                        self.advance()?;
                        deeper(Node::Wildcard(Box::new(node)), depth)?
                    } else {
                        let (key, key_depth) = self.binary(Operator::LOOSEST)?;
                        deeper(Node::Index(Box::new(node), Box::new(key)), depth.max(key_depth))?
                    };
                    self.expect(TokenKind::Symbol(']'))?;
                    asked
                }
                TokenKind::Symbol(_)
                | TokenKind::Operator(_)
                | TokenKind::Number(_)
                | TokenKind::String
                | TokenKind::Word
                | TokenKind::End => return Ok((node, depth)),
            };
            self.advance()?;
        }
    }

    fn operand(&mut self) -> Result<Measured, ExprError> {
        let token = self.next;
        let node = match token.kind {
            TokenKind::Number(value) => Node::Number(value),
            TokenKind::String => {
                let inner = &token.raw[1..token.raw.len() - 1];
                Node::String(Arc::from(inner.replace("''", "'")))
            }
            TokenKind::Word => return self.word(token),
            TokenKind::Symbol('(') => {
                self.advance()?;
                let inner = self.binary(Operator::LOOSEST)?;
                self.expect(TokenKind::Symbol(')'))?;
                self.advance()?;
                return Ok(inner);
            }
            TokenKind::Symbol(_) | TokenKind::Operator(_) | TokenKind::End => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok((node, 1))
    }

    fn word(&mut self, token: Token<'a>) -> Result<Measured, ExprError> {
        self.advance()?;
        if self.next.kind == TokenKind::Symbol('(') {
            let function = self.allowed.function(token.raw).ok_or_else(|| self.unknown_function(token))?;
            return self.call(token, function);
        }
        let node = match token.raw {
            "null" => Node::Null,
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            "NaN" => Node::Number(f64::NAN),
            "Infinity" => Node::Number(f64::INFINITY),
            name => match self.allowed.context(name) {
                Some(known) => Node::Context(Arc::from(known)),
                None => return Err(self.unknown_context(token)),
            },
        };
        Ok((node, 1))
    }

    fn call(&mut self, token: Token<'a>, function: Function<'a>) -> Result<Measured, ExprError> {
        self.advance()?;
        let mut arguments = Vec::new();
        let mut depth = 0;
        if self.next.kind != TokenKind::Symbol(')') {
            loop {
                let (argument, argument_depth) = self.binary(Operator::LOOSEST)?;
                arguments.push(argument);
                depth = depth.max(argument_depth);
                if self.next.kind != TokenKind::Symbol(',') {
                    break;
                }
                self.advance()?;
            }
        }
        self.expect(TokenKind::Symbol(')'))?;
        check_arguments(token, function, arguments.len())?;
        self.advance()?;
        deeper(Node::Call(Arc::from(function.name), arguments), depth)
    }

    fn advance(&mut self) -> Result<(), ExprError> {
        self.last = self.next;
        self.next = self.lexer.next()?;
        Ok(())
    }

    fn expect(&self, kind: TokenKind) -> Result<(), ExprError> {
        if self.next.kind == kind { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> ExprError {
        if self.next.kind != TokenKind::End {
            return lex::unexpected(ExprErrorKind::Parsing, self.next.raw, self.next.position);
        }
        let message = format!("Unexpected end of expression: '{}'", self.last.raw);
        ExprError::new(ExprErrorKind::Parsing, message).at(self.last.position, lex::count(self.last.raw))
    }

    fn unknown_context(&self, token: Token<'_>) -> ExprError {
        let error = name_error("Unrecognized named-value", token);
        if let Some(near) = closest(token.raw, self.allowed.contexts().iter().copied()) {
            return error.with_help(format!("did you mean `{near}`?"));
        }
        match self.allowed.contexts() {
            [] => error.with_help("no context may be used here"),
            contexts if fold::eq(token.raw, "secrets") => error.with_help(format!(
                "secrets may not be used here; hand one to `env` and look at that. Here one may use: {}",
                contexts.join(", ")
            )),
            contexts => error.with_help(format!("here one may use: {}", contexts.join(", "))),
        }
    }

    fn unknown_function(&self, token: Token<'_>) -> ExprError {
        let known = || BUILT_IN.iter().chain(self.allowed.functions()).map(|function| function.name);
        let error = name_error("Unrecognized function", token);
        match closest(token.raw, known()) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None => error.with_help(format!("here one may call: {}", known().collect::<Vec<_>>().join(", "))),
        }
    }
}

/// A node over children of at most that depth.
fn deeper(node: Node, children: u32) -> Result<Measured, ExprError> {
    if children >= MAX_DEPTH { Err(too_deep()) } else { Ok((node, children + 1)) }
}

fn too_deep() -> ExprError {
    ExprError::new(ExprErrorKind::Limit, format!("Exceeded max expression depth {MAX_DEPTH}"))
}

fn name_error(what: &str, token: Token<'_>) -> ExprError {
    ExprError::new(ExprErrorKind::Name, format!("{what}: '{}'", token.raw))
        .at(token.position, lex::count(token.raw))
}

fn check_arguments(token: Token<'_>, function: Function<'_>, count: usize) -> Result<(), ExprError> {
    let raw = token.raw;
    let message = if count < function.min {
        format!("Too few parameters supplied: '{raw}'")
    } else if count > function.max {
        format!("Too many parameters supplied: '{raw}'")
    } else if fold::eq(function.name, "case") && count.is_multiple_of(2) {
        format!("Even number of parameters supplied, requires an odd number of parameters: '{raw}'")
    } else {
        return Ok(());
    };
    let takes = match (function.min, function.max) {
        (min, max) if min == max => format!("it takes {min}"),
        (min, max) => format!("it takes {min} to {max}"),
    };
    Err(ExprError::new(ExprErrorKind::Arguments, message)
        .at(token.position, lex::count(raw))
        .with_help(format!("{takes}, not {count}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: AllowedNames<'static> =
        AllowedNames::new(&["github", "needs"], &[Function::new("hashFiles", 1, 255)]);

    /// The canonical text, or the complaint with its help.
    fn check(text: &str, expect: &str) {
        let found = match parse(text, &NAMES) {
            Ok(expr) => expr.to_string(),
            Err(error) => match &error.help {
                Some(help) => format!("{error} ({help})"),
                None => error.to_string(),
            },
        };
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn prints_canonical_text() {
        check(" ", "null");
        check("GITHUB['event'].a.*['b c'][0]", "github.event.a.*['b c'][0.0]");
        check("(a", "Unrecognized named-value: 'a'. Located at position 2 (here one may use: github, needs)");
        check("!(github && (needs||true) && 1)", "!(github && (needs || true) && 1.0)");
        check("(1 && 2) && 3 || (4 || 5)", "1.0 && 2.0 && 3.0 || (4.0 || 5.0)");
        check("1 < (2 < 3) == 4", "1.0 < (2.0 < 3.0) == 4.0");
        check("('it''s').length", "('it''s').length");
        check("HASHFILES('a', 'b') != -Infinity", "hashFiles('a', 'b') != -Infinity");
    }

    #[test]
    fn names_what_is_wrong() {
        check(
            "gihtub.sha",
            "Unrecognized named-value: 'gihtub'. Located at position 1 (did you mean `github`?)",
        );
        check(
            "startWith('a', 'b')",
            "Unrecognized function: 'startWith'. Located at position 1 (did you mean `startsWith`?)",
        );
        check(
            "hashFiles()",
            "Too few parameters supplied: 'hashFiles'. Located at position 1 (it takes 1 to 255, not 0)",
        );
        check(
            "\"a\" == 'a'",
            "Unexpected symbol: '\"a\"'. Located at position 1 (text is written in single quotes here)",
        );
        check("1.5.a", "Unexpected symbol: '1.5.a'. Located at position 1");
        check("'a'.b", "Unexpected symbol: '.'. Located at position 4");
        check("github[*", "Unexpected end of expression: '*'. Located at position 8");
        check("github[* == 1]", "Unexpected symbol: '=='. Located at position 10");
        check("(1)(2)", "Unexpected symbol: '('. Located at position 4");
        check("1,2", "Unexpected symbol: ','. Located at position 2");
    }

    #[test]
    fn helps_where_secrets_are_not_offered() {
        let Err(error) = parse("secrets.X", &super::super::STEP_IF) else { panic!("accepted") };
        assert_eq!(error.kind, ExprErrorKind::Name);
        assert!(error.help.is_some_and(|help| help.starts_with("secrets may not be used here")));
    }

    #[test]
    fn limits_length_and_descent() {
        let long = |n: usize| format!("'{}'", "é".repeat(n - 2));
        assert!(parse(&long(MAX_CHARACTERS), &NAMES).is_ok());
        check(&long(MAX_CHARACTERS + 1), "Exceeded max expression length 21000");
        let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&nested(150), &NAMES).is_ok());
        check(&nested(10_000), "Exceeded max expression depth 50");
        check(&"!".repeat(20_000), "Exceeded max expression depth 50");
        check(&format!("1{}", " == 1".repeat(4_000)), "Exceeded max expression depth 50");
        assert!(parse(&format!("1{}", " && 1".repeat(4_000)), &NAMES).is_ok());
    }

    #[test]
    fn tells_what_an_expression_refers_to() {
        let expr = parse("case(github.a, NEEDS.*, Success() || github['b'])", &super::super::JOB_IF);
        let Ok(expr) = expr else { panic!("{expr:?}") };
        assert_eq!(expr.contexts(), ["github", "needs", "github"]);
        assert!(expr.calls("CASE") && expr.asks_status() && !expr.calls("failure"));
    }
}
