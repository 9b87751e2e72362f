//! Job logs: against a model, torn, damaged, and read while they grow.

use crate::support::folder;
use proptest::prelude::*;
use shipway_base::Timestamp;
use shipway_store::{LogLine, LogName, Logs, Search, StoreError};
use std::{fs, path::Path, sync::mpsc};

fn name() -> LogName {
    LogName::job(7, "build/3", 1).unwrap()
}

fn at(number: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + number as i64)
}

/// Lines with enough text that a few hundred make several frames.
fn text(number: u64) -> String {
    format!("line {number} {}", "lorem ipsum dolor sit amet ".repeat((number % 40) as usize))
}

/// Writes lines `1..=count`, one batch after the other.
fn write(logs: &Logs, count: u64, batch: u64) {
    let mut writer = logs.writer(&name()).unwrap();
    let mut number = writer.lines();
    while number < count {
        let texts: Vec<String> = (number + 1..=(number + batch).min(count)).map(text).collect();
        number += texts.len() as u64;
        writer.append(at(0), 1, texts.iter().map(String::as_str)).unwrap();
        assert_eq!(writer.lines(), number);
    }
}

fn check_lines(lines: &[LogLine], from: u64) {
    for (line, number) in lines.iter().zip(from..) {
        assert_eq!((line.number, &line.text), (number, &text(number)));
    }
}

fn segment(dir: &Path, extension: &str) -> std::path::PathBuf {
    dir.join(format!("7/build.3@1.{extension}"))
}

#[test]
fn any_range_can_be_read() {
    let dir = folder();
    let logs = Logs::open(dir.path()).unwrap();
    write(&logs, 2_000, 7);
    let mut reader = logs.reader(&name()).unwrap();
    assert_eq!(reader.lines(), 2_000);
    assert!(fs::metadata(segment(dir.path(), "tail")).unwrap().len() > 0, "both files are in play");
    for (from, count) in
        [(1, 10), (1, 2_000), (1, 5_000), (731, 600), (1_999, 10), (2_000, 1), (2_001, 5), (0, 3)]
    {
        let lines = reader.range(from, count).unwrap();
        let begin = from.max(1);
        assert_eq!(lines.len(), count.min((2_001 - begin.min(2_001)) as usize), "{from} {count}");
        check_lines(&lines, begin);
    }
    check_lines(&reader.last(50).unwrap(), 1_951);
    assert_eq!(reader.last(9_999).unwrap().len(), 2_000);
    assert_eq!(logs.reader(&LogName::job(7, "other", 1).unwrap()).unwrap().lines(), 0);
}

#[test]
fn a_finished_log_is_small_and_can_go_on() {
    let dir = folder();
    let logs = Logs::open(dir.path()).unwrap();
    write(&logs, 1_000, 100);
    logs.writer(&name()).unwrap().finish().unwrap();
    assert_eq!(fs::metadata(segment(dir.path(), "tail")).unwrap().len(), 0);
    let raw: usize = (1..=1_000).map(|number| text(number).len()).sum();
    let stored = fs::metadata(segment(dir.path(), "seg")).unwrap().len();
    assert!(stored * 10 < raw as u64, "{stored} of {raw} bytes");
    write(&logs, 1_200, 100);
    check_lines(&logs.reader(&name()).unwrap().range(1, 2_000).unwrap(), 1);
    logs.remove(&name()).unwrap();
    assert_eq!(logs.reader(&name()).unwrap().lines(), 0);
    logs.remove(&name()).unwrap();
}

#[test]
fn lines_keep_their_step_and_instant_and_breaks_split() {
    let dir = folder();
    let logs = Logs::open(dir.path()).unwrap();
    let mut writer = logs.writer(&name()).unwrap();
    writer.append(at(1), 0, ["one\ntwo", ""]).unwrap();
    writer.append(at(2), 5, ["\u{1b}[31mrot\u{1b}[0m Ä"]).unwrap();
    let line = |number, at, step, text: &str| LogLine { number, at, step, text: text.to_owned() };
    let expect = [
        line(1, at(1), 0, "one"),
        line(2, at(1), 0, "two"),
        line(3, at(1), 0, ""),
        line(4, at(2), 5, "\u{1b}[31mrot\u{1b}[0m Ä"),
    ];
    assert_eq!(logs.reader(&name()).unwrap().range(1, 9).unwrap(), expect);
    writer.finish().unwrap();
    assert_eq!(logs.reader(&name()).unwrap().range(1, 9).unwrap(), expect);
}

