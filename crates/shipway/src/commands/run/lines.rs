//! Lines of foreign programs made fit for a terminal, and colour where it is wanted.

/// Which colours there are, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether colour is wanted.
    pub(super) colour: bool,
}

/// What a text says, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// Look at it.
    Warn,
    /// It matters less.
    Faint,
}

impl Style {
    /// The text in the colour of its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Warn => 33,
            Tone::Faint => 2,
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A line of a log: what a carriage return would have overwritten is dropped, and so is every control character, so
    /// that a log can neither move the cursor nor hide a line. Colours stay where colour is wanted.
    pub(super) fn clean(self, line: &str) -> String {
        if !line.contains(|c: char| c.is_control()) {
            return line.to_owned();
        }
        let line = line.trim_end_matches('\r');
        let last = line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
        let mut clean = String::with_capacity(last.len());
        let mut coloured = false;
        let mut rest = last;
        while let Some(at) = rest.find(|c: char| c.is_control()) {
            clean.push_str(&rest[..at]);
            rest = &rest[at..];
            let (length, is_colour) = control(rest);
            if rest.starts_with('\t') {
                clean.push('\t');
            } else if is_colour && self.colour {
                clean.push_str(&rest[..length]);
                coloured = true;
            }
            rest = &rest[length..];
        }
        clean.push_str(rest);
        if coloured {
            clean.push_str("\u{1b}[0m");
        }
        clean
    }
}

/// The length of the control sequence that a text begins with, and whether it only sets a colour.
fn control(text: &str) -> (usize, bool) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return (first, false) };
    let parameters = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':' | b'?')).count();
    match rest.as_bytes().get(parameters) {
        Some(end @ b'@'..=b'~') => (2 + parameters + 1, *end == b'm'),
        Some(_) | None => (first, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_log_cannot_steer_the_terminal() {
        let check = |line: &str, plain: &str, coloured: &str| {
            assert_eq!(Style { colour: false }.clean(line), plain, "{line:?}");
            assert_eq!(Style { colour: true }.clean(line), coloured, "{line:?}");
        };
        check("as it is\twith a tab", "as it is\twith a tab", "as it is\twith a tab");
        check("10%\r55%\r100%\r", "100%", "100%");
        check("\u{1b}[31mred", "red", "\u{1b}[31mred\u{1b}[0m");
        check("\u{1b}[2Jgone\u{1b}[1;1H", "gone", "gone");
        check("\u{1b}]0;title\u{7}x\u{8}", "]0;titlex", "]0;titlex");
        check("\u{1b}[", "[", "[");
    }

    proptest! {
        #[test]
        fn no_control_character_is_left(line: String) {
            let clean = Style { colour: false }.clean(&line);
            prop_assert!(clean.chars().all(|c| c == '\t' || !c.is_control()), "{clean:?}");
        }
    }
}
