//! A full disk: a clear error, nothing half-written, and on it goes once there is space.

use crate::support::{Hand, event, folder, run};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shipway_base::{Clock, Timestamp};
use shipway_store::{
    Expected, LogName, Options, Store, StoreError,
    models::deliveries::{self, DeliveryRow},
};
use std::{path::Path, process::Command};

/// Names the folder that the child works in; without it the child does nothing.
const FOLDER: &str = "SHIPWAY_STORE_FULL_FOLDER";

#[test]
fn a_write_that_does_not_fit_is_refused_whole() {
    let (dir, hand) = (folder(), Hand::new());
    let options = Options { max_pages: Some(200), ..Options::default() };
    let store = Store::open_with(dir.path(), hand.clock(), options).unwrap();
    run(async move {
        store.append("s", Expected::New, vec![event("small", b"1")], Vec::new()).await.unwrap();
        // Large and small writes at once, so that they share groups.
        let writes: Vec<_> = (0..40)
            .map(|number: u64| {
                let store = store.clone();
                tokio::spawn(async move {
                    let large = number.is_multiple_of(2);
                    let size = if large { 2_000_000 } else { 100 };
                    let model = deliveries::put(&DeliveryRow {
                        service: format!("service {number}"),
                        version: 1,
                        state: String::new(),
                        at: store.clock().now(),
                    });
                    let events = vec![event("first", b"1"), event("second", &vec![7; size])];
                    (large, store.append(&format!("t/{number}"), Expected::New, events, vec![model]).await)
                })
            })
            .collect();
        for write in writes {
            let (large, answer) = write.await.unwrap();
            match answer {
                Ok(_) => assert!(!large),
                Err(error) => assert!(large && error.is_full(), "{error}"),
            }
        }
        for number in 0..40_u64 {
            let events = store.read(&format!("t/{number}"), 1).await.unwrap();
            let row = store.delivery(&format!("service {number}")).await.unwrap();
            let kept = number % 2 == 1;
            assert_eq!((events.len(), row.is_some()), if kept { (2, true) } else { (0, false) });
        }
        // Until really nothing fits, and then with more space.
        let mut written = 0;
        let error = loop {
            match store
                .append("fill", Expected::Version(written), vec![event("x", &[1; 1_000])], Vec::new())
                .await
            {
                Ok(appended) => written = appended.version,
                Err(error) => break error,
            }
        };
        assert!(error.is_full() && error.code() == "SW0602", "{error}");
        drop(store);
        let store = Store::open(dir.path(), hand.clock()).unwrap();
        assert_eq!(store.read("fill", 1).await.unwrap().len() as u64, written);
        store
            .append("fill", Expected::Version(written), vec![event("x", &[1; 9_000])], Vec::new())
            .await
            .unwrap();
    });
}

fn log() -> LogName {
    LogName::job(1, "build", 1).unwrap()
}

/// Lets no file of this process grow beyond `bytes`.
fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

#[test]
#[ignore = "the child of the full disk test, which limits its own files"]
#[expect(clippy::disallowed_methods, reason = "the only way to tell a test binary something")]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let clock = Clock::new(|| Timestamp::from_millis(1_700_000_000_000));
    let store = Store::open(Path::new(&folder), clock).unwrap();
    limit(Some(600_000));
    run(async {
        let mut version = 0;
        let error = loop {
            let events = vec![event("x", &[version as u8; 3_000])];
            match store.append("s", Expected::Version(version), events, Vec::new()).await {
                Ok(appended) => version = appended.version,
                Err(error) => break error,
            }
        };
        assert!(error.is_full(), "{error:?}");
        assert!(version > 10);
        assert_eq!(store.read("s", 1).await.unwrap().len() as u64, version, "reading goes on");
        blobs_and_logs(&store);
        limit(None);
        let events = vec![event("x", &[version as u8; 3_000])];
        store.append("s", Expected::Version(version), events, Vec::new()).await.unwrap();
        store.blobs().put(&vec![1; 1_000_000]).unwrap();
        let mut writer = store.logs().writer(&log()).unwrap();
        writer.append(store.clock().now(), 0, ["after"]).unwrap();
        let last = store.logs().reader(&log()).unwrap().last(1).unwrap();
        assert_eq!(last[0].text, "after");
    });
}

fn blobs_and_logs(store: &Store) {
    let error = store.blobs().put(&vec![1; 1_000_000]).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    let mut writer = store.logs().writer(&log()).unwrap();
    // Text that does not compress, in batches around the size of a frame.
    let mut state = 1_u64;
    let error = loop {
        let texts: Vec<String> = (0..300)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (0..8)
                    .map(|turn| format!("{:016x}", state.rotate_left(turn * 8).wrapping_mul(state | 1)))
                    .collect()
            })
            .collect();
        if let Err(error) = writer.append(store.clock().now(), 0, texts.iter().map(String::as_str)) {
            break error;
        }
    };
    assert!(error.is_full(), "{error:?}");
    let kept = writer.lines();
    let mut reader = store.logs().reader(&log()).unwrap();
    assert_eq!(reader.lines(), kept, "readers see exactly what was kept");
    assert_eq!(reader.range(1, usize::MAX).unwrap().len() as u64, kept);
    // A full segment does not keep short lines out of the tail.
    writer.append(store.clock().now(), 0, ["short"]).unwrap();
    assert_eq!(store.logs().reader(&log()).unwrap().lines(), kept + 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the limit holds for a whole process")]
fn files_that_may_not_grow_are_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    // The shell makes the child ignore the signal that goes with the limit, so that writes fail instead.
    let output = Command::new("bash")
        .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
