//! The files through which a step hands values back: `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_STATE`, `GITHUB_PATH` and
//! `GITHUB_STEP_SUMMARY`.

use std::borrow::Cow;

/// The largest summary of a step, in bytes.
pub(crate) const MAX_SUMMARY: usize = 1024 * 1024;

/// What a step left in its command files, as raw bytes; empty where it wrote nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandFiles {
    /// `GITHUB_ENV`.
    pub env: Vec<u8>,
    /// `GITHUB_OUTPUT`.
    pub output: Vec<u8>,
    /// `GITHUB_STATE`.
    pub state: Vec<u8>,
    /// `GITHUB_PATH`.
    pub path: Vec<u8>,
    /// `GITHUB_STEP_SUMMARY`; never more than [`MAX_SUMMARY`] + 1 bytes of it.
    pub summary: Vec<u8>,
}

/// A command file that does not follow the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileCommandError {
    /// A line is neither `name=value` nor the beginning of a here-document.
    #[error("line {line}: {text:?} is neither name=value nor name<<DELIMITER")]
    Format {
        /// The line, from 1.
        line: usize,
        /// Its text.
        text: String,
    },
    /// A name or a delimiter is empty.
    #[error("line {line}: the name and the delimiter must not be empty in {text:?}")]
    Empty {
        /// The line, from 1.
        line: usize,
        /// Its text.
        text: String,
    },
    /// A here-document is not closed.
    #[error("line {line}: Matching delimiter not found: no line is exactly {delimiter:?}")]
    Unclosed {
        /// The line where it begins, from 1.
        line: usize,
        /// What should close it.
        delimiter: String,
    },
    /// The last line of a here-document has no line end, so the delimiter is probably glued to it.
    #[error(
        "line {line}: EOF marker missing new line: the delimiter {delimiter:?} must stand on a line of its own"
    )]
    Glued {
        /// The last line, from 1.
        line: usize,
        /// What should close it.
        delimiter: String,
    },
}

/// The pairs in `GITHUB_ENV`, `GITHUB_OUTPUT` or `GITHUB_STATE`, in the order of the file; a later one of the same name
/// counts. Those before something that is not in order count too, as on GitHub.
pub(crate) fn pairs(bytes: &[u8]) -> (Vec<(String, String)>, Result<(), FileCommandError>) {
    let mut pairs = Vec::new();
    let ended = read_pairs(&text(bytes), &mut pairs);
    (pairs, ended)
}

fn read_pairs(text: &str, pairs: &mut Vec<(String, String)>) -> Result<(), FileCommandError> {
    let mut lines = Lines { rest: text, number: 0 };
    while let Some((line, _)) = lines.next_line() {
        if line.is_empty() {
            continue;
        }
        let number = lines.number;
        let empty = || FileCommandError::Empty { line: number, text: line.to_owned() };
        match (line.find('='), line.find("<<")) {
            (Some(equals), heredoc) if heredoc.is_none_or(|at| equals < at) => {
                if equals == 0 {
                    return Err(empty());
                }
                pairs.push((line[..equals].to_owned(), line[equals + 1..].to_owned()));
            }
            (_, Some(at)) => {
                let (name, delimiter) = (&line[..at], &line[at + 2..]);
                if name.is_empty() || delimiter.is_empty() {
                    return Err(empty());
                }
                pairs.push((name.to_owned(), heredoc(&mut lines, number, delimiter)?));
            }
            (_, None) => return Err(FileCommandError::Format { line: number, text: line.to_owned() }),
        }
    }
    Ok(())
}

/// The folders in `GITHUB_PATH`, in the order of the file; each goes before all that came earlier.
pub(crate) fn paths(bytes: &[u8]) -> Vec<String> {
    text(bytes).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The summary in `GITHUB_STEP_SUMMARY`: `Ok(None)` when there is none, an explanation when it is too large.
pub(crate) fn summary(bytes: &[u8]) -> Result<Option<String>, String> {
    if bytes.len() > MAX_SUMMARY {
        return Err(
            "the step summary is left out: it is larger than 1 MiB; write less to $GITHUB_STEP_SUMMARY"
                .to_owned(),
        );
    }
    let text = text(bytes);
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

/// The text of a file: UTF-8, or what the mark at its beginning says, as Windows' tools and .NET write it.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    let utf16 = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let (pairs, odd) = bytes.as_chunks();
        let units = pairs.iter().map(|pair| read(*pair)).chain(odd.first().map(|_| 0xfffd));
        Cow::Owned(
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
        )
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        _ => String::from_utf8_lossy(bytes),
    }
}

/// The names that `GITHUB_ENV` refuses: it would let a step take over every later Node program.
pub(crate) fn is_refused_env(name: &str) -> bool {
    name.eq_ignore_ascii_case("NODE_OPTIONS")
}

