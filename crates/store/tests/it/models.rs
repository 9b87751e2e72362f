//! Read models: what is written is read back, lists are paged and filtered.

use crate::support::{Hand, event, run, store};
use shipway_base::{Digest, Id, Timestamp};
use shipway_store::{
    Expected, LogName, Statement, Store, StoreError,
    models::{
        Conclusion, Level, Page, Paging, Status,
        deliveries::{self, DeliveryRow, SavedEvidence},
        jobs::{self, AnnotationRow, ArtifactRow, JobRow, JobTrace, StepRow},
        releases::{self, ReleaseRow},
        rollouts::{self, RolloutFilter, RolloutRow},
        runs::{self, AttemptId, RunFilter, RunRow, Told},
        values::{self, ValueKind, ValueRow},
    },
};
use std::time::Duration;

fn id<T>(number: i64) -> Id<T> {
    Id::from_number(number).unwrap()
}

fn run_row(number: u64, hand: &Hand) -> RunRow {
    RunRow {
        id: id(1_000 + number as i64),
        run: id(1_000 + number as i64),
        number,
        repository: "shop".to_owned(),
        path: ".github/workflows/deliver.yml".to_owned(),
        workflow: "Deliver".to_owned(),
        title: format!("Change {number}"),
        event: if number.is_multiple_of(3) { "push" } else { "schedule" }.to_owned(),
        actor: "ann".to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        branch: "main".to_owned(),
        sha: format!("{number:040x}"),
        commit_subject: "100% done".to_owned(),
        commit_author: "Ann".to_owned(),
        status: Status::Queued,
        conclusion: None,
        attempt: 1,
        kept: 0,
        failed_jobs: 0,
        told: Told::Nothing,
        chain: 2,
        created_at: hand.now(),
        started_at: None,
        finished_at: None,
        failed: None,
    }
}

async fn write(store: &Store, statements: Vec<Statement>) {
    store.append("s", Expected::Any, vec![event("x", b"")], statements).await.unwrap();
}

/// Older versions wrote names as they came. What turns the direction of writing, and what steers a terminal, is not read from their rows.
#[test]
fn names_of_older_rows_steer_nothing() {
    let (_dir, store, hand) = store();
    run(async move {
        let odd = |text: &str| format!("{text}\u{202e}\u{1b}[2J\n!");
        let mut row = run_row(1, &hand);
        (row.workflow, row.title, row.commit_subject) = (odd("Deliver"), odd("Change"), odd("subject"));
        let job = JobRow { name: odd("Test"), log: None, ..job_row(row.id, "test", 0) };
        let step = StepRow {
            run: row.id,
            job: "test".to_owned(),
            index: 0,
            name: odd("Step"),
            status: Status::Queued,
            conclusion: None,
            exit_code: None,
            started_at: None,
            finished_at: None,
            first_line: None,
            culprit: None,
        };
        write(&store, vec![runs::insert(&row), jobs::put(&job), jobs::put_step(&step)]).await;
        let failed = Some(odd("Test failed"));
        write(&store, vec![runs::finish(row.id, Conclusion::Failure, failed, hand.now())]).await;
        let read = store.run(row.run).await.unwrap().unwrap();
        let texts = [&read.workflow, &read.title, &read.commit_subject, read.failed.as_ref().unwrap()];
        assert_eq!(texts, ["Deliver !", "Change !", "subject !", "Test failed !"]);
        assert_eq!(store.jobs(row.id).await.unwrap()[0].0.name, "Test !");
        assert_eq!(store.steps(row.id).await.unwrap()[0].name, "Step !");
    });
}

