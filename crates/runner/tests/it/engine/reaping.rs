//! A runner that is killed leaves containers; the next one removes them.

use super::{client, executor, image, world};
use crate::world::patience;
use shipway_runner::{Executor as _, JobIdentity, Wants, reap_orphans};
use shipway_workflow::document::ContainerSpec;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

async fn count(tracking: &str) -> usize {
    use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions};
    let client = client().negotiate_version().await.expect("an engine");
    let filters =
        || Some([("label".to_owned(), vec![format!("shipway.job={tracking}")])].into_iter().collect());
    let options = ListContainersOptions { all: true, filters: filters(), ..ListContainersOptions::default() };
    let containers = client.list_containers(Some(options)).await.expect("containers");
    let networks =
        client.list_networks(Some(ListNetworksOptions { filters: filters() })).await.expect("networks");
    containers.len() + networks.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn what_a_killed_runner_left_is_removed_by_its_record() {
    let world = world().await;
    let folder = world.dir.path();
    let job =
        JobIdentity { folder: "left-1".to_owned(), tracking: format!("shipway_left_{}", std::process::id()) };
    let spec = ContainerSpec { image: image::NAME.to_owned(), ..ContainerSpec::default() };
    let service = ContainerSpec {
        entrypoint: Some("/bin/sleep".to_owned()),
        command: Some("1000".to_owned()),
        ..spec.clone()
    };
    let wants =
        Wants { container: Some(spec), services: vec![("s".to_owned(), service)], ..Wants::default() };
    let (sender, mut receiver) = mpsc::channel(64);
    let drain = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    // An executor that is forgotten with its job open is all that a killed runner leaves behind: records and containers.
    let killed = executor(folder);
    let folders = killed.open(&job).await.expect("folders");
    killed.enter(&job, &folders, &wants, sender, &CancellationToken::new()).await.expect("containers");
    drop(killed);
    drain.await.expect("drained");
    assert_eq!(count(&job.tracking).await, 3);
    let records = folder.join("records");
    assert_eq!(reap_orphans(&records, &patience()).await.expect("reaped"), 1);
    assert_eq!(count(&job.tracking).await, 0);
    assert_eq!(reap_orphans(&records, &patience()).await.expect("nothing left"), 0);
}
