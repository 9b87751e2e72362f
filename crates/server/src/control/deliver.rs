//! One loop for each service: observe, judge, plan, commit, act.
//!
//! The loop makes no decision of its own. What is decided comes from `rollout::plan` and `rollout::decide`; here it
//! is committed before anything is done about it, and done again after a crash, because the next plan of the same
//! state asks for the same actions.

use super::{
    judged::History,
    present, unpack,
    world::{World, lock, unavailable},
};
use crate::backend::{BackendError, BackendErrorKind, Change};
use shipway_analysis::{Evidence, Verdict};
use shipway_api as api;
use shipway_base::{Id, Timestamp};
use shipway_rollout::delivery::{
    self, Action, Command, Decided, Delivery, Event, InstancePhase, Judged, Looks, Observed, Plan, Reason,
    Rollout,
};
use shipway_router::{Dropped, RouterError};
use shipway_store::{
    Append, Expected, Statement, StoreError,
    models::{
        self,
        deliveries::{DeliveryRow, SavedEvidence},
    },
    rows::{self, Specs},
};
use shipway_target::{InstanceSpec, InstanceStatus, TargetError};
use shipway_traffic::InstanceState;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// The least time between two turns: evidence may change with every request, and a plan costs CPU.
const BREATH: Duration = Duration::from_millis(20);

/// How long a failed commit or action waits before the next turn.
const RETRY: Duration = Duration::from_secs(1);

/// How often evidence is saved while nothing else is committed.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// The most turns in a row that commit something; more would mean a plan that never settles.
const SETTLE: usize = 64;

/// A handle on one service's loop.
#[derive(Clone)]
pub(crate) struct Service {
    name: String,
    /// Whether it had a live version when it was loaded.
    was_live: bool,
    mailbox: mpsc::Sender<Message>,
    view: Arc<Mutex<Option<api::Rollout>>>,
}

/// What is asked of a loop.
struct Message {
    command: Command,
    models: Vec<Statement>,
    once: Option<String>,
    answer: oneshot::Sender<Result<Answered, BackendError>>,
}

/// What a command led to.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// The rollout that the service's delivery is at now.
    pub(crate) rollout: Option<Id<Rollout>>,
    /// What happens now, or why nothing does.
    pub(crate) words: String,
    /// Whether the same request was committed before.
    pub(crate) repeated: bool,
}

impl Service {
    /// Loads a service's delivery from the log and starts its loop.
    pub(crate) async fn start(world: Arc<World>, name: &str) -> Result<Service, StoreError> {
        let (mailbox, messages) = mpsc::channel(64);
        let view = Arc::new(Mutex::new(None));
        let mut service = Loop {
            stream: rows::delivery::stream(name),
            delivery: Delivery { service: name.to_owned(), ..Delivery::default() },
            looks: Looks::default(),
            verdicts: Vec::new(),
            kept: BTreeMap::new(),
            history: History::default(),
            reasons: Vec::new(),
            first_version: 0,
            saved: None,
            saved_at: Timestamp::EPOCH,
            drops: Drops::default(),
            view: view.clone(),
            world: world.clone(),
        };
        service.load().await?;
        let was_live = service.delivery.stable.is_some();
        world.tasks.spawn(service.run(messages));
        Ok(Service { name: name.to_owned(), was_live, mailbox, view })
    }

