//! JavaScript actions: Node with the action's main file, and with its pre and post files around the job's steps.

mod version;

use super::{
    Loaded, input_env,
    native::UPLOAD_PACK,
    part::{Part, seen},
};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace, Streams},
    job::Job,
    listen::Hearing,
    place::PathMap,
    scope::StepScope,
    steps::{Came, Current},
};
use shipway_workflow::{action::Node, expr::Object};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What all parts of a JavaScript action have in common.
#[derive(Clone, Debug)]
pub(crate) struct NodePart {
    /// The action, as its step names it.
    pub(super) uses: String,
    /// `runs.using`.
    pub(super) using: String,
    /// The file to run.
    pub(super) file: String,
    /// `INPUT_*`.
    pub(super) inputs: BTreeMap<String, String>,
    /// The folder of the action.
    pub(super) dir: String,
    /// The repository it was fetched from.
    pub(super) repository: String,
    /// The reference it was fetched by.
    pub(super) reference: String,
}

impl NodePart {
    pub(super) fn new(
        map: &PathMap,
        loaded: &Loaded,
        node: &Node,
        file: &str,
        key: &str,
        inputs: &Object,
    ) -> Result<NodePart, RunnerError> {
        Ok(NodePart {
            uses: loaded.uses.clone(),
            using: node.using.value.clone(),
            file: map.inside_text(&path_of(&loaded.dir, file, key)?),
            inputs: input_env(inputs),
            dir: map.inside_text(&loaded.dir),
            repository: loaded.repository.clone(),
            reference: loaded.reference.clone(),
        })
    }

    /// What its expressions and its environment see beside what the step sees.
    pub(super) fn scope(&self, scope: &StepScope) -> StepScope {
        seen(scope, Some(&self.dir), &self.repository, &self.reference)
    }
}

impl Job<'_> {
    pub(super) async fn run_node(
        &mut self,
        loaded: &Loaded,
        node: &Node,
        inputs: &Object,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        if node.pre.is_some() {
            self.warn_of_pre(loaded, current).await;
        }
        let main = NodePart::new(&self.map, loaded, node, &node.main.value, "main", inputs)?;
        self.add_node_post(loaded, node, inputs, current)?;
        self.run_node_part(&main, current).await
    }

    /// Remembers its post part, if it has one.
    pub(super) fn add_node_post(
        &mut self,
        loaded: &Loaded,
        node: &Node,
        inputs: &Object,
        current: &Current,
    ) -> Result<(), RunnerError> {
        let Some(post) = &node.post else { return Ok(()) };
        let part = NodePart::new(&self.map, loaded, node, &post.value, "post", inputs)?;
        self.add_post(Part::Node(part), &node.post_if, current);
        Ok(())
    }

    /// Runs a part of a JavaScript action. The state that earlier parts saved is handed to it, and what it saves is kept.
    pub(super) async fn run_node_part(
        &mut self,
        part: &NodePart,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let mut argv = self.node(part, current).await?;
        argv.push(part.file.clone());
        let mut env = self.environment(&part.scope(&current.scope));
        env.extend(part.inputs.clone());
        env.extend(self.saved(current));
        env.extend(self.services.actions.clone());
        let program = Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv,
            script: None,
            directory: self.map.inside(&self.folders.workspace),
            env,
            place: ProgramPlace::Job,
            streams: Streams::default(),
            files: current.files,
        };
        let program = self.with_own_repository(part, program, current).await;
        let (came, heard) = self.run_program(&program, current, Hearing::Step).await?;
        self.save(current, heard.state);
        Ok(came)
    }
}

impl Job<'_> {
    /// The real checkout fetches the run's repository from its server. Here the repository is on this machine, with
    /// commits that the server may not have; git is told to look there for that one address.
    async fn with_own_repository(
        &mut self,
        part: &NodePart,
        mut program: Program,
        current: &Current,
    ) -> Program {
        let github = |field: &str| {
            let value = self.request.github.get(field).map(|value| value.to_text().to_string());
            value.filter(|text| !text.is_empty())
        };
        let (server, name) = (github("server_url"), github("repository"));
        let is_checkout = part.repository.eq_ignore_ascii_case("actions/checkout");
        let (true, Some(name)) = (is_checkout && !program.env.contains_key("GIT_CONFIG_COUNT"), name) else {
            return program;
        };
        let address = format!("{}/{name}", server.as_deref().unwrap_or("https://github.com"));
        let here = self.map.inside_text(&self.context.repository.fetched_from());
        let line = format!("git finds {address} in {here}, the repository of this run");
        self.log.line(Some(current.index), &line).await;
        for (key, value) in [
            ("GIT_CONFIG_COUNT", "3".to_owned()),
            ("GIT_CONFIG_KEY_0", format!("url.file://{here}.insteadOf")),
            ("GIT_CONFIG_VALUE_0", address),
            ("GIT_CONFIG_KEY_1", "safe.directory".to_owned()),
            ("GIT_CONFIG_VALUE_1", "*".to_owned()),
            // The program that reads it there does not see the others.
            ("GIT_CONFIG_KEY_2", "remote.origin.uploadpack".to_owned()),
            ("GIT_CONFIG_VALUE_2", UPLOAD_PACK.to_owned()),
        ] {
            program.env.insert(key.to_owned(), value);
        }
        program
    }
}

fn path_of(dir: &Path, name: &str, key: &str) -> Result<PathBuf, RunnerError> {
    let path = dir.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(RunnerError::new(
        ErrorKind::ActionMissing,
        format!("the action names {name:?} as its {key}, and there is no such file"),
    )
    .with_help("build the action and commit its files, or correct the name in action.yml"))
}
