//! Composite actions: steps with inputs, outputs and a `steps` context of their own.

use super::Loaded;
use crate::{
    again::Caller,
    error::RunnerError,
    job::{Frame, Job},
    names::names,
    script::expression,
    steps::{Came, Current},
};
use shipway_workflow::{
    Texts,
    action::Composite,
    expr::{Object, Value},
    run::Conclusion,
};
use std::sync::Arc;

impl Job<'_> {
    pub(super) async fn run_composite(
        &mut self,
        outer: &Frame,
        loaded: &Loaded,
        composite: &Composite,
        inputs: Object,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        if self.has_pre(loaded, 0) {
            self.warn_of_pre(loaded, current).await;
        }
        let mut frame = self.inner_frame(outer, loaded, composite, inputs, current);
        self.run_steps(&mut frame, &composite.steps).await;
        if self.posts.iter().any(|post| post.current.place.starts_with(&frame.place)) {
            self.ended.insert(frame.place.clone(), frame.steps.clone());
        }
        // Outputs see the environment of the step that calls the action, as it began.
        let scope = self.scope(&frame, &current.scope.env, Some(&current.id));
        let mut outputs = Texts::new();
        for output in &loaded.action.outputs {
            if let Some(template) = &output.value {
                let value = template.eval_string(&scope).map_err(|found| expression(&found))?;
                outputs.insert(output.name.value.clone(), value.to_string());
            }
        }
        Ok(Came { outputs, ..Came::of(frame.status) })
    }

    /// What is seen inside a composite action at its beginning.
    pub(super) fn inner_frame(
        &self,
        outer: &Frame,
        loaded: &Loaded,
        composite: &Composite,
        inputs: Object,
        current: &Current,
    ) -> Frame {
        let mut env = outer.env.clone();
        env.extend(current.own_env.clone());
        Frame {
            inputs: Value::from(inputs),
            steps: Object::new(),
            status: Conclusion::Success,
            job_status: Some(outer.job_status()),
            cut_off: false,
            env,
            action_path: Some(self.map.inside_text(&loaded.dir)),
            action_repository: loaded.repository.clone(),
            action_ref: loaded.reference.clone(),
            inside: Some(current.index),
            source: loaded.action.source.clone(),
            limit: current.limit,
            depth: outer.depth + 1,
            root: loaded.root.clone(),
            names: Arc::new(names(&composite.steps)),
            action: outer.action.clone().or_else(|| Some(current.id.clone())),
            place: current.place.clone(),
            caller: current.call.clone().map(|call| Caller { call, action: loaded.action.clone() }),
        }
    }
}
