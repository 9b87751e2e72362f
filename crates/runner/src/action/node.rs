//! JavaScript actions: Node with the action's main file, and its post file when the job's steps have run.

use super::input_env;
use crate::{
    env::has_program,
    error::{ErrorKind, RunnerError},
    executor::Program,
    job::Job,
    listen::Hearing,
    post::Post,
    report::{Annotation, Level},
    steps::{Came, Current},
};
use shipway_workflow::{action::Node, expr::Object};
use std::path::Path;

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
        set_github(&mut scope.contexts, "action_path", &dir.to_string_lossy());
        let mut env = self.environment(&scope);
        env.extend(input_env(&inputs));
        let program = Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv: vec!["node".to_owned(), file(dir, &node.main.value, "main")?],
            script: None,
            directory: self.folders.workspace.clone(),
            env,
        };
        if !has_program(&program.env, "node", &program.directory) {
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

fn file(dir: &Path, name: &str, key: &str) -> Result<String, RunnerError> {
    let path = dir.join(name);
    if path.is_file() {
        return Ok(path.to_string_lossy().into_owned());
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
