//! Whose the files of a job in a container are: its user's, also those that the runner makes, as on GitHub, where actions run in there.

use super::{client, image, world};
use crate::{
    remote::publish,
    world::{World, git, has, which},
};
use shipway_runner::Level;
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// An image with git, whose user is `me`, number 1001.
const GIT: &str = "shipway-test/git:2";

/// The same without chown and sh, which busybox has all the same.
const LACKING: &str = "shipway-test/git-lacking:2";

/// A world whose repository is on a commit, and an engine with that image.
async fn with_git() -> World {
    let mut world = world().await;
    let engine = client().negotiate_version().await.expect("an engine");
    if engine.inspect_image(GIT).await.is_err() {
        let tar = image::with(&[("usr/bin/git", &which("git"))], &[]);
        image::import(&engine, GIT, &tar, &["ENV PATH=/bin:/usr/bin", "USER me"]).await;
    }
    world.file("deep/er/file", "one\n");
    std::os::unix::fs::symlink("/etc/passwd", world.repository().join("link")).expect("a link");
    world.commit();
    world
}

fn job(container: &str, steps: &str) -> String {
    format!("on: push\njobs:\n  job:\n    runs-on: x\n    container: {container}\n    steps:\n{steps}")
}

/// What git needs to know of whoever commits.
const ME: &str = "git -c user.name=me -c user.email=me@localhost";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn the_built_in_checkout_gives_the_user_of_the_container_a_tree_of_its_own() {
    let world = with_git().await;
    let steps = format!(
        r#"
      - uses: actions/checkout@v4
      - run: |
          echo "as $(id -u), of $(stat -c %u . .git deep/er/file .git/HEAD link | tr '\n' ' ')"
          test "$(stat -c %u /etc/passwd)" = 0 && echo nothing behind the link
          echo two >> deep/er/file && touch deep/er/more && {ME} add -A && {ME} commit -q -m more && git log --format=%s | head -n 1
          mkdir -p left/over && touch left/over/file && chmod 700 left
      - {{uses: actions/checkout@v4, with: {{path: some/where/else}}}}
      - run: touch some/more some/where/more some/where/else/deep/more && echo all of it
      - uses: actions/checkout@v4
      - run: cat deep/er/file && touch deep/er/again && test ! -e left && git status --short
      - {{uses: actions/upload-artifact@v4, with: {{name: it, path: deep, overwrite: true}}}}
      - {{uses: actions/download-artifact@v4, with: {{name: it, path: deep/er/down/load}}}}
      - run: touch deep/er/down/load/er/new deep/er/down/new && echo the artifact too
"#
    );
    for container in [GIT.to_owned(), format!("{{image: {GIT}, options: --user 1002:1003}}")] {
        let story = world.run(&job(&container, &steps)).await;
        story.expect_success();
        let user = if container == GIT { "1001" } else { "1002" };
        let owners = format!("as {user}, of {}", format!("{user} ").repeat(5));
        for line in
            [owners.as_str(), "nothing behind the link", "more", "all of it", "one", "the artifact too"]
        {
            story.expect_line(line);
        }
        assert!(story.annotations(Level::Warning).is_empty(), "{}", story.log());
        // The runner has removed all of it.
        let left = fs::read_dir(world.dir.path().join("work")).expect("a folder").flatten();
        let left: Vec<_> = left
            .map(|entry| entry.file_name())
            .filter(|name| !name.to_string_lossy().starts_with('_'))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn what_a_workflow_mounts_in_the_workspace_stays_whose_it_is() {
    let world = with_git().await;
    let data = world.dir.path().join("data");
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("file"), "mine").expect("a file");
    let owner = fs::metadata(data.join("file")).expect("a file").uid();
    let container = format!("{{image: {GIT}, volumes: ['{}:/__w/it/it/data']}}", data.display());
    let steps = r#"
      - run: mkdir made && echo text > made/file && stat -c %u data/file > made/owner
      - {uses: actions/upload-artifact@v4, with: {name: it, path: made}}
      - {uses: actions/download-artifact@v4, with: {name: it}}
      - run: echo "$(stat -c %u file made/file | tr '\n' ' ')and $(stat -c %u data/file), as $(cat made/owner)" | sed 's/and \(.*\), as \1$/and as before/'
"#;
    let story = world.run(&job(&container, steps)).await;
    story.expect_success().expect_line("1001 1001 and as before");
    assert_eq!(fs::metadata(data.join("file")).expect("a file").uid(), owner);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_container_that_cannot_give_files_away_has_them_and_a_warning() {
    let world = with_git().await;
    let engine = client().negotiate_version().await.expect("an engine");
    if engine.inspect_image(LACKING).await.is_err() {
        let tar = image::without(&["chown", "sh"], &image::with(&[("usr/bin/git", &which("git"))], &[]));
        image::import(&engine, LACKING, &tar, &["ENV PATH=/bin:/usr/bin", "USER me"]).await;
    }
    let steps = "      - uses: actions/checkout@v4\n      - {shell: 'busybox sh {0}', run: cat deep/er/file; touch deep/file && echo wrote || echo refused}\n";
    // Root without any rights is not all that there is in an engine.
    let story = world.run(&job(&format!("{{image: {GIT}, options: --cap-drop ALL}}"), steps)).await;
    story.expect_success().expect_line("one").expect_line("wrote");
    assert_eq!(story.annotations(Level::Warning), [""; 0]);
    let story = world.run(&job(LACKING, steps)).await;
    story.expect_success().expect_line("one").expect_line("refused");
    let warnings = story.annotations(Level::Warning).join("\n");
    for part in ["what is in /__w/it/it stays the runner's", "[SW0534] chown in the container of the job"] {
        assert!(warnings.contains(part), "{warnings} lacks {part}");
    }
}

/// Does with git what the published action does for the run's repository.
const CHECKOUT: &str = r#"
const e = process.env, { execFileSync } = require('child_process');
const git = (...args) => console.log(execFileSync('git', args, { stdio: ['ignore', 'pipe', 'inherit'] }).toString().trim());
const address = `${e.GITHUB_SERVER_URL || 'https://github.com'}/${e.INPUT_REPOSITORY}`;
git('-c', 'safe.directory=*', 'init', '-q', '.');
git('config', '--global', '--add', 'safe.directory', e.GITHUB_WORKSPACE);
git('remote', 'add', 'origin', address);
git('-c', 'protocol.version=2', 'fetch', '--no-tags', '--depth=1', 'origin', '+' + e.GITHUB_SHA + ':refs/remotes/origin/main');
git('checkout', '--force', '-B', 'main', 'refs/remotes/origin/main');
console.log('mark ' + execFileSync('git', ['config', 'own.mark']).toString().trim());
"#;

/// Gives a folder with all that is in it to somebody, which only root may do.
fn give(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).expect("given away");
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).expect("a folder").flatten().for_each(|entry| give(&entry.path(), user));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn the_published_checkout_fetches_from_a_repository_of_somebody_else() {
    if !has("node") {
        return;
    }
    let mut world = with_git().await;
    world.context.native_actions = false;
    let manifest = "name: checkout\ninputs: {repository: {default: '${{ github.repository }}'}}\nruns: {using: node20, main: main.js}\n";
    publish(&world, "actions/checkout", &[("action.yml", manifest), ("main.js", CHECKOUT)]);
    let sha = git(&world.repository(), &["rev-parse", "HEAD"]);
    // Settings of the step's own stay.
    let steps = "      - uses: actions/checkout@v1\n        env: {GIT_CONFIG_COUNT: 1, GIT_CONFIG_KEY_0: own.mark, GIT_CONFIG_VALUE_0: kept}\n      - run: git rev-parse HEAD; cat deep/er/file; git remote get-url origin; test $(id -u) = $(stat -c %u /__w/_repository) && echo own || git -C /__w/_repository log || echo strange\n";
    let is_root = fs::metadata(world.dir.path()).expect("a folder").uid() == 0;
    for (user, owner) in [("1002", None), ("0", Some(1234))] {
        if let Some(owner) = owner.filter(|_| is_root) {
            give(&world.repository(), owner);
        }
        let container = format!("{{image: {GIT}, options: --user {user}}}");
        let story = world.run(&job(&container, steps)).await;
        story.expect_success();
        for line in ["mark kept", sha.as_str(), "one", "https://github.com/me/it"] {
            story.expect_line(line);
        }
        // In an engine without root the owner of the repository is root.
        assert!(story.log().lines().any(|line| ["strange", "own"].contains(&line)), "{}", story.log());
    }
}
