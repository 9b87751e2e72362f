//! The pre parts of actions: before the job's first step, in the order of the steps.

use super::{Loaded, prepare};
use crate::{
    error::RunnerError,
    executor::BoxFuture,
    job::{Frame, Job},
    report::ReportKind,
    script::expression,
    steps::{Came, Current, id_of},
};
use shipway_workflow::{
    action::{Composite, Runs},
    document::{Step, StepKind, UsesStep},
    expr::Object,
    run::Conclusion,
};

impl Job<'_> {
    /// Runs the pre parts of the actions of these steps, and of those within composite actions.
    pub(crate) fn run_pres<'s>(&'s mut self, frame: &'s mut Frame, steps: &'s [Step]) -> BoxFuture<'s, ()> {
        Box::pin(async move {
            for (number, step) in steps.iter().flat_map(Step::with_inner).enumerate() {
                let StepKind::Uses(uses) = &step.kind else { continue };
                let Some(loaded) =
                    self.loaded.get(&prepare::key(&uses.uses.value, frame.root.as_deref())).cloned()
                else {
                    continue;
                };
                if !self.has_pre(&loaded, 0) {
                    continue;
                }
                match &loaded.action.runs {
                    Runs::Node(_) | Runs::Docker(_) => {
                        self.run_pre(frame, step, number, uses, &loaded).await;
                    }
                    Runs::Composite(composite) => {
                        self.run_pres_within(frame, step, number, uses, &loaded, composite).await;
                    }
                }
            }
        })
    }

    /// Whether an action, or one within it, has a pre part.
    pub(super) fn has_pre(&self, loaded: &Loaded, depth: usize) -> bool {
        match &loaded.action.runs {
            Runs::Node(node) => node.pre.is_some(),
            Runs::Docker(docker) => docker.pre_entrypoint.is_some(),
            Runs::Composite(composite) if depth < super::MAX_DEPTH => composite.steps.iter().any(|step| {
                let StepKind::Uses(uses) = &step.kind else { return false };
                let inner = self.loaded.get(&prepare::key(&uses.uses.value, loaded.root.as_deref()));
                inner.is_some_and(|inner| self.has_pre(inner, depth + 1))
            }),
            Runs::Composite(_) => false,
        }
    }

    async fn run_pre(
        &mut self,
        frame: &mut Frame,
        step: &Step,
        number: usize,
        uses: &UsesStep,
        loaded: &Loaded,
    ) {
        let began = self.context.clock.now();
        let index = self.next_step;
        self.next_step += 1;
        let name = format!("Pre {}", self.early_name(frame, step, number, index));
        let name = self.log.masker.mask(&name);
        self.log.send(ReportKind::StepStarted { index, name }).await;
        let came = match self.around(frame, step, number, index) {
            Err(found) => {
                self.complain_of(index, &found).await;
                Came::of(Conclusion::Failure)
            }
            Ok(mut current) => {
                let limit = current.call.clone().map_or(Ok(None), |call| self.limit_anew(&call, frame));
                match limit {
                    Ok(limit) => current.limit = limit,
                    Err(found) => self.tell_no_limit(index, &found).await,
                }
                let ran = self.run_pre_part(frame, uses, loaded, &current).await;
                match ran {
                    Ok(came) => came,
                    Err(error) => {
                        self.complain_about(&current, &error).await;
                        Came::of(error.outcome())
                    }
                }
            }
        };
        let mut conclusion = came.outcome;
        if came.failed() {
            // A pre part is as tolerant as its step, as on GitHub.
            let id = id_of(frame, step, number);
            match self.tolerates(frame, step.continue_on_error.as_ref(), &id) {
                Ok(true) => conclusion = Conclusion::Success,
                Ok(false) => frame.fail(),
                Err(found) => {
                    self.complain_of(index, &found).await;
                    frame.fail();
                }
            }
        }
        let duration = self.context.clock.now().since(began);
        let (outcome, exit_code) = (came.outcome, came.exit_code);
        let finished = ReportKind::StepFinished { index, outcome, conclusion, exit_code, duration };
        self.log.send(finished).await;
    }

    async fn run_pre_part(
        &mut self,
        frame: &Frame,
        uses: &UsesStep,
        loaded: &Loaded,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let current = &self.seeing(frame, &uses.uses.value, current);
        let inputs = self.pre_inputs(frame, uses, loaded, current)?;
        let (node, file) = match &loaded.action.runs {
            Runs::Docker(docker) => {
                return Box::pin(self.run_docker_pre(loaded, docker, &inputs, current)).await;
            }
            Runs::Node(node) => (node, &node.pre),
            // Its own parts are those of the actions within it.
            Runs::Composite(_) => return Ok(Came::of(Conclusion::Skipped)),
        };
        let Some(file) = file else { return Ok(Came::of(Conclusion::Skipped)) };
        let part = super::node::NodePart::new(&self.map, loaded, node, &file.value, "pre", &inputs)?;
        let scope = part.scope(&current.scope);
        if !node.pre_if.eval(&scope).map_err(|found| expression(&found))? {
            return Ok(Came::of(Conclusion::Skipped));
        }
        self.show_inputs(loaded, &inputs, current).await;
        self.add_node_post(loaded, node, &inputs, current)?;
        self.run_node_part(&part, current).await
    }

    async fn run_pres_within(
        &mut self,
        outer: &mut Frame,
        step: &Step,
        number: usize,
        uses: &UsesStep,
        loaded: &Loaded,
        composite: &Composite,
    ) {
        let index = self.next_step;
        let inner = match self.around(outer, step, number, index) {
            Err(found) => Err(expression(&found)),
            Ok(current) => {
                match self.pre_inputs(outer, uses, loaded, &self.seeing(outer, &uses.uses.value, &current)) {
                    Ok(inputs) => Ok(self.inner_frame(outer, loaded, composite, inputs, &current)),
                    Err(error) => Err(error),
                }
            }
        };
        match inner {
            Ok(mut frame) => {
                frame.inside = None;
                // Pre parts go by how the job stands.
                (frame.status, frame.job_status) = (outer.status, outer.job_status);
                self.run_pres(&mut frame, &composite.steps).await;
                outer.status = frame.status;
            }
            Err(error) => {
                let place = Some((&*outer.source.name, step.span.start.line));
                let text = error.to_string();
                self.complain(None, &text, place).await;
                outer.fail();
            }
        }
    }

    fn pre_inputs(
        &self,
        frame: &Frame,
        uses: &UsesStep,
        loaded: &Loaded,
        current: &Current,
    ) -> Result<Object, RunnerError> {
        let given = self.fields(&uses.with, &current.scope).map_err(|found| expression(&found))?;
        // What is to be said about them is said by the step itself.
        Ok(self.inputs(frame, &uses.uses.value, &loaded.action, &given, (&current.scope.env, &current.id))?.0)
    }
}
