//! Rows of events: every value survives, and stored bytes never change.

use proptest::{prelude::*, sample::select};
use shipway_analysis::{ArmCount, ArmTotals, Evidence, FirstEvents, Histogram, Signal};
use shipway_base::{Digest, Id, Share, Source, Timestamp};
use shipway_rollout::delivery::{
    AbortCause, ArmReport, Event, Exit, Failure, FailureKind, HealthResponse, Outcome, PauseCause, Release,
    Report, RolloutKind, Spec, StepEnd,
};
use shipway_store::{
    StoreError,
    models::values::ValueKind,
    rows::{
        Specs, delivery,
        run::{self, Created, RunEvent},
        value,
    },
};
use shipway_workflow::{
    Texts,
    run::{Conclusion, Input, JobKey, KeptJob},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const DOCUMENT: &str =
    "apiVersion: shipway.dev/v1\nkind: Service\nmetadata: {name: web}\nspec:\n  command: [\"./web\"]\n";

/// Rows as version 1 wrote them, one a line. They are never changed, only added to.
const PINNED: &str = include_str!("rows_v1.jsonl");

fn text() -> impl Strategy<Value = String> + Clone {
    "\\PC{0,6}"
}

fn words() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(text(), 0..3)
}

fn counts() -> impl Strategy<Value = BTreeMap<String, u64>> {
    proptest::collection::btree_map(text(), any::<u64>(), 0..3)
}

fn id<T>() -> impl Strategy<Value = Id<T>> {
    (1..i64::MAX).prop_map(|number| Id::from_number(number).unwrap())
}

