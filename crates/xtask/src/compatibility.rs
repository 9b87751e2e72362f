//! The compatibility table: made from rows that the product itself is asked about, from the counts of the conformance
//! suites, and from what others document; written into `README.md` and `docs/compatibility.md`.

mod probe;
mod render;
mod row;
mod rows;
mod sources;

use crate::{conformance::Results, process::say};
use anyhow::{Context as _, Result, bail};
use row::Row;
use std::{collections::BTreeSet, fs, path::Path};

/// The page with every row, relative to the root.
const PAGE: &str = "docs/compatibility.md";

/// Writes the table, unless what it would say is not so.
pub(crate) fn run(root: &Path) -> Result<()> {
    let (rows, results) = (rows::rows(), Results::committed(root)?);
    let wrong = untrue(root, &rows, &results);
    if !wrong.is_empty() {
        bail!("the table would not be true:\n  {}", wrong.join("\n  "));
    }
    for (path, text) in written(root, &rows, &results)? {
        if fs::read_to_string(root.join(path)).is_ok_and(|before| before == text) {
            say(&format!("{path} stays as it was"));
        } else {
            fs::write(root.join(path), text)?;
            say(&format!("wrote {path}"));
        }
    }
    Ok(())
}

/// Everything that is wrong: rows that are not so, and files that are not as the table is.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    check_rows(root, &rows::rows(), &Results::committed(root)?)
}

fn check_rows(root: &Path, rows: &[Row], results: &Results) -> Result<Vec<String>> {
    let mut wrong = untrue(root, rows, results);
    for (path, text) in written(root, rows, results)? {
        let found = fs::read_to_string(root.join(path)).unwrap_or_default();
        if found != text {
            let line = found.lines().zip(text.lines()).take_while(|(a, b)| a == b).count() + 1;
            wrong.push(format!(
                "{path}:{line}: is not what the rows and {} give; run `cargo xtask compatibility`",
                crate::conformance::RESULTS
            ));
        }
    }
    Ok(wrong)
}

