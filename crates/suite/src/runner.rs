//! The usual test runners: how they name files and tests, and in which form they take them.

use crate::{Case, Outcome};
use std::{collections::BTreeMap, fmt};

/// A test runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// pytest: files, or node ids `file::Class::test`.
    Pytest,
    /// Jest: files.
    Jest,
    /// Vitest: files.
    Vitest,
    /// Playwright: files, or `file:line`.
    Playwright,
    /// RSpec: files, `file:line` or `file[1:2]`.
    Rspec,
    /// `go test`: packages.
    Gotest,
    /// `cargo nextest`: `binary-id test`, as `cargo nextest list --message-format oneline` prints them, or binary ids.
    CargoNextest,
    /// Maven's Surefire: classes, or `Class#method`.
    Maven,
    /// Gradle: classes, or `Class#method`.
    Gradle,
    /// Mocha: files.
    Mocha,
    /// PHPUnit: files.
    Phpunit,
    /// Anything else: names, printed as they came.
    Generic,
}

impl Runner {
    /// All of them, by the names they have on the command line.
    pub const ALL: [(&'static str, Runner); 13] = [
        ("pytest", Runner::Pytest),
        ("jest", Runner::Jest),
        ("vitest", Runner::Vitest),
        ("playwright", Runner::Playwright),
        ("rspec", Runner::Rspec),
        ("gotest", Runner::Gotest),
        ("cargo-nextest", Runner::CargoNextest),
        ("junit", Runner::Maven),
        ("maven", Runner::Maven),
        ("gradle", Runner::Gradle),
        ("mocha", Runner::Mocha),
        ("phpunit", Runner::Phpunit),
        ("generic", Runner::Generic),
    ];

    /// The runner with this name.
    pub fn named(name: &str) -> Option<Runner> {
        Runner::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, runner)| runner)
    }

    /// Cuts what a list has into what belongs together, a file, class or package, and the single test in it.
    pub(crate) fn cut(self, item: &str) -> (&str, Option<&str>) {
        let parts = match self {
            Runner::Pytest => item.split_once("::"),
            Runner::CargoNextest => item.split_once(char::is_whitespace),
            Runner::Maven | Runner::Gradle => item.split_once('#'),
            Runner::Rspec => match item.find('[') {
                Some(at) if item.ends_with(']') => Some((&item[..at], &item[at..])),
                Some(_) | None => with_line(item),
            },
            Runner::Playwright => with_line(item),
            Runner::Jest
            | Runner::Vitest
            | Runner::Gotest
            | Runner::Mocha
            | Runner::Phpunit
            | Runner::Generic => None,
        };
        match parts {
            Some((group, case)) if !group.is_empty() && !case.trim().is_empty() => (group, Some(case.trim())),
            Some(_) | None => (item, None),
        }
    }

    /// What a recorded test is called within its group, as [`cut`](Runner::cut) gives it; the group ends where its
    /// class goes on.
    pub(crate) fn inner(self, case: &Case, class_rest: &str) -> String {
        match self {
            Runner::Pytest if !class_rest.is_empty() => {
                format!("{}::{}", class_rest.replace('.', "::"), case.name)
            }
            Runner::Maven | Runner::Gradle => case.name.trim_end_matches("()").to_owned(),
            Runner::Pytest
            | Runner::Jest
            | Runner::Vitest
            | Runner::Playwright
            | Runner::Rspec
            | Runner::Gotest
            | Runner::CargoNextest
            | Runner::Mocha
            | Runner::Phpunit
            | Runner::Generic => case.name.clone(),
        }
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Runner::ALL.into_iter().find(|(_, runner)| runner == self);
        f.write_str(name.map_or("generic", |(name, _)| name))
    }
}

/// `file:12` and `file:12:3`.
fn with_line(item: &str) -> Option<(&str, &str)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (before, last) = item.rsplit_once(':').filter(|(_, last)| is_number(last))?;
    match before.rsplit_once(':') {
        Some((file, line)) if is_number(line) => Some((file, &item[file.len() + 1..])),
        Some(_) | None => Some((before, last)),
    }
}

/// What a test is called wherever it must be told from all others: its class or file, and its name.
pub fn case_id(case: &Case) -> String {
    let place = [Some(case.class.as_str()), case.file.as_deref(), case.suites.last().map(String::as_str)];
    let place = place.into_iter().flatten().find(|place| !place.is_empty()).unwrap_or_default();
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    if place.is_empty() || place == case.name {
        one_line(&case.name)
    } else {
        format!("{}::{}", one_line(place), one_line(&case.name))
    }
}

/// What each test came to, when a document, or several together, name it more than once: one that failed and passed in
/// the end is flaky. In the order in which they are named first.
pub(crate) fn merged(cases: &[Case]) -> Vec<(String, Outcome, &Case)> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut all: Vec<(String, Outcome, &Case)> = Vec::new();
    for case in cases {
        let id = case_id(case);
        match places.get(&id) {
            None => {
                places.insert(id.clone(), all.len());
                all.push((id, case.outcome, case));
            }
            Some(place) => {
                let before = all[*place].1;
                all[*place].1 = match (before, case.outcome) {
                    (same, now) if same == now => same,
                    (Outcome::Skipped, now) => now,
                    (before, Outcome::Skipped) => before,
                    // Passed at least once: it depends on luck.
                    (Outcome::Passed | Outcome::Flaky, _) | (_, Outcome::Passed | Outcome::Flaky) => {
                        Outcome::Flaky
                    }
                    (Outcome::Failed, Outcome::Failed) => Outcome::Failed,
                };
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_as_the_runners_write_them() {
        let check = |runner: Runner, item: &str, expect: (&str, Option<&str>)| {
            assert_eq!(runner.cut(item), expect, "{item}");
        };
        check(Runner::Pytest, "tests/a.py::TestX::test_y[1::2]", ("tests/a.py", Some("TestX::test_y[1::2]")));
        check(Runner::Pytest, "tests/a.py", ("tests/a.py", None));
        check(Runner::Rspec, "./spec/a_spec.rb[1:2]", ("./spec/a_spec.rb", Some("[1:2]")));
        check(Runner::Rspec, "./spec/a_spec.rb:12", ("./spec/a_spec.rb", Some("12")));
        check(Runner::Playwright, "e2e/a.spec.ts:12:3", ("e2e/a.spec.ts", Some("12:3")));
        check(Runner::CargoNextest, "shipway::bin/x mod::test", ("shipway::bin/x", Some("mod::test")));
        check(Runner::Maven, "a.B#c", ("a.B", Some("c")));
        check(Runner::Jest, "src/a:1.test.js", ("src/a:1.test.js", None));
        check(Runner::Generic, "a::b", ("a::b", None));
    }

    #[test]
    fn a_test_that_failed_and_passed_is_flaky() {
        let case = |name: &str, outcome| Case {
            suites: vec!["s".to_owned()],
            class: "c".to_owned(),
            name: name.to_owned(),
            file: None,
            took: None,
            outcome,
        };
        let cases = [
            case("a", Outcome::Failed),
            case("b", Outcome::Failed),
            case("a", Outcome::Passed),
            case("b", Outcome::Failed),
            case("a", Outcome::Failed),
            case("d", Outcome::Skipped),
        ];
        let found: Vec<_> = merged(&cases).into_iter().map(|(id, outcome, _)| (id, outcome)).collect();
        let expect = [("c::a", Outcome::Flaky), ("c::b", Outcome::Failed), ("c::d", Outcome::Skipped)];
        assert_eq!(found, expect.map(|(id, outcome)| (id.to_owned(), outcome)));
    }
}
