//! A job that calls a workflow: what it hands over when it is ready, and what it gets back.

use super::{
    CallGroup, Cancelled, Conclusion, GivenSecrets, Group, JobKey, Jobs, Origin, Place, RunContext,
    SecretScope, scope::JobScope,
};
use crate::{
    Texts,
    document::{CacheMode, CallJob, CallSecrets, Concurrency, Job},
    expr::{Scope, Value},
    plan::{ConcurrencyGroup, RemoteRepository, call_inputs},
};
use shipway_base::{Diagnostic, is_object_id};
use std::sync::Arc;

/// A call with everything evaluated.
#[derive(Clone, Debug)]
pub(super) struct Call {
    place: Place,
}

impl Jobs {
    pub(super) fn call(
        &self,
        group: &Group,
        call: &CallJob,
        key: &JobKey,
        name: &str,
        scope: &JobScope<'_>,
    ) -> Result<Call, Diagnostic> {
        let (place, job) = (&*self.place, &group.job);
        let source = &place.node.workflow.source;
        let callee = place.node.calls.get(&job.id.value).and_then(|node| Some((node, node.interface()?)));
        let Some((node, interface)) = callee else {
            // A plan has a workflow for each of its calls.
            return Err(Diagnostic::error("SW0121", source, call.uses.span, "this workflow was not loaded"));
        };
        let inputs = call_inputs(source, call, interface, scope)?;
        let secrets = match &call.secrets {
            CallSecrets::Inherit(_) => place.secrets.clone(),
            CallSecrets::Given(entries) => {
                let names = ["github", "vars", "inputs", "needs", "strategy", "matrix"];
                let contexts = names.iter().filter_map(|name| Some((*name, scope.context(name)?)));
                let entries = entries.iter();
                SecretScope::Given(Arc::new(GivenSecrets {
                    entries: entries.map(|(name, value)| (name.value.clone(), value.clone())).collect(),
                    contexts: contexts.collect(),
                    outer: place.secrets.clone(),
                }))
            }
        };
        let context = RunContext { inputs: inputs.into(), ..place.context.clone() };
        let mut groups = place.groups.clone();
        let own = (&job.concurrency, job.concurrency.as_ref().map(|written| written.eval(scope)));
        let all = &node.workflow.concurrency;
        let all = (all, all.as_ref().map(|written| written.of_workflow(&context)));
        for (written, group) in [own, all] {
            if let (Some(written), Some(group)) = (written, group.transpose()?) {
                place.may_enter(&group, written)?;
                // The calling job and the called workflow may name the same group: they are one.
                if !groups.iter().any(|held| held.group.group == group.group) {
                    groups.push(CallGroup { call: key.clone(), group });
                }
            }
        }
        Ok(Call {
            place: Place {
                plan: place.plan.clone(),
                node: node.clone(),
                context,
                groups,
                run_group: place.run_group.clone(),
                kept: place.kept.clone(),
                key: format!("{key}/"),
                name: format!("{name} / "),
                needs: self.need_ids(group),
                secrets,
                granted: place.granted.to_job(job).to_called(&node.workflow),
                caller_cache: self.cache_mode(job),
            },
        })
    }

    /// `cache-mode` of a job, else of its workflow, as far as the call allows it.
    pub(super) fn cache_mode(&self, job: &Job) -> Option<CacheMode> {
        let own = job.cache_mode.as_ref().or(self.place.node.workflow.cache_mode.as_ref());
        match (own.map(|mode| mode.value), self.place.caller_cache) {
            (Some(own), Some(caller)) => Some(own.narrowed(caller)),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
        }
    }

    /// The called workflow that these jobs belong to.
    pub(super) fn workflow_ref(&self) -> Option<String> {
        if self.place.key.is_empty() {
            return None;
        }
        let file = &self.place.node.file;
        Some(match &file.repository {
            Some(RemoteRepository { owner, repo, reference }) => {
                format!("{owner}/{repo}/{}@{reference}", file.path)
            }
            None => {
                let github =
                    |name| self.place.context.github.get(name).map(Value::to_text).unwrap_or_default();
                format!("{}/{}@{}", github("repository"), file.path, github("ref"))
            }
        })
    }

    /// The other repository that the called workflow comes from.
    pub(super) fn workflow_origin(&self) -> Option<Origin> {
        let node = &self.place.node;
        let repository = node.file.repository.clone()?;
        // A whole id is a commit by itself.
        let named = Some(&repository.reference).filter(|reference| is_object_id(reference));
        let commit = node.commit.clone().or_else(|| named.cloned());
        Some(Origin { repository, commit })
    }

    /// How the workflow ended, once all its jobs have.
    pub(super) fn overall(&self) -> Conclusion {
        if self.cancelled.is_some() {
            return Conclusion::Cancelled;
        }
        let any = |wanted| self.groups.iter().any(|group| group.conclusion() == Some(wanted));
        if any(Conclusion::Failure) {
            Conclusion::Failure
        } else if any(Conclusion::Cancelled) {
            Conclusion::Cancelled
        } else if any(Conclusion::Success) {
            Conclusion::Success
        } else {
            Conclusion::Skipped
        }
    }

    /// The `outputs` that the workflow declares for its callers, once all its jobs have ended.
    pub(super) fn outputs(&self) -> Result<Texts, Diagnostic> {
        let scope = OutputScope { jobs: self.results(), context: &self.place.context };
        let declared = self.place.node.interface().map_or(&[][..], |interface| &interface.outputs);
        let values = declared.iter().map(|output| {
            Ok((output.name.value.clone(), output.value.eval_string(&scope)?.as_ref().to_owned()))
        });
        values.collect()
    }
}

impl Place {
    /// Whether jobs of this workflow may enter a group: one in which the run or a call around them has its turn already
    /// would wait for itself.
    pub(super) fn may_enter(
        &self,
        group: &ConcurrencyGroup,
        written: &Concurrency,
    ) -> Result<(), Diagnostic> {
        let name = &group.group;
        let holder = if self.run_group.as_ref() == Some(name) {
            "the run itself".to_owned()
        } else if let Some(held) = self.groups.iter().find(|held| held.group.group == *name) {
            format!("the call {}", held.call)
        } else {
            return Ok(());
        };
        let message =
            format!("{holder} is in the concurrency group {name:?} already, so this would wait for itself");
        Err(Diagnostic::error("SW0124", written.group.source(), written.group.span(), message)
            .with_help("give one of them a group of another name, for example with the job's id in it"))
    }
}

impl Call {
    /// How many jobs it adds to the run.
    pub(super) fn size(&self) -> usize {
        self.place.node.order.len()
    }

    /// Its jobs, of which none has begun.
    pub(super) fn begin(&self, cancelled: Option<Cancelled>) -> Jobs {
        Jobs::new(self.place.clone(), cancelled)
    }
}

/// What the outputs of a workflow see.
struct OutputScope<'a> {
    jobs: Value,
    context: &'a RunContext,
}

impl Scope for OutputScope<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        if name == "jobs" { Some(self.jobs.clone()) } else { self.context.get(name) }
    }

    fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}
