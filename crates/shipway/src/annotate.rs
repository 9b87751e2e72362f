//! What is wrong with a file, as a workflow command for whoever runs the job that this command is a step of: GitHub and
//! Shipway show it beside the file.

use std::{borrow::Cow, fmt};

/// GitHub shows so many of one step.
const MOST: usize = 10;

/// A command `::error file=..,line=..,col=..,title=..::text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remark<'t> {
    /// How bad it is, `error` or `warning`.
    level: &'t str,
    /// The file, from the root of the repository.
    file: &'t str,
    /// Line and column, from 1, when there is a place.
    place: Option<(u32, u32)>,
    /// The code of the error's page.
    title: &'t str,
    /// What is wrong.
    text: &'t str,
}

/// The remarks on a file of findings as documents have them, `name:line:column: error[code]: message`, where `name` is how the
/// file was called. Findings that are not of this form are said as they are.
pub(crate) fn remarks<'t>(
    file: &'t str,
    name: &str,
    code: &'t str,
    findings: &'t [String],
) -> Vec<Remark<'t>> {
    let read = |finding: &'t String| placed(file, name, finding);
    let plain = |text| Remark { level: "error", file, place: None, title: code, text };
    findings.iter().take(MOST).map(|finding| read(finding).unwrap_or_else(|| plain(finding))).collect()
}

fn placed<'t>(file: &'t str, name: &str, finding: &'t str) -> Option<Remark<'t>> {
    let rest = finding.strip_prefix(name)?.strip_prefix(':')?;
    let (place, rest) = rest.split_once(": ")?;
    let (line, column) = place.split_once(':')?;
    let place = Some((line.parse().ok()?, column.parse().ok()?));
    let (head, text) = rest.split_once("]: ")?;
    let (level, title) = head.split_once('[')?;
    ["error", "warning"].contains(&level).then_some(Remark { level, file, place, title, text })
}

impl fmt::Display for Remark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Remark { level, file, place, title, text } = self;
        write!(f, "::{level} file={}", property(file))?;
        if let Some((line, column)) = place {
            write!(f, ",line={line},col={column}")?;
        }
        write!(f, ",title={}::{}", property(title), data(text))
    }
}

/// Text behind the command, escaped as GitHub does it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, in which a colon or a comma would end it.
fn property(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '\r', '\n', ':', ',']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(data(text).replace(':', "%3A").replace(',', "%2C"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, finding: &str, expect: &str) {
        let findings = [finding.to_owned()];
        let shown: Vec<String> =
            remarks(name, name, "SW0913", &findings).iter().map(ToString::to_string).collect();
        assert_eq!(shown, [expect]);
    }

    #[test]
    fn a_finding_becomes_a_command() {
        check(
            "shipway.yaml",
            "shipway.yaml:5:3: error[SW0301]: a service has no key `a: [b]: c` (did you mean `x`?)",
            "::error file=shipway.yaml,line=5,col=3,title=SW0301::a service has no key `a: [b]: c` (did you mean `x`?)",
        );
        check(
            "a.yaml",
            "a.yaml:1:2: warning[SW0302]: old",
            "::warning file=a.yaml,line=1,col=2,title=SW0302::old",
        );
        check("a.yaml", "no service web", "::error file=a.yaml,title=SW0913::no service web");
        check("a.yaml", "a.yaml:x: it", "::error file=a.yaml,title=SW0913::a.yaml:x: it");
    }

    #[test]
    fn what_would_end_a_part_is_escaped() {
        check(
            "a:b, 50%\r\n.yaml",
            "a:b, 50%\r\n.yaml:1:2: error[SW0301]: 50%, a::b\nand\rmore %0A",
            "::error file=a%3Ab%2C 50%25%0D%0A.yaml,line=1,col=2,title=SW0301::50%25, a::b%0Aand%0Dmore %250A",
        );
    }

    #[test]
    fn no_more_than_are_shown() {
        let findings: Vec<String> = (0..20).map(|line| format!("a:{line}:1: error[SW0301]: x")).collect();
        assert_eq!(remarks("a", "a", "SW0913", &findings).len(), MOST);
    }
}
