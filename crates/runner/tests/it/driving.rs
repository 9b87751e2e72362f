//! Whole runs: the journal first, slots, cancelling, resuming.

use crate::{
    processes::{alive, appears, until},
    world::{Story, World, host},
};
use shipway_base::Timestamp;
use shipway_runner::{
    ActionStore, BoxFuture, Cancel, ErrorKind, Journal, Level, MemoryJournal, ReportKind, RunnerError, drive,
};
use shipway_workflow::{
    document::ConcurrencyQueue,
    plan::ConcurrencyGroup,
    run::{Conclusion, Input, JobKey},
};
use std::{fs, net::TcpListener, sync::Arc};
use tokio::sync::{Semaphore, mpsc};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_jobs_run_within_the_slots() {
    let mut world = World::dummy();
    world.context.slots = Arc::new(Semaphore::new(7));
    let numbers: Vec<String> = (0..250).map(|number| number.to_string()).collect();
    let job = |id: &str, needs: &str| {
        format!(
            "  {id}:\n    runs-on: host\n{needs}    strategy: {{matrix: {{n: [{}]}}}}\n    steps:\n    - {{run: x, env: {{SHIPWAY_DUMMY_LOG: 'n ${{{{ matrix.n }}}}'}}}}\n",
            numbers.join(", ")
        )
    };
    let workflow = format!(
        "on: push\njobs:\n{}{}{}{}",
        job("a", ""),
        job("b", "    needs: a\n"),
        job("c", "    needs: a\n"),
        job("d", "    needs: [b, c]\n")
    );
    let (mut running, mut most) = (0_i32, 0);
    let story = world
        .watch(&workflow, |report, _| {
            running += i32::from(matches!(report.kind, ReportKind::JobStarted { .. }));
            running -= i32::from(matches!(report.kind, ReportKind::JobFinished { .. }));
            most = most.max(running);
        })
        .await;
    story.expect_success();
    assert!((1..=7).contains(&most), "{most} jobs at once");
    let finished =
        story.inputs.iter().filter(|(_, input)| matches!(input, Input::JobFinished { .. })).count();
    assert_eq!(finished, 1_000);
    assert_eq!(story.log().lines().filter(|line| line.starts_with("n ")).count(), 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dummy_is_steered_by_its_environment() {
    let story = World::dummy()
        .run(
            r#"
on: push
jobs:
  job:
    runs-on: host
    outputs: {o: '${{ steps.a.outputs.o }}${{ env.E }}'}
    steps:
    - {id: a, uses: some/action@v1, env: {SHIPWAY_DUMMY_OUTPUT: o=1, SHIPWAY_DUMMY_ENV: E=2}}
    - {run: x, env: {SHIPWAY_DUMMY_EXIT: 5}, continue-on-error: true}
    - {run: x, env: {SHIPWAY_DUMMY_SLEEP: 100h}, timeout-minutes: 0.001}
"#,
        )
        .await;
    assert_eq!(story.conclusions(), "success success failure");
    assert_eq!(story.steps()[1].2, Some(5));
    assert_eq!(story.outputs("job")["o"], "12");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_ends_what_runs_and_what_waits() {
    let mut world = World::dummy();
    world.context.slots = Arc::new(Semaphore::new(1));
    let workflow = "on: push\njobs:\n  one: &j\n    runs-on: host\n    steps: [{run: x, env: {SHIPWAY_DUMMY_SLEEP: 100h}}]\n  two: *j\n  last:\n    runs-on: host\n    needs: [one, two]\n    if: always()\n    steps: [{run: x, env: {SHIPWAY_DUMMY_LOG: still}}]\n";
    let story = world
        .watch(workflow, |report, cancel| {
            if matches!(report.kind, ReportKind::StepStarted { .. }) && report.job.0 != "last" {
                cancel.ask_because("enough");
            }
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    story.expect_line("still");
    let cancelled = |name: &str| {
        story.inputs.iter().any(|(_, input)| {
            matches!(input, Input::JobFinished { job, conclusion: Conclusion::Cancelled, .. } if job.0 == name)
        })
    };
    assert!(cancelled("one") && cancelled("two"));
    assert!(story.inputs.iter().any(|(_, input)| *input == Input::Cancel { reason: "enough".to_owned() }));
}

/// A job whose clean-up runs whatever happens.
const CLEANS_UP: &str = "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n    - {run: x, env: {SHIPWAY_DUMMY_SLEEP: 100h}}\n    - {if: always(), run: x, env: {SHIPWAY_DUMMY_SLEEP: WAIT}}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forcing_the_end_ends_also_what_always_runs() {
    let mut begun = 0;
    let story = World::dummy()
        .watch(&CLEANS_UP.replace("WAIT", "100h"), |report, cancel| {
            if matches!(report.kind, ReportKind::StepStarted { .. }) {
                begun += 1;
                if begun == 1 { cancel.ask() } else { cancel.force() }
            }
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    assert_eq!(story.conclusions(), "cancelled cancelled");
    // Nobody has to have asked before.
    let story = World::dummy()
        .watch(&CLEANS_UP.replace("WAIT", "100h"), |report, cancel| {
            if matches!(report.kind, ReportKind::StepStarted { .. }) {
                cancel.force_because("enough");
            }
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    assert!(story.inputs.iter().any(|(_, input)| *input == Input::Cancel { reason: "enough".to_owned() }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_again_ends_no_clean_up() {
    let story = World::dummy()
        .watch(&CLEANS_UP.replace("WAIT", "100ms"), |report, cancel| {
            if matches!(report.kind, ReportKind::StepStarted { .. }) {
                cancel.ask();
                cancel.ask_because("again");
            }
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    assert_eq!(story.conclusions(), "cancelled success");
    let asked = story.inputs.iter().filter(|(_, input)| matches!(input, Input::Cancel { .. }));
    assert_eq!(asked.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_again_after_a_restart_ends_no_clean_up() {
    let workflow = "on: push\njobs:\n  a: {runs-on: host, steps: [{run: x}]}\n  b: {needs: a, if: always(), runs-on: host, steps: [{run: x}]}\n";
    let world = World::dummy();
    let mut run = world.plan(workflow);
    let a = JobKey("a".to_owned());
    let before = [
        Input::Start,
        Input::JobStarted { job: a.clone(), attempt: 1 },
        Input::Cancel { reason: "enough".to_owned() },
        Input::JobFinished {
            job: a,
            attempt: 1,
            conclusion: Conclusion::Cancelled,
            outputs: Default::default(),
        },
    ];
    for input in before {
        let _done = run.apply(&input, Timestamp::from_millis(1));
    }
    world.cancel.ask_because("again");
    let mut journal = MemoryJournal::default();
    let (conclusion, _) = world.drive(run, &mut journal, |_, _| {}).await;
    assert_eq!(conclusion.expect("driven"), Conclusion::Cancelled);
    let b = |(_, input): &(_, Input)| matches!(input, Input::JobFinished { job, conclusion: Conclusion::Success, .. } if job.0 == "b");
    assert!(journal.0.iter().any(b), "{:?}", journal.0);
    assert!(!journal.0.iter().any(|(_, input)| matches!(input, Input::Cancel { .. })), "{:?}", journal.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_two_newer_ones_displace_cleans_up_and_says_why() {
    let world = World::new();
    let there = world.dir.path().join("there");
    let workflow = format!(
        "on: push\njobs:\n  older:\n    runs-on: host\n    concurrency: g\n    steps:\n    - {{run: sleep 600}}\n    - {{if: always(), run: \"until [ -e '{}' ]; do sleep 0.02; done\"}}\n",
        there.display()
    );
    let groups = world.context.groups.clone();
    let (newer, mut begun) = (Cancel::new(), 0);
    let story = world
        .watch(&workflow, |report, cancel| {
            if !matches!(report.kind, ReportKind::StepStarted { .. }) {
                return;
            }
            begun += 1;
            let wanted = ConcurrencyGroup {
                group: "g".to_owned(),
                cancel_in_progress: true,
                queue: ConcurrencyQueue::Single,
            };
            let (groups, newer, there) = (groups.clone(), newer.clone(), there.clone());
            let (asks, cancel) = (begun == 2, cancel.clone());
            tokio::spawn(async move {
                let mut enters = Box::pin(groups.enter(&wanted, "newer", &newer));
                tokio::select! {
                    _ = &mut enters => {}
                    // It stands in line by now.
                    () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {
                        if asks {
                            // One Ctrl-C, the first.
                            cancel.ask();
                            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                            fs::write(there, "").expect("a file");
                        }
                        let _turn = enters.await;
                    }
                }
            });
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    assert_eq!(story.conclusions(), "cancelled success", "{}", story.log());
    let why = "a newer one entered the concurrency group \"g\": newer";
    assert_eq!(story.annotations(Level::Notice), [why]);
    let named = story.reports.iter().any(|report| {
        matches!(&report.kind, ReportKind::JobDisplaced { name, reason } if name == "older" && reason == why)
    });
    assert!(named, "{:?}", story.reports);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_replayed_at_any_point_comes_to_the_same_end() {
    let workflow = "on: push\njobs:\n  a:\n    runs-on: host\n    outputs: {v: '${{ steps.s.outputs.v }}'}\n    steps: [{id: s, run: x, env: {SHIPWAY_DUMMY_OUTPUT: v=1}}]\n  b:\n    needs: a\n    runs-on: host\n    strategy: {matrix: {n: [1, 2]}}\n    steps: [{run: x, env: {SHIPWAY_DUMMY_LOG: 'b got ${{ needs.a.outputs.v }}'}}]\n";
    let world = World::dummy();
    let story = world.run(workflow).await;
    story.expect_success();
    for point in 0..story.inputs.len() {
        let mut run = world.plan(workflow);
        let mut journal = MemoryJournal(story.inputs[..point].to_vec());
        for (at, input) in &journal.0 {
            drop(run.apply(input, *at));
        }
        let (conclusion, _) = world.drive(run, &mut journal, |_, _| {}).await;
        assert_eq!(conclusion.expect("an end"), Conclusion::Success, "crashed after {point} inputs");
        let finished: Vec<_> =
            journal.0.iter().filter(|(_, input)| matches!(input, Input::JobFinished { .. })).collect();
        assert_eq!(finished.len(), 3, "no job is finished twice, crashed after {point} inputs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_one_concurrency_group_never_run_at_once() {
    let job = |id: &str| {
        format!(
            "  {id}:\n    runs-on: host\n    concurrency: G-${{{{ github.ref_name }}}}\n    steps: [{{run: x, env: {{SHIPWAY_DUMMY_SLEEP: 20ms}}}}]\n"
        )
    };
    let (mut running, mut most) = (0_i32, 0);
    let story = World::dummy()
        .watch(&format!("on: push\njobs:\n{}{}{}", job("a"), job("b"), job("c")), |report, _| {
            running += i32::from(matches!(report.kind, ReportKind::StepStarted { .. }));
            running -= i32::from(matches!(report.kind, ReportKind::StepFinished { .. }));
            most = most.max(running);
        })
        .await;
    assert_eq!(most, 1);
    // Of three that come close together one may be displaced while it waits, never more.
    let cancelled = story
        .inputs
        .iter()
        .filter(|(_, input)| matches!(input, Input::JobFinished { conclusion: Conclusion::Cancelled, .. }));
    assert!(cancelled.count() <= 1, "{:?}", story.inputs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_turn_keeps_no_slot_from_others() {
    let mut world = World::new();
    world.context.slots = Arc::new(Semaphore::new(2));
    let there = world.dir.path().join("there");
    let (wait, make) = (format!("until [ -e '{0}' ]; do sleep 0.02; done", there.display()), there.display());
    // Two slots: one for the first of the group, and one that those behind it leave to the job that it waits for.
    let in_group = |id: &str, run: &str| {
        format!(
            "  {id}:\n    runs-on: host\n    concurrency: {{group: g, queue: max}}\n    steps: [{{run: \"{run}\"}}]\n"
        )
    };
    let workflow = format!(
        "on: push\njobs:\n{}{}{}  other:\n    runs-on: host\n    steps: [{{run: \"touch '{make}'\"}}]\n",
        in_group("a", &wait),
        in_group("b", "true"),
        in_group("c", "true"),
    );
    let story = world.run(&workflow).await;
    story.expect_success();
    let begun: Vec<&str> = story
        .inputs
        .iter()
        .filter_map(|(_, input)| {
            let Input::JobStarted { job, .. } = input else { return None };
            Some(job.0.as_str())
        })
        .collect();
    assert_eq!(begun, ["a", "other", "b", "c"], "a job is begun when it has its turn");
}

// One thread, so that the older job is in its group before the first step of the other is told of.
#[tokio::test]
async fn a_job_that_has_its_turn_and_no_slot_gives_way_to_a_newer_one() {
    let mut world = World::new();
    world.context.slots = Arc::new(Semaphore::new(1));
    let there = world.dir.path().join("there");
    let workflow = format!(
        "on: push\njobs:\n  hold:\n    runs-on: host\n    steps: [{{run: \"until [ -e '{}' ]; do sleep 0.02; done\"}}]\n  older:\n    runs-on: host\n    concurrency: g\n    steps: [{{run: 'true'}}]\n",
        there.display()
    );
    let groups = world.context.groups.clone();
    let story = world
        .watch(&workflow, |report, _| {
            if matches!(report.kind, ReportKind::StepStarted { .. }) && report.job.0 == "hold" {
                let (groups, there) = (groups.clone(), there.clone());
                tokio::spawn(async move {
                    let newer = ConcurrencyGroup {
                        group: "g".to_owned(),
                        cancel_in_progress: true,
                        queue: ConcurrencyQueue::Single,
                    };
                    let turn = groups.enter(&newer, "newer", &Cancel::new()).await.expect("its turn");
                    fs::write(there, "").expect("a file");
                    drop(turn);
                });
            }
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    let older = |input: &Input| match input {
        Input::JobStarted { job, .. } => (job.0 == "older").then_some("begun"),
        Input::JobFinished { job, conclusion: Conclusion::Cancelled, .. } => {
            (job.0 == "older").then_some("cancelled")
        }
        Input::JobFinished { .. }
        | Input::Start
        | Input::JobLost { .. }
        | Input::JobInterrupted { .. }
        | Input::Cancel { .. } => None,
    };
    let told: Vec<&str> = story.inputs.iter().filter_map(|(_, input)| older(input)).collect();
    assert_eq!(told, ["cancelled"]);
    let notices = story.annotations(Level::Notice);
    assert!(notices.iter().any(|text| text.contains("a newer one entered")), "{notices:?}");
    let named = story.reports.iter().any(|report| {
        matches!(&report.kind, ReportKind::JobDisplaced { name, reason } if name == "older" && reason.contains("a newer one"))
    });
    assert!(named, "{:?}", story.reports);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_keeps_no_slot_from_others() {
    let mut world = World::new();
    world.context.slots = Arc::new(Semaphore::new(1));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", silent.local_addr().expect("an address"));
    // It listens, so that connections are made, and nobody takes them.
    let path = world.context.host_env.clone();
    let store = ActionStore::new(world.dir.path().join("far"), None, &server, &path);
    world.context.actions = Arc::new(store);
    let workflow = "on: push\njobs:\n  far:\n    runs-on: host\n    steps: [{uses: nobody/there@v1}]\n  near:\n    runs-on: host\n    steps: [{run: 'true'}]\n";
    let slots = world.context.slots.clone();
    let story = world
        .watch(workflow, |report, cancel| {
            if matches!(report.kind, ReportKind::JobFinished { .. }) && report.job.0 == "near" {
                cancel.ask();
            }
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    let near = |input: &Input| matches!(input, Input::JobFinished { job, conclusion: Conclusion::Success, .. } if job.0 == "near");
    assert!(story.inputs.iter().any(|(_, input)| near(input)), "{:?}", story.inputs);
    until(|| slots.available_permits() == 1).await;
    drop(silent);
}

/// A workflow of two jobs that takes a moment, for calls.
const TWO_JOBS: &str = "on: workflow_call\njobs:\n  one:\n    runs-on: host\n    steps: [{run: x, env: {SHIPWAY_DUMMY_SLEEP: 20ms}}]\n  two:\n    needs: one\n    runs-on: host\n    steps: [{run: x, env: {SHIPWAY_DUMMY_SLEEP: 20ms}}]\n";

/// The calls whose steps began, in that order, each told once for all its steps that follow one another.
fn turns(story: &Story) -> Vec<String> {
    let begun = story.reports.iter().filter(|report| matches!(report.kind, ReportKind::StepStarted { .. }));
    let mut turns: Vec<String> =
        begun.filter_map(|report| Some(report.job.0.split_once('/')?.0.to_owned())).collect();
    turns.dedup();
    turns
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_group_take_turns_as_wholes_even_with_one_slot() {
    for slots in [1, 4] {
        let mut world = World::dummy();
        world.context.slots = Arc::new(Semaphore::new(slots));
        world.file("inner.yml", TWO_JOBS);
        // The group of the calling job, and that of the called workflow, are the same kind of thing.
        world.file("named.yml", &TWO_JOBS.replace("jobs:", "concurrency: G-main\njobs:"));
        let call = |id: &str| {
            format!(
                "  {id}:\n    uses: ./inner.yml\n    concurrency: {{group: 'g-${{{{ github.ref_name }}}}', queue: max}}\n"
            )
        };
        let workflow = format!(
            "on: push\njobs:\n{}{}{}  d:\n    needs: [a, b, c]\n    uses: ./named.yml\n",
            call("a"),
            call("b"),
            call("c")
        );
        let story = world.run(&workflow).await;
        story.expect_success();
        let mut turns = turns(&story);
        assert_eq!(turns.len(), 4, "{slots} slots: {turns:?}");
        turns.sort_unstable();
        assert_eq!(turns, ["a", "b", "c", "d"], "{slots} slots");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_call_ends_the_one_in_progress() {
    let world = World::dummy();
    world.file("long.yml", "on: workflow_call\njobs:\n  work:\n    runs-on: host\n    steps: [{run: x, env: {SHIPWAY_DUMMY_SLEEP: 100h}}]\n  never: {needs: work, runs-on: host, steps: [{run: x}]}\n  cleanup: {needs: work, if: always(), runs-on: host, steps: [{run: x}]}\n");
    world.file("inner.yml", TWO_JOBS);
    let workflow = "on: push\njobs:\n  old: {uses: ./long.yml, concurrency: g}\n  gate:\n    runs-on: host\n    steps: [{run: x, env: {SHIPWAY_DUMMY_SLEEP: 200ms}}]\n  new: {needs: gate, uses: ./inner.yml, concurrency: {group: G, cancel-in-progress: true}}\n";
    let story = world.run(workflow).await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    let ended: std::collections::BTreeMap<&str, Conclusion> = story
        .inputs
        .iter()
        .filter_map(|(_, input)| match input {
            Input::JobFinished { job, conclusion, .. } => Some((job.0.as_str(), *conclusion)),
            Input::Start
            | Input::JobStarted { .. }
            | Input::JobLost { .. }
            | Input::JobInterrupted { .. }
            | Input::Cancel { .. } => None,
        })
        .collect();
    let expected = [
        ("gate", Conclusion::Success),
        ("new/one", Conclusion::Success),
        ("new/two", Conclusion::Success),
        ("old/cleanup", Conclusion::Success),
        ("old/work", Conclusion::Cancelled),
    ];
    assert_eq!(ended.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_displaced_runs_none_of_its_jobs_and_gives_its_place_back() {
    let world = World::dummy();
    let always = TWO_JOBS.replace("    needs: one\n", "    needs: one\n    if: always()\n");
    world.file("inner.yml", &always);
    // The first has its turn for long; of the two that come after it the older one is displaced.
    world.file("long.yml", &always.replace("20ms", "300ms"));
    let gate = |id: &str, needs: &str| {
        format!(
            "  {id}:\n    runs-on: host\n    needs: [{needs}]\n    steps: [{{run: x, env: {{SHIPWAY_DUMMY_SLEEP: 60ms}}}}]\n"
        )
    };
    let workflow = format!(
        "on: push\njobs:\n  first: {{uses: ./long.yml, concurrency: g}}\n{}{}  older: {{needs: g1, uses: ./inner.yml, concurrency: g}}\n  newer: {{needs: g2, uses: ./inner.yml, concurrency: g}}\n",
        gate("g1", ""),
        gate("g2", "g1"),
    );
    let story = world.run(&workflow).await;
    assert_eq!(story.conclusion, Conclusion::Cancelled);
    assert_eq!(turns(&story).iter().filter(|turn| *turn == "older").count(), 0, "{:?}", turns(&story));
    assert_eq!(turns(&story).last().map(String::as_str), Some("newer"));
}

/// A journal whose disk is full after some inputs.
struct Full(usize);

impl Journal for Full {
    fn commit<'a>(&'a mut self, _input: &'a Input, _at: Timestamp) -> BoxFuture<'a, Result<(), RunnerError>> {
        Box::pin(async move {
            self.0 = self
                .0
                .checked_sub(1)
                .ok_or_else(|| RunnerError::new(ErrorKind::Journal, "the disk is full"))?;
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_down_is_not_done() {
    let world = World::new();
    let pid_file = world.dir.path().join("pid");
    let text = pid_file.display();
    let workflow = format!(
        "on: push\njobs:\n  long:\n    runs-on: host\n    steps:\n    - run: echo $$ > {text}.new; mv {text}.new {text}; sleep 1000\n  short:\n    runs-on: host\n    steps:\n    - run: while [ ! -e {text} ]; do sleep 0.02; done\n"
    );
    // Start and two starts of jobs fit in; the end of the short job does not.
    let (mut journal, executor) = (Full(3), Arc::new(host(world.dir.path())));
    let (sender, mut receiver) = mpsc::channel(64);
    let drain = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    let ended =
        drive(world.plan(&workflow), &world.context, executor, &mut journal, sender, &world.cancel).await;
    assert_eq!(ended.expect_err("an error").kind, ErrorKind::Journal);
    drain.await.expect("drained");
    appears(&pid_file).await;
    let pid = fs::read_to_string(&pid_file).expect("pid");
    until(|| !alive(pid.trim())).await;
}
