//! Waiting until the services of a job are healthy.

use super::{
    check::{Check, Verdict},
    engine::Engine,
    started::{Started, inspect, last_lines, running, say},
};
use crate::{
    error::{ErrorKind, Part, RunnerError},
    executor::Chunk,
};
use bollard::models::{ContainerInspectResponse, Health, HealthStatusEnum};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

/// How often the engine is asked. Health checks themselves have intervals of seconds.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is said that something is still waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines of its log that are shown when a service fails.
const LINES: usize = 20;

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It is ready: healthy, or without a health check.
    Ready,
    /// Its check has not passed yet.
    Waiting,
    /// Its check failed as often as it may. What it printed last.
    Unhealthy(String),
    /// It has a check and has ended, with this exit code.
    Ended(i64),
}

/// Waits for all services. As on GitHub one without a health check is ready at once.
pub(super) async fn wait(
    engine: &Engine,
    services: &[Started],
    output: &mpsc::Sender<Chunk>,
    stop: &CancellationToken,
) -> Result<(), RunnerError> {
    if services.is_empty() {
        return Ok(());
    }
    say(output, "##[group]Wait for the services").await;
    let (mut failure, began) = (None, Instant::now());
    for service in services {
        match wait_for(engine, service, output, stop).await {
            Ok(()) => {}
            Err(error) if stop.is_cancelled() => {
                failure = Some(error);
                break;
            }
            // All are looked at, as on GitHub; the first is the reason.
            Err(error) if failure.is_none() => failure = Some(error),
            Err(error) => say(output, &format!("##[error]{error}")).await,
        }
    }
    let took = began.elapsed().as_millis();
    say(output, &format!("waited {took} ms")).await;
    say(output, "##[endgroup]").await;
    failure.map_or(Ok(()), Err)
}

async fn wait_for(
    engine: &Engine,
    service: &Started,
    output: &mpsc::Sender<Chunk>,
    stop: &CancellationToken,
) -> Result<(), RunnerError> {
    let name = name(service);
    let mut next_word = Instant::now() + PATIENCE;
    let mut own: Option<Check> = None;
    loop {
        let seen = inspect(engine, &service.id).await?;
        let mut stands = standing(&seen);
        if engine.podman && stands == Standing::Waiting {
            let config = seen.config.as_ref().and_then(|config| config.healthcheck.as_ref());
            if own.is_none() {
                own = config.and_then(|config| Check::of(config, Instant::now()));
            }
            if let Some(own) = &mut own {
                stands = match own.look(engine, &service.id).await {
                    Verdict::Healthy => Standing::Ready,
                    Verdict::Open => Standing::Waiting,
                    Verdict::Unhealthy(said) => Standing::Unhealthy(said),
                };
            }
        }
        let (why, check) = match stands {
            Standing::Ready => {
                match running(&seen) {
                    Ok(()) => say(output, &format!("{name} is ready")).await,
                    Err(code) => told_of_end(engine, service, code, output).await,
                }
                return Ok(());
            }
            Standing::Waiting => {
                if Instant::now() >= next_word {
                    say(output, &format!("{name} is not healthy yet")).await;
                    next_word += PATIENCE;
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => continue,
                    () = stop.cancelled() => {
                        let message = format!("the job was stopped while it waited for the service {name:?}");
                        return Err(RunnerError::new(ErrorKind::Unhealthy, message).about(&service.part));
                    }
                }
            }
            Standing::Unhealthy(check) => ("its health check fails".to_owned(), check),
            Standing::Ended(code) => (format!("it has ended with exit code {code}"), String::new()),
        };
        service.told.store(true, Ordering::Relaxed);
        let mut lines = last_lines(engine, &service.id, LINES).await;
        say(output, &format!("the last lines of the service {name}:")).await;
        for line in &lines {
            say(output, &format!("  {line}")).await;
        }
        let mut message = format!("the service {name:?} ({}) is not healthy: {why}", service.image);
        if !check.trim().is_empty() {
            message += &format!("; the check says: {}", check.trim());
        }
        if let Some(last) = lines.pop() {
            message += &format!("; its last line was: {last}");
        }
        return Err(RunnerError::new(ErrorKind::Unhealthy, message)
            .about(&service.part)
            .with_help("look at its lines above, and at --health-cmd and --health-retries in options"));
    }
}

/// A service without a health check that has ended: GitHub goes on, and so do we, but not without a word.
async fn told_of_end(engine: &Engine, service: &Started, code: i64, output: &mpsc::Sender<Chunk>) {
    let name = name(service);
    say(output, &format!("##[warning]the service {name:?} has ended already, with exit code {code}")).await;
    for line in last_lines(engine, &service.id, LINES).await {
        say(output, &format!("  {line}")).await;
    }
}

fn standing(seen: &ContainerInspectResponse) -> Standing {
    let health = seen.state.as_ref().and_then(|state| state.health.as_ref());
    let status = health.and_then(|health| health.status);
    match (status, running(seen)) {
        (None | Some(HealthStatusEnum::EMPTY | HealthStatusEnum::NONE), _) => Standing::Ready,
        (Some(_), Err(code)) => Standing::Ended(code),
        (Some(HealthStatusEnum::HEALTHY), Ok(())) => Standing::Ready,
        (Some(HealthStatusEnum::STARTING), Ok(())) => Standing::Waiting,
        (Some(HealthStatusEnum::UNHEALTHY), Ok(())) => Standing::Unhealthy(last_check(health)),
    }
}

fn last_check(health: Option<&Health>) -> String {
    let last = health.and_then(|health| health.log.as_ref()?.last()?.output.clone());
    last.unwrap_or_default().chars().take(500).collect()
}

fn name(service: &Started) -> &str {
    match &service.part {
        Part::Service(name) => name,
        Part::Container => "the container of the job",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{ContainerState, HealthcheckResult};

    fn seen(status: Option<HealthStatusEnum>, running: bool) -> ContainerInspectResponse {
        let log = vec![HealthcheckResult { output: Some("no\n".to_owned()), ..HealthcheckResult::default() }];
        let health =
            status.map(|status| Health { status: Some(status), log: Some(log), ..Health::default() });
        let state = ContainerState {
            running: Some(running),
            exit_code: Some(7),
            health,
            ..ContainerState::default()
        };
        ContainerInspectResponse { state: Some(state), ..ContainerInspectResponse::default() }
    }

    #[test]
    fn a_service_is_judged_by_its_check_and_by_whether_it_runs() {
        let check = |status, running, expect| assert_eq!(standing(&seen(status, running)), expect);
        check(None, true, Standing::Ready);
        check(None, false, Standing::Ready);
        check(Some(HealthStatusEnum::STARTING), true, Standing::Waiting);
        check(Some(HealthStatusEnum::STARTING), false, Standing::Ended(7));
        check(Some(HealthStatusEnum::HEALTHY), true, Standing::Ready);
        check(Some(HealthStatusEnum::HEALTHY), false, Standing::Ended(7));
        check(Some(HealthStatusEnum::UNHEALTHY), true, Standing::Unhealthy("no\n".to_owned()));
    }
}
