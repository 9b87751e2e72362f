//! Actions of other repositories, from a mirror.

use crate::world::{Story, World, git, has};
use shipway_runner::{Level, MemoryJournal, ReportKind};
use shipway_workflow::run::Conclusion;
use std::fs;

/// Puts a repository with these files into the mirror, tagged `v1`.
pub(crate) fn publish(world: &World, name: &str, files: &[(&str, &str)]) -> String {
    let dir = world.dir.path().join("mirror").join(name);
    for (file, text) in files {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    git(&dir, &["init", "--quiet", "--initial-branch=main"]);
    git(&dir, &["add", "--all"]);
    git(&dir, &["commit", "--quiet", "-m", "work"]);
    git(&dir, &["tag", "v1"]);
    git(&dir, &["rev-parse", "HEAD"])
}

/// A JavaScript action whose parts say who they are and hand state on.
fn parts(extra: &str) -> Vec<(&'static str, String)> {
    let manifest = format!(
        "name: parts\ninputs: {{who: {{default: me}}}}\noutputs: {{got: {{description: x}}}}\nruns:\n  using: node20\n  \
         pre: pre.js\n  main: main.js\n  post: post.js\n{extra}"
    );
    let part = |name: &str| {
        format!(
            "const fs = require('fs');\nconst e = process.env;\n\
             console.log('{name} ' + e.INPUT_WHO + ' [' + (e.STATE_seen || '') + '] ' + e.GITHUB_ACTION_REPOSITORY + '@' + \
             e.GITHUB_ACTION_REF + ' ' + fs.existsSync(__dirname + '/action.yml') + ' ' + (e.LATER || 'unset'));\n\
             fs.appendFileSync(e.GITHUB_STATE, 'seen=' + (e.STATE_seen || '') + '{name},\\n');\n\
             fs.appendFileSync(e.GITHUB_OUTPUT, 'got=' + e.INPUT_WHO + '\\n');\n"
        )
    };
    vec![
        ("action.yml", manifest),
        ("pre.js", part("pre")),
        ("main.js", part("main")),
        ("post.js", part("post")),
    ]
}

fn publish_parts(world: &World, name: &str, extra: &str) -> String {
    let files = parts(extra);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    publish(world, name, &files)
}

pub(crate) fn names(story: &Story) -> Vec<&str> {
    let started = story.reports.iter().filter_map(|report| {
        let ReportKind::StepStarted { name, .. } = &report.kind else { return None };
        Some(name.as_str())
    });
    started.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pre_main_and_post_share_state_and_run_in_order() {
    if !has("node") {
        return;
    }
    let world = World::new();
    let commit = publish_parts(&world, "some/parts", "");
    publish(
        &world,
        "some/wrap",
        &[(
            "inner/action.yml",
            "name: wrap\ninputs: {name: {default: nobody}}\nruns:\n  using: composite\n  steps:\n  - uses: some/parts@v1\n    \
             with: {who: 'in ${{ inputs.name }}'}\n",
        )],
    );
    let story = world
        .steps(&format!(
            r#"
      - run: echo "LATER=set" >> "$GITHUB_ENV"
      - {{id: one, uses: some/parts@v1, with: {{who: first}}}}
      - {{uses: some/wrap/inner@v1, with: {{name: wrap}}}}
      - {{if: false, uses: Some/Parts@{commit}, with: {{who: never}}}}
      - run: echo "out ${{{{ steps.one.outputs.got }}}}"
"#
        ))
        .await;
    story.expect_success();
    assert_eq!(
        names(&story),
        [
            "Pre Run some/parts@v1",
            "Pre Run some/parts@v1",
            &format!("Pre Run Some/Parts@{commit}"),
            "Run echo \"LATER=set\" >> \"$GITHUB_ENV\"",
            "Run some/parts@v1",
            "Run some/wrap/inner@v1",
            &format!("Run Some/Parts@{commit}"),
            "Run echo \"out first\"",
            &format!("Post Run Some/Parts@{commit}"),
            "Post Run some/parts@v1",
            "Post Run some/parts@v1",
        ]
    );
    for line in [
        "pre first [] some/parts@v1 true unset",
        "pre in wrap [] some/parts@v1 true unset",
        "main first [pre,] some/parts@v1 true set",
        "main in wrap [pre,] some/parts@v1 true set",
        "post in wrap [pre,main,] some/parts@v1 true set",
        "post first [pre,main,] some/parts@v1 true set",
        "out first",
    ] {
        story.expect_line(line);
    }
    let never = format!("post never [pre,] Some/Parts@{commit} true set");
    story.expect_line(&never);
    let told = format!("Download action repository 'some/parts@v1' (SHA:{commit})");
    assert_eq!(story.log().matches(&told).count(), 1, "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_of_pre_and_post_see_how_the_job_stands() {
    if !has("node") {
        return;
    }
    let world = World::new();
    publish_parts(&world, "some/lazy", "  pre-if: runner.os == 'Windows'\n  post-if: failure()\n");
    publish_parts(&world, "some/eager", "  post-if: success()\n");
    let story =
        world.steps("      - uses: some/lazy@v1\n      - uses: some/eager@v1\n      - run: exit 3\n").await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    assert_eq!(
        story.conclusions(),
        "skipped success success success failure success skipped",
        "{}",
        story.log()
    );
    story.expect_line("post me [main,] some/lazy@v1 true unset");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_fetched_fails_the_job_before_its_first_step() {
    let world = World::new();
    publish(
        &world,
        "some/outer",
        &[("action.yml", "name: o\nruns:\n  using: composite\n  steps:\n  - uses: gone/away@v1\n")],
    );
    let story = world.steps("      - run: echo first\n      - uses: some/outer@v1\n").await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    assert_eq!(story.conclusions(), "");
    let errors = story.annotations(Level::Error);
    assert!(errors[0].starts_with("some/outer@v1/action.yml:5:11: [SW0540]"), "{errors:?}");
    assert!(errors[0].contains("gone/away") && errors[0].contains("--action-mirror"), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cannot_change_an_action_for_the_next_one() {
    let mut world = World::new();
    let write = "name: w\nruns:\n  using: composite\n  steps:\n  - shell: bash\n    run: |\n      test ! -e \"$GITHUB_ACTION_PATH/mark\"\n      touch \"$GITHUB_ACTION_PATH/mark\"\n";
    publish(&world, "some/write", &[("action.yml", write)]);
    world
        .file("near/action.yml", "name: near\nruns:\n  using: composite\n  steps:\n  - uses: some/late@v1\n");
    world.commit();
    publish(
        &world,
        "some/late",
        &[(
            "action.yml",
            "name: l\nruns:\n  using: composite\n  steps:\n  - {shell: bash, run: echo fetched late}\n",
        )],
    );
    for _ in 0..2 {
        let story = world
            .steps("      - uses: some/write@v1\n      - uses: actions/checkout@v4\n      - uses: ./near\n")
            .await;
        story.expect_success().expect_line("fetched late");
        assert!(story.log().contains("The built-in checkout is used in place of actions/checkout@v4"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_file_decides_which_commit_runs() {
    let mut world = World::new();
    let action = |word: &str| {
        format!(
            "name: a\nruns:\n  using: composite\n  steps:\n  - {{shell: bash, run: echo it is the {word} one}}\n"
        )
    };
    let first = publish(&world, "some/moved", &[("action.yml", &action("locked"))]);
    let dir = world.dir.path().join("mirror/some/moved");
    fs::write(dir.join("action.yml"), action("moved")).expect("a file");
    git(&dir, &["commit", "--quiet", "--all", "-m", "later"]);
    git(&dir, &["tag", "--force", "v1"]);
    publish(&world, "some/other", &[("action.yml", &action("other"))]);
    let step = "      - uses: some/moved@v1\n";
    world.steps(step).await.expect_success().expect_line("it is the moved one");
    let lock = |path: &str| {
        format!(
            "version: v0.0.2\nworkflows:\n  {path}: ['some/moved@v1']\ndependencies:\n  some/moved@v1:\n    ref: v1\n    \
             commit: sha1-{}\n    owner_id: 1\n    repo_id: 2\n",
            first.trim()
        )
    };
    let path = ".github/workflows/actions.lock";
    world.file(path, &lock(".github/workflows/test.yml"));
    world.commit();
    world.steps(step).await.expect_success().expect_line("it is the locked one");
    let story = world.steps("      - uses: some/other@v1\n").await;
    let errors = story.annotations(Level::Error);
    assert!(errors[0].contains("[SW0119] some/other@v1 does not stand in"), "{errors:?}");
    world.file(path, &lock(".github/workflows/elsewhere.yml"));
    world.commit();
    world.steps(step).await.expect_success().expect_line("it is the moved one");
    world.file(path, "version: v9\n");
    world.commit();
    let story = world.steps(step).await;
    assert!(story.annotations(Level::Error)[0].contains("the version"), "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dollar_in_a_called_workflow_means_the_repository_of_that_file_at_its_commit() {
    let action = |who: &str| {
        format!(
            "name: a\nruns:\n  using: composite\n  steps:\n  - {{shell: bash, run: 'echo this is the action of {who}'}}\n"
        )
    };
    let call = "on: workflow_call\njobs:\n  inner:\n    runs-on: x\n    steps:\n      - uses: $/act\n      - run: 'echo \
                at=${{ job.workflow_sha }} of=${{ job.workflow_repository }}'\n";
    let mut world = World::new();
    let path = ".github/workflows/call.yml";
    let sha = publish(&world, "some/called", &[(path, call), ("act/action.yml", &action("the called"))]);
    world.file("act/action.yml", &action("the caller"));
    // It binds what this repository names, and that is nothing here.
    world.file(
        ".github/workflows/actions.lock",
        "version: v0.0.2\nworkflows:\n  .github/workflows/test.yml: []\ndependencies: {}\n",
    );
    world.commit();
    let run = world.plan(&format!("on: push\njobs:\n  call: {{uses: some/called/{path}@v1}}\n"));
    // What the tag means by the time that the job starts does not count.
    let dir = world.dir.path().join("mirror/some/called");
    fs::write(dir.join("act/action.yml"), action("somebody later")).expect("a file");
    git(&dir, &["commit", "--quiet", "--all", "-m", "later"]);
    git(&dir, &["tag", "--force", "v1"]);
    let mut journal = MemoryJournal::default();
    let (ended, reports) = world.drive(run, &mut journal, |_, _| {}).await;
    let story = Story { conclusion: ended.expect("driven to the end"), reports, inputs: journal.0 };
    story.expect_success().expect_line("this is the action of the called");
    story.expect_line(&format!("at={} of=some/called", sha.trim()));
    let own = world.steps("      - uses: $/act\n").await;
    own.expect_success().expect_line("this is the action of the caller");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pre_part_is_as_tolerant_and_as_limited_as_its_step() {
    let world = World::new();
    let action = "name: pre\nruns: {using: node20, pre: pre.js, main: main.js}\n";
    let files =
        |pre: &'static str| [("action.yml", action), ("pre.js", pre), ("main.js", "console.log('main ran')")];
    publish(&world, "some/fails", &files("process.exit(1)"));
    publish(&world, "some/hangs", &files("setTimeout(() => {}, 30000)"));
    let story = world.steps("      - {uses: some/fails@v1, continue-on-error: true}\n").await;
    story.expect_success().expect_line("main ran");
    let story = world.steps("      - uses: some/fails@v1\n").await;
    assert_eq!(story.conclusions(), "failure skipped", "{}", story.log());
    let story = world.steps("      - {uses: some/hangs@v1, timeout-minutes: 0.01}\n").await;
    assert_eq!(story.conclusions(), "failure skipped", "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_github_context_says_whose_code_runs_as_githubs_runner_does() {
    if !has("node") {
        return;
    }
    let mut world = World::new();
    let own = "name: own\ninputs:\n  who: {default: '${{ github.action_repository }}@${{ github.action_ref }}'}\n  at: {default: '<${{ \
               github.action_path }}>'}\nruns: {using: node20, pre: pre.js, main: main.js, post: post.js}\n";
    let part = |name: &str| {
        format!(
            "const e = process.env;\nconst at = (e.GITHUB_ACTION_PATH || 'none').split('/').slice(-2).join('/');\n\
             console.log('{name}', e.INPUT_WHO, e.INPUT_AT.split('/').slice(-2).join('/'), at);\n"
        )
    };
    let (pre, main, post) = (part("pre"), part("main"), part("post"));
    let files = [("action.yml", own), ("pre.js", &*pre), ("main.js", &*main), ("post.js", &*post)];
    publish(&world, "some/own", &files);
    let wrap = "name: wrap\nruns:\n  using: composite\n  steps:\n  - shell: bash\n    env: {VIA: '${{ github.action_repository }}@${{ \
                github.action_ref }}'}\n    run: echo \"script [${{ github.action_repository }}] [$GITHUB_ACTION_REF] $VIA \
                ${GITHUB_ACTION_PATH##*/some/}\"\n  - {uses: some/own@v1, with: {at: '${{ github.action_repository }}'}}\n  - uses: \
                some/own@v1\n  - uses: $/inner\n";
    let inner = "name: inner\ninputs: {who: {default: '${{ github.action_repository }}@${{ github.action_ref }}'}}\nruns:\n  using: \
                 composite\n  steps: [{shell: bash, run: 'echo \"inner ${{ inputs.who }}\"'}]\n";
    publish(&world, "some/wrap", &[("action.yml", wrap), ("inner/action.yml", inner)]);
    world.file("inner/action.yml", inner);
    let head = world.commit();
    let story = world
        .steps(
            r#"
      - uses: some/own@v1
      - uses: some/wrap@v1
      - uses: $/inner
      - run: echo "plain [${GITHUB_ACTION_REPOSITORY-unset}] [${GITHUB_ACTION_REF-unset}] ${GITHUB_ACTION_PATH-unset}"
"#,
        )
        .await;
    story.expect_success();
    for line in [
        "pre some/own@v1 <> none",
        "main some/own@v1 <> none",
        "post some/own@v1 <> none",
        "script [] [] some/wrap@v1 wrap/v1",
        "main some/own@v1 some/own wrap/v1",
        "main some/own@v1 wrap/v1> wrap/v1",
        "post some/own@v1 wrap/v1> wrap/v1",
        "inner some/wrap@v1",
        &format!("inner me/it@{}", head.trim()),
        "plain [] [] unset",
    ] {
        story.expect_line(line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_composite_action_is_told_that_no_pre_part_within_it_runs() {
    if !has("node") {
        return;
    }
    let mut world = World::new();
    publish_parts(&world, "some/parts", "");
    let near = "name: near\nruns:\n  using: composite\n  steps:\n  - uses: some/parts@v1\n";
    world.file("near/action.yml", near);
    world.commit();
    let story = world.steps("      - uses: actions/checkout@v4\n      - uses: ./near\n").await;
    story.expect_success().expect_line("main me [] some/parts@v1 true unset");
    let warnings = story.annotations(Level::Warning);
    assert_eq!(
        warnings,
        ["pre of ./near is not run, since a local action is not there before the first step"]
    );
}
