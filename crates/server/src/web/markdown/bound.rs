//! The HTML of a summary within bounds: every element that is begun is ended, none is nested beyond what anyone reads, and what our
//! pages show otherwise, such as headings, images and tables, is written as they show it.
//!
//! A browser's parser, and so the sanitiser that comes after this, takes time and room by the square of what a text leaves open:
//! half a megabyte of `<span>` takes it ten seconds. Whether something does harm is not decided here.

use std::{borrow::Cow, fmt::Write as _};

/// So many elements are open at once at most; the tags of those within them are left out.
const DEEPEST: usize = 100;

/// So many beginnings of tags that never end are looked for to the end of the text.
const MOST_BROKEN: usize = 64;

/// Before a table, which may be wider than a telephone. It is no landmark of the page, of which no two may be called the same.
const SCROLLS: &str = r#"<div class="scroll" tabindex="0" role="group" aria-label="Table">"#;

/// Elements that are written, with what begins and ends none of them: `br`, `hr` and `wbr`.
pub(super) const ELEMENTS: [&str; 53] = [
    "a",
    "abbr",
    "b",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
    "var",
];

/// Elements whose content is no text for readers.
const UNREAD: [&str; 13] = [
    "iframe", "math", "noembed", "noframes", "noscript", "object", "script", "select", "style", "svg",
    "template", "textarea", "title",
];

/// Elements that end a paragraph by beginning.
const BLOCKS: [&str; 18] = [
    "blockquote",
    "details",
    "div",
    "dl",
    "figcaption",
    "figure",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "summary",
    "table",
    "ul",
];

/// Texts that write the same in fewer or older words, and what they become here. The page has its own headings above those of a
/// summary.
const RENAMED: [(&str, &str); 8] = [
    ("h1", "h3"),
    ("h2", "h4"),
    ("h3", "h5"),
    ("h4", "h6"),
    ("h5", "h6"),
    ("center", "div"),
    ("strike", "del"),
    ("tt", "code"),
];

/// A text of HTML within bounds, and of how many tags it is made; `None` when these are more than `most`.
pub(super) fn bound(html: &str, most: usize) -> Option<(String, usize)> {
    let mut writer = Writer { out: String::with_capacity(html.len()), open: Vec::new(), beyond: 0, tags: 0 };
    let mut scan = Scan { broken: 0, lacks: Vec::new() };
    let mut at = 0;
    while let Some(found) = html[at..].find('<') {
        let start = at + found;
        writer.text(&html[at..start]);
        let rest = &html[start..];
        match scan.piece(rest) {
            None => {
                writer.out.push_str("&lt;");
                at = start + 1;
            }
            Some((length, piece)) => {
                at = start + length;
                match piece {
                    Piece::Nothing => {}
                    Piece::End(name) => writer.end(&name),
                    Piece::Begin(tag) => {
                        if UNREAD.contains(&&*tag.name) {
                            at += scan.unread(&html[at..], &tag.name);
                        } else {
                            writer.begin(&tag);
                        }
                    }
                }
            }
        }
        if writer.tags > most {
            return None;
        }
    }
    writer.text(&html[at..]);
    while !writer.open.is_empty() {
        writer.pop();
    }
    Some((writer.out, writer.tags))
}

/// What begins with `<`.
enum Piece<'h> {
    /// A remark or an instruction, which nobody is meant to see.
    Nothing,
    Begin(Tag<'h>),
    End(String),
}

/// A tag as it is written, its name in small letters.
struct Tag<'h> {
    name: String,
    attributes: Vec<(String, &'h str)>,
}

impl Tag<'_> {
    /// An attribute's value with its entities, such that it may stand in double quotes.
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.attributes.iter().find(|(known, _)| known == name)?;
        Some(if value.contains('"') { value.replace('"', "&quot;").into() } else { (*value).into() })
    }
}

/// Looks for tags, and remembers what it did not find, so as not to look for it again.
struct Scan {
    broken: usize,
    lacks: Vec<String>,
}

