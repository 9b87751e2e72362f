//! Whole rollouts as transcripts: what happens, what is done, and why it waits.

use crate::world::{Behaviour, Opinion, World};
use shipway_base::Share;
use shipway_rollout::delivery::{Command, Outcome, Phase, Reason, Report, plan};
use std::time::Duration;

/// A pause until somebody promotes, with a guard beside the steps.
const PAUSED: &str = r#"
apiVersion: shipway.dev/v1
kind: Service
metadata: {name: web}
spec:
  replicas: 2
  command: ["./web"]
  strategy:
    canary:
      analysis: {templates: [{templateName: no-worse}]}
      steps:
      - setWeight: 50
      - pause: {}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: no-worse}
spec:
  metrics:
  - name: failures
    provider: {plugin: {shipway/sequential: {signals: [failure], alpha: 0.01}}}
"#;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn by() -> String {
    "ada".to_owned()
}

fn report(world: &World) -> Report {
    match world.delivery.rollout.as_ref().map(|rollout| &rollout.phase) {
        Some(Phase::Finished { report }) => (**report).clone(),
        other => panic!("not finished: {other:?}\n{}", world.transcript),
    }
}

#[test]
fn healthy_canary() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.explain();
    world.run(seconds(1));
    world.serve(1_000, 1);
    world.explain();
    world.opinions.insert("v2".to_owned(), Opinion::Healthy);
    world.run(seconds(1));
    world.explain();
    world.run(seconds(5));
    world.explain();
    assert_eq!((world.stable(), world.serving().as_str()), (Some("v2"), "v2 100"));
    let report = report(&world);
    assert_eq!((report.outcome, report.canary.requests, report.canary.errors), (Outcome::Promoted, 100, 1));
    assert!(report.verdict_after.is_some());
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn regression_at_ten_percent() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.until("v2 serves", |world| world.share() > Share::ZERO);
    world.serve(1_000, 12);
    world.opinions.insert("v2".to_owned(), Opinion::Regressed);
    world.settle();
    assert_eq!(world.serving(), "v1 100", "the weight is gone with the same plan");
    world.explain();
    world.run(seconds(2));
    world.explain();
    let report = report(&world);
    assert_eq!((report.outcome, report.canary.errors), (Outcome::RolledBack, 12));
    assert_eq!(report.largest_share, Share::percent(10));
    assert_eq!(world.running("v2"), Vec::<String>::new());
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn first_deploy_never_healthy() {
    let mut world = World::new();
    world.behaviours.insert("v1".to_owned(), Behaviour::NeverReady);
    world.deploy("v1");
    world.run(seconds(2));
    world.explain();
    world.run(seconds(5));
    world.explain();
    let report = report(&world);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.failures[0].last_lines, ["v1 says goodbye"]);
    assert_eq!(
        report.failures[0].health.as_ref().map(ToString::to_string).as_deref(),
        Some("status 503: warming up")
    );
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn superseded_twice() {
    let mut world = World::live();
    for version in ["v2", "v3"] {
        world.opinions.insert(version.to_owned(), Opinion::NotYet);
    }
    world.deploy("v2");
    world.run(seconds(1));
    assert_eq!(world.serving(), "v1 90 v2 10");
    world.deploy("v3");
    assert_eq!(world.serving(), "v1 100");
    world.run(seconds(1));
    assert_eq!(world.serving(), "v1 90 v3 10");
    world.deploy("v4");
    world.run(seconds(10));
    assert_eq!((world.stable(), world.serving().as_str()), (Some("v4"), "v4 100"));
    assert_eq!(world.all_running().len(), 3);
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn killed_child_is_replaced() {
    let mut world = World::live();
    let victim = world.running("v1").remove(0);
    world.kill(&victim);
    world.explain();
    world.run(seconds(2));
    world.explain();
    assert_eq!(world.running("v1").len(), 3);
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn a_flapping_instance_leaves_the_route_and_not_the_weights() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(1));
    world.transcript.clear();
    let flapping = world.running("v1").remove(1);
    for _ in 0..2 {
        world.set_down(&flapping, true);
        assert_eq!(world.serving(), "v1 90 v2 10");
        world.run(Duration::from_millis(300));
        world.set_down(&flapping, false);
    }
    world.explain();
    let canary = world.running("v2").remove(0);
    world.set_down(&canary, true);
    assert_eq!(world.serving(), "v1 100", "a version without a ready instance serves nobody");
    world.explain();
    world.set_down(&canary, false);
    assert_eq!(world.serving(), "v1 90 v2 10");
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn pause_and_promote() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(1));
    world.command(&Command::Pause { by: by() }).expect("paused");
    world.opinions.insert("v2".to_owned(), Opinion::Healthy);
    world.run(seconds(3));
    assert_eq!(world.serving(), "v1 90 v2 10", "it goes no further");
    world.explain();
    world.command(&Command::Promote { full: false, step: None, by: by() }).expect("the step is skipped");
    world.run(seconds(1));
    assert_eq!(world.serving(), "v1 50 v2 50");
    world.command(&Command::Promote { full: true, step: None, by: by() }).expect("all are skipped");
    world.run(seconds(3));
    assert_eq!(world.serving(), "v2 100");
    insta::assert_snapshot!(world.transcript);
}

