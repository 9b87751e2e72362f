//! What others write and this project reads, one function for each kind of input, for fuzz targets and the tests that feed
//! them: `docs/fuzzing.md` tells how they are run.
//!
//! Each takes any bytes, and either reads them or says what is wrong with them. It panics when one of the promises about bad
//! input is broken: results are bounded, every refusal has a code, and nothing is written outside of the folder.

use crate::{
    aside::Over,
    filecommand,
    glob::Patterns,
    lines::LineSplitter,
    mask::{Masker, PieceMasker},
    matcher, pack, remote,
    session::{Action as Heed, Heard, Session},
    sieve::{self, Rules},
};
use serde_json::{Map, json};
use shipway_base::{
    Diagnostics, Source, Timestamp,
    yaml::{self, Limits},
};
use shipway_workflow::{
    action::Action,
    document::Workflow,
    event::Event,
    expr::{Value, evaluate_json, read_json},
    lock::Lock,
    plan::RunPlan,
    run::{Input, Run, RunContext},
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

/// The largest result of an expression, in bytes.
const MOST_RESULT: usize = 10 << 20;

/// The most jobs that one matrix makes.
const MOST_LEGS: usize = 256;

/// A YAML document: as a tree, as a workflow that is planned and begun, as an action and as a lock file.
pub fn document(bytes: &[u8]) {
    let source = Source::new("hostile.yml", String::from_utf8_lossy(bytes).into_owned());
    if let Err(found) = yaml::parse_all(&source, Limits::default()) {
        assert!(found.code.starts_with("SW"), "{found}");
    }
    let (action, found) = Action::parse(&source);
    check(action.is_some(), &found);
    let (lock, found) = Lock::parse(&source);
    check(lock.is_some(), &found);
    let (workflow, found) = Workflow::parse(&source);
    check(workflow.is_some(), &found);
    if let Some(workflow) = workflow {
        begin(Arc::new(workflow));
    }
}

/// Plans a workflow and lets its first jobs begin, so that matrices are expanded.
fn begin(workflow: Arc<Workflow>) {
    let jobs = workflow.jobs.len();
    let event = Event {
        name: "push".to_owned(),
        payload: json!({"ref": "refs/heads/main"}).into(),
        reference: "refs/heads/main".to_owned(),
        sha: "0".repeat(40),
        changed: None,
    };
    let _is_wanted = workflow.triggered_by(&event);
    let Ok(plan) = RunPlan::new(workflow, event, &BTreeMap::new()) else { return };
    let context = RunContext {
        github: Value::from_json(&json!({"ref": "refs/heads/main"})),
        vars: Value::from_json(&json!({})),
        inputs: plan.inputs().clone(),
    };
    let mut run = Run::new(Arc::new(plan), context);
    let _effects = run.apply(&Input::Start, Timestamp::from_millis(0));
    assert!(run.jobs().len() <= jobs * MOST_LEGS, "{} jobs came of {jobs}", run.jobs().len());
}

fn check(read: bool, found: &Diagnostics) {
    assert_eq!(read, !found.has_errors(), "something is read exactly when nothing is wrong: {found}");
}

/// An expression, read and evaluated with contexts that hold all kinds of values.
pub fn expression(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut contexts = Map::new();
    contexts.insert(
        "github".to_owned(),
        json!({"ref": "refs/heads/main", "event": {"commits": [{"id": "a"}, {"id": "b"}], "n": 1.5, "none": null}}),
    );
    contexts.insert("env".to_owned(), json!({"A": "x".repeat(1_000), "B": "[1,2,{\"c\":true}]"}));
    if let Ok(value) = evaluate_json(&text, &contexts) {
        let size = value.to_string().len();
        // Escapes of JSON may make a text longer than it is in memory.
        assert!(size <= 6 * MOST_RESULT, "a result of {size} bytes");
    }
}

/// A text for `fromJSON`. What strict JSON is must be read the same as by its own reader.
pub fn json(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let strict = serde_json::from_str::<serde_json::Value>(&text);
    match (read_json(&text), strict) {
        (Ok(value), Ok(strict)) => {
            let (found, expect) = (value.to_json().to_string(), Value::from(strict).to_json().to_string());
            // The last digit of a fraction may differ: the two do not round alike.
            let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit() || "eE.+-".contains(c), "");
            assert_eq!(digits(&found), digits(&expect));
        }
        (Ok(value), Err(_)) => {
            let size = value.to_json().to_string().len();
            // A comma may stand for an empty text, a character for an escape of six, 380 digits for one of twenty.
            assert!(size <= 6 * text.len() + 32, "{size} bytes came of {}", text.len());
        }
        (Err(error), strict) => {
            let line = text.split('\n').nth(error.line - 1).expect("a line of the text");
            assert!(error.column <= line.chars().count() + 1, "{error}");
            let deep = error.what.contains("within one another");
            assert!(deep || strict.is_err(), "{error}");
        }
    }
}

