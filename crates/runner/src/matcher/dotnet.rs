//! Regular expressions as .NET reads them with `RegexOptions.ECMAScript`, as the runner does, written anew for the engine here.
//!
//! What .NET refuses is [`Refused::Invalid`], what it takes and the engine cannot do [`Refused::Beyond`]; nothing is handed on that
//! would mean something else. `\d`, `\w`, `\s` and `\b` are those of ASCII; an escape that means nothing is the letter itself; groups
//! with names are numbered behind all others; a class may be subtracted from a class; a reference to a group that took no part
//! matches the empty text. One difference is left: a character beyond U+FFFF counts as one here, and as two there.

mod blocks;

use std::collections::BTreeMap;

/// Why an expression is not written anew: what is wrong, or what the engine lacks, as a part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// .NET takes it no more than this.
    Invalid(String),
    /// .NET takes it.
    Beyond(String),
}

/// An expression in the dialect of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// The expression for lines that are not ASCII, where it is another: the engine's `\b` knows letters of all scripts.
    pub(super) exact: Option<String>,
    /// The group of the engine for each of .NET, from the whole match on.
    pub(super) groups: Vec<usize>,
}

/// As deep may groups and classes be.
const MAX_DEPTH: usize = 200;

const DIGITS: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = "\\x{9}-\\x{D}\\x{20}";
const END: &str = "it ends within a group, class or escape";

/// # Errors
/// See [`Refused`].
pub(super) fn translated(text: &str) -> Result<Translated, Refused> {
    let characters: Vec<char> = text.chars().collect();
    // References depend on the groups of the whole, so they are collected first.
    let mut first = Translator::new(&characters, None);
    first.run()?;
    let groups = first.groups;
    let mut second = Translator::new(&characters, Some(&groups));
    second.run()?;
    let exact = match second.bounded {
        true => {
            let mut third = Translator { exact: true, ..Translator::new(&characters, Some(&groups)) };
            third.run()?;
            Some(third.out)
        }
        false => None,
    };
    Ok(Translated { pattern: second.out, exact, groups: groups.numbers() })
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Invalid(why.into()))
}

fn beyond<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Beyond(why.into()))
}

/// The groups that capture, in the order in which they are opened: their name, and where they are opened.
#[derive(Clone, Debug, Default)]
struct Groups(Vec<(Option<String>, usize)>);

impl Groups {
    /// The group of the engine for each number of .NET, where names come last.
    fn numbers(&self) -> Vec<usize> {
        let of = |named: bool| {
            self.0
                .iter()
                .enumerate()
                .filter(move |(_, (name, _))| name.is_some() == named)
                .map(|(at, _)| at + 1)
        };
        std::iter::once(0).chain(of(false)).chain(of(true)).collect()
    }

    /// The group of the engine with this name, or this number of .NET.
    fn named(&self, name: &str) -> Option<usize> {
        match name.parse::<usize>() {
            Ok(number) => self.numbers().get(number).copied(),
            Err(_) => self.0.iter().position(|(known, _)| known.as_deref() == Some(name)).map(|at| at + 1),
        }
    }
}

/// What holds until the end of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    /// Only groups with a name capture.
    explicit: bool,
    /// White space and what is behind `#` means nothing.
    extended: bool,
}

/// An open group.
struct Frame {
    options: Options,
    behind: bool,
}

struct Translator<'a> {
    text: &'a [char],
    at: usize,
    out: String,
    options: Options,
    frames: Vec<Frame>,
    /// Those seen so far.
    groups: Groups,
    /// Those of the whole expression, once they are known.
    known: Option<&'a Groups>,
    /// Whether `\b` and `\B` are to be those of ASCII, which takes the engine longer; and whether there are any.
    exact: bool,
    bounded: bool,
    /// Whether something stands before that can be repeated.
    repeatable: bool,
    /// How long the output was behind the last assertion.
    asserted: usize,
    /// How many lookbehinds are open, whether one of them varies in length, and whether it captures or refers.
    behind: (usize, bool, bool),
}

impl<'a> Translator<'a> {
    fn new(text: &'a [char], known: Option<&'a Groups>) -> Translator<'a> {
        Translator {
            text,
            at: 0,
            out: String::with_capacity(text.len() * 2),
            options: Options::default(),
            frames: Vec::new(),
            groups: Groups::default(),
            known,
            exact: false,
            bounded: false,
            repeatable: false,
            asserted: usize::MAX,
            behind: (0, false, false),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn follows(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(n, c)| self.text.get(self.at + n) == Some(&c))
    }

