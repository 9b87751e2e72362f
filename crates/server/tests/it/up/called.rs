//! Called workflows of other repositories: which commit they are of, for the job and for those who check its identity.

use super::Yard;
use shipway_api::Conclusion;
use std::{fs, path::Path, process::Command};

const CALLER: &str = "\
name: caller
on: push
jobs:
  call:
    permissions: {id-token: write}
    uses: acme/shared/.github/workflows/w.yml@v1
";

const CALLED: &str = "\
on: workflow_call
jobs:
  who:
    runs-on: x
    permissions: {id-token: write}
    steps:
      - run: echo \"at ${{ job.workflow_sha }}\"
      - run: |
          answer=$(curl --silent --fail --header \"Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN\" \"$ACTIONS_ID_TOKEN_REQUEST_URL&audience=me\")
          claims=$(printf %s \"$answer\" | cut -d. -f2 | tr -- '-_' '+/')
          while [ $(( ${#claims} % 4 )) -ne 0 ]; do claims=$claims=; done
          printf %s \"$claims\" | base64 -d | tr ',' '\\n' | sed -n 's/^{*\"\\(job_\\)*workflow_\\(sha\\|ref\\)\"/claim \\1\\2/p'
";

fn git(folder: &Path, arguments: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the test makes a repository as others have one")]
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().expect("git");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_of_a_called_workflow_is_the_commit_of_its_file() {
    let mut yard = Yard::new(&[]).await;
    yard.stop().await;
    let there = yard.mirror().join("acme/shared");
    let file = there.join(".github/workflows/w.yml");
    fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
    fs::write(&file, CALLED).expect("a file");
    git(&there, &["init", "--quiet", "--initial-branch=main"]);
    git(&there, &["add", "--all"]);
    let commit = ["-c", "user.name=it", "-c", "user.email=it@localhost", "commit", "--quiet", "-m", "w"];
    git(&there, &commit);
    git(&there, &["tag", "v1"]);
    let called = git(&there, &["rev-parse", "HEAD"]);
    yard.start().await;
    let caller = yard.commit("call it", &[(".github/workflows/caller.yml", CALLER)]);
    let run = yard.all_over(1).await.remove(0);
    let log = yard.log(run.id, "call/who").await;
    assert_eq!(run.conclusion, Some(Conclusion::Success), "{log}");
    let has = |line: &str| assert!(log.lines().any(|found| found == line), "no line {line:?} in\n{log}");
    has(&format!("at {called}"));
    has(&format!("claim job_sha:\"{called}\""));
    has("claim job_ref:\"acme/shared/.github/workflows/w.yml@v1\"");
    has(&format!("claim sha:\"{}\"", caller.trim()));
    assert_ne!(called, caller.trim());
}