#[test]
fn a_run_goes_from_queued_to_completed() {
    let (_dir, store, hand) = store();
    run(async move {
        assert_eq!(store.next_run_number("shop", ".github/workflows/deliver.yml").await.unwrap(), 1);
        let mut row = run_row(1, &hand);
        write(&store, vec![runs::insert(&row)]).await;
        assert_eq!(store.run(row.run).await.unwrap().as_ref(), Some(&row));
        assert_eq!(store.next_run_number("shop", ".github/workflows/deliver.yml").await.unwrap(), 2);
        assert_eq!(store.next_run_number("shop", "other.yml").await.unwrap(), 1);
        write(&store, vec![runs::start(row.id, hand.now())]).await;
        assert_eq!(store.unfinished_runs().await.unwrap().len(), 1);
        let failed = Some("test / cargo test".to_owned());
        write(&store, vec![runs::finish(row.id, Conclusion::Failure, failed.clone(), hand.now())]).await;
        (row.status, row.conclusion, row.failed) = (Status::Completed, Some(Conclusion::Failure), failed);
        (row.started_at, row.finished_at) = (Some(hand.now()), Some(hand.now()));
        assert_eq!(store.attempt(row.id).await.unwrap(), Some(row));
        assert!(store.unfinished_runs().await.unwrap().is_empty());
        let nobody = runs::start(id(5), hand.now());
        let error = store.append("s", Expected::Any, Vec::new(), vec![nobody]).await.unwrap_err();
        assert!(matches!(error, StoreError::Guard { .. }), "{error}");
        let mut twice = run_row(1, &hand);
        (twice.id, twice.run) = (id(77), id(77));
        let error = store.batch(vec![runs::insert(&twice)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Guard { expected: 1, found: 0, .. }), "{error}");
    });
}

#[test]
fn runs_are_paged_newest_first_and_filtered() {
    let (_dir, store, hand) = store();
    run(async move {
        write(&store, (1..=25).map(|number| runs::insert(&run_row(number, &hand))).collect()).await;
        write(&store, vec![runs::finish(id(1_007), Conclusion::Success, None, hand.now())]).await;
        let first = store.runs(RunFilter::default(), Paging::first(10)).await.unwrap();
        let numbers = |page: &Page<RunRow>| page.items.iter().map(|run| run.number).collect::<Vec<_>>();
        assert_eq!((numbers(&first), first.total), ((16..=25).rev().collect(), 25));
        // A run that is added meanwhile shifts nothing.
        write(&store, vec![runs::insert(&run_row(100, &hand))]).await;
        let second =
            store.runs(RunFilter::default(), Paging { before: first.next, limit: 15 }).await.unwrap();
        assert_eq!((numbers(&second), second.next, second.total), ((1..=15).rev().collect(), None, 26));

        let count = async |filter: RunFilter| {
            let page = store.runs(filter, Paging::first(2)).await.unwrap();
            assert_eq!(page.items.len() as u64, page.total.min(2));
            page.total
        };
        let text = |text: &str| RunFilter { text: Some(text.to_owned()), ..RunFilter::default() };
        assert_eq!(count(text("change 7")).await, 1);
        assert_eq!(count(text("100% DONE")).await, 26);
        assert_eq!(count(text("100_ done")).await, 0, "no wildcards");
        assert_eq!(count(text(&format!("{:040x}", 9))).await, 1);
        let event = |name: &str| RunFilter { event: Some(name.to_owned()), ..RunFilter::default() };
        assert_eq!(count(event("push")).await, 8);
        let done = RunFilter { status: Some(Status::Completed), ..RunFilter::default() };
        assert_eq!(count(done.clone()).await, 1);
        assert_eq!(count(RunFilter { conclusion: Some(Conclusion::Failure), ..done }).await, 0);
        for workflow in ["Deliver", ".github/workflows/deliver.yml"] {
            let filter = RunFilter {
                workflow: Some(workflow.to_owned()),
                branch: Some("main".to_owned()),
                actor: Some("ann".to_owned()),
                repository: Some("shop".to_owned()),
                ..RunFilter::default()
            };
            assert_eq!(count(filter).await, 26);
        }
    });
}

