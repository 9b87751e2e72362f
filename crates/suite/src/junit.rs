//! JUnit XML, as the usual runners write it.
//!
//! There is no standard, so that everything is optional but the names: `testsuites`, `testsuite` in any depth, `testcase`
//! with `failure`, `error` or `skipped`. A document is read as a stream. Entities beside the five of XML are refused, a
//! document type is refused, and size, depth and number of cases are bounded, so that no document takes more memory
//! than its own size.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use std::{fmt, time::Duration};

/// A larger document is refused.
const LARGEST: usize = 256 * 1024 * 1024;

/// Elements lie at most so deep within each other.
const DEEPEST: usize = 64;

/// More cases than these are refused.
const MOST: usize = 1_000_000;

/// A longer attribute is refused.
const LONGEST: usize = 64 * 1024;

/// What a test came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It passed after it had failed within the same run.
    Flaky,
    /// It was not run.
    Skipped,
    /// It failed, or could not be run.
    Failed,
}

/// One test of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The suites around it, the outermost first.
    pub suites: Vec<String>,
    /// `classname`, or empty.
    pub class: String,
    /// `name`.
    pub name: String,
    /// `file`, its own or that of the nearest suite around it.
    pub file: Option<String>,
    /// How long it took, when the document says so.
    pub took: Option<Duration>,
    /// What it came to.
    pub outcome: Outcome,
}

/// Why a document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JunitError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for JunitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for JunitError {}

/// What is open while a document is read.
#[derive(Debug, Default)]
struct Open {
    depth: usize,
    suites: Vec<(String, Option<String>)>,
    case: Option<Case>,
    cases: Vec<Case>,
    seen_root: bool,
}

/// Reads a document. Of a test that it names more than once, as runners that retry do, each is in the answer.
pub fn parse(bytes: &[u8]) -> Result<Vec<Case>, JunitError> {
    let wrong = |at: u64, message: String| JunitError { line: line_of(bytes, at), message };
    if bytes.len() > LARGEST {
        return Err(wrong(0, format!("the document is larger than {} MiB", LARGEST / 1024 / 1024)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = u64::try_from(error.valid_up_to()).unwrap_or_default();
        wrong(at, "it is not UTF-8 text".to_owned())
    })?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open = Open::default();
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| wrong(reader.error_position(), error.to_string()))?;
        let taken = match event {
            Event::Start(element) => open.start(&element),
            Event::Empty(element) => open.start(&element).map(|()| open.end(element.name().as_ref())),
            Event::End(element) => {
                open.end(element.name().as_ref());
                Ok(())
            }
            Event::DocType(_) => Err("a document type is not allowed".to_owned()),
            Event::Eof => break,
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => Ok(()),
        };
        taken.map_err(|message| wrong(at, message))?;
    }
    let end = reader.buffer_position();
    if open.depth > 0 {
        return Err(wrong(end, "the document ends in the middle of an element".to_owned()));
    }
    if !open.seen_root {
        return Err(wrong(end, "there is no testsuites, testsuite or testcase in it".to_owned()));
    }
    Ok(open.cases)
}

impl Open {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("elements lie more than {DEEPEST} deep within each other"));
        }
        match element.name().as_ref() {
            "testsuites" => self.seen_root = true,
            "testsuite" => {
                self.seen_root = true;
                let [name, file] = attributes(element, ["name", "file"])?;
                self.suites.push((name.unwrap_or_default(), file));
            }
            "testcase" => {
                self.seen_root = true;
                if self.case.is_some() {
                    return Err("a testcase lies within another".to_owned());
                }
                self.case = Some(self.case(element)?);
            }
            "failure" | "error" => self.comes_to(Outcome::Failed),
            "skipped" => self.comes_to(Outcome::Skipped),
            // Of Maven: tries before the one that passed.
            "flakyFailure" | "flakyError" => self.comes_to(Outcome::Flaky),
            _ => {}
        }
        Ok(())
    }

    fn case(&self, element: &BytesStart<'_>) -> Result<Case, String> {
        if self.cases.len() >= MOST {
            return Err(format!("there are more than {MOST} cases"));
        }
        let [name, class, file, time, status] =
            attributes(element, ["name", "classname", "file", "time", "status"])?;
        let around = || self.suites.iter().rev().find_map(|(_, file)| file.clone());
        let outcome = match status.as_deref() {
            Some("failed" | "failure" | "error") => Outcome::Failed,
            Some("skipped" | "disabled" | "notrun") => Outcome::Skipped,
            Some(_) | None => Outcome::Passed,
        };
        Ok(Case {
            suites: self.suites.iter().map(|(name, _)| name.clone()).collect(),
            class: class.unwrap_or_default(),
            name: name.ok_or("a testcase has no name")?,
            file: file.or_else(around),
            took: time.as_deref().and_then(seconds),
            outcome,
        })
    }

    fn comes_to(&mut self, outcome: Outcome) {
        if let Some(case) = &mut self.case {
            case.outcome = case.outcome.max(outcome);
        }
    }

    fn end(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        match name {
            "testsuite" => drop(self.suites.pop()),
            "testcase" => self.cases.extend(self.case.take()),
            _ => {}
        }
    }
}

