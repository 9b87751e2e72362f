//! Making a run of a workflow for an event: planned, written down with everything it is rebuilt from, and started.
//!
//! Who makes runs for others, such as the one that watches the repository, waits for no network: a run that calls workflows of other
//! repositories is written down without them, and they are fetched after it is started.

use super::{
    ByName, RunError, Runs, first_finding,
    start::{Calling, Made, Start},
    token,
};
use crate::{
    backend::Change,
    control::asked::Asked,
    git::Commit,
    source::{self, ContextFacts},
};
use shipway_base::{Diagnostic, Diagnostics, Source, one_line};
use shipway_store::{
    Append, Expected, StoreError,
    models::{
        self, Conclusion, Status,
        runs::{AttemptId, RunId, RunRow, Told},
    },
    rows::{self, run::Created},
};
use shipway_workflow::{
    document::Workflow,
    event::Event,
    expr::Value,
    plan::{Called, RunPlan, WorkflowFile},
    run::{Kept, Run, RunContext},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// As many characters of a title are kept.
const MOST_TITLE: usize = 1_000;

/// What a run is made of.
pub(super) struct Order<'a> {
    pub(super) event: &'a Event,
    pub(super) commit: &'a Commit,
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) inputs: &'a BTreeMap<String, String>,
    pub(super) actor: &'a str,
    /// How many runs led to it, by workflows that wait for others.
    pub(super) chain: u32,
    pub(super) repeats: Option<Repeats<'a>>,
    /// Makes the same order only one run.
    pub(super) once: Option<String>,
    /// The request that asks for it, when that may come twice; its key is in `once`.
    pub(super) asked: Option<&'a Asked>,
    /// What becomes of a document with errors.
    pub(super) errors: Errors,
    /// When documents of other repositories are fetched.
    pub(super) fetch: Fetch,
}

/// The attempt of a run that is run again.
#[derive(Clone, Debug)]
pub(super) struct Repeats<'a> {
    pub(super) run: &'a RunRow,
    /// Who caused its event.
    pub(super) actor: &'a str,
    /// What is kept of it.
    pub(super) kept: Kept,
    /// The documents of called workflows and their commits, when they are not to be fetched anew.
    pub(super) called: Option<(&'a ByName, &'a ByName)>,
}

/// When documents of other repositories are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    /// Before the run is made: somebody waits for just this one.
    First,
    /// After it is made: others would have to wait too.
    Later,
}

/// What a workflow came to.
enum Planned {
    Ready(RunPlan),
    Calling(Arc<Workflow>),
    Refused(Diagnostics),
}

/// What becomes of a document with errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errors {
    /// A run that failed, so that somebody sees them: nobody waits for an answer.
    FailedRun,
    /// No run; who asked is told.
    Refuse,
}