#[test]
fn a_run_is_one_in_lists_however_often_it_is_run_again() {
    let (_dir, store, hand) = store();
    run(async move {
        let first = run_row(1, &hand);
        let attempt = |number: u32| RunRow {
            id: id(2_000 + i64::from(number)),
            run: first.run,
            attempt: number,
            kept: 1,
            ..run_row(1, &hand)
        };
        write(&store, vec![runs::insert(&first), runs::insert(&run_row(2, &hand))]).await;
        let next = |before: AttemptId, number| vec![runs::supersede(before), runs::insert(&attempt(number))];
        let early = store.batch(next(first.id, 2)).await.unwrap_err();
        assert!(matches!(early, StoreError::Guard { .. }), "it is not over: {early}");
        write(&store, vec![runs::finish(first.id, Conclusion::Failure, None, hand.now())]).await;
        write(&store, next(first.id, 2)).await;
        for late in [next(first.id, 2), next(first.id, 3)] {
            let error = store.batch(late).await.unwrap_err();
            assert!(matches!(error, StoreError::Guard { .. }), "somebody else was first: {error}");
        }
        let page = store.runs(RunFilter::default(), Paging::first(10)).await.unwrap();
        let listed: Vec<(u64, u32)> = page.items.iter().map(|run| (run.number, run.attempt)).collect();
        assert_eq!((listed, page.total), (vec![(2, 1), (1, 2)], 2), "where the run was made, it stays");
        let newest = store.run(first.run).await.unwrap().expect("the run");
        assert_eq!((newest.id, newest.attempt), (attempt(2).id, 2));
        let by_attempt = store.run(id(attempt(2).id.number())).await.unwrap();
        assert_eq!(by_attempt.map(|row| row.run), Some(first.run), "the id of an attempt leads to its run");
        let earlier = store.attempt_of(first.run, 1).await.unwrap();
        assert_eq!(earlier.map(|row| row.conclusion), Some(Some(Conclusion::Failure)));
        assert_eq!(store.attempt_of(first.run, 3).await.unwrap(), None);
    });
}

#[test]
fn what_is_to_be_told_of_a_run_is_told_once() {
    let (_dir, store, hand) = store();
    run(async move {
        let row = run_row(1, &hand);
        let over = RunRow { told: Told::Completed, status: Status::Completed, ..run_row(2, &hand) };
        write(&store, vec![runs::insert(&row), runs::insert(&over)]).await;
        let untold = async || -> Vec<(u64, Told, Status)> {
            let rows = store.untold_runs().await.unwrap();
            rows.into_iter().map(|row| (row.number, row.told, row.status)).collect()
        };
        assert_eq!(untold().await, [(1, Told::Nothing, Status::Queued)]);
        write(&store, vec![runs::tell(row.id, Told::Requested)]).await;
        assert_eq!(untold().await, []);
        write(&store, vec![runs::start(row.id, hand.now())]).await;
        assert_eq!(untold().await, [(1, Told::Requested, Status::InProgress)]);
        write(&store, vec![runs::finish(row.id, Conclusion::Success, None, hand.now())]).await;
        write(&store, vec![runs::tell(row.id, Told::InProgress), runs::tell(row.id, Told::Requested)]).await;
        assert_eq!(untold().await, [(1, Told::InProgress, Status::Completed)]);
        write(&store, vec![runs::tell(row.id, Told::Completed)]).await;
        assert_eq!(untold().await, []);
    });
}

#[test]
fn a_kept_job_has_what_it_left() {
    let (_dir, store, hand) = store();
    run(async move {
        let (earlier, later) = (id(1), id(2));
        let job = JobRow { status: Status::Completed, ..job_row(earlier, "build", 0) };
        let trace = JobTrace {
            log_lines: 3,
            error_line: Some(2),
            summary: Some("# Hi".to_owned()),
            summary_bytes: 20_000,
            summary_blob: Some(Digest::of(b"# Hi")),
        };
        let step = StepRow {
            run: earlier,
            job: "build".to_owned(),
            index: 0,
            name: "Make".to_owned(),
            status: Status::Completed,
            conclusion: Some(Conclusion::Success),
            exit_code: Some(0),
            started_at: Some(hand.now()),
            finished_at: Some(hand.now()),
            first_line: Some(1),
            culprit: Some(shipway_store::models::jobs::Culprit {
                name: "Check".to_owned(),
                command: "make \"all\"\nexit 7".to_owned(),
                exit_code: Some(7),
                file: "own/action.yml".to_owned(),
                line: 10,
                first_line: 4,
                last_line: 9,
            }),
        };
        let note = |job: &str| AnnotationRow {
            run: earlier,
            job: job.to_owned(),
            level: Level::Notice,
            title: None,
            message: "hello".to_owned(),
            file: None,
            line: None,
        };
        let mut statements = vec![jobs::put(&job), jobs::put(&job_row(earlier, "other", 1))];
        statements.extend([jobs::trace(earlier, "build", &trace), jobs::put_step(&step)]);
        statements.extend([jobs::annotate(&note("other")), jobs::annotate(&note("build"))]);
        statements.extend(jobs::keep(later, earlier, "build", 1));
        write(&store, statements).await;
        // The state is set anew when the attempt begins, and says nothing of the log.
        let kept = JobRow { run: later, kept_from: Some(1), ..job };
        write(&store, vec![jobs::put(&JobRow { log: None, ..kept.clone() })]).await;
        assert_eq!(store.jobs(later).await.unwrap(), [(kept, trace)]);
        assert_eq!(store.steps(later).await.unwrap(), [StepRow { run: later, ..step }]);
        assert_eq!(store.annotations(later).await.unwrap(), [AnnotationRow { run: later, ..note("build") }]);
    });
}

