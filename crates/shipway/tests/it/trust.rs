//! `shipway up --isolate untrusted`: who is trusted sees the machine, who is not does not, and gets no secrets when it is a fork.

use crate::plant::{Plant, id};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

const LOOK: &str = "\
on: push
jobs:
  look:
    runs-on: x
    steps:
      - run: test -e FOLDER/marker && echo sees the machine || echo is on its own
";

fn said(plant: &Plant, sha: &str) -> String {
    let lines = log(plant, &plant.finished_run(sha));
    let words = ["sees the machine", "is on its own"];
    lines.iter().map(String::as_str).filter(|line| words.contains(line)).collect::<Vec<_>>().join(" and ")
}

/// What the job `look` of a run that succeeded said.
fn log(plant: &Plant, run: &Value) -> Vec<String> {
    assert_eq!(run["summary"]["conclusion"], "success", "{run}");
    let path = format!("/api/v1/runs/{}/jobs/look/log?from=1&count=100", id(&run["summary"]["id"]));
    let log = plant.get(&path).expect("a log");
    let lines = log["lines"].as_array().expect("lines").iter();
    lines.filter_map(|line| line["text"].as_str().map(str::to_owned)).collect()
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

const FORK: &str = "\
on: pull_request
permissions: {id-token: write}
jobs:
  look:
    runs-on: x
    env: {TOKEN: '${{ secrets.TOKEN }}', VARIABLE: '${{ vars.PLACE }}'}
    steps:
      - run: |
          test -e FOLDER/marker && echo sees the machine || echo is on its own
          echo \"secret [${TOKEN:+given}] variable [$VARIABLE] token [${SHIPWAY_TOKEN:+given}]\"
          echo \"identity [${ACTIONS_ID_TOKEN_REQUEST_URL:+given}]\"
";

const SECRET: &str = "what the forge signs with";

/// Sends a webhook as a forge does.
fn tell(plant: &Plant, secret: &str, payload: &Value) -> (u16, Value) {
    let body = payload.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = format!(
        "x-github-event: pull_request\r\nx-github-delivery: d1\r\nx-hub-signature-256: sha256={signature}\r\n"
    );
    plant.send("POST", "/hooks/github", &headers, &body)
}

#[test]
fn a_pull_request_of_a_fork_gets_no_secrets_and_is_on_its_own() {
    let mut plant = Plant::new("");
    plant.extra = ["--isolate", "untrusted"].map(str::to_owned).into();
    plant.env = vec![("SHIPWAY_WEBHOOK_SECRET".to_owned(), SECRET.to_owned())];
    let at = |name: &str| plant.folder.path().join(name).display().to_string();
    let (folder, origin, dev) = (plant.folder.path().display().to_string(), at("origin"), at("dev"));
    plant.write(".github/workflows/deliver.yml", &FORK.replace("FOLDER", &folder));
    plant.folder.write("marker", "");
    let base = plant.commit_all("main");
    plant.git(&["clone", "--quiet", "--bare", ".", &origin]);
    plant.git(&["remote", "add", "origin", &origin]);
    plant.git(&["clone", "--quiet", &origin, &dev]);
    let dev = |arguments: &[&str]| plant.git(&[&["-C", &dev], arguments].concat()).trim().to_owned();
    dev(&["commit", "--quiet", "--allow-empty", "--message", "of somebody else"]);
    let merge = dev(&["commit-tree", "-m", "merge", "-p", &base, "-p", "HEAD", "HEAD^{tree}"]);
    let to = format!("{merge}:refs/pull/7/merge");
    dev(&["push", "--quiet", "origin", "HEAD:refs/pull/7/head", &to]);
    let _up = plant.start_and_wait();
    let operator = plant.authorization().expect("a server");
    for (path, value) in [("/api/v1/secrets/TOKEN", "hunter-two"), ("/api/v1/variables/PLACE", "eu")] {
        let (status, answer) = plant.send("PUT", path, &operator, &json!({ "value": value }).to_string());
        assert!((200..300).contains(&status), "{status} {answer}");
    }
    let payload = |head: &str| {
        json!({
            "action": "opened", "number": 7,
            "pull_request": {
                "number": 7, "mergeable": null, "head": { "ref": "work", "repo": { "full_name": head } },
                "base": { "ref": "main", "sha": base, "repo": { "full_name": "acme/web" } },
            },
            "repository": { "full_name": "acme/web", "default_branch": "main" }, "sender": { "login": "eve" },
        })
    };
    let (status, answer) = tell(&plant, "a guess", &payload("eve/web"));
    assert_eq!(status, 401, "{answer}");
    assert_eq!(plant.list("/api/v1/runs"), Some(Vec::new()), "nothing was started");
    let run = |head: &str| {
        let (status, answer) = tell(&plant, SECRET, &payload(head));
        assert_eq!(status, 202, "{answer}");
        answer["runs"].as_array().expect("runs").iter().map(id).collect::<Vec<_>>()
    };
    let made = run("eve/web");
    assert_eq!((made.len(), run("eve/web").len()), (1, 0), "told twice, run once");
    let lines = log(&plant, &plant.finished_run(&merge));
    assert!(lines.iter().any(|line| line == "is on its own"), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "secret [] variable [] token []"), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "identity []"), "{lines:#?}");
}
