//! The field's own test data, which lies outside of the repository: reading it and counting what passed.

use serde_json::Value as Json;
use shipway_analysis::condition::Value;
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

/// Written past the test harness, which would keep the words of a passing test to itself.
pub(crate) fn say(line: &str) {
    // The harness may stand in the middle of a line of dots.
    writeln!(std::io::stdout(), "\n{line}").expect("standard output is open");
}

/// A file of the conformance data; none, said loudly, where the data is not there.
#[expect(
    clippy::disallowed_methods,
    reason = "only tests know of this folder, so no product code hands it down"
)]
pub(crate) fn json(path: &str) -> Option<Json> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let found = std::env::var_os("SHIPWAY_CONFORMANCE").map_or_else(beside, PathBuf::from).join(path);
    if !found.exists() {
        say(&format!("!!! NOT TESTED: no conformance data at {} (set SHIPWAY_CONFORMANCE)", found.display()));
        return None;
    }
    let text = std::fs::read_to_string(&found).unwrap_or_else(|e| panic!("{}: {e}", found.display()));
    Some(serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", found.display())))
}

/// The cases of a file: name, input, what is expected.
pub(crate) fn cases(file: &Json) -> impl Iterator<Item = (&str, &Json, &Json)> {
    let all = file["cases"].as_array().expect("a list of cases");
    all.iter().map(|case| (case["name"].as_str().unwrap_or_default(), &case["input"], &case["expect"]))
}

/// What became of a case.
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    /// It is about something this version refuses, named.
    LeftOut(&'static str),
}

/// Passed when it holds.
pub(crate) fn expect(holds: bool, got: impl FnOnce() -> String) -> Outcome {
    if holds { Outcome::Passed } else { Outcome::Failed(got()) }
}

/// Counts cases.
pub(crate) struct Tally {
    suite: &'static str,
    passed: usize,
    failures: Vec<String>,
    left_out: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn new(suite: &'static str) -> Tally {
        Tally { suite, passed: 0, failures: Vec::new(), left_out: BTreeMap::new() }
    }

    pub(crate) fn record(&mut self, case: &str, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(why) => self.failures.push(format!("{case}: {why}")),
            Outcome::LeftOut(what) => *self.left_out.entry(what).or_default() += 1,
        }
    }

    /// Prints the count and fails when any case did that was not left out, or when fewer than so many passed.
    pub(crate) fn finish(self, at_least: usize) {
        let left_out: usize = self.left_out.values().sum();
        let total = self.passed + self.failures.len() + left_out;
        let names: Vec<String> =
            self.left_out.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let rest = match left_out {
            0 => String::new(),
            _ => format!(" (left out: {left_out}, {})", names.join("; ")),
        };
        say(&format!("conformance: analysis {}: {}/{total}{rest}", self.suite, self.passed));
        assert!(self.failures.is_empty(), "{} failed:\n{}", self.failures.len(), self.failures.join("\n"));
        assert!(self.passed >= at_least, "only {} passed, {at_least} did before", self.passed);
    }
}

/// A value of conditions from JSON; `{"$float": x}` is a float.
pub(crate) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().expect("a number")),
        },
        Json::String(text) => Value::string(text),
        Json::Array(items) => Value::array(items.iter().map(value).collect()),
        Json::Object(pairs) => match pairs.get("$float") {
            Some(number) => Value::Float(float(number)),
            None => Value::map(pairs.iter().map(|(key, item)| (key.clone(), value(item))).collect()),
        },
    }
}

/// A float, perhaps by name (`NaN`, `+Inf`, `-Inf`).
pub(crate) fn float(json: &Json) -> f64 {
    match json.as_str() {
        Some(name) => name.parse().unwrap_or_else(|_| panic!("{name}")),
        None => json.as_f64().expect("a number"),
    }
}
