//! Containers that are steps of their own: Docker actions.

use super::{
    draft::Draft,
    engine::{Engine, failed, is_missing, words},
    inside::end_container,
    label,
    place::Place,
    prepare::files_folder,
    proxies,
    started::{container_error, inspect},
};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Chunk, Ending, Patience},
    host::StepFiles,
    place::{OwnContainer, PathMap},
    process::TRACKING_ENV,
    proxy,
};
use bollard::{
    container::LogOutput,
    errors::Error,
    query_parameters::{AttachContainerOptions, CreateContainerOptions, RemoveContainerOptions},
};
use futures_util::{Stream, StreamExt as _};
use std::{
    path::{Path, PathBuf},
    pin::pin,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn event(container: &OwnContainer) -> PathBuf {
    container.folders.workflow.join("event.json")
}

/// Runs a container to its end and removes it.
pub(super) async fn run(
    place: &Place,
    container: &OwnContainer,
    files: &StepFiles,
    patience: &Patience,
    output: mpsc::Sender<Chunk>,
    stop: &CancellationToken,
) -> Result<Ending, RunnerError> {
    let image = &container.image;
    let options = CreateContainerOptions::default();
    let network = place.network().await?;
    let body = draft(place, container, files).finish(Some(&network.name));
    let made = place.engine.api.create_container(Some(options), body).await;
    let made = made.map_err(failed(&format!("cannot make a container from {image}")))?;
    let ending = run_made(place, &made.id, image, patience, output, stop).await;
    let options = RemoveContainerOptions { v: true, force: true, link: false };
    match place.engine.api.remove_container(&made.id, Some(options)).await {
        Ok(()) => {}
        Err(error) if is_missing(&error) => {}
        // It carries the label of the job and is removed with the rest of it.
        Err(error) => {
            tracing::warn!(error = words(&error), "the container of an action cannot be removed yet")
        }
    }
    ending
}

fn draft(place: &Place, container: &OwnContainer, files: &StepFiles) -> Draft {
    let there = container.paths();
    let mut draft = Draft { labels: label::labels(&place.tracking), ..Draft::default() };
    draft.body.image = Some(container.image.clone());
    draft.body.working_dir = Some("/github/workspace".to_owned());
    draft.body.entrypoint = container.entrypoint.clone().map(|entrypoint| vec![entrypoint]);
    if !container.args.is_empty() {
        draft.body.cmd = Some(container.args.clone());
    }
    draft.body.attach_stdout = Some(true);
    draft.body.attach_stderr = Some(true);
    for (name, value) in &container.env {
        draft.env.insert(name.clone(), translated(&place.paths, &there, value));
    }
    draft.env.extend(files.env().map(|(name, path)| (name.to_owned(), there.inside_text(&path))));
    // As on GitHub, also where the step sets another one.
    draft.env.insert("HOME".to_owned(), there.inside_text(&container.folders.home));
    draft.env.insert(TRACKING_ENV.to_owned(), place.tracking.clone());
    draft.env.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
    draft.env.entry("CI".to_owned()).or_insert_with(|| "true".to_owned());
    proxies::add(&place.engine.proxies, &mut draft);
    proxy::go_past(&mut draft.env);
    let folders = &container.folders;
    for folder in [&folders.temp, &folders.home, &folders.workspace, &files_folder(folders)] {
        draft.mount(folder, &there.inside(folder), false);
    }
    let event = event(container);
    if event.is_file() {
        draft.mount(&event, &there.inside(&event), false);
    }
    draft
}

/// A value that is a path of the job becomes the same place in the action's container.
fn translated(job: &PathMap, there: &PathMap, value: &str) -> String {
    if !value.starts_with('/') {
        return value.to_owned();
    }
    match job.outside(Path::new(value)) {
        Some(outside) if there.inside(&outside) != outside => there.inside_text(&outside),
        Some(_) | None => value.to_owned(),
    }
}

async fn run_made(
    place: &Place,
    id: &str,
    image: &str,
    patience: &Patience,
    output: mpsc::Sender<Chunk>,
    stop: &CancellationToken,
) -> Result<Ending, RunnerError> {
    let Place { engine, .. } = place;
    let options = AttachContainerOptions {
        stream: true,
        // Docker listens before it answers, and what is printed before it looks into the log would come twice.
        logs: engine.podman,
        stdout: true,
        stderr: true,
        ..AttachContainerOptions::default()
    };
    // Before it starts, so that nothing it prints is lost.
    let attached = engine.api.attach_container(id, Some(options)).await;
    let attached = attached.map_err(failed("cannot listen to a container"))?;
    engine.api.start_container(id, None).await.map_err(|error| {
        let message = format!("cannot start a container from {image}: {}", words(&error));
        RunnerError::new(ErrorKind::Container, message)
            .with_source(error)
            .with_help("check entrypoint, and that the file it names is executable and in the image")
    })?;
    let stopped = {
        let mut pump = pin!(pump(attached.output, output));
        tokio::select! {
            biased;
            read = &mut pump => {
                read?;
                false
            }
            () = stop.cancelled() => {
                let (_read, ()) = tokio::join!(pump, end_container(engine, id, patience));
                true
            }
        }
    };
    drop(attached.input);
    if stopped { Ok(Ending::Stopped) } else { exit_of(engine, id).await }
}

async fn pump(
    mut stream: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    output: mpsc::Sender<Chunk>,
) -> Result<(), RunnerError> {
    while let Some(chunk) = stream.next().await {
        match chunk {
            // Nobody listens any more: go on, so that the container does not block.
            Ok(chunk) => drop(output.send(chunk.into_bytes().to_vec()).await),
            Err(error) => {
                return Err(container_error(format!("the output of a container is lost: {}", words(&error))));
            }
        }
    }
    Ok(())
}

/// The exit code of a container whose output has ended.
pub(super) async fn exit_of(engine: &Engine, id: &str) -> Result<Ending, RunnerError> {
    let mut ended =
        Box::pin(engine.api.wait_container(id, None::<bollard::query_parameters::WaitContainerOptions>));
    // An exit code that is not 0 comes as an error of the client; what the engine knows is asked below.
    let _ended = ended.next().await;
    let seen = inspect(engine, id).await?;
    let state = seen.state.unwrap_or_default();
    if state.running == Some(true) {
        return Err(container_error("a container closed its output and does not end"));
    }
    if state.oom_killed == Some(true) {
        return Err(container_error("a container ran out of memory and was killed"));
    }
    Ok(Ending::Exited(i32::try_from(state.exit_code.unwrap_or_default()).unwrap_or(-1)))
}