    /// Asks for something; answers once it is committed, or refused.
    pub(crate) async fn command(
        &self,
        command: Command,
        models: Vec<Statement>,
        once: Option<String>,
    ) -> Result<Answered, BackendError> {
        let gone = || BackendError {
            context: "commanding a delivery".to_owned(),
            kind: BackendErrorKind::Unavailable(
                "the server is stopping; ask again when it is back".to_owned(),
            ),
        };
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(Message { command, models, once, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Whether the router serves it with what the last process left of it.
    pub(crate) fn is_back(&self, world: &World) -> bool {
        let statuses = world.target.observe();
        let mut phases = statuses.iter().filter(|status| status.service == self.name);
        let unsure = |status: &InstanceStatus| status.adopted && status.phase == InstancePhase::Starting;
        if phases.clone().any(unsure) {
            return false;
        }
        let ready = phases.any(|status| status.phase == InstancePhase::Ready);
        let table = world.router.table();
        let served = table.routes.get(&self.name).map(|route| {
            let instances = route.split.arms().into_iter().flat_map(|(_, arm)| &arm.instances);
            instances.into_iter().any(|instance| instance.state == InstanceState::Ready)
        });
        !self.was_live || served.is_some_and(|served| served || !ready)
    }

    /// The rollout under way or the last one, as it stands.
    pub(crate) fn view(&self) -> Option<api::Rollout> {
        lock(&self.view).clone()
    }
}

struct Loop {
    world: Arc<World>,
    stream: String,
    delivery: Delivery,
    looks: Looks,
    verdicts: Vec<Verdict>,
    /// How the instances of the version on trial were last seen, for its page after they are gone.
    kept: BTreeMap<String, api::InstanceReport>,
    history: History,
    reasons: Vec<Reason>,
    /// The version of the present rollout's first event in the stream.
    first_version: u64,
    saved: Option<Evidence>,
    saved_at: Timestamp,
    /// Requests failed by the shifting of the present rollout.
    drops: Drops,
    view: Arc<Mutex<Option<api::Rollout>>>,
}

impl Loop {
    /// Builds the state from the log.
    async fn load(&mut self) -> Result<(), StoreError> {
        let mut specs = Specs::new();
        for event in self.world.store.read(&self.stream, 1).await? {
            let decoded = rows::delivery::decode(&event.kind, &event.data, &mut specs)?;
            if matches!(decoded, Event::RolloutStarted { .. }) {
                self.first_version = event.version;
            }
            self.delivery.evolve(&decoded, event.at);
        }
        if let Some(rollout) = &self.delivery.rollout {
            self.saved = self.world.store.saved_evidence(rollout.id).await?.map(|saved| saved.evidence);
            let row = self.world.store.rollout(rollout.id).await?;
            let page = row.and_then(|row| serde_json::from_str::<api::Rollout>(row.report.as_deref()?).ok());
            self.drops = Drops {
                before: page.as_ref().map_or(0, |page| page.split.dropped),
                since: self.dropped(),
                over: self.delivery.active().is_none(),
            };
            let seen = page.into_iter().flat_map(|page| page.instances).filter(|instance| instance.canary);
            self.kept = seen.map(|instance| (instance.id.clone(), instance)).collect();
        }
        Ok(())
    }

    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut instances = self.world.target.watch();
        let mut traffic = self.world.router.watch();
        let stopping = self.world.stopping.clone();
        loop {
            let wake = self.turns().await;
            let sleep = wake.map_or(Duration::from_secs(3_600), |at| at.since(self.world.clock.now()));
            tokio::select! {
                () = stopping.cancelled() => break,
                message = messages.recv() => match message {
                    Some(message) => self.obey(message).await,
                    None => break,
                },
                _ = instances.changed() => {}
                _ = traffic.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    /// Takes turns until there is nothing more to commit now, and says when to look again.
    async fn turns(&mut self) -> Option<Timestamp> {
        for _ in 0..SETTLE {
            match self.turn().await {
                Ok(Turn::Again) => {}
                Ok(Turn::Wait(wake)) => {
                    self.world.well(&self.stream);
                    return wake;
                }
                Err(error) => {
                    self.world.trouble(&self.stream, &error);
                    return Some(self.world.clock.now() + RETRY);
                }
            }
        }
        self.world.trouble(&self.stream, "the plan does not settle; it is made again in a second");
        Some(self.world.clock.now() + RETRY)
    }

    async fn turn(&mut self) -> Result<Turn, TurnError> {
        let now = self.world.clock.now();
        let (observed, statuses) = self.observe(now);
        let plan = delivery::plan(&self.delivery, &observed, now);
        let Plan { events, actions, reasons, wake, .. } = plan;
        self.reasons = reasons;
        let settled = events.is_empty();
        if !settled {
            let evidence = observed.evidence.clone();
            self.commit(events, Vec::new(), None, evidence, &statuses, now).await?;
        }
        // Each is carried out whatever becomes of the others: that there is no room to unpack a canary must not keep
        // anyone from being led away from it.
        let mut failed = None;
        for action in actions {
            if let Err(error) = self.act(action).await {
                failed.get_or_insert(error);
            }
        }
        self.show(&observed, &statuses, now);
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(evidence) =
            observed.evidence.as_ref().filter(|_| settled && now.since(self.saved_at) >= SAVE_EVERY)
        {
            self.save(evidence.clone(), now).await?;
        }
        if settled {
            self.save_late_drops(&observed, &statuses, now).await?;
        }
        Ok(if settled { Turn::Wait(wake.map(|wake| wake.at)) } else { Turn::Again })
    }

    /// Reads the world. The route is read before the requests in flight, as `Observed` asks for.
    fn observe(&mut self, now: Timestamp) -> (Observed, Vec<InstanceStatus>) {
        let service = &self.delivery.service;
        let routed = self.world.router.table().routes.get(service).cloned();
        let statuses: Vec<InstanceStatus> =
            self.world.target.observe().into_iter().filter(|status| status.service == *service).collect();
        let in_flight = statuses
            .iter()
            .map(|status| (status.id.clone(), self.world.router.in_flight(&status.id)))
            .filter(|(_, requests)| *requests > 0)
            .collect();
        present::keep(&self.delivery, &statuses, &mut self.kept);
        let evidence =
            self.world.router.evidence(service).filter(|evidence| evidence.epoch == self.delivery.epoch);
        let judged = self.judge(evidence.as_ref(), now);
        let instances = statuses.iter().map(InstanceStatus::observed).collect();
        let saved = self.saved.clone();
        (Observed { instances, routed, in_flight, judged, evidence, saved }, statuses)
    }

    /// Asks the analyses that have a say now, and keeps what they said for the page.
    fn judge(&mut self, evidence: Option<&Evidence>, now: Timestamp) -> Vec<Judged> {
        let judged = self.looks.look(&self.delivery, evidence, now);
        if !judged.is_empty() {
            self.verdicts = judged.iter().map(|look| look.verdict.clone()).collect();
            self.history.record(&self.verdicts, now);
        }
        judged
    }

    /// Commits events with the read models that follow from them, and takes them over.
    async fn commit(
        &mut self,
        events: Vec<Event>,
        models: Vec<Statement>,
        once: Option<String>,
        evidence: Option<Evidence>,
        statuses: &[InstanceStatus],
        now: Timestamp,
    ) -> Result<bool, TurnError> {
        let before = self.delivery.version;
        let mut statements = models;
        let mut records = Vec::new();
        let mut next = self.delivery.clone();
        let (mut first_version, mut drops) = (self.first_version, self.drops);
        let dropped = self.dropped();
        for (event, version) in events.iter().zip(before + 1..) {
            if matches!(event, Event::RolloutStarted { .. }) {
                // The one before ended by an event of this commit, and this is its page from now on.
                let shown = self.shown(drops.at(dropped));
                statements.extend(self.row(&next, first_version, evidence.as_ref(), statuses, shown, now)?);
                first_version = version;
                drops = Drops { before: 0, since: dropped, over: false };
            }
            records.push(rows::delivery::encode(event)?);
            next.evolve(event, now);
        }
        if next.active().is_none() {
            drops = Drops { before: drops.at(dropped), since: dropped, over: true };
        }
        let shown = self.shown(drops.at(dropped));
        statements.extend(self.row(&next, first_version, evidence.as_ref(), statuses, shown, now)?);
        let state = DeliveryRow {
            service: next.service.clone(),
            version: next.version,
            state: next.stable.as_ref().map(|stable| stable.version.clone()).unwrap_or_default(),
            at: now,
        };
        statements.push(models::deliveries::put(&state));
        if let (Some(evidence), Some(rollout)) = (&evidence, &self.delivery.rollout) {
            let saved = SavedEvidence { rollout: rollout.id, evidence: evidence.clone(), at: now };
            statements.push(models::deliveries::put_evidence(&saved)?);
        }
        let mut append =
            Append::new(&self.stream, Expected::Version(before)).events(records).models(statements);
        if let Some(key) = once {
            append = append.once(key);
        }
        let appended = self.world.store.commit(append).await?;
        if appended.repeated {
            return Ok(true);
        }
        if self.delivery.rollout.as_ref().map(|rollout| rollout.id)
            != next.rollout.as_ref().map(|rollout| rollout.id)
        {
            self.history = History::default();
            self.verdicts.clear();
            self.kept.clear();
        }
        self.delivery = next;
        (self.first_version, self.drops) = (first_version, drops);
        if evidence.is_some() {
            self.saved = evidence;
            self.saved_at = now;
        }
        if let Some(rollout) = &self.delivery.rollout {
            self.world.changed(Change::Rollout(rollout.id.into()));
        }
        Ok(false)
    }

    fn row(
        &self,
        delivery: &Delivery,
        first_version: u64,
        evidence: Option<&Evidence>,
        statuses: &[InstanceStatus],
        shown: present::Shown<'_>,
        now: Timestamp,
    ) -> Result<Option<Statement>, StoreError> {
        let routed = self.world.router.table().routes.get(&delivery.service).cloned();
        let observed = Observed { routed, evidence: evidence.cloned(), ..Observed::default() };
        present::row(delivery, &observed, statuses, shown, first_version, now)
    }

    /// Saves evidence over what was saved before, so that a restart can still report it.
    async fn save(&mut self, evidence: Evidence, now: Timestamp) -> Result<(), TurnError> {
        let Some(rollout) = self.delivery.active() else { return Ok(()) };
        if self.saved.as_ref() == Some(&evidence) {
            return Ok(());
        }
        let saved = SavedEvidence { rollout: rollout.id, evidence, at: now };
        self.world.store.batch(vec![models::deliveries::put_evidence(&saved)?]).await?;
        self.saved = Some(saved.evidence);
        self.saved_at = now;
        Ok(())
    }

    /// Saves what a rollout that is over failed since: its instances may have been stopped with requests to finish after
    /// its last event.
    async fn save_late_drops(
        &mut self,
        observed: &Observed,
        statuses: &[InstanceStatus],
        now: Timestamp,
    ) -> Result<(), TurnError> {
        let dropped = self.dropped();
        let count = self.drops.at(dropped);
        if !self.drops.over || count == self.drops.before {
            return Ok(());
        }
        let evidence = observed.evidence.as_ref();
        let row = self.row(&self.delivery, self.first_version, evidence, statuses, self.shown(count), now)?;
        self.world.store.batch(row.into_iter().collect()).await?;
        self.drops = Drops { before: count, since: dropped, over: true };
        Ok(())
    }

    /// Carries out one action; each is idempotent.
    async fn act(&mut self, action: Action) -> Result<(), TurnError> {
        match action {
            Action::Start { instance, release } => {
                let folder = unpack::release(&self.world, &release.digest).await?;
                self.world.target.start(InstanceSpec::of(&instance, &release, &folder)).await?;
            }
            Action::Route(route) => self.world.route(*route)?,
            Action::Stop { instance, grace } => {
                // One that failed answers for what it leaves; for the others the shifting does.
                if self.delivery.has_no_use_for(&instance) {
                    self.world.router.stopping(&instance);
                }
                self.world.target.stop(&instance, grace).await?;
            }
            Action::Forget { instance } => self.world.target.forget(&instance).await?,
        }
        Ok(())
    }

    /// Decides a command and commits what follows.
    async fn obey(&mut self, message: Message) {
        let Message { command, models, once, answer } = message;
        let now = self.world.clock.now();
        let (observed, statuses) = self.observe(now);
        let outcome = match delivery::decide(&self.delivery, &command, observed.evidence.as_ref(), now) {
            Err(refusal) => Err(BackendError::conflict("this rollout", refusal.to_string())),
            Ok(Decided { events, words }) => {
                let committed =
                    self.commit(events, models, once, observed.evidence.clone(), &statuses, now).await;
                match committed {
                    Ok(repeated) => {
                        // Whoever reads next sees what this led to, though the plan that follows from it is yet to be made.
                        self.reasons = delivery::plan(&self.delivery, &observed, now).reasons;
                        self.show(&observed, &statuses, now);
                        let rollout = self.delivery.rollout.as_ref().map(|rollout| rollout.id);
                        Ok(Answered { rollout, words, repeated })
                    }
                    Err(TurnError::Store(error)) => Err(unavailable("committing the command", error)),
                    Err(error) => Err(BackendError::internal("committing the command", error)),
                }
            }
        };
        // Whoever asked may be gone; what was committed stays.
        let _gone = answer.send(outcome);
    }

    /// What the router failed because of the shifting itself, since it started.
    fn dropped(&self) -> Counted {
        let stats = self.world.router.stats(&self.delivery.service).unwrap_or_default();
        let stopped = stats.dropped.get(&Dropped::DrainTimeout).copied().unwrap_or_default();
        Counted { all: stats.dropped_total(), stopped }
    }

    fn shown(&self, dropped: u64) -> present::Shown<'_> {
        present::Shown {
            verdicts: &self.verdicts,
            kept: &self.kept,
            history: &self.history,
            reasons: &self.reasons,
            dropped,
        }
    }

    /// Keeps what pages and clients see, and tells them when it changed.
    fn show(&self, observed: &Observed, statuses: &[InstanceStatus], now: Timestamp) {
        let shown = self.shown(self.drops.at(self.dropped()));
        let view = present::rollout(&self.delivery, observed, statuses, shown, now);
        let mut shown = lock(&self.view);
        if *shown != view {
            if let Some(rollout) = &view {
                self.world.changed(Change::Rollout(rollout.summary.id));
            }
            *shown = view;
        }
    }
}

/// The requests that were failed by the shifting itself in one rollout, of those that the router counts since it started.
#[derive(Clone, Copy, Debug, Default)]
struct Drops {
    /// Those before `since`.
    before: u64,
    /// What the router had counted when this began to count.
    since: Counted,
    /// Whether the rollout is over: the instances that it replaced may still have requests to finish, and only what
    /// these lose is its doing.
    over: bool,
}

/// Requests failed by the shifting that the router has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    all: u64,
    /// Those whose instance was stopped before it had finished.
    stopped: u64,
}

impl Drops {
    /// The count when the router has counted this many.
    fn at(self, now: Counted) -> u64 {
        let (now, since) =
            if self.over { (now.stopped, self.since.stopped) } else { (now.all, self.since.all) };
        self.before + now.saturating_sub(since)
    }
}

/// How a turn ended.
enum Turn {
    /// Something was committed: the new state is to be planned at once.
    Again,
    /// Nothing to do before this instant, unless something changes.
    Wait(Option<Timestamp>),
}

/// Why a turn could not be finished. The next one begins with the same state, so nothing is lost by it.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Router(#[from] RouterError),
    #[error(transparent)]
    Unpack(#[from] unpack::UnpackError),
}