fn job_row(run: AttemptId, key: &str, place: u32) -> JobRow {
    JobRow {
        run,
        key: key.to_owned(),
        place,
        name: format!("Job {key}"),
        needs: vec!["lint".to_owned(), "unit".to_owned()],
        status: Status::InProgress,
        conclusion: None,
        attempt: 2,
        started_at: Some(Timestamp::from_millis(1)),
        finished_at: None,
        reason: None,
        log: Some(LogName::job(run.number(), key, 2).unwrap()),
        kept_from: None,
    }
}

#[test]
fn jobs_keep_their_trace_when_their_state_changes() {
    let (_dir, store, _) = store();
    run(async move {
        let run = id(1);
        let trace = JobTrace {
            log_lines: 7,
            error_line: Some(3),
            summary: Some("# Done".to_owned()),
            summary_bytes: 6,
            summary_blob: None,
        };
        let mut job = job_row(run, "build/1", 1);
        let other = JobRow { needs: Vec::new(), log: None, ..job_row(run, "build/0", 0) };
        write(&store, vec![jobs::put(&job), jobs::put(&other), jobs::put(&job_row(run, "build", 2))]).await;
        write(&store, vec![jobs::trace(run, "build/1", &trace), jobs::remove(run, "build")]).await;
        (job.status, job.conclusion, job.log) = (Status::Completed, Some(Conclusion::Cancelled), None);
        write(&store, vec![jobs::put(&job)]).await;
        job.log = Some(LogName::job(1, "build/1", 2).unwrap());
        let expect = vec![(other, JobTrace::default()), (job, trace)];
        assert_eq!(store.jobs(run).await.unwrap(), expect);
        for (job, trace) in &expect {
            assert_eq!(store.job(run, &job.key).await.unwrap().as_ref(), Some(&(job.clone(), trace.clone())));
        }
        assert_eq!(store.job(run, "none").await.unwrap(), None);
        assert!(store.jobs(id(2)).await.unwrap().is_empty());
    });
}

/// What is told of a job from beside is kept when it is cancelled, and in no other case.
#[test]
fn a_cancelled_job_keeps_the_reason_that_was_told() {
    let (_dir, store, _) = store();
    run(async move {
        let run = id(1);
        let reason = async || store.job(run, "a").await.unwrap().expect("a job").0.reason;
        let told = |why: &str| vec![jobs::tell_reason(run, "a", why)];
        let put = |reason: Option<&str>, conclusion| {
            let (reason, row) = (reason.map(str::to_owned), job_row(run, "a", 0));
            vec![jobs::put(&JobRow { reason, conclusion, ..row })]
        };
        write(&store, put(Some("it waits"), None)).await;
        write(&store, told("not yet")).await;
        assert_eq!(reason().await.as_deref(), Some("it waits"));
        write(&store, put(None, None)).await;
        write(&store, told("a newer one came")).await;
        assert_eq!(reason().await.as_deref(), Some("a newer one came"));
        write(&store, put(None, Some(Conclusion::Cancelled))).await;
        assert_eq!(reason().await.as_deref(), Some("a newer one came"));
        write(&store, put(Some("its own"), Some(Conclusion::Cancelled))).await;
        assert_eq!(reason().await.as_deref(), Some("its own"));
        write(&store, put(None, Some(Conclusion::Success))).await;
        assert_eq!(reason().await, None);
    });
}

