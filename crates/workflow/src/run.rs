//! The run state machine: which job may start when, and how the run ends.
//!
//! [`Run::apply`] is synchronous and pure: the same inputs at the same instants give the same state and the same effects,
//! so that a run is rebuilt after a crash by replaying the inputs that were committed.
//!
//! The rules are GitHub's. A job is looked at once all jobs that it needs have ended: its `if` is evaluated, then its
//! matrix, then each leg's name, labels and limits. `success()` holds when every ancestor succeeded, `failure()` when any
//! ancestor failed. A failed leg cancels its siblings unless `fail-fast` is false or its own `continue-on-error` holds. A
//! cancelled run keeps the jobs whose `if` still holds, such as `always()`; cancelling it again stops those too.

//!
//! A job that calls a workflow is a leg like any other until it starts: then it holds the jobs of the called workflow,
//! which follow the same rules among themselves, and it ends when they have all ended.

mod again;
mod apply;
mod call;
mod ready;
mod scope;
mod secrets;
mod settle;
mod types;
mod view;
mod written;

use crate::{
    Texts,
    document::{CacheMode, Job},
    plan::{Granted, Node, RunPlan},
};
use call::Call;
use scope::Ancestry;
use shipway_base::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use again::{Again, Kept, KeptJob};
pub use secrets::{GivenSecrets, SecretScope};
pub use types::{
    CallGroup, Conclusion, Effect, Effects, Input, JobKey, JobRequest, JobState, JobView, MOST_ATTEMPTS,
    MOST_INTERRUPTIONS, Origin, RunContext,
};

/// One run of a workflow.
#[derive(Clone, Debug)]
pub struct Run {
    plan: Arc<RunPlan>,
    jobs: Jobs,
    started: Option<Timestamp>,
    cancelled: Option<String>,
    finished: Option<(Timestamp, Conclusion)>,
    /// How many jobs and legs there are so far, so that called workflows cannot multiply without end.
    made: usize,
}

/// The jobs of one workflow: of the one that was started, or of one that was called.
#[derive(Clone, Debug)]
struct Jobs {
    place: Arc<Place>,
    /// In the order of the plan, so that one walk over them settles everything that follows from an ended job.
    groups: Vec<Group>,
    by_id: BTreeMap<String, usize>,
    cancelled: Option<Cancelled>,
}

/// What is the same for all jobs of a workflow.
#[derive(Clone, Debug)]
struct Place {
    plan: Arc<RunPlan>,
    node: Arc<Node>,
    context: RunContext,
    /// What stands before the keys of its jobs: empty, or the key of the call and a slash.
    key: String,
    /// What stands before the names of its jobs: empty, or the name of the call and ` / `.
    name: String,
    /// What a job without needs waited for: the needs of the call.
    needs: Vec<String>,
    secrets: SecretScope,
    granted: Granted,
    /// `cache-mode` of the call.
    caller_cache: Option<CacheMode>,
    /// The concurrency groups of the call and of those around it, the outermost first.
    groups: Vec<CallGroup>,
    /// The name of the group of the run.
    run_group: Option<String>,
    /// What is kept of an earlier attempt.
    kept: Arc<Kept>,
}

/// That a workflow is being cancelled.
#[derive(Clone, Debug)]
struct Cancelled {
    why: String,
    /// Cancelled again: nothing may go on, whatever its condition says.
    forced: bool,
}

/// A key under `jobs`: one job, or the legs of its matrix.
#[derive(Clone, Debug)]
struct Group {
    job: Arc<Job>,
    /// Places in `Run::groups`.
    needs: Vec<usize>,
    /// How the jobs before it ended; known once it is looked at.
    ancestry: Ancestry,
    /// The attempt of the run that it ended in without legs, when that is an earlier one.
    kept: Option<u32>,
    state: GroupState,
}

#[derive(Clone, Debug)]
enum GroupState {
    /// Some needs have not ended.
    Waiting,
    /// Looked at: there are legs, at least one, and they may have ended.
    Expanded(Legs),
    /// Ended without having had legs.
    Ended { conclusion: Conclusion, reason: String, at: Timestamp },
}

#[derive(Clone, Debug)]
struct Legs {
    legs: Vec<Leg>,
    /// Places in `legs` that wait to be asked for; kept apart so that a matrix of many legs is not searched again and again.
    held: BTreeSet<usize>,
    /// Places in `legs` of held calls that ended in an earlier attempt and are only gone through again.
    again: BTreeSet<usize>,
    /// Legs that have not ended.
    open: usize,
    /// Legs that are asked for and have not ended.
    busy: usize,
    fail_fast: bool,
    max_parallel: usize,
    /// Outputs of the legs that have ended, later ones over earlier ones.
    outputs: Texts,
}

#[derive(Clone, Debug)]
struct Leg {
    key: JobKey,
    name: String,
    /// None when something about the leg could not be evaluated, so that it failed without running.
    work: Option<Work>,
    /// The jobs of the called workflow, once the call has begun.
    called: Option<Box<Jobs>>,
    continue_on_error: bool,
    /// 0 before it was first asked for.
    attempt: u32,
    /// Attempts that were lost with their runner.
    lost: u32,
    /// Attempts that were interrupted by an end of the server.
    interrupted: u32,
    reason: Option<String>,
    /// Its `matrix`, as JSON.
    matrix: String,
    /// The attempt of the run that it ended in, when that is an earlier one.
    kept: Option<u32>,
    state: LegState,
}

