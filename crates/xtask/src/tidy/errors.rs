//! Every error code has a page, every page has a code.

use super::{Crate, Finding};
use anyhow::Result;
use std::{collections::BTreeMap, fs, path::Path};

/// Compares the codes in product files with the pages under `docs/errors/`.
pub(super) fn check(root: &Path, crates: &[Crate], findings: &mut Vec<Finding>) -> Result<()> {
    let mut codes = BTreeMap::new();
    for (path, text) in crates.iter().filter(|krate| krate.name != "xtask").flat_map(Crate::product_files) {
        for code in codes_in(text) {
            codes.entry(code).or_insert(path.as_str());
        }
    }
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(root.join("docs/errors"))? {
        let path = entry?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("SW") {
            pages.insert(name, fs::read_to_string(path)?);
        }
    }
    compare(&codes, &pages, findings);
    Ok(())
}

fn compare(codes: &BTreeMap<String, &str>, pages: &BTreeMap<String, String>, findings: &mut Vec<Finding>) {
    for (code, path) in codes.iter().filter(|(code, _)| !pages.contains_key(*code)) {
        let message = format!("{code} has no page docs/errors/{code}.md");
        findings.push(Finding { place: (*path).to_owned(), message });
    }
    for (code, text) in pages {
        let place = format!("docs/errors/{code}.md");
        if !codes.contains_key(code) {
            findings
                .push(Finding { place: place.clone(), message: "no code refers to this page".to_owned() });
        }
        if !text.starts_with(&format!("# {code}: ")) {
            findings.push(Finding { place, message: format!("the page begins with `# {code}: <title>`") });
        }
    }
}

/// The codes in a text: `SW` and exactly four digits, as a whole word.
fn codes_in(text: &str) -> Vec<String> {
    text.match_indices("\"SW")
        .filter_map(|(at, _)| text.get(at + 1..at + 7))
        .filter(|code| code[2..].bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_faults_are_found() {
        let codes = codes_in(r#"error("SW0101", x); let no = "SWxyz1"; "SW01""#);
        assert_eq!(codes, ["SW0101"]);
        let codes = BTreeMap::from([("SW0101".to_owned(), "a.rs"), ("SW0102".to_owned(), "a.rs")]);
        let pages = BTreeMap::from([
            ("SW0102".to_owned(), "# SW0102: title\n".to_owned()),
            ("SW0103".to_owned(), "# other\n".to_owned()),
        ]);
        let mut findings = Vec::new();
        compare(&codes, &pages, &mut findings);
        assert_eq!(findings.len(), 3, "{findings:?}");
    }
}
