//! `kill -9` of `shipway up` at seeded points of the demo's story: nothing is lost, and the end is the same.
//!
//! A test plays the developer and the users. It kills the server after so many of its lines, after so many changes of
//! what the API shows, some milliseconds after it answered, or while it starts, and starts it again on the same folder
//! and ports. The analysis compares failures only here: how long requests wait on a machine that builds and tests at
//! the same time is no property of the release.

use crate::plant::{DELIVERY, PATIENCE, Plant, Up, id, pause, wait_at_most, wait_for};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use shipway_testkit::load::{Identity, Load, Plan};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Stories, each with a seed of its own, and kills in each, by the version that is under way.
const STORIES: u64 = 5;
const KILLS: [usize; 3] = [2, 5, 3];

/// How long a trigger may wait for what it counts before the kill comes anyway.
const BOUND: Duration = Duration::from_secs(2);

/// The versions, their settings, how their rollouts and runs end.
const VERSIONS: [(&str, &str, &str, &str); 3] = [
    ("v1", "error_percent=5\nlatency_ms=2\nseed=7", "promoted", "success"),
    ("v2", "error_percent=5\nlatency_ms=2\nseed=8", "promoted", "success"),
    ("v3", "error_percent=20\nlatency_ms=2\nseed=9", "rolled_back", "failure"),
];

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Trigger {
    /// After this many lines of output since the start.
    Lines(usize),
    /// After this many changes of what the API shows of the newest run and rollout.
    Changes(u32),
    /// This long after the server answered.
    After(Duration),
    /// This long after the process was started, whether or not it answers.
    Starting(Duration),
    /// This long after the canary was given this share, in hundredths of a percent.
    Share(u64, Duration),
    /// This long after the canary began to be taken back.
    TakenBack(Duration),
}

/// What the API shows of the newest run and rollout.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    runs: usize,
    run: String,
    jobs_done: usize,
    version: String,
    phase: String,
    step: u64,
    wanted: u64,
    routed: u64,
    closed: bool,
}

#[test]
fn killed_at_any_point_it_goes_on() {
    let mut hit = BTreeMap::new();
    for seed in 0..STORIES {
        Story::new(seed).play(&mut hit);
    }
    let total: usize = hit.values().sum();
    println!("{total} kills in {STORIES} stories, by what was under way:");
    for (phase, count) in &hit {
        println!("  {count:>3}  {phase}");
    }
    assert_eq!(total, usize::try_from(STORIES).expect("few") * KILLS.iter().sum::<usize>());
}

struct Story {
    seed: u64,
    plant: Plant,
    /// The kills still to come, by version.
    kills: VecDeque<(usize, Trigger)>,
    notes: Vec<String>,
}

impl Story {
    fn new(seed: u64) -> Story {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let places = KILLS.iter().enumerate().flat_map(|(place, kills)| std::iter::repeat_n(place, *kills));
        let kills = places.enumerate().map(|(number, place)| {
            let then = Duration::from_millis(random.random_range(0..600));
            let trigger = match number {
                // What is short or late in the story would hardly be hit by chance.
                4 | 8 => Trigger::Share(1_000, then),
                5 => Trigger::Share(2_500, then),
                6 => Trigger::Share(5_000, then),
                9 => Trigger::TakenBack(then / 4),
                _ => Trigger::draw(&mut random),
            };
            (place, trigger)
        });
        let delivery = DELIVERY
            .replace("signals: [failure, p95]", "signals: [failure]")
            // Counting begins anew at each start, and so does the chance of a false alarm: of some twenty in the five stories, one in a
            // hundred runs of this test may see one.
            .replace("alpha: 0.01", "alpha: 0.0003")
            .replace("duration: 2s", "duration: 700ms");
        Story { seed, plant: Plant::new(&delivery), kills: kills.collect(), notes: Vec::new() }
    }

