//! What runs now, with its last line, how long it has been running and how long it will take by what was remembered.

use super::{documents::Planned, ledger::Ledger};
use crate::history::{
    estimate::{Durations, Node, Standing},
    record::Record,
};
use shipway_base::{Timestamp, human_duration};
use std::time::Duration;

/// A line of a log is shown so far.
const LINE: usize = 160;

/// How long the runs of this call will take.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    /// One for each run, in their order.
    runs: Vec<Durations>,
}

impl Forecast {
    /// By the records of the same workflows; the newest come first.
    pub(super) fn of(planned: &[Planned], records: &[Record]) -> Forecast {
        let of = |planned: &Planned| {
            Durations::of(records.iter().filter(|record| record.workflow == planned.path))
        };
        Forecast { runs: planned.iter().map(of).collect() }
    }

    /// How long a job of a run will take.
    pub(super) fn job(&self, run: usize, name: &str) -> Option<Duration> {
        self.runs.get(run)?.job(name)
    }

    /// How long a run will still take.
    pub(super) fn left(
        &self,
        run: usize,
        planned: &Planned,
        ledger: &Ledger,
        now: Timestamp,
    ) -> Option<Duration> {
        let jobs = planned.plan.workflow().jobs.values();
        let nodes: Vec<Node> = jobs
            .map(|job| {
                let id = &job.id.value;
                let own = ledger.jobs(run).filter(|(key, _)| key.0.split('/').next() == Some(id.as_str()));
                let legs = own.map(|(_, entry)| {
                    let standing = match entry.took {
                        Some(_) => Standing::Over,
                        None => Standing::Runs(now.since(entry.began)),
                    };
                    (entry.name.clone(), standing)
                });
                let needs = job.needs.iter().map(|need| need.value.clone()).collect();
                Node { id: id.clone(), needs, legs: legs.collect() }
            })
            .collect();
        self.runs.get(run)?.left(&nodes)
    }
}

/// The lines about what runs now.
pub(super) fn now(forecast: &Forecast, planned: &[Planned], ledger: &Ledger, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for (run, planned) in planned.iter().enumerate() {
        let running: Vec<_> = ledger.jobs(run).filter(|(_, job)| job.took.is_none()).collect();
        if running.is_empty() {
            continue;
        }
        let left = forecast.left(run, planned, ledger, now);
        let left = left.map(|left| format!(", {}", about(left, "left"))).unwrap_or_default();
        lines.push(format!(
            "{}: {} running{left}",
            planned.name,
            crate::render::counted(running.len(), "job")
        ));
        for (_, job) in running {
            let so_far = now.since(job.began);
            lines.push(format!("  {}: {}", job.name, took(so_far, forecast.job(run, &job.name))));
            if let Some(step) = job.running() {
                lines.push(format!("    {} ({})", step.log.name, short(now.since(step.began))));
                if let Some(last) = step.log.last(1).pop() {
                    lines.push(format!("      {}", last.chars().take(LINE).collect::<String>()));
                }
            }
        }
    }
    if lines.is_empty() {
        lines.push("nothing runs now".to_owned());
    }
    lines
}

/// `12 s of about 40 s, about 28 s left`.
fn took(so_far: Duration, usual: Option<Duration>) -> String {
    let so_far_text = short(so_far);
    match usual {
        None => so_far_text,
        Some(usual) if so_far > usual => {
            format!("{so_far_text}, longer than the usual {}", short(usual))
        }
        Some(usual) => {
            format!("{so_far_text} of {}, {}", about(usual, "").trim_end(), about(usual - so_far, "left"))
        }
    }
}

/// `about 40 s left`; what is over in a moment is not promised in milliseconds.
pub(super) fn about(duration: Duration, word: &str) -> String {
    if duration < Duration::from_secs(1) {
        return format!("about a second {word}");
    }
    format!("about {} {word}", short(duration))
}

/// A duration without what nobody asks for in an estimate.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if (1..60).contains(&seconds) { format!("{seconds} s") } else { human_duration(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_long_it_takes() {
        let check = |so_far: u64, usual: Option<u64>, expect: &str| {
            assert_eq!(took(Duration::from_millis(so_far), usual.map(Duration::from_millis)), expect);
        };
        check(12_345, None, "12 s");
        check(12_345, Some(40_000), "12 s of about 40 s, about 27 s left");
        check(41_000, Some(40_000), "41 s, longer than the usual 40 s");
        check(10, Some(400), "10 ms of about a second, about a second left");
    }
}
