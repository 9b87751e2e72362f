//! JavaScript actions in the container of a job: by the Node of the machine, which needs nothing of the image, or by the
//! image's own.

use super::{boxed, client, image, world};
use crate::{
    remote::{names, publish},
    world::{has, which},
};
use shipway_runner::{Level, Platform};
use shipway_workflow::run::Conclusion;
use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

/// A part of an action that tells where it is and hands state on.
fn part(name: &str) -> String {
    format!(
        r#"
const e = process.env, fs = require('fs');
console.log('{name} of ' + e.INPUT_WHO + ' [' + (e.STATE_seen || '') + '] ' + __dirname);
fs.appendFileSync(e.GITHUB_STATE, 'seen=' + (e.STATE_seen || '') + '{name},\n');
fs.appendFileSync(e.GITHUB_OUTPUT, 'got=' + e.INPUT_WHO + '\n');
if ('{name}' === 'main') {{
  for (const name of ['GITHUB_ACTION_PATH', 'GITHUB_WORKSPACE', 'RUNNER_TEMP', 'RUNNER_TOOL_CACHE', 'RUNNER_WORKSPACE', 'HOME', 'FROM_IMAGE', 'LD_LIBRARY_PATH'])
    console.log(name + '=' + e[name]);
  console.log('files ' + [e.GITHUB_EVENT_PATH, __dirname + '/action.yml', e.RUNNER_TEMP, e.RUNNER_TOOL_CACHE].map(fs.existsSync));
  const run = (program, args) => require('child_process').execFileSync(program, args).toString().trim();
  console.log('itself ' + run(process.execPath, ['-p', '1+1']) + ', a program of the image ' + run('echo', ['two']));
  console.log('started as ' + process.argv0.replace(/node\d+/, 'nodeN'));
  console.log('crypto ' + require('crypto').createHash('sha256').update('').digest('hex').slice(0, 8) + ' ' + new Intl.NumberFormat('de').format(1234.5));
}}
"#
    )
}

