//! The field's own test data, which lies outside of the repository: reading it and counting what passed.

use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

/// A folder of the conformance data; none, said loudly, where the data is not there.
#[expect(
    clippy::disallowed_methods,
    reason = "only tests know of this folder, so no product code hands it down"
)]
pub(crate) fn folder(path: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("SHIPWAY_CONFORMANCE").map_or_else(beside, PathBuf::from);
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    say(&format!("!!! NOT TESTED: no conformance data at {} (set SHIPWAY_CONFORMANCE)", found.display()));
    None
}

/// Written past the test harness, which would keep the words of a passing test to itself.
pub(crate) fn say(line: &str) {
    // The harness may stand in the middle of a line of dots.
    writeln!(std::io::stdout(), "\n{line}").expect("standard output is open");
}

/// A JSON file of the conformance data.
pub(crate) fn json(path: &Path) -> Json {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Counts cases and tells about those that failed.
pub(crate) struct Tally {
    suite: &'static str,
    total: usize,
    failures: Vec<String>,
    left_out: BTreeMap<String, Vec<String>>,
}

impl Tally {
    pub(crate) fn new(suite: &'static str) -> Tally {
        Tally { suite, total: 0, failures: Vec::new(), left_out: BTreeMap::new() }
    }

    pub(crate) fn record(&mut self, case: &str, result: Result<(), String>) {
        self.total += 1;
        if let Err(why) = result {
            self.failures.push(format!("{case}: {why}"));
        }
    }

    /// Counts a case that is not run, or whose outcome differs on purpose, with the reason.
    pub(crate) fn leave_out(&mut self, case: &str, why: &str) {
        self.total += 1;
        self.left_out.entry(why.to_owned()).or_default().push(case.to_owned());
    }

    /// Prints the count, on a line of its own, and fails when any case did, or when there were fewer than `at_least`.
    pub(crate) fn finish(self, at_least: usize) {
        let left_out: usize = self.left_out.values().map(Vec::len).sum();
        let passed = self.total - self.failures.len() - left_out;
        let reasons: Vec<String> = self
            .left_out
            .iter()
            .map(|(why, cases)| match cases.len() {
                1..=3 => format!("{}: {why}", cases.join(", ")),
                many => format!("{many} cases: {why}"),
            })
            .collect();
        let apart = match left_out {
            0 => String::new(),
            _ => format!(" (left out: {left_out}, {})", reasons.join("; ")),
        };
        say(&format!("conformance: {}: {passed}/{}{apart}", self.suite, self.total));
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
        assert!(self.total >= at_least, "only {} cases were found, {at_least} were expected", self.total);
    }
}