fn at() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn duration() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn share() -> impl Strategy<Value = Share> {
    (0_u16..=10_000).prop_map(Share::basis_points)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn first_events() -> impl Strategy<Value = FirstEvents> {
    let count = (any::<u64>(), any::<u64>()).prop_map(|(stable, canary)| ArmCount { stable, canary });
    proptest::collection::btree_map(share(), count, 0..3).prop_map(|by_share| FirstEvents { by_share })
}

fn totals() -> impl Strategy<Value = ArmTotals> {
    let latency =
        proptest::collection::vec((0..Histogram::BUCKETS, 1_u64..1_000), 0..4).prop_map(|buckets| {
            let mut counts = vec![0; Histogram::BUCKETS];
            buckets.into_iter().for_each(|(bucket, count)| counts[bucket] = count);
            Histogram::from_counts(counts)
        });
    (any::<[u64; 3]>(), counts(), latency).prop_map(|([requests, failures, clients], causes, latency)| {
        ArmTotals { requests, failures, clients, causes, latency }
    })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let first = proptest::collection::btree_map(select(&Signal::ALL[..]), first_events(), 0..4);
    (any::<[u64; 3]>(), first, totals(), totals(), any::<Option<[u64; 3]>>()).prop_map(
        |([epoch, excluded, uncounted], first, stable, canary, thresholds_us)| Evidence {
            epoch,
            first,
            stable,
            canary,
            thresholds_us,
            excluded,
            uncounted,
        },
    )
}

fn release() -> impl Strategy<Value = Release> {
    let spec = Arc::new(Spec::parse(&Source::new("shipway.yaml", DOCUMENT), "web").unwrap());
    (id(), text(), digest()).prop_map(move |(id, version, digest)| Release {
        id,
        version,
        digest,
        spec: Arc::clone(&spec),
    })
}

fn health() -> impl Strategy<Value = Option<HealthResponse>> {
    let response = (at(), any::<Option<u16>>(), text(), any::<bool>())
        .prop_map(|(at, status, text, healthy)| HealthResponse { at, status, text, healthy });
    proptest::option::of(response)
}

fn failure() -> impl Strategy<Value = Failure> {
    let exit = prop_oneof![
        any::<i32>().prop_map(Exit::Code),
        any::<i32>().prop_map(Exit::Signal),
        Just(Exit::Unknown)
    ];
    let kind = prop_oneof![
        exit.prop_map(FailureKind::Exited),
        text().prop_map(|reason| FailureKind::CannotStart { reason }),
        duration().prop_map(|within| FailureKind::NeverReady { within }),
        duration().prop_map(|lasted| FailureKind::Unhealthy { lasted }),
        Just(FailureKind::Lost),
    ];
    (kind, health(), words(), duration()).prop_map(|(kind, health, last_lines, ready_for)| Failure {
        kind,
        health,
        last_lines,
        ready_for,
    })
}

fn arm() -> impl Strategy<Value = ArmReport> {
    (any::<[u64; 3]>(), counts(), any::<[u64; 3]>()).prop_map(
        |([requests, errors, clients], causes, latency_us)| ArmReport {
            requests,
            errors,
            clients,
            causes,
            latency_us,
        },
    )
}

fn report() -> impl Strategy<Value = Report> {
    let outcome = select(&[Outcome::Promoted, Outcome::RolledBack, Outcome::Failed, Outcome::Superseded][..]);
    let what = (id(), id(), text(), digest(), outcome, text(), words());
    let when = (at(), at(), share(), proptest::option::of(duration()));
    let found = (arm(), arm(), proptest::collection::vec(failure(), 0..2), any::<[u32; 2]>());
    (what, when, found).prop_map(|(what, when, found)| {
        let (rollout, release, version, digest, outcome, reason, words) = what;
        let (started_at, finished_at, largest_share, verdict_after) = when;
        let (canary, stable, failures, [flaps, evidence_lost]) = found;
        Report {
            rollout,
            release,
            version,
            digest,
            outcome,
            reason,
            words,
            started_at,
            finished_at,
            largest_share,
            verdict_after,
            canary,
            stable,
            failures,
            flaps,
            evidence_lost,
        }
    })
}

fn step_end() -> impl Strategy<Value = StepEnd> {
    prop_oneof![
        share().prop_map(|share| StepEnd::WeightReached { share }),
        duration().prop_map(|duration| StepEnd::PauseElapsed { duration }),
        words().prop_map(|words| StepEnd::Healthy { words }),
        text().prop_map(|by| StepEnd::Skipped { by }),
    ]
}

fn abort_cause() -> impl Strategy<Value = AbortCause> {
    prop_oneof![
        (text(), proptest::option::of(text())).prop_map(|(by, reason)| AbortCause::By { by, reason }),
        (text(), text(), text()).prop_map(|(analysis, metric, reason)| AbortCause::Regressed {
            analysis,
            metric,
            reason
        }),
        any::<u32>().prop_map(|deaths| AbortCause::CrashLoop { deaths }),
        duration().prop_map(|within| AbortCause::NeverReady { within }),
        text().prop_map(|reason| AbortCause::CannotStart { reason }),
        (duration(), any::<[u32; 2]>()).prop_map(|(deadline, [ready, wanted])| {
            AbortCause::ProgressDeadline { deadline, ready, wanted }
        }),
    ]
}

fn delivery_event() -> impl Strategy<Value = Event> {
    let kind = select(&[RolloutKind::First, RolloutKind::Canary, RolloutKind::Undo][..]);
    let known = || proptest::option::of(evidence().prop_map(Box::new));
    let cause = prop_oneof![
        text().prop_map(|by| PauseCause::By { by }),
        (text(), words()).prop_map(|(metric, words)| PauseCause::Inconclusive { metric, words }),
    ];
    let rollout = prop_oneof![
        (id(), release(), kind, text()).prop_map(|(rollout, release, kind, by)| {
            Event::RolloutStarted { rollout, release: Box::new(release), kind, by }
        }),
        (any::<u32>(), step_end(), known()).prop_map(|(step, because, baseline)| Event::StepEntered {
            step: step as usize,
            because,
            baseline
        }),
        share().prop_map(|share| Event::WeightSet { share }),
        cause.prop_map(|cause| Event::Paused { cause }),
        text().prop_map(|by| Event::Resumed { by }),
        text().prop_map(|by| Event::FullyPromoted { by }),
        (abort_cause(), words()).prop_map(|(cause, words)| Event::Aborted { cause, words }),
        words().prop_map(|words| Event::Promoted { words }),
        report().prop_map(|report| Event::Finished { report: Box::new(report) }),
        any::<u64>().prop_map(|epoch| Event::CountingBegan { epoch }),
        (any::<u64>(), text(), known()).prop_map(|(epoch, reason, known)| Event::EvidenceLost {
            epoch,
            reason,
            known
        }),
    ];
    let instance = prop_oneof![
        (text(), id()).prop_map(|(instance, release)| Event::InstanceRequested { instance, release }),
        text().prop_map(|instance| Event::InstanceReady { instance }),
        (text(), health()).prop_map(|(instance, health)| Event::InstanceUnready { instance, health }),
        (text(), failure())
            .prop_map(|(instance, failure)| Event::InstanceFailed { instance, failure: Box::new(failure) }),
        text().prop_map(|instance| Event::InstanceDraining { instance }),
        text().prop_map(|instance| Event::InstanceStopped { instance }),
    ];
    prop_oneof![2 => rollout, 1 => instance]
}

fn run_event() -> impl Strategy<Value = RunEvent> {
    let job = || text().prop_map(JobKey);
    let conclusion =
        select(&[Conclusion::Success, Conclusion::Failure, Conclusion::Cancelled, Conclusion::Skipped][..]);
    let outputs = proptest::collection::vec((text(), text()), 0..3).prop_map(Texts::from_iter);
    let input = prop_oneof![
        Just(Input::Start),
        (job(), any::<u32>()).prop_map(|(job, attempt)| Input::JobStarted { job, attempt }),
        (job(), any::<u32>(), conclusion, outputs.clone()).prop_map(|(job, attempt, conclusion, outputs)| {
            Input::JobFinished { job, attempt, conclusion, outputs }
        }),
        (job(), any::<u32>(), text()).prop_map(|(job, attempt, reason)| Input::JobLost {
            job,
            attempt,
            reason
        }),
        (job(), any::<u32>(), text()).prop_map(|(job, attempt, reason)| Input::JobInterrupted {
            job,
            attempt,
            reason
        }),
        text().prop_map(|reason| Input::Cancel { reason }),
    ];
    let kept = (outputs.clone(), any::<Option<String>>(), proptest::option::of(at()), at(), any::<u32>())
        .prop_map(|(outputs, matrix, started, finished, attempt)| KeptJob {
            conclusion: Conclusion::Cancelled,
            outputs,
            reason: matrix.clone(),
            started,
            finished,
            attempt,
            from: attempt,
            matrix,
        });
    let kept = proptest::collection::btree_map(job(), kept, 0..3);
    let created = (text(), text(), any::<i64>(), any::<bool>(), kept).prop_map(
        |(path, workflow, number, yes, kept)| {
            RunEvent::Created(Box::new(Created {
                path,
                workflow,
                event: "push".to_owned(),
                payload: serde_json::json!({"z": number, "a": [yes, null, 1.5]}).to_string(),
                reference: "refs/heads/main".to_owned(),
                sha: "0".repeat(40),
                github: serde_json::json!({"run_id": number.to_string()}).into(),
                vars: serde_json::json!({}),
                inputs: serde_json::Value::Null,
                called: if yes {
                    BTreeMap::from([("o/r/w.yml@v1".to_owned(), "on: x".to_owned())])
                } else {
                    BTreeMap::new()
                },
                commits: if yes {
                    BTreeMap::from([("o/r/w.yml@v1".to_owned(), "1".repeat(40))])
                } else {
                    BTreeMap::new()
                },
                fetching: yes && number % 2 == 0,
                kept,
            }))
        },
    );
    let texts = || proptest::collection::btree_map(text(), text(), 0..3);
    let called = (texts(), texts()).prop_map(|(texts, commits)| RunEvent::Called { texts, commits });
    prop_oneof![4 => input.prop_map(RunEvent::Input), 1 => created, 1 => called]
}

#[test]
fn called_documents_of_before_their_commits_were_kept_are_read() {
    let old = r#"{"v":1,"row":{"called":{"o/r/w.yml@v1":"on: x"}}}"#;
    let texts = BTreeMap::from([("o/r/w.yml@v1".to_owned(), "on: x".to_owned())]);
    let again = run::decode("run.called", old.as_bytes()).unwrap();
    assert_eq!(again, RunEvent::Called { texts, commits: BTreeMap::new() });
}

proptest! {
    #[test]
    fn run_events_survive(event in run_event()) {
        let row = run::encode(&event).unwrap();
        let again = run::decode(&row.kind, &row.data).unwrap();
        if let (
            RunEvent::Input(Input::JobFinished { outputs, .. }),
            RunEvent::Input(Input::JobFinished { outputs: kept, .. }),
        ) = (&event, &again)
        {
            prop_assert!(outputs.iter().eq(kept), "their order is lost: {:?} {:?}", outputs, kept);
        }
        prop_assert_eq!(again, event);
    }

    #[test]
    fn delivery_events_survive(event in delivery_event()) {
        let row = delivery::encode(&event).unwrap();
        prop_assert_eq!(delivery::decode(&row.kind, &row.data, &mut Specs::new()).unwrap(), event);
    }

    #[test]
    fn evidence_survives(evidence in evidence()) {
        let data = delivery::encode_evidence(&evidence).unwrap();
        prop_assert_eq!(delivery::decode_evidence(&data).unwrap(), evidence);
    }

    #[test]
    fn damaged_rows_are_errors_and_never_panics(event in delivery_event(), at in any::<usize>(), byte in any::<u8>()) {
        let mut row = delivery::encode(&event).unwrap();
        let at = at % row.data.len();
        row.data[at] = byte;
        // A changed byte inside a text is another text; everything else is an error.
        if let Err(error) = delivery::decode(&row.kind, &row.data, &mut Specs::new()) {
            prop_assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Newer { .. }), "{}", error);
        }
    }
}

