//! Docker actions: an image that is pulled or built, and a container of it that is the step.

use super::{
    Loaded, input_env,
    part::{Part, seen},
};
use crate::{
    env,
    error::{ErrorKind, RunnerError},
    job::Job,
    listen::Hearing,
    opening::hear,
    place::{ImageSource, OwnContainer},
    proxy,
    scope::StepScope,
    script::expression,
    shell::words,
    steps::{Came, Current, What},
    stop::Cause,
};
use shipway_workflow::{
    Texts,
    action::Docker,
    expr::{Object, Value},
    run::Conclusion,
};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many chunks of news may wait to be read.
const CHUNKS: usize = 32;

/// What all parts of a Docker action have in common.
#[derive(Clone, Debug)]
pub(crate) struct DockerPart {
    docker: Docker,
    /// The image, which is ready.
    image: String,
    /// What to start in it; what the image starts when there is none.
    entrypoint: Option<String>,
    inputs: Object,
    /// The repository it was fetched from.
    repository: String,
    /// The reference it was fetched by.
    reference: String,
}

impl DockerPart {
    /// What is started, and in which image.
    pub(super) fn words(&self) -> String {
        match &self.entrypoint {
            Some(entrypoint) => format!("{entrypoint}, in the image {}", self.image),
            None => format!("what the image {} starts", self.image),
        }
    }

    fn new(
        loaded: &Loaded,
        docker: &Docker,
        image: &str,
        entrypoint: Option<String>,
        inputs: &Object,
    ) -> DockerPart {
        DockerPart {
            docker: docker.clone(),
            image: image.to_owned(),
            entrypoint: entrypoint.filter(|text| !text.is_empty()),
            inputs: inputs.clone(),
            repository: loaded.repository.clone(),
            reference: loaded.reference.clone(),
        }
    }

    pub(super) fn with_inputs(self, inputs: Object) -> DockerPart {
        DockerPart { inputs, ..self }
    }

    /// What its expressions and its environment see beside what the step sees.
    pub(super) fn scope(&self, scope: &StepScope) -> StepScope {
        seen(scope, &self.repository, &self.reference)
    }
}

