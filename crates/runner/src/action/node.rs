//! JavaScript actions: Node with the action's main file, and its post file when the job's steps have run.

use super::input_env;
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace},
    job::Job,
    listen::Hearing,
    post::Post,
    report::{Annotation, Level},
    steps::{Came, Current},
};
use shipway_workflow::{action::Node, expr::Object};
use std::path::{Path, PathBuf};

impl Job<'_> {
    pub(super) async fn run_node(
        &mut self,
        uses: &str,
        node: &Node,
        inputs: Object,
        dir: &Path,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        if node.pre.is_some() {
            // As on GitHub: the action's files are only there once an earlier step has checked them out.
            let text =
                format!("pre of {uses} is not run, since a local action is not there before the first step");
            let annotation =
                Annotation { step: Some(current.index), ..Annotation::new(Level::Warning, text) };
            self.log.annotate(annotation).await;
        }
        let mut scope = current.scope.clone();
        set_github(&mut scope.contexts, "action_path", &self.map.inside_text(dir));
        let own = self.executor.node(&self.identity, &node.using.value).await?;
        let mut env = self.environment(&scope);
        env.extend(input_env(&inputs));
        let program = Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv: {
                let mut argv = own.clone().unwrap_or_else(|| vec!["node".to_owned()]);
                argv.push(self.map.inside_text(&file(dir, &node.main.value, "main")?));
                argv
            },
            script: None,
            directory: self.map.inside(&self.folders.workspace),
            env,
            place: ProgramPlace::Job,
        };
        if own.is_none() && !self.has_program("node", &program.env, &program.directory).await {
            return Err(RunnerError::new(
                ErrorKind::NodeMissing,
                format!(
                    "{uses} is a JavaScript action ({}), and node is in no folder of PATH",
                    node.using.value
                ),
            )
            .with_help("install Node 20 or newer, or put it on the PATH of the runner"));
        }
        let post = node.post.as_ref().map(|post| file(dir, &post.value, "post")).transpose()?;
        let post = post.map(|post| self.map.inside_text(&post));
        let (came, heard) = self.run_program(&program, current, Hearing::Step).await?;
        if let Some(post) = post {
            self.posts.push(Post {
                name: format!("Post {uses}"),
                file: post,
                program,
                state: heard.state,
                condition: node.post_if.clone(),
                current: Current { scope, ..current.clone() },
            });
        }
        Ok(came)
    }
}

fn file(dir: &Path, name: &str, key: &str) -> Result<PathBuf, RunnerError> {
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

/// Sets a field of the `github` context.
fn set_github(contexts: &mut Object, key: &str, value: &str) {
    let mut github =
        contexts.get("github").and_then(|github| github.as_object()).cloned().unwrap_or_default();
    github.insert(key, value);
    contexts.insert("github", github);
}
