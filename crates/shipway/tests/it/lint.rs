//! `shipway lint`: files found, findings told in three forms, fixes written, exit codes.

use crate::support::{Answer, Folder};
use serde_json::Value;

const DANGER: &str = "on: pull_request\npermissions: {contents: read}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    \
                      steps:\n      - uses: ./.github/actions/mine\n      - run: |\n          echo \"${{ github.head_ref }}\" # é\n";
const ACTION: &str = "name: mine\ndescription: d\ninputs:\n  target: {required: true, description: t}\nruns:\n  using: \
                      composite\n  steps: [{run: make, shell: bash}]\n";

fn repository() -> Folder {
    Folder::repository(&[(".github/workflows/ci.yml", DANGER), (".github/actions/mine/action.yml", ACTION)])
}

#[track_caller]
fn lint(folder: &Folder, arguments: &[&str], code: i32) -> Answer {
    let answer = folder.shipway(&[&["lint"], arguments].concat());
    assert_eq!(answer.code, code, "{}", answer.all());
    answer
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {}", answer.all()))
}

#[test]
fn tells_what_is_wrong_and_ends_with_one() {
    let answer = lint(&repository(), &[], 1);
    for part in
        ["error[script-injection]", ".github/workflows/ci.yml:9:21", "error[missing-action-input]", "^^^^"]
    {
        assert!(answer.stdout.contains(part), "{part}\n{}", answer.all());
    }
    assert!(
        answer.stderr.contains("2 files: 2 errors, 0 warnings, 0 notes; 1 can be mended"),
        "{}",
        answer.all()
    );
    lint(&repository(), &["--fail-on", "never"], 0);
    lint(&repository(), &[".github/actions/mine/action.yml"], 0);
    lint(&repository(), &["ci.yml"], 1);
    let none = lint(&repository(), &["none.yml"], 3);
    assert!(
        none.stderr.contains("there is no file none.yml") && none.stderr.contains("name a workflow"),
        "{}",
        none.all()
    );
    let folder = repository();
    folder.write("docs/notes.yml", "a: b\n");
    let empty = lint(&folder, &["docs"], 3);
    for part in [
        "there is no workflow and no action in the folder docs",
        "workflows are *.yml and *.yaml in .github/workflows",
    ] {
        assert!(empty.stderr.contains(part), "{part}\n{}", empty.all());
    }
    assert!(lint(&Folder::new(), &[], 3).stderr.contains("SW1010"));
}

#[test]
fn an_invalid_document_ends_with_two() {
    let folder =
        Folder::repository(&[(".github/workflows/ci.yml", "on: push\njobs:\n  a: {run-on: x, steps: []}\n")]);
    let answer = lint(&folder, &["--fail-on", "never"], 2);
    assert!(answer.stdout.contains("error[SW0101]"), "{}", answer.all());
}

#[test]
fn findings_come_as_json() {
    let report = json(&lint(&repository(), &["--json"], 1));
    assert_eq!((&report["files"], &report["errors"]), (&2.into(), &2.into()));
    let found = &report["findings"][1];
    assert_eq!(found["rule"], "script-injection");
    assert_eq!((&found["line"], &found["column"], &found["end_column"]), (&9.into(), &21.into(), &36.into()));
    assert_eq!(found["fix"]["edits"][1]["text"], "${HEAD_REF}");
    assert_eq!(found["fix"]["edits"][1]["column"], 17);
}

#[test]
fn findings_come_as_sarif() {
    let log = json(&lint(&repository(), &["--format", "sarif"], 1));
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert!(run["tool"]["driver"]["name"].is_string());
    for result in run["results"].as_array().expect("results") {
        let index = result["ruleIndex"].as_u64().expect("an index");
        assert_eq!(rules[index as usize]["id"], result["ruleId"]);
        assert!(result["message"]["text"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], ".github/workflows/ci.yml");
        assert!(
            place["region"]["startLine"].as_u64() > Some(0)
                && place["region"]["endColumn"].as_u64() > Some(0)
        );
    }
    let fix = &run["results"][1]["fixes"][0];
    assert!(fix["description"]["text"].is_string());
    let change = &fix["artifactChanges"][0];
    assert_eq!(change["artifactLocation"]["uri"], ".github/workflows/ci.yml");
    assert_eq!(change["replacements"][1]["insertedContent"]["text"], "${HEAD_REF}");
    assert_eq!(change["replacements"][1]["deletedRegion"]["startLine"], 9);
}

#[test]
fn fixes_are_shown_and_written() {
    let folder = repository();
    let path = folder.path().join(".github/workflows/ci.yml");
    let text = || std::fs::read_to_string(&path).expect("the workflow");
    let answer = lint(&folder, &["--fix", "--dry-run"], 1);
    assert!(answer.stdout.contains("+++ b/.github/workflows/ci.yml\n@@ -5,5 +5,7 @@"), "{}", answer.all());
    assert_eq!(text(), DANGER);
    lint(&folder, &["--fix"], 1);
    let expected = DANGER
        .replace("- run: |", "- env:\n          HEAD_REF: ${{ github.head_ref }}\n        run: |")
        .replace("echo \"${{ github.head_ref }}\"", "echo \"${HEAD_REF}\"");
    assert_eq!(text(), expected);
    assert!(!lint(&folder, &["--fix"], 1).stdout.contains("script-injection"));
    assert_eq!(text(), expected);
}

