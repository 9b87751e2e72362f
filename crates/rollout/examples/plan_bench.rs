//! What one look of the planner costs, for `cargo xtask bench`: a canary in its analysis step, nothing to do.

use shipway_analysis::{Arm, Evidence, Signal};
use shipway_base::{Digest, Id, Share, Source, Timestamp};
use shipway_rollout::delivery::{
    Command, Delivery, InstancePhase, Looks, Observed, ObservedInstance, Release, Spec, decide, plan, route,
};
use std::{error::Error, sync::Arc, time::Duration};

const DOCUMENT: &str = "
apiVersion: shipway.dev/v1
kind: Service
metadata: {name: web}
spec:
  replicas: 10
  command: [./web]
  strategy:
    canary:
      steps:
      - setWeight: 10
      - analysis: {templates: [{templateName: good}]}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: good}
spec:
  metrics:
  - name: failures
    provider: {plugin: {shipway/sequential: {signals: [failure, p95], alpha: 0.01, promote: {margin: 2}}}}
";

const LOOKS: u32 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut now = Timestamp::from_millis(1_800_000_000_000);
    let source = Source::new("shipway.yaml", DOCUMENT);
    let spec = Arc::new(Spec::parse(&source, "web").map_err(|found| found.to_string())?);
    let mut delivery = Delivery::new("web");
    for (number, version) in [(1, "v1"), (2, "v2")] {
        let release = Release {
            id: Id::clamped(number),
            version: version.to_owned(),
            digest: Digest::of(version.as_bytes()),
            spec: spec.clone(),
        };
        let command = Command::Deploy { rollout: Id::clamped(number), release, by: "bench".to_owned() };
        let decided = decide(&delivery, &command, None, now)?;
        decided.events.iter().for_each(|event| delivery.evolve(event, now));
        // The world obeys at once until the plan has nothing more to do.
        for _ in 0..100 {
            now = now + Duration::from_secs(1);
            let observed = obey(&delivery, None);
            let planned = plan(&delivery, &observed, now);
            planned.events.iter().for_each(|event| delivery.evolve(event, now));
        }
    }
    let observed = obey(&delivery, Some(evidence(delivery.epoch)));
    let mut looks = Looks::default();
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    let started = std::time::Instant::now();
    for _ in 0..LOOKS {
        let judged = looks.look(&delivery, observed.evidence.as_ref(), now);
        let planned = plan(&delivery, &Observed { judged, ..observed.clone() }, now);
        std::hint::black_box(&planned);
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKS);
    print_line(&format!("one look (judge and plan, 20 instances, 2 signals): {micros:.1} us"));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn print_line(line: &str) {
    println!("{line}");
}

/// Everything that was asked for is ready, and the router serves what is wanted.
fn obey(delivery: &Delivery, evidence: Option<Evidence>) -> Observed {
    let instances = delivery
        .instances
        .keys()
        .enumerate()
        .map(|(number, id)| ObservedInstance {
            id: id.clone(),
            phase: InstancePhase::Ready,
            address: Some(([127, 0, 0, 1], 1_000 + u16::try_from(number).unwrap_or_default()).into()),
            health: None,
            last_lines: Vec::new(),
            watched_since: Timestamp::EPOCH,
        })
        .collect();
    let mut observed = Observed { instances, evidence, ..Observed::default() };
    observed.routed = route(delivery, &observed);
    observed
}

fn evidence(epoch: u64) -> Evidence {
    let mut evidence = Evidence { epoch, ..Evidence::default() };
    for (signal, canary, stable) in [(Signal::Failure, 3, 40), (Signal::AboveP95, 30, 310)] {
        let first = evidence.first.entry(signal).or_default();
        (0..canary).for_each(|_| first.count(Share::percent(10), Arm::Canary));
        (0..stable).for_each(|_| first.count(Share::percent(10), Arm::Stable));
    }
    (evidence.canary.requests, evidence.canary.clients) = (1_000, 600);
    (evidence.stable.requests, evidence.stable.clients) = (9_000, 5_400);
    evidence
}
