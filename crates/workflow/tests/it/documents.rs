//! Workflows of the field: which are accepted, which are refused as not supported yet, and none for a wrong reason.

use crate::conformance::{self, Tally, folder, json};
use serde_json::Value as Json;
use shipway_base::{Diagnostics, Source, yaml};
use shipway_workflow::{document::Workflow, lint};
use std::path::{Path, PathBuf};

/// The code of what GitHub knows and this version cannot honour.
const NOT_YET: &str = "SW0105";

enum Verdict {
    Accepted,
    NotYet(Diagnostics),
    Refused(Diagnostics),
}

fn verdict(name: &str, text: &str) -> Verdict {
    let (workflow, found) = Workflow::parse(&Source::new(name, text));
    assert_eq!(workflow.is_none(), found.has_errors(), "{name}: a workflow exactly when nothing is an error");
    match found.iter().find(|error| error.code != NOT_YET) {
        _ if !found.has_errors() => Verdict::Accepted,
        Some(_) => Verdict::Refused(found),
        None => Verdict::NotYet(found),
    }
}

fn files(path: &str) -> Vec<PathBuf> {
    let Some(folder) = folder(path) else { return Vec::new() };
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "yml" || end == "yaml"));
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Files that must be accepted or refused as not supported yet; `except` names those that this project refuses on
/// purpose, with the reason.
fn must_accept(suite: &'static str, path: &str, except: &[(&str, &str)], at_least: usize) {
    let files = files(path);
    if files.is_empty() {
        return;
    }
    let mut tally = Tally::new(suite);
    let (mut accepted, mut not_yet) = (0, 0);
    for file in &files {
        let name = name(file);
        let refused_on_purpose = except.iter().any(|(known, _)| *known == name);
        let result = match verdict(&name, &text(file)) {
            Verdict::Accepted if refused_on_purpose => {
                Err("is accepted now; strike it from the list".to_owned())
            }
            Verdict::Accepted => {
                accepted += 1;
                Ok(())
            }
            Verdict::NotYet(_) => {
                not_yet += 1;
                Ok(())
            }
            Verdict::Refused(_) if refused_on_purpose => Ok(()),
            Verdict::Refused(found) => Err(format!("\n{found}")),
        };
        tally.record(&name, result);
    }
    conformance::say(&format!(
        "{suite}: {accepted} accepted, {not_yet} refused as not supported yet, {} refused on purpose",
        except.len()
    ));
    tally.finish(at_least);
}

#[test]
fn conformance_schemastore_valid() {
    must_accept("SchemaStore workflows, valid", "schemastore/valid", &[], 30);
}

#[test]
fn conformance_actionlint_ok() {
    let except = [("workflow_call_job.yaml", "its `uses` is a quoted text, which names no workflow")];
    must_accept("actionlint, ok", "actionlint/testdata/ok", &except, 60);
}

#[test]
fn conformance_schemastore_invalid() {
    let files = files("schemastore/invalid");
    if files.is_empty() {
        return;
    }
    let mut tally = Tally::new("SchemaStore workflows, invalid");
    let mut by_lint = 0;
    for file in &files {
        let result = match verdict(&name(file), &text(file)) {
            // GitHub itself runs these, and so they run here.
            Verdict::Accepted if is_refused_by_lint(&name(file), &text(file)) => {
                by_lint += 1;
                Ok(())
            }
            Verdict::Accepted => Err("was accepted".to_owned()),
            Verdict::NotYet(found) => Err(format!("was refused only as not supported yet\n{found}")),
            Verdict::Refused(_) => Ok(()),
        };
        tally.record(&name(file), result);
    }
    conformance::say(&format!(
        "SchemaStore workflows, invalid: {by_lint} of them run and are refused by lint"
    ));
    tally.finish(20);
    assert_eq!(by_lint, 3, "the defaults of another type, and a key of `on`");
}

/// Whether lint finds an error in what can be run.
fn is_refused_by_lint(name: &str, text: &str) -> bool {
    let interfaces = lint::Interfaces::default();
    let found =
        lint::lint(&Source::new(name, text), lint::Kind::Workflow, &interfaces, lint::Options::default());
    found.iter().any(|finding| finding.level == lint::Level::Error)
}

/// Why the cases about the size of a result cannot be run.
pub(crate) const RESULT_SIZE: &str =
    "counts bytes of GitHub's own objects in memory; here the nodes of a document are counted";

