//! The arguments by which a runner runs exactly some of its tests.

use crate::{Case, Outcome, Runner, Times, plan, runner::merged};
use std::collections::{BTreeMap, BTreeSet};

impl Times {
    /// Shares a list out: for each shard its items, in the order of the list, and how long it takes.
    pub fn share_out<'l>(
        &self,
        runner: Runner,
        listed: &'l [String],
        total: usize,
    ) -> Vec<(Vec<&'l str>, std::time::Duration)> {
        let shares = self.shares(runner, listed, total);
        let units: Vec<_> = shares.iter().map(|share| share.unit.clone()).collect();
        let plan = plan(&units, total);
        let mut numbers = vec![BTreeSet::new(); plan.loads.len()];
        for (share, shard) in shares.iter().zip(&plan.shards) {
            numbers[*shard].extend(share.items.iter().copied());
        }
        let items =
            |numbers: &BTreeSet<usize>| numbers.iter().map(|number| listed[*number].as_str()).collect();
        numbers.iter().map(items).zip(plan.loads).collect()
    }
}

/// The arguments for these items of a list, one a line. None when there is nothing to run: many runners run everything
/// when they are given nothing.
pub fn arguments(runner: Runner, items: &[&str]) -> Option<Vec<String>> {
    if items.is_empty() {
        return None;
    }
    let own = || items.iter().map(|item| (*item).to_owned()).collect();
    Some(match runner {
        Runner::CargoNextest => {
            let one = |item: &&str| match runner.cut(item) {
                (binary, Some(test)) => format!("(binary_id(={binary}) & test(={test}))"),
                (binary, None) => format!("binary_id(={binary})"),
            };
            vec!["-E".to_owned(), items.iter().map(one).collect::<Vec<_>>().join(" | ")]
        }
        Runner::Maven => vec![format!("-Dtest={}", classes(runner, items).join(","))],
        Runner::Gradle => {
            items.iter().flat_map(|item| ["--tests".to_owned(), item.replace('#', ".")]).collect()
        }
        Runner::Pytest
        | Runner::Jest
        | Runner::Vitest
        | Runner::Playwright
        | Runner::Rspec
        | Runner::Gotest
        | Runner::Mocha
        | Runner::Phpunit
        | Runner::Generic => own(),
    })
}

/// `Class#a+b` for each class.
fn classes(runner: Runner, items: &[&str]) -> Vec<String> {
    let mut classes: BTreeMap<&str, Option<Vec<&str>>> = BTreeMap::new();
    for item in items {
        match runner.cut(item) {
            (class, Some(method)) => {
                if let Some(methods) = classes.entry(class).or_insert_with(|| Some(Vec::new())) {
                    methods.push(method);
                }
            }
            // The whole class runs its methods too.
            (class, None) => drop(classes.insert(class, None)),
        }
    }
    let one = |(class, methods): (&str, Option<Vec<&str>>)| match methods {
        Some(methods) => format!("{class}#{}", methods.join("+")),
        None => class.to_owned(),
    };
    classes.into_iter().map(one).collect()
}

/// The arguments that run the failed tests again, one a line; none when no test failed. For `go test` each line is the
/// arguments of one call, since it takes one filter for all packages. `exists` tells whether there is such a file, for
/// runners whose results name classes only.
pub fn again(runner: Runner, results: &[Case], exists: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let failed: Vec<&Case> = merged(results)
        .into_iter()
        .filter(|(_, outcome, _)| *outcome == Outcome::Failed)
        .map(|(_, _, case)| case)
        .collect();
    if failed.is_empty() {
        return None;
    }
    let file = |case: &Case| {
        let named = case.file.clone().or_else(|| {
            let all = std::iter::once(&case.class).chain(case.suites.iter().rev());
            all.into_iter().find(|name| exists(name)).cloned()
        });
        named.unwrap_or_else(|| case.class.clone())
    };
    Some(match runner {
        Runner::Pytest => failed.iter().map(|case| node_id(case, &exists)).collect(),
        Runner::Jest => by_name(&failed, file, "-t", |case| case.name.clone()),
        Runner::Vitest => by_name(&failed, file, "-t", |case| case.name.replace(" > ", " ")),
        Runner::Playwright => by_name(&failed, file, "--grep", |case| case.name.replace(" › ", " ")),
        Runner::Mocha => by_name(&failed, file, "--grep", |case| case.name.clone()),
        Runner::Rspec => {
            let files: BTreeSet<String> = failed.iter().map(|case| file(case)).collect();
            let names = failed.iter().flat_map(|case| ["-e".to_owned(), case.name.clone()]);
            files.into_iter().chain(names).collect()
        }
        Runner::Gotest => {
            let mut packages: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for case in &failed {
                // A part of a test runs with the whole of it.
                let test = case.name.split('/').next().unwrap_or_default();
                packages.entry(&case.class).or_default().insert(test);
            }
            let line = |(package, tests): (&str, BTreeSet<&str>)| {
                format!("-run ^({})$ {package}", tests.into_iter().collect::<Vec<_>>().join("|"))
            };
            packages.into_iter().map(line).collect()
        }
        Runner::CargoNextest => {
            let items: Vec<String> =
                failed.iter().map(|case| format!("{} {}", case.class, case.name)).collect();
            return arguments(runner, &items.iter().map(String::as_str).collect::<Vec<_>>());
        }
        Runner::Maven | Runner::Gradle => {
            let method = |case: &Case| case.name.split(['(', '[']).next().unwrap_or_default().to_owned();
            let items: BTreeSet<String> =
                failed.iter().map(|case| format!("{}#{}", case.class, method(case))).collect();
            return arguments(runner, &items.iter().map(String::as_str).collect::<Vec<_>>());
        }
        Runner::Phpunit => {
            let names: Vec<String> = failed
                .iter()
                .map(|case| literal(&format!("{}::{}", case.class.replace('.', "\\"), case.name)))
                .collect();
            vec!["--filter".to_owned(), format!("/^({})$/", names.join("|").replace('/', "\\/"))]
        }
        Runner::Generic => failed.iter().map(|case| crate::case_id(case)).collect(),
    })
}

