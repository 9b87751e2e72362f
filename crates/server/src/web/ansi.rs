//! Terminal colours as classes. What is not a colour is left out; nothing of a line can become HTML.

use maud::{Markup, PreEscaped, Render, html};

/// The longest line that is shown in a page; the raw log has all of it.
const LONGEST: usize = 2_000;

/// The look of some text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    inverse: bool,
    /// 0 to 15.
    colour: Option<u8>,
    background: Option<u8>,
}

/// A line with its colours.
pub(super) fn line(text: &str) -> Markup {
    let parts = parts(text);
    html! {
        @for (look, part) in &parts {
            @if *look == Look::default() { (part) } @else { span class=(look.classes()) { (part) } }
        }
    }
}

/// The text alone.
pub(crate) fn plain(text: &str) -> String {
    if !text.contains(|c: char| c.is_control() && c != '\t' || turns(c)) {
        return text.to_owned();
    }
    parts(text).into_iter().map(|(_, part)| part).collect()
}

/// Whether a character turns the direction of what follows, behind which another text can hide. The plain marks do not: text
/// that is written from right to left needs them.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Pieces of text with the same look, without escapes and other control characters. What turns the direction of writing does
/// not do so, and is shown by its number.
fn parts(text: &str) -> Vec<(Look, String)> {
    let mut look = Look::default();
    let mut parts: Vec<(Look, String)> = Vec::new();
    let mut shown = 0;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\x1b' {
            let (skipped, codes) = escape(rest);
            rest = &rest[skipped..];
            if let Some(codes) = codes {
                look.apply(codes);
            }
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c.is_control() && c != '\t' {
            continue;
        }
        shown += 1;
        if shown > LONGEST {
            parts.push((Look::default(), " ... the line goes on in the raw log".to_owned()));
            break;
        }
        if turns(c) {
            let number = format!("U+{:04X}", u32::from(c));
            parts.push((Look { inverse: true, ..Look::default() }, number));
            continue;
        }
        match parts.last_mut() {
            Some((last, part)) if *last == look => part.push(c),
            _ => parts.push((look, c.to_string())),
        }
    }
    parts
}

/// The length of the escape sequence that `text` begins with, and its codes when it sets a look.
fn escape(text: &str) -> (usize, Option<&str>) {
    let Some(body) = text.strip_prefix("\x1b[") else {
        // An operating system command runs to BEL or to the string terminator; others are two characters long.
        if let Some(body) = text.strip_prefix("\x1b]") {
            let end = body.find('\x07').map(|at| at + 1).or_else(|| body.find("\x1b\\").map(|at| at + 2));
            return (2 + end.unwrap_or(body.len()), None);
        }
        let second = text[1..].chars().next().map_or(0, char::len_utf8);
        return (1 + second, None);
    };
    match body.char_indices().find(|(_, c)| ('\x40'..='\x7e').contains(c)) {
        Some((at, 'm')) => (2 + at + 1, Some(&body[..at])),
        Some((at, _)) => (2 + at + 1, None),
        None => (text.len(), None),
    }
}

impl Look {
    fn apply(&mut self, codes: &str) {
        let mut codes = codes.split([';', ':']).map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Look::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.inverse = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                30..=37 => self.colour = Some((code - 30) as u8),
                39 => self.colour = None,
                40..=47 => self.background = Some((code - 40) as u8),
                49 => self.background = None,
                90..=97 => self.colour = Some((code - 90 + 8) as u8),
                100..=107 => self.background = Some((code - 100 + 8) as u8),
                38 | 48 => {
                    let colour = match codes.next() {
                        Some(5) => codes.next().map(nearest_of_256),
                        Some(2) => {
                            let mut channel = || codes.next().unwrap_or(0).min(255) as u8;
                            Some(nearest([channel(), channel(), channel()]))
                        }
                        _ => None,
                    };
                    if code == 38 { self.colour = colour } else { self.background = colour }
                }
                _ => {}
            }
        }
    }

    fn classes(self) -> String {
        let mut classes = Vec::new();
        let (colour, background) = match self.inverse {
            true => (self.background, self.colour),
            false => (self.colour, self.background),
        };
        let bare = self.inverse && background.is_none();
        for (on, class) in
            [(self.bold, "ab"), (self.dim, "ad"), (self.italic, "ai"), (self.underline, "au"), (bare, "av")]
        {
            if on {
                classes.push(class.to_owned());
            }
        }
        classes.extend(colour.map(|colour| format!("a{colour}")));
        classes.extend(background.map(|colour| format!("g{colour}")));
        classes.join(" ")
    }
}

