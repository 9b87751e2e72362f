//! How long what is listed takes, by what was recorded of single tests.

use crate::{Case, Runner, Unit};
use std::{collections::BTreeMap, time::Duration};

/// What takes as long as nobody knows, when nothing is known at all.
const UNKNOWN: Duration = Duration::from_secs(1);

/// Paths with more folders are matched by their last ones.
const FOLDERS: usize = 32;

/// Times of listed groups and of the tests in them.
#[derive(Clone, Debug, Default)]
pub struct Times {
    groups: BTreeMap<String, Duration>,
    cases: BTreeMap<(String, String), Duration>,
}

/// What is shared out, and which lines of the list it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) unit: Unit,
    pub(crate) items: Vec<usize>,
}

/// Finds the group of a recorded test, however its runner writes paths and classes.
struct Index<'l> {
    /// Groups by their path and by the ends of it; none where several groups end so.
    paths: BTreeMap<&'l str, Option<&'l str>>,
    /// Groups by their path with dots, without the ending.
    dots: BTreeMap<String, &'l str>,
}

impl Times {
    /// The times of the groups in a list, from recorded tests and how long each takes.
    pub fn of(runner: Runner, listed: &[String], recorded: &[(Case, Duration)]) -> Times {
        let index = Index::new(runner, listed);
        let mut times = Times::default();
        for (case, took) in recorded {
            let Some((group, rest)) = index.find(case) else { continue };
            *times.groups.entry(group.to_owned()).or_default() += *took;
            *times.cases.entry((group.to_owned(), runner.inner(case, &rest))).or_default() += *took;
        }
        times
    }

    /// How many groups have times.
    pub fn known(&self) -> usize {
        self.groups.len()
    }

    /// What is to be shared out over `total` shards: groups, and the single tests of those that would fill more than a
    /// shard by themselves, as far as the list has single tests.
    pub(crate) fn shares(&self, runner: Runner, listed: &[String], total: usize) -> Vec<Share> {
        let mut groups: BTreeMap<&str, Vec<(usize, Option<&str>)>> = BTreeMap::new();
        for (number, item) in listed.iter().enumerate() {
            let (group, case) = runner.cut(item);
            groups.entry(group).or_default().push((number, case));
        }
        let case_middle = middle(self.cases.values().copied()).unwrap_or(UNKNOWN);
        let case_takes = |group: &str, case: &str| {
            self.cases.get(&(group.to_owned(), case.to_owned())).copied().unwrap_or(case_middle)
        };
        let group_middle = middle(groups.keys().filter_map(|group| self.groups.get(*group).copied()));
        let takes = |group: &str, items: &[(usize, Option<&str>)]| {
            let cases: Option<Vec<&str>> = items.iter().map(|(_, case)| *case).collect();
            match (cases, self.groups.get(group)) {
                (Some(cases), _) => cases.iter().map(|case| case_takes(group, case)).sum(),
                (None, Some(takes)) => *takes,
                (None, None) => group_middle.unwrap_or(UNKNOWN),
            }
        };
        let all: Vec<_> =
            groups.into_iter().map(|(group, items)| (group, takes(group, &items), items)).collect();
        let sum: Duration = all.iter().map(|(_, takes, _)| *takes).sum();
        let target = sum / u32::try_from(total.max(1)).unwrap_or(u32::MAX);
        let mut shares = Vec::new();
        for (group, takes, items) in all {
            let single = items.iter().all(|(_, case)| case.is_some());
            if takes > target && single && items.len() > 1 {
                for (number, case) in items {
                    let takes = case.map_or(case_middle, |case| case_takes(group, case));
                    let unit = Unit { name: listed[number].clone(), takes };
                    shares.push(Share { unit, items: vec![number] });
                }
            } else {
                let unit = Unit { name: group.to_owned(), takes };
                shares.push(Share { unit, items: items.into_iter().map(|(number, _)| number).collect() });
            }
        }
        shares
    }
}

