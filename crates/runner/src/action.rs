//! Steps with `uses`: which action it is, its inputs, and where it is carried out.

mod composite;
mod native;
mod node;
mod unsupported;

use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace},
    job::{Frame, Job},
    listen::Hearing,
    report::{Annotation, Level},
    script::expression,
    steps::{Came, Current, written},
};
use shipway_base::Source;
use shipway_workflow::{
    action::{Action, Runs},
    document::{Uses, UsesStep},
    expr::{Object, Value},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub use unsupported::{unsupported, unsupported_keys};

/// Composite actions may lie within each other this deep, as on GitHub.
const MAX_DEPTH: usize = 10;

impl Job<'_> {
    /// Runs an action.
    pub(crate) async fn run_action(
        &mut self,
        frame: &mut Frame,
        uses: &UsesStep,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let step = Some(current.index);
        self.log.line(step, &format!("##[group]Run {}", written(&uses.uses.value))).await;
        let given = self.fields(&uses.with, &current.scope).map_err(|found| expression(&found))?;
        for (name, value) in &given {
            self.log.line(step, &format!("  {name}: {value}")).await;
        }
        self.log.line(step, "##[endgroup]").await;
        if !self.executor.is_real() {
            return self.pretend(current).await;
        }
        match &uses.uses.value {
            Uses::Local { path } => self.run_local(frame, path, &given, current).await,
            Uses::Repository { owner, repo, path, .. }
                if owner.eq_ignore_ascii_case("actions") && path.is_empty() =>
            {
                match native::Native::named(repo) {
                    Some(native) => self.run_native(native, &given, current).await,
                    None => Err(unsupported::refusal(&uses.uses.value)),
                }
            }
            Uses::Repository { .. } | Uses::SelfRepository { .. } | Uses::Docker { .. } => {
                Err(unsupported::refusal(&uses.uses.value))
            }
        }
    }

    /// On an executor without real files an action is a program like any other, steered by its environment.
    async fn pretend(&mut self, current: &Current) -> Result<Came, RunnerError> {
        let program = Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv: Vec::new(),
            script: None,
            directory: self.folders.workspace.clone(),
            env: self.environment(&current.scope),
            place: ProgramPlace::Job,
        };
        Ok(self.run_program(&program, current, Hearing::Step).await?.0)
    }

    async fn run_local(
        &mut self,
        frame: &mut Frame,
        path: &str,
        given: &BTreeMap<String, String>,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let dir = normal(&self.folders.workspace, path)?;
        let action = self.load(&dir, path)?;
        let inputs = self.inputs(frame, &action, given, current).await?;
        match &action.runs {
            Runs::Composite(composite) => {
                if frame.depth >= MAX_DEPTH {
                    return Err(RunnerError::new(
                        ErrorKind::ActionMissing,
                        format!("composite actions lie more than {MAX_DEPTH} deep within each other"),
                    )
                    .with_help("look for an action that uses itself"));
                }
                Box::pin(self.run_composite(frame, &action, composite, inputs, &dir, current)).await
            }
            Runs::Node(node) => self.run_node(path, node, inputs, &dir, current).await,
            Runs::Docker(docker) => Err(RunnerError::new(
                ErrorKind::ActionUnsupported,
                format!(
                    "{path} is a Docker action ({}), and no container can be started yet",
                    docker.image.value
                ),
            )),
        }
    }

    fn load(&self, dir: &Path, path: &str) -> Result<Action, RunnerError> {
        let name = path.trim_start_matches("./").trim_end_matches('/');
        for file in ["action.yml", "action.yaml"] {
            let text = match fs::read_to_string(dir.join(file)) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(RunnerError::io("read", &dir.join(file), error)),
            };
            let shown = if name.is_empty() { file.to_owned() } else { format!("{name}/{file}") };
            let (action, found) = Action::parse(&Source::new(shown, text));
            return action.ok_or_else(|| {
                let all: Vec<String> = found.iter().map(ToString::to_string).collect();
                RunnerError::new(
                    ErrorKind::ActionMissing,
                    format!("the action {path} cannot be used: {}", all.join("; ")),
                )
            });
        }
        Err(RunnerError::new(
            ErrorKind::ActionMissing,
            format!("there is no action.yml in {path}, seen from the workspace of the job"),
        )
        .with_help(
            "check the path, and check out the repository in an earlier step with uses: actions/checkout@v4",
        ))
    }

    /// The inputs of an action: what is given, then defaults. What the action does not know is said.
    async fn inputs(
        &mut self,
        frame: &Frame,
        action: &Action,
        given: &BTreeMap<String, String>,
        current: &Current,
    ) -> Result<Object, RunnerError> {
        let step = Some(current.index);
        let mut inputs = Object::new();
        let mut warnings = Vec::new();
        let scope = self.scope(frame, &current.scope.env, Some(&current.id));
        for input in &action.inputs {
            let name = input.name.value.as_str();
            let value =
                given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
            if let (Some(_), Some(message)) = (&value, &input.deprecation_message) {
                warnings.push(format!("the input {name:?} is deprecated: {message}"));
            }
            let value = match (value, &input.default) {
                (Some(value), _) => value,
                (None, Some(default)) => {
                    default.eval_string(&scope).map_err(|found| expression(&found))?.to_string()
                }
                (None, None) => String::new(),
            };
            inputs.insert(name, value);
        }
        let known: Vec<&str> = action.inputs.iter().map(|input| input.name.value.as_str()).collect();
        for (name, value) in given {
            if inputs.get(name).is_none() {
                warnings.push(unexpected(name, &known));
                inputs.insert(name.as_str(), value.as_str());
            }
        }
        for warning in warnings {
            let annotation = Annotation { step, ..Annotation::new(Level::Warning, warning) };
            self.log.annotate(annotation).await;
        }
        Ok(inputs)
    }
}

