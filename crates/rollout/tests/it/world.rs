//! A tiny world that obeys plans: instances that start, die and flap as they are told, and a router that serves what
//! it is given. Every plan that is made in it is checked against the promises of the planner.

use shipway_analysis::{Cause, Decision, Evidence, Exposure, Thresholds, Verdict};
use shipway_base::{Digest, Id, Share, Source, Timestamp};
use shipway_rollout::delivery::{
    Action, Command, Delivery, Event, Exit, HealthResponse, InstancePhase, Judged, Observed,
    ObservedInstance, Phase, Plan, Refusal, Release, Rollout, Spec, decide, plan,
};
use shipway_traffic::{ArmName, Route, Split};
use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

/// How instances of a version behave.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Ready after this time.
    Healthy(Duration),
    /// Runs and answers 503 for ever.
    NeverReady,
    /// Ends with this code after this time.
    Dies(Duration, i32),
    /// Is no program at all.
    CannotStart,
}

/// What analyses say about a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    Healthy,
    Regressed,
    Inconclusive,
    NotYet,
}

struct Simulated {
    release: Release,
    started: Timestamp,
    watched_since: Timestamp,
    /// Set from outside: `Some(false)` answers 503.
    down: bool,
    was_ready: bool,
    stopping: Option<Timestamp>,
    exit: Option<Exit>,
}

pub(crate) struct World {
    pub(crate) delivery: Delivery,
    pub(crate) now: Timestamp,
    pub(crate) transcript: String,
    pub(crate) history: Vec<(Timestamp, Event)>,
    pub(crate) opinions: BTreeMap<String, Opinion>,
    pub(crate) behaviours: BTreeMap<String, Behaviour>,
    /// The next actions are lost, as in a crash between committing and acting.
    pub(crate) lose_actions: u32,
    /// Nobody sends requests, so that no instance ever has one under way.
    pub(crate) quiet: bool,
    /// The router takes no new routes.
    pub(crate) stuck_router: bool,
    instances: BTreeMap<String, Simulated>,
    pub(crate) routed: Option<Route>,
    /// When an instance left the route, for requests that are still under way.
    unrouted: BTreeMap<String, Timestamp>,
    evidence: Option<Evidence>,
    saved: Option<Evidence>,
    ids: i64,
    documents: &'static str,
}

pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// Requests that are under way when an instance leaves the route take this long.
const LAST_REQUEST: Duration = Duration::from_millis(250);
/// A told instance ends after this time.
const GOODBYE: Duration = Duration::from_millis(100);

pub(crate) const SERVICE: &str = r#"
apiVersion: shipway.dev/v1
kind: Service
metadata: {name: web}
spec:
  replicas: 3
  command: ["./web"]
  healthCheck: {path: /healthz, interval: 200ms, startTimeout: 5s}
  drainTimeout: 2s
  strategy:
    canary:
      analysis: {templates: [{templateName: no-worse}]}
      steps:
      - setWeight: 10
      - analysis: {templates: [{templateName: no-worse}]}
      - setWeight: 50
      - pause: {duration: 2s}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: no-worse}
spec:
  metrics:
  - name: failures
    provider: {plugin: {shipway/sequential: {signals: [failure], alpha: 0.01}}}
"#;

impl World {
    pub(crate) fn new() -> World {
        World::with(SERVICE)
    }

    pub(crate) fn with(documents: &'static str) -> World {
        World {
            delivery: Delivery::new("web"),
            now: START,
            transcript: String::new(),
            history: Vec::new(),
            opinions: BTreeMap::new(),
            behaviours: BTreeMap::new(),
            lose_actions: 0,
            quiet: false,
            stuck_router: false,
            instances: BTreeMap::new(),
            routed: None,
            unrouted: BTreeMap::new(),
            evidence: None,
            saved: None,
            ids: 0,
            documents,
        }
    }

    /// A world in which `v1` is live.
    pub(crate) fn live() -> World {
        let mut world = World::new();
        world.deploy("v1");
        world.run(Duration::from_secs(2));
        assert_eq!(world.stable(), Some("v1"), "{}", world.transcript);
        world.transcript.clear();
        world
    }

