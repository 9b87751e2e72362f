//! Logs in memory: given lines, or as many as one likes made on the fly.

use super::NOW;
use shipway_api::{LogMatch, LogMatches, LogSearch, RawLine};
use shipway_server::backend::{LogRange, LogSlice};
use std::{collections::VecDeque, time::Duration};

/// The log of a job.
pub(crate) enum FakeLog {
    /// Lines as given.
    Lines {
        /// The lines.
        lines: Vec<RawLine>,
        /// Whether no line will follow.
        complete: bool,
    },
    /// A finished log of this many lines, each made when it is asked for.
    Made(u64),
}

impl FakeLog {
    /// A finished log of these texts, 40 ms apart.
    pub(crate) fn of<'t>(lines: impl IntoIterator<Item = (u32, &'t str)>) -> FakeLog {
        let lines = lines
            .into_iter()
            .zip(0_u64..)
            .map(|((step, text), n)| RawLine {
                at: NOW - Duration::from_secs(600) + Duration::from_millis(40 * n),
                step,
                text: text.to_owned(),
            })
            .collect();
        FakeLog::Lines { lines, complete: true }
    }

    fn total(&self) -> u64 {
        match self {
            FakeLog::Lines { lines, .. } => lines.len() as u64,
            FakeLog::Made(total) => *total,
        }
    }

    fn line(&self, n: u64) -> RawLine {
        match self {
            FakeLog::Lines { lines, .. } => lines[n as usize - 1].clone(),
            FakeLog::Made(_) => made(n),
        }
    }

    pub(super) fn slice(&self, range: LogRange) -> LogSlice {
        let end = range.from.saturating_add(u64::from(range.count)).min(self.total() + 1);
        let lines = (range.from.max(1)..end).map(|n| self.line(n)).collect();
        let complete = match self {
            FakeLog::Lines { complete, .. } => *complete,
            FakeLog::Made(_) => true,
        };
        LogSlice { lines, total: self.total(), complete }
    }

    pub(super) fn search(&self, search: &LogSearch) -> LogMatches {
        let q = search.q.to_lowercase();
        let (mut total, mut before) = (0, 0);
        let mut listed = VecDeque::new();
        for n in 1..=self.total() {
            if !self.line(n).text.to_lowercase().contains(&q) {
                continue;
            }
            total += 1;
            let full = listed.len() == search.count as usize;
            if search.backward && n < search.from {
                if full {
                    listed.pop_front();
                    before += 1;
                }
                listed.push_back(LogMatch { n });
            } else if !search.backward && n < search.from {
                before += 1;
            } else if !search.backward && !full {
                listed.push_back(LogMatch { n });
            }
        }
        LogMatches { total, before, matches: listed.into(), lines: self.total() }
    }
}

fn made(n: u64) -> RawLine {
    let text = match n % 1_000 {
        0 => format!("##[warning]batch {} took longer than usual", n / 1_000),
        1 => format!("##[group]Batch {}", n / 1_000),
        999 => "##[endgroup]".to_owned(),
        500 => format!("\x1b[36minfo\x1b[0m checkpoint {n} reached, see https://example.org/batch/{n}"),
        _ => format!("processed record {n:07} in {} us", 40 + n * 7 % 60),
    };
    RawLine { at: NOW - Duration::from_secs(3_600) + Duration::from_millis(n * 3), step: 1, text }
}
