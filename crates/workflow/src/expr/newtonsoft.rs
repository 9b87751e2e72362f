//! JSON as GitHub's runner reads it for `fromJSON`: with Newtonsoft's `JsonTextReader`, which takes more than the standard.
//!
//! Beside strict JSON it takes texts in single quotes, with control characters in them and with halves of surrogate pairs (which
//! become U+FFFD); names without quotes (letters, digits, `_` and `$`); a comma behind the last item; comments between tokens;
//! `NaN`, `Infinity`, `-Infinity`; `.5`, `5.`, `0x1F`, and octal numbers that begin with 0. Nothing where a list or a name has
//! room for a value, and `undefined`, are the empty text. NUL counts as white space. What stands behind the first value is not
//! read. A comment before the first value is itself the value, as a text: odd, but so it is there. Of keys that are the same the
//! last value is kept at the place of the first.
//!
//! Not taken: the constructors (`new Date(1)`) that this reader knows. Time is linear in the text, depth is at most [`MAX_DEPTH`].

use super::{Object, Value};
use indexmap::IndexMap;
use std::{fmt, sync::Arc};

/// So many lists and objects may stand in one another, as Newtonsoft has it.
pub const MAX_DEPTH: usize = 64;

/// The longest whole number, in characters; longer ones are refused, as Newtonsoft does.
const LONGEST_INTEGER: usize = 380;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong, as a part of a sentence.
    pub what: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1; one behind the last at the end of the text.
    pub column: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.what, self.line, self.column)
    }
}

impl std::error::Error for JsonError {}

/// The first value of a text. What is behind it is not looked at.
///
/// # Errors
/// No value begins there, or it is broken, not ended or deeper than [`MAX_DEPTH`].
pub fn read(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.first().map_err(|Wrong { what, at }| {
        let before = &text[..at];
        let start = before.rfind('\n').map_or(0, |found| found + 1);
        JsonError {
            what,
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    })
}

/// What is wrong, and the byte where it was found.
struct Wrong {
    what: String,
    at: usize,
}

struct Reader<'a> {
    text: &'a str,
    /// The byte of the next character.
    at: usize,
    /// How many lists and objects are open.
    depth: usize,
}

impl<'a> Reader<'a> {
    fn first(&mut self) -> Result<Value, Wrong> {
        self.skip_blank();
        match self.peek() {
            Some('/') => self.comment().map(Value::from),
            Some(',') => Ok(Value::from("")),
            _ => self.value(),
        }
    }

    /// A value that begins at the next character.
    fn value(&mut self) -> Result<Value, Wrong> {
        match self.peek() {
            None => Err(self.ended("where a value is expected")),
            Some('[') => self.nested(Reader::list),
            Some('{') => self.nested(Reader::object),
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(Value::from),
            Some('t') => self.word("true", Value::Bool(true)),
            Some('f') => self.word("false", Value::Bool(false)),
            Some('N') => self.word("NaN", Value::Number(f64::NAN)),
            Some('I') => self.word("Infinity", Value::Number(f64::INFINITY)),
            Some('u') => self.word("undefined", Value::from("")),
            Some('n') if self.rest().starts_with("ne") => Err(self.wrong("a constructor is no JSON")),
            Some('n') => self.word("null", Value::Null),
            Some('-') if self.rest().starts_with("-I") => {
                self.word("-Infinity", Value::Number(f64::NEG_INFINITY))
            }
            Some('0'..='9' | '-' | '.') => self.number(),
            Some(c) => Err(self.wrong(format!("{} where a value is expected", shown(c)))),
        }
    }