/// A button that is pressed twice, or on a page of before: no step is skipped that its sender has not seen.
#[test]
fn a_promotion_of_a_step_skips_no_other_one() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(1));
    let promote = |step| Command::Promote { full: false, step: Some(step), by: by() };
    assert!(world.command(&promote(3)).is_err_and(|why| why.to_string().contains("it is at step 2 of 4")));
    world.command(&promote(2)).expect("the step is skipped");
    assert!(world.command(&promote(2)).is_err_and(|why| why.to_string().contains("it is at step 3 of 4")));
    let all = Command::Promote { full: true, step: Some(1), by: by() };
    assert!(world.command(&all).is_err());
    world.command(&promote(3)).expect("the step is skipped");
}

/// The same for an undo that says where to.
#[test]
fn an_undo_to_a_release_goes_nowhere_else() {
    let mut world = World::live();
    world.deploy("v2");
    world.run(seconds(20));
    assert_eq!(world.serving(), "v2 100");
    let first = world.delivery.history.iter().find(|promoted| promoted.release.version == "v1");
    let to = Some(first.expect("v1").release.digest.to_string());
    let rollout = world.next_id();
    world.command(&Command::Undo { rollout, to: to.clone(), by: by() }).expect("undone");
    for _ in 0..2 {
        let rollout = world.next_id();
        let again = world.command(&Command::Undo { rollout, to: to.clone(), by: by() });
        again.expect("there is nothing to do");
        assert_eq!(
            world.delivery.rollout.as_ref().map(|rollout| rollout.release.version.as_str()),
            Some("v1")
        );
        world.run(seconds(20));
        assert_eq!(world.serving(), "v1 100");
    }
}

#[test]
fn aborted_by_a_person() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(1));
    let reason = Some("the wrong branch".to_owned());
    world.command(&Command::Abort { by: by(), reason }).expect("aborted");
    assert_eq!(world.serving(), "v1 100");
    world.explain();
    world.run(seconds(2));
    assert!(world.command(&Command::Abort { by: by(), reason: None }).is_err());
    assert!(world.command(&Command::Promote { full: true, step: None, by: by() }).is_err());
    world.opinions.insert("v2".to_owned(), Opinion::Healthy);
    let rollout = world.next_id();
    world.command(&Command::Retry { rollout, by: by() }).expect("tried again");
    world.run(seconds(8));
    assert_eq!(world.serving(), "v2 100");
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn restart_in_the_middle() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(1));
    world.serve(1_000, 0);
    let epoch = world.delivery.epoch;
    world.restart();
    assert_eq!(world.serving(), "v1 90 v2 10", "the committed weights are kept");
    assert!(world.delivery.epoch > epoch, "and what is counted now is counted apart");
    world.serve(1_000, 0);
    world.explain();
    world.opinions.insert("v2".to_owned(), Opinion::Healthy);
    world.run(seconds(6));
    let report = report(&world);
    assert_eq!((report.canary.requests, report.evidence_lost), (200, 1));
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn undo_skips_the_steps_and_same_digest_is_nothing() {
    let mut world = World::live();
    world.deploy("v2");
    world.run(seconds(8));
    world.transcript.clear();
    world.deploy("v2");
    let rollout = world.next_id();
    world.command(&Command::Undo { rollout, to: None, by: by() }).expect("undone");
    world.run(seconds(2));
    assert_eq!(world.serving(), "v1 100");
    let rollout = world.next_id();
    let missing = Command::Undo { rollout, to: Some("v9".to_owned()), by: by() };
    assert!(world.command(&missing).is_err());
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn a_canary_that_keeps_dying_is_given_up() {
    let mut world = World::live();
    world.behaviours.insert("v2".to_owned(), Behaviour::Dies(Duration::from_millis(200), 3));
    world.deploy("v2");
    world.run(seconds(6));
    let report = report(&world);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.reason, "its instances failed 3 times in a row");
    assert_eq!(world.serving(), "v1 100");
    insta::assert_snapshot!(world.transcript);
}

#[test]
fn what_is_no_program_is_given_up_at_once() {
    let mut world = World::live();
    world.behaviours.insert("v2".to_owned(), Behaviour::CannotStart);
    world.deploy("v2");
    world.run(seconds(1));
    let report = report(&world);
    assert_eq!(
        (report.outcome, report.reason.as_str()),
        (Outcome::Failed, "it cannot be started: there is no `./web`")
    );
}

