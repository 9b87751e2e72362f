//! Names, and calls of functions with and without predicates.

use super::{LATER, Parsed, Parser};
use crate::condition::{ConditionError, Value, ast::Expr, builtin, lexer::Kind, predicate};
use shipway_base::yaml::closest;

impl Parser {
    pub(super) fn name(&mut self, word: String, at: usize) -> Parsed {
        match word.as_str() {
            "true" => return Ok(Expr::Literal(Value::Bool(true))),
            "false" => return Ok(Expr::Literal(Value::Bool(false))),
            "nil" => return Ok(Expr::Literal(Value::Nil)),
            _ => {}
        }
        if self.mark("(") {
            return self.call(&word, at, None);
        }
        if word == "$env" || self.variables.contains(&word) {
            return Ok(Expr::Name(word));
        }
        let known = self.variables.iter().map(String::as_str);
        let help = closest(&word, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        self.error(at, format!("unknown name `{word}`{help}"))
    }

    /// `a | f(b)` is `f(a, b)`.
    pub(super) fn pipe(&mut self, first: Expr) -> Parsed {
        let at = self.peek().at;
        let Kind::Word(word) = self.next() else { return self.error(at, "after `|` comes a function") };
        self.expect("(")?;
        let call = self.call(&word, at, Some(first))?;
        self.postfix(call)
    }

    /// The arguments of a function, the bracket already read.
    fn call(&mut self, word: &str, at: usize, first: Option<Expr>) -> Parsed {
        if let Some(name) = predicate::NAMES.iter().copied().find(|name| *name == word) {
            return self.over(name, at, first);
        }
        let Some(name) = builtin::NAMES.iter().copied().find(|name| *name == word) else {
            let message = if LATER.contains(&word) {
                format!("`{word}` is not supported in conditions yet")
            } else {
                let known = builtin::NAMES.iter().chain(predicate::NAMES).copied();
                let help =
                    closest(word, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                format!("there is no function `{word}`{help}")
            };
            return self.error(at, message);
        };
        let mut args: Vec<Expr> = first.into_iter().collect();
        args.extend(self.list(")")?);
        let (least, most) = builtin::arity(name);
        if args.len() < least || args.len() > most {
            return self.error(at, format!("`{name}` does not take {} arguments", args.len()));
        }
        Ok(Expr::Call { name, args })
    }

    /// A function with a predicate.
    fn over(&mut self, name: &'static str, at: usize, first: Option<Expr>) -> Parsed {
        let list = match first {
            Some(list) => list,
            None => {
                let list = self.expression(0)?;
                if !matches!(self.peek().kind, Kind::Mark(")")) {
                    self.expect(",")?;
                }
                list
            }
        };
        let mut predicate = None;
        if !matches!(self.peek().kind, Kind::Mark(")")) {
            self.predicates += 1;
            let braces = self.mark("{");
            let body = if braces && self.is_map() {
                // `map(list, {a: 1})` would be a map, but braces here always hold a predicate.
                return self.error(self.peek().at, "write a map in a predicate with two braces, {{a: 1}}");
            } else if braces {
                let body = self.sequence()?;
                self.expect("}")?;
                body
            } else {
                self.expression(0)?
            };
            self.predicates -= 1;
            predicate = Some(Box::new(body));
        } else if name != "count" && name != "sum" {
            return self.error(at, format!("`{name}` needs a predicate"));
        }
        let rest = if self.mark(",") { self.list(")")? } else { self.close(")")? };
        if rest.len() > predicate::extra(name) {
            return self.error(at, format!("`{name}` does not take so many arguments"));
        }
        Ok(Expr::Over { name, list: Box::new(list), predicate, rest })
    }

    fn close(&mut self, mark: &'static str) -> Result<Vec<Expr>, ConditionError> {
        self.expect(mark)?;
        Ok(Vec::new())
    }
}
