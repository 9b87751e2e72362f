//! How a run is shown: the seam between what happens and what is printed.

use super::{
    breaks::{Place, Waiting},
    documents::Planned,
};
use shipway_base::Timestamp;
use shipway_runner::{BreakNews, Report, RunMasks};
use shipway_workflow::run::{Conclusion, JobKey, JobView, Run};
use std::{collections::BTreeMap, io, path::Path, time::Duration};

/// What became of a run, without its secrets: names of jobs are made of values that may be one.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its jobs in their order.
    pub(super) jobs: Vec<JobView>,
    /// When it began.
    pub(super) began: Option<Timestamp>,
    /// How long it took.
    pub(super) took: Option<Duration>,
}

impl Ended {
    /// What may be seen of it. `displaced` are the reasons of jobs that lost their places, which the machine of the run does not
    /// know.
    pub(super) fn of(run: &Run, masks: &RunMasks, displaced: &BTreeMap<JobKey, String>) -> Ended {
        let seen = |job: JobView| {
            let mut job = masks.job(job);
            if job.conclusion == Some(Conclusion::Cancelled) {
                job.reason = job.reason.or_else(|| displaced.get(&job.key).cloned());
            }
            job
        };
        let (began, finished) = (run.started(), run.finished());
        Ended {
            jobs: run.jobs().into_iter().map(seen).collect(),
            began,
            took: began.zip(finished).map(|(from, to)| to.since(from)),
        }
    }
}

/// Shows runs. They are told by their places in the list that [`begin`](Show::begin) is given; everything that is shown
/// is masked already.
pub(super) trait Show: Send {
    /// Before anything happens.
    fn begin(&mut self, planned: &[Planned]);

    /// Something happened in a job.
    fn report(&mut self, run: usize, report: &Report);

    /// Ctrl-C was pressed so many times by now.
    fn interrupted(&mut self, times: u32);

    /// A step failed, and waits for somebody to decide.
    fn stopped(&mut self, run: usize, report: &Report, waiting: &Waiting);

    /// Something was done or decided at the failed step `index`, which waits as number `id`.
    fn decided(&mut self, run: usize, report: &Report, index: usize, id: u32, news: &BreakNews);

    /// What somebody asked for cannot be done.
    fn refused(&mut self, why: &str);

    /// A word to whoever sits at the terminal.
    fn tell(&mut self, text: &str);

    /// The question about a step of a job that stands below everything else, or none.
    fn prompt(&mut self, question: Option<(&Place, String)>);

    /// Whether another program has the terminal: nothing is written until it has not.
    fn hold(&mut self, hold: bool);

    /// A run is over. `artifacts` are the folder and the names of what was uploaded.
    fn end(
        &mut self,
        run: usize,
        ended: &Ended,
        conclusion: Conclusion,
        artifacts: Option<(&Path, &[String])>,
    );

    /// Nothing more is known for the moment: what was held back is to be seen.
    fn flush(&mut self) -> io::Result<()>;
}