/// A command file of each kind.
pub fn file_commands(bytes: &[u8]) {
    let (pairs, _ended) = filecommand::pairs(bytes);
    // A byte that is no UTF-8 becomes three.
    let size: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(size <= 3 * bytes.len(), "{size} bytes came of {}", bytes.len());
    assert!(pairs.iter().all(|(name, _)| !name.is_empty()));
    assert!(filecommand::paths(bytes).iter().all(|path| !path.is_empty()));
    let _summary = filecommand::summary(bytes);
}

/// The output of a step: cut into lines, masked, searched for commands; and the same bytes as problem matchers.
pub fn commands(bytes: &[u8]) {
    let mut splitter = LineSplitter::new();
    let mut pieces = Vec::new();
    // In two writes, as programs may do.
    let (first, second) = bytes.split_at(bytes.len() / 2);
    splitter.push(first, |piece| pieces.push(piece));
    splitter.push(second, |piece| pieces.push(piece));
    pieces.extend(splitter.finish());
    let (mut session, mut masker, mut masked) =
        (Session::new(true, false), Masker::new(), PieceMasker::new());
    for piece in pieces {
        let Some(line) = masked.push(piece, &masker) else { continue };
        if let Heard::Command { action: Heed::Mask(secret), .. } = session.hear(&line) {
            masker.add(&secret);
        }
    }
    let _matchers = matcher::config::parse(&String::from_utf8_lossy(bytes));
}

/// The archive of a cache: what is handed on of it is bounded, and is handed on again as it is.
///
/// # Panics
/// When what was found to be fit is not so the second time.
pub fn cache(bytes: &[u8]) {
    let folder = Path::new("/work/space");
    let Ok(patterns) = Patterns::parse(["deps", "~/more", "*/built"], folder, Path::new("/work/home")) else {
        return;
    };
    let rules = Rules { folder: folder.to_owned(), patterns, looks: false, most: 8 << 20 };
    let mut fit = Vec::new();
    if sieve::sift(bytes, &mut fit, &rules, &Over::default()).is_ok() {
        let mut again = Vec::new();
        let done = sieve::sift(&fit[..], &mut again, &rules, &Over::default());
        assert!(done.is_ok() && again == fit, "{done:?}");
    }
}

/// An archive: as an artifact, and as the files of an action. Both are unpacked below `folder`, which is empty or absent.
///
/// # Panics
/// When anything lies beside what was unpacked.
pub fn archive(bytes: &[u8], folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder.join("in"))?;
    let file = folder.join("in/archive");
    fs::write(&file, bytes)?;
    let limits =
        pack::UnpackLimits { entries: 1_000, bytes: 8 << 20, free: 1 << 20, ratio: 100, directory: 1 << 20 };
    let _artifact = pack::unpack(&file, &folder.join("in/artifact"), &limits);
    let _action = remote::unpack_within(&file, &folder.join("in/action"), 1_000, 8 << 20);
    let beside: Vec<_> = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    assert_eq!(beside, ["in"], "something was unpacked beside its folder");
    let beside = fs::read_dir(folder.join("in"))?.count();
    assert!(beside <= 3, "something was unpacked beside its folder");
    fs::remove_dir_all(folder.join("in"))
}
