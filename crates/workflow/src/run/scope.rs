//! What the expressions of a job see before it runs.

use super::{Conclusion, Group, GroupState, Jobs, RunContext};
use crate::expr::{Object, Scope, Value};
use std::sync::Arc;

impl RunContext {
    /// One of the contexts that all jobs share.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        match name {
            "github" => Some(self.github.clone()),
            "vars" => Some(self.vars.clone()),
            "inputs" => Some(self.inputs.clone()),
            _ => None,
        }
    }
}

/// The scope of one job, and of one leg once `matrix` and `strategy` are set.
pub(super) struct JobScope<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) needs: &'a Value,
    pub(super) strategy: Value,
    pub(super) matrix: Value,
    pub(super) ancestry: &'a Ancestry,
}

/// How all jobs before a job ended, near and far.
#[derive(Clone, Debug, Default)]
pub(super) struct Ancestry {
    /// The first that did not succeed, and how it ended.
    pub(super) blocked_by: Option<(String, Conclusion)>,
    pub(super) any_failed: bool,
}

impl Scope for JobScope<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "needs" => Some(self.needs.clone()),
            "strategy" => Some(self.strategy.clone()),
            "matrix" => Some(self.matrix.clone()),
            _ => self.jobs.place.context.get(name),
        }
    }

    fn function(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let cancelled = self.jobs.cancelled.is_some();
        let named = |wanted: &dyn Fn(Conclusion) -> bool| self.jobs.named(arguments, wanted);
        let ancestry = self.ancestry;
        Some(match (name, arguments.is_empty()) {
            ("always", _) => Ok(true.into()),
            ("cancelled", _) => Ok(cancelled.into()),
            // As for steps: once the run is cancelled, its status is neither success nor failure.
            ("success" | "failure", _) if cancelled => Ok(false.into()),
            ("success", true) => Ok(ancestry.blocked_by.is_none().into()),
            ("failure", true) => Ok(ancestry.any_failed.into()),
            ("success", false) => named(&|end| end == Conclusion::Success).map(|ends| ends.all.into()),
            ("failure", false) => named(&|end| end == Conclusion::Failure).map(|ends| ends.any.into()),
            _ => return None,
        })
    }
}

struct Named {
    all: bool,
    any: bool,
}

impl Jobs {
    /// Whether all and whether any of the jobs named by arguments ended as wanted.
    fn named(&self, arguments: &[Value], wanted: &dyn Fn(Conclusion) -> bool) -> Result<Named, String> {
        let mut ends = Named { all: true, any: false };
        for argument in arguments {
            let id = argument.to_text();
            let group = self.by_id.get(&id.to_lowercase()).and_then(|at| self.groups.get(*at));
            let group = group.ok_or_else(|| format!("there is no job {id:?}"))?;
            let fits = group.conclusion().is_some_and(wanted);
            ends.all &= fits;
            ends.any |= fits;
        }
        Ok(ends)
    }

    /// The `needs` context of a job: result and outputs of the jobs that it names.
    pub(super) fn needs(&self, group: &Group) -> Value {
        let needs = group
            .needs
            .iter()
            .map(|need| &self.groups[*need])
            .map(|need| (need.job.id.value.as_str(), need.result_and_outputs()));
        Value::from(needs.collect::<Object>())
    }

    /// The `jobs` context: result and outputs of all jobs.
    pub(super) fn results(&self) -> Value {
        let all = self.groups.iter().map(|group| (group.job.id.value.as_str(), group.result_and_outputs()));
        Value::from(all.collect::<Object>())
    }
}

impl Group {
    fn result_and_outputs(&self) -> Value {
        let outputs: Object = match &self.state {
            GroupState::Expanded(legs) => {
                legs.outputs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
            }
            GroupState::Waiting | GroupState::Ended { .. } => Object::new(),
        };
        let result = self.conclusion().map_or("", Conclusion::as_str);
        let entry: Object =
            [("result", Value::from(result)), ("outputs", Value::from(outputs))].into_iter().collect();
        Value::Object(Arc::new(entry))
    }
}
