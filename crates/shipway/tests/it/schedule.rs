//! `kill -9` of `shipway up` at seeded points around a schedule's time: each time makes one run, none is lost, none comes twice.
//!
//! Nobody waits for a clock here: a schedule of one day in the year is told that it was handled long ago, so that its last day is due
//! at the next start.

use crate::plant::{Plant, Up, pause, wait_for};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use shipway_store::Store;
use std::{collections::BTreeMap, fs, time::Duration};

/// Times, each hit by a kill of its own.
const TIMES: usize = 8;

const WORKFLOW: &str = "\
on:
  push: {branches: [sentinel]}
  schedule:
LINES
jobs:
  tick:
    runs-on: x
    steps:
      - run: echo \"${{ github.event.schedule }} of $GITHUB_RUN_ID\" >> FOLDER/ran
";

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// So long after the process was started.
    Started(Duration),
    /// So long after it answered.
    Answered(Duration),
    /// So long after the run is shown.
    Shown(Duration),
    /// When its job has begun.
    Begun,
}

impl Point {
    fn draw(random: &mut ChaCha8Rng, number: usize) -> Point {
        let millis = |random: &mut ChaCha8Rng, most: u64| Duration::from_millis(random.random_range(0..most));
        match number % 4 {
            0 => Point::Started(millis(random, 250)),
            1 => Point::Answered(millis(random, 60)),
            2 => Point::Shown(millis(random, 40)),
            _ => Point::Begun,
        }
    }
}

fn line(number: usize) -> String {
    // Days of the first half of the year, and one day each, so that which comes last is clear.
    format!("0 {number} {} {} *", number + 1, number % 6 + 1)
}

/// The runs of the clock.
fn scheduled(plant: &Plant) -> Vec<Value> {
    let runs = plant.list("/api/v1/runs?limit=100").unwrap_or_default();
    runs.into_iter().filter(|run| run["event"] == "schedule").collect()
}

/// Tells the store that a line was handled more than a year ago.
fn make_due(plant: &Plant, number: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&plant.data(), shipway_testkit::clock::real()).expect("the store");
        let handled = store.setting("schedule.handled").await.expect("an answer").expect("it is stored");
        let text = String::from_utf8(handled).expect("text");
        let wanted = line(number);
        let mut found = 0;
        let lines: String = text
            .lines()
            .map(|stored| {
                let (at, key) = stored.split_once('\t').expect("a line");
                if key.split('\t').next() != Some(&wanted) {
                    return format!("{stored}\n");
                }
                found += 1;
                let at: i64 = at.parse().expect("an instant");
                format!("{}\t{key}\n", at - 366 * 24 * 3_600 * 1_000_000)
            })
            .collect();
        assert_eq!(found, 1, "{wanted} in {text}");
        store.put_setting("schedule.handled", lines.into_bytes()).await.expect("stored");
    });
}

/// Starts the server and kills it at the point; `known` times were run before.
fn hit(plant: &Plant, point: Point, known: usize) {
    let mut up = plant.start();
    let answers = |up: &Up| {
        wait_for(|| plant.health()).unwrap_or_else(|| panic!("it does not answer:\n{}", up.text()));
    };
    match point {
        Point::Started(after) => pause(after),
        Point::Answered(after) => {
            answers(&up);
            pause(after);
        }
        Point::Shown(after) => {
            wait_for(|| (scheduled(plant).len() > known).then_some(())).expect("the run");
            pause(after);
        }
        Point::Begun => {
            let ran = || fs::read_to_string(plant.folder.path().join("ran")).unwrap_or_default();
            let line = line(known);
            wait_for(|| ran().lines().any(|ran| ran.starts_with(&line)).then_some(())).expect("the job");
        }
    }
    up.kill();
}

#[test]
fn killed_around_its_time_a_schedule_makes_one_run() {
    let mut random = ChaCha8Rng::seed_from_u64(29);
    let plant = Plant::new("");
    let lines: Vec<String> = (0..TIMES).map(|number| format!("    - cron: '{}'", line(number))).collect();
    let workflow = WORKFLOW
        .replace("LINES", &lines.join("\n"))
        .replace("FOLDER", &plant.folder.path().display().to_string());
    plant.write(".github/workflows/deliver.yml", &workflow);
    plant.commit_all("schedules");
    let up = plant.start_and_wait();
    let seen = || {
        let listed = plant.list("/api/v1/workflows")?;
        let schedules = listed.first()?["schedules"].as_array()?.clone();
        (schedules.iter().filter(|line| line["next_at"].is_string()).count() == TIMES).then_some(())
    };
    wait_for(seen).unwrap_or_else(|| panic!("the schedules are not seen:\n{}", up.text()));
    up.stop();

    let mut points = Vec::new();
    for number in 0..TIMES {
        let point = Point::draw(&mut random, number);
        points.push(point);
        make_due(&plant, number);
        hit(&plant, point, number);
        let up = plant.start_and_wait();
        let over = || {
            let runs = scheduled(&plant);
            let over = runs.len() > number && runs.iter().all(|run| run["status"] == "completed");
            over.then_some(runs)
        };
        let runs = wait_for(over)
            .unwrap_or_else(|| panic!("no run of {}, {points:?}:\n{}", line(number), up.text()));
        assert!(runs.iter().all(|run| run["conclusion"] == "success"), "{points:?}: {runs:#?}");
        // Pushes are looked at before schedules are, so that after two of them both were looked at.
        for step in 0..2 {
            plant.git(&["branch", "--force", "sentinel", "main"]);
            plant.git(&["checkout", "--quiet", "sentinel"]);
            let message = format!("look {number} {step}");
            plant.git(&["commit", "--quiet", "--allow-empty", "--message", &message]);
            let sha = plant.git(&["rev-parse", "HEAD"]).trim().to_owned();
            plant.git(&["checkout", "--quiet", "main"]);
            plant.finished_run(&sha);
        }
        assert_eq!(scheduled(&plant).len(), number + 1, "{points:?}:\n{}", up.text());
        up.stop();
    }
    // A job may have been tried again, in the same run; no line made two.
    let ran = fs::read_to_string(plant.folder.path().join("ran")).expect("what ran");
    let mut by_line: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (line, run) in
        ran.lines().filter_map(|line| line.split_once(" of ")).filter(|(line, _)| !line.is_empty())
    {
        let runs = by_line.entry(line).or_default();
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    assert_eq!(by_line.len(), TIMES, "{points:?}: {by_line:?}");
    assert!(by_line.values().all(|runs| runs.len() == 1), "{points:?}: {by_line:?}");
}
