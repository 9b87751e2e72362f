//! A repository in a temporary folder, and the story of a run of one workflow in it.

use shipway_base::{Clock, Secret, Source, Timestamp};
use shipway_runner::{
    ActionStore, ArtifactFolder, Cancel, DummyExecutor, Executor, Groups, HostExecutor, JobContext, Level,
    MemoryJournal, Patience, Report, ReportKind, Repository, Revision, RunnerError, drive,
};
use shipway_workflow::{
    Texts,
    document::Workflow,
    event::Event,
    expr::Value,
    plan::{Called, RemoteRepository, RunPlan},
    run::{Conclusion, Input, Run, RunContext},
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};

/// Longer than anything here takes, short enough to notice.
pub(crate) const PATIENT: Duration = Duration::from_secs(60);

/// A place to run workflows in.
pub(crate) struct World {
    /// Goes when the world goes.
    pub(crate) dir: TempDir,
    /// What jobs get to know.
    pub(crate) context: JobContext,
    /// Who runs them.
    pub(crate) executor: Arc<dyn Executor>,
    /// How they are stopped.
    pub(crate) cancel: Cancel,
}

/// What became of a run.
pub(crate) struct Story {
    /// How the run ended.
    pub(crate) conclusion: Conclusion,
    /// All that was reported, in order.
    pub(crate) reports: Vec<Report>,
    /// All that was committed.
    pub(crate) inputs: Vec<(Timestamp, Input)>,
}

impl World {
    /// A world with an empty repository and real processes, which are killed fast.
    pub(crate) fn new() -> World {
        let dir = tempfile::tempdir().expect("a folder");
        let world = World {
            context: context(dir.path()),
            executor: Arc::new(host(dir.path())),
            cancel: Cancel::new(),
            dir,
        };
        fs::create_dir_all(world.repository()).expect("the repository");
        world
    }

    /// A world without processes.
    pub(crate) fn dummy() -> World {
        World { executor: Arc::new(DummyExecutor), ..World::new() }
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    /// Writes a file of the repository.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.repository().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Commits everything; the runs are about this commit from now on.
    pub(crate) fn commit(&mut self) -> String {
        let repository = self.repository();
        if !repository.join(".git").exists() {
            git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        }
        git(&repository, &["add", "--all"]);
        git(&repository, &["commit", "--quiet", "--allow-empty", "-m", "work"]);
        let sha = git(&repository, &["rev-parse", "HEAD"]);
        self.context.repository.revision = Revision::Commit(sha.clone());
        sha
    }

    /// A secret of the run.
    pub(crate) fn secret(&mut self, name: &str, value: &str) {
        Arc::make_mut(&mut self.context.secrets).insert(name.to_owned(), Secret::new(value));
    }

    /// The steps of one job, given as the text below `steps:`, indented by six.
    pub(crate) async fn steps(&self, steps: &str) -> Story {
        self.run(&format!("on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n{steps}")).await
    }

    /// A whole run of a workflow.
    pub(crate) async fn run(&self, workflow: &str) -> Story {
        self.watch(workflow, |_, _| {}).await
    }

    /// A whole run, with a look at each report while it goes on.
    pub(crate) async fn watch(&self, workflow: &str, look: impl FnMut(&Report, &Cancel)) -> Story {
        let mut journal = MemoryJournal::default();
        let (conclusion, reports) = self.drive(self.plan(workflow), &mut journal, look).await;
        Story { conclusion: conclusion.expect("driven to the end"), reports, inputs: journal.0 }
    }

    /// A run that has not begun.
    pub(crate) fn plan(&self, workflow: &str) -> Run {
        let (parsed, found) = Workflow::parse(&Source::new(".github/workflows/test.yml", workflow));
        let parsed = Arc::new(parsed.unwrap_or_else(|| panic!("{found}\n{workflow}")));
        let sha = match &self.context.repository.revision {
            Revision::Commit(sha) => sha.clone(),
            Revision::WorkingTree => "0".repeat(40),
        };
        let event = Event {
            name: "push".to_owned(),
            payload: serde_json::json!({"head_commit": {"id": sha}}).into(),
            reference: "refs/heads/main".to_owned(),
            sha: sha.clone(),
            changed: None,
        };
        let github = Value::from_json(&serde_json::json!({
            "event_name": "push", "ref": "refs/heads/main", "ref_name": "main", "sha": sha,
            "repository": "me/it", "workflow_ref": "me/it/.github/workflows/test.yml@refs/heads/main",
            "workflow_sha": sha, "run_id": "7", "event": event.payload.to_json(),
        }));
        let mut called = Called::new();
        while let Some(wanted) = called.wanted(&parsed) {
            let (folder, commit) = match &wanted.file.repository {
                Some(RemoteRepository { owner, repo, reference }) => {
                    let folder = self.dir.path().join("mirror").join(owner).join(repo);
                    let commit = git(&folder, &["rev-parse", &format!("{reference}^{{commit}}")]);
                    (folder, Some(commit.trim().to_owned()))
                }
                None => (self.repository().to_owned(), None),
            };
            let text = fs::read_to_string(folder.join(&wanted.file.path)).expect("a called file");
            called.give(wanted.file, &text, commit);
        }
        let plan = RunPlan::calling(parsed, event, &BTreeMap::new(), &called);
        let plan = plan.unwrap_or_else(|found| panic!("{found}"));
        let context = RunContext { github, vars: Value::Null, inputs: plan.inputs().clone() };
        Run::new(Arc::new(plan), context)
    }

    pub(crate) async fn drive(
        &self,
        run: Run,
        journal: &mut MemoryJournal,
        mut look: impl FnMut(&Report, &Cancel),
    ) -> (Result<Conclusion, RunnerError>, Vec<Report>) {
        let (sender, mut receiver) = mpsc::channel(64);
        let listen = async {
            let mut reports = Vec::new();
            while let Some(report) = receiver.recv().await {
                look(&report, &self.cancel);
                reports.push(report);
            }
            reports
        };
        let driving = drive(run, &self.context, self.executor.clone(), journal, sender, &self.cancel);
        let both = async { tokio::join!(driving, listen) };
        tokio::time::timeout(PATIENT, both).await.expect("the run ends")
    }
}

impl Story {
    /// All lines of the log.
    pub(crate) fn log(&self) -> String {
        self.reports.iter().fold(String::new(), |mut log, report| {
            for line in report.kind.lines() {
                let _ = writeln!(log, "{line}");
            }
            log
        })
    }