impl Scan {
    /// What a text begins with that begins with `<`, and how long it is; `None` when that is text.
    fn piece<'h>(&mut self, rest: &'h str) -> Option<(usize, Piece<'h>)> {
        let bytes = rest.as_bytes();
        match bytes.get(1)? {
            b'!' if rest.starts_with("<!--") => Some((4 + self.find(&rest[4..], "-->")? + 3, Piece::Nothing)),
            b'!' | b'?' => Some((self.find(rest, ">")? + 1, Piece::Nothing)),
            b'/' if bytes.get(2)?.is_ascii_alphabetic() => {
                let end = self.find(rest, ">")?;
                Some((end + 1, Piece::End(name_of(&rest[2..]))))
            }
            first if first.is_ascii_alphabetic() && self.broken < MOST_BROKEN => {
                let tag = tag(rest);
                self.broken += usize::from(tag.is_none());
                tag.map(|(length, tag)| (length, Piece::Begin(tag)))
            }
            _ => None,
        }
    }

    fn find(&mut self, text: &str, what: &str) -> Option<usize> {
        if self.lacks.iter().any(|lacks| lacks == what) {
            return None;
        }
        let found = text.find(what);
        if found.is_none() {
            self.lacks.push(what.to_owned());
        }
        found
    }

    /// How long the content of an element is that nobody reads; nothing when it never ends.
    fn unread(&mut self, text: &str, name: &str) -> usize {
        let end = format!("</{name}");
        if self.lacks.contains(&end) {
            return 0;
        }
        let fits = |at: &usize| {
            text.as_bytes()[*at..]
                .get(..end.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(end.as_bytes()))
        };
        let found = text.match_indices('<').map(|(at, _)| at).find(fits);
        if found.is_none() {
            self.lacks.push(end);
        }
        found.unwrap_or(0)
    }
}

fn name_of(text: &str) -> String {
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>').unwrap_or(text.len());
    text[..end].to_ascii_lowercase()
}

/// The tag that a text begins with, and how long it is; `None` when it never ends.
fn tag(text: &str) -> Option<(usize, Tag<'_>)> {
    let bytes = text.as_bytes();
    let name = name_of(&text[1..]);
    let mut at = 1 + name.len();
    let mut attributes = Vec::new();
    loop {
        while bytes.get(at).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'/') {
            at += 1;
        }
        if *bytes.get(at)? == b'>' {
            return Some((at + 1, Tag { name, attributes }));
        }
        let start = at;
        // It may begin with `=`.
        at += 1;
        while bytes
            .get(at)
            .is_some_and(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'='))
        {
            at += 1;
        }
        let key = text.get(start..at).unwrap_or_default().to_ascii_lowercase();
        let mut next = at;
        while bytes.get(next).is_some_and(u8::is_ascii_whitespace) {
            next += 1;
        }
        let mut value = "";
        if bytes.get(next) == Some(&b'=') {
            next += 1;
            while bytes.get(next).is_some_and(u8::is_ascii_whitespace) {
                next += 1;
            }
            let from;
            match *bytes.get(next)? {
                quote @ (b'"' | b'\'') => {
                    from = next + 1;
                    at = from + text[from..].find(char::from(quote))?;
                    value = &text[from..at];
                    at += 1;
                }
                _ => {
                    at = next + text[next..].find(|c: char| c.is_ascii_whitespace() || c == '>')?;
                    value = &text[next..at];
                }
            }
        }
        // The first of a name counts.
        if attributes.iter().all(|(known, _)| *known != key) && attributes.len() < 20 {
            attributes.push((key, value));
        }
    }
}

struct Writer {
    out: String,
    open: Vec<&'static str>,
    /// How many elements are open beyond the deepest.
    beyond: usize,
    tags: usize,
}

impl Writer {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn begin(&mut self, tag: &Tag<'_>) {
        self.tags += 1;
        if tag.name == "img" {
            return self.image(tag);
        }
        let renamed = RENAMED.iter().find(|(from, _)| *from == tag.name).map(|(_, to)| *to);
        let known = ELEMENTS.iter().find(|known| **known == renamed.unwrap_or(&tag.name));
        let Some(&name) = known else { return };
        if name == "a"
            && (self.open.contains(&"a") || !tag.value("href").is_some_and(|to| super::is_address(&to)))
        {
            return;
        }
        self.end_before(name);
        if matches!(name, "br" | "hr" | "wbr") {
            let _ = write!(self.out, "<{name}>");
            return;
        }
        if self.open.len() >= DEEPEST {
            self.beyond += 1;
            return;
        }
        if name == "table" && !self.open.contains(&"table") {
            self.out.push_str(SCROLLS);
        }
        self.open.push(name);
        let _ = write!(self.out, "<{name}");
        if tag.name == "center" {
            self.out.push_str(" align=\"center\"");
        }
        for (key, value) in &tag.attributes {
            if may_have(name, key, value) {
                let _ = write!(self.out, " {key}=\"{}\"", value.replace('"', "&quot;"));
            }
        }
        self.out.push('>');
    }

