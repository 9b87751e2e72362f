//! The field's own test suites, run from the project's tests, printed as passed/total and kept in `docs/conformance.txt`.

use crate::process::{command, run_lines, say};
use anyhow::{Context as _, Result, bail};
use std::{collections::BTreeMap, fmt, fs, path::Path};

/// Where the counts of the last run are kept, relative to the root.
pub(crate) const RESULTS: &str = "docs/conformance.txt";

/// What a test prints before the count of a suite.
const MARK: &str = "conformance: ";

/// The count of one suite. Cases that are left out are part of the total, and are told with their reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) total: u64,
    pub(crate) left_out: u64,
    /// Why cases are left out; empty when none is.
    reasons: String,
}

/// The counts of all suites by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Results(BTreeMap<String, Count>);

impl Count {
    /// Whether every case that was not left out passed.
    pub(crate) fn is_whole(&self) -> bool {
        self.passed + self.left_out == self.total && self.passed > 0
    }

    /// Reads `17/20` or `17/20 (left out: 3, why)`.
    fn parse(text: &str) -> Option<Count> {
        let (counts, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (passed, total) = counts.split_once('/')?;
        let (passed, total) = (passed.parse().ok()?, total.parse().ok()?);
        if rest.is_empty() {
            return Some(Count { passed, total, left_out: 0, reasons: String::new() });
        }
        let (number, reasons) = rest.strip_prefix("(left out: ")?.strip_suffix(')')?.split_once(", ")?;
        Some(Count { passed, total, left_out: number.parse().ok()?, reasons: reasons.to_owned() })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.passed, self.total)?;
        match self.left_out {
            0 => Ok(()),
            number => write!(f, " (left out: {number}, {})", self.reasons),
        }
    }
}

impl Results {
    /// The counts that are committed.
    pub(crate) fn committed(root: &Path) -> Result<Results> {
        let path = root.join(RESULTS);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Results::parse(&text)
    }

    /// Reads the lines of the file.
    pub(crate) fn parse(text: &str) -> Result<Results> {
        let mut results = Results::default();
        for line in text.lines() {
            let read = line.split_once(": ").and_then(|(suite, rest)| Some((suite, Count::parse(rest)?)));
            let Some((suite, count)) = read else { bail!("{RESULTS}: {line:?} is no count of a suite") };
            results.0.insert(suite.to_owned(), count);
        }
        Ok(results)
    }

    /// The count of a suite.
    pub(crate) fn get(&self, suite: &str) -> Option<&Count> {
        self.0.get(suite)
    }

    /// Takes a count out of a line of the tests' output; the harness may have written dots before it. Of two counts of one
    /// suite the lower one is kept.
    pub(crate) fn hear(&mut self, line: &str) -> Result<()> {
        let Some((before, rest)) = line.split_once(MARK) else { return Ok(()) };
        if !before.chars().all(|c| ".iF".contains(c)) && !before.starts_with("test ") {
            return Ok(());
        }
        let heard = Results::parse(rest).with_context(|| format!("a test printed {line:?}"))?;
        for (suite, count) in heard.0 {
            let lower = self.0.get(&suite).is_none_or(|known| count.passed < known.passed);
            if lower {
                self.0.insert(suite, count);
            }
        }
        Ok(())
    }

    /// What is worse here than in `committed`, and what is better or new.
    pub(crate) fn against(&self, committed: &Results) -> (Vec<String>, Vec<String>) {
        let (mut worse, mut better) = (Vec::new(), Vec::new());
        for (suite, before) in &committed.0 {
            match self.0.get(suite) {
                None => worse.push(format!("{suite}: was not run; it passed {before} before")),
                Some(now) if now.passed < before.passed => {
                    worse.push(format!("{suite}: {now}; it was {before} before"));
                }
                Some(now) if now != before => better.push(format!("{suite}: {now}; it was {before} before")),
                Some(_) => {}
            }
        }
        let fresh = self.0.iter().filter(|(suite, _)| !committed.0.contains_key(*suite));
        better.extend(fresh.map(|(suite, count)| format!("{suite}: {count}; it is new")));
        (worse, better)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(suite, count)| writeln!(f, "{suite}: {count}"))
    }
}

/// Runs every test whose name contains `conformance`, repeats the lines that count, and writes them down.
pub(crate) fn run(root: &Path) -> Result<()> {
    let (mut results, mut unread) = (Results::default(), Ok(()));
    let arguments =
        ["test", "--workspace", "--locked", "--tests", "--quiet", "conformance", "--", "--nocapture"];
    let outcome = run_lines(command(root, "cargo").args(arguments), |line| {
        if let Err(error) = results.hear(line) {
            unread = Err(error);
        }
    });
    say("");
    results.to_string().lines().for_each(say);
    if results.is_empty() {
        bail!("no suite was run; is `../shared/conformance` there, or SHIPWAY_CONFORMANCE set?");
    }
    outcome.and(unread)?;
    let text = results.to_string();
    if fs::read_to_string(root.join(RESULTS)).is_ok_and(|before| before == text) {
        say(&format!("{RESULTS} stays as it was"));
    } else {
        fs::write(root.join(RESULTS), text)?;
        say(&format!("wrote {RESULTS}; now run `cargo xtask compatibility`"));
    }
    Ok(())
}

/// Holds the counts of a run of all tests against those that are committed.
pub(crate) fn compare(root: &Path, results: &Results) -> Result<()> {
    if results.is_empty() {
        say(
            "NOT COMPARED: no conformance suite was run; is `../shared/conformance` there, or SHIPWAY_CONFORMANCE set?",
        );
        return Ok(());
    }
    let (worse, better) = results.against(&Results::committed(root)?);
    if !better.is_empty() {
        say(&format!("{RESULTS} is behind; run `cargo xtask conformance`:"));
        better.iter().for_each(|line| say(&format!("  {line}")));
    }
    if !worse.is_empty() {
        bail!("conformance suites pass fewer cases than {RESULTS} says:\n  {}", worse.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(text: &str) -> Results {
        Results::parse(text).expect("counts")
    }

    #[test]
    fn counts_are_read_and_written_alike() {
        let text = "a: 3/3\nb c: 17/20 (left out: 3, 2 are old; 1 is odd (very))\n";
        assert_eq!(results(text).to_string(), text);
        assert!(results(text).0.values().all(Count::is_whole));
        for wrong in ["a", "a: 3", "a: 3/x", "a: 3/3 more", "a: 1/2 (left out: 1)"] {
            assert!(Results::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_are_heard_behind_dots_and_the_lower_of_two_stays() {
        let mut heard = Results::default();
        for line in
            ["..conformance: a: 3/3", "conformance: a: 2/3", "conformance: a: 3/3", "no conformance: x"]
        {
            heard.hear(line).expect("a line");
        }
        assert_eq!(heard, results("a: 2/3"));
        assert!(heard.hear("conformance: a: many").is_err());
    }

    #[test]
    fn fewer_and_missing_are_worse() {
        let committed = results("a: 3/3\nb: 2/2\nc: 1/1\n");
        let (worse, better) = results("a: 2/3\nc: 2/2\nd: 1/1\n").against(&committed);
        assert_eq!(worse, ["a: 2/3; it was 3/3 before", "b: was not run; it passed 2/2 before"]);
        assert_eq!(better, ["c: 2/2; it was 1/1 before", "d: 1/1; it is new"]);
        assert_eq!(committed.against(&committed), (Vec::new(), Vec::new()));
    }
}
