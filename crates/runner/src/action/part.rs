//! The parts of an action: what runs before the first step of the job, as its step, and after the last one.

use super::{Loaded, docker::DockerPart, native::SaveCache, node::NodePart};
use crate::{
    error::RunnerError,
    job::Job,
    post::Post,
    report::{Annotation, Level},
    scope::StepScope,
    steps::{Came, Current},
};
use shipway_workflow::{
    action::Action,
    expr::{Condition, Object},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

/// A part of an action.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// A file for Node.
    Node(NodePart),
    /// A container with an entrypoint.
    Docker(Box<DockerPart>),
    /// What a built-in action saves.
    SaveCache(SaveCache),
}

impl Part {
    /// What it runs, in words.
    pub(crate) fn words(&self) -> String {
        match self {
            Part::Node(part) => part.words(),
            Part::Docker(part) => part.words(),
            Part::SaveCache(_) => "actions/cache, which saves".to_owned(),
        }
    }

    /// The same with what its step gives it by now.
    pub(crate) fn with_inputs(self, inputs: Object) -> Result<Part, RunnerError> {
        Ok(match self {
            Part::Node(part) => Part::Node(part.with_inputs(&inputs)),
            Part::Docker(part) => Part::Docker(Box::new(part.with_inputs(inputs))),
            Part::SaveCache(save) => Part::SaveCache(save.with_inputs(&inputs)?),
        })
    }

    /// What its expressions and its environment see beside what the step sees.
    pub(crate) fn scope(&self, scope: &StepScope) -> StepScope {
        match self {
            Part::Node(part) => part.scope(scope),
            Part::Docker(part) => part.scope(scope),
            Part::SaveCache(_) => scope.clone(),
        }
    }
}

impl Job<'_> {
    /// Runs a part of an action.
    pub(crate) async fn run_part(&mut self, part: &Part, current: &Current) -> Result<Came, RunnerError> {
        match part {
            Part::Node(part) => self.run_node_part(part, current).await,
            Part::Docker(part) => Box::pin(self.run_docker_part(part, current)).await,
            Part::SaveCache(save) => Box::pin(self.save_cache(save, current)).await,
        }
    }

    /// Remembers what an action wants to run when all steps have.
    pub(super) fn add_post(
        &mut self,
        part: Part,
        action: Option<&Arc<Action>>,
        condition: &Condition,
        current: &Current,
    ) {
        let (condition, current, action) = (condition.clone(), current.clone(), action.cloned());
        let order = self.asked_posts.fetch_add(1, Ordering::Relaxed);
        self.keep_post(Post {
            order,
            name: format!("Post {}", current.name),
            part,
            action,
            condition,
            current,
        });
    }

    /// Says that the pre part of a local action is not run.
    pub(super) async fn warn_of_pre(&mut self, loaded: &Loaded, current: &Current) {
        if loaded.uses.starts_with('.') {
            // As on GitHub: the action's files are only there once an earlier step has checked them out.
            let text = format!(
                "pre of {} is not run, since a local action is not there before the first step",
                loaded.uses
            );
            let annotation =
                Annotation { step: Some(current.index), ..Annotation::new(Level::Warning, text) };
            self.log.annotate(annotation).await;
        }
    }

    /// What earlier parts of the action saved, as variables.
    pub(crate) fn saved(&self, current: &Current) -> BTreeMap<String, String> {
        let saved = self.states.get(&current.place).into_iter().flatten();
        saved.map(|(name, value)| (format!("STATE_{name}"), value.clone())).collect()
    }

    /// Keeps what a part saved for those after it.
    pub(super) fn save(&mut self, current: &Current, state: impl IntoIterator<Item = (String, String)>) {
        let kept = self.states.entry(current.place.clone()).or_default();
        for (name, value) in state {
            // As on GitHub names that differ in case alone are one, spelled as it was first.
            let known = kept.keys().find(|known| known.eq_ignore_ascii_case(&name)).cloned();
            kept.insert(known.unwrap_or(name), value);
        }
    }
}

/// What a step and the parts of its action see of the action in the `github` context once it runs, as GitHub's runner has it: a
/// script and an action of the workspace see neither of the two, also within an action of another repository. `action_path`
/// is that of the composite action around.
pub(crate) fn seen(scope: &StepScope, repository: &str, reference: &str) -> StepScope {
    let mut scope = scope.clone();
    let github = scope.contexts.get("github").and_then(|github| github.as_object()).cloned();
    let mut github = github.unwrap_or_default();
    github.insert("action_repository", repository);
    github.insert("action_ref", reference);
    scope.contexts.insert("github", github);
    scope
}
