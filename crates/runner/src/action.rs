//! Steps with `uses`: which action it is, its inputs, and where it is carried out.

mod composite;
mod docker;
mod native;
mod node;
mod part;
mod pre;
mod prepare;

use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace, Streams},
    job::{Frame, Job},
    listen::Hearing,
    reach::{self, Reach},
    report::{Annotation, Level},
    script::expression,
    steps::{Came, Current, written},
};
use native::{Inputs, Native};
use shipway_base::Source;
use shipway_workflow::{
    Texts,
    action::{Action, Runs},
    document::{Uses, UsesStep},
    expr::{Object, Value},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use native::copy_files;
pub(crate) use part::{Part, seen};
pub(crate) use prepare::Unfetched;

/// Composite actions may lie within each other this deep, as on GitHub.
const MAX_DEPTH: usize = 10;

/// An action whose manifest has been read.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// As its step names it.
    uses: String,
    action: Arc<Action>,
    /// The folder of its manifest.
    dir: PathBuf,
    /// `owner/name` of the repository it was fetched from; empty for one of the workspace.
    repository: String,
    /// The reference it was fetched by.
    reference: String,
    /// The folder of the repository that `$/` means in it; `None` where that is the repository of the run.
    root: Option<PathBuf>,
}

impl Job<'_> {
    /// Runs an action.
    pub(crate) async fn run_action(
        &mut self,
        frame: &mut Frame,
        uses: &UsesStep,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let name = written(&uses.uses.value);
        let current = &self.seeing(frame, &uses.uses.value, current);
        let given = self.fields(&uses.with, &current.scope).map_err(|found| expression(&found))?;
        if !self.executor.is_real() {
            self.show_action(&name, texts(&given), current).await;
            return self.pretend(current).await;
        }
        if let Some(native) = self.native(&uses.uses.value) {
            let inputs = Inputs::of(&given);
            let own = self.request.github.get("repository").map(|name| name.to_text()).unwrap_or_default();
            let lacks = match native.cannot(&inputs, &own) {
                None if native == Native::DownloadArtifact => self.has_not(&inputs).await?,
                None => self.cannot_here(native, &inputs, current).await?,
                lacks => lacks,
            };
            let Some(lacks) = lacks else {
                let defaults = native.defaults(&own);
                let defaults = defaults.iter().filter(|(name, _)| !inputs.has(name)).copied();
                self.show_action(&name, texts(&given).chain(defaults), current).await;
                return self.run_native(native, &uses.uses.value, &inputs, current).await;
            };
            let loaded = self.loaded_late(frame, &uses.uses.value, current).await.map_err(|error| {
                let message = format!(
                    "the built-in {native} {lacks}, and {name} itself cannot be had: {}",
                    error.message
                );
                error.with_message(message)
            })?;
            let inputs = self.show_loaded(frame, &uses.uses.value, &loaded, &given, current).await?;
            let line = format!("The built-in {native} {lacks}: {name} itself is used");
            self.log.line(Some(current.index), &line).await;
            return self.run_loaded(frame, &loaded, inputs, current).await;
        }
        if let Uses::Docker { image } = &uses.uses.value {
            self.show_action(&name, texts(&given), current).await;
            return Box::pin(self.run_image_step(image, &given, current)).await;
        }
        let loaded = self.loaded(frame, &uses.uses.value, current).await?;
        let inputs = self.show_loaded(frame, &uses.uses.value, &loaded, &given, current).await?;
        self.run_loaded(frame, &loaded, inputs, current).await
    }

    /// The head of an action whose manifest is read, and what its step may have meant otherwise; gives its inputs.
    async fn show_loaded(
        &mut self,
        frame: &Frame,
        uses: &Uses,
        loaded: &Loaded,
        given: &Texts,
        current: &Current,
    ) -> Result<Object, RunnerError> {
        let (inputs, warnings) =
            self.inputs(frame, uses, &loaded.action, given, (&current.scope.env, &current.id))?;
        self.show_inputs(loaded, &inputs, current).await;
        for warning in warnings {
            let step = Some(current.index);
            self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, warning) }).await;
        }
        Ok(inputs)
    }

    /// The step as it sees itself once its action runs.
    fn seeing(&self, frame: &Frame, uses: &Uses, current: &Current) -> Current {
        let (repository, reference) = self.origin(frame, uses);
        Current { scope: seen(&current.scope, &repository, &reference), ..current.clone() }
    }

    /// The repository that an action is of, as `owner/name`, and the reference it is had by; both are empty for one of the workspace
    /// and for an image.
    pub(crate) fn origin(&self, frame: &Frame, uses: &Uses) -> (String, String) {
        match uses {
            Uses::Repository { owner, repo, reference, .. } => (format!("{owner}/{repo}"), reference.clone()),
            Uses::SelfRepository { .. } => {
                let loaded = self.loaded.get(&prepare::key(uses, frame.root.as_deref()));
                loaded.map(|loaded| (loaded.repository.clone(), loaded.reference.clone())).unwrap_or_default()
            }
            Uses::Local { .. } | Uses::Docker { .. } => <(String, String)>::default(),
        }
    }

    /// The built-in action that stands for one, unless real ones are asked for.
    fn native(&self, uses: &Uses) -> Option<Native> {
        match uses {
            Uses::Repository { owner, repo, path, .. }
                if self.context.native_actions && owner.eq_ignore_ascii_case("actions") =>
            {
                Native::named(repo, path).filter(|native| !native.is_cache() || self.may_cache())
            }
            Uses::Local { .. }
            | Uses::Repository { .. }
            | Uses::SelfRepository { .. }
            | Uses::Docker { .. } => None,
        }
    }

    /// The same for an action that a built-in one was thought to stand for when the job was set up.
    async fn loaded_late(
        &mut self,
        frame: &Frame,
        uses: &Uses,
        current: &Current,
    ) -> Result<Loaded, RunnerError> {
        let key = prepare::key(uses, frame.root.as_deref());
        if let Some(loaded) = self.loaded.get(&key) {
            return Ok(loaded.clone());
        }
        let stop = self.stop.clone();
        let fetched = tokio::select! {
            biased;
            fetched = self.fetch_action(uses, frame.root.as_deref(), Some(current.index)) => fetched?,
            stopped = stop.error(current.survives, current.limit) => return Err(stopped),
        };
        let Some(loaded) = fetched else {
            let message = format!("uses: {} is no action of a repository", written(uses));
            return Err(RunnerError::new(ErrorKind::ActionMissing, message));
        };
        self.fetch_within(&loaded.action, loaded.root.clone(), current).await?;
        self.loaded.insert(key, loaded.clone());
        Ok(loaded)
    }

    /// Fetches what a composite action names, where that could not be known before its step came.
    async fn fetch_within(
        &mut self,
        action: &Action,
        root: Option<PathBuf>,
        current: &Current,
    ) -> Result<(), RunnerError> {
        let Runs::Composite(composite) = &action.runs else { return Ok(()) };
        let stop = self.stop.clone();
        let fetched = tokio::select! {
            biased;
            fetched = self.fetch_actions(&composite.steps, &action.source, root, Some(current.index)) => fetched,
            stopped = stop.error(current.survives, current.limit) => return Err(stopped),
        };
        fetched.map_err(|unfetched| {
            let place = format!("{}:{}", unfetched.source.name, unfetched.span.start);
            let message = format!("{place}: {}", unfetched.error.message);
            unfetched.error.with_message(message)
        })
    }

    /// The manifest of an action: of one that was fetched when the job was set up, or of one of the workspace.
    async fn loaded(&mut self, frame: &Frame, uses: &Uses, current: &Current) -> Result<Loaded, RunnerError> {
        if let Some(loaded) = self.loaded.get(&prepare::key(uses, frame.root.as_deref())) {
            return Ok(loaded.clone());
        }
        let Uses::Local { path } = uses else {
            let message = format!("uses: {} was not there when the job was set up", written(uses));
            return Err(RunnerError::new(ErrorKind::ActionMissing, message));
        };
        let dir = normal(&self.folders.workspace, path)?;
        let manifests = Manifests { folder: &self.folders.workspace, dir: &dir, reach: self.links() };
        let action = load(&manifests, path, "seen from the workspace of the job")?;
        self.fetch_within(&action, frame.root.clone(), current).await?;
        Ok(Loaded {
            uses: path.clone(),
            action: Arc::new(action),
            dir,
            repository: String::new(),
            reference: String::new(),
            root: frame.root.clone(),
        })
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
            streams: Streams::default(),
            files: None,
        };
        Ok(self.run_program(&program, current, Hearing::Step).await?.0)
    }

    async fn show_inputs(&mut self, loaded: &Loaded, inputs: &Object, current: &Current) {
        let shown = inputs.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
        self.show_action(&loaded.uses, shown, current).await;
    }

    async fn run_loaded(
        &mut self,
        frame: &mut Frame,
        loaded: &Loaded,
        inputs: Object,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        match &loaded.action.runs {
            Runs::Composite(composite) => {
                if frame.depth >= MAX_DEPTH {
                    return Err(RunnerError::new(
                        ErrorKind::ActionMissing,
                        format!("composite actions lie more than {MAX_DEPTH} deep within each other"),
                    )
                    .with_help("look for an action that uses itself"));
                }
                Box::pin(self.run_composite(frame, loaded, composite, inputs, current)).await
            }
            Runs::Node(node) => self.run_node(loaded, node, &inputs, current).await,
            Runs::Docker(docker) => Box::pin(self.run_docker(loaded, docker, &inputs, current)).await,
        }
    }

    /// The inputs of an action, what is given before the defaults of the rest, and what the step should be told about them. The
    /// defaults see this environment and this id of the step.
    pub(crate) fn inputs(
        &self,
        frame: &Frame,
        uses: &Uses,
        action: &Action,
        given: &Texts,
        (env, id): (&Texts, &str),
    ) -> Result<(Object, Vec<String>), RunnerError> {
        let mut inputs: Object = texts(given).collect();
        let mut warnings = Vec::new();
        let (repository, reference) = self.origin(frame, uses);
        let scope = seen(&self.scope(frame, env, Some(id)), &repository, &reference);
        for input in &action.inputs {
            let name = input.name.value.as_str();
            if inputs.get(name).is_some() {
                let message = input.deprecation_message.iter();
                warnings.extend(message.map(|why| format!("the input {name:?} is deprecated: {why}")));
                continue;
            }
            let value = match &input.default {
                Some(default) => default.eval_string(&scope).map_err(|found| expression(&found))?,
                None => "".into(),
            };
            inputs.insert(name, value);
        }
        // A Docker action takes these whatever it says of them.
        let always: &[&str] =
            if matches!(action.runs, Runs::Docker(_)) { &["entrypoint", "args"] } else { &[] };
        let named = action.inputs.iter().map(|input| input.name.value.as_str());
        let known: Vec<&str> = named.chain(always.iter().copied()).collect();
        let strange = given.keys().filter(|name| !known.iter().any(|known| known.eq_ignore_ascii_case(name)));
        warnings.extend(strange.map(|name| unexpected(name, &known)));
        warnings.extend(action.misspelt.iter().cloned());
        Ok((inputs, warnings))
    }
}

