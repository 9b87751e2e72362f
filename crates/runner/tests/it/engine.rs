//! Jobs in containers, on a real engine. `cargo xtask test` starts one and tells its address in `SHIPWAY_TEST_ENGINE`;
//! without it these tests are ignored, which is how they are counted as skipped.

mod actions;
mod ends;
mod files;
mod hooks;
mod image;
mod images;
mod jobs;
mod nodes;
mod owners;
mod reaping;
mod services;
mod shells;
mod stopping;
mod terminal;

use crate::world::{World, patience};
use bollard::Docker;
use shipway_runner::{DockerExecutor, EngineSettings, HostExecutor, Platform};
use std::{path::Path, sync::Arc};

/// The address of the engine.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever starts the engine tells its address through the environment"
)]
pub(crate) fn address() -> String {
    std::env::var("SHIPWAY_TEST_ENGINE").expect("SHIPWAY_TEST_ENGINE: the address of a container engine")
}

/// The engine as a client sees it.
pub(crate) fn client() -> Docker {
    Docker::connect_with_unix(&address(), 120, bollard::API_DEFAULT_VERSION).expect("the engine")
}

/// An executor with the engine.
pub(crate) fn executor(folder: &Path) -> DockerExecutor {
    let settings = EngineSettings { docker_host: Some(address()), ..EngineSettings::default() };
    executor_with(folder, settings)
}

/// An executor that looks for an engine as these settings say.
pub(crate) fn executor_with(folder: &Path, settings: EngineSettings) -> DockerExecutor {
    let host = HostExecutor::new(&folder.join("work"), &folder.join("records"), patience());
    DockerExecutor::new(host.expect("an executor"), settings, patience())
}

/// A world whose jobs with the label `box` run in a small container.
pub(crate) async fn world() -> World {
    image::ensure(&client().negotiate_version().await.expect("an engine")).await;
    let mut world = World::new();
    world.executor = Arc::new(executor(world.dir.path()));
    Arc::make_mut(&mut world.context.platforms)
        .insert("box".to_owned(), Platform::Image(image::NAME.to_owned()));
    world
}

/// A workflow with one job in the small container; its steps are indented by six.
pub(crate) fn boxed(steps: &str) -> String {
    format!("on: push\njobs:\n  job:\n    runs-on: box\n    steps:\n{steps}")
}
