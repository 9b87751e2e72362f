//! What scheduling costs, for `cargo xtask bench`: four matrices of 250 legs with the dummy executor.

use shipway_base::{Clock, Source, Timestamp};
use shipway_runner::{
    ActionStore, ArtifactFolder, Cancel, DummyExecutor, Groups, JobContext, MemoryJournal, Repository,
    Revision, drive,
};
use shipway_workflow::{
    document::Workflow,
    event::Event,
    expr::Value,
    plan::RunPlan,
    run::{Run, RunContext},
};
use std::{collections::BTreeMap, error::Error, sync::Arc, time::Instant};
use tokio::sync::{Semaphore, mpsc};

const LEGS: usize = 250;
const MATRICES: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench measures time and prints its figures"
)]
async fn measure() -> Result<(), Box<dyn Error>> {
    let workflow = workflow()?;
    let event = Event {
        name: "push".to_owned(),
        payload: serde_json::json!({}).into(),
        reference: "refs/heads/main".to_owned(),
        sha: "0".repeat(40),
        changed: None,
    };
    let plan =
        RunPlan::new(Arc::new(workflow), event, &BTreeMap::new()).map_err(|found| found.to_string())?;
    let empty = || Value::from_json(&serde_json::json!({}));
    let run = Run::new(Arc::new(plan), RunContext { github: empty(), vars: empty(), inputs: empty() });
    let origin = Instant::now();
    let clock = Clock::new(move || Timestamp::from_millis(1_800_000_000_000) + origin.elapsed());
    let context = JobContext {
        clock: clock.clone(),
        secrets: Arc::default(),
        environments: Arc::default(),
        repository: Repository { path: ".".into(), revision: Revision::WorkingTree },
        artifacts: Arc::new(ArtifactFolder::new("unused", clock)),
        services: None,
        actions: Arc::new(ActionStore::new("unused".into(), None, "https://github.com", &BTreeMap::new())),
        native_actions: true,
        host_env: Arc::default(),
        path_prefix: Arc::default(),
        extra_env: Arc::default(),
        local_env: Arc::default(),
        secret_env: Arc::default(),
        debug: false,
        groups: Groups::new(),
        platforms: Arc::default(),
        slots: Arc::new(Semaphore::new(8)),
        hooks: Arc::default(),
        breaks: None,
    };
    let (sender, mut reports) = mpsc::channel(1_024);
    let listener = tokio::spawn(async move {
        let mut count = 0_u64;
        while reports.recv().await.is_some() {
            count += 1;
        }
        count
    });
    let mut journal = MemoryJournal::default();
    let started = Instant::now();
    let cancel = Cancel::new();
    let conclusion = drive(run, &context, Arc::new(DummyExecutor), &mut journal, sender, &cancel).await?;
    let elapsed = started.elapsed();
    let jobs = LEGS * MATRICES;
    println!(
        "{jobs} jobs ended as {conclusion} with {} reports: {:.3} ms a job; aim: under 1 ms",
        listener.await?,
        elapsed.as_secs_f64() * 1_000.0 / jobs as f64
    );
    Ok(())
}

fn workflow() -> Result<Workflow, Box<dyn Error>> {
    let legs: Vec<String> = (0..LEGS).map(|leg| leg.to_string()).collect();
    let mut text = "on: push\njobs:\n".to_owned();
    for matrix in 0..MATRICES {
        text += &format!(
            "  matrix{matrix}:\n    runs-on: dummy\n    strategy: {{matrix: {{leg: [{}]}}}}\n    steps: [{{run: 'echo ${{{{ matrix.leg }}}}'}}]\n",
            legs.join(", ")
        );
    }
    let (workflow, found) = Workflow::parse(&Source::new("bench.yml", text));
    workflow.ok_or_else(|| found.to_string().into())
}