fn nearest_of_256(index: u16) -> u8 {
    match index {
        0..=15 => index as u8,
        16..=231 => {
            let index = index - 16;
            let level = |step: u16| if step == 0 { 0 } else { (55 + step * 40) as u8 };
            nearest([level(index / 36), level(index / 6 % 6), level(index % 6)])
        }
        _ => {
            let grey = (8 + (index.min(255) - 232) * 10) as u8;
            nearest([grey; 3])
        }
    }
}

/// The nearest of the sixteen colours: which channels are strong, and whether it is bright.
fn nearest([red, green, blue]: [u8; 3]) -> u8 {
    let most = red.max(green).max(blue);
    let least = red.min(green).min(blue);
    if most - least < 40 {
        return match most {
            0..64 => 0,
            64..140 => 8,
            140..210 => 7,
            _ => 15,
        };
    }
    let strong = |channel: u8| u8::from(u16::from(channel) * 2 > u16::from(most));
    let bright = if most > 200 { 8 } else { 0 };
    bright + strong(red) + 2 * strong(green) + 4 * strong(blue)
}

/// Lines for a page that has no script: a number that is a link, then the text.
pub(super) struct Numbered<'a>(pub(super) u64, pub(super) &'static str, pub(super) &'a str);

impl Render for Numbered<'_> {
    fn render(&self) -> Markup {
        let Numbered(n, class, text) = *self;
        let class = Some(class).filter(|class| !class.is_empty());
        html! {
            a id={ "L" (n) } href={ "#L" (n) } { (n) }
            span class=[class] { (line(text)) }
            (PreEscaped("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(line(text).into_string(), expect, "{text:?}");
    }

    #[test]
    fn colours_become_classes() {
        check("plain <b>", "plain &lt;b&gt;");
        check("\x1b[31mred\x1b[0m ok", "<span class=\"a1\">red</span> ok");
        check(
            "\x1b[1;32mbold\x1b[22m green",
            "<span class=\"ab a2\">bold</span><span class=\"a2\"> green</span>",
        );
        check("\x1b[38;5;196mx", "<span class=\"a9\">x</span>");
        check("\x1b[38;2;0;0;255mx", "<span class=\"a12\">x</span>");
        check("\x1b[97;44mx", "<span class=\"a15 g4\">x</span>");
        check("\x1b[7mx\x1b[27my", "<span class=\"av\">x</span>y");
        check("\x1b[7;31;42mx", "<span class=\"a2 g1\">x</span>");
        check("a\x1b[2Kb\x1b]0;title\x07c\rd", "abcd");
        check("a\u{202e}b", "a<span class=\"av\">U+202E</span>b");
        check("\x1b[31m\u{2066}x", "<span class=\"av\">U+2066</span><span class=\"a1\">x</span>");
        check("\u{200f}\u{5d0}", "\u{200f}\u{5d0}");
        check("cut \x1b[3", "cut ");
        check("cut \x1b", "cut ");
    }

    #[test]
    fn plain_text_hides_nothing_either() {
        assert_eq!(plain("a\u{202e}b\u{2069}"), "aU+202EbU+2069");
        assert_eq!(plain("a\tb"), "a\tb");
    }

    #[test]
    fn long_lines_are_cut() {
        let shown = line(&"x".repeat(100_000)).into_string();
        assert!(shown.len() < LONGEST + 100, "{}", shown.len());
        assert!(shown.ends_with("the line goes on in the raw log"));
    }

    proptest! {
        #[test]
        fn no_line_breaks_out(text in "(\\x1b\\[|\\x1b|[<>&\"';:m0-9\u{202a}-\u{202e}]|\\PC|\\n){0,80}") {
            let shown = line(&text).into_string();
            let without_spans = shown
                .replace("</span>", "")
                .split("<span class=\"")
                .map(|part| part.split_once("\">").map_or(part, |(_, rest)| rest).to_owned())
                .collect::<String>();
            prop_assert!(!without_spans.contains('<'), "{}", shown);
            prop_assert!(!shown.contains('\x1b'));
            prop_assert!(!shown.contains(turns) && !plain(&text).contains(turns));
            prop_assert_eq!(shown.matches("<span").count(), shown.matches("</span>").count());
            prop_assert!(!plain(&text).contains('\x1b'));
        }
    }
}
