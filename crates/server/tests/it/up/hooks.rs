//! Webhooks: what a forge tells makes runs, of commits that are fetched for it.

use super::{PATIENCE, Yard};
use serde_json::{Value, json};
use shipway_api::{Conclusion, HookOutcome, ValueKind};
use shipway_base::Secret;
use shipway_server::backend::{Actor, BackendError, BackendErrorKind, Hook, ValuePlace};
use std::{os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

const CI: &str = "\
on: [push, pull_request, pull_request_target]
permissions: {contents: write, id-token: write}
jobs:
  a:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - run: |
          echo \"${{ github.event_name }} $GITHUB_REF by $GITHUB_ACTOR: $(cat word)\"
          echo \"secret [${{ secrets.TOKEN }}] token [${SHIPWAY_TOKEN:+given}] variable [${{ vars.PLACE }}]\"
          echo \"identity [${ACTIONS_ID_TOKEN_REQUEST_URL:+given}]\"
";

const NOTHING: &str = "0000000000000000000000000000000000000000";

/// A watched clone, and the repository of the developers, both of one origin.
struct Forge {
    yard: Yard,
    outside: tempfile::TempDir,
}

impl Forge {
    async fn new(files: &[(&str, &str)]) -> Forge {
        let forge = Forge { yard: Yard::new(files).await, outside: tempfile::tempdir().expect("a folder") };
        let (origin, dev) = (forge.path("origin"), forge.path("dev"));
        forge.yard.git(&["clone", "--quiet", "--bare", ".", &origin]);
        forge.yard.git(&["remote", "add", "origin", &origin]);
        forge.yard.git(&["clone", "--quiet", &origin, &dev]);
        forge
    }

    fn path(&self, name: &str) -> String {
        self.outside.path().join(name).display().to_string()
    }

    /// Git in the repository of the developers.
    fn dev(&self, arguments: &[&str]) -> String {
        let dev = self.path("dev");
        self.yard.git(&[&["-C", &dev], arguments].concat()).trim().to_owned()
    }

    /// A commit of the developers with this file, pushed to a ref; gives the commit.
    fn push(&self, path: &str, text: &str, to: &str) -> String {
        let file = PathBuf::from(self.path("dev")).join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("folders");
        std::fs::write(file, text).expect("a file");
        self.dev(&["add", "--all"]);
        self.dev(&["commit", "--quiet", "--message", text]);
        self.dev(&["push", "--quiet", "--force", "origin", &format!("HEAD:{to}")]);
        self.dev(&["rev-parse", "HEAD"])
    }

    /// The merge that a forge makes of the developers' commit and the base, pushed to a ref; gives the commit.
    fn merge(&self, base: &str, to: &str) -> String {
        let made = self.dev(&["commit-tree", "-m", "merge", "-p", base, "-p", "HEAD", "HEAD^{tree}"]);
        self.dev(&["push", "--quiet", "--force", "origin", &format!("{made}:{to}")]);
        made
    }

    fn first(&self) -> String {
        self.yard.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    async fn hear(&self, event: &str, payload: Value) -> Result<HookOutcome, BackendError> {
        let hook = Hook::read(event.to_owned(), Some("d".to_owned()), payload.to_string()).expect("JSON");
        self.yard.backend().hook(hook).await
    }

    /// Tells of a push; gives how many runs it made.
    async fn pushed(&self, reference: &str, before: &str, after: &str) -> usize {
        self.hear("push", push(reference, before, after)).await.expect("an answer").runs.len()
    }

    /// Runs of a pull request, each by its event, with what its job said.
    async fn said(&self, payload: Value) -> Vec<(String, String)> {
        let made = self.hear("pull_request", payload).await.expect("runs");
        assert_eq!(made.ignored, None);
        let mut logs = Vec::new();
        for id in made.runs {
            let run = self.yard.over(id).await;
            let log = self.yard.log(id, "a").await;
            assert_eq!(run.summary.conclusion, Some(Conclusion::Success), "{log}");
            logs.push((run.summary.event, log));
        }
        logs
    }
}

fn repository() -> Value {
    json!({ "full_name": "acme/web", "default_branch": "main" })
}

fn push(reference: &str, before: &str, after: &str) -> Value {
    json!({
        "ref": reference, "before": before, "after": after, "deleted": after == NOTHING,
        "repository": repository(), "sender": { "login": "ada" }, "head_commit": { "id": after },
    })
}

fn request(action: &str, head: &str, base_sha: &str) -> Value {
    json!({
        "action": action, "number": 7,
        "pull_request": {
            "number": 7, "mergeable": null, "merged": false, "merge_commit_sha": null,
            "head": { "ref": "work", "repo": { "full_name": head } },
            "base": { "ref": "main", "sha": base_sha, "repo": { "full_name": "acme/web" } },
        },
        "repository": repository(), "sender": { "login": "eve" },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_the_forge_is_fetched_and_run_once() {
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", CI), ("word", "one")]).await;
    let first = forge.first();
    let second = forge.push("word", "two", "refs/heads/main");
    let told = push("refs/heads/main", &first, &second);
    let made = forge.hear("push", told.clone()).await.expect("runs");
    assert_eq!((made.runs.len(), made.ignored.clone()), (1, None));
    let run = forge.yard.over(made.runs[0]).await;
    assert_eq!((run.summary.commit.sha.as_str(), run.summary.actor.as_str()), (second.as_str(), "ada"));
    let log = forge.yard.log(made.runs[0], "a").await;
    assert!(log.contains("push refs/heads/main by ada: two"), "{log}");

    // Told again, also after a restart, and seen by the one who watches the branch once it is here: still one run.
    assert_eq!(forge.pushed("refs/heads/main", &first, &second).await, 0);
    forge.yard.stop().await;
    forge.yard.start().await;
    assert_eq!(forge.pushed("refs/heads/main", &first, &second).await, 0);
    forge.yard.git(&["merge", "--quiet", "--ff-only", "origin/main"]);
    forge.yard.commit("third", &[("word", "three")]);
    let runs = forge.yard.all_over(2).await;
    assert_eq!(runs[1].commit.subject, "third");

    let removed = push("refs/heads/main", &second, NOTHING);
    for (event, payload, part) in [
        ("push", removed, "was removed"),
        ("push", push("refs/heads/main", &second, &"1".repeat(40)), "is at the origin no more"),
        ("ping", json!({ "zen": "x" }), "ping"),
        ("star", json!({}), "no workflow waits for the event star"),
    ] {
        let outcome = forge.hear(event, payload).await.expect("an answer");
        assert!(outcome.runs.is_empty() && outcome.ignored.is_some_and(|why| why.contains(part)), "{part}");
    }
    for (pointer, value) in [("ref", "refs/heads/a:refs/heads/main"), ("after", "HEAD"), ("before", "--all")]
    {
        let mut bad = told.clone();
        bad[pointer] = json!(value);
        let refused = forge.hear("push", bad).await.expect_err("a refusal");
        assert!(matches!(refused.kind, BackendErrorKind::Invalid(_)), "{refused}");
    }
    forge.yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_quick_pushes_are_two_runs_however_they_are_seen() {
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", CI), ("word", "one")]).await;
    let work = "refs/heads/work";
    // The repository follows only later, and then at once: both were told.
    let one = forge.push("word", "a", work);
    let two = forge.push("word", "b", work);
    assert_eq!((forge.pushed(work, NOTHING, &one).await, forge.pushed(work, &one, &two).await), (1, 1));
    forge.yard.git(&["fetch", "--quiet", "origin", "work:work"]);
    forge.yard.commit("here", &[("here", "x")]);
    forge.yard.all_over(3).await;
    // It follows with the first of two, and has found the second before that is told.
    forge.yard.git(&["config", "remote.origin.fetch", "+refs/heads/w*:refs/heads/w*"]);
    let three = forge.push("word", "c", work);
    let four = forge.push("word", "d", work);
    assert_eq!(forge.pushed(work, &two, &three).await, 1);
    forge.yard.all_over(5).await;
    let known = forge.hear("push", push(work, &three, &four)).await.expect("an answer");
    assert!(known.runs.is_empty() && known.ignored.is_some_and(|why| why.contains("was seen already")));
    // Told the wrong way round.
    let five = forge.push("word", "e", work);
    let six = forge.push("word", "f", work);
    assert_eq!((forge.pushed(work, &five, &six).await, forge.pushed(work, &four, &five).await), (1, 1));
    // Back to where it was: a push as any other.
    forge.dev(&["push", "--quiet", "--force", "origin", &format!("{five}:{work}")]);
    assert_eq!(forge.pushed(work, &six, &five).await, 1);
    forge.yard.commit("again", &[("here", "y")]);
    let runs = forge.yard.all_over(9).await;
    let mut of_work: Vec<_> =
        runs.iter().filter(|run| run.branch == "work").map(|run| &run.commit.sha).collect();
    of_work.sort();
    let mut expect = vec![&one, &two, &three, &four, &five, &five, &six];
    expect.sort();
    assert_eq!(of_work, expect);
    forge.yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_of_a_fork_runs_its_merge_without_secrets() {
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", CI), ("word", "one")]).await;
    for (kind, name, value) in
        [(ValueKind::Secret, "TOKEN", "hunter-two"), (ValueKind::Variable, "PLACE", "eu")]
    {
        let place = ValuePlace { kind, environment: None, name: name.to_owned() };
        let backend = forge.yard.backend();
        backend.set_value(place, Secret::new(value), Actor::Operator).await.expect("it is set");
    }
    let base = forge.first();
    let mut conflict = request("opened", "eve/web", &base);
    conflict["pull_request"]["mergeable"] = json!(false);
    let none = forge.hear("pull_request", conflict).await.expect("an answer");
    assert!(none.ignored.is_some_and(|why| why.contains("there is no refs/pull/7/merge")));
    assert_eq!(none.runs.len(), 1, "the default branch is there");
    forge.yard.over(none.runs[0]).await;

    forge.push("word", "forked", "refs/pull/7/head");
    forge.merge(&base, "refs/pull/7/merge");
    let of_fork = forge.said(request("opened", "eve/web", &base)).await;
    let [(event, own), (target_event, target)] = of_fork.as_slice() else { panic!("{of_fork:?}") };
    assert_eq!((event.as_str(), target_event.as_str()), ("pull_request", "pull_request_target"));
    assert!(own.contains("pull_request refs/pull/7/merge by eve: forked"), "{own}");
    assert!(own.contains("secret [] token [] variable []"), "{own}");
    assert!(own.contains("identity []"), "{own}");
    // What the default branch says may have secrets, and is not what the fork says.
    assert!(target.contains("pull_request_target refs/heads/main by eve: one"), "{target}");
    assert!(target.contains("secret [***] token [given] variable [eu]"), "{target}");
    assert!(target.contains("identity [given]"), "{target}");
    // The same request, of a branch of the repository itself.
    let of_branch = forge.said(request("opened", "Acme/web", &base)).await;
    assert!(of_branch[0].1.contains("secret [***] token [given] variable [eu]"), "{of_branch:?}");
    assert!(of_branch[0].1.contains("identity [given]"), "{of_branch:?}");
    let again = forge.said(request("opened", "Acme/web", &base)).await;
    assert!(again.is_empty(), "what comes again makes nothing");
    // A run of a fork that is run again is one of a fork still.
    let runs = forge.yard.runs().await;
    let forked = runs.iter().find(|run| run.event == "pull_request").expect("the run of the fork");
    forge.yard.backend().rerun(forked.id, Default::default(), Actor::Operator).await.expect("an attempt");
    assert_eq!(forge.yard.over(forked.id).await.summary.attempt, 2);
    assert!(forge.yard.log(forked.id, "a").await.contains("secret [] token [] variable []"));
    forge.yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_fork_reads_no_artifacts_of_other_runs() {
    let asks = "on: pull_request\njobs:\n  a:\n    runs-on: x\n    steps:\n      - {continue-on-error: true, uses: actions/download-artifact@v4, with: {name: x, run-id: '12', github-token: ''}}\n";
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", asks), ("word", "one")]).await;
    let base = forge.first();
    forge.push("word", "forked", "refs/pull/7/head");
    forge.merge(&base, "refs/pull/7/merge");
    let of_fork = forge.said(request("opened", "eve/web", &base)).await;
    assert!(of_fork[0].1.contains("the run is of a fork"), "{of_fork:?}");
    forge.yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_merge_of_the_last_commit_is_waited_for() {
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", CI), ("word", "one")]).await;
    let base = forge.first();
    forge.push("word", "early", "refs/pull/7/head");
    let stale = forge.merge(&base, "refs/made/stale");
    forge.push("word", "late", "refs/pull/7/head");
    let fresh = forge.merge(&base, "refs/made/fresh");
    // The forge makes a merge, and the right one after that, while it is asked again: each look asks it twice.
    let (script, origin, count) = (forge.path("upload-pack"), forge.path("origin"), forge.path("count"));
    let text = format!(
        "#!/bin/sh\necho x >> '{count}'\ncase $(wc -l < '{count}') in\n\
         3) git -C '{origin}' update-ref refs/pull/7/merge {stale} ;;\n\
         5) git -C '{origin}' update-ref refs/pull/7/merge {fresh} ;;\nesac\nexec git upload-pack \"$@\"\n"
    );
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it may run");
    forge.yard.git(&["config", "remote.origin.uploadpack", &script]);
    let said = forge.said(request("synchronize", "eve/web", &base)).await;
    assert!(said[0].1.contains("refs/pull/7/merge by eve: late"), "{said:?}");
    let runs = forge.yard.runs().await;
    assert!(runs.iter().any(|run| run.commit.sha == fresh) && runs.iter().all(|run| run.commit.sha != stale));
    forge.yard.stop().await;
}

/// What follows the run of a request is told the head of the request, and not the merge that was run, and addresses that answer.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_pull_request_knows_its_head() {
    let after = "\
on: {workflow_run: {workflows: [.github/workflows/ci.yml], types: [completed]}}
jobs: {a: {runs-on: x, steps: [{run: \"cat <<'E'\\n${{ toJSON(github.event.workflow_run) }}\\nE\"}]}}
";
    let ci = filtered("  pull_request:");
    let files =
        [(".github/workflows/ci.yml", ci.as_str()), (".github/workflows/after.yml", after), ("word", "one")];
    let mut forge = Forge::new(&files).await;
    let base = forge.first();
    let head = forge.push("word", "a change\n\nwhole", "refs/pull/7/head");
    forge.merge(&base, "refs/pull/7/merge");
    let mut asked = request("opened", "eve/web", &base);
    asked["pull_request"]["head"]["sha"] = json!(head);
    assert_eq!(forge.hear("pull_request", asked).await.expect("heard").runs.len(), 1);
    let runs = forge.yard.all_over(2).await;
    let follows = runs.iter().find(|run| run.event == "workflow_run").expect("it follows");
    let log = forge.yard.log(follows.id, "a").await;
    // The head of the step shows it too.
    let told = log.rsplit_once("\n{\n").and_then(|(_, rest)| rest.split_once("\n}\n")).expect("the body").0;
    let told: Value = serde_json::from_str(&format!("{{{told}}}")).expect("JSON");
    assert_eq!((&told["head_sha"], &told["head_commit"]["id"]), (&json!(head), &json!(head)));
    let of = |format: &str| json!(forge.dev(&["show", "--no-patch", &format!("--format={format}"), &head]));
    assert_eq!(told["head_commit"]["tree_id"], of("%T"));
    assert_eq!(told["head_commit"]["timestamp"], of("%cI"));
    assert_eq!(told["head_commit"]["message"], json!("a change\n\nwhole"));
    assert_eq!(told["head_commit"]["author"], json!({ "name": "T", "email": "t@example.com" }));
    assert_eq!(told["head_commit"]["committer"], json!({ "name": "T", "email": "t@example.com" }));
    let mut addresses: Vec<_> =
        told.as_object().expect("a run").keys().filter(|key| key.ends_with("url")).collect();
    addresses.sort();
    assert_eq!(addresses, ["cancel_url", "html_url", "rerun_url", "url", "workflow_url"]);
    forge.yard.stop().await;
}

/// A forge waits ten seconds for an answer: what takes longer is answered before it is done, is done at the next start when the
/// process ends before that, and is done once.
#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_is_answered_at_once_and_done_after_a_crash() {
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", CI), ("word", "one")]).await;
    let told =
        |forge: &Forge| forge.yard.sql_number("SELECT count(*) FROM settings WHERE name LIKE 'heard %'");
    let base = forge.first();
    forge.yard.stop().await;
    forge.yard.answer_within = Duration::ZERO;
    forge.yard.start().await;
    forge.push("word", "asked", "refs/pull/7/head");
    let heard = forge.hear("pull_request", request("opened", "eve/web", &base)).await.expect("an answer");
    assert!(heard.runs.is_empty() && heard.waiting.is_some(), "{heard:?}");
    // What the default branch says does not wait for the merge.
    assert_eq!(forge.yard.all_over(1).await[0].event, "pull_request_target");
    assert_eq!(told(&forge), 1);
    // It ends while the merge is waited for, and the origin does not answer for a while after that.
    forge.yard.stop().await;
    assert_eq!(told(&forge), 1);
    let merge = forge.merge(&base, "refs/pull/7/merge");
    let (origin, away) = (forge.path("origin"), forge.path("away"));
    std::fs::rename(&origin, &away).expect("it is gone");
    forge.yard.start().await;
    forge.yard.in_trouble().await;
    std::fs::rename(&away, &origin).expect("it is there again");
    let runs = forge.yard.all_over(2).await;
    assert!(runs.iter().any(|run| run.event == "pull_request" && run.commit.sha == merge), "{runs:#?}");
    // A push, of which nothing was done yet when the process ended.
    let sha = forge.push("word", "pushed", "refs/heads/work");
    std::fs::rename(&origin, &away).expect("it is gone");
    let heard = forge.hear("push", push("refs/heads/work", NOTHING, &sha)).await.expect("an answer");
    assert!(heard.waiting.is_some(), "{heard:?}");
    forge.yard.stop().await;
    std::fs::rename(&away, &origin).expect("it is there again");
    forge.yard.answer_within = PATIENCE;
    forge.yard.start().await;
    let runs = forge.yard.all_over(3).await;
    assert!(runs.iter().any(|run| run.event == "push" && run.commit.sha == sha), "{runs:#?}");
    // Told again it makes nothing, and nothing is kept of what is done.
    let again = forge.hear("pull_request", request("opened", "eve/web", &base)).await;
    assert!(again.expect("an answer").runs.is_empty());
    assert_eq!(forge.pushed("refs/heads/work", NOTHING, &sha).await, 0);
    forge.yard.stop().await;
    assert_eq!(told(&forge), 0);
}

/// Bodies of what is seen to are in memory: large ones are refused before they are many, and small ones are heard.
#[tokio::test(flavor = "multi_thread")]
async fn large_webhooks_are_refused_before_they_fill_the_memory() {
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", CI), ("word", "one")]).await;
    let base = forge.first();
    forge.yard.stop().await;
    forge.yard.answer_within = Duration::ZERO;
    forge.yard.start().await;
    // The merge of this one is waited for.
    let large = |number: u64| {
        let mut payload = request("opened", "eve/web", &base);
        payload["pad"] = json!("x".repeat(17 << 20));
        payload["pull_request"]["number"] = json!(number);
        payload
    };
    let heard = forge.hear("pull_request", large(7)).await.expect("an answer");
    assert!(heard.waiting.is_some(), "{heard:?}");
    let refused = forge.hear("pull_request", large(8)).await.expect_err("no room");
    let full = |kind: &BackendErrorKind| matches!(kind, BackendErrorKind::Unavailable(why) if why.contains("32 MiB"));
    assert!(full(&refused.kind), "{refused}");
    forge.hear("pull_request", request("opened", "eve/web", &base)).await.expect("there is room");
    forge.yard.stop().await;
}

/// A repository that follows nobody cannot bring what a forge names: the forge is told what is missing, and what it tells once more when
/// there is an `origin` is done. What the repository has already needs no origin.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_origin_the_forge_is_told_what_is_missing() {
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", CI), ("word", "one")]).await;
    let (origin, first) = (forge.path("origin"), forge.first());
    forge.yard.git(&["remote", "remove", "origin"]);
    let second = forge.push("word", "two", "refs/heads/work");
    forge.push("word", "asked", "refs/pull/7/head");
    forge.merge(&first, "refs/pull/7/merge");
    let told = push("refs/heads/work", NOTHING, &second);
    let status = json!({ "deployment": { "ref": "work", "sha": second }, "action": "created" });
    for (event, payload) in [
        ("push", told.clone()),
        ("pull_request", request("opened", "eve/web", &first)),
        ("deployment", status),
    ] {
        let refused = forge.hear(event, payload).await.expect_err("a refusal");
        assert!(matches!(&refused.kind, BackendErrorKind::NoOrigin(_)), "{event}: {refused}");
        assert!(refused.to_string().contains("has no remote \"origin\""), "{refused}");
    }
    assert!(forge.yard.runs().await.is_empty());
    // The commit is here already.
    let here = forge.yard.commit("here", &[("word", "here")]);
    forge.yard.all_over(1).await;
    let mut again = push("refs/heads/other", NOTHING, &here);
    again["sender"]["login"] = json!("grace");
    let made = forge.hear("push", again).await.expect("runs");
    assert_eq!(made.runs.len(), 1);
    forge.yard.over(made.runs[0]).await;
    assert!(forge.yard.backend().health().await.expect("it says how it is").healthy);
    // Told once more, as the page of the forge lets one do.
    forge.yard.git(&["remote", "add", "origin", &origin]);
    let made = forge.hear("push", told).await.expect("runs");
    assert_eq!(forge.yard.over(made.runs[0]).await.summary.commit.sha, second);
    forge.yard.stop().await;
    assert_eq!(forge.yard.sql_number("SELECT count(*) FROM settings WHERE name LIKE 'heard %'"), 0);
}

/// A workflow with this name that does nothing.
fn filtered(on: &str) -> String {
    format!("on:\n{on}\njobs: {{a: {{runs-on: x, steps: [{{run: 'true'}}]}}}}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_decide_what_starts() {
    let workflows = [
        ("main.yml", filtered("  push: {branches: [main]}")),
        ("src.yml", filtered("  push: {paths: ['src/**']}")),
        ("tags.yml", filtered("  push: {tags: ['v*']}")),
        ("labels.yml", filtered("  pull_request: {types: [labeled]}")),
        ("release.yml", filtered("  pull_request: {branches: ['release/**']}")),
        ("changes.yml", filtered("  pull_request: {paths: ['src/**']}")),
        ("target.yml", filtered("  pull_request_target: {paths: ['docs/**']}")),
        ("closed.yml", filtered("  pull_request: {types: [closed]}")),
    ];
    let files: Vec<(String, &str)> =
        workflows.iter().map(|(name, text)| (format!(".github/workflows/{name}"), text.as_str())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let mut forge = Forge::new(&files).await;
    let started = async |event: &str, payload: Value| {
        let mut paths = Vec::new();
        for id in forge.hear(event, payload).await.expect("an answer").runs {
            let path = forge.yard.over(id).await.summary.workflow;
            paths.push(path.rsplit('/').next().unwrap_or_default().to_owned());
        }
        paths.join(" ")
    };
    let base = forge.first();
    let one = forge.push("src/a", "a", "refs/heads/work");
    assert_eq!(started("push", push("refs/heads/work", &base, &one)).await, "src.yml");
    let two = forge.push("docs/a", "b", "refs/heads/main");
    assert_eq!(started("push", push("refs/heads/main", &one, &two)).await, "main.yml");
    // The paths of a pushed tag are not looked at.
    forge.dev(&["tag", "-m", "v1", "v1"]);
    forge.dev(&["push", "--quiet", "origin", "v1"]);
    let tag = forge.dev(&["rev-parse", "v1"]);
    assert_eq!(started("push", push("refs/tags/v1", NOTHING, &tag)).await, "src.yml tags.yml");

    // The base has gone on meanwhile; what the request changes is what counts.
    forge.dev(&["checkout", "--quiet", "-b", "topic", &base]);
    forge.push("docs/b", "c", "refs/pull/7/head");
    forge.merge(&two, "refs/pull/7/merge");
    let ask = |action: &str| request(action, "acme/web", &base);
    assert_eq!(started("pull_request", ask("opened")).await, "target.yml");
    assert_eq!(started("pull_request", ask("labeled")).await, "labels.yml");
    forge.push("src/b", "d", "refs/pull/7/head");
    forge.merge(&two, "refs/pull/7/merge");
    let mut release = ask("reopened");
    release["pull_request"]["base"]["ref"] = json!("release/1");
    assert_eq!(started("pull_request", release).await, "changes.yml release.yml target.yml");
    // One that was merged runs on its base; one that was only closed where it was.
    let mut merged = ask("closed");
    merged["pull_request"]["merged"] = json!(true);
    merged["pull_request"]["merge_commit_sha"] = json!(two);
    assert_eq!(started("pull_request", merged).await, "closed.yml");
    assert_eq!(started("pull_request", ask("closed")).await, "closed.yml");
    let closed: Vec<_> =
        forge.yard.runs().await.into_iter().filter(|run| run.workflow.ends_with("closed.yml")).collect();
    assert_eq!((closed[0].branch.as_str(), closed[0].commit.sha.as_str()), ("main", two.as_str()));
    assert_eq!(closed[1].branch, "7/merge");
    for bad in ["/number", "/base/ref"] {
        let mut payload = ask("opened");
        *payload["pull_request"].pointer_mut(bad).expect("a field") = json!({});
        assert!(forge.hear("pull_request", payload).await.is_err(), "{bad}");
    }
    forge.yard.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_says_skip_ci_starts_nothing() {
    let text = filtered("  push:\n  pull_request:");
    let mut forge = Forge::new(&[(".github/workflows/ci.yml", &text), ("word", "one")]).await;
    let first = forge.first();
    let second = forge.push("word", "two [skip ci]", "refs/heads/main");
    let outcome = forge.hear("push", push("refs/heads/main", &first, &second)).await.expect("heard");
    assert_eq!(
        (outcome.runs.len(), outcome.ignored.as_deref()),
        (0, Some("the commit message says [skip ci]"))
    );
    let third = forge.push("word", "three", "refs/heads/main");
    assert_eq!(forge.pushed("refs/heads/main", &second, &third).await, 1);
    forge.yard.stop().await;
}
