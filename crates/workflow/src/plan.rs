//! The plan of one run: a workflow and the event that started it, checked.

mod called;
mod fit;
mod graph;
mod permit;
mod tree;

use crate::{
    document::{Concurrency, ConcurrencyQueue, Workflow},
    event::{self, Event},
    expr::{Scope, Value},
    matrix::Leg,
    run::RunContext,
};
use shipway_base::{Diagnostic, Diagnostics};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(crate) use called::MOST_JOBS;
pub use called::{CallLimits, Called, RemoteRepository, Wanted, WorkflowFile};
pub(crate) use fit::inputs as call_inputs;
pub(crate) use graph::check;
pub(crate) use permit::Granted;
pub(crate) use tree::Node;

/// A workflow that is certain to be runnable: every need exists, no job waits for itself, the inputs fit, and so it is
/// with every workflow that it calls.
#[derive(Clone, Debug)]
pub struct RunPlan {
    tree: Arc<Node>,
    event: Event,
    inputs: Value,
    legs: BTreeMap<String, BTreeSet<String>>,
}

/// An evaluated `concurrency`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyGroup {
    /// The group's name, folded to lower case because groups are compared without case.
    pub group: String,
    /// Whether what runs in the group is cancelled, rather than waited for.
    pub cancel_in_progress: bool,
    /// How many may wait in the group.
    pub queue: ConcurrencyQueue,
}

impl RunPlan {
    /// Plans a run of a workflow that calls no others. `inputs` are those of `workflow_dispatch` or `workflow_call`, as text.
    ///
    /// # Errors
    /// As [`RunPlan::calling`].
    pub fn new(
        workflow: Arc<Workflow>,
        event: Event,
        inputs: &BTreeMap<String, String>,
    ) -> Result<RunPlan, Diagnostics> {
        RunPlan::calling(workflow, event, inputs, &Called::new())
    }

    /// Plans a run of a workflow that calls others, whose documents are `called`. `inputs` are those of
    /// `workflow_dispatch` or `workflow_call`, as text.
    ///
    /// # Errors
    /// What is wrong in a called document. SW0105 for what is understood and cannot be run yet: groups of called
    /// workflows as a whole. SW0108 for a need that does not exist, SW0109 for a cycle, SW0115 for
    /// inputs that are unknown, missing or of the wrong type. SW0121 for a workflow that cannot be called: not there, not
    /// made for it, or beyond the limits of depth and number. SW0122 for inputs and secrets that do not fit a called
    /// workflow, SW0123 for one that asks for more permissions than its caller has.
    pub fn calling(
        workflow: Arc<Workflow>,
        event: Event,
        inputs: &BTreeMap<String, String>,
        called: &Called,
    ) -> Result<RunPlan, Diagnostics> {
        let ids: Vec<&str> = workflow.jobs.keys().map(String::as_str).collect();
        let needs: Vec<_> = workflow.jobs.values().map(|job| (&job.id, job.needs.as_slice())).collect();
        let mut found = check(&workflow.source, &ids, &needs);
        let inputs = event::resolve_inputs(&workflow, &event, inputs);
        let tree = tree::build(workflow, called, &mut found);
        match inputs {
            Ok(inputs) if !found.has_errors() => Ok(RunPlan { tree, event, inputs, legs: BTreeMap::new() }),
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
        &self.tree.workflow
    }

    /// What started it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The `inputs` context: typed, with defaults; of `workflow_call` without those that are expressions, which
    /// [`inputs_in`](RunPlan::inputs_in) has.
    pub fn inputs(&self) -> &Value {
        &self.inputs
    }

    /// The `inputs` context with all defaults, also when the workflow is started as if it was called.
    ///
    /// # Errors
    /// An expression of a default that cannot be evaluated (SW02xx), or does not fit its input (SW0122).
    pub fn inputs_in(&self, context: &RunContext) -> Result<Value, Diagnostic> {
        let started = self.workflow().on.iter().find(|trigger| trigger.event.value == self.event.name);
        match started.and_then(|trigger| trigger.call.as_deref()) {
            Some(call) => fit::with_defaults(call, &self.inputs, &RunScope(context)).map(Value::from),
            None => Ok(self.inputs.clone()),
        }
    }

    /// SW0115 for each secret that the workflow requires of whoever calls it, when it is started as if it was called and `has` does not
    /// know it by its name.
    pub fn missing_secrets(&self, has: impl Fn(&str) -> bool) -> Diagnostics {
        let started = self.workflow().on.iter().find(|trigger| trigger.event.value == self.event.name);
        let declared =
            started.and_then(|trigger| trigger.call.as_deref()).map_or(&[][..], |call| &call.secrets);
        let mut found = Diagnostics::new();
        for secret in declared.iter().filter(|secret| secret.required && !has(&secret.name.value)) {
            let name = &secret.name;
            let message = format!("the secret {:?} is required and was not given", name.value);
            let error = Diagnostic::error("SW0115", &self.workflow().source, name.span, message);
            found.push(error.with_help(format!(
                "give it with --secret {}=..., or --secret {0} from the environment",
                name.value
            )));
        }
        found
    }

    pub(crate) fn tree(&self) -> &Arc<Node> {
        &self.tree
    }

    /// The ids of all jobs of the workflow that was started, each after those that it needs; otherwise in the order of the text.
    pub fn order(&self) -> &[String] {
        &self.tree.order
    }

    /// The title of the run; none when the workflow does not give one.
    ///
    /// # Errors
    /// An expression of `run-name` that cannot be evaluated (SW02xx).
    pub fn run_name(&self, context: &RunContext) -> Result<Option<String>, Diagnostic> {
        let name = self
            .tree
            .workflow
            .run_name
            .as_ref()
            .map(|name| name.eval_string(&RunScope(context)))
            .transpose()?;
        Ok(name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()))
    }

    /// The group that the whole run belongs to, to be obeyed by whoever starts runs.
    ///
    /// # Errors
    /// An expression of `concurrency` that cannot be evaluated (SW02xx, SW0117).
    pub fn concurrency(&self, context: &RunContext) -> Result<Option<ConcurrencyGroup>, Diagnostic> {
        self.tree.workflow.group(context)
    }
}

impl Workflow {
    /// The group that a whole run of it belongs to, which is known before the workflows that it calls are.
    ///
    /// # Errors
    /// As [`RunPlan::concurrency`].
    pub fn group(&self, context: &RunContext) -> Result<Option<ConcurrencyGroup>, Diagnostic> {
        self.concurrency.as_ref().map(|written| written.of_workflow(context)).transpose()
    }
}

impl Concurrency {
    /// The group of a whole workflow, which sees what is known before any of its jobs is.
    pub(crate) fn of_workflow(&self, context: &RunContext) -> Result<ConcurrencyGroup, Diagnostic> {
        self.eval(&RunScope(context))
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