#[test]
fn stored_bytes_never_change() {
    let mut kinds = BTreeSet::new();
    let mut specs = Specs::new();
    for line in PINNED.lines() {
        let (kind, data) = line.split_once(' ').unwrap();
        let again = if kind.starts_with("run.") {
            run::encode(&run::decode(kind, data.as_bytes()).unwrap()).unwrap()
        } else if let Some((word, change)) = kind.split_once('.').filter(|(word, _)| *word != "delivery") {
            let of = if word == "secret" { ValueKind::Secret } else { ValueKind::Variable };
            value::encode(of, change == "set", &value::decode(kind, data.as_bytes()).unwrap()).unwrap()
        } else {
            delivery::encode(&delivery::decode(kind, data.as_bytes(), &mut specs).unwrap()).unwrap()
        };
        assert_eq!((again.kind.as_str(), String::from_utf8(again.data).unwrap().as_str()), (kind, data));
        kinds.insert(kind);
    }
    assert_eq!(kinds.len(), 6 + 16 + 4 + 1, "every kind of event is pinned: {kinds:?}");
}

#[test]
fn a_row_of_a_later_version_is_refused_by_name() {
    let error = run::decode("run.start", br#"{"v":2,"row":{"input":{"is":"start"}}}"#).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
    assert_eq!(error.code(), "SW0604");
    let error = delivery::decode_evidence(br#"{"v":7,"row":{}}"#).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 7, .. }), "{error}");
    let unknown = br#"{"v":1,"row":{"is":"teleported","to":"mars"}}"#;
    let error = delivery::decode("delivery.teleported", unknown, &mut Specs::new()).unwrap_err();
    assert!(error.to_string().contains("delivery.teleported is damaged: unknown variant"), "{error}");
}

#[test]
fn a_document_that_cannot_be_read_any_more_says_so() {
    let row = format!(
        r#"{{"v":1,"row":{{"is":"rollout_started","rollout":1,"release":{{"id":1,"version":"v1","digest":"{}","service":"web","spec_name":"shipway.yaml","spec":"kind: Nothing"}},"kind":{{"is":"first"}},"by":"x"}}}}"#,
        Digest::of(b"")
    );
    let error = delivery::decode("delivery.rollout_started", row.as_bytes(), &mut Specs::new()).unwrap_err();
    assert!(
        error.to_string().starts_with("the stored document of service web is damaged: shipway.yaml:"),
        "{error}"
    );
}

/// The body of an event may be large, and may hold numbers that are no doubles.
#[test]
fn the_body_of_an_event_is_stored_as_it_is() {
    let body = r#"{"id":18446744073709551615,"a":[1.10,"\u00e4"]}"#;
    let row = format!(
        r#"{{"v":1,"row":{{"created":{{"path":"","workflow":"","event":"push","payload":{body},"reference":"","sha":"","github":{},"vars":null,"inputs":null}}}}}}"#,
        r#"{"event":null,"sha":"1"}"#,
    );
    let read = run::decode("run.created", row.as_bytes()).expect("the row");
    assert_eq!(String::from_utf8(run::encode(&read).expect("a row").data).expect("JSON"), row);
    let RunEvent::Created(mut created) = read else { panic!("{row}") };
    assert_eq!(created.payload, body);
    assert_eq!(created.github, serde_json::json!({"event": null, "sha": "1"}).into());
    created.payload = "{".to_owned();
    assert!(run::encode(&RunEvent::Created(created)).is_err(), "it is no JSON");
}