#[test]
fn a_fix_makes_no_file_too_large_to_be_read() {
    let filled = |size: usize| format!("{DANGER}#{}\n", "x".repeat(size - DANGER.len() - 2));
    let most = 1 << 20;
    // One that is no valid workflow before either.
    let wrong = |size: usize| filled(size).replacen("#xxxxxxxxxxxx", "colour: red\n#", 1);
    for (text, mended, code) in [
        (filled(most - 100), true, 1),
        (filled(most), false, 1),
        (wrong(most - 100), true, 2),
        (wrong(most), false, 2),
    ] {
        let folder = repository();
        let path = folder.path().join(".github/workflows/ci.yml");
        std::fs::write(&path, &text).expect("the workflow");
        let answer = lint(&folder, &["--fix"], code);
        let now = std::fs::read_to_string(&path).expect("the workflow");
        assert_eq!(now != text, mended, "{}", answer.stderr);
        assert!(now.len() <= most);
        assert_eq!(answer.stdout.contains("script-injection"), !mended);
    }
}

#[test]
fn a_file_that_is_no_text_is_told_in_every_form() {
    let folder = repository();
    std::fs::write(folder.path().join(".github/workflows/b.yml"), b"on: push\n# \xff\njobs: {}\n")
        .expect("a file");
    let report = json(&lint(&folder, &["--json", "b.yml"], 2));
    let found = &report["findings"][0];
    assert_eq!((&found["code"], &found["line"], &found["column"]), (&"SW0001".into(), &2.into(), &3.into()));
    let log = json(&lint(&folder, &["--format", "sarif"], 2));
    assert!(log["runs"][0]["results"].to_string().contains("not UTF-8"), "{log}");
    assert!(lint(&folder, &["b.yml"], 2).stdout.contains("not UTF-8"));
}

#[test]
fn a_folder_means_what_is_in_it() {
    let folder = repository();
    for (path, files) in [
        (".github", 2),
        (".github/workflows", 1),
        (".github/actions", 1),
        (".", 2),
        (".github/actions/mine", 1),
    ] {
        let answer = folder.shipway(&["lint", "--json", path, ".github/workflows/ci.yml"]);
        let expect = if path.contains("actions") { files + 1 } else { files };
        assert_eq!(json(&answer)["files"], expect, "{path}: {}", answer.all());
    }
    folder.write("empty/x.yml", "a: b\n");
    assert!(lint(&folder, &["empty"], 3).stderr.contains("no workflow and no action"));
}

/// Files are replaced whole; what is not of the repository, or may not be written, is left alone.
#[test]
fn a_fix_leaves_alone_what_is_not_its_own() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    let text = "on: pull_request\r\npermissions: {}\r\njobs:\r\n  a:\r\n    runs-on: ubuntu-latest\r\n    steps:\r\n      - run: echo \"${{ github.head_ref }}\"\r\n";
    let elsewhere = Folder::new();
    elsewhere.write("ci.yml", text);
    let folder = Folder::repository(&[("own/ci.yml", text)]);
    folder.write(".github/workflows/empty/x", "");
    let link = folder.path().join(".github/workflows/ci.yml");
    symlink(elsewhere.path().join("ci.yml"), &link).expect("a link");
    let refused = lint(&folder, &["--fix"], 1);
    assert!(refused.stderr.contains("which is outside of the repository"), "{}", refused.all());
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a file");
    assert_eq!(read(&elsewhere.path().join("ci.yml")), text);
    // A link within the repository stays one, and what it leads to keeps its mode.
    std::fs::remove_file(&link).expect("a link");
    let own = folder.path().join("own/ci.yml");
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    symlink("../../own/ci.yml", &link).expect("a link");
    lint(&folder, &["--fix"], 0);
    assert!(link.is_symlink());
    let fixed = read(&own);
    assert!(
        fixed.contains("echo \"${HEAD_REF}\"\r\n") && !fixed.replace("\r\n", "").contains('\n'),
        "{fixed:?}"
    );
    assert_eq!(std::fs::metadata(&own).expect("a file").mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(folder.path().join("own")).expect("a folder").count(), 1);
}

#[test]
fn a_fix_does_not_make_a_file_too_large() {
    let job = |number: usize| {
        format!(
            "  j{number}:\n    runs-on: x\n    steps:\n      - run: echo \"${{{{ github.head_ref }}}}\"\n"
        )
    };
    let mut text = "on: pull_request\npermissions: {}\njobs:\n".to_owned();
    text.extend((0..200).map(job));
    // GitHub takes no more than 1 MiB.
    text.push_str(&"# a comment\n".repeat(((1 << 20) - text.len()) / 12));
    let folder = Folder::repository(&[(".github/workflows/ci.yml", &text)]);
    lint(&folder, &["--fix"], 1);
    let left = std::fs::read_to_string(folder.path().join(".github/workflows/ci.yml")).expect("a file");
    assert!(left == text, "it was changed");
}