    /// Outcome, conclusion and exit code of each step of the only job.
    pub(crate) fn steps(&self) -> Vec<(Conclusion, Conclusion, Option<i32>)> {
        self.reports
            .iter()
            .filter_map(|report| {
                let ReportKind::StepFinished { outcome, conclusion, exit_code, .. } = &report.kind else {
                    return None;
                };
                Some((*outcome, *conclusion, *exit_code))
            })
            .collect()
    }

    /// The words for the conclusions of the steps.
    pub(crate) fn conclusions(&self) -> String {
        let words: Vec<&str> = self.steps().iter().map(|(_, conclusion, _)| conclusion.as_str()).collect();
        words.join(" ")
    }

    /// The messages of all annotations of a level.
    pub(crate) fn annotations(&self, level: Level) -> Vec<String> {
        self.reports
            .iter()
            .filter_map(|report| {
                let ReportKind::Annotation(annotation) = &report.kind else { return None };
                (annotation.level == level).then(|| annotation.message.clone())
            })
            .collect()
    }

    /// The outputs of a job.
    pub(crate) fn outputs(&self, key: &str) -> Texts {
        self.inputs
            .iter()
            .rev()
            .find_map(|(_, input)| {
                let Input::JobFinished { job, outputs, .. } = input else { return None };
                (job.0 == key).then(|| outputs.clone())
            })
            .unwrap_or_default()
    }

    /// That the run succeeded; the log otherwise.
    #[track_caller]
    pub(crate) fn expect_success(&self) -> &Story {
        assert_eq!(self.conclusion, Conclusion::Success, "{}", self.log());
        self
    }

    /// That a text stands in the log.
    #[track_caller]
    pub(crate) fn expect_line(&self, line: &str) -> &Story {
        assert!(self.log().lines().any(|found| found == line), "no line {line:?} in\n{}", self.log());
        self
    }
}

/// An executor that loses patience fast.
pub(crate) fn host(dir: &Path) -> HostExecutor {
    HostExecutor::new(&dir.join("work"), &dir.join("records"), patience()).expect("an executor")
}

/// Little patience.
pub(crate) fn patience() -> Patience {
    Patience {
        term_after: Duration::from_millis(150),
        kill_after: Duration::from_millis(300),
        drain: Duration::from_millis(200),
    }
}

pub(crate) fn context(dir: &Path) -> JobContext {
    let now = AtomicI64::new(1_700_000_000_000_000);
    let host_env = BTreeMap::from([("PATH".to_owned(), host_path())]);
    let clock = Clock::new(move || Timestamp::from_micros(now.fetch_add(1_000, Ordering::Relaxed)));
    JobContext {
        clock: clock.clone(),
        secrets: Arc::default(),
        environments: Arc::default(),
        repository: Repository { path: dir.join("repository"), revision: Revision::WorkingTree },
        artifacts: Arc::new(ArtifactFolder::new(dir.join("artifacts"), clock)),
        services: None,
        host_env: Arc::new(host_env),
        path_prefix: Arc::default(),
        extra_env: Arc::default(),
        local_env: Arc::default(),
        secret_env: Arc::default(),
        actions: Arc::new(ActionStore::new(
            dir.join("actions"),
            Some(dir.join("mirror")),
            "https://github.com",
            &BTreeMap::from([("PATH".to_owned(), host_path())]),
        )),
        native_actions: true,
        debug: false,
        groups: Groups::new(),
        platforms: Arc::default(),
        slots: Arc::new(Semaphore::new(4)),
        hooks: Arc::default(),
        breaks: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "tests run the programs of the machine they run on")]
fn host_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

/// Whether a program is on the path; where it is not, the test says so loudly.
#[expect(clippy::print_stdout, reason = "what is not tested is said loudly")]
pub(crate) fn has(program: &str) -> bool {
    let found = host_path().split(':').any(|dir| Path::new(dir).join(program).is_file());
    if !found {
        println!("NOT TESTED: {program} is not installed");
    }
    found
}

/// Where a program is that [`has`] found.
pub(crate) fn which(program: &str) -> PathBuf {
    let mut found = std::env::split_paths(&host_path())
        .map(|dir| dir.join(program))
        .filter(|path| path.is_file())
        .collect::<Vec<_>>();
    found.swap_remove(0)
}

#[expect(clippy::disallowed_methods, reason = "the repository of a test is made with git itself")]
pub(crate) fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
