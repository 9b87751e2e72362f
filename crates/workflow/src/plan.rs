//! The plan of one run: a workflow and the event that started it, checked.

mod graph;

use crate::{
    document::{Concurrency, ConcurrencyQueue, Job, JobKind, Maybe, Workflow},
    event::{self, Event},
    expr::{Scope, Value},
    matrix::Leg,
    run::RunContext,
};
use shipway_base::{Diagnostic, Diagnostics, Source};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(crate) use graph::check;

/// A workflow that is certain to be runnable: every need exists, no job waits for itself, and the inputs fit.
#[derive(Clone, Debug)]
pub struct RunPlan {
    workflow: Arc<Workflow>,
    event: Event,
    inputs: Value,
    order: Vec<String>,
    legs: BTreeMap<String, BTreeSet<String>>,
}

/// An evaluated `concurrency`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyGroup {
    /// The group's name, folded to lower case because groups are compared without case.
    pub group: String,
    /// Whether what runs in the group is cancelled, rather than waited for.
    pub cancel_in_progress: bool,
}

impl RunPlan {
    /// Plans a run of a workflow. `inputs` are those of `workflow_dispatch`, as text.
    ///
    /// # Errors
    /// SW0105 for what is understood and cannot be run yet: calls of reusable workflows and `queue: max`. SW0108 for a need that does not exist, SW0109 for a cycle, SW0115 for inputs that are unknown, missing or of the
    /// wrong type.
    pub fn new(
        workflow: Arc<Workflow>,
        event: Event,
        inputs: &BTreeMap<String, String>,
    ) -> Result<RunPlan, Diagnostics> {
        let ids: Vec<&str> = workflow.jobs.keys().map(String::as_str).collect();
        let needs: Vec<_> = workflow.jobs.values().map(|job| (&job.id, job.needs.as_slice())).collect();
        let mut found = check(&workflow.source, &ids, &needs);
        unsupported(&workflow, &mut found);
        let order = graph::order(&needs);
        match event::resolve_inputs(&workflow, &event, inputs) {
            Ok(inputs) if !found.has_errors() => {
                Ok(RunPlan { workflow, event, inputs, order, legs: BTreeMap::new() })
            }
            Ok(_) => Err(found),
            Err(more) => {
                found.append(more);
                Err(found)
            }
        }
    }

    /// Leaves only those legs of all matrices that have one of the given texts under each of the given keys. A leg
    /// without such a key stays; a job that no leg is left of fails when its turn comes.
    #[must_use]
    pub fn only_legs(self, legs: BTreeMap<String, BTreeSet<String>>) -> RunPlan {
        RunPlan { legs, ..self }
    }

    /// Whether a leg is among those that are left.
    pub fn wants(&self, leg: &Leg) -> bool {
        let fits = |value: &Value, texts: &BTreeSet<String>| texts.contains(&*value.to_text());
        self.legs.iter().all(|(key, texts)| leg.values.get(key).is_none_or(|value| fits(value, texts)))
    }

    /// The document.
    pub fn workflow(&self) -> &Arc<Workflow> {
        &self.workflow
    }

    /// What started it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The `inputs` context: typed, with defaults.
    pub fn inputs(&self) -> &Value {
        &self.inputs
    }

    /// The ids of all jobs, each after those that it needs; otherwise in the order of the text.
    pub fn order(&self) -> &[String] {
        &self.order
    }

    /// The title of the run; none when the workflow does not give one.
    ///
    /// # Errors
    /// An expression of `run-name` that cannot be evaluated (SW02xx).
    pub fn run_name(&self, context: &RunContext) -> Result<Option<String>, Diagnostic> {
        let name =
            self.workflow.run_name.as_ref().map(|name| name.eval_string(&RunScope(context))).transpose()?;
        Ok(name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()))
    }

    /// The group that the whole run belongs to, to be obeyed by whoever starts runs.
    ///
    /// # Errors
    /// An expression of `concurrency` that cannot be evaluated (SW02xx, SW0117).
    pub fn concurrency(&self, context: &RunContext) -> Result<Option<ConcurrencyGroup>, Diagnostic> {
        self.workflow.concurrency.as_ref().map_or(Ok(None), |written| written.eval(&RunScope(context)))
    }
}

/// What the run machine cannot do yet, so that it is refused before anything runs.
fn unsupported(workflow: &Workflow, found: &mut Diagnostics) {
    for job in workflow.jobs.values() {
        if let JobKind::Call(_) = &job.kind {
            found.push(calls_not_supported(&workflow.source, job));
        }
    }
    let own = workflow.jobs.values().filter_map(|job| job.concurrency.as_ref());
    for concurrency in workflow.concurrency.iter().chain(own) {
        let max = match &concurrency.queue {
            None => false,
            Some(Maybe::Literal(queue)) => queue.value == ConcurrencyQueue::Max,
            // It may turn out to be `max`.
            Some(Maybe::Expression(_)) => true,
        };
        if max {
            let message = "concurrency.queue: max is not supported yet";
            let error = Diagnostic::error("SW0105", &workflow.source, concurrency.group.span(), message);
            found
                .push(error.with_help("remove it, or run this workflow on GitHub until a later version can"));
        }
    }
}

/// The refusal of a job that calls a reusable workflow.
pub(crate) fn calls_not_supported(source: &Source, job: &Job) -> Diagnostic {
    let span = job.call().map_or(job.id.span, |call| call.uses.span);
    Diagnostic::error("SW0105", source, span, "calling a reusable workflow is not supported yet")
        .with_help("remove it, or run this workflow on GitHub until a later version can")
}

impl Concurrency {
    /// The group; none when its name turns out empty, which on GitHub means no group.
    pub(crate) fn eval(&self, scope: &dyn Scope) -> Result<Option<ConcurrencyGroup>, Diagnostic> {
        let group = self.group.eval_string(scope)?.to_lowercase();
        let cancel_in_progress =
            self.cancel_in_progress.as_ref().map_or(Ok(false), |maybe| maybe.eval(scope))?;
        Ok((!group.is_empty()).then_some(ConcurrencyGroup { group, cancel_in_progress }))
    }
}

/// What is known before any job is: `github`, `vars` and `inputs`.
struct RunScope<'a>(&'a RunContext);

impl Scope for RunScope<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name)
    }

    fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}