    fn play(mut self, hit: &mut BTreeMap<String, usize>) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut up = self.plant.start_and_wait();
        let plan = Plan {
            target: self.plant.router,
            host: "web.localhost".to_owned(),
            path: "/".to_owned(),
            clients: 60_000,
            identity: Identity::Cookies,
            lanes: 16,
            rate: Some(300.0),
            requests: None,
            seed: self.seed,
            patience: Duration::from_secs(10),
            version_header: "x-version".to_owned(),
        };
        let load = runtime.block_on(async { Load::start(plan, shipway_testkit::clock::real(), None) });
        let mut commits = Vec::new();
        for (number, (version, settings, phase, conclusion)) in VERSIONS.into_iter().enumerate() {
            let sha = self.plant.commit(version, settings);
            while self.kills.front().is_some_and(|(place, _)| *place <= number) {
                let (_, trigger) = self.kills.pop_front().expect("it was looked at");
                up = self.kill(up, trigger, version, hit);
            }
            let rollout = self.plant.finished_rollout(version);
            assert_eq!(rollout["summary"]["phase"], phase, "{}\n{rollout}", self.say(&up));
            let run = self.plant.finished_run(&sha);
            assert_eq!(run["summary"]["conclusion"], conclusion, "{}\n{run}", self.say(&up));
            commits.push(sha);
        }
        self.check_end(&up, &commits);
        let served = runtime.block_on(load.stop()).versions;
        assert!(served.keys().eq(["v1", "v2", "v3"]), "{served:?}\n{}", self.say(&up));
        self.check_shutdown(up, &runtime);
    }

    /// Waits for the trigger, kills, starts again, and checks what was kept.
    fn kill(&mut self, mut up: Up, trigger: Trigger, version: &str, hit: &mut BTreeMap<String, usize>) -> Up {
        let before = if let Trigger::Starting(moment) = trigger {
            // The kill that counts hits the next one while it starts.
            let shown = self.shown().unwrap_or_default();
            up.kill();
            up = self.plant.start();
            pause(moment);
            shown
        } else {
            self.wait_for(&up, trigger, version)
        };
        up.kill();
        let phase = match trigger {
            Trigger::Starting(_) => "while it started".to_owned(),
            Trigger::Lines(_)
            | Trigger::Changes(_)
            | Trigger::After(_)
            | Trigger::Share(..)
            | Trigger::TakenBack(_) => before.words(version),
        };
        self.notes.push(format!("killed by {trigger:?}: {phase}; {before:?}\n{}", up.text()));
        *hit.entry(phase).or_default() += 1;
        let up = self.plant.start_and_wait();
        self.check_kept(&up, &before);
        up
    }

    fn wait_for(&self, up: &Up, trigger: Trigger, version: &str) -> Shown {
        let clock = shipway_testkit::clock::real();
        let began = clock.now();
        let mut last = self.shown().unwrap_or_default();
        let mut changes = 0;
        let mut since = None;
        let bound = match trigger {
            Trigger::Share(..) | Trigger::TakenBack(_) => PATIENCE,
            Trigger::Lines(_) | Trigger::Changes(_) | Trigger::After(_) | Trigger::Starting(_) => BOUND,
        };
        wait_at_most(bound, || {
            if let Some(shown) = self.shown()
                && shown != last
            {
                changes += 1;
                last = shown;
            }
            let fire = match trigger {
                Trigger::Lines(lines) => up.lines().len() >= lines,
                Trigger::Changes(wanted) => changes >= wanted,
                Trigger::After(time) => clock.now().since(began) >= time,
                Trigger::Starting(_) => true,
                Trigger::Share(..) | Trigger::TakenBack(_) if last.version != version => false,
                Trigger::Share(share, then) => {
                    let over = !["progressing", "paused"].contains(&last.phase.as_str());
                    let reached = last.wanted >= share || over;
                    reached && clock.now().since(*since.get_or_insert(clock.now())) >= then
                }
                Trigger::TakenBack(then) => {
                    last.phase.starts_with("roll")
                        && clock.now().since(*since.get_or_insert(clock.now())) >= then
                }
            };
            fire.then_some(())
        });
        last
    }

    fn shown(&self) -> Option<Shown> {
        let runs = self.plant.list("/api/v1/runs")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut shown = Shown { runs: runs.len(), ..Shown::default() };
        if let Some(run) = runs.first() {
            let run = self.plant.get(&format!("/api/v1/runs/{}", id(&run["id"])))?;
            shown.run = text(&run["summary"]["status"]);
            let done = |job: &&Value| job["status"] == "completed";
            shown.jobs_done = run["jobs"].as_array().map_or(0, |jobs| jobs.iter().filter(done).count());
        }
        if let Some(rollout) = self.plant.newest_rollout() {
            shown.version = text(&rollout["summary"]["release"]["version"]);
            shown.phase = text(&rollout["summary"]["phase"]);
            shown.step = rollout["summary"]["steps_done"].as_u64().unwrap_or_default();
            shown.wanted = rollout["split"]["wanted"].as_u64().unwrap_or_default();
            shown.routed = rollout["split"]["canary"].as_u64().unwrap_or_default();
            shown.closed = rollout["split"]["closed"].is_string();
        }
        Some(shown)
    }

    /// What was committed before the kill is there after it, and the router comes to obey it.
    fn check_kept(&self, up: &Up, before: &Shown) {
        let settled = wait_for(|| {
            let shown = self.shown()?;
            assert!(shown.runs >= before.runs, "a run is gone: {shown:?}\n{}", self.say(up));
            assert!(
                shown.version >= before.version,
                "a rollout is gone: {before:?}, then {shown:?}\n{}",
                self.say(up)
            );
            let going_on = shown.version == before.version && before.phase == "progressing";
            let forward = !["rolling_back", "rolled_back", "promoted"].contains(&shown.phase.as_str());
            if going_on && forward {
                assert!(
                    shown.wanted >= before.wanted,
                    "a weight was lost: {before:?}, then {shown:?}\n{}",
                    self.say(up)
                );
            }
            (!going_on || !forward || shown.routed == shown.wanted).then_some(())
        });
        assert!(settled.is_some(), "the router does not obey: {:?}\n{}", self.shown(), self.say(up));
        if *before.version > *"v1" || before.phase == "promoted" {
            let served = wait_for(|| self.plant.visit()?.1);
            assert!(served.is_some(), "nothing is served: {:?}\n{}", self.plant.visit(), self.say(up));
        }
    }

    /// One run and one rollout for each version, each ended as it should, v2 for everyone, and no process too many.
    fn check_end(&self, up: &Up, commits: &[String]) {
        let runs = self.plant.list("/api/v1/runs").expect("runs");
        let told: Vec<(&str, &str)> = runs
            .iter()
            .rev()
            .map(|run| {
                (run["commit"]["sha"].as_str().unwrap_or_default(), run["status"].as_str().unwrap_or(""))
            })
            .collect();
        let expected: Vec<(&str, &str)> = commits.iter().map(|sha| (sha.as_str(), "completed")).collect();
        assert_eq!(told, expected, "{}", self.say(up));
        let rollouts = self.plant.list("/api/v1/rollouts").expect("rollouts");
        let told: Vec<(&Value, &Value)> = rollouts
            .iter()
            .rev()
            .map(|rollout| (&rollout["release"]["version"], &rollout["phase"]))
            .collect();
        let expected = VERSIONS.map(|(version, _, phase, _)| (Value::from(version), Value::from(phase)));
        let expected: Vec<(&Value, &Value)> =
            expected.iter().map(|(version, phase)| (version, phase)).collect();
        assert_eq!(told, expected, "{}", self.say(up));
        for rollout in &rollouts {
            let page = self.plant.get(&format!("/api/v1/rollouts/{}", id(&rollout["id"]))).expect("a page");
            let share = if rollout["phase"] == "promoted" { 10_000 } else { 0 };
            assert_eq!(page["split"]["canary"], share, "{page}\n{}", self.say(up));
            assert!(!page.to_string().contains("Wait: "), "nothing waits any more: {page}");
        }
        for _ in 0..50 {
            let (status, version) = self.plant.visit().expect("an answer");
            assert_eq!(version.as_deref(), Some("v2"), "status {status}\n{}", self.say(up));
        }
        // The server and three instances; the server asks git now and then.
        let few = wait_for(|| {
            let processes = self.plant.processes();
            (processes.len() == 4).then_some(())
        });
        assert!(few.is_some(), "{:#?}\n{}", self.plant.processes(), self.say(up));
    }

    /// It stops when told, leaves no process, and its log reads from the first event to the last.
    fn check_shutdown(&self, up: Up, runtime: &tokio::runtime::Runtime) {
        let (code, said) = up.stop();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(self.plant.processes(), [], "{said}");
        let store = shipway_store::Store::open(&self.plant.data(), shipway_testkit::clock::real());
        let store = store.expect("the store opens");
        let events = runtime.block_on(store.read_all(0, u32::MAX)).expect("the log reads");
        let mut versions: BTreeMap<String, u64> = BTreeMap::new();
        let mut seq = 0;
        for event in &events {
            assert!(event.seq > seq, "the order of the log is broken at {}", event.seq);
            seq = event.seq;
            let version = versions.entry(event.stream.clone()).or_default();
            *version += 1;
            assert_eq!(event.version, *version, "a gap in {}", event.stream);
        }
        assert_eq!(versions.keys().filter(|stream| stream.starts_with("run/")).count(), VERSIONS.len());
    }

    fn say(&self, up: &Up) -> String {
        format!(
            "seed {}\n{}\nnow:\n{}\n{}",
            self.seed,
            self.notes.join("\n"),
            up.text(),
            self.plant.health().unwrap_or_default()
        )
    }
}

impl Trigger {
    fn draw(random: &mut ChaCha8Rng) -> Trigger {
        match random.random_range(0..10) {
            0..3 => Trigger::Lines(random.random_range(5..10)),
            3..6 => Trigger::Changes(random.random_range(1..6)),
            6..9 => Trigger::After(Duration::from_millis(random.random_range(0..1_500))),
            _ => Trigger::Starting(Duration::from_millis(random.random_range(5..400))),
        }
    }
}

impl Shown {
    /// What was under way, for the count of kills.
    fn words(&self, version: &str) -> String {
        match (self.version == version, self.phase.as_str()) {
            (false, _) if self.run == "completed" => "between the commit and its run".to_owned(),
            (false, _) => "the jobs of the run".to_owned(),
            (true, "progressing" | "paused") if version == "v1" => "the first rollout".to_owned(),
            (true, "progressing" | "paused") => format!("a canary at {} %", self.wanted / 100),
            (true, "rolling_back") => "rolling back".to_owned(),
            (true, _) => "after the outcome".to_owned(),
        }
    }
}
