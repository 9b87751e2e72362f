//! Rollouts in memory: commands in the simplest way that keeps the contract, and deployments.

use super::{NOW, State, samples};
use shipway_api::{
    DeployRequest, Deployed, ReleaseRef, Rollout, RolloutCommand, RolloutEvent, RolloutEventKind, RolloutId,
    RolloutPhase, StepState,
};
use shipway_server::backend::{Actor, BackendError, BackendErrorKind};

pub(super) fn find(rollouts: &mut [Rollout], id: RolloutId) -> Result<&mut Rollout, BackendError> {
    let found = rollouts.iter_mut().find(|rollout| rollout.summary.id == id);
    found.ok_or_else(|| BackendError::not_found("reading a rollout", format!("rollout {id}")))
}

pub(super) fn command(
    state: &mut State,
    id: RolloutId,
    command: RolloutCommand,
    step: Option<u32>,
    by: &Actor,
) -> Result<(), BackendError> {
    let rollout = find(&mut state.rollouts, id)?;
    if let Some(step) = step.filter(|step| *step != rollout.summary.steps_done + 1) {
        let why = format!("step {step} is not the current one");
        return Err(BackendError::conflict(format!("commanding rollout {id}"), why));
    }
    let offer = rollout.commands.iter().find(|offer| offer.command == command);
    if !offer.is_some_and(|offer| offer.possible) {
        let why =
            format!("{} is not possible while the rollout is {:?}", command.segment(), rollout.summary.phase);
        return Err(BackendError::conflict(format!("commanding rollout {id}"), why));
    }
    let (phase, share, kind) = match command {
        RolloutCommand::Pause => (RolloutPhase::Paused, rollout.summary.share, RolloutEventKind::Command),
        RolloutCommand::Resume | RolloutCommand::Retry => {
            (RolloutPhase::Progressing, rollout.summary.share, RolloutEventKind::Command)
        }
        RolloutCommand::Promote => {
            rollout.summary.steps_done += 1;
            (RolloutPhase::Progressing, (rollout.summary.share * 2).min(10_000), RolloutEventKind::Step)
        }
        RolloutCommand::PromoteFull => (RolloutPhase::Promoted, 10_000, RolloutEventKind::Promoted),
        RolloutCommand::Abort | RolloutCommand::Undo => {
            (RolloutPhase::RolledBack, 0, RolloutEventKind::RolledBack)
        }
    };
    for step in &mut rollout.steps {
        step.state = match (step.state, phase) {
            (StepState::Current, RolloutPhase::RolledBack) => StepState::Failed,
            (StepState::Ahead, RolloutPhase::RolledBack) => StepState::Skipped,
            (StepState::Current | StepState::Ahead, RolloutPhase::Promoted) => StepState::Done,
            (state, _) => state,
        };
    }
    rollout.summary.phase = phase;
    rollout.summary.share = share;
    rollout.split.canary = share;
    rollout.split.wanted = share;
    rollout.summary.needs_you = phase == RolloutPhase::Paused;
    rollout.summary.finished_at = phase.is_over().then_some(NOW);
    rollout.summary.headline = format!("{} was asked for by {by}.", command.segment());
    rollout.waiting.clear();
    rollout.commands = samples::offers(&rollout.summary);
    let seq = rollout.events.iter().map(|event| event.seq).max().unwrap_or(0) + 1;
    let text = format!("Asked to {}.", command.segment());
    rollout
        .events
        .insert(0, RolloutEvent { seq, at: NOW, kind, text, details: Vec::new(), by: Some(by.to_string()) });
    Ok(())
}

pub(super) fn deploy(
    state: &mut State,
    request: DeployRequest,
    key: Option<String>,
) -> Result<Deployed, BackendError> {
    let context = format!("deploying {}", request.service);
    if let Some((earlier, answer)) = key.as_ref().and_then(|key| state.keys.get(key)) {
        if *earlier != request {
            return Err(BackendError { context, kind: BackendErrorKind::KeyReused });
        }
        return Ok(Deployed { repeated: true, ..answer.clone() });
    }
    if !request.spec.contains("kind: Service") {
        let finding = format!("{}:1:1: error[SW0301]: the document has no Service", request.spec_name);
        return Err(BackendError { context, kind: BackendErrorKind::Document(vec![finding]) });
    }
    let version = request.version.clone().unwrap_or_else(|| "next".to_owned());
    let rollout = samples::fresh_rollout(state.rollouts.len() as i64 + 1, &request.service, &version);
    let release: ReleaseRef = rollout.summary.release.clone();
    let id = rollout.summary.id;
    state.rollouts.insert(0, rollout);
    let deployed = Deployed {
        rollout: id,
        service: request.service.clone(),
        release,
        path: format!("/rollouts/{id}"),
        repeated: false,
    };
    if let Some(key) = key {
        state.keys.insert(key, (request, deployed.clone()));
    }
    Ok(deployed)
}