/// The values of some attributes.
fn attributes<const N: usize>(
    element: &BytesStart<'_>,
    wanted: [&str; N],
) -> Result<[Option<String>; N], String> {
    let mut found = [const { None }; N];
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let Some(place) = wanted.iter().position(|name| *name == attribute.key.as_ref()) else { continue };
        let raw: &str = attribute.value.as_ref();
        if raw.len() > LONGEST {
            return Err(format!("the attribute {} is longer than 64 KiB", wanted[place]));
        }
        let value = quick_xml::escape::unescape(raw).map_err(|error| error.to_string())?;
        found[place] = Some(value.into_owned());
    }
    Ok(found)
}

/// Seconds as runners write them: `0.05`, and `1,234.5` by those that group digits.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().replace(',', "").parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn line_of(bytes: &[u8], at: u64) -> usize {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: &[(&str, Outcome, Option<u64>)]) {
        let cases = parse(text.as_bytes()).expect(text);
        let found: Vec<_> = cases
            .iter()
            .map(|case| (case.name.as_str(), case.outcome, case.took.map(|took| took.as_millis() as u64)))
            .collect();
        assert_eq!(found, expect, "{text}");
    }

    fn refused(text: &str, part: &str) {
        let error = parse(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(part), "{error} has no {part:?}");
    }

    #[test]
    fn reads_what_runners_write() {
        check(
            r#"<?xml version="1.0"?><testsuites><testsuite name="pytest" tests="3">
            <testcase classname="tests.test_a" name="test_x" time="0.120"/>
            <testcase classname="tests.test_a" name="t[&lt;1&gt;]" time="1,000.5"><failure message="x">a &amp; b</failure></testcase>
            <testcase classname="tests.test_b" name="skip"><skipped/></testcase>
            </testsuite></testsuites>"#,
            &[
                ("test_x", Outcome::Passed, Some(120)),
                ("t[<1>]", Outcome::Failed, Some(1_000_500)),
                ("skip", Outcome::Skipped, None),
            ],
        );
        check(
            r#"<testsuite name="A"><testcase name="f"><flakyFailure/><system-out><![CDATA[<failure/>]]></system-out></testcase></testsuite>"#,
            &[("f", Outcome::Flaky, None)],
        );
        check("<testsuites/>", &[]);
    }

    #[test]
    fn files_come_from_the_nearest_suite() {
        let text = r#"<testsuites><testsuite name="o" file="o.php"><testsuite name="i"><testcase name="a"/>
            <testcase name="b" file="b.php"/></testsuite></testsuite><testsuite name="p"><testcase name="c"/></testsuite></testsuites>"#;
        let cases = parse(text.as_bytes()).expect("a document");
        let files: Vec<_> = cases.iter().map(|case| case.file.as_deref()).collect();
        assert_eq!(files, [Some("o.php"), Some("b.php"), None]);
        assert_eq!(cases[0].suites, ["o", "i"]);
    }

    #[test]
    fn hostile_documents_are_refused() {
        refused("", "no testsuites");
        refused("<html/>", "no testsuites");
        refused("<testsuite>", "ends in the middle");
        refused("<!DOCTYPE x [<!ENTITY a \"b\">]><testsuite/>", "document type");
        refused("<testsuite><testcase name=\"&a;\"/></testsuite>", "a");
        refused("<testsuite><testcase/></testsuite>", "no name");
        refused("<testsuite>\n<testcase name='a'><testcase name='b'/></testcase></testsuite>", "line 2");
        refused(&"<testsuite>".repeat(100), "more than 64 deep");
        refused(&format!("<testcase name='{}'/>", "x".repeat(LONGEST + 1)), "64 KiB");
        assert!(parse(b"<testsuite name='\xff'/>").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn never_panics_on_what_looks_like_a_document(
            parts in prop::collection::vec(prop::sample::select(vec![
                "<testsuite>", "</testsuite>", "<testcase name='a'>", "</testcase>", "<failure/>", "<!--", "-->", "&lt;", "&#0;",
                "<![CDATA[", "]]>", "<testcase name=", "'", ">", "<?x", "?>", "\u{0}",
            ]), 0..20),
        ) {
            let _ = parse(parts.concat().as_bytes());
        }

        #[test]
        fn names_survive(name in "[^\\p{Cc}]{1,30}", class in "[a-zA-Z.&<\"']{0,20}") {
            let escaped = |text: &str| quick_xml::escape::escape(text).into_owned();
            let text = format!("<testsuite><testcase classname=\"{}\" name=\"{}\"/></testsuite>", escaped(&class), escaped(&name));
            let cases = parse(text.as_bytes()).expect("a document");
            prop_assert_eq!((&cases[0].name, &cases[0].class), (&name, &class));
        }
    }
}