impl<'l> Index<'l> {
    fn new(runner: Runner, listed: &'l [String]) -> Index<'l> {
        let mut index = Index { paths: BTreeMap::new(), dots: BTreeMap::new() };
        let mut groups: Vec<&str> = listed.iter().map(|item| runner.cut(item).0).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in &groups {
            for end in ends(group).skip(1) {
                index.paths.entry(end).and_modify(|known| *known = None).or_insert(Some(group));
            }
            let plain = plain(group);
            let stem = plain.rsplit_once('.').map_or(plain, |(stem, _)| stem);
            index.dots.insert(stem.replace('/', "."), group);
        }
        // A whole name counts for more than the end of another.
        for group in groups {
            index.paths.insert(plain(group), Some(group));
        }
        index
    }

    /// The group of a test, and what its class has beyond the group.
    fn find(&self, case: &Case) -> Option<(&'l str, String)> {
        let names = case.file.iter().chain([&case.class]).chain(case.suites.iter().rev());
        for name in names.filter(|name| !name.is_empty()) {
            for end in ends(name) {
                if let Some(Some(group)) = self.paths.get(end) {
                    return Some((group, self.beyond(case, group)));
                }
            }
        }
        let mut class = case.class.as_str();
        loop {
            if let Some(group) = self.dots.get(class) {
                return Some((group, self.beyond(case, group)));
            }
            class = class.rsplit_once('.')?.0;
        }
    }

    fn beyond(&self, case: &Case, group: &str) -> String {
        let plain = plain(group);
        let stem = plain.rsplit_once('.').map_or(plain, |(stem, _)| stem).replace('/', ".");
        let rest = case.class.strip_prefix(&stem).and_then(|rest| rest.strip_prefix('.'));
        rest.unwrap_or_default().to_owned()
    }
}

fn plain(path: &str) -> &str {
    path.trim_start_matches("./")
}

/// A path, and what is left of it without its first folders.
fn ends(path: &str) -> impl Iterator<Item = &str> {
    let path = plain(path);
    let cuts = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
    std::iter::once(path).chain(cuts.take(FOLDERS)).filter(|end| !end.is_empty())
}

fn middle(takes: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut takes: Vec<Duration> = takes.collect();
    takes.sort_unstable();
    takes.get(takes.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    fn case(class: &str, name: &str, file: Option<&str>, suite: &str) -> Case {
        Case {
            suites: vec![suite.to_owned()],
            class: class.to_owned(),
            name: name.to_owned(),
            file: file.map(str::to_owned),
            took: None,
            outcome: Outcome::Passed,
        }
    }

    fn check(runner: Runner, listed: &[&str], recorded: Case, expect: Option<&str>) {
        let listed: Vec<String> = listed.iter().map(|item| (*item).to_owned()).collect();
        let times = Times::of(runner, &listed, &[(recorded.clone(), Duration::from_secs(2))]);
        assert_eq!(times.groups.keys().next().map(String::as_str), expect, "{recorded:?}");
    }

    #[test]
    fn recorded_tests_find_their_files() {
        let listed = ["./tests/a_test.py", "tests/sub/b_test.py", "other/sub/b_test.py"];
        check(
            Runner::Pytest,
            &listed,
            case("tests.a_test.TestX", "t", None, "pytest"),
            Some("./tests/a_test.py"),
        );
        check(Runner::Pytest, &listed, case("tests.a_testing", "t", None, "pytest"), None);
        check(
            Runner::Phpunit,
            &listed,
            case("", "t", Some("/home/x/tests/sub/b_test.py"), "s"),
            Some("tests/sub/b_test.py"),
        );
        check(
            Runner::Playwright,
            &listed,
            case("a_test.py", "t", None, "a_test.py"),
            Some("./tests/a_test.py"),
        );
        check(
            Runner::Vitest,
            &listed,
            case("x", "t", None, "tests/sub/b_test.py"),
            Some("tests/sub/b_test.py"),
        );
        // Two files end like this.
        check(Runner::Mocha, &listed, case("", "t", Some("b_test.py"), "s"), None);
        check(
            Runner::Gotest,
            &["example.com/m/a"],
            case("example.com/m/a", "TestX", None, "s"),
            Some("example.com/m/a"),
        );
        check(Runner::Maven, &["com.x.ATest"], case("com.x.ATest", "t", None, "s"), Some("com.x.ATest"));
    }

    #[test]
    fn the_slow_are_taken_apart_and_the_unknown_take_the_middle() {
        let listed: Vec<String> =
            ["a.py::t1", "a.py::T::t2", "b.py::t", "c.py::t", "new.py::t"].map(str::to_owned).to_vec();
        let recorded = [("a", "t1", 50), ("a.T", "t2", 70), ("b", "t", 10), ("c", "t", 12)]
            .map(|(class, name, took)| (case(class, name, None, "s"), Duration::from_secs(took)));
        let times = Times::of(Runner::Pytest, &listed, &recorded);
        let shares: Vec<(String, u64)> = times
            .shares(Runner::Pytest, &listed, 3)
            .into_iter()
            .map(|share| (share.unit.name, share.unit.takes.as_secs()))
            .collect();
        let expect = [("a.py::t1", 50), ("a.py::T::t2", 70), ("b.py", 10), ("c.py", 12), ("new.py", 50)];
        assert_eq!(shares, expect.map(|(name, takes)| (name.to_owned(), takes)));
    }
}
