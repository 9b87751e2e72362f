//! Files: an opening line, a size one can hold in the head, serialisation only where it is a promise.

use super::{Crate, Finding};

/// No product file is longer.
const LONGEST: usize = 800;

/// `base` stays small; the tests beside the code do not count.
const BASE_LINES: usize = 1_500;

/// Crates whose `Serialize` is a promise: leaf values, the wire, rows, the record.
const SERIALIZERS: [&str; 4] = ["base", "api", "store", "audit"];

/// Checks every Rust file.
pub(super) fn check(crates: &[Crate], findings: &mut Vec<Finding>) {
    for krate in crates {
        for (path, text) in &krate.files {
            let mut found = |line: usize, message: String| {
                findings.push(Finding { place: format!("{path}:{line}"), message });
            };
            if !text.starts_with("//!") {
                found(1, "every file opens with a `//!` line that says what is in it".to_owned());
            }
            if text.lines().count() > LONGEST {
                found(
                    LONGEST,
                    format!("{} lines; no file is over {LONGEST}: redesign", text.lines().count()),
                );
            }
            for (number, line) in text.lines().enumerate() {
                let code = line.trim_start();
                if code.starts_with("#[allow(") || code.starts_with("#![allow(") {
                    found(number + 1, "write #[expect(.., reason = \"..\")], never #[allow]".to_owned());
                }
                let derives = code.starts_with("#[derive(") && code.contains("Serialize");
                if derives && !SERIALIZERS.contains(&krate.name.as_str()) && path.contains("/src/") {
                    found(
                        number + 1,
                        format!("Serialize is a promise, made only in {}", SERIALIZERS.join(", ")),
                    );
                }
            }
        }
        if krate.name == "base" {
            let lines: usize = krate.product_files().map(|(_, text)| without_tests(text)).sum();
            if lines > BASE_LINES {
                let message = format!("{lines} lines; `base` stays under {BASE_LINES}");
                findings.push(Finding { place: "crates/base".to_owned(), message });
            }
        }
    }
}

/// The number of lines before the tests of a file.
fn without_tests(text: &str) -> usize {
    text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

/// The sizes of product files in one line: how many, median, 95th percentile, largest.
pub(super) fn statistics(crates: &[Crate]) -> String {
    let mut sizes: Vec<(usize, &str)> = crates
        .iter()
        .flat_map(Crate::product_files)
        .map(|(path, text)| (text.lines().count(), path.as_str()))
        .collect();
    sizes.sort_unstable();
    let total: usize = sizes.iter().map(|(lines, _)| lines).sum();
    let at = |percent: usize| {
        sizes.get((sizes.len() * percent / 100).min(sizes.len().saturating_sub(1))).map_or(0, |s| s.0)
    };
    let (largest, path) = sizes.last().copied().unwrap_or_default();
    format!(
        "{} product files, {total} lines: median {}, p95 {}, largest {largest} ({path})",
        sizes.len(),
        at(50),
        at(95)
    )
}

#[cfg(test)]
mod tests {
    use super::{super::tests::planted, *};

    fn count(name: &str, text: &str) -> usize {
        let mut findings = Vec::new();
        check(&[planted(name, 1, "", text)], &mut findings);
        findings.len()
    }

    #[test]
    fn planted_faults_are_found() {
        assert_eq!(count("x", "//! Fine.\n"), 0);
        assert_eq!(count("x", "fn f() {}\n"), 1);
        assert_eq!(count("x", &format!("//! Long.\n{}", "\n".repeat(800))), 1);
        assert_eq!(count("x", "//! A.\n#[allow(dead_code)]\n"), 1);
        assert_eq!(count("x", "//! A.\n#[derive(Clone, serde::Serialize)]\nstruct S;\n"), 1);
        assert_eq!(count("api", "//! A.\n#[derive(Clone, serde::Serialize)]\nstruct S;\n"), 0);
        assert_eq!(without_tests("//! A.\nfn f() {}\n#[cfg(test)]\nmod tests {}\n"), 2);
    }
}
