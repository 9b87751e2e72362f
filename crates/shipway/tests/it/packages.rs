//! A JavaScript action of the packages that official actions are made of, under `shipway up`: what one push saves, the next restores,
//! and what it uploads is there for people.

use crate::{
    plant::{Plant, id},
    run::services::has_packages,
    support::project,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const WORKFLOW: &str = "\
on: push
jobs:
  build:
    runs-on: x
    steps:
      - run: ln -s 'ACTIONS/services' .
      - {id: in, uses: ./services, with: {do: restore, path: data, key: 'k-${{ github.sha }}', restore-keys: k-}}
      - run: |
          echo \"found ${{ steps.in.outputs.found }} with $(cat data/word 2>/dev/null || echo nothing)\"
          mkdir -p data out
          echo \"$GITHUB_REF_NAME\" > data/word
          seq 100000 > out/numbers
      - {id: save, uses: ./services, with: {do: save, path: data, key: 'k-${{ github.sha }}'}}
      - run: echo \"saved ${{ steps.save.outputs.found > 0 }}\"
      - {if: github.run_number == 1, uses: ./services, with: {do: upload, name: built, path: out}}
      - {if: github.run_number == 1, uses: ./services, with: {do: upload-file, path: data/word}}
  use:
    needs: build
    if: github.run_number == 1
    runs-on: x
    steps:
      - run: ln -s 'ACTIONS/services' .
      - {id: list, uses: ./services, with: {do: list}}
      - {uses: ./services, with: {do: download, name: built, path: got}}
      - run: echo \"listed ${{ steps.list.outputs.found }}, the last is $(tail -n 1 got/numbers)\"
";

fn log(plant: &Plant, run: &Value, job: &str) -> Vec<String> {
    assert_eq!(run["summary"]["conclusion"], "success", "{run:#}");
    let path = format!("/api/v1/runs/{}/jobs/{job}/log?from=1&count=1000", id(&run["summary"]["id"]));
    let log = plant.get(&path).expect("a log");
    let lines = log["lines"].as_array().expect("lines").iter();
    lines.filter_map(|line| line["text"].as_str().map(str::to_owned)).collect()
}

#[test]
fn what_one_push_saves_the_next_restores_and_people_download() {
    if !has_packages() {
        return;
    }
    let plant = Plant::new("");
    let actions = project().join("tests/actions").display().to_string();
    plant.write(".github/workflows/deliver.yml", &WORKFLOW.replace("ACTIONS", &actions));
    let first = plant.commit_all("first");
    let mut up = plant.start_and_wait();
    let has = |lines: &[String], wanted: &str| {
        assert!(lines.iter().any(|line| line == wanted), "{wanted}\n{lines:#?}");
    };
    let run = plant.finished_run(&first);
    let said = log(&plant, &run, "build");
    has(&said, "found nothing with nothing");
    has(&said, "saved true");
    has(&log(&plant, &run, "use"), "listed built word, the last is 100000");

    // The artifacts are listed, and are what was uploaded, by the API and on the page.
    let listed = run["artifacts"].as_array().expect("artifacts");
    let names: Vec<&str> = listed.iter().filter_map(|artifact| artifact["name"].as_str()).collect();
    assert_eq!(names, ["built", "word"]);
    let link = up.lines().iter().find_map(|line| line.strip_prefix("sign in ").map(str::to_owned));
    let browser = plant.sign_in(&link.expect("a link"));
    let page = format!("/runs/{}", id(&run["summary"]["id"]));
    let (_, html) = plant.download(&page, &browser);
    let html = String::from_utf8_lossy(&html).into_owned();
    for (artifact, file, start) in [(&listed[0], "built.zip", "PK"), (&listed[1], "word", "main")] {
        let name = artifact["name"].as_str().expect("a name");
        let link = format!("{page}/attempts/1/artifacts/{name}");
        assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
        let operator = plant.authorization().expect("a server");
        let of_api = plant.download(&format!("/api/v1{page}/artifacts/{name}"), &operator);
        let digest: String = Sha256::digest(&of_api.1).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (of_api.0.as_str(), artifact["digest"].as_str()),
            (file, Some(&*format!("sha256:{digest}")))
        );
        assert!(of_api.1.starts_with(start.as_bytes()));
        assert_eq!(plant.download(&link, &browser), of_api);
        assert_eq!(plant.download(&format!("{page}/artifacts/{name}"), &browser), of_api);
    }

    // The next push restores it, also when the server was killed in between.
    up.kill();
    plant.git(&["commit", "--quiet", "--allow-empty", "--message", "second"]);
    let second = plant.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let _up = plant.start_and_wait();
    has(&log(&plant, &plant.finished_run(&second), "build"), &format!("found k-{first} with main"));
    // Another branch restores what the default branch saved; that one restores nothing of a branch.
    plant.git(&["checkout", "--quiet", "-b", "work"]);
    plant.git(&["commit", "--quiet", "--allow-empty", "--message", "third"]);
    let third = plant.git(&["rev-parse", "HEAD"]).trim().to_owned();
    has(&log(&plant, &plant.finished_run(&third), "build"), &format!("found k-{second} with main"));
    plant.git(&["checkout", "--quiet", "main"]);
    plant.git(&["commit", "--quiet", "--allow-empty", "--message", "fourth"]);
    let fourth = plant.git(&["rev-parse", "HEAD"]).trim().to_owned();
    has(&log(&plant, &plant.finished_run(&fourth), "build"), &format!("found k-{second} with main"));
}