#[test]
fn values_are_set_and_taken_away() {
    let (_dir, store, hand) = store();
    run(async move {
        let value = |environment: &str, name: &str, data: &[u8]| ValueRow {
            kind: ValueKind::Secret,
            environment: environment.to_owned(),
            name: name.to_owned(),
            data: data.to_vec(),
            created_at: hand.now(),
            updated_at: hand.now(),
        };
        let (token, staged) = (value("", "TOKEN", b"\x00\xff"), value("staging", "TOKEN", b"two"));
        let variable = ValueRow { kind: ValueKind::Variable, ..value("", "TOKEN", b"shown") };
        write(&store, [&staged, &token, &variable].map(values::put).into()).await;
        assert_eq!(store.values(ValueKind::Secret).await.unwrap(), [token.clone(), staged.clone()]);
        assert_eq!(store.values(ValueKind::Variable).await.unwrap(), [variable]);
        let later = Timestamp::from_millis(9_000_000_000_000);
        let newer = ValueRow { data: b"new".to_vec(), created_at: later, updated_at: later, ..token.clone() };
        write(&store, vec![values::put(&newer), values::remove(ValueKind::Secret, "staging", "TOKEN")]).await;
        let expect = ValueRow { created_at: token.created_at, ..newer };
        assert_eq!(store.values(ValueKind::Secret).await.unwrap(), [expect]);
        let gone = store.batch(vec![values::remove(ValueKind::Secret, "staging", "TOKEN")]).await;
        assert!(matches!(gone, Err(StoreError::Guard { .. })), "{gone:?}");
    });
}

#[test]
fn steps_annotations_and_artifacts_are_read_back_in_order() {
    let (_dir, store, hand) = store();
    run(async move {
        let run = id(1);
        let step = |index, status| StepRow {
            run,
            job: "build".to_owned(),
            index,
            name: "Test".to_owned(),
            status,
            conclusion: Some(Conclusion::Failure),
            exit_code: Some(101),
            started_at: Some(hand.now()),
            finished_at: None,
            first_line: Some(12),
            culprit: None,
        };
        let (first, second) = (step(0, Status::Completed), step(1, Status::InProgress));
        write(&store, vec![jobs::put_step(&step(1, Status::Queued)), jobs::put_step(&first)]).await;
        write(&store, vec![jobs::put_step(&second)]).await;
        assert_eq!(store.steps(run).await.unwrap(), [first, second]);
        write(&store, vec![jobs::clear_steps(run, "build")]).await;
        assert!(store.steps(run).await.unwrap().is_empty());

        let annotation = |message: &str, line| AnnotationRow {
            run,
            job: "build".to_owned(),
            level: Level::Warning,
            title: None,
            message: message.to_owned(),
            file: Some("a.rs".to_owned()),
            line,
        };
        let annotations = [annotation("b", Some(3)), annotation("a", None)];
        write(&store, annotations.iter().map(jobs::annotate).collect()).await;
        assert_eq!(store.annotations(run).await.unwrap(), annotations);

        write(&store, vec![runs::insert(&RunRow { id: run, run: id(1), ..run_row(1, &hand) })]).await;
        let artifact = |name: &str, bytes| ArtifactRow {
            run,
            name: name.to_owned(),
            digest: Digest::of(name.as_bytes()),
            bytes,
            at: hand.now(),
            mime: "application/zip".to_owned(),
        };
        let (web, api) = (artifact("web", 10), artifact("api", 20));
        write(&store, vec![jobs::put_artifact(&artifact("web", 1)), jobs::put_artifact(&api)]).await;
        write(&store, vec![jobs::put_artifact(&web)]).await;
        assert_eq!(store.artifacts(id(1), 1).await.unwrap(), [api.clone(), web.clone()]);
        assert_eq!(store.artifact(id(1), "web", 1).await.unwrap(), Some(web.clone()));
        assert_eq!(store.artifact(id(1), "none", 1).await.unwrap(), None);

        // A later attempt sees what the first uploaded, and hides it behind what it uploads itself.
        let second = RunRow { id: id(2), run: id(1), attempt: 2, ..run_row(1, &hand) };
        let over = runs::finish(run, Conclusion::Failure, None, hand.now());
        write(&store, vec![over, runs::supersede(run), runs::insert(&second)]).await;
        let newer = ArtifactRow { run: id(2), ..artifact("web", 30) };
        write(&store, vec![jobs::put_artifact(&newer)]).await;
        assert_eq!(store.artifacts(id(1), 2).await.unwrap(), [api.clone(), newer.clone(), web.clone()]);
        assert_eq!(store.artifact(id(1), "web", 1).await.unwrap().as_ref(), Some(&web));
        assert_eq!(store.artifact(id(1), "web", u32::MAX).await.unwrap().as_ref(), Some(&newer));
        assert_eq!(store.artifacts(id(1), 1).await.unwrap(), [api, web.clone()]);
        assert_eq!(store.artifact(id(1), "web", u32::MAX).await.unwrap(), Some(newer));
        write(&store, vec![jobs::remove_artifact(id(2), "web")]).await;
        assert_eq!(store.artifact(id(1), "web", u32::MAX).await.unwrap(), Some(web));
        write(&store, vec![jobs::remove_artifact(run, "web")]).await;
        assert_eq!(store.artifact(id(1), "web", u32::MAX).await.unwrap(), None);
    });
}

