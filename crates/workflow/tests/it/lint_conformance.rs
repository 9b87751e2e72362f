//! No false alarms: workflows that others hold to be good give no finding of the level error.

use crate::conformance::{folder, say};
use shipway_base::Source;
use shipway_workflow::lint::{Finding, Interfaces, Kind, Level, Options, lint};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
}

fn look(path: &Path) -> Vec<Finding> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).expect("a text");
    // What the suite keeps beside these files is not there, so nothing is said about local files.
    lint(&Source::new(name.as_str(), text), Kind::of(&name), &Interfaces::new(), Options::default())
}

fn check(suite: &str, path: &str, at_least: usize, known: &[(&str, &str)]) {
    let Some(folder) = folder(path) else { return };
    let mut all = Vec::new();
    files(&folder, &mut all);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut excused = 0;
    for path in &all {
        let found = look(path);
        for finding in &found {
            *counts.entry(finding.name()).or_default() += 1;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let errors: Vec<&Finding> = found.iter().filter(|finding| finding.level == Level::Error).collect();
        let excuse = |finding: &&&Finding| known.contains(&(name, finding.name()));
        excused += errors.iter().filter(excuse).count();
        wrong.extend(
            errors.iter().filter(|finding| !excuse(finding)).map(|finding| {
                format!("{name}:{}: {} {}", finding.span.start, finding.name(), finding.message)
            }),
        );
    }
    let clean = all.len() - wrong.len().min(all.len());
    say(&format!("conformance: {suite}, no false alarm: {clean}/{}", all.len()));
    say(&format!("  {excused} true errors are known; all findings by rule: {counts:?}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all.len() >= at_least, "only {} files", all.len());
}

/// Errors that are there: SchemaStore looks at the form only. The first is refused by the parser on purpose, the second
/// is a key that GitHub does not have.
const KNOWN: &[(&str, &str)] = &[
    ("workflow_call_job.yaml", "SW0112"),
    ("918.yaml", "SW0101"),
    ("matrix_from_json.yaml", "unknown-need"),
    ("matrix_include.yaml", "unknown-matrix-key"),
    ("matrix_include_expression.yaml", "unknown-need"),
    ("workflow_call_input_issue_2501.yaml", "unknown-input"),
];

#[test]
fn what_actionlint_accepts_gives_no_alarm() {
    check("lint on actionlint's ok files", "actionlint/testdata/ok", 80, KNOWN);
}

#[test]
fn what_schemastore_accepts_gives_no_alarm() {
    check("lint on SchemaStore's valid workflows", "schemastore/valid", 30, KNOWN);
}
