//! From the text of a condition to tokens.

use super::{ConditionError, Value};

/// A token and where it begins, in characters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A number or a text.
    Literal(Value),
    /// A name or a word operator.
    Word(String),
    /// An operator, a bracket or a comma.
    Mark(&'static str),
    End,
}

/// Longer marks first.
const MARKS: &[&str] = &[
    "**", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "?:", "..", "+", "-", "*", "/", "%", "^", "<", ">",
    "!", "?", ":", ".", ",", ";", "(", ")", "[", "]", "{", "}", "|", "=", "#",
];

/// Cuts a text into tokens, the last of which is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ConditionError> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        let at = lexer.at;
        let kind = lexer.next()?;
        let end = kind == Kind::End;
        tokens.push(Token { kind, at });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(index, c)| self.peek(index) == Some(c))
    }

    fn error<T>(&self, at: usize, message: impl Into<String>) -> Result<T, ConditionError> {
        Err(ConditionError { message: message.into(), at: Some(at) })
    }

    /// Skips white space and comments (`//` to the end of the line, `/* */`).
    fn skip_blank(&mut self) -> Result<(), ConditionError> {
        loop {
            if self.peek(0).is_some_and(char::is_whitespace) {
                self.at += 1;
            } else if self.starts_with("//") {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            } else if self.starts_with("/*") {
                let start = self.at;
                self.at += 2;
                while !self.starts_with("*/") {
                    if self.peek(0).is_none() {
                        return self.error(start, "this comment is never closed");
                    }
                    self.at += 1;
                }
                self.at += 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Kind, ConditionError> {
        let Some(first) = self.peek(0) else { return Ok(Kind::End) };
        let digit_next = self.peek(1).is_some_and(|c| c.is_ascii_digit());
        if first.is_ascii_digit() || (first == '.' && digit_next) {
            return self.number();
        }
        if first == '"' || first == '\'' || first == '`' {
            return self.string(first);
        }
        if first.is_alphabetic() || first == '_' || first == '$' {
            let start = self.at;
            while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                self.at += 1;
            }
            return Ok(Kind::Word(self.chars[start..self.at].iter().collect()));
        }
        match MARKS.iter().find(|mark| self.starts_with(mark)) {
            // `a ?.5 : 1` is a condition and a number.
            Some(&"?.") if self.peek(2).is_some_and(|c| c.is_ascii_digit()) => {
                self.at += 1;
                Ok(Kind::Mark("?"))
            }
            Some(mark) => {
                self.at += mark.chars().count();
                Ok(Kind::Mark(mark))
            }
            None => self.error(self.at, format!("`{first}` has no meaning here")),
        }
    }

    fn number(&mut self) -> Result<Kind, ConditionError> {
        let start = self.at;
        let radix = match (self.peek(0), self.peek(1)) {
            (Some('0'), Some('x' | 'X')) => 16,
            (Some('0'), Some('o' | 'O')) => 8,
            (Some('0'), Some('b' | 'B')) => 2,
            _ => 10,
        };
        if radix != 10 {
            self.at += 2;
        }
        let mut float = false;
        while let Some(c) = self.peek(0) {
            let next = self.peek(1);
            match c {
                '_' => {}
                _ if c.is_digit(radix) => {}
                // `1..3` is a range and `1.foo` a member; only a digit makes it a fraction.
                '.' if radix == 10 && !float && next.is_some_and(|c| c.is_ascii_digit()) => float = true,
                'e' | 'E'
                    if radix == 10 && next.is_some_and(|c| c.is_ascii_digit() || c == '+' || c == '-') =>
                {
                    float = true;
                    self.at += 1;
                }
                _ if c.is_alphanumeric() => return self.error(start, "this is not a number"),
                _ => break,
            }
            self.at += 1;
        }
        let skip = if radix == 10 { 0 } else { 2 };
        let text: String = self.chars[start + skip..self.at].iter().filter(|c| **c != '_').collect();
        let value = if float {
            text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float)
        } else {
            i64::from_str_radix(&text, radix).ok().map(Value::Int)
        };
        match value {
            Some(value) => Ok(Kind::Literal(value)),
            None => self.error(start, "this number is too large or incomplete"),
        }
    }

    fn string(&mut self, quote: char) -> Result<Kind, ConditionError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.peek(0) else { return self.error(start, "this text is never closed") };
            self.at += 1;
            if c == quote {
                return Ok(Kind::Literal(Value::string(&text)));
            }
            if c == '\\' && quote != '`' {
                text.push(self.escape()?);
            } else {
                text.push(c);
            }
        }
    }

    fn escape(&mut self) -> Result<char, ConditionError> {
        let at = self.at;
        let c = self.peek(0);
        self.at += 1;
        Ok(match c {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('v') => '\u{b}',
            Some(same @ ('\\' | '"' | '\'' | '`')) => same,
            Some(kind @ ('x' | 'u' | 'U')) => {
                let digits = if kind == 'x' {
                    2
                } else if kind == 'u' {
                    4
                } else {
                    8
                };
                let end = (self.at + digits).min(self.chars.len());
                let hex: String = self.chars[self.at..end].iter().collect();
                self.at = end;
                match u32::from_str_radix(&hex, 16)
                    .ok()
                    .filter(|_| hex.len() == digits)
                    .and_then(char::from_u32)
                {
                    Some(c) => c,
                    None => return self.error(at, "this escape names no character"),
                }
            }
            Some(_) | None => return self.error(at, "there is no such escape"),
        })
    }
}
