//! From tokens to the tree: precedence climbing, with names and functions checked on the way.

use super::{
    ConditionError, Value,
    ast::{Binary, Expr, Pointer, Unary},
    builtin,
    lexer::{Kind, Token, tokens},
    predicate,
};

/// How deep expressions may nest.
const DEPTH: u32 = 64;

/// Words that are operators or literals and never variables.
const WORDS: &[&str] = &[
    "true",
    "false",
    "nil",
    "and",
    "or",
    "not",
    "in",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
    "else",
];

/// What the language has and this version does not.
const LATER: &[&str] = &[
    "matches",
    "now",
    "date",
    "duration",
    "timezone",
    "toJSON",
    "fromJSON",
    "toBase64",
    "fromBase64",
    "bitand",
    "bitor",
    "bitxor",
    "bitnand",
    "bitnot",
    "bitshl",
    "bitshr",
    "bitushr",
];

/// Reads a whole text.
pub(super) fn parse(text: &str, variables: &[&str]) -> Result<Expr, ConditionError> {
    let tokens = tokens(text)?;
    let variables = variables.iter().map(|name| (*name).to_owned()).collect();
    let mut parser = Parser { tokens, at: 0, variables, depth: 0, predicates: 0 };
    let expr = parser.sequence()?;
    if parser.peek().kind == Kind::End { Ok(expr) } else { parser.unexpected() }
}

mod call;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    variables: Vec<String>,
    depth: u32,
    /// How many predicates are open here; `#` has a meaning only within one.
    predicates: u32,
}

type Parsed = Result<Expr, ConditionError>;

impl Parser {
    /// Expressions separated by `;`, `let` among them.
    fn sequence(&mut self) -> Parsed {
        if self.word("let") {
            let at = self.peek().at;
            let Kind::Word(name) = self.next() else { return self.error(at, "`let` needs a name") };
            if self.variables.contains(&name) || WORDS.contains(&name.as_str()) || is_function(&name) {
                return self.error(at, format!("`{name}` is taken already"));
            }
            self.expect("=")?;
            let value = Box::new(self.expression(0)?);
            self.expect(";")?;
            self.variables.push(name.clone());
            let body = self.sequence();
            self.variables.pop();
            return Ok(Expr::Let { name, value, body: Box::new(body?) });
        }
        let mut items = vec![self.expression(0)?];
        while self.mark(";") {
            if matches!(self.peek().kind, Kind::End | Kind::Mark("}" | ")")) {
                break;
            }
            items.push(self.sequence()?);
        }
        Ok(if items.len() == 1 { items.remove(0) } else { Expr::Sequence(items) })
    }