    fn skips(&mut self, text: &str) -> bool {
        let follows = self.follows(text);
        if follows {
            self.at += text.chars().count();
        }
        follows
    }

    fn run(&mut self) -> Result<(), Refused> {
        while let Some(c) = self.next() {
            match c {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.behind.1 |= self.behind.0 > 0;
                    self.atom("|", false);
                }
                '[' => {
                    let class = self.class(0)?;
                    self.atom(&class, true);
                }
                '\\' => self.escape()?,
                '*' | '+' | '?' => self.repeat(&c.to_string(), true)?,
                '{' => match self.bounds() {
                    Some((low, high, length)) => {
                        if high.is_some_and(|high| high < low) {
                            return invalid("{x,y} has an x above y");
                        }
                        let text: String = self.text[self.at - 1..self.at + length].iter().collect();
                        self.at += length;
                        self.repeat(&text, high != Some(low))?;
                    }
                    None => self.literal('{'),
                },
                '.' => self.atom(".", true),
                '^' | '$' => self.assertion(&c.to_string()),
                c if self.options.extended && c.is_whitespace() => {}
                '#' if self.options.extended => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                c => self.literal(c),
            }
        }
        if self.frames.is_empty() { Ok(()) } else { invalid("a group is not closed") }
    }

    fn atom(&mut self, text: &str, repeatable: bool) {
        self.out.push_str(text);
        self.repeatable = repeatable;
    }

    /// What takes no text: the engine does not repeat it as .NET does.
    fn assertion(&mut self, text: &str) {
        self.atom(text, true);
        self.asserted = self.out.len();
    }

    fn literal(&mut self, c: char) {
        if "\\.+*?()|[]{}^$".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
        self.repeatable = true;
    }

    /// A quantifier, which is lazy with a `?` behind it.
    fn repeat(&mut self, text: &str, varies: bool) -> Result<(), Refused> {
        if !self.repeatable {
            return invalid("a quantifier follows nothing, or another quantifier");
        }
        if self.asserted == self.out.len() {
            return beyond("a quantifier behind an assertion");
        }
        self.behind.1 |= self.behind.0 > 0 && varies;
        let lazy = if self.skips("?") { "?" } else { "" };
        self.out.push_str(text);
        self.out.push_str(lazy);
        self.repeatable = false;
        Ok(())
    }

    /// The numbers of `n}`, `n,}` or `n,m}` that follow, and how many characters they take.
    fn bounds(&self) -> Option<(u32, Option<u32>, usize)> {
        let rest = &self.text[self.at..];
        let close = rest.iter().position(|&c| c == '}')?;
        let body: String = rest[..close].iter().collect();
        let (low, high) = body.split_once(',').map_or((body.as_str(), None), |(low, high)| (low, Some(high)));
        let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        if low.is_empty() || !digits(low) || !high.is_none_or(digits) {
            return None;
        }
        // What is too large for a number is too large for the engine, which then says so.
        let number = |text: &str| text.parse().unwrap_or(u32::MAX);
        let high = match high {
            None => Some(number(low)),
            Some("") => None,
            Some(high) => Some(number(high)),
        };
        Some((number(low), high, close + 1))
    }

    /// What stands behind `(`.
    fn open(&mut self) -> Result<(), Refused> {
        if self.frames.len() >= MAX_DEPTH {
            return beyond(format!("more than {MAX_DEPTH} groups within one another"));
        }
        if self.skips("?#") {
            while self.peek().is_some_and(|c| c != ')') {
                self.at += 1;
            }
            return if self.next().is_some() { Ok(()) } else { invalid("a comment is not closed") };
        }
        if self.follows("?)") {
            return invalid("a quantifier follows nothing, or another quantifier");
        }
        let (options, mut behind) = (self.options, false);
        let opens = if !self.skips("?") {
            match self.options.explicit {
                true => "(?:".to_owned(),
                false => self.capture(None)?,
            }
        } else if self.skips("<=") || self.skips("<!") {
            behind = true;
            format!("(?<{}", self.text[self.at - 1])
        } else if self.skips("<") {
            self.name('>')?
        } else if self.skips("'") {
            self.name('\'')?
        } else if self.skips("(") {
            self.condition()?
        } else if let Some(c) = [':', '=', '!', '>'].into_iter().find(|&c| self.peek() == Some(c)) {
            self.at += 1;
            format!("(?{c}")
        } else {
            let (flags, whole) = self.flags()?;
            if whole {
                // They hold for the rest of the group around.
                let text = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
                self.atom(&text, false);
                return Ok(());
            }
            format!("(?{flags}:")
        };
        self.frames.push(Frame { options, behind });
        if behind {
            if self.behind.0 == 0 {
                self.behind = (0, false, false);
            }
            self.behind.0 += 1;
        }
        self.atom(&opens, false);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refused> {
        let Some(frame) = self.frames.pop() else { return invalid("a group is closed that is not open") };
        self.options = frame.options;
        if frame.behind {
            self.behind.0 -= 1;
            // .NET reads it from its end, so that its parts may take other shares of the text.
            if let (0, true, true) = self.behind {
                return beyond("a group or reference within a lookbehind of varying length");
            }
        }
        self.atom(")", true);
        Ok(())
    }

    fn capture(&mut self, name: Option<String>) -> Result<String, Refused> {
        if name.is_some() && self.groups.0.iter().any(|(known, _)| *known == name) {
            return beyond("two groups of one name");
        }
        self.groups.0.push((name, self.at));
        self.behind.2 |= self.behind.0 > 0;
        Ok("(".to_owned())
    }

    /// The name of a group and the character that closes it.
    fn name(&mut self, close: char) -> Result<String, Refused> {
        let name = self.word();
        if self.peek() == Some('-') {
            return beyond("a balancing group");
        }
        if self.next() != Some(close) || name.is_empty() {
            return invalid("the name of a group is none");
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return match name.bytes().all(|digit| digit.is_ascii_digit()) {
                true => beyond("a group with a number of its own"),
                false => invalid("the name of a group begins with a digit"),
            };
        }
        self.capture(Some(name))
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    /// `(?(1)yes|no)`.
    fn condition(&mut self) -> Result<String, Refused> {
        let name = self.word();
        let number = !name.is_empty() && name.bytes().all(|digit| digit.is_ascii_digit());
        if !number || !self.skips(")") {
            return beyond("a condition that is not the number of a group");
        }
        self.behind.2 |= self.behind.0 > 0;
        match self.known.map(|known| known.named(&name)) {
            None => Ok("(?:".to_owned()),
            Some(Some(group)) => Ok(format!("(?({group})")),
            Some(None) => invalid(format!("a condition on a group {name}, which there is not")),
        }
    }

    /// The options of `(?i-s)` and `(?i-s:`, as the engine needs them, and whether it is the first of the two.
    fn flags(&mut self) -> Result<(String, bool), Refused> {
        let mut on = true;
        let mut flags: BTreeMap<char, bool> = BTreeMap::new();
        loop {
            match self.next() {
                Some('-') => on = false,
                Some('+') => on = true,
                Some('n') => self.options.explicit = on,
                Some('x') => self.options.extended = on,
                Some(flag @ ('i' | 'm' | 's')) => {
                    flags.insert(flag, on);
                }
                Some(end @ (')' | ':')) => {
                    let of = |wanted: bool| {
                        flags.iter().filter(move |(_, on)| **on == wanted).map(|(flag, _)| *flag)
                    };
                    let mut text: String = of(true).collect();
                    if of(false).next().is_some() {
                        text.push('-');
                        text.extend(of(false));
                    }
                    return Ok((text, end == ')'));
                }
                Some(_) | None => return invalid("(? is followed by nothing that is known"),
            }
        }
    }

    /// What stands behind a backslash outside of classes.
    fn escape(&mut self) -> Result<(), Refused> {
        let Some(c) = self.peek() else { return invalid("it ends with a backslash") };
        let set = match c {
            'd' => format!("[{DIGITS}]"),
            'D' => format!("[^{DIGITS}]"),
            'w' => format!("[{WORD}]"),
            'W' => format!("[^{WORD}]"),
            's' => format!("[{SPACE}]"),
            'S' => format!("[^{SPACE}]"),
            'b' if self.exact => format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"),
            'B' if self.exact => format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"),
            'b' | 'B' => {
                self.bounded = true;
                format!("\\{c}")
            }
            'A' | 'G' => "\\A".to_owned(),
            'Z' | 'z' => "\\z".to_owned(),
            'p' | 'P' => {
                self.at += 1;
                let set = self.property(c == 'P')?;
                self.atom(&format!("[{set}]"), true);
                return Ok(());
            }
            'k' => return self.named_reference(),
            '1'..='9' => return self.numbered_reference(),
            '<' | '\'' => {
                let start = self.at;
                self.at += 1;
                let name = self.word();
                let closed = self.peek() == Some(if c == '<' { '>' } else { c });
                self.at = start;
                if closed && self.known.is_some_and(|known| known.named(&name).is_some()) {
                    return beyond("a reference without \\k");
                }
                self.at += 1;
                self.literal(c);
                return Ok(());
            }
            _ => {
                let c = self.character()?;
                self.literal(c);
                return Ok(());
            }
        };
        self.at += 1;
        match c {
            'b' | 'B' | 'A' | 'G' | 'Z' | 'z' => self.assertion(&set),
            _ => self.atom(&set, true),
        }
        Ok(())
    }

    fn named_reference(&mut self) -> Result<(), Refused> {
        self.at += 1;
        let close = match self.next() {
            Some('<') => '>',
            Some('\'') => '\'',
            Some(_) | None => return invalid("\\k without a name"),
        };
        let name = self.word();
        if name.is_empty() || self.next() != Some(close) {
            return invalid("\\k without a name");
        }
        match self.known.map(|known| known.named(&name)) {
            None => self.atom("(?:)", true),
            Some(Some(group)) => self.reference(group),
            Some(None) => return invalid(format!("a reference to a group {name}, which there is not")),
        }
        Ok(())
    }

    /// The longest number of a group that was opened before.
    fn numbered_reference(&mut self) -> Result<(), Refused> {
        let Some(known) = self.known else {
            while self.peek().is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1;
            }
            self.atom("(?:)", true);
            return Ok(());
        };
        let numbers = known.numbers();
        let (start, mut number, mut found) = (self.at, 0, None);
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = number * 10 + digit as usize;
            let Some(&group) = numbers.get(number) else { break };
            self.at += 1;
            if known.0[group - 1].1 <= start {
                found = Some(group);
            }
        }
        match found {
            // Digits that make no number of a group stay, as in .NET, behind those that do.
            Some(group) => self.reference(group),
            None => {
                self.at = start;
                return beyond("a reference to a group that is not opened before it");
            }
        }
        Ok(())
    }

    fn reference(&mut self, group: usize) {
        (self.behind.1, self.behind.2) = match self.behind.0 {
            0 => (self.behind.1, self.behind.2),
            _ => (true, true),
        };
        self.atom(&format!("(?:(?({group})\\{group}|))"), true);
    }

    /// The character that an escape stands for; the backslash is behind.
    fn character(&mut self) -> Result<char, Refused> {
        let Some(c) = self.next() else { return invalid("it ends with a backslash") };
        Ok(match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => self.unit(2)?,
            'u' => self.unit(4)?,
            'c' => match self.next().map(|c| u32::from(c.to_ascii_uppercase())) {
                Some(c @ 0x40..=0x5f) => char::from_u32(c - 0x40).unwrap_or('\0'),
                Some(_) | None => return invalid("\\c without a control character"),
            },
            '0'..='7' => {
                let mut value = c.to_digit(8).unwrap_or(0);
                // Three digits at most, and none beyond what is a space or more.
                for _ in 0..2 {
                    match self.peek().and_then(|c| c.to_digit(8)) {
                        Some(digit) if value < 0x20 => value = value * 8 + digit,
                        Some(_) | None => break,
                    }
                    self.at += 1;
                }
                char::from_u32(value & 0xff).unwrap_or('\0')
            }
            other => other,
        })
    }

    /// So many hexadecimal digits; for the first half of a pair the other as well.
    fn unit(&mut self, digits: usize) -> Result<char, Refused> {
        let mut hex = || {
            let text: String = self.text.get(self.at..self.at + digits)?.iter().collect();
            let plain = text.bytes().all(|digit| digit.is_ascii_hexdigit());
            self.at += digits;
            plain.then(|| u32::from_str_radix(&text, 16).ok()).flatten()
        };
        match hex().map(char::from_u32) {
            Some(Some(c)) => Ok(c),
            Some(None) => beyond("the half of a character beyond U+FFFF"),
            None => invalid(format!("\\x or \\u without {digits} hexadecimal digits")),
        }
    }

    /// What `\p{..}` stands for, as it may stand in a class; the `p` is behind.
    fn property(&mut self, negated: bool) -> Result<String, Refused> {
        let start = self.at + 1;
        let opened = self.next() == Some('{');
        while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_') {
            self.at += 1;
        }
        let name: String = self.text[start.min(self.at)..self.at].iter().collect();
        if !opened || self.next() != Some('}') {
            return invalid("\\p without a name in braces");
        }
        if name == "Cs" || name.contains("Surrogates") {
            return beyond("halves of characters beyond U+FFFF");
        }
        if blocks::CATEGORIES.contains(&name.as_str()) {
            return Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }));
        }
        match blocks::BLOCKS.iter().find(|(known, _, _)| *known == name) {
            Some((_, first, last)) if negated => Ok(format!("[^\\x{{{first:X}}}-\\x{{{last:X}}}]")),
            Some((_, first, last)) => Ok(format!("\\x{{{first:X}}}-\\x{{{last:X}}}")),
            None => invalid(format!("\\p{{{name}}}, which is neither a category nor a block")),
        }
    }

    /// A class, of which the opening bracket is behind.
    fn class(&mut self, depth: usize) -> Result<String, Refused> {
        if depth >= MAX_DEPTH {
            return beyond("classes subtracted from classes without end");
        }
        let mut out = String::from(if self.skips("^") { "[^" } else { "[" });
        let mut first = true;
        // The first character of a range, once its `-` was read.
        let mut range: Option<char> = None;
        loop {
            let Some(c) = self.next() else { return invalid(END) };
            let at_first = std::mem::take(&mut first);
            let mut written = c;
            if c == ']' && !at_first {
                if let Some(low) = range {
                    // Not reached: a `-` before the end makes no range.
                    out.push_str(&member(low));
                }
                out.push(']');
                return Ok(out);
            }
            if c == '\\' {
                let Some(next) = self.peek() else { return invalid(END) };
                let set = match next {
                    'd' => DIGITS.to_owned(),
                    'D' => format!("[^{DIGITS}]"),
                    'w' => WORD.to_owned(),
                    'W' => format!("[^{WORD}]"),
                    's' => SPACE.to_owned(),
                    'S' => format!("[^{SPACE}]"),
                    'p' | 'P' => {
                        self.at += 1;
                        let set = self.property(next == 'P')?;
                        self.at -= 1;
                        set
                    }
                    '-' if range.is_some() => return beyond("a range that ends with \\-"),
                    '-' => member('-'),
                    _ => {
                        written = self.character()?;
                        String::new()
                    }
                };
                if !set.is_empty() {
                    if range.is_some() {
                        return invalid("a class as the end of a range");
                    }
                    self.at += 1;
                    out.push_str(&set);
                    continue;
                }
            } else if c == '[' && self.follows(":") && range.is_none() {
                let start = self.at;
                self.at += 1;
                self.word();
                let closed = self.follows(":]");
                self.at = start;
                if closed {
                    return beyond("[: :] in a class");
                }
            }
            if let Some(low) = range.take() {
                if c == '[' {
                    // It was no range: a class is subtracted.
                    out.push_str(&member(low));
                    return self.subtracted(out, depth);
                }
                if low > written {
                    return invalid("a range whose end is below its beginning");
                }
                out.push_str(&format!("{}-{}", member(low), member(written)));
            } else if self.peek() == Some('-') && self.text.get(self.at + 1).is_some_and(|&c| c != ']') {
                self.at += 1;
                range = Some(written);
            } else if c == '-' && !at_first && self.peek() == Some('[') {
                self.at += 1;
                return self.subtracted(out, depth);
            } else {
                out.push_str(&member(written));
            }
        }
    }

    /// The class with another one taken away from it, of which the opening bracket is behind; that is its end.
    fn subtracted(&mut self, mut out: String, depth: usize) -> Result<String, Refused> {
        let other = self.class(depth + 1)?;
        if self.next() != Some(']') {
            return invalid("a subtraction that is not the last of its class");
        }
        out.push(']');
        Ok(format!("[{out}--{other}]"))
    }
}

/// A character as a member of a class.
fn member(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{{{:X}}}", u32::from(c)) }
}

#[cfg(test)]
mod tests;
