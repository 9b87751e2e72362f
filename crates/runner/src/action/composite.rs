//! Composite actions: steps with inputs, outputs and a `steps` context of their own.

use crate::{
    error::RunnerError,
    job::{Frame, Job},
    script::expression,
    steps::{Came, Current},
};
use shipway_workflow::{
    action::{Action, Composite},
    expr::{Object, Value},
    run::Conclusion,
};
use std::{collections::BTreeMap, path::Path};

impl Job<'_> {
    pub(super) async fn run_composite(
        &mut self,
        outer: &Frame,
        action: &Action,
        composite: &Composite,
        inputs: Object,
        dir: &Path,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let mut env = outer.env.clone();
        env.extend(self.own_env(outer, current));
        let mut frame = Frame {
            inputs: Value::from(inputs),
            steps: Object::new(),
            status: Conclusion::Success,
            env,
            action_path: Some(self.map.inside_text(dir)),
            inside: Some(current.index),
            source: action.source.clone(),
            limit: current.limit,
            depth: outer.depth + 1,
        };
        self.run_steps(&mut frame, &composite.steps).await;
        let scope = self.scope(&frame, &self.env, Some(&current.id));
        let mut outputs = BTreeMap::new();
        for output in &action.outputs {
            if let Some(template) = &output.value {
                let value = template.eval_string(&scope).map_err(|found| expression(&found))?;
                outputs.insert(output.name.value.clone(), value.to_string());
            }
        }
        Ok(Came { outcome: frame.status, exit_code: None, outputs })
    }

    /// What the calling step set by its own `env`, beyond what holds around it.
    fn own_env(&self, outer: &Frame, current: &Current) -> BTreeMap<String, String> {
        let around = |key: &String| outer.env.get(key).or_else(|| self.env.get(key));
        let own = current.scope.env.iter().filter(|(key, value)| around(key) != Some(*value));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}