    pub(crate) fn release(&self, version: &str) -> Release {
        let spec = Spec::parse(&Source::new("shipway.yaml", self.documents), "web").expect("the service");
        let digest = Digest::of(version.as_bytes());
        let number = i64::from(digest.as_bytes()[0]) * 256 + i64::from(digest.as_bytes()[1]) + 1;
        let id = Id::from_number(number).expect("positive");
        Release { id, version: version.to_owned(), digest, spec: Arc::new(spec) }
    }

    pub(crate) fn next_id(&mut self) -> Id<Rollout> {
        self.ids += 1;
        Id::from_number(self.ids).expect("positive")
    }

    pub(crate) fn deploy(&mut self, version: &str) {
        let (rollout, release) = (self.next_id(), self.release(version));
        let result = self.command(&Command::Deploy { rollout, release, by: "ci".to_owned() });
        assert!(result.is_ok(), "{result:?}");
    }

    pub(crate) fn command(&mut self, command: &Command) -> Result<String, Refusal> {
        let decided = decide(&self.delivery, command, self.evidence.as_ref(), self.now);
        let name = match command {
            Command::Deploy { release, .. } => format!("deploy {}", release.version),
            Command::Promote { full: false, .. } => "promote".to_owned(),
            Command::Promote { full: true, .. } => "promote --full".to_owned(),
            Command::Pause { .. } => "pause".to_owned(),
            Command::Resume { .. } => "resume".to_owned(),
            Command::Abort { .. } => "abort".to_owned(),
            Command::Retry { .. } => "retry".to_owned(),
            Command::Undo { to, .. } => format!("undo {}", to.clone().unwrap_or_default()).trim().to_owned(),
        };
        match &decided {
            Ok(decided) => self.say(&format!("> {name}: {}", decided.words)),
            Err(refusal) => self.say(&format!("> {name} is refused: {refusal}")),
        }
        let decided = decided?;
        for event in decided.events {
            self.commit(event);
        }
        self.settle();
        Ok(decided.words)
    }

