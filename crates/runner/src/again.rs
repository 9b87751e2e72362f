//! Values of a step that are worked out again, for the post part of its action: as on GitHub it sees what the job has come to
//! by then, in its `with`, its `env` and the defaults of its inputs.

use crate::{
    action::seen,
    error::RunnerError,
    job::{Frame, Job},
    scope::StepScope,
    script::expression,
    steps::{Current, id_of, minutes_of},
    stop::StepLimit,
};
use shipway_base::Diagnostic;
use shipway_workflow::{
    Texts,
    action::Action,
    document::{Step, StepKind, UsesStep},
    expr::{Object, Value},
};
use std::sync::Arc;

/// A step with an action, as it was called.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The step.
    pub(crate) step: Step,
    /// Which of the steps around it is it.
    pub(crate) number: usize,
    /// The level it stands at, as it was then.
    pub(crate) frame: Frame,
}

/// The step that calls a composite action, and its manifest.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) call: Arc<Call>,
    pub(crate) action: Arc<Action>,
}

/// What a step is by now.
pub(crate) struct Anew {
    /// The level it stands at.
    pub(crate) frame: Frame,
    /// What its own `env` and those of the steps around it set.
    pub(crate) own_env: Texts,
    /// What its expressions see.
    pub(crate) scope: StepScope,
}

impl Call {
    /// The step of the job that this is, or is part of.
    fn outermost(&self) -> &Call {
        self.frame.caller.as_ref().map_or(self, |caller| caller.call.outermost())
    }

    /// Its action.
    fn uses(&self) -> Option<&UsesStep> {
        match &self.step.kind {
            StepKind::Uses(uses) => Some(uses),
            StepKind::Run(_)
            | StepKind::Wait(_)
            | StepKind::WaitAll
            | StepKind::Cancel(_)
            | StepKind::Parallel(_) => None,
        }
    }

    /// What the step gives its action, which stands at this level.
    fn given(&self, job: &Job<'_>, frame: &Frame, scope: &StepScope) -> Result<Texts, RunnerError> {
        let Some(uses) = self.uses() else { return Ok(Texts::new()) };
        let (repository, reference) = job.origin(frame, &uses.uses.value);
        job.fields(&uses.with, &seen(scope, &repository, &reference)).map_err(|found| expression(&found))
    }
}

impl Job<'_> {
    /// Works out the environment of a step again, and those of the steps around it. `outer` is how the job stands.
    pub(crate) fn anew(&self, outer: &Frame, call: &Call) -> Result<Anew, RunnerError> {
        let frame = self.level_anew(outer, &call.frame)?;
        let mut scope = self.scope_before(&frame, &id_of(&frame, &call.step, call.number));
        let own = self.fields(&call.step.env, &scope).map_err(|found| expression(&found))?;
        scope.env.extend(own.clone());
        let mut own_env = frame.env.clone();
        own_env.extend(own);
        Ok(Anew { frame, own_env, scope })
    }

    /// The level within a composite action as its post parts see it: their status is that of the job.
    fn level_anew(&self, outer: &Frame, old: &Frame) -> Result<Frame, RunnerError> {
        let Some(Caller { call, action }) = &old.caller else { return Ok(outer.clone()) };
        let Anew { own_env, scope, frame } = self.anew(outer, call)?;
        let id = id_of(&frame, &call.step, call.number);
        let inputs = self.inputs_anew(action, call, &frame, &scope, &id)?;
        Ok(Frame {
            inputs: Value::from(inputs),
            steps: self.ended.get(&old.place).unwrap_or(&old.steps).clone(),
            status: outer.job_status(),
            job_status: None,
            env: own_env,
            limit: None,
            ..old.clone()
        })
    }

    fn inputs_anew(
        &self,
        action: &Action,
        call: &Call,
        frame: &Frame,
        scope: &StepScope,
        id: &str,
    ) -> Result<Object, RunnerError> {
        let Some(uses) = call.uses() else { return Ok(Object::new()) };
        let given = call.given(self, frame, scope)?;
        // What is to be said about them was said when the action ran.
        Ok(self.inputs(frame, &uses.uses.value, action, &given, (&scope.env, id))?.0)
    }

    /// What a step gives its action by now: with the defaults of its manifest, or as it is written where there is none.
    pub(crate) fn given_anew(
        &self,
        action: Option<&Action>,
        call: &Call,
        anew: &Anew,
        id: &str,
    ) -> Result<Object, RunnerError> {
        match action {
            Some(action) => self.inputs_anew(action, call, &anew.frame, &anew.scope, id),
            None => Ok(call.given(self, &anew.frame, &anew.scope)?.into_iter().collect()),
        }
    }

    /// The limit of a part of an action that has a step of its own: that of the job's step, counted anew.
    pub(crate) fn limit_anew(&self, call: &Call, outer: &Frame) -> Result<Option<StepLimit>, Diagnostic> {
        let call = call.outermost();
        let Some(minutes) = &call.step.timeout_minutes else { return Ok(None) };
        let scope = self.scope_before(outer, &id_of(outer, &call.step, call.number));
        Ok(minutes_of(minutes, &scope)?.and_then(|limit| self.stop.limit(limit)))
    }

    /// Whether the step of the job that an action belongs to tolerates its failure.
    pub(crate) fn tolerates_part(&self, frame: &Frame, current: &Current) -> Result<bool, Diagnostic> {
        let Some(call) = &current.call else { return Ok(false) };
        let tolerant = call.step.continue_on_error.as_ref();
        self.tolerates(frame, tolerant, &current.id)
    }
}
