//! What is remembered of tests from run to run: how long they took lately, and what they came to.

use crate::{Case, Outcome, runner::merged};
use std::{collections::BTreeMap, time::Duration};

/// So many times of a test are kept.
const TIMES: usize = 5;

/// So many outcomes of a test are kept.
const OUTCOMES: usize = 20;

/// So many tests are kept; those that were not run for longest are forgotten.
const TESTS: usize = 100_000;

/// All that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Counts the recordings.
    pub turn: u64,
    /// The tests by their ids.
    pub tests: BTreeMap<String, Entry>,
}

/// A test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it was named last.
    pub case: Case,
    /// In milliseconds, the newest last.
    pub times: Vec<u64>,
    /// The commits at which it was run and what it came to there, the newest last.
    pub outcomes: Vec<(String, Outcome)>,
    /// The recording it was in last.
    pub turn: u64,
}

impl Record {
    /// Takes the results of a run at a commit.
    pub fn add(&mut self, cases: &[Case], commit: &str) {
        self.turn += 1;
        for (id, outcome, case) in merged(cases) {
            let entry = self.tests.entry(id).or_insert_with(|| Entry {
                case: case.clone(),
                times: Vec::new(),
                outcomes: Vec::new(),
                turn: 0,
            });
            entry.case = case.clone();
            entry.turn = self.turn;
            if outcome == Outcome::Skipped {
                continue;
            }
            if let Some(took) = case.took {
                entry.times.push(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                let old = entry.times.len().saturating_sub(TIMES);
                entry.times.drain(..old);
            }
            entry.outcomes.push((commit.to_owned(), outcome));
            let old = entry.outcomes.len().saturating_sub(OUTCOMES);
            entry.outcomes.drain(..old);
        }
        self.forget(TESTS);
    }

    fn forget(&mut self, most: usize) {
        if self.tests.len() <= most {
            return;
        }
        let mut turns: Vec<u64> = self.tests.values().map(|entry| entry.turn).collect();
        turns.sort_unstable();
        let oldest = turns[self.tests.len() - most];
        self.tests.retain(|_, entry| entry.turn >= oldest);
        while self.tests.len() > most {
            self.tests.pop_last();
        }
    }

    /// The tests with the middle of their times.
    pub fn times(&self) -> Vec<(Case, Duration)> {
        let middle = |entry: &Entry| {
            let mut times = entry.times.clone();
            times.sort_unstable();
            times.get(times.len() / 2).copied()
        };
        let timed = |entry: &Entry| Some((entry.case.clone(), Duration::from_millis(middle(entry)?)));
        self.tests.values().filter_map(timed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, millis: u64, outcome: Outcome) -> Case {
        Case {
            suites: Vec::new(),
            class: "c".to_owned(),
            name: name.to_owned(),
            file: None,
            took: Some(Duration::from_millis(millis)),
            outcome,
        }
    }

    #[test]
    fn the_middle_of_the_last_times_counts() {
        let mut record = Record::default();
        for millis in [1, 2, 900, 30, 20, 25, 10] {
            record.add(&[case("a", millis, Outcome::Passed), case("b", 5, Outcome::Skipped)], "sha");
        }
        assert_eq!(record.times().len(), 1);
        assert_eq!(record.times()[0].1, Duration::from_millis(25));
        assert_eq!(record.tests["c::a"].outcomes.len(), 7);
    }

    #[test]
    fn tests_that_are_gone_are_forgotten_first() {
        let mut record = Record::default();
        record.add(&[case("old", 1, Outcome::Passed), case("a", 1, Outcome::Passed)], "1");
        record.add(&[case("a", 1, Outcome::Passed), case("b", 1, Outcome::Passed)], "2");
        record.forget(2);
        let names: Vec<&str> = record.tests.keys().map(String::as_str).collect();
        assert_eq!(names, ["c::a", "c::b"]);
        record.forget(1);
        assert_eq!(record.tests.len(), 1);
    }
}
