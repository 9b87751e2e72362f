//! GitHub's own actions, unmodified, from the mirror that `SHIPWAY_ACTION_MIRROR` names: a folder with clones of
//! `actions/checkout`, `actions/github-script` and `actions/setup-node`.

use crate::world::{World, has, node_version, which};
use shipway_runner::ActionStore;
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

#[expect(
    clippy::disallowed_methods,
    reason = "the place of the mirror is told to tests through the environment"
)]
#[expect(clippy::print_stdout, reason = "what is not tested is said loudly")]
fn mirror() -> Option<PathBuf> {
    let mirror = std::env::var_os("SHIPWAY_ACTION_MIRROR").map(PathBuf::from);
    if mirror.is_none() {
        println!("NOT TESTED: set SHIPWAY_ACTION_MIRROR to a folder with clones of GitHub's actions");
    }
    mirror
}

fn world() -> Option<World> {
    let mirror = mirror()?;
    let mut world = World::new();
    let host_env: BTreeMap<String, String> = (*world.context.host_env).clone();
    let cache = world.dir.path().join("cache");
    world.context.actions = Arc::new(ActionStore::new(cache, Some(mirror), "https://github.com", &host_env));
    world.context.native_actions = false;
    Some(world)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkout_and_github_script_and_setup_node() {
    let Some(mut world) = world().filter(|_| has("node")) else { return };
    world.file("hello.txt", "hello from the repository\n");
    let sha = world.commit();
    // What setup-node asks for is in the tool cache.
    let version = node_version();
    let tools = world.dir.path().join("work/_tools/node").join(&version);
    fs::create_dir_all(tools.join("x64/bin")).expect("a folder");
    fs::write(tools.join("x64.complete"), "").expect("a file");
    std::os::unix::fs::symlink(which("node"), tools.join("x64/bin/node")).expect("a link");
    let story = world
        .steps(&format!(
            r#"
      - {{uses: actions/checkout@main, with: {{token: no-token}}}}
      - run: cat hello.txt; git rev-parse HEAD
      - id: script
        uses: actions/github-script@main
        with:
          github-token: no-token
          result-encoding: string
          script: |
            core.info('a line from the script');
            core.exportVariable('EXPORTED', 'by script');
            return context.eventName + ' ' + context.sha;
      - run: echo "${{{{ steps.script.outputs.result }}}} $EXPORTED"
      - {{uses: actions/setup-node@main, with: {{node-version: '{version}', token: no-token, package-manager-cache: false}}}}
"#
        ))
        .await;
    story
        .expect_success()
        .expect_line("hello from the repository")
        .expect_line(&sha)
        .expect_line("a line from the script")
        .expect_line(&format!("push {sha} by script"));
    assert!(story.log().contains("Found in cache"), "{}", story.log());
}