fn parts() -> Vec<(&'static str, String)> {
    let manifest = "name: parts\ninputs: {who: {default: me}}\noutputs: {got: {description: x}}\nruns:\n  using: node20\n  pre: pre.js\n  main: main.js\n  post: post.js\n";
    let mut files = vec![("action.yml", manifest.to_owned())];
    files.extend(["pre", "main", "post"].map(|name| match name {
        "pre" => ("pre.js", part(name)),
        "main" => ("main.js", part(name)),
        _ => ("post.js", part(name)),
    }));
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn actions_run_by_the_node_of_the_machine_in_an_image_without_anything() {
    if !has("node") {
        return;
    }
    let mut world = world().await;
    let files = parts();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    publish(&world, "some/parts", &files);
    let wrap = "name: wrap\noutputs: {path: {value: '${{ steps.path.outputs.path }}'}}\nruns:\n  using: composite\n  steps:\n  - {uses: some/parts@v1, with: {who: wrapped}}\n  - {id: path, shell: sh, run: 'echo \"path=$GITHUB_ACTION_PATH\" >> \"$GITHUB_OUTPUT\"; ls \"$GITHUB_ACTION_PATH\"'}\n";
    publish(&world, "some/wrap", &[("inner/action.yml", wrap)]);
    for (name, text) in &files {
        world.file(&format!("own/{name}"), text);
    }
    world.commit();
    let story = world
        .run(&boxed(
            r#"
      - uses: actions/checkout@v4
      - {id: one, uses: some/parts@v1, with: {who: first}}
      - {id: wrap, uses: some/wrap/inner@v1}
      - {uses: ./own, with: {who: local}}
      - run: echo "${{ steps.one.outputs.got }} ${{ steps.wrap.outputs.path }}"
"#,
        ))
        .await;
    story.expect_success();
    let all = names(&story);
    let expect = [
        "Pre Run some/parts@v1",
        "Pre Run some/parts@v1",
        "Run actions/checkout@v4",
        "Run some/parts@v1",
        "Run some/wrap/inner@v1",
        "Run ./own",
        "Run echo \"first /__w/_actions/some/wrap/v1/inner\"",
        "Post Run ./own",
        "Post Run some/parts@v1",
        "Post Run some/parts@v1",
    ];
    assert_eq!(all, expect, "{}", story.log());
    for line in [
        "pre of first [] /__w/_actions/some/parts/v1",
        "main of first [pre,] /__w/_actions/some/parts/v1",
        "main of wrapped [pre,] /__w/_actions/some/parts/v1",
        "main of local [] /__w/it/it/own",
        "post of local [main,] /__w/it/it/own",
        "post of wrapped [pre,main,] /__w/_actions/some/parts/v1",
        "post of first [pre,main,] /__w/_actions/some/parts/v1",
        "GITHUB_ACTION_PATH=undefined",
        "GITHUB_ACTION_PATH=/__w/_actions/some/wrap/v1/inner",
        "GITHUB_WORKSPACE=/__w/it/it",
        "RUNNER_TEMP=/__w/_temp",
        "RUNNER_TOOL_CACHE=/__t",
        "RUNNER_WORKSPACE=/__w/it",
        "HOME=/github/home",
        "FROM_IMAGE=yes",
        "LD_LIBRARY_PATH=undefined",
        "files true,true,true,true",
        "itself 2, a program of the image two",
        "started as /__e/nodeN/bin/node",
        "crypto e3b0c442 1.234,5",
        "action.yml",
        "first /__w/_actions/some/wrap/v1/inner",
    ] {
        story.expect_line(line);
    }
}

const MAIN: &str = "console.log('runs as ' + process.argv0 + ' ' + process.execPath);\n";

/// An action in the workspace that says what runs it.
fn who_runs(world: &mut crate::world::World) {
    world.file("own/action.yml", "name: own\nruns: {using: node20, main: main.js}\n");
    world.file("own/main.js", MAIN);
    world.commit();
}

const WHO_RUNS: &str = "on: push\njobs:\n  job:\n    runs-on: PLACE\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./own\n";

/// Makes the machine's own Node one that cannot be lent.
fn spoil(world: &mut crate::world::World, text: &str) {
    let dir = world.dir.path().join("spoiled");
    fs::create_dir_all(&dir).expect("a folder");
    fs::write(dir.join("node"), text).expect("a program");
    fs::set_permissions(dir.join("node"), fs::Permissions::from_mode(0o755)).expect("executable");
    let env = Arc::make_mut(&mut world.context.host_env);
    let path = format!("{}:{}", dir.display(), env["PATH"]);
    env.insert("PATH".to_owned(), path);
}

/// Puts the Node of the machine into an image as a distribution would.
async fn image_with_node(name: &str, etc: &str) {
    let tar = image::with(&[("usr/bin/node", &which("node"))], &[("etc/os-release", etc)]);
    let engine = client().negotiate_version().await.expect("an engine");
    image::import(&engine, name, &tar, &["ENV PATH=/bin:/usr/bin"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn the_image_s_own_node_runs_an_action_when_the_machine_s_cannot() {
    if !has("node") {
        return;
    }
    let mut world = world().await;
    image_with_node("shipway-test/node:2", "ID=alpine\n").await;
    Arc::make_mut(&mut world.context.platforms)
        .insert("node".to_owned(), Platform::Image("shipway-test/node:2".to_owned()));
    who_runs(&mut world);
    // What the machine lends comes first, under the name that GitHub has for such an image.
    let story = world.run(&WHO_RUNS.replace("PLACE", "node")).await;
    story.expect_success();
    let log = story.log();
    assert!(log.contains("runs as /__e/node20_alpine/bin/node /__e/"), "{log}");
    spoil(&mut world, "#!/bin/sh\necho v22.0.0\n");
    let story = world.run(&WHO_RUNS.replace("PLACE", "node")).await;
    story.expect_success().expect_line("runs as node /usr/bin/node");
    // And without either there is a reason for each.
    let story = world.run(&WHO_RUNS.replace("PLACE", "box")).await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    let errors = story.annotations(Level::Error).join("\n");
    for part in [
        "SW0505",
        "./own is a JavaScript action (node20), and no Node runs in the container of the job",
        "spoiled/node of this machine is no program file of Linux",
        "the image shipway-test/box:6 has none that runs",
    ] {
        assert!(errors.contains(part), "{errors} lacks {part}");
    }
}