impl Runs {
    /// Makes one run and starts it; `None` when the workflow is not for this event, or the run was made before.
    pub(super) async fn create(self: &Arc<Self>, order: Order<'_>) -> Result<Option<RunId>, RunError> {
        let id: AttemptId = self.world.id();
        let run = order.repeats.as_ref().map_or_else(|| RunRow::first(id), |repeats| repeats.run.run);
        let source = Source::new(order.path, order.text);
        let (workflow, found) = Workflow::parse(&source);
        if let Some(workflow) = &workflow
            && order.repeats.is_none()
            && !workflow.triggered_by(order.event).is_yes()
        {
            return Ok(None);
        }
        let name = workflow.as_ref().and_then(|workflow| workflow.name.as_ref());
        let name = name.map_or_else(|| order.path.to_owned(), |name| name.value.clone());
        let mut called = Called::new();
        let had = order.repeats.as_ref().and_then(|repeats| repeats.called);
        if let Some((texts, commits)) = had {
            for (name, text) in texts {
                if let Some(file) = WorkflowFile::parse(name) {
                    called.give(file, text, commits.get(name).cloned());
                }
            }
        }
        let mut missing = false;
        if let Some(workflow) = &workflow {
            missing = !self.call_own(workflow, &order.event.sha, &mut called).await?;
            if missing && order.fetch == Fetch::First {
                self.call_all(workflow, order.event, &mut called).await?;
                missing = false;
            }
        }
        let planned = match (workflow, found.has_errors()) {
            (Some(workflow), false) if missing => Planned::Calling(Arc::new(workflow)),
            (Some(workflow), false) => {
                let event = order.event.clone();
                RunPlan::calling(Arc::new(workflow), event, order.inputs, &called)
                    .map_or_else(Planned::Refused, Planned::Ready)
            }
            (Some(_) | None, _) => Planned::Refused(found),
        };
        let planned = match (planned, order.errors) {
            (Planned::Refused(found), Errors::Refuse) => return Err(RunError::Refused(found)),
            (planned, Errors::Refuse | Errors::FailedRun) => planned,
        };
        // A number is taken by the row that has it.
        let _turn = self.numbering.lock().await;
        let store = &self.world.store;
        let (number, attempt) = match &order.repeats {
            Some(repeats) => (repeats.run.number, repeats.run.attempt + 1),
            None => (store.next_run_number(&self.settings.repository.full(), order.path).await?, 1),
        };
        let values = self.settings.values.for_run(order.event).await?;
        let facts = ContextFacts {
            repository: &self.settings.repository,
            run_id: run.number(),
            run_number: number,
            run_attempt: attempt,
            workflow: &name,
            path: order.path,
            actor: order.repeats.as_ref().map_or(order.actor, |repeats| repeats.actor),
            triggering_actor: order.actor,
            server_url: &self.settings.server_url,
            token: "",
        };
        let plan = match &planned {
            Planned::Ready(plan) => Some(plan),
            Planned::Calling(_) | Planned::Refused(_) => None,
        };
        let facts = source::github_facts(order.event, &facts);
        let context = RunContext {
            github: source::github_context(&facts, order.event, plan),
            vars: Value::from_json(&serde_json::json!(values.vars)),
            inputs: match &planned {
                Planned::Ready(plan) => plan.inputs().clone(),
                Planned::Calling(_) => no_inputs(),
                Planned::Refused(_) => Value::Null,
            },
        };
        let subject = headline(order.commit.message.lines().next().unwrap_or_default());
        let title = match &planned {
            Planned::Ready(plan) => plan.run_name(&context),
            Planned::Calling(_) | Planned::Refused(_) => Ok(None),
        };
        // As on GitHub, a workflow whose title cannot be made does not run.
        let (planned, title) = match (title, order.errors) {
            (Ok(title), _) => (planned, title),
            (Err(found), Errors::Refuse) => return Err(RunError::Refused(alone(found))),
            (Err(found), Errors::FailedRun) => (Planned::Refused(alone(found)), None),
        };
        let (branch, _) = source::ref_name(&order.event.reference);
        let now = self.world.clock.now();
        let refused = match &planned {
            Planned::Refused(found) => Some(found),
            Planned::Ready(_) | Planned::Calling(_) => None,
        };
        let failed = refused.map(first_finding);
        let kept = order.repeats.as_ref().map(|repeats| repeats.kept.clone()).unwrap_or_default();
        let row = RunRow {
            id,
            run,
            number,
            repository: self.settings.repository.full(),
            path: order.path.to_owned(),
            workflow: one_line(&name),
            title: title.map_or_else(|| subject.clone(), |title| headline(&title)),
            event: order.event.name.clone(),
            actor: order.actor.to_owned(),
            git_ref: order.event.reference.clone(),
            branch: branch.to_owned(),
            sha: order.event.sha.clone(),
            commit_subject: subject,
            commit_author: order.commit.author.clone(),
            status: if failed.is_some() { Status::Completed } else { Status::Queued },
            conclusion: failed.as_ref().map(|_| Conclusion::Failure),
            attempt,
            kept: u32::try_from(kept.len()).unwrap_or(u32::MAX),
            failed_jobs: 0,
            told: Told::Nothing,
            chain: order.chain,
            created_at: now,
            started_at: None,
            finished_at: failed.as_ref().map(|_| now),
            failed,
        };
        let created = Created {
            path: order.path.to_owned(),
            workflow: order.text.to_owned(),
            event: order.event.name.clone(),
            payload: order.event.payload.to_json_text(),
            reference: order.event.reference.clone(),
            sha: order.event.sha.clone(),
            github: match context.github.get("event") {
                Some(seen) if *seen == order.event.payload => facts.into(),
                Some(_) | None => context.github.clone(),
            },
            vars: serde_json::json!(values.vars),
            inputs: serde_json::json!(order.inputs),
            called: texts(&called),
            commits: commits(&called),
            fetching: matches!(planned, Planned::Calling(_)),
            kept: kept.clone(),
        };
        let before = order.repeats.as_ref().map(|repeats| repeats.run.id);
        // Changes of a fork get none on purpose.
        let lacks = refused.is_none() && !values.fork && !values.secrets.contains_key(token::TOKEN);
        let notes: Vec<_> = match refused {
            Some(found) => found.iter().map(|found| annotation(row.id, found)).collect(),
            None => {
                lacks.then(|| token::note(row.id, order.path, order.text)).flatten().into_iter().collect()
            }
        };
        let Some(version) = self.commit(&row, created, (notes, before), (order.once, order.asked)).await?
        else {
            return Ok(None);
        };
        self.world.changed(Change::Run(run.into()));
        let made = match planned {
            Planned::Ready(plan) => {
                let run = Run::keeping(Arc::new(plan), context.clone(), kept);
                Made::Whole { run: Box::new(run), version }
            }
            Planned::Calling(workflow) => {
                Made::Calling(Box::new(Calling { workflow, event: order.event.clone(), called }))
            }
            Planned::Refused(_) => return Ok(Some(run)),
        };
        self.start((id, run), Start { made, shared: context, sha: row.sha, values });
        Ok(Some(run))
    }

