//! Sample rollouts.

use super::{release_id, rollout_id, run_id};
use crate::fake::{NOW, State};
use shipway_api::{
    ArmReport, ArmSide, CommandOffer, Decision, EvidencePoint, Exposure, InstanceHealth, InstanceReport,
    MetricOutcome, MetricReport, Needed, Ratio, Release, ReleaseRef, Rollout, RolloutCommand, RolloutEvent,
    RolloutEventKind, RolloutPhase, RolloutStep, RolloutSummary, SignalKind, SignalReport, StepKind,
    StepState, TrafficSplit, VerdictReport, WaitReason,
};
use shipway_base::{Digest, Timestamp};
use std::{collections::BTreeMap, time::Duration};

pub(super) fn fill(state: &mut State) {
    state.rollouts = vec![under_way(), promoted(), rolled_back(), waiting(), never_started(), superseded()];
    state.releases = state
        .rollouts
        .iter()
        .map(|rollout| Release {
            release: rollout.summary.release.clone(),
            service: rollout.summary.service.clone(),
            run: rollout.summary.run,
            sha: None,
            created_at: rollout.summary.created_at,
            live: rollout.summary.phase == RolloutPhase::Promoted,
        })
        .collect();
}

/// A rollout that has just begun.
pub(crate) fn fresh_rollout(n: i64, service: &str, version: &str) -> Rollout {
    let mut rollout = rollout(n, service, None, version, RolloutPhase::Progressing, 0);
    rollout.steps = steps(0, false);
    rollout.waiting =
        vec![WaitReason { text: "Waits for 3 instances to become ready.".to_owned(), until: None }];
    rollout
}

/// What a person can do in a phase.
pub(crate) fn offers(summary: &RolloutSummary) -> Vec<CommandOffer> {
    let version = &summary.release.version;
    let before = summary.from.as_ref().map_or("nothing", |from| from.version.as_str());
    let next = (summary.share * 2).min(10_000) / 100;
    let (open, paused) = (!summary.phase.is_over(), summary.phase == RolloutPhase::Paused);
    let offer = |command, possible, effect: String| {
        let effect = if possible { effect } else { format!("The rollout is {:?}.", summary.phase) };
        CommandOffer { command, effect, possible }
    };
    vec![
        offer(
            RolloutCommand::Promote,
            open,
            format!("{next} % of clients get {version} instead of {before}, before the analysis is done."),
        ),
        offer(
            RolloutCommand::PromoteFull,
            open,
            format!("Everyone gets {version} at once. No further step and no further analysis."),
        ),
        offer(
            RolloutCommand::Pause,
            open && !paused,
            format!("The share stays at {} % until you resume.", summary.share / 100),
        ),
        offer(RolloutCommand::Resume, paused, "The rollout goes on with its next step.".to_owned()),
        offer(
            RolloutCommand::Abort,
            open,
            format!(
                "Everyone gets {before} again within a second. Instances of {version} are stopped, their logs are kept."
            ),
        ),
        offer(
            RolloutCommand::Retry,
            !open && summary.phase != RolloutPhase::Promoted,
            format!("Begins the rollout of {version} again at its first step."),
        ),
        offer(
            RolloutCommand::Undo,
            summary.phase == RolloutPhase::Promoted && summary.from.is_some(),
            format!("Everyone gets {before} again instead of {version}."),
        ),
    ]
}

fn ago(seconds: u64) -> Timestamp {
    NOW - Duration::from_secs(seconds)
}

fn release(n: i64, version: &str) -> ReleaseRef {
    ReleaseRef { id: release_id(n), version: version.to_owned(), digest: Digest::of(version.as_bytes()) }
}

fn rollout(n: i64, service: &str, from: Option<&str>, to: &str, phase: RolloutPhase, share: u32) -> Rollout {
    let summary = RolloutSummary {
        id: rollout_id(n),
        service: service.to_owned(),
        release: release(n * 10, to),
        from: from.map(|from| release(n * 10 - 1, from)),
        phase,
        steps_done: 0,
        steps: 7,
        share,
        headline: format!("{to} is starting."),
        needs_you: false,
        run: Some(run_id(if n == 1 { 2 } else { 4 })),
        created_at: ago(60 * n.unsigned_abs()),
        finished_at: None,
    };
    Rollout {
        steps: Vec::new(),
        waiting: Vec::new(),
        split: TrafficSplit { canary: share, wanted: share, closed: None, dropped: 0 },
        stable: None,
        canary: None,
        verdict: None,
        instances: Vec::new(),
        events: vec![event(
            1,
            60 * n.unsigned_abs(),
            RolloutEventKind::Started,
            &format!("Rollout of {to} began."),
        )],
        commands: offers(&summary),
        verdict_after_ms: None,
        summary,
    }
}