/// `INPUT_<NAME>` variables.
fn input_env(inputs: &Object) -> BTreeMap<String, String> {
    let name = |key: &str| format!("INPUT_{}", key.replace(' ', "_").to_uppercase());
    inputs.iter().map(|(key, value): (&str, &Value)| (name(key), value.to_text().to_string())).collect()
}

fn unexpected(name: &str, known: &[&str]) -> String {
    match shipway_base::yaml::closest(name, known.iter().copied()) {
        Some(close) => format!("the action has no input {name:?}; did you mean {close:?}?"),
        None if known.is_empty() => format!("the action has no input {name:?}; it takes none"),
        None => format!("the action has no input {name:?}; it has {}", known.join(", ")),
    }
}

/// A path below the workspace, `..` resolved without leaving it.
fn normal(workspace: &Path, path: &str) -> Result<PathBuf, RunnerError> {
    let mut dir = workspace.to_owned();
    let mut depth = 0_usize;
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." if depth == 0 => {
                return Err(RunnerError::new(
                    ErrorKind::ActionInput,
                    format!("{path} leads out of the workspace"),
                ));
            }
            ".." => {
                dir.pop();
                depth -= 1;
            }
            _ => {
                dir.push(segment);
                depth += 1;
            }
        }
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_workspace() {
        let check = |path, expect: Option<&str>| {
            assert_eq!(normal(Path::new("/w"), path).ok(), expect.map(PathBuf::from), "{path}");
        };
        check("./a/b", Some("/w/a/b"));
        check("./a/../b/", Some("/w/b"));
        check("./../x", None);
        check("a/../../x", None);
    }

    #[test]
    fn inputs_become_variables_as_the_toolkit_reads_them() {
        let mut inputs = Object::new();
        inputs.insert("who to-greet", "you");
        assert_eq!(input_env(&inputs).get("INPUT_WHO_TO-GREET").map(String::as_str), Some("you"));
    }

    #[test]
    fn an_unknown_input_is_named_with_a_guess() {
        assert!(unexpected("pth", &["path", "name"]).contains("did you mean \"path\""));
        assert!(unexpected("zzz", &["path"]).contains("it has path"));
    }
}