    /// Writes an attempt of a run down with what pages show of it, in the place of the one before it; gives the version of its
    /// stream, and nothing when the same order was written down before.
    async fn commit(
        &self,
        row: &RunRow,
        created: Created,
        (notes, before): (Vec<models::jobs::AnnotationRow>, Option<AttemptId>),
        (once, asked): (Option<String>, Option<&Asked>),
    ) -> Result<Option<u64>, RunError> {
        let mut models: Vec<_> = before.map(models::runs::supersede).into_iter().collect();
        models.push(models::runs::insert(row));
        for (key, job) in &created.kept {
            let keep = before.map(|before| models::jobs::keep(row.id, before, &key.0, job.from));
            models.extend(keep.into_iter().flatten());
        }
        let event = rows::run::encode(&rows::run::RunEvent::Created(Box::new(created)))?;
        models.extend(notes.iter().map(models::jobs::annotate));
        models.extend(asked.map(|asked| asked.keep(&self.world, &row.id.to_string())));
        let mut append =
            Append::new(&rows::run::stream(row.id), Expected::New).events(vec![event]).models(models);
        if let Some(key) = once {
            append = append.once(key);
        }
        let appended = match self.world.store.commit(append).await {
            // Another one took its place.
            Err(StoreError::Guard { .. }) if before.is_some() => return Err(RunError::Again),
            appended => appended?,
        };
        Ok((!appended.repeated).then_some(appended.version))
    }

    /// Gives the documents of this repository that a workflow calls, as they are at the commit of the event. Says whether these
    /// are all.
    async fn call_own(&self, workflow: &Workflow, sha: &str, called: &mut Called) -> Result<bool, RunError> {
        while let Some(wanted) = called.wanted(workflow) {
            if wanted.file.repository.is_some() {
                return Ok(false);
            }
            self.call_here(wanted.file, sha, called).await?;
        }
        Ok(true)
    }