    fn nested(&mut self, read: fn(&mut Reader<'a>) -> Result<Value, Wrong>) -> Result<Value, Wrong> {
        if self.depth == MAX_DEPTH {
            return Err(self.wrong(format!("more than {MAX_DEPTH} lists and objects within one another")));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// The items of a list and its end.
    fn list(&mut self) -> Result<Value, Wrong> {
        let mut items = Vec::new();
        loop {
            self.skip()?;
            match self.peek() {
                Some(']') => break,
                Some(',') => items.push(Value::from("")),
                None => return Err(self.ended("within a list")),
                Some(_) => items.push(self.value()?),
            }
            if self.is_last(']', "list")? {
                break;
            }
        }
        self.at += 1;
        items.shrink_to_fit();
        Ok(items.into())
    }

    /// The names and values of an object and its end.
    fn object(&mut self) -> Result<Value, Wrong> {
        // Names count as they are spelled here; the object of the language then takes those for one that differ only in case.
        let mut pairs: IndexMap<Arc<str>, Value> = IndexMap::new();
        loop {
            self.skip()?;
            let name = match self.peek() {
                Some('}') => break,
                None => return Err(self.ended("within an object")),
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                Some(_) => self.bare_name()?,
            };
            self.skip_blank();
            match self.peek() {
                Some(':') => self.at += 1,
                None => return Err(self.ended("behind the name of an object's value")),
                Some(c) => return Err(self.wrong(format!("{} where : is expected", shown(c)))),
            }
            self.skip()?;
            let value = match self.peek() {
                Some(',') => Value::from(""),
                _ => self.value()?,
            };
            pairs.insert(name.into(), value);
            if self.is_last('}', "object")? {
                break;
            }
        }
        self.at += 1;
        let mut object = Object::new();
        for (name, value) in pairs {
            object.insert(name, value);
        }
        object.shrink();
        Ok(object.into())
    }

    /// Goes over the comma behind a value; whether the end is there instead.
    fn is_last(&mut self, end: char, of: &str) -> Result<bool, Wrong> {
        self.skip()?;
        match self.peek() {
            Some(',') => {
                self.at += 1;
                Ok(false)
            }
            Some(c) if c == end => Ok(true),
            None => Err(self.ended(&format!("within {} {of}", if of == "list" { "a" } else { "an" }))),
            Some(c) => Err(self.wrong(format!("{} where , or {end} is expected", shown(c)))),
        }
    }

    /// A name without quotes.
    fn bare_name(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        while let Some(c) = self.peek() {
            // As in .NET, a character is one of 16 bits here, and the halves of larger ones are no letters.
            if matches!(c, '_' | '$') || c.is_ascii_digit() || (c.is_alphabetic() && c <= '\u{ffff}') {
                self.at += c.len_utf8();
            } else if (c == ':' && self.at > start) || is_blank(c) {
                return Ok(self.text[start..self.at].to_owned());
            } else {
                return Err(self.wrong(format!("{} in a name without quotes", shown(c))));
            }
        }
        Err(self.ended("within a name"))
    }

    /// A text in quotes.
    fn quoted(&mut self, quote: char) -> Result<String, Wrong> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let Some(found) = rest.find(['\\', quote]) else {
                self.at = self.text.len();
                return Err(self.ended(&format!("before the closing {quote} of a text")));
            };
            out.push_str(&rest[..found]);
            self.at += found + 1;
            if rest[found..].starts_with(quote) {
                return Ok(out);
            }
            let Some(escaped) = self.peek() else {
                return Err(self.ended(&format!("before the closing {quote} of a text")));
            };
            let c = match escaped {
                'b' => '\u{8}',
                't' => '\t',
                'n' => '\n',
                'f' => '\u{c}',
                'r' => '\r',
                '\\' | '"' | '\'' | '/' => escaped,
                'u' => {
                    self.at += 1;
                    self.unicode(&mut out)?;
                    continue;
                }
                other => return Err(self.wrong(format!("\\ before {}, which is no escape", shown(other)))),
            };
            out.push(c);
            self.at += 1;
        }
    }

    /// What stands behind `\u`; with the half that follows when it is the first of a pair.
    fn unicode(&mut self, out: &mut String) -> Result<(), Wrong> {
        let mut unit = self.hex()?;
        loop {
            let first = (0xd800..0xdc00).contains(&unit);
            if !(first && self.rest().starts_with("\\u")) {
                out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            out.push(char::REPLACEMENT_CHARACTER);
            unit = second;
        }
    }

    /// Four hexadecimal digits.
    fn hex(&mut self) -> Result<u32, Wrong> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let Some(digits) = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit)) else {
            return Err(self.wrong("four hexadecimal digits are expected behind \\u"));
        };
        self.at += 4;
        Ok(digits.iter().fold(0, |sum, digit| sum * 16 + char::from(*digit).to_digit(16).unwrap_or(0)))
    }

    /// A word, behind which something must part it from what follows.
    fn word(&mut self, word: &str, value: Value) -> Result<Value, Wrong> {
        let rest = self.rest();
        let parted = rest.strip_prefix(word).is_some_and(|after| {
            after.starts_with("//")
                || after.starts_with("/*")
                || after.chars().next().is_none_or(|c| is_blank(c) || matches!(c, ',' | ']' | '}'))
        });
        if !parted {
            return Err(self.wrong(format!("a word that is no JSON; {word} is expected")));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Wrong> {
        let rest = self.rest();
        let is_part = |c: char| matches!(c, '-' | '+' | '.' | 'x' | 'X') || c.is_ascii_hexdigit();
        let text = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let after = rest[text.len()..].chars().next();
        if let Some(c) = after.filter(|c| !is_blank(*c) && !matches!(c, ',' | '}' | ']' | ')' | '/')) {
            self.at += text.len();
            return Err(self.wrong(format!("{} in a number", shown(c))));
        }
        let Some(number) = number(text) else {
            return Err(self.wrong("a number that is none"));
        };
        self.at += text.len();
        Ok(Value::Number(number))
    }

    /// Goes over white space and comments.
    fn skip(&mut self) -> Result<(), Wrong> {
        self.skip_blank();
        while self.peek() == Some('/') {
            self.comment()?;
            self.skip_blank();
        }
        Ok(())
    }

    /// What a comment says, which begins at the next character.
    fn comment(&mut self) -> Result<&'a str, Wrong> {
        let rest = self.rest();
        if let Some(line) = rest.strip_prefix("//") {
            let said = &line[..line.find(['\r', '\n']).unwrap_or(line.len())];
            self.at += 2 + said.len();
            return Ok(said);
        }
        let Some(block) = rest.strip_prefix("/*") else {
            return Err(self.wrong("/ that begins no comment"));
        };
        let Some(end) = block.find("*/") else {
            self.at = self.text.len();
            return Err(self.ended("before the closing */ of a comment"));
        };
        self.at += end + 4;
        Ok(&block[..end])
    }

    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_blank).len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        Wrong { what: what.into(), at: self.at }
    }

    fn ended(&self, place: &str) -> Wrong {
        self.wrong(format!("the text ends {place}"))
    }
}

/// What counts as white space: that of Unicode, and NUL.
fn is_blank(c: char) -> bool {
    c == '\0' || c.is_whitespace()
}

/// A character as a message names it.
fn shown(c: char) -> String {
    match c {
        c if c.is_control() || !c.is_ascii() => format!("U+{:04X}", u32::from(c)),
        c => c.to_string(),
    }
}

/// A number, of the characters that a number may have.
fn number(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if bytes.len() > 1 && bytes[0] == b'0' && !matches!(bytes[1], b'.' | b'e' | b'E') {
        let (digits, base) = match bytes[1] {
            b'x' | b'X' => (&text[2..], 16),
            _ => (text, 8),
        };
        // Signs are refused, which the standard library would take. 64 bits wrap around to negative numbers, as they do there.
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return plain
            .then(|| u64::from_str_radix(digits, base).ok())
            .flatten()
            .map(|bits| bits as i64 as f64);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty()
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && text.len() > LONGEST_INTEGER
    {
        return None;
    }
    // The alphabet holds the letters of hexadecimal digits, of which a decimal number has the `e` only; so `inf` and `nan`, which
    // the standard library knows, cannot come here.
    text.parse().ok()
}

#[cfg(test)]
pub(super) mod tests;
