//! The watched repository: which branch or tag has a new commit, and which schedule is due.

use super::{
    asked::Forgetting,
    pushes::{self, Refs},
    runs::{Runs, schedule::Schedules},
    world::World,
};
use shipway_store::StoreError;
use std::{sync::Arc, time::Duration};

/// A name of no commit, for refs that are new.
const NOTHING: &str = "0000000000000000000000000000000000000000";

/// Remembers what is there at the very first start, before anybody is told that commits are watched: what comes after that
/// word is new. When it cannot be done now the watch does it.
pub(crate) async fn begin(world: &World, runs: &Runs, run_existing: bool) {
    if let Err(error) = seen(world, runs, run_existing).await {
        world.trouble("watching the repository", error);
    }
}

/// Looks at the repository every `interval` until the process stops.
///
/// What was seen is stored after the runs of a change were made, and runs are made at most once for a change, so a
/// crash between the two loses no commit and runs none twice.
pub(crate) async fn watch(world: Arc<World>, runs: Arc<Runs>, interval: Duration, run_existing: bool) {
    while let Err(error) = finish(&runs).await {
        world.trouble("finishing a push", error);
        if pause(&world, Duration::from_secs(1)).await {
            return;
        }
    }
    let mut seen = loop {
        match seen(&world, &runs, run_existing).await {
            Ok(seen) => break seen,
            Err(error) => world.trouble("watching the repository", error),
        }
        if pause(&world, Duration::from_secs(1)).await {
            return;
        }
    };
    let mut schedules: Option<Schedules> = None;
    let mut keys = Forgetting::default();
    loop {
        let mut moved = false;
        match look(&world, &runs, &mut seen, &mut moved).await {
            Ok(()) => world.well("watching the repository"),
            Err(error) => world.trouble("watching the repository", error),
        }
        match on_time(&world, &runs, &mut schedules, &seen, moved).await {
            Ok(()) => {
                world.well("running schedules");
                match keys.look(&world).await {
                    Ok(()) => world.well("forgetting old keys"),
                    Err(error) => world.trouble("forgetting old keys", error),
                }
            }
            Err(error) => world.trouble("running schedules", error),
        }
        if pause(&world, interval).await {
            return;
        }
    }
}

/// Finishes a push that was told before the process ended.
async fn finish(runs: &Arc<Runs>) -> Result<(), WatchError> {
    let _turn = runs.pushes().lock().await;
    Ok(runs.finish_push().await?)
}

/// What can go wrong while watching.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Git(#[from] crate::git::GitError),
    #[error(transparent)]
    Run(#[from] super::runs::RunError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The refs as they were last seen; at the very first start those that are there now, so that old commits are not run,
/// unless that is wanted.
async fn seen(world: &World, runs: &Runs, run_existing: bool) -> Result<Refs, WatchError> {
    if let Some(seen) = pushes::seen(&world.store).await? {
        return Ok(seen);
    }
    let refs = if run_existing { Refs::new() } else { runs.git().refs().await? };
    pushes::put_seen(&world.store, &refs, &[]).await?;
    Ok(refs)
}

/// Makes the runs of what schedules name; what was handled is read from the store the first time.
async fn on_time(
    world: &World,
    runs: &Arc<Runs>,
    schedules: &mut Option<Schedules>,
    refs: &Refs,
    moved: bool,
) -> Result<(), WatchError> {
    let schedules = match schedules {
        Some(schedules) => schedules,
        None => schedules.insert(Schedules::load(world).await?),
    };
    Ok(schedules.look(world, runs, refs, moved).await?)
}

/// Makes the runs of branches and tags that moved, but for those that a forge told of before; says whether one did. One whose runs cannot be
/// made holds up no other, and is looked at again.
async fn look(
    world: &World,
    runs: &Arc<Runs>,
    seen: &mut Refs,
    has_moved: &mut bool,
) -> Result<(), WatchError> {
    let refs = runs.git().refs().await?;
    if refs == *seen {
        return Ok(());
    }
    runs.moved();
    let _turn = runs.pushes().lock().await;
    runs.finish_push().await?;
    let told = pushes::told(&world.store).await?;
    // As if they had moved one after the other, so that commits which several bring are new in one alone.
    let mut known = seen.clone();
    let (mut handled, mut failed) = (refs.clone(), None);
    for (name, sha) in &refs {
        let before = seen.get(name);
        let from = before.map_or(NOTHING, String::as_str);
        if from != sha
            && !told.has(name, sha)
            && let Err(error) = runs.push(name, (from, sha), &known).await
        {
            match before {
                Some(before) => handled.insert(name.clone(), before.clone()),
                None => handled.remove(name),
            };
            failed.get_or_insert(error);
            continue;
        }
        known.insert(name.clone(), sha.clone());
    }
    runs.came_and_went(seen, &handled).await?;
    let moved: Vec<&str> = seen.keys().chain(handled.keys()).map(String::as_str).collect();
    let moved: Vec<&str> = moved.into_iter().filter(|name| seen.get(*name) != handled.get(*name)).collect();
    if !moved.is_empty() {
        pushes::put_seen(&world.store, &handled, &moved).await?;
        *has_moved = true;
    }
    *seen = handled;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Waits; true when the process is to stop.
async fn pause(world: &World, time: Duration) -> bool {
    tokio::select! {
        () = world.stopping.cancelled() => true,
        () = tokio::time::sleep(time) => false,
    }
}
