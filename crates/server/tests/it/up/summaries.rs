//! Summaries of jobs that run.

use super::Yard;
use serde_json::json;
use shipway_api::{Conclusion, JobKey, RerunRequest};
use shipway_server::backend::{Actor, Hook, Which};

const CI: &str = "
on: {push: {branches: [told]}}
jobs:
  long:
    runs-on: ubuntu-latest
    steps:
      - run: for n in $(seq 30000); do echo \"line $n of the summary\"; done > \"$GITHUB_STEP_SUMMARY\"
      - run: echo 'the end' > \"$GITHUB_STEP_SUMMARY\"
  fails:
    runs-on: ubuntu-latest
    steps: [{run: 'exit 1'}]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_long_summary_is_kept_whole_and_its_run_has_the_beginning() {
    let mut yard = Yard::new(&[(".github/workflows/ci.yml", CI)]).await;
    let after = yard.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let payload = json!({ "ref": "refs/heads/told", "before": "0".repeat(40), "after": after });
    let hook = Hook::read("push".to_owned(), None, payload.to_string()).expect("JSON");
    let id = yard.backend().hook(hook).await.expect("it is heard").runs[0];
    assert_eq!(yard.over(id).await.summary.conclusion, Some(Conclusion::Failure));
    let failed = RerunRequest { only_failed: true, ..RerunRequest::default() };
    assert_eq!(yard.backend().rerun(id, failed, Actor::Operator).await.expect("an attempt"), 2);
    yard.attempt_over(id, 2).await;

    let lines: String = (1..=30_000).map(|n| format!("line {n} of the summary\n")).collect();
    let whole = format!("{lines}\n\nthe end\n");
    let backend = yard.backend();
    for attempt in [1, 2] {
        let which = Which { run: id, attempt: Some(attempt) };
        let run = backend.run(which).await.expect("the run");
        let job = run.jobs.iter().find(|job| job.key.as_str() == "long").expect("the job");
        let beginning = job.step_summary.as_deref().expect("a summary");
        assert!(whole.starts_with(beginning) && beginning.ends_with('\n'), "{beginning}");
        assert!(beginning.len() > 16_000 && beginning.len() <= 16 << 10, "{} bytes", beginning.len());
        assert_eq!(job.step_summary_bytes, Some(whole.len() as u64));
        let summary = |key: &str| backend.summary(which, JobKey::new(key).expect("a key"));
        assert!(summary("long").await.expect("it is read").as_ref() == Some(&whole));
        assert_eq!(summary("fails").await.expect("it is read"), None);
        summary("nobody").await.expect_err("no such job");
    }
    yard.stop().await;
}