fn rollout_row(number: i64, service: &str) -> RolloutRow {
    RolloutRow {
        id: id(number),
        service: service.to_owned(),
        release: id(10 + number),
        from: (number > 1).then(|| id(9 + number)),
        run: Some(id(500)),
        by: "run 500".to_owned(),
        phase: "progressing".to_owned(),
        step: 1,
        steps: 5,
        share: 1_000,
        headline: "10 % of the clients".to_owned(),
        needs_you: true,
        outcome: None,
        reason: None,
        started_at: Timestamp::from_millis(number),
        finished_at: None,
        first_version: 3,
        last_version: None,
        report: None,
    }
}

#[test]
fn releases_and_rollouts_are_listed_by_service() {
    let (_dir, store, hand) = store();
    run(async move {
        let release = |number, service: &str| ReleaseRow {
            id: id(number),
            service: service.to_owned(),
            version: format!("v{number}"),
            digest: Digest::of(b"web"),
            sha: Some("abc".to_owned()),
            run: Some(id(500)),
            spec_name: "shipway.yaml".to_owned(),
            spec: "kind: Service".to_owned(),
            created_at: hand.now(),
        };
        let (first, second, other) = (release(1, "web"), release(2, "web"), release(3, "api"));
        write(&store, [&first, &second, &other].map(releases::insert).into()).await;
        assert_eq!(store.release_row(id(1)).await.unwrap().as_ref(), Some(&first));
        let page = store.releases(Some("web"), Paging::first(1)).await.unwrap();
        assert_eq!((page.items, page.next, page.total), (vec![second], Some(2), 2));
        assert_eq!(store.releases(None, Paging::first(5)).await.unwrap().total, 3);

        let mut rollout = rollout_row(1, "web");
        write(&store, vec![rollouts::put(&rollout), rollouts::put(&rollout_row(2, "api"))]).await;
        (rollout.phase, rollout.outcome) = ("promoted".to_owned(), Some("promoted".to_owned()));
        (rollout.report, rollout.last_version) = (Some("{}".to_owned()), Some(9));
        (rollout.finished_at, rollout.needs_you) = (Some(hand.now()), false);
        write(&store, vec![rollouts::put(&rollout)]).await;
        assert_eq!(store.rollout(id(1)).await.unwrap().as_ref(), Some(&rollout));
        let list = async |filter| store.rollouts(filter, Paging::first(5)).await.unwrap().items;
        let web = RolloutFilter { service: Some("web".to_owned()), ..RolloutFilter::default() };
        assert_eq!(list(web).await, [rollout.clone()]);
        let phase = RolloutFilter { phase: Some("progressing".to_owned()), ..RolloutFilter::default() };
        assert_eq!(list(phase).await, [rollout_row(2, "api")]);
        let by_run = RolloutFilter { run: Some(id(500)), ..RolloutFilter::default() };
        assert_eq!(list(by_run).await.len(), 2);
    });
}

