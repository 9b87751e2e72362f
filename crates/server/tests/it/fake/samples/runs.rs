//! Sample runs.

use super::{LARGE, key, run_id};
use crate::fake::{FakeLog, NOW, State};
use shipway_api::{
    Annotation, AnnotationLevel, Artifact, Commit, Conclusion, Failure, Job, LogLine, RawLine, Run,
    RunAction, RunSummary, Status, Step, Usual,
};
use shipway_base::{Digest, Timestamp};
use std::time::Duration;

const SUBJECTS: [&str; 6] = [
    "Speed up the checkout page",
    "Keep the basket when a session ends",
    "Say which field of the form is wrong",
    "Bump the image of the worker",
    "Remove the flag of the old search",
    "Retry the payment once when the bank is slow",
];

pub(super) fn fill(state: &mut State) {
    state.runs.push(queued());
    state.runs.push(under_way(state));
    state.runs.push(failed());
    state.runs.push(succeeded(state));
    state.runs.push(large());
    state.runs.push(wide());
    state.runs.push(cancelled());
    for n in 0..60 {
        state.runs.push(old(n));
    }
    logs(state);
}

fn ago(seconds: u64) -> Timestamp {
    NOW - Duration::from_secs(seconds)
}

fn summary(
    n: i64,
    workflow: &str,
    began: u64,
    took: Option<u64>,
    conclusion: Option<Conclusion>,
) -> RunSummary {
    let subject = SUBJECTS[n as usize % SUBJECTS.len()].to_owned();
    RunSummary {
        id: run_id(n),
        number: 80_u64.saturating_sub(n.unsigned_abs()),
        title: subject.clone(),
        workflow: workflow.to_owned(),
        path: format!(".github/workflows/{}.yml", workflow.to_lowercase()),
        event: "push".to_owned(),
        actor: "mara".to_owned(),
        branch: "main".to_owned(),
        commit: Commit {
            sha: Digest::of(&n.to_le_bytes()).hex()[..40].to_owned(),
            subject,
            author: "Mara Lind".to_owned(),
        },
        status: if conclusion.is_some() { Status::Completed } else { Status::InProgress },
        conclusion,
        attempt: 1,
        failed_jobs: u32::from(conclusion == Some(Conclusion::Failure)),
        created_at: ago(began),
        started_at: Some(ago(began) + Duration::from_millis(300)),
        finished_at: took.map(|took| ago(began) + Duration::from_secs(took)),
        failed: None,
    }
}

fn run(summary: RunSummary, jobs: Vec<Job>) -> Run {
    let actions = match summary.conclusion {
        None => vec![RunAction::Cancel],
        Some(Conclusion::Failure) => vec![RunAction::RerunFailed, RunAction::Rerun],
        Some(_) => vec![RunAction::Rerun],
    };
    Run {
        attempts: summary.attempt,
        summary,
        jobs,
        failure: None,
        annotations: Vec::new(),
        artifacts: Vec::new(),
        rollouts: Vec::new(),
        actions,
        usual: Some(Usual { took_ms: 95_000, times: 10 }),
    }
}

fn job(id: &str, name: &str, needs: &[&str], state: Option<Conclusion>, began: u64, took: u64) -> Job {
    let finished = state.map(|_| ago(began) + Duration::from_secs(took));
    let step = |index: u32, name: &str, offset: u64, first_line: u64, last: bool| Step {
        index,
        name: name.to_owned(),
        status: if last && state.is_none() { Status::InProgress } else { Status::Completed },
        conclusion: if last { state } else { Some(Conclusion::Success) },
        exit_code: if last { state.map(|state| i32::from(state == Conclusion::Failure)) } else { Some(0) },
        started_at: Some(ago(began) + Duration::from_secs(offset)),
        finished_at: if last { finished } else { Some(ago(began) + Duration::from_secs(offset + 1)) },
        first_line: Some(first_line),
        culprit: None,
    };
    Job {
        key: key(id),
        segment: key(id).segment(),
        name: name.to_owned(),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        status: if state.is_some() { Status::Completed } else { Status::InProgress },
        conclusion: state,
        attempt: 1,
        kept_from: None,
        started_at: Some(ago(began)),
        finished_at: finished,
        reason: None,
        steps: vec![step(0, "Check out the commit", 0, 1, false), step(1, "Run the script", 1, 4, true)],
        log_lines: 24,
        error_line: None,
        usual: Some(Usual { took_ms: 14_000, times: 7 }),
        step_summary: None,
        step_summary_bytes: None,
    }
}