/// Cases that are marked as none of the parsers of GitHub's service, which let unknown keys of `on` stand. GitHub runs such
/// workflows, so they run here, and lint refuses them.
const FOR_EDITORS: &[&str] = &["events-single-invalid.yml", "events-single-invalid-config.yml"];

/// Cases whose outcome differs here, with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("errors-anchor-tag.yml", "GitHub reads anchors since 2025"),
    ("errors-max-result-size.yml", RESULT_SIZE),
    ("errors-on-workflow_call-input-unexpected-property.yml", "deprecationMessage is documented today"),
    (
        "events-mapping-all.yml",
        "GitHub's service refuses branches beside branches-ignore, its parser does not",
    ),
    ("round-to-infinity.yml", "a timeout must be above 0 and finite"),
    ("step-id-generates-when-empty.yml", "no repository has a space in its name"),
];

/// Whether a workflow has a job that calls another file.
pub(crate) fn calls_others(text: &str) -> bool {
    let (workflow, _) = Workflow::parse(&Source::new("w.yml", text));
    workflow.is_some_and(|workflow| workflow.jobs.values().any(|job| job.call().is_some()))
}

/// The limits of the file that a case sets for itself. GitHub counts the document itself as a level of depth.
fn own_limits(header: &str) -> Option<yaml::Limits> {
    let option = |name: &str| -> Option<usize> {
        header.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let usual = yaml::Limits::default();
    match (option("max-depth:"), option("max-file-size:")) {
        (None, None) => None,
        (depth, bytes) => Some(yaml::Limits {
            depth: depth.unwrap_or(usual.depth),
            bytes: bytes.unwrap_or(usual.bytes),
            ..usual
        }),
    }
}

/// GitHub's own parser cases: a header, the workflow, perhaps files that it calls, and what comes of it.
#[test]
fn conformance_github_workflow_parser() {
    let files = files("github-actions/workflow-parser/testdata/reader");
    if files.is_empty() {
        return;
    }
    let mut tally = Tally::new("GitHub workflow-parser cases");
    let (mut accepted, mut not_yet, mut refused) = (0, 0, 0);
    for file in &files {
        let text = text(file);
        let parts: Vec<&str> = text.split("\n---\n").collect();
        let [_, workflow, .., outcome] = parts.as_slice() else { panic!("{}: no case", file.display()) };
        let fails = outcome.contains("\"errors\"");
        let different = DIFFERENT.iter().find(|(known, _)| *known == name(file));
        // Those that call other files are counted by the suite of called workflows.
        if calls_others(workflow) {
            continue;
        }
        if let Some(limits) = own_limits(parts[0]) {
            let source = Source::new(name(file), *workflow);
            let result = match yaml::parse(&source, limits) {
                Err(found) if found.code == "SW0004" => Ok(()),
                other => Err(format!("no limit was exceeded: {other:?}")),
            };
            refused += 1;
            tally.record(&name(file), result);
            continue;
        }
        let result = match (fails, verdict(&name(file), workflow)) {
            (true, Verdict::Accepted) | (false, Verdict::Refused(_)) if different.is_some() => {
                tally.leave_out(&name(file), different.map_or("", |(_, why)| why));
                continue;
            }
            (true, Verdict::Accepted)
                if FOR_EDITORS.contains(&name(file).as_str())
                    && is_refused_by_lint(&name(file), workflow) =>
            {
                refused += 1;
                Ok(())
            }
            _ if different.is_some() => Err("does not differ any more; strike it from the list".to_owned()),
            (false, Verdict::Accepted) => {
                accepted += 1;
                Ok(())
            }
            (_, Verdict::NotYet(_)) => {
                not_yet += 1;
                Ok(())
            }
            (true, Verdict::Refused(_)) => {
                refused += 1;
                Ok(())
            }
            (true, Verdict::Accepted) => Err(format!("was accepted; GitHub says {outcome}")),
            (false, Verdict::Refused(found)) => Err(format!("\n{found}")),
        };
        tally.record(&name(file), result);
    }
    conformance::say(&format!(
        "GitHub workflow-parser cases: {accepted} accepted, {refused} refused rightly, {not_yet} not supported yet"
    ));
    tally.finish(130);
}

/// The workflows within the documents that describe this system.
#[test]
fn conformance_seed_workflows() {
    let Some(folder) = folder("../seeds") else { return };
    let mut tally = Tally::new("workflows of the seed documents");
    let mut seeds: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    seeds.sort();
    for seed in seeds {
        for block in text(&seed).split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
            if !block.contains("\njobs:") {
                continue;
            }
            let place = name(&seed);
            tally.record(
                &place,
                match verdict(&place, block) {
                    Verdict::Accepted => Ok(()),
                    Verdict::NotYet(found) | Verdict::Refused(found) => Err(format!("\n{found}")),
                },
            );
        }
    }
    tally.finish(3);
}