#[test]
fn a_delivery_is_not_overwritten_by_an_older_one() {
    let (_dir, store, hand) = store();
    run(async move {
        let row = |service: &str, version, state: &str| DeliveryRow {
            service: service.to_owned(),
            version,
            state: state.to_owned(),
            at: hand.now(),
        };
        write(&store, vec![deliveries::put(&row("web", 5, "new")), deliveries::put(&row("api", 1, "x"))])
            .await;
        write(&store, vec![deliveries::put(&row("web", 4, "old"))]).await;
        assert_eq!(store.delivery("web").await.unwrap(), Some(row("web", 5, "new")));
        assert_eq!(store.deliveries().await.unwrap(), [row("api", 1, "x"), row("web", 5, "new")]);
        let mut saved = SavedEvidence { rollout: id(1), evidence: Default::default(), at: hand.now() };
        for epoch in 1..3 {
            saved.evidence.epoch = epoch;
            saved.evidence.canary.causes.insert("status 500".to_owned(), epoch);
            store.batch(vec![deliveries::put_evidence(&saved).unwrap()]).await.unwrap();
        }
        assert_eq!(store.saved_evidence(id(1)).await.unwrap(), Some(saved));
        assert_eq!(store.saved_evidence(id(2)).await.unwrap(), None);
    });
}

#[test]
fn how_long_things_took_is_told_of_earlier_runs_that_succeeded() {
    let (_dir, store, hand) = store();
    run(async move {
        let mut rows = Vec::new();
        for (number, conclusion, seconds) in [
            (1, Some(Conclusion::Success), 5),
            (2, Some(Conclusion::Failure), 90),
            (3, Some(Conclusion::Success), 7),
            (4, None, 0),
            (5, Some(Conclusion::Success), 100),
        ] {
            let row = run_row(number, &hand);
            let (began, ended) = (hand.now(), hand.now() + Duration::from_secs(seconds));
            let mut build = job_row(row.id, "build", 0);
            (build.started_at, build.status) = (Some(began), Status::Completed);
            build.conclusion = conclusion.map(|_| Conclusion::Success);
            build.finished_at = conclusion.map(|_| ended);
            let mut test = job_row(row.id, "test", 1);
            (test.started_at, test.finished_at, test.conclusion) = (Some(began), Some(ended), conclusion);
            let mut statements = vec![runs::insert(&row), runs::start(row.id, began)];
            statements.extend([jobs::put(&build), jobs::put(&test)]);
            statements.extend(conclusion.map(|conclusion| runs::finish(row.id, conclusion, None, ended)));
            write(&store, statements).await;
            rows.push(row);
        }
        let seconds = |times: Vec<Duration>| times.iter().map(Duration::as_secs).collect::<Vec<_>>();
        // Of the fourth run: neither itself nor what came after it.
        assert_eq!(seconds(store.run_times(&rows[3], 10).await.unwrap()), [7, 5]);
        assert_eq!(seconds(store.run_times(&rows[3], 1).await.unwrap()), [7]);
        let of = |times: &[jobs::JobTime], name: &str| -> Vec<u64> {
            times.iter().filter(|time| time.name == name).map(|time| time.took.as_secs()).collect()
        };
        let times = store.job_times(&rows[3], 10).await.unwrap();
        let (build, test) = (job_row(rows[0].id, "build", 0).name, job_row(rows[0].id, "test", 1).name);
        assert_eq!((of(&times, &build), of(&times, &test)), (vec![7, 90, 5], vec![7, 5]));
        assert_eq!(of(&store.job_times(&rows[3], 1).await.unwrap(), &build), [7]);
        let other = RunRow { path: "other.yml".to_owned(), ..rows[3].clone() };
        assert!(store.run_times(&other, 10).await.unwrap().is_empty());
        assert!(store.job_times(&other, 10).await.unwrap().is_empty());
    });
}