/// The background analysis holds nothing up, so it is not why a rollout waits.
#[test]
fn a_pause_waits_for_a_person_and_not_for_the_background() {
    let mut world = World::with(PAUSED);
    world.deploy("v1");
    world.run(seconds(2));
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(2));
    let plan = plan(&world.delivery, &world.observe(), world.now);
    let why: Vec<String> = plan.reasons.iter().map(ToString::to_string).collect();
    assert_eq!(why[0], "step 2 pauses until somebody promotes", "{why:?}");
    assert!(why[1].starts_with("beside the steps, the background analysis goes on: "), "{why:?}");
    let explaining: Vec<bool> = plan.reasons.iter().map(Reason::explains).collect();
    assert_eq!(explaining, [true, false]);
    // Nor is it when nothing else is to be told.
    world.command(&Command::Promote { full: false, step: Some(2), by: by() }).expect("the step is skipped");
    assert_eq!(world.serving(), "v1 50 v2 50");
}

/// A person who lets an analysis begin anew gives it its whole time again.
#[test]
fn a_resumed_analysis_has_its_time_again() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(10));
    world.opinions.insert("v2".to_owned(), Opinion::Inconclusive);
    world.run(seconds(1));
    let waits_since = |world: &World| {
        let analyses = world.delivery.analyses();
        analyses.iter().map(|analysis| world.now.since(analysis.waits_since)).collect::<Vec<_>>()
    };
    assert!(waits_since(&world).iter().all(|waited| *waited > seconds(8)), "{:?}", waits_since(&world));
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    let began = world.delivery.analyses()[1].began;
    world.command(&Command::Resume { by: by() }).expect("resumed");
    assert_eq!(waits_since(&world), [seconds(0), seconds(0)]);
    assert_eq!(world.delivery.analyses()[1].began, began, "what was counted before stays");
    // A pause by a person ends no analysis, so nothing begins anew.
    world.run(seconds(3));
    world.command(&Command::Pause { by: by() }).expect("paused");
    world.command(&Command::Resume { by: by() }).expect("resumed");
    assert_eq!(waits_since(&world), [seconds(3), seconds(3)]);
}

#[test]
fn an_inconclusive_analysis_waits_for_a_person() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::Inconclusive);
    world.deploy("v2");
    world.run(seconds(3));
    assert_eq!(world.serving(), "v1 90 v2 10");
    assert!(world.why().contains("promote, resume or abort"), "{}", world.why());
    world.opinions.insert("v2".to_owned(), Opinion::Healthy);
    world.run(seconds(1));
    assert_eq!(world.serving(), "v1 90 v2 10", "a verdict that comes after the pause does not end it");
    world.command(&Command::Resume { by: by() }).expect("resumed");
    world.run(seconds(6));
    assert_eq!(world.serving(), "v2 100");
}

#[test]
fn without_a_stable_instance_the_version_on_trial_serves() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(1));
    for id in world.running("v1") {
        world.set_down(&id, true);
    }
    assert_eq!(world.serving(), "v1 0 v2 100");
    assert!(world.why().contains("no instance of the stable v1 is ready"), "{}", world.why());
    for id in world.running("v1") {
        world.set_down(&id, false);
    }
    assert_eq!(world.serving(), "v1 90 v2 10");
}

#[test]
fn without_progress_a_rollout_is_given_up() {
    const PATIENT: &str = "
apiVersion: shipway.dev/v1
kind: Service
metadata: {name: web}
spec:
  replicas: 2
  command: [./web]
  progressDeadlineSeconds: 20
  healthCheck: {startTimeout: 10m}
  strategy: {canary: {steps: [{setWeight: 50}, {pause: {}}]}}
";
    let mut world = World::with(PATIENT);
    world.deploy("v1");
    world.run(seconds(2));
    world.behaviours.insert("v2".to_owned(), Behaviour::NeverReady);
    world.deploy("v2");
    world.run(seconds(19));
    assert!(world.why().contains("v2 waits for instances: 0 of one instance ready"), "{}", world.why());
    world.run(seconds(3));
    let report = report(&world);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.reason, "no progress for 20.0 s: 0 of 1 instances are ready");
    assert_eq!(world.serving(), "v1 100");
}

#[test]
fn a_deploy_of_what_is_stable_ends_the_rollout_of_another() {
    let mut world = World::live();
    world.opinions.insert("v2".to_owned(), Opinion::NotYet);
    world.deploy("v2");
    world.run(seconds(1));
    world.deploy("v1");
    assert_eq!(world.serving(), "v1 100");
    assert_eq!(report(&world).outcome, Outcome::Superseded);
    world.run(seconds(3));
    assert_eq!(world.all_running(), world.running("v1"));
}
