//! What is remembered of tests, in one file that several may write to.

use super::files::{broken, write};
use crate::{
    environment::Environment,
    exit::{Exit, Failure},
    history::History,
};
use serde::Deserialize;
use serde_json::{Value, json};
use shipway_server::git::Git;
use shipway_suite::{Case, Entry, Outcome, Record};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// The version that is written and read.
const VERSION: u32 = 1;

/// The file.
#[derive(Debug)]
pub(super) struct Memory {
    path: Option<PathBuf>,
}

/// The file as it is written.
#[derive(Deserialize)]
struct Written {
    version: u32,
    turn: u64,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    suites: Vec<String>,
    class: String,
    name: String,
    file: Option<String>,
    times: Vec<u64>,
    outcomes: Vec<(String, String)>,
    turn: u64,
}

impl Memory {
    /// The file that is named, or that of the repository.
    pub(super) fn of(environment: &Environment, named: Option<PathBuf>) -> Result<Memory, Failure> {
        if let Some(path) = named {
            return Ok(Memory { path: Some(environment.folder.join(path)) });
        }
        let root = environment.folder.ancestors().find(|above| above.join(".git").exists());
        let history = root.map(History::of).transpose().map_err(|error| broken(&error.to_string()))?;
        // Outside of a repository nothing is remembered, and nothing needs to be.
        Ok(Memory { path: history.and_then(|history| Some(history.folder().parent()?.join("tests.json"))) })
    }

    /// What is remembered; nothing when there is no file.
    pub(super) fn read(&self) -> Result<Record, Failure> {
        let Some(path) = &self.path else { return Ok(Record::default()) };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::default()),
            Err(error) => return Err(broken(&format!("{} cannot be read: {error}", path.display()))),
        };
        parse(&bytes).map_err(|why| {
            broken(&format!("{} is not what this program remembers tests in: {why}", path.display()))
                .with_help("remove it; it is made again by `shipway split record`")
        })
    }

    /// Adds the results of a run; gives how many tests are remembered.
    pub(super) fn add(&self, cases: &[Case], commit: &str) -> Result<usize, Failure> {
        let path = self.path.as_deref().ok_or_else(|| {
            broken("this is no git repository, which would remember tests")
                .with_help("name a file with --memory")
        })?;
        let _lock =
            lock(path).map_err(|error| broken(&format!("{} cannot be locked: {error}", path.display())))?;
        let mut record = self.read()?;
        record.add(cases, commit);
        write(path, &format!("{}\n", to_json(&record)))?;
        Ok(record.tests.len())
    }
}

/// Waits until nobody else writes. The lock goes with the file that is given, also when its owner is killed.
fn lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_file_name(format!(".{name}.lock")))?;
    lock.lock()?;
    Ok(lock)
}

fn parse(bytes: &[u8]) -> Result<Record, String> {
    let written: Written = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if written.version != VERSION {
        return Err(format!("its version is {}, not {VERSION}", written.version));
    }
    let mut record = Record { turn: written.turn, ..Record::default() };
    for test in written.tests {
        let outcomes = test.outcomes.into_iter().map(|(commit, word)| Ok((commit, outcome(&word)?)));
        let case = Case {
            suites: test.suites,
            class: test.class,
            name: test.name,
            file: test.file,
            took: None,
            outcome: Outcome::Passed,
        };
        let entry = Entry {
            times: test.times,
            outcomes: outcomes.collect::<Result<_, String>>()?,
            turn: test.turn,
            case: case.clone(),
        };
        record.tests.insert(shipway_suite::case_id(&case), entry);
    }
    Ok(record)
}

fn to_json(record: &Record) -> Value {
    let tests = record.tests.values().map(|entry| {
        let outcomes = entry.outcomes.iter().map(|(commit, outcome)| json!([commit, word(*outcome)]));
        json!({
            "suites": entry.case.suites, "class": entry.case.class, "name": entry.case.name, "file": entry.case.file,
            "times": entry.times, "outcomes": outcomes.collect::<Vec<_>>(), "turn": entry.turn,
        })
    });
    json!({ "version": VERSION, "turn": record.turn, "tests": tests.collect::<Vec<_>>() })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Flaky => "flaky",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "failed",
    }
}

fn outcome(word: &str) -> Result<Outcome, String> {
    match word {
        "passed" => Ok(Outcome::Passed),
        "flaky" => Ok(Outcome::Flaky),
        "skipped" => Ok(Outcome::Skipped),
        "failed" => Ok(Outcome::Failed),
        other => Err(format!("{other:?} is no outcome")),
    }
}

/// The commit of the work tree.
pub(super) async fn commit(environment: &Environment) -> Result<String, Failure> {
    Git::at(&environment.folder).resolve("HEAD").await.map_err(|error| {
        Failure::new(Exit::Usage, error.to_string())
            .with_code("SW1060")
            .with_help("name the commit with --commit")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn what_is_written_is_read() {
        let case = Case {
            suites: vec!["s".to_owned()],
            class: "c".to_owned(),
            name: "n".to_owned(),
            file: Some("f".to_owned()),
            took: Some(Duration::from_millis(7)),
            outcome: Outcome::Failed,
        };
        let mut record = Record::default();
        record.add(std::slice::from_ref(&case), "sha");
        let read = parse(to_json(&record).to_string().as_bytes()).expect("our own");
        let (was, is) = (&record.tests["c::n"], &read.tests["c::n"]);
        assert_eq!((&was.times, &was.outcomes, was.turn), (&is.times, &is.outcomes, is.turn));
        assert_eq!((&is.case.file, read.turn), (&case.file, 1));
        assert!(parse(b"{\"version\":2,\"turn\":0,\"tests\":[]}").is_err());
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/tests.json");
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let path = path.clone();
                scope.spawn(move || {
                    let memory = Memory { path: Some(path) };
                    let case = Case {
                        suites: Vec::new(),
                        class: String::new(),
                        name: format!("t{thread}"),
                        file: None,
                        took: None,
                        outcome: Outcome::Passed,
                    };
                    memory.add(&[case], "sha").expect("added");
                });
            }
        });
        let record = Memory { path: Some(path) }.read().expect("read");
        assert_eq!((record.tests.len(), record.turn), (6, 6));
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
