//! Removing everything of a job from an engine, by its labels.

use super::{
    engine::{Engine, failed, is_missing},
    label,
    reclaim::Left,
};
use crate::error::RunnerError;
use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions, RemoveContainerOptions};

/// How often it is tried again: a container that is being started appears late, and a network is only free when the
/// engine has let go of its last container.
const ROUNDS: usize = 3;

/// Removes the containers and networks with the label of this job. Nothing to remove is fine.
pub(super) async fn sweep(engine: &Engine, tracking: &str) -> Result<(), RunnerError> {
    let mut outcome = Ok(());
    for _ in 0..ROUNDS {
        outcome = round(engine, tracking).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

async fn round(engine: &Engine, tracking: &str) -> Result<(), RunnerError> {
    let filters = Some(label::filter(tracking).into_iter().collect());
    let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
    let found = engine.api.list_containers(Some(options)).await;
    for container in found.map_err(failed("cannot list the containers of the job"))? {
        let Some(id) = container.id else { continue };
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        match engine.api.remove_container(&id, Some(options)).await {
            Ok(()) => {}
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failed(&format!("cannot remove the container {id}"))(error)),
        }
    }
    let filters = Some(label::filter(tracking).into_iter().collect());
    let found = engine.api.list_networks(Some(ListNetworksOptions { filters })).await;
    for network in found.map_err(failed("cannot list the networks of the job"))? {
        let Some(id) = network.id else { continue };
        match engine.api.remove_network(&id).await {
            Ok(()) => {}
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failed(&format!("cannot remove the network {id}"))(error)),
        }
    }
    Ok(())
}

/// Removes what a job of a killed runner left in the engine at `address`, and takes the files of its containers for the runner, who
/// removes them.
pub(crate) async fn reap(address: &str, tracking: &str, left: Option<&Left>) -> Result<(), RunnerError> {
    let engine = Engine::connect(address).await.map_err(|why| {
        RunnerError::new(
            crate::ErrorKind::EngineMissing,
            format!("containers of a killed runner are left in the engine at {address}, which does not answer: {why}"),
        )
        .with_help("start it; what is left is removed then")
    })?;
    sweep(&engine, tracking).await?;
    if let Some(left) = left
        && let Err(error) = left.reclaim(&engine, tracking, &left.root).await
    {
        // Nobody waits for them; whoever removes the folder says that it cannot.
        tracing::warn!(%error, "the files that a killed runner left are not the runner's");
    }
    Ok(())
}