    /// Lets time pass in steps of 100 ms.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now = self.now + Duration::from_millis(100);
            self.settle();
        }
    }

    /// Lets time pass until something holds, ten simulated minutes at most.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        for _ in 0..6_000 {
            if holds(self) {
                return;
            }
            self.run(Duration::from_millis(100));
        }
        panic!("never: {what}\n{}", self.transcript);
    }

    /// Plans and acts until the world is as the state wants it.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100 {
            let observed = self.observe();
            let plan = plan(&self.delivery, &observed, self.now);
            self.check(&observed, &plan);
            if plan.events.is_empty() && plan.actions.is_empty() {
                self.check_settled(&observed, &plan);
                return;
            }
            let only_routes = plan.actions.iter().all(|action| matches!(action, Action::Route(_)));
            if self.stuck_router && plan.events.is_empty() && only_routes {
                return;
            }
            for event in plan.events {
                self.commit(event);
            }
            assert_eq!(plan.generation, self.delivery.version);
            if self.lose_actions > 0 {
                self.lose_actions -= 1;
                self.say("  (the actions are lost)");
                continue;
            }
            for action in plan.actions {
                self.act(action);
            }
        }
        panic!("the plans never come to an end\n{}", self.transcript);
    }

    /// The control plane dies and comes back: the state is replayed, the router knows nothing, instances live on.
    pub(crate) fn restart(&mut self) {
        self.say("* restart");
        let events = self.history.iter().map(|(at, event)| (*at, event));
        self.delivery = Delivery::replay("web", events);
        self.routed = None;
        self.unrouted.clear();
        self.saved = self.evidence.take();
        for instance in self.instances.values_mut() {
            instance.watched_since = self.now;
            // A target that has not asked yet says that an instance starts, even when it was ready before.
            instance.was_ready = false;
        }
        self.settle();
    }

    pub(crate) fn kill(&mut self, id: &str) {
        self.say(&format!("* {id} is killed"));
        if let Some(instance) = self.instances.get_mut(id) {
            instance.exit.get_or_insert(Exit::Signal(9));
        }
        self.settle();
    }

    pub(crate) fn set_down(&mut self, id: &str, down: bool) {
        self.say(&format!("* {id} answers {}", if down { "503" } else { "200" }));
        if let Some(instance) = self.instances.get_mut(id) {
            instance.down = down;
        }
        self.settle();
    }

    /// Instances of a version that run, in order.
    pub(crate) fn running(&self, version: &str) -> Vec<String> {
        let of_version =
            |simulated: &Simulated| simulated.release.version == version && simulated.exit.is_none();
        self.instances
            .iter()
            .filter(|(_, simulated)| of_version(simulated))
            .map(|(id, _)| id.clone())
            .collect()
    }

    pub(crate) fn all_running(&self) -> Vec<String> {
        self.instances.iter().filter(|(_, one)| one.exit.is_none()).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn stable(&self) -> Option<&str> {
        self.delivery.stable.as_ref().map(|release| release.version.as_str())
    }

    pub(crate) fn share(&self) -> Share {
        self.routed.as_ref().map_or(Share::ZERO, |route| route.split.canary_share())
    }

    /// Who serves which share, as `v1 90 v2 10`.
    pub(crate) fn serving(&self) -> String {
        match self.routed.as_ref().map(|route| &route.split) {
            None | Some(Split::Closed { .. }) => "nobody".to_owned(),
            Some(Split::Single(arm)) => format!("{} 100", arm.version),
            Some(Split::Canary { stable, canary, share }) => {
                let points = share.as_basis_points() / 100;
                format!("{} {} {} {points}", stable.version, 100 - points, canary.version)
            }
        }
    }

    /// The reasons now, one a line.
    pub(crate) fn why(&self) -> String {
        let plan = plan(&self.delivery, &self.observe(), self.now);
        plan.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// Writes the reasons and the next wake into the transcript.
    pub(crate) fn explain(&mut self) {
        let plan = plan(&self.delivery, &self.observe(), self.now);
        for reason in &plan.reasons {
            self.say(&format!("  why: {reason}"));
        }
        if let Some(wake) = &plan.wake {
            self.say(&format!("  wakes at {}: {}", wake.at, wake.why));
        }
    }

    /// Requests are served: a hundred a second, by share.
    pub(crate) fn serve(&mut self, requests: u64, failing: u64) {
        let Some(evidence) = &mut self.evidence else { return };
        let share = self.routed.as_ref().map_or(0.0, |route| route.split.canary_share().fraction());
        let canary = (requests as f64 * share) as u64;
        evidence.canary.requests += canary;
        evidence.canary.failures += failing;
        if failing > 0 {
            *evidence.canary.causes.entry("status 500".to_owned()).or_default() += failing;
        }
        evidence.stable.requests += requests - canary;
    }

    fn say(&mut self, line: &str) {
        let at = self.now.since(START).as_millis();
        let _ = writeln!(self.transcript, "{:>3}.{} {line}", at / 1_000, at % 1_000 / 100);
    }

    fn commit(&mut self, event: Event) {
        self.say(&format!("  {event}"));
        if let Event::Finished { report } = &event {
            for line in &report.words {
                self.say(&format!("    {line}"));
            }
        }
        self.delivery.evolve(&event, self.now);
        self.history.push((self.now, event));
    }

    fn act(&mut self, action: Action) {
        self.say(&format!("    -> {action}"));
        match action {
            Action::Start { instance, release } => {
                let fresh = Simulated {
                    release: *release,
                    started: self.now,
                    watched_since: self.now,
                    down: false,
                    was_ready: false,
                    stopping: None,
                    exit: None,
                };
                self.instances.entry(instance).or_insert(fresh);
            }
            Action::Route(_) if self.stuck_router => {}
            Action::Route(route) => {
                let before = instances_of(self.routed.as_ref());
                if self.evidence.as_ref().is_none_or(|evidence| evidence.epoch != route.epoch) {
                    self.evidence = Some(Evidence { epoch: route.epoch, ..Evidence::default() });
                }
                self.routed = Some(*route);
                let after = instances_of(self.routed.as_ref());
                for gone in before.into_iter().filter(|id| !after.contains(id)) {
                    self.unrouted.insert(gone, self.now);
                }
            }
            Action::Stop { instance, .. } => {
                if let Some(simulated) = self.instances.get_mut(&instance) {
                    simulated.stopping.get_or_insert(self.now);
                }
            }
            Action::Forget { instance } => {
                self.instances.remove(&instance);
            }
        }
    }

    fn phase(&self, simulated: &Simulated) -> InstancePhase {
        if let Some(exit) = simulated.exit {
            return InstancePhase::Exited(exit);
        }
        if let Some(since) = simulated.stopping {
            let gone = self.now >= since + GOODBYE;
            return if gone { InstancePhase::Exited(Exit::Signal(15)) } else { InstancePhase::Stopping };
        }
        let age = self.now.since(simulated.started);
        let default = Behaviour::Healthy(Duration::from_millis(300));
        match self.behaviours.get(&simulated.release.version).unwrap_or(&default) {
            Behaviour::Healthy(after) if age >= *after && !simulated.down => InstancePhase::Ready,
            Behaviour::Healthy(_) if simulated.was_ready => InstancePhase::Unready,
            Behaviour::Healthy(_) | Behaviour::NeverReady => InstancePhase::Starting,
            Behaviour::Dies(after, code) if age >= *after => InstancePhase::Exited(Exit::Code(*code)),
            Behaviour::Dies(..) => InstancePhase::Starting,
            Behaviour::CannotStart => InstancePhase::CannotStart { reason: "there is no `./web`".to_owned() },
        }
    }

    pub(crate) fn observe(&self) -> Observed {
        let routed = instances_of(self.routed.as_ref());
        let in_flight = |id: &String| {
            let busy = self.unrouted.get(id).is_some_and(|since| self.now < *since + LAST_REQUEST);
            if !self.quiet && (routed.contains(id) || busy) { 2 } else { 0 }
        };
        let judged = self.delivery.analyses().into_iter().map(|analysis| {
            let version = self.delivery.rollout.as_ref().map(|rollout| rollout.release.version.clone());
            let opinion = version.and_then(|version| self.opinions.get(&version)).copied();
            Judged { key: analysis.key, verdict: verdict(opinion.unwrap_or(Opinion::Healthy)) }
        });
        Observed {
            instances: self.instances.iter().map(|(id, simulated)| self.seen(id, simulated)).collect(),
            routed: self.routed.clone(),
            in_flight: self.instances.keys().map(|id| (id.clone(), in_flight(id))).collect(),
            judged: judged.collect(),
            evidence: self.evidence.clone(),
            saved: self.saved.clone(),
        }
    }

    fn seen(&self, id: &str, simulated: &Simulated) -> ObservedInstance {
        let phase = self.phase(simulated);
        let unhealthy = matches!(phase, InstancePhase::Starting | InstancePhase::Unready);
        let health = HealthResponse {
            at: self.now,
            status: Some(if unhealthy { 503 } else { 200 }),
            text: if unhealthy { "warming up".to_owned() } else { "ok".to_owned() },
            healthy: !unhealthy,
        };
        let number: u16 = id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        ObservedInstance {
            id: id.to_owned(),
            phase,
            address: Some(SocketAddr::from(([127, 0, 0, 1], 10_000 + number))),
            watched_since: simulated.watched_since,
            health: Some(health),
            last_lines: vec![format!("{} says goodbye", simulated.release.version)],
        }
    }

    /// What every plan must keep, whatever happened before.
    fn check(&mut self, observed: &Observed, plan: &Plan) {
        let ready: Vec<&str> =
            observed.instances.iter().filter(|one| one.is_ready()).map(|one| one.id.as_str()).collect();
        for id in &ready {
            if let Some(simulated) = self.instances.get_mut(*id) {
                simulated.was_ready = true;
            }
        }
        let wanted = plan.actions.iter().find_map(|action| match action {
            Action::Route(route) => Some(route.as_ref()),
            Action::Start { .. } | Action::Stop { .. } | Action::Forget { .. } => None,
        });
        for (name, arm) in wanted.map(|route| route.split.arms()).unwrap_or_default() {
            let all_ready = arm.instances.iter().all(|instance| ready.contains(&instance.id.as_str()));
            self.demand(all_ready, "only ready instances are routed to", plan);
            let share = wanted.map_or(Share::ZERO, |route| route.split.canary_share());
            let share = if name == ArmName::Canary { share } else { share.complement() };
            self.demand(
                share == Share::ZERO || !arm.instances.is_empty(),
                "an arm with a share has instances",
                plan,
            );
        }
        for action in &plan.actions {
            let Action::Stop { instance, .. } = action else { continue };
            let routed = instances_of(self.routed.as_ref()).contains(instance);
            self.demand(!routed, "nothing is stopped that the router routes to", plan);
            let since = self.unrouted.get(instance).copied().unwrap_or(START);
            let drained = observed.in_flight.get(instance).is_none_or(|requests| *requests == 0);
            let had_its_time = self.now >= since + Duration::from_secs(2);
            self.demand(drained || had_its_time, "nothing is stopped that has requests under way", plan);
        }
        self.check_forward(plan);
    }

    /// Nothing of a rollout goes forward once it was given up, and shares are raised only onto enough instances.
    fn check_forward(&self, plan: &Plan) {
        let mut state = self.delivery.clone();
        for event in &plan.events {
            let forward =
                matches!(event, Event::WeightSet { .. } | Event::StepEntered { .. } | Event::Promoted { .. });
            let active = state.active().is_some();
            self.demand(!forward || active, "nothing goes forward after an abort", plan);
            if let (Event::WeightSet { share }, Some(rollout)) = (event, state.active()) {
                let seen = self.observe().instances;
                let ready = seen.iter().filter(|one| {
                    let release = state.instances.get(&one.id).map(|instance| instance.release);
                    one.is_ready() && release == Some(rollout.release.id)
                });
                let needed =
                    (rollout.release.spec.service.replicas as f64 * share.fraction()).ceil() as usize;
                self.demand(ready.count() >= needed, "a share is set onto enough instances", plan);
            }
            state.evolve(event, self.now);
        }
    }

    /// What must hold once nothing is left to do.
    fn check_settled(&self, observed: &Observed, plan: &Plan) {
        // Until the wake, the same world goes on planning nothing.
        let later = match &plan.wake {
            Some(wake) => {
                self.demand(wake.at > self.now, "a wake is later than now", plan);
                Timestamp::from_micros(wake.at.as_micros() - 1)
            }
            None => self.now + Duration::from_secs(86_400 * 365),
        };
        let again = shipway_rollout::delivery::plan(&self.delivery, observed, later);
        let nothing = again.events.is_empty() && again.actions.is_empty();
        if !nothing {
            panic!("the wake is too late: at {later} there is {again:#?}\n{}", self.transcript);
        }
        let replayed = Delivery::replay("web", self.history.iter().map(|(at, event)| (*at, event)));
        self.demand(replayed == self.delivery, "the same events give the same state", plan);
        let closed =
            matches!(self.routed.as_ref().map(|route| &route.split), None | Some(Split::Closed { .. }));
        if let Some(stable) = &self.delivery.stable {
            let ready = observed.instances.iter().any(|one| {
                let instance = self.delivery.instances.get(&one.id);
                one.is_ready()
                    && instance.is_some_and(|instance| {
                        let retired =
                            matches!(instance.stage, shipway_rollout::delivery::Stage::Retired { .. });
                        instance.release == stable.id && !retired
                    })
            });
            self.demand(!(ready && closed), "a ready stable instance serves", plan);
        }
        if let Some(rollout) = &self.delivery.rollout {
            let over = matches!(rollout.phase, Phase::RollingBack { .. } | Phase::Finished { .. });
            self.demand(!over || self.share() == Share::ZERO, "a rollout that is over has no share", plan);
        }
        self.demand(!plan.reasons.is_empty(), "there is always a reason", plan);
    }

    fn demand(&self, holds: bool, what: &str, plan: &Plan) {
        assert!(holds, "broken: {what}\nplan: {plan:#?}\n{}", self.transcript);
    }
}

fn instances_of(route: Option<&Route>) -> Vec<String> {
    let arms = route.map(|route| route.split.arms()).unwrap_or_default();
    arms.into_iter().flat_map(|(_, arm)| arm.instances.iter().map(|instance| instance.id.clone())).collect()
}

fn verdict(opinion: Opinion) -> Verdict {
    let (metric, reason) = ("failures".to_owned(), "numbers".to_owned());
    let (decision, word) = match opinion {
        Opinion::Healthy => (Decision::Healthy { reason }, "as good as the stable version"),
        Opinion::Regressed => {
            let reason = "12 of 40 clients failed beside 3 of 400".to_owned();
            (Decision::Regressed { metric, cause: Cause::Condition, reason }, "worse")
        }
        Opinion::Inconclusive => (Decision::Inconclusive { metric, reason }, "cannot tell"),
        Opinion::NotYet => (Decision::NotYet { reason, needed: None }, "7 of 100 clients"),
    };
    Verdict {
        decision,
        metrics: Vec::new(),
        exposure: Exposure::default(),
        thresholds: Thresholds::default(),
        words: vec![format!("failures: {word}")],
        wake: None,
    }
}