    /// No page of ours loads an image from elsewhere: a link leads to it.
    fn image(&mut self, tag: &Tag<'_>) {
        let alt = tag.value("alt").unwrap_or_default().replace('<', "&lt;").replace('>', "&gt;");
        let (alt, source) = (alt.trim(), tag.value("src"));
        let word = match (alt, &source) {
            ("", None) => return,
            ("", Some(_)) => "Image".to_owned(),
            (alt, _) => format!("Image: {alt}"),
        };
        let _ = match source.filter(|to| super::is_address(to) && !self.open.contains(&"a")) {
            Some(to) => write!(self.out, "<a href=\"{to}\">{word}</a>"),
            None => write!(self.out, "{word}"),
        };
    }

    /// Ends what an element ends by beginning.
    fn end_before(&mut self, name: &str) {
        match name {
            "li" => self.end_any(&["li"], &["ul", "ol", "table", "td", "th"]),
            "dt" | "dd" => self.end_any(&["dt", "dd"], &["dl", "table", "td", "th"]),
            "td" | "th" => self.end_any(&["td", "th", "caption"], &["tr", "table"]),
            "tr" => self.end_any(&["tr", "caption"], &["thead", "tbody", "tfoot", "table"]),
            "thead" | "tbody" | "tfoot" => self.end_any(&["thead", "tbody", "tfoot", "caption"], &["table"]),
            _ => {}
        }
        if BLOCKS.contains(&name) {
            self.end_any(&["p"], &["table", "td", "th", "caption"]);
        }
    }

    /// Ends the innermost open element of some names, unless one of others stands between.
    fn end_any(&mut self, names: &[&str], stops: &[&str]) {
        if self.beyond > 0 {
            return;
        }
        let found = self.open.iter().rposition(|open| names.contains(open));
        let stop = self.open.iter().rposition(|open| stops.contains(open));
        if let Some(place) = found.filter(|place| stop.is_none_or(|stop| stop < *place)) {
            while self.open.len() > place {
                self.pop();
            }
        }
    }

    fn end(&mut self, name: &str) {
        self.tags += 1;
        if self.beyond > 0 {
            let known = RENAMED.iter().any(|(from, _)| *from == name) || ELEMENTS.contains(&name);
            self.beyond -= usize::from(known && !matches!(name, "br" | "hr" | "wbr"));
            return;
        }
        let name = RENAMED.iter().find(|(from, _)| *from == name).map_or(name, |(_, to)| *to);
        match name {
            "table" => self.end_any(&["table"], &[]),
            "td" | "th" | "tr" | "thead" | "tbody" | "tfoot" | "caption" => self.end_any(&[name], &["table"]),
            _ => self.end_any(&[name], &["table", "td", "th", "caption"]),
        }
    }

    fn pop(&mut self) {
        let Some(name) = self.open.pop() else { return };
        let _ = write!(self.out, "</{name}>");
        if name == "table" && !self.open.contains(&"table") {
            self.out.push_str("</div>");
        }
    }
}

/// Whether an element is written with an attribute.
fn may_have(element: &str, key: &str, value: &str) -> bool {
    let number = |most: usize| {
        value.len() <= most && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
    };
    match (element, key) {
        ("a", "href") => true,
        ("a" | "abbr" | "dfn", "title") => true,
        ("code", "class") => value.strip_prefix("language-").is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-_.#".contains(&byte))
        }),
        ("td" | "th" | "tr" | "p" | "div" | "h3" | "h4" | "h5" | "h6", "align") => {
            ["left", "center", "right"].contains(&value.to_ascii_lowercase().as_str())
        }
        // No row is wider than 99 columns, whatever is said.
        ("td" | "th", "colspan" | "rowspan") => number(2),
        ("ol", "start") | ("li", "value") => number(9),
        ("ol", "reversed") | ("details", "open") => value.is_empty() || value.eq_ignore_ascii_case(key),
        ("bdo" | "span" | "div" | "p" | "li" | "td" | "th", "dir") => ["ltr", "rtl", "auto"].contains(&value),
        _ => false,
    }
}