/// The files with the table in them, as they should be.
fn written(root: &Path, rows: &[Row], results: &Results) -> Result<[(&'static str, String); 2]> {
    let readme = fs::read_to_string(root.join("README.md")).context("README.md")?;
    let readme = render::into_readme(&readme, &render::summary(rows, results))?;
    Ok([("README.md", readme), (PAGE, render::page(rows, results))])
}

/// What rows say and is not so.
fn untrue(root: &Path, rows: &[Row], results: &Results) -> Vec<String> {
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for row in rows {
        let mut complain = |why: String| wrong.push(format!("{}: {}: {why}", row.area.title(), row.feature));
        if let Some(why) = probe::complaint(row.claim, &row.probe) {
            complain(why);
        }
        if !seen.insert((row.area, row.feature)) {
            complain("stands there twice".to_owned());
        }
        if matches!(row.probe, row::Probe::Run) && row.suites.is_empty() && row.tests.is_empty() {
            complain("nothing shows it: no probe, no suite, no test".to_owned());
        }
        for suite in row.suites {
            match results.get(suite) {
                None => complain(format!("{} has no suite {suite:?}", crate::conformance::RESULTS)),
                Some(count) if !count.is_whole() => {
                    complain(format!("the suite {suite:?} does not pass: {count}"))
                }
                Some(_) => {}
            }
        }
        for row::Test(file, name) in row.tests {
            let path = Path::new("crates").join(file);
            let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
            if !has_test(&text, name) {
                complain(format!("{} has no test {name}", path.display()));
            }
        }
        for product in row::Product::ALL {
            let page = match row.said(product) {
                row::Said::Nothing => continue,
                row::Said::Works(page) | row::Said::Partly(_, page) | row::Said::Missing(_, page) => page,
            };
            if page.source().product != product {
                complain(format!("cites a page of {} for {}", page.source().product.name(), product.name()));
            }
        }
    }
    wrong
}

/// Whether a file has a function of this name with the attribute of a test above it.
fn has_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    let above = text[..at].lines().rev().take_while(|line| !line.trim_end().ends_with('}'));
    above.take(8).any(|line| line.contains("#[test]") || line.contains("#[tokio::test"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use row::{Area, Page, Probe, Product, Said, Test, works};

    #[test]
    fn the_table_is_true_and_written() {
        let wrong = check(&crate::root()).expect("the files can be read");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    fn complaints(row: Row) -> String {
        let results = Results::parse("good: 2/3 (left out: 1, why)\nbad: 1/2\n").expect("counts");
        untrue(&crate::root(), &[row], &results).join("\n")
    }

    const GOOD: Probe =
        Probe::Plan { event: "push", text: "on: push\njobs: {a: {runs-on: x, steps: [{run: make}]}}" };

    #[test]
    fn planted_faults_are_found() {
        let row = |probe| works(Area::Jobs, "a feature", probe);
        let check = |row: Row, expect: &str| {
            let found = complaints(row);
            assert!(found.contains(expect), "{found:?} instead of {expect:?}");
        };
        let unknown = Probe::Plan { event: "push", text: "on: push\njobz: {}" };
        let elsewhere =
            Probe::Plan { event: "release", text: "on: push\njobs: {a: {runs-on: x, steps: [{run: make}]}}" };
        check(row(unknown), "claimed to work, and refused");
        check(row(elsewhere), "not started by its event");
        check(row(GOOD).refused("SW0105"), "claimed to be refused with SW0105, and it works");
        check(row(unknown).refused("SW0105"), "refused otherwise");
        check(row(Probe::Run).refused("SW0105"), "without a probe");
        check(row(Probe::Value { text: "1 + 1", json: "2" }), "claimed to work, and refused");
        check(row(Probe::Value { text: "1 < 2", json: "false" }), "gives true, and not false");
        check(row(Probe::Run), "nothing shows it");
        check(row(GOOD).suites(&["none"]), "has no suite");
        check(row(GOOD).suites(&["bad"]), "does not pass: 1/2");
        check(row(GOOD).tests(&[Test("xtask/src/main.rs", "main")]), "has no test main");
        check(row(GOOD).tests(&[Test("nowhere.rs", "main")]), "has no test main");
        check(row(GOOD).act(Said::Works(Page::GiteaFaq)), "cites a page of Gitea for act");
        assert_eq!(complaints(row(GOOD).suites(&["good"])), "");
        let twice = untrue(&crate::root(), &[row(GOOD), row(GOOD)], &Results::default());
        assert_eq!(twice, ["Keys of a job: a feature: stands there twice"]);
    }

    #[test]
    fn a_table_that_was_edited_or_is_behind_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let rows = [works(Area::Jobs, "a feature", GOOD).suites(&["good"])];
        let results = Results::parse("good: 2/2\n").expect("counts");
        fs::create_dir_all(root.join("docs")).expect("a folder");
        let readme = format!("# X\n\n{}\n{}\n\nrest\n", render::BEGIN, render::END);
        fs::write(root.join("README.md"), readme).expect("written");
        for (path, text) in written(root, &rows, &results).expect("a table") {
            fs::write(root.join(path), text).expect("written");
        }
        let wrong = |results: &Results| check_rows(root, &rows, results).expect("checked").len();
        assert_eq!(wrong(&results), 0);
        assert_eq!(wrong(&Results::parse("good: 3/3\n").expect("counts")), 2, "both files are behind");
        let page = fs::read_to_string(root.join(PAGE)).expect("the page");
        fs::write(root.join(PAGE), page.replace("a feature", "another")).expect("written");
        assert_eq!(wrong(&results), 1);
        fs::write(root.join("README.md"), "no marks").expect("written");
        assert!(check_rows(root, &rows, &results).is_err());
    }

    #[test]
    fn tests_are_told_from_other_functions() {
        let text = "#[test]\nfn a() {}\n\nfn b() {}\n#[tokio::test]\n#[ignore = \"x\"]\nasync fn c() {}\n";
        assert!(has_test(text, "a") && !has_test(text, "b") && has_test(text, "c") && !has_test(text, "d"));
    }

    #[test]
    fn every_page_has_an_address() {
        for product in Product::ALL {
            let cited = rows::rows().into_iter().filter(|row| !matches!(row.said(product), Said::Nothing));
            assert!(cited.count() >= 10, "{}", product.name());
        }
    }
}
