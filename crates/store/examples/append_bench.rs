//! Appending with full durability: 100,000 events from 64 tasks through the store, beside one transaction an event
//! on a bare SQLite connection, in one run on one disk. What counts is the ratio.
//!
//! Both append to the same schema with the same check of the expected version and a flush before each answer. Disks
//! change their mind from minute to minute, so the baseline is measured before and after.

use anyhow::{Context as _, Result};
use rusqlite::{Connection, TransactionBehavior};
use shipway_base::{Clock, Timestamp};
use shipway_store::{Expected, NewEvent, Store};
use std::{path::Path, sync::Arc, time::Instant};

const EVENTS: u64 = 100_000;
const TASKS: u64 = 64;

/// The baseline flushes for every event, so that fewer must do.
const BASELINE: u64 = 1_000;

const DATA: &[u8] =
    br#"{"v":1,"row":{"is":"instance_ready","instance":"web-1-0123456789","padding":"0123456789"}}"#;

#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
fn main() -> Result<()> {
    // The working directory's disk, not the temporary one, which is often memory.
    let dir = tempfile::tempdir_in(".")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let before = baseline(&dir.path().join("before"))?;
    let (grouped, alone) = runtime.block_on(through_the_store(&dir.path().join("store")))?;
    let after = baseline(&dir.path().join("after"))?;
    let bare = (before + after) / 2.0;
    println!("{EVENTS} events, {TASKS} tasks, flushed before each answer");
    println!("store, {TASKS} tasks        {grouped:>10.0} events/s");
    println!("store, one task         {alone:>10.0} events/s");
    println!("one transaction each    {bare:>10.0} events/s (before {before:.0}, after {after:.0})");
    println!("ratio, {TASKS} tasks        {:>10.1} times one transaction each", grouped / bare);
    println!("ratio, one task         {:>10.2} times one transaction each", alone / bare);
    Ok(())
}

/// Events a second from many tasks, and from one.
async fn through_the_store(dir: &Path) -> Result<(f64, f64)> {
    let store = Store::open(dir, clock())?;
    let grouped = rate(EVENTS, async || {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let count = EVENTS / TASKS + u64::from(task < EVENTS % TASKS);
                tokio::spawn(append(store.clone(), format!("bench/{task}"), count))
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        Ok(())
    })
    .await?;
    let last = store.read_all(EVENTS - 1, 10).await?;
    anyhow::ensure!(last.len() == 1 && last[0].seq == EVENTS, "the log holds exactly what was appended");
    let alone =
        rate(BASELINE, async || append(store.clone(), "bench/alone".to_owned(), BASELINE).await).await?;
    Ok((grouped, alone))
}

async fn append(store: Store, stream: String, count: u64) -> Result<()> {
    for version in 0..count {
        let event = NewEvent { kind: "delivery.instance_ready".to_owned(), data: DATA.to_vec() };
        store.append(&stream, Expected::Version(version), vec![event], Vec::new()).await?;
    }
    Ok(())
}

/// Events a second with one transaction each on a bare connection.
fn baseline(dir: &Path) -> Result<f64> {
    drop(Store::open(dir, clock())?);
    let mut connection = Connection::open(dir.join("shipway.db"))?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    let start = now();
    for version in 1..=BASELINE {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: u64 = transaction
            .prepare_cached("SELECT coalesce(max(version), 0) FROM events WHERE stream = ?1")?
            .query_row(["bench"], |row| row.get::<_, i64>(0))?
            .cast_unsigned();
        anyhow::ensure!(found + 1 == version, "nobody else appends");
        transaction
            .prepare_cached(
                "INSERT INTO events (stream, version, kind, data, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(("bench", version.cast_signed(), "delivery.instance_ready", DATA, 0))?;
        transaction.commit()?;
    }
    per_second(BASELINE, start)
}

async fn rate(count: u64, work: impl AsyncFnOnce() -> Result<()>) -> Result<f64> {
    let start = now();
    work().await?;
    per_second(count, start)
}

fn per_second(count: u64, start: Instant) -> Result<f64> {
    let seconds = start.elapsed().as_secs_f64();
    (seconds > 0.0).then_some(count as f64 / seconds).context("the clock stood still")
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

fn clock() -> Clock {
    let steps = Arc::new(std::sync::atomic::AtomicI64::new(0));
    Clock::new(move || Timestamp::from_micros(steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
}
