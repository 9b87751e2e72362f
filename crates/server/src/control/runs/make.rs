//! Making a run of a workflow for an event: planned, written down with everything it is rebuilt from, and started.

use super::{RunError, Runs, first_finding};
use crate::{
    backend::Change,
    git::Commit,
    source::{self, ContextFacts},
};
use shipway_base::{Diagnostics, Id, Source};
use shipway_store::{
    Append, Expected,
    models::{self, Conclusion, Status, runs::RunRow},
    rows::{self, run::Created},
};
use shipway_workflow::{
    document::Workflow,
    event::Event,
    expr::Value,
    plan::{Called, RunPlan},
    run::{Run, RunContext},
};
use std::{collections::BTreeMap, sync::Arc};

/// What a run is made of.
pub(super) struct Order<'a> {
    pub(super) event: &'a Event,
    pub(super) commit: &'a Commit,
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    pub(super) inputs: &'a BTreeMap<String, String>,
    pub(super) actor: &'a str,
    pub(super) rerun_of: Option<Id<RunRow>>,
    /// Makes the same order only one run.
    pub(super) once: Option<String>,
    /// What becomes of a document with errors.
    pub(super) errors: Errors,
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
    pub(super) async fn create(self: &Arc<Self>, order: Order<'_>) -> Result<Option<Id<RunRow>>, RunError> {
        let id: Id<RunRow> = self.world.id();
        let source = Source::new(order.path, order.text);
        let (workflow, found) = Workflow::parse(&source);
        if let Some(workflow) = &workflow
            && !workflow.triggered_by(order.event).is_yes()
        {
            return Ok(None);
        }
        let name = workflow.as_ref().and_then(|workflow| workflow.name.as_ref());
        let name = name.map_or_else(|| order.path.to_owned(), |name| name.value.clone());
        let called = match &workflow {
            Some(workflow) => self.called(workflow, order.event).await?,
            None => Called::new(),
        };
        let planned = match (workflow, found.has_errors()) {
            (Some(workflow), false) => {
                RunPlan::calling(Arc::new(workflow), order.event.clone(), order.inputs, &called)
            }
            (Some(_) | None, _) => Err(found),
        };
        let planned = match (planned, order.errors) {
            (Err(found), Errors::Refuse) => return Err(RunError::Refused(found)),
            (planned, Errors::Refuse | Errors::FailedRun) => planned,
        };
        let number = self.world.store.next_run_number(&self.settings.repository.full(), order.path).await?;
        let values = self.settings.values.for_run(order.event).await?;
        let facts = ContextFacts {
            repository: &self.settings.repository,
            run_id: id.number(),
            run_number: number,
            workflow: &name,
            path: order.path,
            actor: order.actor,
            server_url: &self.settings.server_url,
            token: "",
        };
        let mut github = source::github_context(order.event, &facts);
        if let Ok(plan) = &planned {
            source::complete_inputs(&mut github, plan);
        }
        let context = RunContext {
            github: Value::from_json(&github),
            vars: Value::from_json(&serde_json::json!(values.vars)),
            inputs: match &planned {
                Ok(plan) => plan.inputs().clone(),
                Err(_) => Value::Null,
            },
        };
        let subject = order.commit.message.lines().next().unwrap_or_default().to_owned();
        let title = match &planned {
            Ok(plan) => plan.run_name(&context).ok().flatten(),
            Err(_) => None,
        };
        let (branch, _) = source::ref_name(&order.event.reference);
        let now = self.world.clock.now();
        let failed = planned.as_ref().err().map(first_finding);
        let row = RunRow {
            id,
            number,
            repository: self.settings.repository.full(),
            path: order.path.to_owned(),
            workflow: name,
            title: title.unwrap_or_else(|| subject.clone()),
            event: order.event.name.clone(),
            actor: order.actor.to_owned(),
            git_ref: order.event.reference.clone(),
            branch: branch.to_owned(),
            sha: order.event.sha.clone(),
            commit_subject: subject,
            commit_author: order.commit.author.clone(),
            status: if failed.is_some() { Status::Completed } else { Status::Queued },
            conclusion: failed.as_ref().map(|_| Conclusion::Failure),
            attempt: 1,
            rerun_of: order.rerun_of,
            created_at: now,
            started_at: None,
            finished_at: failed.as_ref().map(|_| now),
            failed,
        };
        let created = Created {
            path: order.path.to_owned(),
            workflow: order.text.to_owned(),
            event: order.event.name.clone(),
            payload: order.event.payload.clone(),
            reference: order.event.reference.clone(),
            sha: order.event.sha.clone(),
            github,
            vars: serde_json::json!(values.vars),
            inputs: serde_json::json!(order.inputs),
            called: called.texts().map(|(name, text)| (name, text.to_owned())).collect(),
        };
        self.commit(&row, created, planned.as_ref().err(), order.once).await?.map_or(Ok(None), |version| {
            self.world.changed(Change::Run(id.into()));
            if let Ok(plan) = planned {
                let run = Run::new(Arc::new(plan), context.clone());
                self.start(id, run, &context, version, &row.sha, values);
            }
            Ok(Some(id))
        })
    }

    /// Writes a run down with what pages show of it; gives the version of its stream, and nothing when the same order was
    /// written down before.
    async fn commit(
        &self,
        row: &RunRow,
        created: Created,
        found: Option<&Diagnostics>,
        once: Option<String>,
    ) -> Result<Option<u64>, RunError> {
        let event = rows::run::encode(&rows::run::RunEvent::Created(Box::new(created)))?;
        let mut models = vec![models::runs::insert(row)];
        for found in found.into_iter().flat_map(Diagnostics::iter) {
            models.push(models::jobs::annotate(&annotation(row.id, found)));
        }
        let mut append =
            Append::new(&rows::run::stream(row.id), Expected::New).events(vec![event]).models(models);
        if let Some(key) = once {
            append = append.once(key);
        }
        let appended = self.world.store.commit(append).await?;
        Ok((!appended.repeated).then_some(appended.version))
    }

    /// The documents that a workflow calls: of this repository as they are at the commit of the event, of others as they are
    /// now. They are kept with the run, so that it goes on with the same ones whatever becomes of them.
    async fn called(&self, workflow: &Workflow, event: &Event) -> Result<Called, RunError> {
        let mut called = Called::new();
        while let Some(wanted) = called.wanted(workflow) {
            if let Some(repository) = &wanted.file.repository {
                match self.settings.actions.document(repository, &wanted.file.path).await {
                    Ok(text) => called.give(wanted.file, &text),
                    Err(error) => called.refuse(wanted.file, error.message, error.help),
                }
                continue;
            }
            let (folder, _) = wanted.file.path.rsplit_once('/').unwrap_or((".", ""));
            if !self.git.files(&event.sha, folder).await?.contains(&wanted.file.path) {
                called.refuse(wanted.file, "there is no such file at this commit", None);
                continue;
            }
            let text = self.git.text(&event.sha, &wanted.file.path).await?;
            called.give(wanted.file, &text);
        }
        Ok(called)
    }
}

fn annotation(run: Id<RunRow>, found: &shipway_base::Diagnostic) -> models::jobs::AnnotationRow {
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
