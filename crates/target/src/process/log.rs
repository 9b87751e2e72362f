//! What instances write: a file each, that the instance itself appends to, so that nothing is lost when this program
//! dies. The file is bounded by giving its beginning back to the file system while its offsets stay: the instance goes
//! on appending and no line of the end is ever lost.

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// The most lines that are shown.
pub(super) const LINES: usize = 20;
/// How far back they are looked for.
const BACK: u64 = 32 * 1024;
/// The most characters of one line.
const WIDTH: usize = 500;

/// Opens a log for appending.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines of a log, at most [`LINES`], without control characters.
pub(super) fn last_lines(path: &Path) -> Vec<String> {
    let mut text = end_of(&previous(path), BACK).unwrap_or_default();
    text.push_str(&end_of(path, BACK).unwrap_or_default());
    let lines: Vec<String> =
        text.trim_start_matches('\0').lines().filter(|line| !line.trim().is_empty()).map(plain).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

/// Keeps a log from taking more than `limit` bytes of disk: beyond that, only its later half stays.
pub(super) fn bound(path: &Path, limit: u64) -> io::Result<()> {
    let data = fs::metadata(path)?;
    // Blocks are counted in units of 512 bytes, whatever the file system's own are.
    if data.blocks().saturating_mul(512).min(data.len()) <= limit {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path)?;
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match fallocate(&file, hole, 0, data.len().saturating_sub(limit / 2)) {
        Ok(()) => Ok(()),
        // Lines that are written between the copy and the cut are lost here; there is no better way.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            fs::write(previous(path), end_bytes(path, limit / 2)?)?;
            file.set_len(0)
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the part before the last cut is, on file systems that cannot give back a part of a file.
pub(super) fn previous(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

fn end_of(path: &Path, bytes: u64) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&end_bytes(path, bytes)?).into_owned())
}

/// The last bytes of a file, from the beginning of a line where there is one.
fn end_bytes(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    if length > bytes
        && let Some(line) = end.iter().position(|byte| *byte == b'\n')
    {
        end.drain(..=line);
    }
    Ok(end)
}

/// A line as it may be shown anywhere: no escape sequences, no endless lines.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            // A colour or cursor sequence ends with a letter; `ESC [ ... m`.
            '\u{1b}' => {
                if characters.next() == Some('[') {
                    characters.by_ref().find(char::is_ascii_alphabetic);
                }
            }
            '\t' => text.push(' '),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    match text.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn shows_the_last_lines_plainly() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.log");
        let mut file = open(&path).expect("log");
        for number in 0..100 {
            writeln!(file, "\u{1b}[31mline\u{1b}[0m\t{number}\r").expect("write");
        }
        let lines = last_lines(&path);
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.last().map(String::as_str), Some("line 99"));
        writeln!(file, "{}", "x".repeat(2_000)).expect("write");
        assert_eq!(last_lines(&path).last().map(String::len), Some(WIDTH + 3));
        assert!(last_lines(&folder.path().join("none.log")).is_empty());
    }

    #[test]
    fn stays_within_its_bound() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.log");
        let mut file = open(&path).expect("log");
        for number in 0..10_000 {
            writeln!(file, "line {number}").expect("write");
            bound(&path, 8_192).expect("bound");
        }
        let taken = fs::metadata(&path).map_or(0, |data| data.blocks() * 512);
        assert!(taken <= 16 * 1_024, "{taken}");
        let lines = last_lines(&path);
        assert_eq!(lines.last().map(String::as_str), Some("line 9999"));
        assert_eq!(lines.len(), LINES, "lines reach back over the cut");
    }
}
