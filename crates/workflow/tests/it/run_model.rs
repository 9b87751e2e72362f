//! The run machine against a small model, over random graphs, conclusions, losses and cancellations.

use crate::worlds::{run, second};
use proptest::prelude::*;
use shipway_base::Timestamp;
use shipway_workflow::{
    Texts,
    run::{Conclusion, Effect, Input, JobKey, JobState, MOST_ATTEMPTS, MOST_INTERRUPTIONS, Run},
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq)]
enum If {
    Absent,
    Always,
    Failure,
    NotCancelled,
    Never,
    Either,
}

#[derive(Clone, Debug)]
pub(crate) struct JobSpec {
    needs: Vec<prop::sample::Index>,
    condition: If,
    continue_on_error: bool,
    pub(crate) legs: Option<usize>,
    fail_fast: bool,
    max_parallel: Option<usize>,
}

/// One turn of the world: which of the jobs that are in flight it concerns, and what happens.
#[derive(Clone, Debug)]
enum Turn {
    Started(prop::sample::Index),
    Finished(prop::sample::Index, Conclusion),
    Lost(prop::sample::Index),
    /// An answer of an attempt that is over, or about a job that nobody asked for.
    Stale(prop::sample::Index),
    Cancel,
}

pub(crate) fn job() -> impl Strategy<Value = JobSpec> {
    let condition = prop_oneof![
        6 => Just(If::Absent),
        1 => Just(If::Always),
        1 => Just(If::Failure),
        1 => Just(If::NotCancelled),
        1 => Just(If::Never),
        1 => Just(If::Either),
    ];
    (
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        condition,
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, 1_usize..5),
        any::<bool>(),
        prop::option::weighted(0.4, 1_usize..3),
    )
        .prop_map(|(needs, condition, continue_on_error, legs, fail_fast, max_parallel)| JobSpec {
            needs,
            condition,
            continue_on_error,
            legs,
            fail_fast,
            max_parallel,
        })
}

fn turn(cancels: u32) -> impl Strategy<Value = Turn> {
    let conclusion = prop_oneof![
        6 => Just(Conclusion::Success),
        2 => Just(Conclusion::Failure),
        1 => Just(Conclusion::Cancelled),
    ];
    prop_oneof![
        40 => any::<prop::sample::Index>().prop_map(Turn::Started),
        40 => (any::<prop::sample::Index>(), conclusion).prop_map(|(at, end)| Turn::Finished(at, end)),
        10 => any::<prop::sample::Index>().prop_map(Turn::Lost),
        10 => any::<prop::sample::Index>().prop_map(Turn::Stale),
        cancels => Just(Turn::Cancel),
    ]
}

/// The needs of job `at`, each one before it.
pub(crate) fn needs(jobs: &[JobSpec], at: usize) -> BTreeSet<usize> {
    if at == 0 { BTreeSet::new() } else { jobs[at].needs.iter().map(|need| need.index(at)).collect() }
}

pub(crate) fn document(jobs: &[JobSpec]) -> String {
    let mut text = String::from("on: push\njobs:\n");
    for (at, job) in jobs.iter().enumerate() {
        let needs: Vec<String> = needs(jobs, at).iter().map(|need| format!("j{need}")).collect();
        text += &format!("  j{at}:\n    runs-on: here\n    needs: [{}]\n", needs.join(", "));
        text += &format!("    continue-on-error: {}\n    steps: [{{run: make}}]\n", job.continue_on_error);
        text += match job.condition {
            If::Absent => "",
            If::Always => "    if: always()\n",
            If::Failure => "    if: failure()\n",
            If::NotCancelled => "    if: '!cancelled()'\n",
            If::Never => "    if: github.ref == 'nowhere'\n",
            If::Either => "    if: success() || failure()\n",
        };
        if let Some(legs) = job.legs {
            let values: Vec<String> = (0..legs).map(|leg| leg.to_string()).collect();
            text += &format!("    strategy:\n      fail-fast: {}\n", job.fail_fast);
            text += &format!("      matrix: {{leg: [{}]}}\n", values.join(", "));
            if let Some(most) = job.max_parallel {
                text += &format!("      max-parallel: {most}\n");
            }
        }
    }
    text
}

/// The world around a run: carries out effects, answers, and remembers what it saw.
struct World<'a> {
    jobs: &'a [JobSpec],
    run: Run,
    log: Vec<(Input, Timestamp)>,
    effects: Vec<String>,
    in_flight: BTreeMap<JobKey, u32>,
    stopping: BTreeSet<JobKey>,
    /// The answers that ended jobs which had been asked for.
    answers: BTreeMap<JobKey, Conclusion>,
    ever_asked: BTreeMap<JobKey, u32>,
    seen: BTreeMap<JobKey, Conclusion>,
    finished: Option<Conclusion>,
    cancels: u32,
}

