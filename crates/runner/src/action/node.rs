//! JavaScript actions: Node with the action's main file, and with its pre and post files around the job's steps.

mod version;

use super::{
    Loaded, input_env,
    native::{addresses, others, upload_pack},
    part::{Part, seen},
};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace, Streams},
    job::Job,
    listen::Hearing,
    place::PathMap,
    proxy,
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

    /// The action and the file.
    pub(super) fn words(&self) -> String {
        let file = self.file.strip_prefix(&self.dir).map_or(&*self.file, |file| file.trim_start_matches('/'));
        format!("{}, {file}", self.uses)
    }

    pub(super) fn with_inputs(self, inputs: &Object) -> NodePart {
        NodePart { inputs: input_env(inputs), ..self }
    }

    /// What its expressions and its environment see beside what the step sees.
    pub(super) fn scope(&self, scope: &StepScope) -> StepScope {
        seen(scope, &self.repository, &self.reference)
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
        self.add_post(Part::Node(part), Some(&loaded.action), &node.post_if, current);
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
        proxy::go_past(&mut env);
        // That of a Node of the user's own may not fit the one that is started here, as GitHub's runner has it too.
        env.remove("NODE_ICU_DATA");
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
        let (server, name) = (self.github_text("server_url"), self.github_text("repository"));
        let Some(name) = name.filter(|_| part.repository.eq_ignore_ascii_case("actions/checkout")) else {
            return program;
        };
        // The address of another repository may begin with the name of this one.
        let asked = part.inputs.get("INPUT_REPOSITORY").map(|asked| asked.trim()).unwrap_or_default();
        if !asked.is_empty() && !asked.eq_ignore_ascii_case(&name) {
            return program;
        }
        let address = format!("{}/{name}", server.as_deref().unwrap_or("https://github.com"));
        let here = self.map.inside_text(&self.context.repository.fetched_from());
        let line = format!("git finds {address} in {here}, the repository of this run");
        self.log.line(Some(current.index), &line).await;
        configure(&mut program.env, &own_repository(&here, &address));
        program
    }
}

/// The settings by which git finds an address in a folder, whoever that belongs to.
fn own_repository(here: &str, address: &str) -> Vec<(String, String)> {
    let safe = |folder: String| ("safe.directory".to_owned(), folder);
    let instead = |of: String, there: &str| (format!("url.{there}.insteadOf"), of);
    let fixed = [
        safe(here.to_owned()),
        safe(format!("{here}/.git")),
        // The program that reads it there sees none of these.
        ("remote.origin.uploadpack".to_owned(), upload_pack(here)),
    ];
    let own = addresses(address).map(|own| instead(own, &format!("file://{here}")));
    // A submodule may be such another one.
    let others = others(address).map(|other| instead(other.clone(), &other));
    own.into_iter().chain(fixed).chain(others).collect()
}

/// Adds settings of git to an environment, after those that are in it.
fn configure(env: &mut BTreeMap<String, String>, settings: &[(String, String)]) {
    let count = env.get("GIT_CONFIG_COUNT").map(|count| count.trim()).filter(|count| !count.is_empty());
    // What is no number git refuses in its own words.
    let Ok(first) = count.unwrap_or("0").parse::<u16>() else { return };
    for (number, (key, value)) in (usize::from(first)..).zip(settings) {
        env.insert(format!("GIT_CONFIG_KEY_{number}"), key.clone());
        env.insert(format!("GIT_CONFIG_VALUE_{number}"), value.clone());
    }
    env.insert("GIT_CONFIG_COUNT".to_owned(), (usize::from(first) + settings.len()).to_string());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_git_are_added_to_those_of_a_step() {
        let all = own_repository("/here", "https://x/a/b").len();
        let check = |count: Option<&str>, key: &str, before: usize| {
            let mut env = BTreeMap::from([("GIT_CONFIG_KEY_0".to_owned(), "user.name".to_owned())]);
            env.extend(count.map(|count| ("GIT_CONFIG_COUNT".to_owned(), count.to_owned())));
            configure(&mut env, &own_repository("/here", "https://x/a/b"));
            assert_eq!(env.get(key).map(String::as_str), Some("url.file:///here.insteadOf"), "{count:?}");
            assert_eq!(env.get("GIT_CONFIG_COUNT"), Some(&(before + all).to_string()), "{count:?}");
        };
        check(None, "GIT_CONFIG_KEY_0", 0);
        check(Some(""), "GIT_CONFIG_KEY_0", 0);
        check(Some("2"), "GIT_CONFIG_KEY_2", 2);
        for count in ["x", "-1", "99999999999999999999"] {
            let before = BTreeMap::from([("GIT_CONFIG_COUNT".to_owned(), count.to_owned())]);
            let mut env = before.clone();
            configure(&mut env, &own_repository("/here", "https://x/a/b"));
            assert_eq!(env, before);
        }
    }
}