fn idle(id: &str, needs: &[&str], conclusion: Option<Conclusion>, reason: &str) -> Job {
    Job {
        status: if conclusion.is_some() { Status::Completed } else { Status::Queued },
        attempt: 0,
        started_at: None,
        finished_at: None,
        reason: Some(reason.to_owned()),
        steps: Vec::new(),
        log_lines: 0,
        usual: None,
        ..job(id, id, needs, conclusion, 0, 0)
    }
}

/// The name of a step that has none of its own is its command.
const LONG_NAME: &str = r#"Run cargo test --locked --workspace --no-fail-fast --message-format=short -- "$(cat tests.txt)" --nocapture"#;

const OK: Option<Conclusion> = Some(Conclusion::Success);

fn queued() -> Run {
    let mut summary = summary(1, "Nightly", 3, None, None);
    summary.status = Status::Queued;
    summary.started_at = None;
    summary.event = "schedule".to_owned();
    summary.actor = "clock".to_owned();
    run(summary, vec![idle("soak", &[], None, "Waits for a free place: 4 of 4 jobs are running.")])
}

fn under_way(state: &State) -> Run {
    let jobs = vec![
        job("lint", "Lint", &[], OK, 94, 7),
        job("test/0", "test (stable)", &[], OK, 94, 31),
        job("test/1", "test (beta)", &[], OK, 94, 29),
        job("test/2", "test (nightly)", &[], None, 94, 0),
        job("build", "Build", &["lint"], OK, 86, 22),
        idle("deploy", &["test", "build"], None, "Waits for test: 1 of 3 legs is still running."),
    ];
    let mut run = run(summary(2, "Deliver", 95, None, None), jobs);
    run.artifacts = vec![artifact("web", 4_812_330)];
    run.rollouts = state.rollouts.iter().take(1).map(|rollout| rollout.summary.clone()).collect();
    run
}

fn artifact(name: &str, bytes: u64) -> Artifact {
    Artifact { name: name.to_owned(), bytes, digest: Digest::of(name.as_bytes()).to_string() }
}

fn failed() -> Run {
    let mut broken = job("test/1", "test (beta)", &[], Some(Conclusion::Failure), 700, 41);
    broken.error_line = Some(15);
    let jobs = vec![
        job("lint", "Lint", &[], OK, 701, 6),
        job("test/0", "test (stable)", &[], OK, 700, 38),
        broken,
        job("test/2", "test (nightly)", &[], Some(Conclusion::Cancelled), 700, 41),
        job("build", "Build", &["lint"], OK, 690, 25),
        idle(
            "deploy",
            &["test", "build"],
            Some(Conclusion::Skipped),
            "Skipped: success() is false because test (beta) failed.",
        ),
    ];
    let mut summary = summary(3, "Deliver", 702, Some(44), Some(Conclusion::Failure));
    summary.failed = Some("test (beta): Run the script failed with exit code 1.".to_owned());
    let mut run = run(summary, jobs);
    for job in run.jobs.iter_mut().filter(|job| job.key == key("test/1")) {
        job.steps[1].name = LONG_NAME.to_owned();
    }
    let lines = failed_log();
    run.failure = Some(Failure {
        job: key("test/1"),
        job_name: "test (beta)".to_owned(),
        step_name: Some("Run the script".to_owned()),
        exit_code: Some(1),
        message: "The step Run the script failed with exit code 1".to_owned(),
        lines: lines
            .iter()
            .zip(1..)
            .skip(3)
            .map(|(text, n)| LogLine::new(n, RawLine { at: ago(660), step: 1, text: (*text).to_owned() }))
            .collect(),
        other_jobs: 0,
    });
    run.annotations = vec![
        Annotation {
            level: AnnotationLevel::Error,
            job: key("test/1"),
            title: Some("basket::keeps_items".to_owned()),
            message: "assertion failed: left 2 items, right 3 items".to_owned(),
            file: Some("src/basket.rs".to_owned()),
            line: Some(118),
        },
        Annotation {
            level: AnnotationLevel::Warning,
            job: key("build"),
            title: None,
            message: "unused variable `retries`".to_owned(),
            file: Some("src/pay.rs".to_owned()),
            line: Some(40),
        },
    ];
    run
}

