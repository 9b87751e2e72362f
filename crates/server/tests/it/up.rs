//! The control plane as a whole, in this process: a repository, a data folder, and a clock that the test moves.

mod called;
mod cancel;
mod dispatch;
mod far;
mod follow;
mod hooks;
mod pushes;
mod refs;
mod rerun;
mod schedule;
mod secrets;
mod summaries;
mod told;

use shipway_api::{JobKey, Run, RunId, RunQuery, RunSummary, Status};
use shipway_base::{Secret, Timestamp};
use shipway_runner::{EngineSettings, Hooks};
use shipway_server::{
    backend::{Backend, LogRange, Which},
    up::{Listen, Up, UpError, UpOptions},
};
use shipway_testkit::clock::VirtualClock;
use std::{
    collections::BTreeMap, net::SocketAddr, path::PathBuf, process::Command, sync::Arc, time::Duration,
};
use tempfile::TempDir;
use tokio::sync::broadcast::error::RecvError;

/// How long anything may take that must happen. Generous, since the machine may be busy; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(120);

/// The instant that the clock shows first: a Thursday.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_795_687_200_000);

/// A repository that is watched.
pub(crate) struct Yard {
    folder: TempDir,
    pub(crate) clock: VirtualClock,
    pub(crate) key: Option<Secret>,
    /// Where other repositories are looked for at the next start; a folder without one when there is none.
    pub(crate) proxy: Option<SocketAddr>,
    /// Whether a forge tells what happens.
    pub(crate) is_told: bool,
    /// How long that may take.
    pub(crate) fetch_patience: Duration,
    /// How long a webhook may wait for its answer.
    pub(crate) answer_within: Duration,
    up: Option<Up>,
}

