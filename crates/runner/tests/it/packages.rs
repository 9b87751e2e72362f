//! A JavaScript action made of the packages that real ones are made of, as the npm registry has them.

use crate::{
    remote::publish,
    world::{World, has},
};
use shipway_runner::{Level, ReportKind};
use std::path::PathBuf;

const MANIFEST: &str = "name: packages\ninputs: {who: {required: true}}\noutputs: {out: {description: x}, found: \
                        {description: y}}\nruns: {using: node20, main: main.js, post: post.js}\n";

const MAIN: &str = r#"
import * as core from '@actions/core';
import * as exec from '@actions/exec';
import * as tools from '@actions/tool-cache';
import * as fs from 'node:fs';

const who = core.getInput('who', { required: true });
core.setSecret('s3cr3t-word');
core.info('the word is s3cr3t-word');
await core.group('A group', async () => core.info('inside the group'));
core.exportVariable('FROM_ACTION', 'line one\nline two');
core.addPath(process.env.RUNNER_TEMP + '/bin');
core.saveState('who', who);
core.setOutput('out', { a: 1 });
core.warning('mind this', { file: 'a.js', startLine: 3, title: 'Careful' });
core.debug('not shown');
await core.summary.addHeading('Done').write();
const ran = await exec.getExecOutput('sh', ['-c', 'echo "run for $1"; exit 3', '-', who], { ignoreReturnCode: true });
core.info('exit code ' + ran.exitCode + ' after ' + ran.stdout.trim());
const dir = process.env.RUNNER_TEMP + '/mytool';
fs.mkdirSync(dir);
fs.writeFileSync(dir + '/mytool', '#!/bin/sh\necho my tool\n', { mode: 0o755 });
const kept = await tools.cacheDir(dir, 'mytool', '1.2.3');
core.setOutput('found', tools.find('mytool', '1.x') === kept);
core.addPath(kept);
const own = tools.find('node', process.versions.node);
const said = await exec.getExecOutput(own + '/bin/node', ['--version'], { silent: true });
const all = tools.findAllVersions('node').join();
core.info('of this machine: ' + (said.stdout.trim() === process.version) + ', alone: ' + (all === process.versions.node));
"#;

const POST: &str = "import * as core from '@actions/core';\ncore.info('post for ' + core.getState('who'));\n";

/// The packages, when somebody installed them.
#[expect(clippy::print_stdout, reason = "what is not tested is said loudly")]
fn packages() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/actions/node_modules");
    let found = folder.canonicalize().ok();
    if found.is_none() {
        println!("NOT TESTED: run npm ci in tests/actions, or cargo xtask test");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn core_and_exec_and_tool_cache_work() {
    let Some(packages) = packages().filter(|_| has("node")) else { return };
    let world = World::new();
    let dir = world.dir.path().join("mirror/some/packages");
    std::fs::create_dir_all(&dir).expect("a folder");
    std::os::unix::fs::symlink(packages, dir.join("node_modules")).expect("a link");
    let package = r#"{"type": "module"}"#;
    let files = [("action.yml", MANIFEST), ("main.js", MAIN), ("post.js", POST), ("package.json", package)];
    publish(&world, "some/packages", &files);
    // A container would see what the job before was offered, and cannot follow its links: no job begins with them.
    let story = world
        .steps(
            r#"
      - run: mkdir -p "$RUNNER_TOOL_CACHE/node/1.2.3/x64/bin" && cd "$RUNNER_TOOL_CACHE/node/1.2.3" && touch x64.complete x64/.of-this-machine
"#,
        )
        .await;
    story.expect_success();
    let story = world
        .steps(
            r#"
      - {id: it, uses: some/packages@v1, with: {who: '  me '}}
      - run: |
          echo "$FROM_ACTION"
          echo '${{ steps.it.outputs.out }} ${{ steps.it.outputs.found }}'
          mytool
          echo "s3cr3t-word again, ${PATH%%:*}" | sed "s|$RUNNER_TOOL_CACHE|tools|"
"#,
        )
        .await;
    story.expect_success();
    for line in [
        "the word is ***",
        "##[group]A group",
        "inside the group",
        "exit code 3 after run for me",
        "line two",
        r#"{"a":1} true"#,
        "my tool",
        "*** again, tools/mytool/1.2.3/x64",
        "post for me",
        "of this machine: true, alone: true",
    ] {
        story.expect_line(line);
    }
    assert_eq!(story.annotations(Level::Warning), ["mind this"]);
    let summaries: Vec<&str> = story
        .reports
        .iter()
        .filter_map(|report| {
            let ReportKind::Summary { markdown, .. } = &report.kind else { return None };
            Some(markdown.trim())
        })
        .collect();
    assert_eq!(summaries, ["<h1>Done</h1>"]);
}