impl Job<'_> {
    /// Runs an action with `using: docker`.
    pub(super) async fn run_docker(
        &mut self,
        loaded: &Loaded,
        docker: &Docker,
        inputs: &Object,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        if docker.pre_entrypoint.is_some() {
            self.warn_of_pre(loaded, current).await;
        }
        let input = || inputs.get("entrypoint").map(|value| value.to_text().to_string());
        let entrypoint = docker.entrypoint.as_ref().map(|entrypoint| entrypoint.value.clone());
        self.begin_docker(loaded, docker, entrypoint.or_else(input), inputs, current).await
    }

    /// Runs what a Docker action wants to run before the first step.
    pub(super) async fn run_docker_pre(
        &mut self,
        loaded: &Loaded,
        docker: &Docker,
        inputs: &Object,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let scope = seen(&current.scope, &loaded.repository, &loaded.reference);
        if !docker.pre_if.eval(&scope).map_err(|found| expression(&found))? {
            return Ok(Came::of(Conclusion::Skipped));
        }
        self.show_inputs(loaded, inputs, current).await;
        let entrypoint = docker.pre_entrypoint.as_ref().map(|entrypoint| entrypoint.value.clone());
        self.begin_docker(loaded, docker, entrypoint, inputs, current).await
    }

    /// Makes the image of an action ready, remembers its post part if it has one, and runs the part with this entrypoint.
    async fn begin_docker(
        &mut self,
        loaded: &Loaded,
        docker: &Docker,
        entrypoint: Option<String>,
        inputs: &Object,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let image = ImageSource::of_action(&docker.image.value, &loaded.dir, &self.folders.temp)?;
        let image = self.prepare_image(&image, current).await?;
        if let Some(post) = &docker.post_entrypoint {
            let part = DockerPart::new(loaded, docker, &image, Some(post.value.clone()), inputs);
            let part = Part::Docker(Box::new(part));
            self.add_post(part, Some(&loaded.action), &docker.post_if, current);
        }
        let part = DockerPart::new(loaded, docker, &image, entrypoint, inputs);
        self.run_docker_part(&part, current).await
    }

    /// Runs a part of a Docker action. The state that earlier parts saved is handed to it, and what it saves is kept.
    pub(super) async fn run_docker_part(
        &mut self,
        part: &DockerPart,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let mut current = current.clone();
        current.scope = part.scope(&current.scope);
        // As on GitHub the inputs are seen by args and env of the action, and by nothing else of the job.
        current.scope.contexts.insert("inputs", Value::from(part.inputs.clone()));
        let mut args = Vec::new();
        for template in &part.docker.args {
            let items = template.eval_items(&current.scope).map_err(|found| expression(&found))?;
            args.extend(items.iter().map(|item| item.to_string()));
        }
        if part.docker.args.is_empty() {
            let given = part.inputs.get("args").map(|value| value.to_text().to_string());
            args = words(given.unwrap_or_default().trim_end());
        }
        // What the step sets wins over what the action sets.
        for (name, value) in part.docker.env.eval(&current.scope).map_err(|found| expression(&found))? {
            current.scope.env.entry(name).or_insert_with(|| value.to_string());
        }
        let mut env = input_env(&part.inputs);
        env.extend(self.saved(&current));
        self.run_image(part.image.clone(), part.entrypoint.clone(), args, env, &current).await
    }

    /// Runs a step with `uses: docker://image`; its inputs `entrypoint` and `args` stand for those of the image.
    pub(super) async fn run_image_step(
        &mut self,
        image: &str,
        given: &Texts,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let inputs: Object = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let text = |name: &str| {
            inputs.get(name).map(|value| value.to_text().to_string()).filter(|text| !text.is_empty())
        };
        let image = ImageSource::Named { image: image.to_owned(), credentials: None };
        let image = self.prepare_image(&image, current).await?;
        let args = words(text("args").unwrap_or_default().trim_end());
        self.run_image(image, text("entrypoint"), args, input_env(&inputs), current).await
    }

    async fn run_image(
        &mut self,
        image: String,
        entrypoint: Option<String>,
        args: Vec<String>,
        inputs: BTreeMap<String, String>,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let mut env = self.container_environment(current);
        env.extend(inputs);
        env.extend(self.services_inside(Some(current.index)).await.actions);
        proxy::go_past(&mut env);
        let container = OwnContainer {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            image,
            entrypoint,
            args,
            env,
        };
        let (came, heard) = self.run_what(What::Container(&container), current, Hearing::Step).await?;
        self.save(current, heard.state);
        Ok(came)
    }

    /// Pulls or builds an image; what is told meanwhile goes into the log of the step.
    async fn prepare_image(&mut self, image: &ImageSource, current: &Current) -> Result<String, RunnerError> {
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let stop = CancellationToken::new();
        let mut cause: Option<Cause> = None;
        let made = {
            let make = self.executor.prepare_image(&self.identity, image, sender, &stop);
            let hear = hear(&mut self.log, Some(current.index), receiver);
            let watch = async {
                cause = Some(self.stop.cause(current.survives, current.limit).await);
                stop.cancel();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                (made, ()) = async { tokio::join!(make, hear) } => made,
                () = watch => Err(RunnerError::new(ErrorKind::TimedOut, "the step was stopped")),
            }
        };
        match (made, cause) {
            (Err(_), Some(cause)) => Err(RunnerError::stopped(cause, &self.stop)),
            (made, _) => made,
        }
    }

    /// The environment of a container of its own: nothing of this machine, and the image's `PATH` unless one is set.
    fn container_environment(&self, current: &Current) -> BTreeMap<String, String> {
        let nothing = BTreeMap::new();
        let github = current.scope.contexts.get("github").and_then(Value::as_object).cloned();
        let base =
            env::Base { context: self.context, folders: &self.folders, map: &self.map, own: Some(&nothing) };
        let set = &current.scope.env;
        let mut env = env::environment(&base, set, &[], &github.unwrap_or_default(), &self.runner);
        if !set.contains_key("PATH") {
            env.remove("PATH");
        }
        env
    }
}