    fn expression(&mut self, least: u8) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.error(self.peek().at, "this nests too deep");
        }
        let mut left = if least == 0 && self.word("if") { self.branches()? } else { self.operand()? };
        loop {
            let at = self.at;
            let token = match &self.peek().kind {
                Kind::Mark(mark) => (*mark).to_owned(),
                Kind::Word(word) => word.clone(),
                Kind::Literal(_) | Kind::End => break,
            };
            if token == "|" && least == 0 {
                self.at += 1;
                left = self.pipe(left)?;
                continue;
            }
            let negated = token == "not";
            let token = if negated {
                self.at += 1;
                let words = ["in", "contains", "startsWith", "endsWith"];
                let Some(word) = words.into_iter().find(|word| self.is_word(word)) else {
                    return self.unexpected();
                };
                word.to_owned()
            } else {
                token
            };
            let Some((operator, power, right)) =
                Binary::by_token(&token).filter(|(_, power, _)| *power >= least)
            else {
                self.at = at;
                break;
            };
            self.at += 1;
            let operand = self.expression(if right { power } else { power + 1 })?;
            left = combine(operator, left, operand);
            if negated {
                left = Expr::Unary(Unary::Not, Box::new(left));
            }
        }
        if least == 0 {
            left = self.conditional(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// `a ? b : c` and `a ?: c`.
    fn conditional(&mut self, condition: Expr) -> Parsed {
        if self.mark("?:") {
            let otherwise = self.expression(0)?;
            return Ok(Expr::Conditional(Box::new([condition.clone(), condition, otherwise])));
        }
        if !self.mark("?") {
            return Ok(condition);
        }
        let then = self.expression(0)?;
        self.expect(":")?;
        let otherwise = self.expression(0)?;
        Ok(Expr::Conditional(Box::new([condition, then, otherwise])))
    }

    /// `if a { b } else { c }`, the `if` already read.
    fn branches(&mut self) -> Parsed {
        let condition = self.expression(0)?;
        self.expect("{")?;
        let then = self.sequence()?;
        self.expect("}")?;
        if !self.word("else") {
            return self.error(self.peek().at, "`if` needs an `else`");
        }
        let otherwise = if self.word("if") {
            self.branches()?
        } else {
            self.expect("{")?;
            let otherwise = self.sequence()?;
            self.expect("}")?;
            otherwise
        };
        Ok(Expr::Conditional(Box::new([condition, then, otherwise])))
    }

    fn operand(&mut self) -> Parsed {
        let at = self.peek().at;
        let unary = match &self.peek().kind {
            Kind::Mark("!") => Some((Unary::Not, 50)),
            Kind::Word(word) if word == "not" => Some((Unary::Not, 50)),
            Kind::Mark("-") => Some((Unary::Minus, 90)),
            Kind::Mark("+") => Some((Unary::Plus, 90)),
            Kind::Literal(_) | Kind::Word(_) | Kind::Mark(_) | Kind::End => None,
        };
        if let Some((operator, power)) = unary {
            self.at += 1;
            let operand = self.expression(power)?;
            return Ok(Expr::Unary(operator, Box::new(operand)));
        }
        let expr = match self.next() {
            Kind::Literal(value) => Expr::Literal(value),
            Kind::Word(word) => self.name(word, at)?,
            Kind::Mark("(") => {
                let inner = self.sequence()?;
                self.expect(")")?;
                inner
            }
            Kind::Mark("[") => Expr::Array(self.list("]")?),
            Kind::Mark("{") => self.map()?,
            Kind::Mark("#") if self.predicates > 0 => Expr::Pointer(self.pointer()?),
            Kind::Mark(".") if self.predicates > 0 => {
                let key = self.key()?;
                Expr::Member {
                    base: Box::new(Expr::Pointer(Pointer::Item)),
                    key: Box::new(key),
                    optional: false,
                }
            }
            Kind::Mark("#" | ".") => return self.error(at, "this has a meaning only inside a predicate"),
            Kind::Mark(_) | Kind::End => {
                self.at -= 1;
                return self.unexpected();
            }
        };
        self.postfix(expr)
    }

    fn pointer(&mut self) -> Result<Pointer, ConditionError> {
        let after = self.tokens[self.at - 1].at + 1;
        let token = self.peek();
        let word = match &token.kind {
            Kind::Word(word) if token.at == after => word.clone(),
            Kind::Literal(_) | Kind::Word(_) | Kind::Mark(_) | Kind::End => return Ok(Pointer::Item),
        };
        self.at += 1;
        match word.as_str() {
            "index" => Ok(Pointer::Index),
            "acc" => Ok(Pointer::Accumulator),
            _ => self.error(after, format!("there is no `#{word}`")),
        }
    }

    /// Whether what follows is `key:`.
    fn is_map(&self) -> bool {
        let next = |ahead: usize| self.tokens.get(self.at + ahead).map(|token| &token.kind);
        let key = matches!(next(0), Some(Kind::Word(_) | Kind::Literal(Value::String(_))));
        key && matches!(next(1), Some(Kind::Mark(":")))
    }

    fn list(&mut self, close: &'static str) -> Result<Vec<Expr>, ConditionError> {
        let mut items = Vec::new();
        while !self.mark(close) {
            items.push(self.expression(0)?);
            if !self.mark(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn map(&mut self) -> Parsed {
        let mut pairs = Vec::new();
        while !self.mark("}") {
            let at = self.peek().at;
            let key = match self.next() {
                Kind::Word(word) => Expr::Literal(Value::string(&word)),
                Kind::Literal(value @ Value::String(_)) => Expr::Literal(value),
                Kind::Literal(value) => Expr::Literal(Value::string(&value.to_string())),
                Kind::Mark("(") => {
                    let key = self.expression(0)?;
                    self.expect(")")?;
                    key
                }
                Kind::Mark(_) | Kind::End => return self.error(at, "a key must stand here"),
            };
            self.expect(":")?;
            pairs.push((key, self.expression(0)?));
            if !self.mark(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expr::Map(pairs))
    }

    /// Members, indices and slices after an operand.
    fn postfix(&mut self, mut expr: Expr) -> Parsed {
        let mut optional_seen = false;
        loop {
            let optional = self.mark("?.");
            optional_seen |= optional;
            if self.mark("[") {
                expr = self.index(expr, optional)?;
            } else if optional || self.mark(".") {
                let key = self.key()?;
                if matches!(self.peek().kind, Kind::Mark("(")) {
                    return self.error(self.peek().at, "methods cannot be called in conditions");
                }
                expr = Expr::Member { base: Box::new(expr), key: Box::new(key), optional };
            } else if matches!(self.peek().kind, Kind::Mark("(")) {
                return self.error(self.peek().at, "only functions can be called");
            } else {
                return Ok(if optional_seen { Expr::Chain(Box::new(expr)) } else { expr });
            }
        }
    }

    fn index(&mut self, base: Expr, optional: bool) -> Parsed {
        let base = Box::new(base);
        let mut from = None;
        if !matches!(self.peek().kind, Kind::Mark(":")) {
            let key = Box::new(self.expression(0)?);
            if self.mark("]") {
                return Ok(Expr::Member { base, key, optional });
            }
            from = Some(key);
        }
        self.expect(":")?;
        let open = self.peek().kind == Kind::Mark("]");
        let to = if open { None } else { Some(Box::new(self.expression(0)?)) };
        self.expect("]")?;
        Ok(Expr::Slice { base, from, to })
    }

    fn key(&mut self) -> Parsed {
        let at = self.peek().at;
        match self.next() {
            Kind::Word(word) => Ok(Expr::Literal(Value::string(&word))),
            Kind::Literal(_) | Kind::Mark(_) | Kind::End => {
                self.error(at, "the name of a member must stand here")
            }
        }
    }

    fn peek(&self) -> &Token {
        // The last token is the end, and nothing reads beyond it.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Kind {
        let kind = self.peek().kind.clone();
        self.at += 1;
        kind
    }

    fn mark(&mut self, mark: &str) -> bool {
        let there = matches!(&self.peek().kind, Kind::Mark(found) if *found == mark);
        self.at += usize::from(there);
        there
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, Kind::Word(found) if found == word)
    }

    fn word(&mut self, word: &str) -> bool {
        let there = self.is_word(word);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), ConditionError> {
        if self.mark(mark) {
            return Ok(());
        }
        match &self.peek().kind {
            Kind::Word(word) if LATER.contains(&word.as_str()) => self.unexpected(),
            Kind::Literal(_) | Kind::Word(_) | Kind::Mark(_) | Kind::End => {
                self.error(self.peek().at, format!("`{mark}` must stand here"))
            }
        }
    }

    fn unexpected<T>(&self) -> Result<T, ConditionError> {
        let token = self.peek();
        let message = match &token.kind {
            Kind::End => "the condition ends too early".to_owned(),
            Kind::Mark(mark) => format!("`{mark}` has no meaning here"),
            Kind::Word(word) if LATER.contains(&word.as_str()) => {
                format!("`{word}` is not supported in conditions yet")
            }
            Kind::Word(word) => format!("`{word}` has no meaning here"),
            Kind::Literal(value) => format!("`{value}` has no meaning here"),
        };
        self.error(token.at, message)
    }

    fn error<T>(&self, at: usize, message: impl Into<String>) -> Result<T, ConditionError> {
        Err(ConditionError { message: message.into(), at: Some(at) })
    }
}

fn is_function(name: &str) -> bool {
    builtin::NAMES.contains(&name) || predicate::NAMES.contains(&name)
}

/// `a < b < c` means both comparisons.
fn combine(operator: Binary, left: Expr, right: Expr) -> Expr {
    if let (true, Expr::Binary(before, _, middle)) = (operator.is_comparison(), &left)
        && before.is_comparison()
    {
        let next = Expr::Binary(operator, middle.clone(), Box::new(right));
        return Expr::Binary(Binary::And, Box::new(left), Box::new(next));
    }
    Expr::Binary(operator, Box::new(left), Box::new(right))
}
