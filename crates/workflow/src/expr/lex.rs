//! From characters to tokens.

use super::{
    ExprError, ExprErrorKind,
    ast::{Comparison, Operator},
    number,
};

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    /// The text as written.
    pub(super) raw: &'a str,
    /// The position of its first character, from 1.
    pub(super) position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// One of `( ) [ ] , . * !`.
    Symbol(char),
    Operator(Operator),
    Number(f64),
    /// Quotes included in the raw text.
    String,
    /// A context, a function, a property or a literal word, by where it stands.
    Word,
    End,
}

/// Cuts tokens off the front of an expression, one at a time, so that errors come in the order of the text.
pub(super) struct Lexer<'a> {
    rest: &'a str,
    position: u32,
    /// What came last decides whether a dot begins a number or asks for a property.
    last: Option<TokenKind>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { rest: text, position: 1, last: None }
    }

    /// The next token; `End` at the end, again and again.
    pub(super) fn next(&mut self) -> Result<Token<'a>, ExprError> {
        let blank = self.rest.len() - self.rest.trim_start().len();
        self.take(blank);
        let Some(first) = self.rest.chars().next() else {
            return Ok(Token { kind: TokenKind::End, raw: "", position: self.position });
        };
        let (kind, length) = match first {
            '(' | ')' | '[' | ']' | ',' | '*' => (Some(TokenKind::Symbol(first)), 1),
            '!' if !self.rest.starts_with("!=") => (Some(TokenKind::Symbol('!')), 1),
            '.' if self.after_operand() => (Some(TokenKind::Symbol('.')), 1),
            '.' | '+' | '-' | '0'..='9' => self.number(),
            '\'' => self.string(),
            '!' | '<' | '>' | '=' | '&' | '|' => self.operator(),
            _ => {
                let length = self.until_boundary(0);
                (is_name(&self.rest[..length]).then_some(TokenKind::Word), length)
            }
        };
        let position = self.position;
        let raw = self.take(length);
        let Some(kind) = kind else {
            return Err(unexpected(ExprErrorKind::Lexing, raw, position));
        };
        self.last = Some(kind);
        Ok(Token { kind, raw, position })
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.position += count(taken);
        self.rest = rest;
        taken
    }

    /// Whether the last token ends something of which a property may be asked. Literals are in it so that `1 .5` is
    /// refused at its dot, as on GitHub.
    fn after_operand(&self) -> bool {
        match self.last {
            None | Some(TokenKind::Operator(_) | TokenKind::End) => false,
            Some(TokenKind::Symbol(symbol)) => matches!(symbol, ')' | ']' | '*' | '.'),
            Some(TokenKind::Number(_) | TokenKind::String | TokenKind::Word) => true,
        }
    }

    fn number(&self) -> (Option<TokenKind>, usize) {
        let length = self.rest.find(|c| c != '.' && is_boundary(c)).unwrap_or(self.rest.len());
        (number::parse(&self.rest[..length]).map(TokenKind::Number), length)
    }

    fn string(&self) -> (Option<TokenKind>, usize) {
        let mut from = 1;
        while let Some(at) = self.rest[from..].find('\'') {
            let end = from + at + 1;
            if !self.rest[end..].starts_with('\'') {
                return (Some(TokenKind::String), end);
            }
            from = end + 1;
        }
        (None, self.rest.len())
    }

    fn operator(&self) -> (Option<TokenKind>, usize) {
        let operators = [
            ("==", Operator::Compare(Comparison::Equal)),
            ("!=", Operator::Compare(Comparison::NotEqual)),
            ("<=", Operator::Compare(Comparison::LessOrEqual)),
            (">=", Operator::Compare(Comparison::GreaterOrEqual)),
            ("<", Operator::Compare(Comparison::Less)),
            (">", Operator::Compare(Comparison::Greater)),
            ("&&", Operator::And),
            ("||", Operator::Or),
        ];
        match operators.into_iter().find(|(symbol, _)| self.rest.starts_with(symbol)) {
            Some((symbol, operator)) => (Some(TokenKind::Operator(operator)), symbol.len()),
            // A single `=`, `&` or `|`: what follows it directly belongs to the mistake.
            None => (None, self.until_boundary(1)),
        }
    }

    fn until_boundary(&self, from: usize) -> usize {
        self.rest[from..].find(is_boundary).map_or(self.rest.len(), |at| from + at)
    }
}

/// A name of a context, function or property: a letter or underscore, then also digits and dashes.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// The complaint about a text that cannot stand where it does.
pub(super) fn unexpected(kind: ExprErrorKind, raw: &str, position: u32) -> ExprError {
    let error = ExprError::new(kind, format!("Unexpected symbol: '{raw}'")).at(position, count(raw));
    match raw.starts_with('"') {
        true => error.with_help("text is written in single quotes here"),
        false => error,
    }
}

/// Characters of a text that is far below 4 GiB.
pub(super) fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

fn is_boundary(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | ',' | '.' | '!' | '<' | '>' | '=' | '&' | '|')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let mut lexer = Lexer::new(text);
        let mut seen = Vec::new();
        let end = loop {
            match lexer.next() {
                Ok(Token { kind: TokenKind::End, .. }) => break String::new(),
                Ok(token) => seen.push(token.raw.to_owned()),
                Err(error) => break format!(" ! {error}"),
            }
        };
        assert_eq!(format!("{}{end}", seen.join(" ")), expect);
    }

    #[test]
    fn cuts_tokens() {
        check("a.b-c [ 'it''s' ]>=-1.5||!x", "a . b-c [ 'it''s' ] >= -1.5 || ! x");
        check(".5 == a.5", ".5 == a . 5");
        check("a.*.b[*]", "a . * . b [ * ]");
        check("a&&&b", "a && ! Unexpected symbol: '&b'. Located at position 4");
        check("ä 'x", " ! Unexpected symbol: 'ä'. Located at position 1");
        check("'ä' 'x y", "'ä' ! Unexpected symbol: ''x y'. Located at position 5");
        check("1.2.3", " ! Unexpected symbol: '1.2.3'. Located at position 1");
        check("", "");
    }
}