fn heredoc(lines: &mut Lines<'_>, begins: usize, delimiter: &str) -> Result<String, FileCommandError> {
    let mut value = String::new();
    // The line end before the delimiter does not belong to the value.
    let mut pending = "";
    loop {
        match lines.next_line() {
            None => {
                return Err(FileCommandError::Unclosed { line: begins, delimiter: delimiter.to_owned() });
            }
            Some((line, _)) if line == delimiter => return Ok(value),
            Some((_, "")) => {
                return Err(FileCommandError::Glued { line: lines.number, delimiter: delimiter.to_owned() });
            }
            Some((line, end)) => {
                value.push_str(pending);
                value.push_str(line);
                pending = end;
            }
        }
    }
}

struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line and its line end, which is empty only at the end of the text.
    fn next_line(&mut self) -> Option<(&'a str, &'a str)> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let (line, end, rest) = match self.rest.find('\n') {
            None => (self.rest, "", ""),
            Some(at) if at > 0 && self.rest.as_bytes()[at - 1] == b'\r' => {
                (&self.rest[..at - 1], &self.rest[at - 1..=at], &self.rest[at + 1..])
            }
            Some(at) => (&self.rest[..at], &self.rest[at..=at], &self.rest[at + 1..]),
        };
        self.rest = rest;
        Some((line, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: &[(&str, &str)]) {
        let expect: Vec<_> = expect.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(pairs(text.as_bytes()), (expect, Ok(())), "{text:?}");
    }

    fn refusal(text: &str) -> String {
        pairs(text.as_bytes()).1.expect_err(text).to_string()
    }

    #[test]
    fn reads_pairs_and_here_documents() {
        check("A=1\n\nB=x=y\r\nC=<<E\n", &[("A", "1"), ("B", "x=y"), ("C", "<<E")]);
        check("A<<E\n1\n\n2\nE\nB<<E\nE\n", &[("A", "1\n\n2"), ("B", "")]);
        check("A<<E\r\n1\r\n2\r\nE", &[("A", "1\r\n2")]);
        check("A<<=E\n1\n=E\n", &[("A", "1")]);
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(
            refusal("A=1\nnothing\n"),
            "line 2: \"nothing\" is neither name=value nor name<<DELIMITER"
        );
        assert!(refusal("=x").starts_with("line 1: the name and the delimiter must not be empty"));
        assert!(refusal("A<<\nx\n").contains("must not be empty"));
        assert!(refusal("A<<E\nx\n").contains("Matching delimiter not found"));
        assert!(refusal("A<<E\nx").contains("EOF marker missing new line"));
    }

    #[test]
    fn what_stands_before_a_mistake_counts() {
        for text in ["A=1\nB<<E\n2\nE\nnothing\nC=3\n", "A=1\nB=2\nC<<E\nx\n", "A=1\nB=2\n=x\nD=4\n"] {
            let (found, ended) = pairs(text.as_bytes());
            let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(found, [("A", "1"), ("B", "2")], "{text:?}");
            assert!(ended.is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_paths_and_summaries() {
        assert_eq!(paths(b"/a\n\n/b c\r\n"), ["/a", "/b c"]);
        assert_eq!(summary(b""), Ok(None));
        assert_eq!(summary("\u{feff}# hi".as_bytes()), Ok(Some("# hi".to_owned())));
        assert!(summary(&vec![0; MAX_SUMMARY + 1]).is_err());
    }

    proptest! {
        #[test]
        fn a_mark_says_how_the_text_is_written(value in "[^\\r\\n\u{feff}]{0,12}", odd in any::<bool>()) {
            let line = format!("A={value}\n");
            let written = [
                [b"\xef\xbb\xbf", line.as_bytes()].concat(),
                line.encode_utf16().fold(vec![0xff, 0xfe], |all, unit| [all, unit.to_le_bytes().to_vec()].concat()),
                line.encode_utf16().fold(vec![0xfe, 0xff], |all, unit| [all, unit.to_be_bytes().to_vec()].concat()),
            ];
            for mut bytes in written {
                prop_assert_eq!(pairs(&bytes), (vec![("A".to_owned(), value.clone())], Ok(())));
                if odd {
                    // Half of a character is not silently left out.
                    bytes.push(b'x');
                    prop_assert!(pairs(&bytes).1.is_err());
                }
            }
        }

        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(("[A-Z]{1,4}", "[a-z=<\\n ]{0,12}"), 0..5)) {
            let mut text = String::new();
            for (name, value) in &values {
                text += &format!("{name}<<END\n{value}\nEND\n");
            }
            prop_assert_eq!(pairs(text.as_bytes()), (values.clone(), Ok(())));
        }

        #[test]
        fn never_panics(text in "[A<=E\\r\\n\u{feff}]{0,20}") {
            let _ = pairs(text.as_bytes());
        }
    }
}