/// What a leg does.
#[derive(Clone, Debug)]
enum Work {
    /// Its steps, by a runner.
    Steps(Arc<JobRequest>),
    /// The jobs of another workflow.
    Call(Arc<Call>),
}

#[derive(Clone, Debug)]
enum LegState {
    Held,
    Queued,
    Running { started: Timestamp },
    Cancelling { started: Option<Timestamp> },
    Finished { conclusion: Conclusion, started: Option<Timestamp>, at: Timestamp, outputs: Texts },
}

impl Run {
    /// A run that has not begun.
    pub fn new(plan: Arc<RunPlan>, context: RunContext) -> Run {
        Run::keeping(plan, context, Kept::new())
    }

    /// A run that has not begun, and keeps what [`Run::keep`] says of an earlier attempt.
    pub fn keeping(plan: Arc<RunPlan>, context: RunContext, kept: Kept) -> Run {
        let node = plan.tree().clone();
        // Whoever drives the run enters its group, and is told there what is wrong with it.
        let run_group = plan.concurrency(&context).ok().flatten().map(|group| group.group);
        let place = Place {
            plan: plan.clone(),
            context,
            key: String::new(),
            name: String::new(),
            needs: Vec::new(),
            secrets: SecretScope::All,
            granted: Granted::of_run(&node.workflow),
            caller_cache: None,
            groups: Vec::new(),
            run_group,
            kept: Arc::new(kept),
            node,
        };
        let jobs = Jobs::new(place, None);
        let made = jobs.groups.len();
        Run { plan, jobs, started: None, cancelled: None, finished: None, made }
    }

    /// The plan it follows.
    pub fn plan(&self) -> &Arc<RunPlan> {
        &self.plan
    }

    /// How it ended; none while it goes on.
    pub fn conclusion(&self) -> Option<Conclusion> {
        self.finished.map(|(_, conclusion)| conclusion)
    }

    /// When it began.
    pub fn started(&self) -> Option<Timestamp> {
        self.started
    }

    /// When it ended.
    pub fn finished(&self) -> Option<Timestamp> {
        self.finished.map(|(at, _)| at)
    }

    /// Why it is being or was cancelled.
    pub fn cancelled(&self) -> Option<&str> {
        self.cancelled.as_deref()
    }
}

impl Jobs {
    /// Jobs that have not begun, of a workflow that may be cancelled already.
    fn new(place: Place, cancelled: Option<Cancelled>) -> Jobs {
        let node = &place.node;
        let by_id: BTreeMap<String, usize> =
            node.order.iter().enumerate().map(|(at, id)| (id.to_lowercase(), at)).collect();
        let groups = node.order.iter().filter_map(|id| node.workflow.jobs.get(id)).map(|job| Group {
            job: job.clone(),
            needs: job
                .needs
                .iter()
                .filter_map(|need| by_id.get(&need.value.to_lowercase()).copied())
                .collect(),
            ancestry: Ancestry::default(),
            kept: None,
            state: GroupState::Waiting,
        });
        let groups = groups.collect();
        Jobs { place: Arc::new(place), groups, by_id, cancelled }
    }
}

impl Group {
    fn ended(&self) -> bool {
        self.conclusion().is_some()
    }

    /// How it ended as others see it: `continue-on-error` makes a failure a success.
    fn conclusion(&self) -> Option<Conclusion> {
        match &self.state {
            GroupState::Waiting => None,
            GroupState::Ended { conclusion, .. } => Some(*conclusion),
            GroupState::Expanded(legs) if legs.open > 0 => None,
            GroupState::Expanded(legs) => Some(legs.conclusion()),
        }
    }
}

impl Legs {
    fn conclusion(&self) -> Conclusion {
        let mut all = Conclusion::Skipped;
        for leg in &self.legs {
            all = match (all, leg.seen()) {
                (Conclusion::Failure, _) | (_, Some(Conclusion::Failure)) => Conclusion::Failure,
                (Conclusion::Cancelled, _) | (_, Some(Conclusion::Cancelled)) => Conclusion::Cancelled,
                (Conclusion::Success, _) | (_, Some(Conclusion::Success)) => Conclusion::Success,
                (Conclusion::Skipped, Some(Conclusion::Skipped) | None) => Conclusion::Skipped,
            };
        }
        all
    }
}

impl Leg {
    /// Whether it calls a workflow.
    fn calls(&self) -> bool {
        match &self.work {
            Some(Work::Call(_)) => true,
            Some(Work::Steps(_)) | None => false,
        }
    }

    /// How it ended as others see it.
    fn seen(&self) -> Option<Conclusion> {
        match &self.state {
            LegState::Finished { conclusion: Conclusion::Failure, .. } if self.continue_on_error => {
                Some(Conclusion::Success)
            }
            LegState::Finished { conclusion, .. } => Some(*conclusion),
            LegState::Held | LegState::Queued | LegState::Running { .. } | LegState::Cancelling { .. } => {
                None
            }
        }
    }
}