    /// Gives all documents that a workflow calls, those of other repositories as they are now. They are kept with the run, so
    /// that it goes on with the same ones whatever becomes of them.
    pub(super) async fn call_all(
        &self,
        workflow: &Workflow,
        event: &Event,
        called: &mut Called,
    ) -> Result<(), RunError> {
        let patience = self.settings.fetch_patience;
        let over = tokio::time::sleep(patience);
        tokio::pin!(over);
        while let Some(wanted) = called.wanted(workflow) {
            let Some(repository) = wanted.file.repository.clone() else {
                self.call_here(wanted.file, &event.sha, called).await?;
                continue;
            };
            let at = wanted.commit.clone();
            let fetched = async {
                let _turn = self.fetches.acquire().await;
                self.actions(event).document(&repository, at.as_deref(), &wanted.file.path).await
            };
            tokio::select! {
                biased;
                () = over.as_mut() => {
                    called.refuse(wanted.file, unanswered(patience), Some(UNANSWERED.to_owned()));
                }
                fetched = fetched => match fetched {
                    Ok((text, commit)) => called.give(wanted.file, &text, Some(commit)),
                    Err(error) => called.refuse(wanted.file, error.message, error.help),
                }
            }
        }
        Ok(())
    }

    async fn call_here(&self, file: WorkflowFile, sha: &str, called: &mut Called) -> Result<(), RunError> {
        let (folder, _) = file.path.rsplit_once('/').unwrap_or((".", ""));
        if self.git.files(sha, folder).await?.contains(&file.path) {
            let text = self.git.text(sha, &file.path).await?;
            called.give(file, &text, None);
        } else {
            called.refuse(file, "there is no such file at this commit", None);
        }
        Ok(())
    }

    /// Ends a run whose called workflows show that it cannot be run.
    pub(super) async fn refuse(&self, id: AttemptId, found: &Diagnostics) -> Result<(), RunError> {
        let mut models: Vec<_> =
            found.iter().map(|found| models::jobs::annotate(&annotation(id, found))).collect();
        let now = self.world.clock.now();
        models.push(models::runs::finish(id, Conclusion::Failure, Some(first_finding(found)), now));
        Ok(self.world.store.batch(models).await?)
    }
}

const UNANSWERED: &str = "check the network and the server, and run it again; --action-mirror DIR takes git repositories of a folder instead";

fn unanswered(patience: Duration) -> String {
    format!("its repository did not answer within {}", shipway_base::human_duration(patience))
}

/// One finding as all there are.
pub(super) fn alone(found: Diagnostic) -> Diagnostics {
    let mut all = Diagnostics::new();
    all.push(found);
    all
}

/// The texts of called workflows by what they are called, to be kept.
pub(super) fn texts(called: &Called) -> BTreeMap<String, String> {
    called.texts().map(|(name, text)| (name, text.to_owned())).collect()
}

/// The commits that called workflows of other repositories were read from, to be kept with their texts.
pub(super) fn commits(called: &Called) -> BTreeMap<String, String> {
    called.commits().map(|(name, commit)| (name, commit.to_owned())).collect()
}

/// The `inputs` of a run that nobody started by hand.
pub(super) fn no_inputs() -> Value {
    Value::from_json(&serde_json::json!({}))
}

fn annotation(run: AttemptId, found: &Diagnostic) -> models::jobs::AnnotationRow {
    models::jobs::AnnotationRow {
        run,
        job: "workflow".to_owned(),
        level: match found.severity {
            shipway_base::Severity::Error => models::Level::Error,
            shipway_base::Severity::Warning => models::Level::Warning,
        },
        title: Some(found.code.to_owned()),
        message: match &found.help {
            Some(help) => format!("{} ({help})", found.message),
            None => found.message.clone(),
        },
        file: Some(found.source.name.to_string()),
        line: Some(found.span.start.line),
    }
}

/// A title as one line, and not a long one: lists show many of them.
pub(super) fn headline(text: &str) -> String {
    let mut line = one_line(text);
    if let Some((end, _)) = line.char_indices().nth(MOST_TITLE) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_titles_are_cut() {
        assert_eq!(headline("one\ntwo"), "one two");
        let long = "ä".repeat(MOST_TITLE);
        assert_eq!(headline(&long), long);
        assert_eq!(headline(&format!("{long}x")), format!("{long}…"));
    }
}