fn event(seq: u64, seconds: u64, kind: RolloutEventKind, text: &str) -> RolloutEvent {
    RolloutEvent { seq, at: ago(seconds), kind, text: text.to_owned(), details: Vec::new(), by: None }
}

fn steps(current: usize, failed: bool) -> Vec<RolloutStep> {
    let kinds = [
        StepKind::SetWeight { share: 1_000 },
        StepKind::Analysis { templates: vec!["good-enough".to_owned()] },
        StepKind::SetWeight { share: 2_500 },
        StepKind::Pause { duration_ms: Some(2_000) },
        StepKind::SetWeight { share: 5_000 },
        StepKind::Pause { duration_ms: None },
        StepKind::SetWeight { share: 10_000 },
    ];
    kinds
        .into_iter()
        .enumerate()
        .map(|(at, kind)| {
            let state = match at.cmp(&current) {
                std::cmp::Ordering::Less => StepState::Done,
                std::cmp::Ordering::Equal if failed => StepState::Failed,
                std::cmp::Ordering::Equal => StepState::Current,
                std::cmp::Ordering::Greater if failed => StepState::Skipped,
                std::cmp::Ordering::Greater => StepState::Ahead,
            };
            let begun = matches!(state, StepState::Done | StepState::Current | StepState::Failed);
            let entered_at = begun.then(|| ago(60) + Duration::from_secs(9 * at as u64));
            let left_at =
                entered_at.filter(|_| state != StepState::Current).map(|at| at + Duration::from_secs(9));
            RolloutStep { kind, state, entered_at, left_at }
        })
        .collect()
}

fn arm(version: &str, clients: u64, failures: u64, latency_us: [u64; 3]) -> ArmReport {
    let causes = if failures == 0 {
        BTreeMap::new()
    } else {
        BTreeMap::from([
            ("status 500".to_owned(), failures - failures / 5),
            ("timeout".to_owned(), failures / 5),
        ])
    };
    ArmReport {
        version: version.to_owned(),
        requests: clients * 11,
        failures,
        clients,
        causes,
        latency_us: Some(latency_us),
    }
}

fn signal(kind: SignalKind, canary: ArmSide, stable: ArmSide, end: f64, seconds: u64) -> SignalReport {
    let history = (0..40_u32)
        .map(|n| {
            let part = f64::from(n) / 39.0;
            let wobble = f64::from(n * 37 % 11) / 40.0 - 0.12;
            EvidencePoint {
                at: ago(seconds) + Duration::from_millis(u64::from(n) * seconds * 1_000 / 40),
                log10_e: end * part * part + wobble * (1.0 - part),
                log10_promote: Some((1.0 - end).max(-1.5) * part * 0.6),
            }
        })
        .collect();
    SignalReport {
        signal: kind,
        stable,
        canary,
        log10_e: end,
        log10_bound: 2.0,
        alpha: 0.01,
        promote: Some(((1.0 - end).max(-1.5) * 0.6, 1.301)),
        ratio: Some(Ratio { estimate: Some(1.12), low: 0.41, high: Some(2.6), confidence: 0.95 }),
        history,
    }
}

fn instance(id: &str, version: &str, canary: bool, health: InstanceHealth) -> InstanceReport {
    InstanceReport {
        id: id.to_owned(),
        version: version.to_owned(),
        canary,
        health,
        detail: None,
        address: Some("127.0.0.1:41873".to_owned()),
        started_at: Some(ago(300)),
        restarts: 0,
        last_lines: vec!["listening on 127.0.0.1:41873".to_owned(), "GET /healthz 200 1 ms".to_owned()],
    }
}

fn metric(outcome: MetricOutcome, values: &[f64], failed: u32) -> MetricReport {
    MetricReport {
        name: "success-rate".to_owned(),
        condition: "result >= 0.90".to_owned(),
        outcome,
        values: values.to_vec(),
        successful: values.len() as u32 - failed,
        failed,
        words: format!("{failed} of {} measurements did not meet the condition; 3 may.", values.len()),
    }
}