fn failed_log() -> Vec<&'static str> {
    vec![
        "[command]git checkout --detach 3f2a9c1",
        "HEAD is now at 3f2a9c1 Keep the basket when a session ends",
        "",
        "[command]cargo test --all",
        "##[group]Compile",
        "   \x1b[1;32mCompiling\x1b[0m basket v0.3.1",
        "   \x1b[1;32mCompiling\x1b[0m shop v1.9.0",
        "##[endgroup]",
        "    \x1b[1;32mFinished\x1b[0m test profile in 21.40s",
        "     \x1b[1;32mRunning\x1b[0m unittests src/lib.rs",
        "running 3 tests",
        "test basket::adds_items ... \x1b[32mok\x1b[0m",
        "test basket::empties ... \x1b[32mok\x1b[0m",
        "test basket::keeps_items ... \x1b[31mFAILED\x1b[0m",
        "::error file=src/basket.rs,line=118::assertion failed: left 2 items, right 3 items",
        "thread 'basket::keeps_items' panicked at src/basket.rs:118:9:",
        "  left: 2",
        " right: 3",
        "note: run with `RUST_BACKTRACE=1`, see https://doc.rust-lang.org/std/backtrace/",
        "",
        "failures:",
        "    basket::keeps_items",
        "test result: \x1b[31mFAILED\x1b[0m. 2 passed; 1 failed",
        "\x1b[1m\x1b[31merror\x1b[0m: test failed, to rerun pass `--lib`",
    ]
}

fn succeeded(state: &State) -> Run {
    let mut build = job("build", "Build", &["lint"], OK, 3_000, 25);
    build.step_summary = Some("# Sizes\n\n| file | kB |\n|---|--:|\n| web | 4,812 |\n\n- [x] packed\n\nMore in [the report](https://example.com/r). <script>alert(1)</script>\n".to_owned());
    let mut test = job("test/0", "test (stable)", &[], OK, 3_010, 38);
    // What `@actions/core` writes for each of the methods of its `summary`.
    test.step_summary = Some(include_str!("summary.md").to_owned());
    let jobs = vec![
        job("lint", "Lint", &[], OK, 3_010, 6),
        test,
        job("test/1", "test (beta)", &[], OK, 3_010, 40),
        build,
        job("deploy", "Deploy", &["test", "build"], OK, 2_960, 233),
    ];
    let mut run = run(summary(4, "Deliver", 3_011, Some(284), OK), jobs);
    run.artifacts = vec![artifact("web", 4_811_002), artifact("coverage report", 81_220)];
    run.rollouts = state.rollouts.iter().skip(1).take(1).map(|rollout| rollout.summary.clone()).collect();
    run
}

