//! Tests that fail by luck: how they are found, the file that names them, and whether a run failed by them only.

use crate::{Case, Outcome, Record, record::Entry, runner::merged};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// So many changes between passed and failed make a test flaky, when no single commit does.
const FLIPS: usize = 3;

/// Why a test counts as flaky.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It failed and passed at this commit.
    SameCommit(String),
    /// It went from passed to failed or back so many times in so many runs.
    Flips(usize, usize),
}

/// The tests whose failures do not count, as the file in the repository names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Their ids, with the remark above each.
    tests: BTreeMap<String, String>,
    /// The remark at the head of the file.
    head: Vec<String>,
}

/// A line of the file that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Tests that failed and are not in quarantine.
    pub failed: Vec<String>,
    /// Tests that failed and are.
    pub excused: Vec<String>,
    /// Tests that failed and then passed, in quarantine or not.
    pub flaky: Vec<String>,
    /// Tests in quarantine that passed.
    pub recovered: Vec<String>,
    /// Tests in quarantine that are not in the results.
    pub missing: Vec<String>,
    /// How many tests were run.
    pub run: usize,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::SameCommit(commit) => {
                write!(f, "failed and passed at {}", commit.get(..12).unwrap_or(commit))
            }
            Reason::Flips(flips, runs) => write!(f, "changed {flips} times in {runs} runs"),
        }
    }
}

/// The tests that fail by luck, by what is remembered of them.
pub fn flaky(record: &Record) -> Vec<(String, Reason)> {
    record.tests.iter().filter_map(|(id, entry)| Some((id.clone(), reason(entry)?))).collect()
}

fn reason(entry: &Entry) -> Option<Reason> {
    let mut commits: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for (commit, outcome) in &entry.outcomes {
        let (passed, failed) = commits.entry(commit).or_default();
        *passed |= matches!(outcome, Outcome::Passed | Outcome::Flaky);
        *failed |= matches!(outcome, Outcome::Failed | Outcome::Flaky);
    }
    let both =
        entry.outcomes.iter().rev().find(|(commit, _)| commits.get(commit.as_str()) == Some(&(true, true)));
    if let Some((commit, _)) = both {
        return Some(Reason::SameCommit(commit.clone()));
    }
    let flips = entry.outcomes.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    (flips >= FLIPS).then_some(Reason::Flips(flips, entry.outcomes.len()))
}

impl fmt::Display for QuarantineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for QuarantineError {}

impl Quarantine {
    /// Reads the file: a test id on each line, and remarks on lines that begin with `#`, above the test that they are
    /// about. A blank line ends the remark at the head.
    pub fn parse(text: &str) -> Result<Quarantine, QuarantineError> {
        let mut found = Quarantine::default();
        let mut remark: Vec<String> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(text) = line.strip_prefix('#') {
                remark.push(text.trim().to_owned());
            } else if line.is_empty() {
                if found.tests.is_empty() && found.head.is_empty() {
                    found.head = std::mem::take(&mut remark);
                }
                remark.clear();
            } else {
                let id = line.strip_prefix('\\').unwrap_or(line).to_owned();
                let remark = std::mem::take(&mut remark).join(" ");
                if found.tests.insert(id.clone(), remark).is_some() {
                    let message = format!("{id} is named twice");
                    return Err(QuarantineError { line: number + 1, message });
                }
            }
        }
        Ok(found)
    }

    /// Whether it holds a test.
    pub fn holds(&self, id: &str) -> bool {
        self.tests.contains_key(id.trim())
    }

    /// Adds tests with their reasons; gives those that are new.
    pub fn add(&mut self, flaky: &[(String, Reason)], date: &str) -> Vec<String> {
        let mut new = Vec::new();
        for (id, reason) in flaky {
            let id = id.trim();
            if !id.is_empty() && !self.holds(id) {
                self.tests.insert(id.to_owned(), format!("since {date}: {reason}"));
                new.push(id.to_owned());
            }
        }
        new
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let head: Vec<&str> = if self.head.is_empty() {
            vec![
                "Tests whose failures do not count: `shipway split verdict` passes a run in which only these failed.",
                "Each line is a test. Take it out once it is mended.",
            ]
        } else {
            self.head.iter().map(String::as_str).collect()
        };
        for line in head {
            text += &format!("# {line}\n");
        }
        for (id, remark) in &self.tests {
            text.push('\n');
            if !remark.is_empty() {
                text += &format!("# {remark}\n");
            }
            let escape = if id.starts_with(['#', '\\']) { "\\" } else { "" };
            text += &format!("{escape}{id}\n");
        }
        text
    }
}