/// Each error of GitHub's parser cases is found on the line that GitHub names.
#[test]
fn conformance_github_workflow_parser_places() {
    const ELSEWHERE: &[(&str, &str)] = &[
        ("errors-job-needs-cycle.yml", "told once for the whole cycle"),
        ("errors-job-needs-no-start-node.yml", "told at the need"),
        ("errors-step-run-exceeds-length.yml", "told at the first line of the script rather than at its `|`"),
        ("errors-job-runs-on-missing.yml", "told at the key of the job rather than at its first line"),
    ];
    let mut tally = Tally::new("GitHub workflow-parser places");
    let files = files("github-actions/workflow-parser/testdata/reader");
    for file in &files {
        let (name, text) = (name(file), text(file));
        let parts: Vec<&str> = text.split("\n---\n").collect();
        let &[_, workflow, outcome] = parts.as_slice() else { continue };
        let elsewhere = DIFFERENT.iter().chain(ELSEWHERE).find(|(known, _)| *known == name);
        let places: Vec<&str> = outcome.split("(Line: ").skip(1).collect();
        if let Some((_, why)) = elsewhere {
            places.iter().for_each(|_| tally.leave_out(&name, why));
            continue;
        }
        let (_, found) = Workflow::parse(&Source::new("w.yml", workflow));
        let lines: Vec<u32> = found.iter().map(|error| error.span.start.line).collect();
        for place in places {
            let wanted = place.split(',').next().and_then(|line| line.parse().ok()).unwrap_or(0);
            let result =
                if lines.contains(&wanted) { Ok(()) } else { Err(format!("line {wanted}\n{found}")) };
            tally.record(&name, result);
        }
    }
    if !files.is_empty() {
        tally.finish(70);
    }
}

#[test]
fn conformance_act_job_ids() {
    let Some(file) = folder("act-tables/job-ids.json") else { return };
    let mut tally = Tally::new("act job ids");
    for case in json(&file)["cases"].as_array().into_iter().flatten() {
        let workflow = case["input"]["workflow"].as_str().unwrap_or_default();
        let accepted = matches!(verdict("w.yml", workflow), Verdict::Accepted);
        let expected = case["expect"]["valid"].as_bool() == Some(true);
        let result = if accepted == expected { Ok(()) } else { Err(format!("accepted: {accepted}")) };
        tally.record(case["name"].as_str().unwrap_or_default(), result);
    }
    tally.finish(4);
}

#[test]
fn conformance_act_filter_patterns() {
    let Some(file) = folder("act-tables/filter-patterns.json") else { return };
    let mut tally = Tally::new("act filter patterns");
    for case in json(&file)["cases"].as_array().into_iter().flatten() {
        let list = |key: &str| -> Vec<&str> {
            case["input"][key].as_array().into_iter().flatten().filter_map(Json::as_str).collect()
        };
        for (expect, key) in
            [("runs_with_include_filter", "paths"), ("runs_with_ignore_filter", "paths-ignore")]
        {
            let Some(expected) = case["expect"][expect].as_bool() else { continue };
            let runs = runs_with_paths(key, &list("patterns"), &list("values"));
            let result = if runs == expected { Ok(()) } else { Err(format!("{key}: runs is {runs}")) };
            tally.record(case["name"].as_str().unwrap_or_default(), result);
        }
    }
    tally.finish(60);
}

fn runs_with_paths(key: &str, patterns: &[&str], changed: &[&str]) -> bool {
    let text = format!(
        "on: {{push: {{{key}: {}}}}}\njobs: {{a: {{runs-on: x, steps: [{{run: x}}]}}}}\n",
        serde_json::to_string(patterns).unwrap_or_default()
    );
    let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
    let workflow = workflow.unwrap_or_else(|| panic!("{found}"));
    let event = crate::worlds::push("refs/heads/main", Some(changed));
    workflow.triggered_by(&event).is_yes()
}