/// Names and texts, borrowed.
fn texts(given: &Texts) -> impl Iterator<Item = (&str, &str)> {
    given.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Where the manifest of an action is looked for.
struct Manifests<'a> {
    /// What holds it: the workspace, or a repository.
    folder: &'a Path,
    /// The folder of the action in that.
    dir: &'a Path,
    reach: Reach,
}

/// The largest manifest, in bytes, as the largest workflow.
const MOST_MANIFEST: u64 = 1 << 20;

/// Reads the manifest of an action. `place` says in words where its folder is.
fn load(manifests: &Manifests<'_>, uses: &str, place: &str) -> Result<Action, RunnerError> {
    let Manifests { folder, dir, reach } = manifests;
    let name = uses.trim_start_matches("./").trim_end_matches('/');
    for file in ["action.yml", "action.yaml"] {
        let path = dir.join(file);
        let text = match reach.open(folder, &path).and_then(|open| reach::text(open, MOST_MANIFEST)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(RunnerError::io("read", &path, error)),
        };
        let shown = if name.is_empty() { file.to_owned() } else { format!("{name}/{file}") };
        let (action, found) = Action::parse(&Source::new(shown, text));
        return action.ok_or_else(|| {
            let all: Vec<String> = found.iter().map(ToString::to_string).collect();
            RunnerError::new(
                ErrorKind::ActionMissing,
                format!("the action {uses} cannot be used: {}", all.join("; ")),
            )
        });
    }
    for file in ["Dockerfile", "dockerfile"] {
        // As on GitHub, an image to build is an action without a manifest, whose `entrypoint` and `args` are those of its step.
        if reach.open(folder, &dir.join(file)).is_ok() {
            let text = format!("runs: {{using: docker, image: {file}}}\n");
            let (action, found) = Action::parse(&Source::new(format!("{name}/{file}"), text));
            return action.ok_or_else(|| RunnerError::new(ErrorKind::ActionMissing, format!("{found:?}")));
        }
    }
    let missing = RunnerError::new(
        ErrorKind::ActionMissing,
        format!("there is no action.yml and no Dockerfile in {uses}, {place}"),
    );
    Err(missing.with_help(
        "check the path; an action of this repository must have been checked out by an earlier step with uses: \
         actions/checkout@v4",
    ))
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