/// What a run came to, but for the tests in quarantine.
pub fn verdict(results: &[Case], quarantine: &Quarantine) -> Verdict {
    let mut verdict = Verdict::default();
    let mut seen = BTreeSet::new();
    for (id, outcome, _) in merged(results) {
        let held = quarantine.holds(&id);
        seen.insert(id.trim().to_owned());
        match (outcome, held) {
            (Outcome::Failed, true) => verdict.excused.push(id),
            (Outcome::Failed, false) => verdict.failed.push(id),
            (Outcome::Flaky, _) => verdict.flaky.push(id),
            (Outcome::Passed, true) => verdict.recovered.push(id),
            (Outcome::Passed, false) => {}
            (Outcome::Skipped, _) => continue,
        }
        verdict.run += 1;
    }
    verdict.missing = quarantine.tests.keys().filter(|id| !seen.contains(*id)).cloned().collect();
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(name: &str, outcome: Outcome) -> Case {
        Case {
            suites: Vec::new(),
            class: String::new(),
            name: name.to_owned(),
            file: None,
            took: None,
            outcome,
        }
    }

    /// `commit` and `p`assed or `f`ailed.
    fn found(runs: &[(&str, char)]) -> Option<Reason> {
        let mut record = Record::default();
        for (commit, outcome) in runs {
            let outcome = if *outcome == 'p' { Outcome::Passed } else { Outcome::Failed };
            record.add(&[case("t", outcome)], commit);
        }
        flaky(&record).pop().map(|(_, reason)| reason)
    }

    #[test]
    fn luck_is_told_from_breaking_and_mending() {
        assert_eq!(found(&[("a", 'p'), ("b", 'f'), ("c", 'f'), ("d", 'p')]), None);
        assert_eq!(found(&[("a", 'f'), ("a", 'p'), ("b", 'p')]), Some(Reason::SameCommit("a".to_owned())));
        assert_eq!(found(&[("a", 'p'), ("b", 'f'), ("c", 'p'), ("d", 'f')]), Some(Reason::Flips(3, 4)));
        let mut record = Record::default();
        record.add(&[case("t", Outcome::Failed), case("t", Outcome::Passed)], "a");
        assert_eq!(flaky(&record).len(), 1);
    }

    #[test]
    fn only_tests_in_quarantine_are_excused() {
        let quarantine = Quarantine::parse("# why\n\n# luck\na\nb\n\\#c\ngone\n").expect("a file");
        let results = [
            case("a", Outcome::Failed),
            case("b", Outcome::Passed),
            case("#c", Outcome::Failed),
            case("d", Outcome::Failed),
            case("e", Outcome::Skipped),
        ];
        let verdict = verdict(&results, &quarantine);
        assert_eq!(
            (verdict.failed, verdict.excused),
            (vec!["d".to_owned()], vec!["a".to_owned(), "#c".to_owned()])
        );
        assert_eq!((verdict.recovered, verdict.missing), (vec!["b".to_owned()], vec!["gone".to_owned()]));
        assert_eq!(verdict.run, 4);
        assert_eq!(Quarantine::parse("a\na\n").expect_err("twice").line, 2);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ids in prop::collection::btree_set("[^\\p{C}\\s][^\\p{C}]{0,10}[^\\p{C}\\s]", 0..6)) {
            let mut quarantine = Quarantine::default();
            let all: Vec<_> = ids.into_iter().map(|id| (id, Reason::Flips(3, 9))).collect();
            let new = quarantine.add(&all, "2026-01-02");
            prop_assert_eq!(new.len(), all.len());
            let read = Quarantine::parse(&quarantine.to_text()).expect("our own");
            prop_assert_eq!(&read.tests, &quarantine.tests);
            prop_assert!(quarantine.add(&all, "2026-01-03").is_empty());
        }
    }
}
