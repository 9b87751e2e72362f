//! `shipway up --isolate untrusted`: who is trusted sees the machine, who is not does not.

use crate::plant::{Plant, id};

const LOOK: &str = "\
on: push
jobs:
  look:
    runs-on: x
    steps:
      - run: test -e FOLDER/marker && echo sees the machine || echo is on its own
";

fn said(plant: &Plant, sha: &str) -> String {
    let run = plant.finished_run(sha);
    assert_eq!(run["summary"]["conclusion"], "success", "{run}");
    let path = format!("/api/v1/runs/{}/jobs/look/log?from=1&count=100", id(&run["summary"]["id"]));
    let log = plant.get(&path).expect("a log");
    let lines = log["lines"].as_array().expect("lines").iter().filter_map(|line| line["text"].as_str());
    let words = ["sees the machine", "is on its own"];
    lines.filter(|line| words.contains(line)).collect::<Vec<_>>().join(" and ")
}

#[test]
fn only_the_default_branch_and_protected_ones_see_the_machine() {
    let mut plant = Plant::new("");
    plant.extra = ["--isolate", "untrusted", "--protected", "release/**"].map(str::to_owned).into();
    let folder = plant.folder.path().display().to_string();
    plant.write(".github/workflows/deliver.yml", &LOOK.replace("FOLDER", &folder));
    plant.folder.write("marker", "");
    let main = plant.commit_all("main");
    let _up = plant.start_and_wait();
    assert_eq!(said(&plant, &main), "sees the machine");
    for (branch, expect) in [("work", "is on its own"), ("release/1", "sees the machine")] {
        plant.git(&["checkout", "--quiet", "-b", branch]);
        plant.write("change", branch);
        let sha = plant.commit_all(branch);
        assert_eq!(said(&plant, &sha), expect, "{branch}");
    }
}
