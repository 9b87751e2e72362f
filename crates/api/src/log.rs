//! Logs of jobs: lines by number, from 1.

use serde::{Deserialize, Serialize};
use shipway_base::Timestamp;

/// A line as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawLine {
    /// When it was written.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// The step that wrote it, from 0.
    pub step: u32,
    /// The text with its ANSI escapes, secrets masked, without the line end.
    pub text: String,
}

/// A line as a viewer wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number in the job's log, from 1.
    pub n: u64,
    /// When it was written.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// The step that wrote it, from 0.
    pub step: u32,
    /// What kind of line it is.
    pub kind: LineKind,
    /// The text without the marker that told the kind, with its ANSI escapes.
    pub text: String,
}

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// Plain output.
    Text,
    /// A command that the step ran.
    Command,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// A notice.
    Notice,
    /// Debug output.
    Debug,
    /// A group begins; the text is its title.
    Group,
    /// The group ends.
    EndGroup,
}

/// `GET .../log?from=&count=`: consecutive lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The lines; fewer than asked for at the end.
    pub lines: Vec<LogLine>,
    /// How many lines there are so far.
    pub total: u64,
    /// Whether the job has finished, so that no line will follow.
    pub complete: bool,
}

/// `GET .../log/search?q=&from=`: lines that contain a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSearch {
    /// The text to find, as it is; upper and lower case are the same.
    pub q: String,
    /// Matches are listed from this line on; with `backward`, those before this line are.
    #[serde(default)]
    pub from: u64,
    /// Lists the matches that stand last before `from`, still in the order of the log.
    #[serde(default)]
    pub backward: bool,
    /// How many matches to list at most, up to 1,000.
    #[serde(default = "default_matches")]
    pub count: u32,
}

fn default_matches() -> u32 {
    1_000
}

/// What a search found. The count is exact, whatever is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMatches {
    /// How many lines contain the text.
    pub total: u64,
    /// How many of them stand before the first that is listed.
    pub before: u64,
    /// The matches in the order of the log.
    pub matches: Vec<LogMatch>,
    /// How many lines were searched.
    pub lines: u64,
}

/// One line that contains the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMatch {
    /// The line's number, from 1.
    pub n: u64,
}

/// `GET .../log/group?line=`: where the group that begins at a line ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// The line with the title.
    pub from: u64,
    /// The last line of the group.
    pub to: u64,
}

impl LogLine {
    /// Reads the marker of a line: the workflow commands `::error ...::` and so on, and the form `##[error]` that
    /// GitHub's runner prints.
    pub fn new(n: u64, raw: RawLine) -> LogLine {
        let (kind, text) = LineKind::of(&raw.text);
        let text = text.to_owned();
        LogLine { n, at: raw.at, step: raw.step, kind, text }
    }
}

impl LineKind {
    /// The kind of a line and its text without the marker.
    pub fn of(text: &str) -> (LineKind, &str) {
        const NAMES: [(&str, LineKind); 7] = [
            ("command", LineKind::Command),
            ("error", LineKind::Error),
            ("warning", LineKind::Warning),
            ("notice", LineKind::Notice),
            ("debug", LineKind::Debug),
            ("group", LineKind::Group),
            ("endgroup", LineKind::EndGroup),
        ];
        let marked = |name: &str| NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        if let Some((name, rest)) = text.strip_prefix("##[").and_then(|rest| rest.split_once(']'))
            && let Some(kind) = marked(name)
        {
            return (kind, rest);
        }
        if let Some((head, rest)) = text.strip_prefix("::").and_then(|rest| rest.split_once("::"))
            && let Some(kind) = marked(head.split(' ').next().unwrap_or_default())
        {
            return (kind, rest);
        }
        if let Some(rest) = text.strip_prefix("[command]") {
            return (LineKind::Command, rest);
        }
        (LineKind::Text, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_markers_of_lines() {
        for (text, kind, rest) in [
            ("plain", LineKind::Text, "plain"),
            ("::error file=a.rs,line=3::no", LineKind::Error, "no"),
            ("::error::no", LineKind::Error, "no"),
            ("##[group]Build", LineKind::Group, "Build"),
            ("::group::Build", LineKind::Group, "Build"),
            ("::endgroup::", LineKind::EndGroup, ""),
            ("::errors::no", LineKind::Text, "::errors::no"),
            ("##[other]x", LineKind::Text, "##[other]x"),
            ("[command]make", LineKind::Command, "make"),
            ("std::error::Error", LineKind::Text, "std::error::Error"),
        ] {
            assert_eq!(LineKind::of(text), (kind, rest), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_text_is_a_tail_of_the_line(text in "(::|##\\[)?[a-z]{0,8}[\\]: ]{0,3}\\PC{0,10}") {
            prop_assert!(text.ends_with(LineKind::of(&text).1));
        }
    }
}
