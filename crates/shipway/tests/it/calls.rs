//! `kill -9` of `shipway up` in the middle of a called workflow: what it called before goes on, whatever it is now.

use crate::{
    plant::{Plant, id, wait_for},
    support::Folder,
};
use serde_json::Value;
use std::fs;

const CALLER: &str = "\
on: push
jobs:
  first:
    uses: ./.github/workflows/first.yml
  second:
    needs: first
    uses: o/r/.github/workflows/second.yml@main
    with: {word: '${{ needs.first.outputs.word }}'}
  after:
    needs: second
    runs-on: x
    steps:
      - run: echo \"came back as ${{ needs.second.outputs.word }}\"
";

const FIRST: &str = "\
on:
  workflow_call:
    outputs: {word: {value: '${{ jobs.make.outputs.word }}'}}
jobs:
  make:
    runs-on: x
    outputs: {word: '${{ steps.make.outputs.word }}'}
    steps:
      - id: make
        run: |
          echo once >> FOLDER/first
          echo word=ahoy >> \"$GITHUB_OUTPUT\"
";

/// Its job waits until somebody lets it go.
const SECOND: &str = "\
on:
  workflow_call:
    inputs: {word: {type: string}}
    outputs: {word: {value: '${{ jobs.wait.outputs.word }}'}}
jobs:
  wait:
    runs-on: x
    outputs: {word: '${{ steps.wait.outputs.word }}'}
    steps:
      - id: wait
        run: |
          echo begun >> FOLDER/second
          until [ -e FOLDER/go ]; do sleep 0.02; done
          echo \"word=${{ inputs.word }} sailor\" >> \"$GITHUB_OUTPUT\"
";

#[test]
fn killed_in_a_called_workflow_of_another_repository_it_goes_on_with_the_same_text() {
    let mut plant = Plant::new("");
    let folder = plant.folder.path().to_path_buf();
    let place = |text: &str| text.replace("FOLDER", &folder.display().to_string());
    let mirror = folder.join("mirror/o/r");
    fs::create_dir_all(mirror.parent().expect("a parent")).expect("folders");
    let other = Folder::repository(&[(".github/workflows/second.yml", &place(SECOND))]);
    std::os::unix::fs::symlink(other.path(), &mirror).expect("a link");
    plant.extra = vec!["--action-mirror".to_owned(), folder.join("mirror").display().to_string()];
    plant.write(".github/workflows/deliver.yml", CALLER);
    plant.write(".github/workflows/first.yml", &place(FIRST));
    let sha = plant.commit_all("calls");
    let mut up = plant.start_and_wait();
    let begun = || fs::read_to_string(folder.join("second")).unwrap_or_default().lines().count();
    wait_for(|| (begun() == 1).then_some(())).unwrap_or_else(|| panic!("it does not begin:\n{}", up.text()));
    up.kill();

    // Meanwhile the other repository has another such file, and then none.
    other.write(".github/workflows/second.yml", "on: push\njobs: {}\n");
    other.commit("another");
    fs::remove_file(&mirror).expect("the link");
    let up = plant.start_and_wait();
    wait_for(|| (begun() == 2).then_some(())).unwrap_or_else(|| panic!("it does not go on:\n{}", up.text()));
    fs::write(folder.join("go"), "").expect("a file");
    let run = plant.finished_run(&sha);
    assert_eq!(run["summary"]["conclusion"], "success", "{run}\n{}", up.text());
    let attempts: Vec<(&str, u64)> = run["jobs"]
        .as_array()
        .expect("jobs")
        .iter()
        .map(|job| (job["key"].as_str().expect("a key"), job["attempt"].as_u64().expect("a number")))
        .collect();
    assert_eq!(attempts, [("first/make", 1), ("second/wait", 2), ("after", 1)], "{run}");
    assert_eq!(fs::read_to_string(folder.join("first")).expect("it ran"), "once\n");
    let number = id(&run["summary"]["id"]);
    let log = plant.get(&format!("/api/v1/runs/{number}/jobs/after/log?from=1&count=100")).expect("a log");
    let said = |line: &Value| line["text"] == "came back as ahoy sailor";
    assert!(log["lines"].as_array().expect("lines").iter().any(said), "{log}");
    assert_eq!(plant.list("/api/v1/runs").map(|runs| runs.len()), Some(1));
}

#[test]
fn what_cannot_be_called_is_a_failed_run_that_says_where_and_why() {
    let mut plant = Plant::new("");
    let mirror = plant.folder.path().join("mirror").display().to_string();
    plant.extra = vec!["--action-mirror".to_owned(), mirror];
    plant.write(".github/workflows/deliver.yml", CALLER);
    plant.write(".github/workflows/first.yml", FIRST);
    let sha = plant.commit_all("calls");
    let _up = plant.start_and_wait();
    let run = plant.finished_run(&sha);
    let failed = run["summary"]["failed"].as_str().expect("a reason");
    for part in ["deliver.yml:7", "SW0121", "no repository o/r"] {
        assert!(failed.contains(part), "no {part} in {failed}");
    }
}
