//! Runs that follow runs: workflows of the default branch with `on: workflow_run`.
//!
//! What was told of a run is written down after the runs that follow from it were made, and those are made with a key, so that a
//! crash between the two tells nothing twice and leaves nothing untold. As on GitHub, at most three runs follow one another.

use super::{AGAIN, FOLDER, RunError, Runs, dispatch::is_workflow};
use crate::{
    backend::Change,
    control::world::{World, lock},
    source::{self, RunFacts},
};
use shipway_base::{Source, Timestamp};
use shipway_store::models::{
    self, Status,
    runs::{RunRow, Told},
};
use shipway_workflow::{document::Workflow, event::Event, expr::Value};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How long it may take to notice that another branch became the default one without any branch moving.
const REFRESH: Duration = Duration::from_secs(60);

/// What is known of the workflows that wait for others.
#[derive(Debug)]
pub(super) struct Followed {
    /// The default branch and its commit, when there are any.
    head: Option<(String, String)>,
    asked: Timestamp,
}

/// So many runs may lead to one that follows them.
const MOST_CHAINED: u32 = 3;

/// Tells of runs until the process stops.
pub(crate) async fn follow(world: Arc<World>, runs: Arc<Runs>) {
    let place = "following runs";
    let mut changes = world.changes.subscribe();
    loop {
        let failed = match runs.tell_all().await {
            Ok(()) => {
                world.well(place);
                false
            }
            Err(error) => {
                world.trouble(place, error);
                true
            }
        };
        let goes_on = tokio::select! {
            () = world.stopping.cancelled() => false,
            () = tokio::time::sleep(AGAIN), if failed => true,
            goes_on = changed(&mut changes), if !failed => goes_on,
        };
        if !goes_on {
            return;
        }
    }
}

/// Waits until a run changed; false when nothing changes any more.
async fn changed(changes: &mut Receiver<Change>) -> bool {
    loop {
        match changes.recv().await {
            Ok(Change::Run(_)) | Err(RecvError::Lagged(_)) => break,
            Ok(Change::Log(..) | Change::Rollout(_) | Change::Workflows) => {}
            Err(RecvError::Closed) => return false,
        }
    }
    // What came meanwhile is in the next look.
    while let Ok(_) | Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) = changes.try_recv() {}
    true
}

/// Whether a workflow file can be read, and has an event under `on`.
pub(super) fn waits_for(path: &str, text: &str, event: &str) -> bool {
    let (workflow, _) = Workflow::parse(&Source::new(path, text));
    workflow.is_some_and(|workflow| workflow.on.iter().any(|trigger| trigger.event.value == event))
}

/// What is told of a run, in order.
fn stages(row: &RunRow) -> Vec<(Told, &'static str)> {
    let reached = match row.status {
        Status::Queued => Told::Requested,
        Status::InProgress => Told::InProgress,
        Status::Completed => Told::Completed,
    };
    let all =
        [(Told::Requested, "requested"), (Told::InProgress, "in_progress"), (Told::Completed, "completed")];
    let began = row.started_at.is_some();
    // As on GitHub a run is requested once; what it is run again for is told when it begins and when it is over.
    let first = row.attempt == 1;
    let due = |(stage, _): &(Told, &str)| {
        *stage > row.told
            && *stage <= reached
            && (began || *stage != Told::InProgress)
            && (first || *stage != Told::Requested)
    };
    all.into_iter().filter(due).collect()
}

impl Runs {
    /// Tells of all runs what is to be told of them.
    async fn tell_all(self: &Arc<Self>) -> Result<(), RunError> {
        let rows = self.world.store.untold_runs().await?;
        if rows.is_empty() {
            return Ok(());
        }
        let Some((branch, sha)) = self.followers().await? else {
            // Nobody waits. Of runs that go on nothing is written down: that costs more than looking at them again.
            let over = rows.iter().filter(|row| row.status == Status::Completed);
            let told: Vec<_> = over.map(|row| models::runs::tell(row.id, Told::Completed)).collect();
            return if told.is_empty() { Ok(()) } else { Ok(self.world.store.batch(told).await?) };
        };
        for row in &rows {
            for (stage, action) in stages(row) {
                if row.chain < MOST_CHAINED {
                    self.tell_run(row, action, &branch, &sha).await?;
                } else {
                    tracing::info!(run = %row.run, "no workflow follows it: {MOST_CHAINED} runs led to it already");
                }
                self.world.store.batch(vec![models::runs::tell(row.id, stage)]).await?;
            }
        }
        Ok(())
    }

    /// The default branch and its commit, when workflows there wait for others. Git is asked again when a branch has moved, and not
    /// at each thing that happens to a run.
    async fn followers(&self) -> Result<Option<(String, String)>, RunError> {
        let now = self.world.clock.now();
        if let Some(known) = &*lock(&self.followed)
            && now.since(known.asked) < REFRESH
        {
            return Ok(known.head.clone());
        }
        let branch = self.git.default_branch().await?;
        let mut heard = false;
        let sha = self.git.refs().await?.remove(&format!("refs/heads/{branch}"));
        if let Some(sha) = &sha {
            for path in self.git.files(sha, FOLDER).await? {
                if is_workflow(&path) && !heard {
                    heard = waits_for(&path, &self.git.text(sha, &path).await?, "workflow_run");
                }
            }
        }
        let head = sha.filter(|_| heard).map(|sha| (branch, sha));
        *lock(&self.followed) = Some(Followed { head: head.clone(), asked: now });
        Ok(head)
    }

    /// Says that a branch has moved, so that it is looked again which workflows wait for others.
    pub(crate) fn moved(&self) {
        *lock(&self.followed) = None;
    }

    /// Makes the runs that follow from what happened to a run.
    async fn tell_run(
        self: &Arc<Self>,
        row: &RunRow,
        action: &str,
        branch: &str,
        sha: &str,
    ) -> Result<(), RunError> {
        let stored = self.stored(row.id).await?;
        let caused = stored.event();
        // The head of a pull request belongs to no branch here, so that git may have thrown it away.
        let head = self.git.commit(&RunFacts::head_sha(&caused, row)).await.ok();
        let facts = RunFacts {
            repository: &self.settings.repository,
            default_branch: branch,
            row,
            event: &caused,
            actor: stored.created.github.get("actor").and_then(Value::as_str),
            head: head.as_ref(),
            url: &self.settings.url,
        };
        let event = Event {
            name: "workflow_run".to_owned(),
            payload: source::workflow_run_payload(&facts, action).into(),
            reference: format!("refs/heads/{branch}"),
            sha: sha.to_owned(),
            changed: None,
        };
        let commit = self.git.commit(sha).await?;
        let key = format!("workflow_run {} {action}", row.id);
        self.runs_of(&event, &commit, (&key, row.chain + 1)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_can_be_read_wait() {
        let text = "on: {workflow_run: {workflows: [a]}}\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
        assert!(waits_for("a.yml", text, "workflow_run"));
        assert!(!waits_for("a.yml", text, "push"));
        for bad in ["{", "", "on: [", "\u{0}"] {
            assert!(!waits_for("a.yml", bad, "workflow_run"), "{bad:?}");
        }
    }
}