/// Files, and one filter for names.
fn by_name(
    failed: &[&Case],
    file: impl Fn(&Case) -> String,
    flag: &str,
    name: impl Fn(&Case) -> String,
) -> Vec<String> {
    let files: BTreeSet<String> =
        failed.iter().map(|case| file(case)).filter(|file| !file.is_empty()).collect();
    let names: BTreeSet<String> = failed.iter().map(|case| literal(&name(case))).collect();
    let names = names.into_iter().collect::<Vec<_>>().join("|");
    files.into_iter().chain([flag.to_owned(), format!("({names})$")]).collect()
}

/// pytest's node id. Without a file in the results, the longest beginning of the class that is a file is one. What has
/// no class is a file that could not be read as tests, named as a module.
fn node_id(case: &Case, exists: &impl Fn(&str) -> bool) -> String {
    if case.class.is_empty() && case.file.is_none() {
        return match exists(&case.name) {
            true => case.name.clone(),
            false => format!("{}.py", case.name.replace('.', "/")),
        };
    }
    let parts: Vec<&str> = case.class.split('.').collect();
    let known = case.file.as_deref().map(|file| file.trim_end_matches(".py").replace('/', "."));
    for length in (1..=parts.len()).rev() {
        let (module, rest) = parts.split_at(length);
        let path = format!("{}.py", module.join("/"));
        if known.as_ref().map_or_else(|| exists(&path), |known| *known == module.join(".")) {
            let inner: Vec<&str> = rest.iter().copied().chain([case.name.as_str()]).collect();
            return format!("{path}::{}", inner.join("::"));
        }
    }
    let file = case.file.clone().unwrap_or_else(|| format!("{}.py", case.class.replace('.', "/")));
    format!("{file}::{}", case.name)
}

/// A text as a regular expression that means just it.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\^$.|?*+()[]{}".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: &str, name: &str, file: Option<&str>) -> Case {
        Case {
            suites: vec!["suite".to_owned()],
            class: class.to_owned(),
            name: name.to_owned(),
            file: file.map(str::to_owned),
            took: None,
            outcome: Outcome::Failed,
        }
    }

    fn check(runner: Runner, cases: &[Case], expect: &[&str]) {
        let found = again(runner, cases, |path| path == "tests/test_a.py").expect("failures");
        assert_eq!(found, expect, "{runner}");
    }

    #[test]
    fn failed_tests_are_run_again_in_the_words_of_each_runner() {
        check(
            Runner::Pytest,
            &[failed("tests.test_a.TestX", "test_y[1]", None)],
            &["tests/test_a.py::TestX::test_y[1]"],
        );
        check(Runner::Pytest, &[failed("t.b", "x", Some("t/b.py"))], &["t/b.py::x"]);
        // As pytest names what it could not import.
        check(Runner::Pytest, &[failed("", "tests.test_err", None)], &["tests/test_err.py"]);
        check(Runner::Pytest, &[failed("", "tests/test_a.py", None)], &["tests/test_a.py"]);
        let two =
            [failed("sum adds (1)", "sum adds (1)", Some("a.test.js")), failed("x", "y", Some("a.test.js"))];
        check(Runner::Jest, &two, &["a.test.js", "-t", "(sum adds \\(1\\)|y)$"]);
        check(
            Runner::Vitest,
            &[failed("a.test.ts", "sum > adds", Some("a.test.ts"))],
            &["a.test.ts", "-t", "(sum adds)$"],
        );
        check(
            Runner::Rspec,
            &[failed("spec.a", "adds 1", Some("./spec/a_spec.rb"))],
            &["./spec/a_spec.rb", "-e", "adds 1"],
        );
        let go =
            [failed("m/a", "TestX/sub", None), failed("m/a", "TestY", None), failed("m/b", "TestX", None)];
        check(Runner::Gotest, &go, &["-run ^(TestX|TestY)$ m/a", "-run ^(TestX)$ m/b"]);
        check(
            Runner::CargoNextest,
            &[failed("crate::it", "a::b", None)],
            &["-E", "(binary_id(=crate::it) & test(=a::b))"],
        );
        let java = [failed("a.B", "c()", None), failed("a.B", "d[1]", None)];
        check(Runner::Maven, &java, &["-Dtest=a.B#c+d"]);
        check(Runner::Gradle, &java, &["--tests", "a.B.c", "--tests", "a.B.d"]);
        check(Runner::Phpunit, &[failed("App.T", "testX", None)], &["--filter", "/^(App\\\\T::testX)$/"]);
        check(Runner::Generic, &[failed("a", "b", None)], &["a::b"]);
        assert_eq!(again(Runner::Jest, &[], |_| false), None);
    }

    #[test]
    fn lists_become_arguments() {
        assert_eq!(arguments(Runner::Pytest, &[]), None);
        let all = arguments(Runner::Maven, &["a.B#x", "a.C", "a.B#y", "a.C#z"]);
        assert_eq!(all, Some(vec!["-Dtest=a.B#x+y,a.C".to_owned()]));
        let all = arguments(Runner::CargoNextest, &["b t::x", "c"]);
        assert_eq!(
            all,
            Some(vec!["-E".to_owned(), "(binary_id(=b) & test(=t::x)) | binary_id(=c)".to_owned()])
        );
    }
}
