//! Docker actions: an image that is pulled or built, and a container of it that is the step.

use super::input_env;
use crate::{
    env,
    error::{ErrorKind, RunnerError},
    job::Job,
    listen::Hearing,
    opening::hear,
    place::{ImageSource, OwnContainer},
    script::expression,
    shell::words,
    steps::{Came, Current, What},
    stop::Cause,
};
use shipway_workflow::{
    action::Docker,
    expr::{Object, Value},
};
use std::{collections::BTreeMap, path::Path};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many chunks of news may wait to be read.
const CHUNKS: usize = 32;

impl Job<'_> {
    /// Runs an action with `using: docker`, whose files are in `dir` on this machine.
    pub(super) async fn run_docker(
        &mut self,
        uses: &str,
        docker: &Docker,
        inputs: &Object,
        dir: &Path,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        if docker.pre_entrypoint.is_some() || docker.post_entrypoint.is_some() {
            let message = format!("{uses} is a Docker action with pre-entrypoint or post-entrypoint");
            return Err(RunnerError::new(
                ErrorKind::ActionUnsupported,
                format!("{message}, which is not supported yet"),
            )
            .with_help("use a version of the action without them"));
        }
        let mut current = current.clone();
        // As on GitHub the inputs are seen by args and env of the action, and by nothing else of the job.
        current.scope.contexts.insert("inputs", Value::from(inputs.clone()));
        let mut args = Vec::new();
        for template in &docker.args {
            let value = template.eval_string(&current.scope).map_err(|found| expression(&found))?;
            args.push(value.to_string());
        }
        // What the step sets wins over what the action sets.
        for (name, value) in docker.env.eval(&current.scope).map_err(|found| expression(&found))? {
            current.scope.env.entry(name).or_insert_with(|| value.to_string());
        }
        let text = |name: &str| inputs.get(name).map(|value| value.to_text().to_string());
        let entrypoint = docker.entrypoint.as_ref().map(|entrypoint| entrypoint.value.clone());
        if docker.args.is_empty() {
            args = words(&text("args").unwrap_or_default());
        }
        let image = ImageSource::of_action(&docker.image.value, dir, &self.folders.temp)?;
        let entrypoint = entrypoint.or_else(|| text("entrypoint")).filter(|text| !text.is_empty());
        self.run_image(&image, entrypoint, args, input_env(inputs), &current).await
    }

    /// Runs a step with `uses: docker://image`; its inputs `entrypoint` and `args` stand for those of the image.
    pub(super) async fn run_image_step(
        &mut self,
        image: &str,
        given: &BTreeMap<String, String>,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let inputs: Object = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let text = |name: &str| {
            inputs.get(name).map(|value| value.to_text().to_string()).filter(|text| !text.is_empty())
        };
        let image = ImageSource::Named { image: image.to_owned(), credentials: None };
        let args = words(&text("args").unwrap_or_default());
        self.run_image(&image, text("entrypoint"), args, input_env(&inputs), current).await
    }

    async fn run_image(
        &mut self,
        image: &ImageSource,
        entrypoint: Option<String>,
        args: Vec<String>,
        inputs: BTreeMap<String, String>,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let image = self.prepare_image(image, current).await?;
        let mut env = self.container_environment(current);
        env.extend(inputs);
        env.extend(self.services_inside(Some(current.index)).await.actions);
        let container = OwnContainer {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            image,
            entrypoint,
            args,
            env,
        };
        Ok(self.run_what(What::Container(&container), current, Hearing::Step).await?.0)
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
            (Err(_), Some(cause)) => Err(RunnerError::new(ErrorKind::TimedOut, cause.words())),
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