impl<'a> World<'a> {
    fn new(jobs: &'a [JobSpec]) -> World<'a> {
        World {
            jobs,
            run: run(&document(jobs)),
            log: Vec::new(),
            effects: Vec::new(),
            in_flight: BTreeMap::new(),
            stopping: BTreeSet::new(),
            answers: BTreeMap::new(),
            ever_asked: BTreeMap::new(),
            seen: BTreeMap::new(),
            finished: None,
            cancels: 0,
        }
    }

    fn input(&mut self, input: Input) {
        let now = second(self.log.len() as i64);
        let was_finished = self.finished.is_some();
        let effects = self.run.apply(&input, now);
        self.log.push((input, now));
        self.effects.push(format!("{effects:?}"));
        for effect in effects {
            assert!(self.finished.is_none(), "nothing follows the end of a run: {effect:?}");
            match effect {
                Effect::StartJob(request) => {
                    let before = self.ever_asked.insert(request.key.clone(), request.attempt);
                    assert_eq!(
                        request.attempt,
                        before.unwrap_or(0) + 1,
                        "attempts count up: {}",
                        request.key
                    );
                    assert!(request.attempt <= MOST_ATTEMPTS);
                    assert!(!self.answers.contains_key(&request.key), "{} has ended", request.key);
                    self.needs_have_ended(&request.job_id);
                    self.may_go_on(&request.job_id);
                    assert_eq!(self.in_flight.insert(request.key.clone(), request.attempt), None);
                }
                Effect::CancelJob { job, attempt } => {
                    assert_eq!(self.in_flight.get(&job), Some(&attempt), "only what runs is stopped: {job}");
                    assert!(self.stopping.insert(job), "and stopped once");
                }
                Effect::Finish { conclusion } => self.finished = Some(conclusion),
            }
        }
        assert!(!was_finished || self.run.conclusion() == self.finished);
        self.look();
    }

    fn needs_have_ended(&self, id: &str) {
        let at: usize = id.trim_start_matches('j').parse().expect("ids are numbered");
        let views = self.run.jobs();
        for need in needs(self.jobs, at) {
            let mut legs = views.iter().filter(|view| view.job_id == format!("j{need}"));
            assert!(legs.all(|view| view.conclusion.is_some()), "{id} starts before j{need} has ended");
        }
    }

    /// Nothing of a job is asked for once fail-fast or a cancellation has ended it.
    fn may_go_on(&self, id: &str) {
        let at: usize = id.trim_start_matches('j').parse().expect("ids are numbered");
        let job = &self.jobs[at];
        let own = |key: &JobKey| key.0.split('/').next() == Some(id);
        let failed = self.answers.iter().any(|(key, end)| own(key) && *end == Conclusion::Failure);
        assert!(!failed || !job.fail_fast || job.continue_on_error, "{id} goes on after a failure");
        match self.cancels {
            0 => {}
            1 => assert_eq!(job.condition, If::Always, "{id} goes on although the run is cancelled"),
            _ => panic!("{id} goes on although the run was cancelled twice"),
        }
    }

    /// What must hold after every input.
    fn look(&mut self) {
        let mut busy: BTreeMap<String, usize> = BTreeMap::new();
        for view in self.run.jobs() {
            if let Some(conclusion) = view.conclusion {
                let before = self.seen.insert(view.key.clone(), conclusion);
                assert!(before.is_none_or(|before| before == conclusion), "{} ended twice", view.key);
                assert!(!self.in_flight.contains_key(&view.key) || self.answers.contains_key(&view.key));
            } else {
                assert!(!self.seen.contains_key(&view.key), "{} came back to life", view.key);
            }
            match view.state {
                JobState::Queued | JobState::Running { .. } | JobState::Cancelling { .. } => {
                    assert!(self.in_flight.contains_key(&view.key));
                    *busy.entry(view.job_id).or_default() += 1;
                }
                JobState::Waiting | JobState::Held | JobState::Finished { .. } => {}
            }
        }
        for (at, job) in self.jobs.iter().enumerate() {
            let most = job.max_parallel.filter(|_| job.legs.is_some()).unwrap_or(usize::MAX);
            assert!(busy.get(&format!("j{at}")).copied().unwrap_or(0) <= most, "max-parallel of j{at}");
        }
        let in_flight: BTreeMap<JobKey, u32> = self.run.in_flight().into_iter().collect();
        assert!(in_flight.iter().all(|(job, attempt)| self.in_flight.get(job) == Some(attempt)));
    }

    fn turn(&mut self, turn: &Turn) {
        let pick = |at: &prop::sample::Index| -> Option<(JobKey, u32)> {
            let all: Vec<_> = self.in_flight.iter().collect();
            (!all.is_empty()).then(|| all[at.index(all.len())]).map(|(job, attempt)| (job.clone(), *attempt))
        };
        match turn {
            Turn::Cancel => {
                self.cancels += 1;
                self.input(Input::Cancel { reason: "somebody asked".to_owned() });
            }
            Turn::Started(at) => {
                if let Some((job, attempt)) = pick(at) {
                    self.input(Input::JobStarted { job, attempt });
                }
            }
            Turn::Finished(at, conclusion) => {
                if let Some((job, attempt)) = pick(at) {
                    self.answer(job, attempt, *conclusion);
                }
            }
            Turn::Lost(at) => {
                if let Some((job, attempt)) = pick(at) {
                    self.lose(job, attempt);
                }
            }
            Turn::Stale(at) => {
                let before = format!("{:?}", self.run.jobs());
                let all: Vec<_> = self.ever_asked.iter().collect();
                let job = if all.is_empty() {
                    JobKey("j99".to_owned())
                } else {
                    all[at.index(all.len())].0.clone()
                };
                for attempt in [0, MOST_ATTEMPTS + 1] {
                    let outputs = Texts::new();
                    let conclusion = Conclusion::Failure;
                    self.input(Input::JobFinished { job: job.clone(), attempt, conclusion, outputs });
                    self.input(Input::JobLost { job: job.clone(), attempt, reason: "late".to_owned() });
                }
                assert_eq!(before, format!("{:?}", self.run.jobs()), "stale answers change nothing");
            }
        }
    }

    fn answer(&mut self, job: JobKey, attempt: u32, conclusion: Conclusion) {
        self.in_flight.remove(&job);
        self.stopping.remove(&job);
        self.answers.insert(job.clone(), conclusion);
        self.input(Input::JobFinished { job, attempt, conclusion, outputs: Texts::new() });
    }

    fn lose(&mut self, job: JobKey, attempt: u32) {
        self.in_flight.remove(&job);
        if self.stopping.remove(&job) {
            self.answers.insert(job.clone(), Conclusion::Cancelled);
        } else if attempt == MOST_ATTEMPTS {
            self.answers.insert(job.clone(), Conclusion::Failure);
        }
        self.input(Input::JobLost { job, attempt, reason: "its runner is gone".to_owned() });
    }

    /// Answers everything that is still in flight.
    fn answer_all(&mut self) {
        while self.finished.is_none() {
            let next = self.in_flight.iter().next().map(|(job, attempt)| (job.clone(), *attempt));
            let (job, attempt) = next.expect("a run with nothing in flight has ended");
            let stopped = self.stopping.contains(&job);
            self.answer(job, attempt, if stopped { Conclusion::Cancelled } else { Conclusion::Success });
        }
        assert!(self.in_flight.is_empty(), "the run ended although {:?} run", self.in_flight);
    }
}

/// How a job ended, looked at from afar: from the answers of its legs and how all its ancestors ended.
fn model(world: &World<'_>) -> Vec<Conclusion> {
    let mut ends: Vec<Conclusion> = Vec::new();
    let mut ancestors: Vec<BTreeSet<usize>> = Vec::new();
    for (at, job) in world.jobs.iter().enumerate() {
        let mut before = needs(world.jobs, at);
        before.extend(needs(world.jobs, at).iter().flat_map(|need| ancestors[*need].clone()));
        let success = before.iter().all(|job| ends[*job] == Conclusion::Success);
        let failure = before.iter().any(|job| ends[*job] == Conclusion::Failure);
        let runs = match job.condition {
            If::Absent => success,
            If::Always | If::NotCancelled => true,
            If::Failure => failure,
            If::Never => false,
            If::Either => success || failure,
        };
        ancestors.push(before);
        let keys: Vec<JobKey> = match job.legs {
            None => vec![JobKey(format!("j{at}"))],
            Some(legs) => (0..legs).map(|leg| JobKey(format!("j{at}/{leg}"))).collect(),
        };
        if !runs {
            assert!(keys.iter().all(|key| !world.ever_asked.contains_key(key)), "j{at} ran");
            ends.push(Conclusion::Skipped);
            continue;
        }
        let answers: Vec<Option<Conclusion>> =
            keys.iter().map(|key| world.answers.get(key).copied()).collect();
        let failed = answers.contains(&Some(Conclusion::Failure));
        let fails_fast = failed && job.fail_fast && !job.continue_on_error;
        assert!(
            fails_fast || answers.iter().all(Option::is_some),
            "every leg of j{at} runs unless fail-fast"
        );
        ends.push(if failed && !job.continue_on_error {
            Conclusion::Failure
        } else if answers.contains(&Some(Conclusion::Cancelled)) {
            Conclusion::Cancelled
        } else {
            Conclusion::Success
        });
    }
    ends
}

fn check(jobs: &[JobSpec], turns: &[Turn]) {
    let mut world = World::new(jobs);
    world.input(Input::Start);
    turns.iter().for_each(|turn| world.turn(turn));
    world.answer_all();

    let views = world.run.jobs();
    assert!(views.iter().all(|view| view.conclusion.is_some()), "every job has ended");
    if world.cancels == 0 {
        let ends = model(&world);
        let has = |wanted| ends.contains(&wanted);
        let expected = [Conclusion::Failure, Conclusion::Cancelled, Conclusion::Success];
        let expected = expected.into_iter().find(|end| has(*end)).unwrap_or(Conclusion::Skipped);
        assert_eq!(world.finished, Some(expected), "{ends:?}");
    }

    // The same inputs at the same instants give the same effects and the same state.
    let mut again = run(&document(jobs));
    for ((input, at), effects) in world.log.iter().zip(&world.effects) {
        assert_eq!(&format!("{:?}", again.apply(input, *at)), effects);
    }
    assert_eq!(again.jobs(), views);
    assert_eq!((again.conclusion(), again.finished()), (world.run.conclusion(), world.run.finished()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_run_follows_the_model(
        jobs in prop::collection::vec(job(), 1..9),
        turns in prop::collection::vec(turn(0), 0..60),
    ) {
        check(&jobs, &turns);
    }

    #[test]
    fn a_cancelled_run_ends_too(
        jobs in prop::collection::vec(job(), 1..9),
        turns in prop::collection::vec(turn(6), 0..60),
    ) {
        check(&jobs, &turns);
    }
}

#[test]
fn why_a_job_was_run_again_is_not_why_it_failed() {
    let job = JobKey("a".to_owned());
    let reasons = |last: Input| {
        let mut run = run("on: push\njobs:\n  a:\n    runs-on: here\n    steps: [{run: 'true'}]\n");
        let interrupted =
            Input::JobInterrupted { job: job.clone(), attempt: 1, reason: "it was killed".to_owned() };
        let inputs = [Input::Start, interrupted, Input::JobStarted { job: job.clone(), attempt: 2 }, last];
        inputs.map(|input| {
            let _ = run.apply(&input, second(1));
            run.jobs()[0].reason.clone()
        })
    };
    let why = Some("attempt 1 was lost: it was killed".to_owned());
    let finished = |conclusion| Input::JobFinished {
        job: job.clone(),
        attempt: 2,
        conclusion,
        outputs: Default::default(),
    };
    for (conclusion, told) in [(Conclusion::Failure, None), (Conclusion::Success, why.clone())] {
        assert_eq!(reasons(finished(conclusion)), [None, why.clone(), why.clone(), told]);
    }
    let cancelled = reasons(Input::Cancel { reason: "enough".to_owned() })[3].clone();
    assert_eq!(cancelled.as_deref(), Some("the run was cancelled: enough"));
}

#[test]
fn an_end_of_the_server_is_not_held_against_the_job() {
    let mut run = run("on: push\njobs:\n  a:\n    runs-on: here\n    steps: [{run: 'true'}]\n");
    let job = JobKey("a".to_owned());
    let lost = |attempt| Input::JobLost { job: job.clone(), attempt, reason: "gone".to_owned() };
    let interrupted =
        |attempt| Input::JobInterrupted { job: job.clone(), attempt, reason: "it was killed".to_owned() };
    let mut next = |input: Input| run.apply(&input, second(1)).into_iter().next();
    assert!(matches!(next(Input::Start), Some(Effect::StartJob(request)) if request.attempt == 1));
    for attempt in 1..MOST_INTERRUPTIONS {
        let again = next(interrupted(attempt));
        assert!(matches!(again, Some(Effect::StartJob(request)) if request.attempt == attempt + 1));
    }
    // Losses are counted apart from interruptions, and both have an end.
    for attempt in MOST_INTERRUPTIONS..MOST_INTERRUPTIONS + MOST_ATTEMPTS - 1 {
        let again = next(lost(attempt));
        assert!(matches!(again, Some(Effect::StartJob(request)) if request.attempt == attempt + 1));
    }
    let last = next(interrupted(MOST_INTERRUPTIONS + MOST_ATTEMPTS - 1));
    assert!(matches!(last, Some(Effect::Finish { conclusion: Conclusion::Failure })));
}
