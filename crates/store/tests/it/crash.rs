//! `kill -9` at seeded instants: what was acknowledged is there, and nothing is half there.
//!
//! The test binary starts itself again; the child is the ignored test [`child`], which appends until it is killed.

use crate::support::{event, run};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use shipway_base::{Clock, Digest, Timestamp};
use shipway_store::{
    Expected, LogName, Store, StoreError,
    models::deliveries::{self, DeliveryRow},
};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Names the folder that the child works in; without it the child does nothing.
const FOLDER: &str = "SHIPWAY_STORE_CRASH_FOLDER";

/// Appenders in the child.
const STREAMS: u64 = 6;

fn clock() -> Clock {
    Clock::new(|| Timestamp::from_millis(1_700_000_000_000))
}

fn payload(stream: u64, version: u64) -> Vec<u8> {
    format!("{stream}:{version}:").repeat(1 + (version % 50) as usize).into_bytes()
}

fn line(number: u64) -> String {
    format!("line {number} {}", "x".repeat((number % 900) as usize))
}

fn log() -> LogName {
    LogName::job(1, "build", 1).unwrap()
}

/// Says that something was acknowledged, in one write.
fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// One appender: events with a read model in the same transaction.
async fn append_for_ever(store: Store, stream: u64) {
    let name = format!("s/{stream}");
    let mut version = store.read(&name, 1).await.unwrap().len() as u64;
    loop {
        let model = deliveries::put(&DeliveryRow {
            service: name.clone(),
            version: version + 1,
            state: String::new(),
            at: store.clock().now(),
        });
        let events = vec![event("x", &payload(stream, version + 1))];
        let appended = store.append(&name, Expected::Version(version), events, vec![model]).await.unwrap();
        version = appended.version;
        acknowledge(&format!("event {stream} {version}"));
    }
}

#[test]
#[ignore = "the child of the crash test, which is killed"]
#[expect(clippy::disallowed_methods, reason = "the only way to tell a test binary something")]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = Store::open(Path::new(&folder), clock()).unwrap();
    acknowledge("open");
    let files = std::thread::spawn({
        let store = store.clone();
        move || {
            let mut writer = store.logs().writer(&log()).unwrap();
            loop {
                let number = writer.lines() + 1;
                writer.append(store.clock().now(), 0, [line(number).as_str()]).unwrap();
                acknowledge(&format!("line {number}"));
                if number.is_multiple_of(64) {
                    let digest = store.blobs().put(line(number).as_bytes()).unwrap();
                    acknowledge(&format!("blob {digest}"));
                }
            }
        }
    });
    run(async move {
        let appenders: Vec<_> =
            (0..STREAMS).map(|stream| tokio::spawn(append_for_ever(store.clone(), stream))).collect();
        for appender in appenders {
            appender.await.unwrap();
        }
    });
    files.join().unwrap();
}

/// Everything that was acknowledged so far.
#[derive(Default)]
struct Acknowledged {
    versions: BTreeMap<u64, u64>,
    lines: u64,
    blobs: Vec<Digest>,
    count: usize,
}

impl Acknowledged {
    fn note(&mut self, text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["event", stream, version] => {
                self.versions.insert(stream.parse().unwrap(), version.parse().unwrap());
            }
            ["line", number] => self.lines = number.parse().unwrap(),
            ["blob", digest] => self.blobs.push(digest.parse().unwrap()),
            ["open"] => {}
            // The test harness talks as well.
            _ => return,
        }
        self.count += 1;
    }

    fn check(&self, folder: &Path, round: u32) {
        let store = Store::open(folder, clock()).unwrap();
        run(async {
            for stream in 0..STREAMS {
                let name = format!("s/{stream}");
                let events = store.read(&name, 1).await.unwrap();
                let acknowledged = self.versions.get(&stream).copied().unwrap_or_default();
                assert!(events.len() as u64 >= acknowledged, "round {round}: {name} lost an event");
                for (event, version) in events.iter().zip(1..) {
                    assert_eq!((event.version, &event.data), (version, &payload(stream, version)));
                }
                let model = store.delivery(&name).await.unwrap().map_or(0, |row| row.version);
                assert_eq!(
                    model,
                    events.len() as u64,
                    "round {round}: the model of {name} goes with its events"
                );
            }
            let all = store.read_all(0, u32::MAX).await.unwrap();
            assert!(all.iter().zip(1..).all(|(event, seq)| event.seq == seq), "round {round}: a gap");
        });
        let writer = store.logs().writer(&log()).unwrap();
        assert!(writer.lines() >= self.lines, "round {round}: the log lost a line");
        let lines = store.logs().reader(&log()).unwrap().range(1, usize::MAX).unwrap();
        assert_eq!(lines.len() as u64, writer.lines());
        assert!(lines.iter().all(|found| found.text == line(found.number)), "round {round}: a torn line");
        for digest in &self.blobs {
            assert!(store.blobs().read(digest).unwrap().is_some(), "round {round}: a lost blob");
        }
        drop(store);
        let database = rusqlite::Connection::open(folder.join("shipway.db")).unwrap();
        let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok", "round {round}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the test needs a process of its own to kill")]
fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(0x5eed);
    let mut acknowledged = Acknowledged::default();
    for round in 0..24 {
        let mut child = start(folder.path());
        // Some die while they open, some early, some after checkpoints and frames.
        let wanted =
            acknowledged.count + [0, random.random_range(1..20), random.random_range(20..600)][round % 3];
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        while acknowledged.count < wanted {
            acknowledged.note(&out.next().expect("the child lives until it is killed").unwrap());
        }
        // SIGKILL.
        child.kill().unwrap();
        out.for_each(|text| acknowledged.note(&text.unwrap()));
        assert!(!child.wait().unwrap().success());
        acknowledged.check(folder.path(), round as u32);
    }
    assert!(acknowledged.versions.len() as u64 == STREAMS && acknowledged.lines > 100, "something happened");
}

#[test]
fn a_second_process_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(out.any(|text| text.unwrap() == "open"));
    let error = Store::open(folder.path(), clock()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == child.id()), "{error}");
    assert_eq!(error.code(), "SW0601");
    child.kill().unwrap();
    child.wait().unwrap();
    Store::open(folder.path(), clock()).unwrap();
}