/// A matrix of 300 legs, and a log of a million lines.
fn large() -> Run {
    let mut import = job("import", "Import the archive", &[], OK, 9_000, 3_000);
    import.log_lines = LARGE;
    let mut jobs = vec![import];
    for leg in 0..300 {
        let state = if leg == 137 { Some(Conclusion::Failure) } else { OK };
        jobs.push(job(
            &format!("soak/{leg}"),
            &format!("soak (seed {leg})"),
            &["import"],
            state,
            5_900,
            60 + leg % 40,
        ));
    }
    jobs.push(idle(
        "report",
        &["soak"],
        Some(Conclusion::Skipped),
        "Skipped: success() is false because soak (seed 137) failed.",
    ));
    let mut summary = summary(5, "Nightly", 9_001, Some(3_200), Some(Conclusion::Failure));
    summary.title = "Nightly soak".to_owned();
    summary.failed = Some("soak (seed 137): Run the script failed with exit code 1.".to_owned());
    run(summary, jobs)
}

/// A graph of many layers.
fn wide() -> Run {
    let graph: [(&str, &[&str]); 16] = [
        ("changes", &[]),
        ("deps", &[]),
        ("lint-rust", &["changes"]),
        ("lint-web", &["changes"]),
        ("schema", &["changes", "deps"]),
        ("build-core", &["deps", "lint-rust"]),
        ("build-web", &["deps", "lint-web", "schema"]),
        ("build-worker", &["build-core"]),
        ("test-core", &["build-core"]),
        ("test-web", &["build-web", "changes"]),
        ("test-worker", &["build-worker"]),
        ("end-to-end", &["test-core", "test-web", "build-worker"]),
        ("package-everything-for-release", &["test-worker", "end-to-end"]),
        ("sign", &["package-everything-for-release"]),
        ("deploy-staging", &["sign", "changes"]),
        ("notify", &["deploy-staging", "deps"]),
    ];
    let jobs = graph.iter().map(|(id, needs)| job(id, id, needs, OK, 20_000, 30)).collect();
    let mut summary = summary(6, "Monorepo", 20_001, Some(400), OK);
    summary.branch = "feature/a-very-long-name-of-a-branch-that-does-not-fit".to_owned();
    summary.event = "pull_request".to_owned();
    summary.actor = "jonas".to_owned();
    run(summary, jobs)
}

fn cancelled() -> Run {
    let jobs = vec![
        job("lint", "Lint", &[], OK, 30_000, 6),
        job("test", "Test", &[], Some(Conclusion::Cancelled), 30_000, 9),
    ];
    run(summary(7, "Deliver", 30_001, Some(11), Some(Conclusion::Cancelled)), jobs)
}

fn old(n: i64) -> Run {
    let conclusion = if n % 7 == 3 { Conclusion::Failure } else { Conclusion::Success };
    let began = 40_000 + n.unsigned_abs() * 7_000;
    let mut summary = summary(10 + n, "Deliver", began, Some(120 + n.unsigned_abs() % 50), Some(conclusion));
    if conclusion == Conclusion::Failure {
        summary.failed = Some("Test: Run the script failed with exit code 101.".to_owned());
    }
    run(summary, vec![job("test", "Test", &[], Some(conclusion), began, 100)])
}

fn logs(state: &mut State) {
    let plain =
        ["[command]git checkout --detach 3f2a9c1", "HEAD is now at 3f2a9c1", "", "[command]./script", "done"];
    let log = |failed: bool| {
        if failed {
            FakeLog::of(failed_log().into_iter().zip(0..).map(|(text, n)| (u32::from(n >= 3), text)))
        } else {
            FakeLog::of(plain.into_iter().zip(0..).map(|(text, n)| (u32::from(n >= 3), text)))
        }
    };
    for run in &state.runs {
        for job in run.jobs.iter().filter(|job| job.attempt > 0) {
            let failed = job.conclusion == Some(Conclusion::Failure);
            state.logs.insert((run.summary.id, job.key.clone()), log(failed));
        }
    }
    state.logs.insert((run_id(5), key("import")), FakeLog::Made(LARGE));
    let running = FakeLog::of([(0, "[command]git checkout --detach 3f2a9c1"), (1, "[command]./script")]);
    if let FakeLog::Lines { lines, .. } = running {
        state.logs.insert((run_id(2), key("test/2")), FakeLog::Lines { lines, complete: false });
    }
}
