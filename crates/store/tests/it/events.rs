//! The event log: against a tiny model, and under races.

use crate::support::{Hand, event, folder, run, store};
use proptest::prelude::*;
use shipway_store::{
    Append, Expected, Snapshot, Store, StoreError,
    models::{
        deliveries::{self, DeliveryRow},
        runs,
    },
};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Append { stream: u8, expected: Option<u64>, events: Vec<u8>, once: Option<u8>, guard_fails: bool },
    Snapshot { stream: u8, version: u64 },
    Reopen,
}

/// The whole truth about an event log, in memory.
#[derive(Default)]
struct Model {
    /// Stream and datum, in the global order.
    log: Vec<(u8, u8)>,
    done: BTreeMap<u8, (u64, u64)>,
    snapshots: BTreeMap<u8, u64>,
}

impl Model {
    fn stream(&self, stream: u8) -> Vec<u8> {
        self.log.iter().filter(|(found, _)| *found == stream).map(|(_, datum)| *datum).collect()
    }
}

fn op() -> impl Strategy<Value = Op> {
    let append = (
        0_u8..3,
        proptest::option::of(0_u64..6),
        proptest::collection::vec(any::<u8>(), 0..4),
        proptest::option::weighted(0.3, 0_u8..3),
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(stream, expected, events, once, guard_fails)| Op::Append {
            stream,
            expected,
            events,
            once,
            guard_fails,
        });
    let snapshot = (0_u8..3, 0_u64..6).prop_map(|(stream, version)| Op::Snapshot { stream, version });
    prop_oneof![8 => append, 2 => snapshot, 1 => Just(Op::Reopen)]
}

async fn append(store: &Store, model: &mut Model, op: &Op) -> Result<(), TestCaseError> {
    let Op::Append { stream, expected, events, once, guard_fails } = op else { return Ok(()) };
    let found = model.stream(*stream).len() as u64;
    let mut append = Append::new(&format!("s/{stream}"), expected.map_or(Expected::Any, Expected::Version))
        .events(events.iter().map(|datum| event("test", &[*datum])).collect());
    if let Some(key) = once {
        append = append.once(format!("key {key}"));
    }
    if *guard_fails {
        let nobody = shipway_base::Id::from_number(1).unwrap();
        append = append.models(vec![runs::start(nobody, store.clock().now())]);
    }
    let answer = store.commit(append).await;
    if let Some(done) = once.as_ref().and_then(|key| model.done.get(key)) {
        let appended = answer.unwrap();
        prop_assert_eq!((appended.version, appended.seq, appended.repeated), (done.0, done.1, true));
    } else if expected.is_some_and(|expected| expected != found) {
        let error = answer.unwrap_err();
        prop_assert!(matches!(error, StoreError::Conflict { found: told, .. } if told == found), "{}", error);
    } else if *guard_fails {
        let error = answer.unwrap_err();
        prop_assert!(matches!(error, StoreError::Guard { expected: 1, found: 0, .. }), "{}", error);
    } else {
        let appended = answer.unwrap();
        model.log.extend(events.iter().map(|datum| (*stream, *datum)));
        let now = (found + events.len() as u64, model.log.len() as u64);
        prop_assert_eq!((appended.version, appended.seq, appended.repeated), (now.0, now.1, false));
        model.done.extend(once.map(|key| (key, now)));
    }
    Ok(())
}