impl Yard {
    /// A repository with these files in one commit on `main`, watched from then on.
    pub(crate) async fn new(files: &[(&str, &str)]) -> Yard {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (clock, fetch_patience) = (VirtualClock::new(START), PATIENCE * 10);
        let answer_within = PATIENCE;
        let mut yard = Yard {
            folder,
            clock,
            key: None,
            proxy: None,
            is_told: false,
            fetch_patience,
            answer_within,
            up: None,
        };
        std::fs::create_dir_all(yard.repository()).expect("a folder");
        yard.git(&["init", "--quiet", "--initial-branch=main"]);
        yard.commit("first", files);
        yard.start().await;
        yard
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// Writes files and commits everything; gives the commit.
    pub(crate) fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.repository().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, text).expect("a file");
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    #[expect(clippy::disallowed_methods, reason = "tests make repositories with git")]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(self.repository())
            .output()
            .expect("git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts the control plane on the folder.
    pub(crate) async fn start(&mut self) {
        self.try_start(false).await.expect("it starts");
    }

    /// Starts it, or says why not.
    pub(crate) async fn try_start(&mut self, forget_secrets: bool) -> Result<(), UpError> {
        let mut host_env = BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]);
        host_env.extend(self.proxy.map(|proxy| ("https_proxy".to_owned(), format!("http://{proxy}"))));
        let any = Listen::Fixed(SocketAddr::from(([127, 0, 0, 1], 0)));
        let options = UpOptions {
            repository: self.repository(),
            data: self.data(),
            listen: any,
            router: any,
            clock: self.clock.clock(),
            executable: PathBuf::from("/bin/true"),
            environment: host_env.clone(),
            host_env,
            engine: EngineSettings::default(),
            hooks: Hooks::default(),
            poll: Duration::from_millis(20),
            run_existing: false,
            max_jobs: 2,
            webhook_secret: self.is_told.then(|| Secret::new("of the webhook")),
            fetch_patience: self.fetch_patience,
            answer_within: self.answer_within,
            isolation: Default::default(),
            action_mirror: self.proxy.is_none().then(|| self.mirror()),
            secrets_key: self.key.clone(),
            forget_secrets,
        };
        self.up = Some(Up::start(options).await?);
        Ok(())
    }

    /// Stops it in good order. A moment passes, so that ids of the next start come after those of this one.
    pub(crate) async fn stop(&mut self) {
        self.up.take().expect("it runs").shutdown().await;
        self.clock.advance(Duration::from_millis(1));
    }

    /// The running control plane.
    pub(crate) fn up(&self) -> &Up {
        self.up.as_ref().expect("it runs")
    }

    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        self.up().backend()
    }

    /// All runs, the oldest first.
    pub(crate) async fn runs(&self) -> Vec<RunSummary> {
        let mut runs = self.backend().runs(RunQuery::default()).await.expect("runs").items;
        runs.reverse();
        runs
    }

    /// Looks again after every change until there is what is looked for.
    pub(crate) async fn wait<T, F: Future<Output = Option<T>>>(&self, mut look: impl FnMut() -> F) -> T {
        let mut changes = self.backend().changes();
        let found = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                match changes.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => panic!("the control plane is gone"),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("it did not come; runs: {:#?}", self.runs().await),
        }
    }

    /// Waits until something is wrong.
    pub(crate) async fn in_trouble(&self) {
        let backend = self.backend();
        let wrong = async {
            while backend.health().await.expect("it says how it is").healthy {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wrong).await.expect("it is in trouble");
    }

    /// Waits until a run is over.
    pub(crate) async fn over(&self, id: RunId) -> Run {
        let backend = self.backend();
        self.wait(|| async {
            let run = backend.run(id.into()).await.expect("the run");
            (run.summary.status == Status::Completed).then_some(run)
        })
        .await
    }

    /// Waits until this attempt of a run is over.
    pub(crate) async fn attempt_over(&self, id: RunId, attempt: u32) -> Run {
        let backend = self.backend();
        self.wait(|| async {
            let run = backend.run(id.into()).await.expect("the run").summary;
            (run.attempt == attempt && run.status == Status::Completed).then_some(())
        })
        .await;
        backend.run(id.into()).await.expect("the run")
    }

    /// Waits until there are so many runs, and all of them are over.
    pub(crate) async fn all_over(&self, count: usize) -> Vec<RunSummary> {
        self.wait(|| async {
            let runs = self.runs().await;
            let over = runs.len() == count && runs.iter().all(|run| run.status == Status::Completed);
            over.then_some(runs)
        })
        .await
    }

    /// Waits until so many schedules count.
    pub(crate) async fn seen_schedules(&self, count: usize) {
        let backend = self.backend();
        self.wait(|| async {
            let listed = backend.workflows(None).await.expect("workflows").items;
            let schedules = listed.iter().flat_map(|workflow| &workflow.schedules);
            (schedules.filter(|schedule| schedule.next_at.is_some()).count() == count).then_some(())
        })
        .await;
    }

    /// Where other repositories are looked for.
    pub(crate) fn mirror(&self) -> PathBuf {
        self.folder.path().join("mirror")
    }

    /// Changes the database behind the back of the control plane: how a fault is made.
    pub(crate) fn sql(&self, text: &str) {
        self.database().execute_batch(text).expect("it is done");
    }

    /// The number that a question to the database gives.
    pub(crate) fn sql_number(&self, text: &str) -> i64 {
        self.database().query_row(text, [], |row| row.get(0)).expect("a number")
    }

    fn database(&self) -> rusqlite::Connection {
        let database = rusqlite::Connection::open(self.data().join("shipway.db")).expect("the database");
        database.busy_timeout(PATIENCE).expect("patience");
        database
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What a job said.
    pub(crate) async fn log(&self, run: impl Into<Which>, job: &str) -> String {
        let key = JobKey::new(job).expect("a key");
        let slice =
            self.backend().log(run.into(), key, LogRange { from: 1, count: 5_000 }).await.expect("a log");
        slice.lines.into_iter().map(|line| line.text + "\n").collect()
    }
}
