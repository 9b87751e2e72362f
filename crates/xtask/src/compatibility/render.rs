//! The table as Markdown: a summary by area for the README, and a page with every row.

use super::row::{Area, Claim, Page, Product, Row, Said};
use crate::conformance::Results;
use anyhow::{Result, bail};
use std::{collections::BTreeSet, fmt::Write as _};

/// What stands before and behind the generated part of the README.
pub(super) const BEGIN: &str = "<!-- compatibility: written by `cargo xtask compatibility` -->";
pub(super) const END: &str = "<!-- end of compatibility -->";

/// The README with its generated part replaced.
pub(super) fn into_readme(readme: &str, summary: &str) -> Result<String> {
    let parts = readme.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else { bail!("README.md lacks the lines {BEGIN:?} and {END:?}") };
    Ok(format!("{before}{BEGIN}\n{summary}{END}{after}"))
}

/// One line an area: how many features work, how many cases pass, how much others document.
pub(super) fn summary(rows: &[Row], results: &Results) -> String {
    let mut out = String::from(
        "| part | Shipway | cases passed | act documents | Gitea documents | Forgejo documents |\n|---|---|---|---|---|---|\n",
    );
    for area in Area::ALL {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.area == area).collect();
        if rows.is_empty() {
            continue;
        }
        let work = rows.iter().filter(|row| row.claim == Claim::Works).count();
        let suites: BTreeSet<&str> = rows.iter().flat_map(|row| row.suites).copied().collect();
        let counts = || suites.iter().filter_map(|suite| results.get(suite));
        let (passed, total) =
            (counts().map(|count| count.passed).sum::<u64>(), counts().map(|count| count.total).sum::<u64>());
        let cases = match total {
            0 => "by own tests".to_owned(),
            _ => format!("{} of {}", thousands(passed), thousands(total)),
        };
        let _ = write!(out, "| {} | {work} of {} | {cases} |", area.title(), rows.len());
        for product in Product::ALL {
            let _ = write!(out, " {} |", tally(&rows, product));
        }
        out.push('\n');
    }
    let refused = rows.iter().filter_map(|row| match row.claim {
        Claim::Works => None,
        Claim::Refused(code) => Some(format!("{} ([{code}](docs/errors/{code}.md))", row.feature)),
    });
    let refused: Vec<String> = refused.collect();
    let _ = write!(out, "\nRefused by name: {}.\n", refused.join("; "));
    out
}

/// `2 work, 1 in part, 1 missing`; what is not documented is not counted.
fn tally(rows: &[&Row], product: Product) -> String {
    let (mut work, mut partly, mut missing) = (0, 0, 0);
    for row in rows {
        match row.said(product) {
            Said::Nothing => {}
            Said::Works(_) => work += 1,
            Said::Partly(..) => partly += 1,
            Said::Missing(..) => missing += 1,
        }
    }
    let words = [(work, "whole"), (partly, "in part"), (missing, "missing")];
    let words: Vec<String> =
        words.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Every row, with what shows it and where others say so.
pub(super) fn page(rows: &[Row], results: &Results) -> String {
    let mut out = String::from(
        "# Compatibility

What Shipway does with GitHub's workflows, beside what [act](https://nektosact.com), [Gitea](https://docs.gitea.com) and
[Forgejo](https://forgejo.org/docs) document about themselves. This page is written by `cargo xtask compatibility` and a
test fails when it is not true:

* **Shipway**: a small workflow, action or expression of each row is given to the product's own parser and planner when the
  page is made. *yes* means that it is accepted; *refused* leads to the code that it is refused with.
* **Shown by**: the conformance suites of the field, as passed/total of the last run
  ([all of them](conformance.txt), cases that are left out with their reasons), and the project's own tests. A row
  whose suite does not pass cannot be written.
* **The others**: what their own pages say, with a link to the page; *yes* and *in part* are their words for it, not
  results of a test. *not documented* means that none of the [pages that were read](#pages-that-were-read) says anything:
  it may well work.
",
    );
    for area in Area::ALL {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.area == area).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = write!(
            out,
            "\n## {}\n\n| feature | Shipway | shown by | act | Gitea | Forgejo |\n|---|---|---|---|---|---|\n",
            area.title()
        );
        for row in rows {
            let said = Product::ALL.map(|product| said(row.said(product)));
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                row.feature,
                ours(row),
                shown_by(row, results),
                said.join(" | ")
            );
        }
    }
    out.push_str("\n## Pages that were read\n\n| product | page | version |\n|---|---|---|\n");
    for page in pages(rows) {
        let source = page.source();
        let _ = writeln!(
            out,
            "| {} | [{}]({}) | {} |",
            source.product.name(),
            source.title,
            source.url(),
            source.version
        );
    }
    out
}

fn ours(row: &Row) -> String {
    let verdict = match row.claim {
        Claim::Works => "yes".to_owned(),
        Claim::Refused(code) => format!("[refused](errors/{code}.md)"),
    };
    match row.note {
        "" => verdict,
        note => format!("{verdict}; {note}"),
    }
}

fn shown_by(row: &Row, results: &Results) -> String {
    let suites = row.suites.iter().map(|suite| {
        let count = results.get(suite).map(|count| format!(" {}/{}", count.passed, count.total));
        format!("{suite}{}", count.unwrap_or_default())
    });
    let tests = row.tests.iter().map(|test| format!("[`{}`](../crates/{})", test.1, test.0));
    let all: Vec<String> = suites.chain(tests).collect();
    if all.is_empty() { "the parser".to_owned() } else { all.join(", ") }
}

fn said(said: Said) -> String {
    match said {
        Said::Nothing => "not documented".to_owned(),
        Said::Works(page) => format!("[yes]({})", page.source().url()),
        Said::Partly(words, page) => format!("[in part]({}): {words}", page.source().url()),
        Said::Missing(words, page) => format!("[no]({}): {words}", page.source().url()),
    }
}

/// The pages that are cited, sorted.
fn pages(rows: &[Row]) -> BTreeSet<Page> {
    let cited = rows.iter().flat_map(|row| Product::ALL.map(|product| row.said(product)));
    cited
        .filter_map(|said| match said {
            Said::Nothing => None,
            Said::Works(page) | Said::Partly(_, page) | Said::Missing(_, page) => Some(page),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let all: Vec<String> = [0, 999, 1_000, 12_345, 1_234_567].into_iter().map(thousands).collect();
        assert_eq!(all, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