fn under_way() -> Rollout {
    let mut rollout = rollout(1, "web", Some("v2"), "v3", RolloutPhase::Progressing, 1_000);
    rollout.summary.steps_done = 1;
    rollout.summary.headline =
        "10 % of clients get v3. The analysis of step 2 needs more traffic.".to_owned();
    rollout.steps = steps(1, false);
    rollout.waiting = vec![WaitReason {
        text: "Step 2, analysis good-enough: the evidence for promotion is 3.1 of 20.".to_owned(),
        until: Some(NOW + Duration::from_secs(4)),
    }];
    rollout.stable = Some(arm("v2", 8_120, 21, [11_800, 48_000, 96_000]));
    rollout.canary = Some(arm("v3", 911, 2, [11_200, 47_100, 101_000]));
    let side = |with_event, clients| ArmSide { with_event, clients };
    rollout.verdict = Some(VerdictReport {
        decision: Decision::NotYet,
        words: vec![
            "2 of 911 clients of v3 saw a failure, 19 of 8,120 of v2: 0.94 times as often.".to_owned(),
            "The evidence for a regression is 0.4; it is rolled back at 100.".to_owned(),
        ],
        signals: vec![
            signal(SignalKind::Failure, side(2, 911), side(19, 8_120), -0.4, 51),
            signal(SignalKind::AboveP95, side(48, 911), side(406, 8_120), 0.3, 51),
        ],
        metrics: vec![metric(MetricOutcome::Running, &[0.9981, 0.9978, 0.9983], 0)],
        exposure: Exposure { requests: 10_021, failed_requests: 2, clients: 911, failed_clients: 2 },
        needed: Some(Needed { clients: 640, duration_ms: Some(38_000) }),
        fixed_threshold: Some("A fixed threshold of 95 % would not have fired.".to_owned()),
    });
    rollout.instances = vec![
        instance("web-v3-1", "v3", true, InstanceHealth::Ready),
        instance("web-v3-2", "v3", true, InstanceHealth::Ready),
        instance("web-v2-1", "v2", false, InstanceHealth::Ready),
        instance("web-v2-2", "v2", false, InstanceHealth::Draining),
    ];
    rollout.events = vec![
        event(4, 51, RolloutEventKind::Step, "Step 2 began: analysis good-enough."),
        event(3, 52, RolloutEventKind::Traffic, "The router gives v3 10 % of clients."),
        event(2, 55, RolloutEventKind::Instance, "3 instances of v3 are ready."),
        event(1, 60, RolloutEventKind::Started, "Rollout of v3 began, from v2."),
    ];
    rollout.commands = offers(&rollout.summary);
    rollout
}

fn promoted() -> Rollout {
    let mut rollout = rollout(2, "web", Some("v1"), "v2", RolloutPhase::Promoted, 10_000);
    rollout.summary.steps_done = 7;
    rollout.summary.finished_at = Some(ago(30));
    rollout.summary.headline =
        "Everyone gets v2: no worse than v1 after 3 m 20 s and 5,904 clients.".to_owned();
    rollout.steps = steps(7, false);
    rollout.stable = Some(arm("v1", 40_120, 44, [12_000, 50_000, 99_000]));
    rollout.canary = Some(arm("v2", 5_904, 6, [11_900, 48_800, 97_000]));
    rollout.verdict = Some(VerdictReport {
        decision: Decision::Healthy,
        words: vec![
            "v2 fails no more than twice as often as v1: the evidence is 24, the bound 20.".to_owned(),
        ],
        signals: Vec::new(),
        metrics: vec![metric(MetricOutcome::Successful, &[0.998, 0.999, 0.997, 0.998, 0.999], 0)],
        exposure: Exposure { requests: 64_944, failed_requests: 6, clients: 5_904, failed_clients: 6 },
        needed: None,
        fixed_threshold: None,
    });
    rollout.instances = vec![instance("web-v2-1", "v2", true, InstanceHealth::Ready)];
    rollout.events.insert(0, event(2, 30, RolloutEventKind::Promoted, "Everyone gets v2."));
    rollout.commands = offers(&rollout.summary);
    rollout
}