#[test]
fn a_search_counts_exactly_over_frames_and_tail() {
    let dir = folder();
    let logs = Logs::open(dir.path()).unwrap();
    write(&logs, 2_000, 13);
    let mut reader = logs.reader(&name()).unwrap();
    let search = Search { text: "LINE 19".to_owned(), from: 1_000, limit: 3 };
    let found = reader.search(&search).unwrap();
    let hits: Vec<u64> = (1..=2_000).filter(|number: &u64| text(*number).contains("line 19")).collect();
    assert_eq!(found.total, hits.len() as u64);
    assert_eq!(found.before, hits.iter().filter(|hit| **hit < 1_000).count() as u64);
    assert_eq!(found.lines, [1_900, 1_901, 1_902]);
    assert_eq!(found.searched, 2_000);
}

#[test]
fn damage_inside_is_told_apart_from_a_torn_end() {
    let dir = folder();
    let logs = Logs::open(dir.path()).unwrap();
    write(&logs, 3_000, 500);
    let path = segment(dir.path(), "seg");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut reader = logs.reader(&name()).unwrap();
    let error = reader.range(1, 10).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(reader.last(1).unwrap().len(), 1, "the rest can still be read");
}

#[test]
fn a_reader_never_misses_what_was_acknowledged() {
    let dir = folder();
    let logs = Logs::open(dir.path()).unwrap();
    let (acknowledge, acknowledged) = mpsc::channel();
    let writer = std::thread::spawn({
        let logs = logs.clone();
        move || {
            let mut writer = logs.writer(&name()).unwrap();
            for number in 1..=4_000 {
                writer.append(at(0), 1, [text(number).as_str()]).unwrap();
                if acknowledge.send(number).is_err() {
                    return;
                }
            }
            writer.finish().unwrap();
        }
    });
    let mut reads = 0;
    while let Ok(number) = acknowledged.recv() {
        let number = acknowledged.try_iter().last().unwrap_or(number);
        let mut reader = logs.reader(&name()).unwrap();
        let lines = reader.range(number.saturating_sub(20).max(1), usize::MAX).unwrap();
        assert!(lines.last().is_some_and(|last| last.number >= number), "line {number} is missing");
        check_lines(&lines, number.saturating_sub(20).max(1));
        reads += 1;
    }
    writer.join().unwrap();
    assert!(reads > 1);
}

#[derive(Clone, Debug)]
enum Harm {
    /// Both files are cut at this part of their length, in thousandths.
    Cut(bool, u64),
    /// A byte near the end is changed, as when only some of the last write's pages reached the disk.
    Flip(bool, u64),
    /// What looks like a beginning of a write follows.
    Junk(bool, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<bool>(), 0_u64..1_000).prop_map(|(segment, at)| Harm::Cut(segment, at)),
        (any::<bool>(), 1_u64..200).prop_map(|(segment, back)| Harm::Flip(segment, back)),
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 1..100))
            .prop_map(|(segment, bytes)| Harm::Junk(segment, bytes)),
    ]
}

fn apply(dir: &Path, harm: &Harm) {
    let path = |of_segment: bool| segment(dir, if of_segment { "seg" } else { "tail" });
    let (Harm::Cut(file, _) | Harm::Flip(file, _) | Harm::Junk(file, _)) = harm;
    let mut bytes = fs::read(path(*file)).unwrap();
    match harm {
        Harm::Cut(_, at) => bytes.truncate((bytes.len() as u64 * at / 1_000) as usize),
        Harm::Flip(_, back) => {
            if let Some(at) = (bytes.len() as u64).checked_sub(*back) {
                bytes[at as usize] ^= 0x55;
            }
        }
        Harm::Junk(_, junk) => bytes.extend(junk),
    }
    fs::write(path(*file), bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_torn_a_whole_beginning_is_left(
        count in 1_u64..1_200, batch in 1_u64..300, harms in proptest::collection::vec(harm(), 1..3),
    ) {
        let dir = folder();
        let logs = Logs::open(dir.path()).unwrap();
        write(&logs, count, batch);
        harms.iter().for_each(|harm| apply(dir.path(), harm));
        // Opening for writing cuts off what is not whole.
        let left = logs.writer(&name()).unwrap().lines();
        prop_assert!(left <= count);
        let only_junk = harms.iter().all(|harm| matches!(harm, Harm::Junk(..)));
        prop_assert!(!only_junk || left == count, "junk after the end costs nothing");
        write(&logs, count + 50, 20);
        let mut reader = logs.reader(&name()).unwrap();
        prop_assert_eq!(reader.lines(), count + 50);
        let lines = reader.range(1, usize::MAX).unwrap();
        prop_assert_eq!(lines.len() as u64, count + 50);
        check_lines(&lines, 1);
    }
}