async fn compare(store: &Store, model: &Model) -> Result<(), TestCaseError> {
    let all = store.read_all(0, u32::MAX).await.unwrap();
    let log: Vec<(u8, u8)> =
        all.iter().map(|event| (event.stream.as_bytes()[2] - b'0', event.data[0])).collect();
    prop_assert_eq!(&log, &model.log);
    prop_assert!(all.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    prop_assert_eq!(*store.subscribe().borrow(), model.log.len() as u64);
    let after = store.read_all(2, 3).await.unwrap();
    prop_assert_eq!(&after[..], all.iter().skip(2).take(3).cloned().collect::<Vec<_>>());
    for stream in 0..3 {
        let name = format!("s/{stream}");
        let events = store.read(&name, 1).await.unwrap();
        prop_assert!(events.iter().zip(1..).all(|(event, version)| event.version == version));
        prop_assert_eq!(events.iter().map(|event| event.data[0]).collect::<Vec<_>>(), model.stream(stream));
        let (snapshot, rest) = store.load(&name).await.unwrap();
        prop_assert_eq!(
            snapshot.as_ref().map(|snapshot| snapshot.version),
            model.snapshots.get(&stream).copied()
        );
        let from = snapshot.map_or(0, |snapshot| snapshot.version);
        prop_assert_eq!(rest, events.into_iter().filter(|event| event.version > from).collect::<Vec<_>>());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_log_agrees_with_a_model(ops in proptest::collection::vec(op(), 0..25)) {
        let (dir, hand) = (folder(), Hand::new());
        run(async move {
            let mut store = Store::open(dir.path(), hand.clock()).unwrap();
            let mut model = Model::default();
            for op in &ops {
                match op {
                    Op::Append { .. } => append(&store, &mut model, op).await?,
                    Op::Snapshot { stream, version } => {
                        let snapshot = Snapshot { version: *version, data: version.to_le_bytes().to_vec() };
                        store.put_snapshot(&format!("s/{stream}"), snapshot).await.unwrap();
                        let kept = model.snapshots.entry(*stream).or_insert(*version);
                        *kept = (*kept).max(*version);
                        let found = store.snapshot(&format!("s/{stream}")).await.unwrap().unwrap();
                        prop_assert_eq!((found.version, found.data), (*kept, kept.to_le_bytes().to_vec()));
                    }
                    Op::Reopen => {
                        drop(store);
                        store = Store::open(dir.path(), hand.clock()).unwrap();
                    }
                }
            }
            compare(&store, &model).await
        })?;
    }
}

#[test]
fn exactly_one_of_many_racers_wins() {
    let (_dir, store, _) = store();
    run(async move {
        for version in 0..20 {
            let racers: Vec<_> = (0..16)
                .map(|racer: u8| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        let model = deliveries::put(&DeliveryRow {
                            service: "web".to_owned(),
                            version: version + 1,
                            state: racer.to_string(),
                            at: store.clock().now(),
                        });
                        let events = vec![event("race", &[racer])];
                        let answer =
                            store.append("race", Expected::Version(version), events, vec![model]).await;
                        (racer, answer)
                    })
                })
                .collect();
            let mut winners = Vec::new();
            for racer in racers {
                match racer.await.unwrap() {
                    (racer, Ok(appended)) => {
                        assert_eq!(appended.version, version + 1);
                        winners.push(racer);
                    }
                    (_, Err(error)) => assert!(error.is_conflict(), "{error}"),
                }
            }
            assert_eq!(winners.len(), 1, "version {version}");
            // The loser's change of the model was undone with the loser's events.
            let row = store.delivery("web").await.unwrap().unwrap();
            assert_eq!(row.state, winners[0].to_string());
            let events = store.read("race", version + 1).await.unwrap();
            assert_eq!(events.iter().map(|event| event.data.clone()).collect::<Vec<_>>(), [vec![winners[0]]]);
        }
    });
}

#[test]
fn an_idempotency_key_is_forgotten_when_told() {
    let (_dir, store, hand) = store();
    run(async move {
        let once = || Append::new("s", Expected::Any).events(vec![event("x", b"1")]).once("key");
        assert!(!store.commit(once()).await.unwrap().repeated);
        assert!(store.commit(once()).await.unwrap().repeated);
        store.forget_keys(hand.now(), "asked ").await.unwrap();
        assert!(store.commit(once()).await.unwrap().repeated, "only older ones are forgotten");
        hand.advance(std::time::Duration::from_secs(1));
        store.forget_keys(hand.now(), "asked ").await.unwrap();
        assert!(!store.commit(once()).await.unwrap().repeated);
    });
}

#[test]
fn a_subscriber_is_woken_after_the_commit() {
    let (_dir, store, _) = store();
    run(async move {
        let mut seen = store.subscribe();
        assert_eq!(*seen.borrow_and_update(), 0);
        let waiter = tokio::spawn({
            let store = store.clone();
            async move {
                seen.changed().await.unwrap();
                let last = *seen.borrow_and_update();
                store.read_all(0, 10).await.unwrap().len() as u64 == last
            }
        });
        store.append("s", Expected::New, vec![event("x", b"1")], Vec::new()).await.unwrap();
        assert!(waiter.await.unwrap());
    });
}

#[test]
fn an_event_needs_a_stream() {
    let (_dir, store, _) = store();
    let error = run(store.append("", Expected::Any, Vec::new(), Vec::new())).unwrap_err();
    assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
}

#[test]
fn work_goes_on_when_its_caller_stops_waiting() {
    let (_dir, store, _) = store();
    run(async move {
        for number in 0..50_u8 {
            let append = store.append("s", Expected::Any, vec![event("x", &[number])], Vec::new());
            // Polled once and dropped: it may or may not have reached the writer, but is never half done.
            let _ = tokio::time::timeout(std::time::Duration::ZERO, append).await;
        }
        store.append("s", Expected::Any, vec![event("last", b"")], Vec::new()).await.unwrap();
        let events = store.read("s", 1).await.unwrap();
        assert!(events.iter().zip(1..).all(|(event, version)| event.version == version));
        assert_eq!(events.last().map(|event| event.kind.as_str()), Some("last"));
    });
}
