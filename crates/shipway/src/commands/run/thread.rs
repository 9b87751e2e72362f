//! How many threads the work of this command needs: one for the scripts of one job, more for all else.

use super::documents::Planned;
use shipway_workflow::document::{JobKind, Step, StepKind};
use std::io;
use tokio::runtime::{Builder, Runtime};

/// A runtime on the thread that asks for it.
pub(super) fn one() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A runtime with a thread for every processor.
pub(super) fn many() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Whether one thread does it: a single job whose steps are scripts, one after the other, on this machine. Jobs beside each
/// other, containers, and actions, which may move gigabytes through their caches, are given all processors; so is `hashFiles`, which
/// may read as many, and would hear of no Ctrl-C meanwhile.
pub(super) fn suffices(planned: &[Planned]) -> bool {
    let [planned] = planned else { return false };
    let mut jobs = planned.plan.workflow().jobs.values();
    let (Some(job), None) = (jobs.next(), jobs.next()) else { return false };
    match &job.kind {
        JobKind::Call(_) => false,
        JobKind::Steps(steps) => {
            let alone = job.strategy.is_none() && steps.container.is_none() && steps.services.is_none();
            alone && steps.steps.iter().all(is_script) && !hashes(&planned.plan.workflow().source.text)
        }
    }
}

fn hashes(text: &str) -> bool {
    text.as_bytes().windows(9).any(|word| word.eq_ignore_ascii_case(b"hashFiles"))
}

fn is_script(step: &Step) -> bool {
    match &step.kind {
        StepKind::Run(_) => !step.background,
        StepKind::Uses(_)
        | StepKind::Wait(_)
        | StepKind::WaitAll
        | StepKind::Cancel(_)
        | StepKind::Parallel(_) => false,
    }
}
