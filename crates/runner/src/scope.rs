//! What expressions in a step can see: contexts and the functions that depend on them.

use crate::{
    hash_files::hash_files,
    reach::Reach,
    stop::{StepLimit, Stop},
};
use shipway_workflow::{
    Texts,
    expr::{Object, Scope, Value},
    run::Conclusion,
};
use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::OnceLock,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// Contexts and status at one moment of a job.
#[derive(Clone, Debug)]
pub(crate) struct StepScope {
    /// Every context but `env`, by its name.
    pub(crate) contexts: Object,
    /// The `env` context.
    pub(crate) env: Variables,
    /// How the job, or the composite action, stands so far.
    pub(crate) status: Conclusion,
    /// How the job stands, also within a composite action.
    pub(crate) job_status: Conclusion,
    /// Where `hashFiles` looks; `None` where files are not real.
    pub(crate) workspace: Option<PathBuf>,
    /// What `~` means to `hashFiles`.
    pub(crate) home: PathBuf,
    /// Which links `hashFiles` goes through.
    pub(crate) reach: Reach,
    /// What ends `hashFiles` before its time; nothing where there are no files.
    pub(crate) halt: Option<Halt>,
}

/// Variables, which become a value of the expression language once for all expressions that name one of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    texts: Texts,
    value: OnceLock<Value>,
}

impl Variables {
    fn value(&self) -> Value {
        self.value.get_or_init(|| variables(&self.texts)).clone()
    }
}

impl From<Texts> for Variables {
    fn from(texts: Texts) -> Variables {
        Variables { texts, value: OnceLock::new() }
    }
}

impl Deref for Variables {
    type Target = Texts;

    fn deref(&self) -> &Texts {
        &self.texts
    }
}

impl DerefMut for Variables {
    fn deref_mut(&mut self) -> &mut Texts {
        // Whoever changes them is not to see the old ones.
        self.value.take();
        &mut self.texts
    }
}

/// What ends a step before its time.
#[derive(Clone, Debug)]
pub(crate) struct Halt {
    /// The job's end.
    pub(crate) stop: Stop,
    /// Whether the step also runs in a cancelled job.
    pub(crate) survives: bool,
    /// The step's own limit.
    pub(crate) limit: Option<StepLimit>,
}

impl StepScope {
    /// Adds to the `github` context.
    pub(crate) fn add_to_github(&mut self, entries: impl IntoIterator<Item = (&'static str, String)>) {
        let mut github = self.contexts.get("github").and_then(Value::as_object).cloned().unwrap_or_default();
        entries.into_iter().for_each(|(name, value)| github.insert(name, value));
        self.contexts.insert("github", github);
    }

    /// The same in a job that was cancelled meanwhile, to ask whether a step would also run in that case.
    pub(crate) fn cancelled(&self) -> StepScope {
        let mut scope = self.clone();
        (scope.status, scope.job_status) = (Conclusion::Cancelled, Conclusion::Cancelled);
        if let Some(job) = scope.contexts.get("job").and_then(Value::as_object) {
            let mut job = job.clone();
            job.insert("status", Conclusion::Cancelled.as_str());
            scope.contexts.insert("job", job);
        }
        scope
    }
}

impl Scope for StepScope {
    fn context(&self, name: &str) -> Option<Value> {
        if name.eq_ignore_ascii_case("env") {
            return Some(self.env.value());
        }
        self.contexts.get(name).cloned()
    }

    fn function(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let is = |status: Conclusion, wanted: Conclusion| Some(Ok(Value::from(status == wanted)));
        match name.to_ascii_lowercase().as_str() {
            "success" => is(self.status, Conclusion::Success),
            "failure" => is(self.status, Conclusion::Failure),
            // A composite action is never cancelled by itself.
            "cancelled" => is(self.job_status, Conclusion::Cancelled),
            "always" => Some(Ok(Value::from(true))),
            "hashfiles" => {
                let patterns: Vec<String> =
                    arguments.iter().map(|value| value.to_text().to_string()).collect();
                Some(match &self.workspace {
                    Some(workspace) => aside(|| {
                        let halt = self.halt.as_ref();
                        let over = || {
                            let halt = halt?;
                            halt.stop.over(halt.survives, halt.limit).map(|cause| halt.stop.words(cause))
                        };
                        hash_files(&patterns, workspace, &self.home, self.reach, &over).map(Value::from)
                    }),
                    None => Ok(Value::from("")),
                })
            }
            _ => None,
        }
    }
}

/// Does what takes long, and lets other threads do the work of this one meanwhile. Where there is only this thread, it waits.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        // Other flavours have one thread, or are unknown.
        Ok(_) | Err(_) => work(),
    }
}

/// Texts as an object of the expression language, in their order.
pub(crate) fn object(map: &Texts) -> Value {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Object>().into()
}

/// The same for variables: to expressions as to programs, `http_proxy` and `HTTP_PROXY` are two.
fn variables(map: &Texts) -> Value {
    let mut object = Object::exact();
    map.iter().for_each(|(key, value)| object.insert(key.as_str(), value.as_str()));
    object.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_are_changed_are_seen_as_they_are() {
        let mut variables = Variables::from(Texts::from([("A".to_owned(), "1".to_owned())]));
        let seen =
            |variables: &Variables| variables.value().get("A").map(|value| value.to_text().to_string());
        assert_eq!(seen(&variables).as_deref(), Some("1"));
        let before = variables.clone();
        variables.insert("A".to_owned(), "2".to_owned());
        assert_eq!(seen(&variables).as_deref(), Some("2"));
        assert_eq!(seen(&before).as_deref(), Some("1"));
        // All expressions have the same value, however many there are.
        assert!(variables.value().loosely_equals(&variables.value()));
    }
}