fn rolled_back() -> Rollout {
    let mut rollout = rollout(3, "api", Some("1.4.1"), "1.4.2", RolloutPhase::RolledBack, 0);
    rollout.summary.steps_done = 2;
    rollout.summary.finished_at = Some(ago(120));
    rollout.summary.headline =
        "1.4.2 failed 9.8 times as often as 1.4.1; no client has seen it since 09:58:00.".to_owned();
    rollout.steps = steps(2, true);
    rollout.split.wanted = 0;
    rollout.verdict_after_ms = Some(8_100);
    rollout.stable = Some(arm("1.4.1", 21_300, 24, [9_100, 30_000, 61_000]));
    rollout.canary = Some(arm("1.4.2", 1_422, 61, [14_800, 91_000, 240_000]));
    let side = |with_event, clients| ArmSide { with_event, clients };
    let mut failure = signal(SignalKind::Failure, side(52, 1_422), side(21, 21_300), 6.3, 64);
    failure.ratio = Some(Ratio { estimate: Some(9.8), low: 4.9, high: Some(19.4), confidence: 0.95 });
    let mut slow = signal(SignalKind::AboveP95, side(260, 1_422), side(1_071, 21_300), 12.7, 64);
    slow.ratio = Some(Ratio { estimate: Some(3.6), low: 2.8, high: None, confidence: 0.95 });
    rollout.verdict = Some(VerdictReport {
        decision: Decision::Regressed,
        words: vec![
            "52 of 1,422 clients of 1.4.2 saw a failure, 21 of 21,300 of 1.4.1: 9.8 times as often (4.9 to 19.4).".to_owned(),
            "The evidence reached 100, the bound for a false alarm in 1 of 100 rollouts, after 8.1 s and 10 failing clients.".to_owned(),
            "Slower as well: 260 clients above the p95 of 1.4.1, where 71 were to be expected.".to_owned(),
        ],
        signals: vec![failure, slow],
        metrics: vec![metric(MetricOutcome::Failed, &[0.97, 0.93, 0.88, 0.87, 0.86, 0.85], 4)],
        exposure: Exposure { requests: 15_642, failed_requests: 61, clients: 1_422, failed_clients: 52 },
        needed: None,
        fixed_threshold: Some("A fixed threshold of 95 % would have needed 240 s and 2,403 failed requests.".to_owned()),
    });
    let mut dead = instance("api-1.4.2-2", "1.4.2", true, InstanceHealth::Exited);
    dead.detail = Some(
        "Exited with code 101 after 41 s; its last health check answered 500: pool exhausted.".to_owned(),
    );
    dead.restarts = 2;
    dead.last_lines = vec![
        "\x1b[33mWARN\x1b[0m pool: 32 of 32 connections in use".to_owned(),
        "\x1b[31mERROR\x1b[0m GET /orders/81 500 1204 ms: timed out waiting for a connection".to_owned(),
        "thread 'main' panicked at src/pool.rs:88:14: pool exhausted".to_owned(),
    ];
    rollout.instances = vec![dead, instance("api-1.4.2-1", "1.4.2", true, InstanceHealth::Stopped)];
    rollout.events = vec![
        event(5, 120, RolloutEventKind::RolledBack, "Everyone gets 1.4.1 again."),
        event(4, 121, RolloutEventKind::Verdict, "Regressed: failing clients."),
        event(3, 150, RolloutEventKind::Step, "Step 3 began: 25 %."),
        event(2, 170, RolloutEventKind::Traffic, "The router gives 1.4.2 10 % of clients."),
        event(1, 180, RolloutEventKind::Started, "Rollout of 1.4.2 began, from 1.4.1."),
    ];
    rollout.commands = offers(&rollout.summary);
    rollout
}

fn waiting() -> Rollout {
    let mut rollout = rollout(4, "billing", Some("2026.46"), "2026.47", RolloutPhase::Paused, 5_000);
    rollout.summary.steps_done = 5;
    rollout.summary.needs_you = true;
    rollout.summary.headline = "Waits for your approval at 50 %.".to_owned();
    rollout.steps = steps(5, false);
    rollout.split.wanted = 6_000;
    rollout.waiting = vec![WaitReason {
        text: "Step 6 is a pause without an end: promote or abort.".to_owned(),
        until: None,
    }];
    rollout.stable = Some(arm("2026.46", 900, 0, [20_000, 60_000, 120_000]));
    rollout.canary = Some(arm("2026.47", 894, 0, [20_500, 61_000, 119_000]));
    rollout.commands = offers(&rollout.summary);
    rollout
}

fn never_started() -> Rollout {
    let mut rollout = rollout(5, "search", None, "0.1.0", RolloutPhase::Failed, 0);
    rollout.summary.finished_at = Some(ago(270));
    rollout.summary.headline =
        "No instance of 0.1.0 became ready within 30 s; nobody has seen it.".to_owned();
    rollout.split.closed = Some("no release of search is live yet".to_owned());
    let mut sick = instance("search-0.1.0-1", "0.1.0", true, InstanceHealth::Exited);
    sick.detail = Some("Exited with code 78; the health check was never answered.".to_owned());
    sick.last_lines = vec!["error: INDEX_DIR is not set".to_owned()];
    rollout.instances = vec![sick];
    rollout
        .events
        .insert(0, event(2, 270, RolloutEventKind::Failed, "No instance became ready within 30 s."));
    rollout.commands = offers(&rollout.summary);
    rollout
}

fn superseded() -> Rollout {
    let mut rollout = rollout(6, "docs", Some("41"), "42", RolloutPhase::Superseded, 0);
    rollout.summary.finished_at = Some(ago(300));
    rollout.summary.headline = "43 took its place at step 2.".to_owned();
    rollout.commands = offers(&rollout.summary);
    rollout
}
