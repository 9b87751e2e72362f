//! Composite and JavaScript actions of the repository.

use crate::world::{World, has};
use shipway_runner::Level;
use shipway_workflow::run::Conclusion;

const GREET: &str = r#"
name: greet
inputs:
  who: {description: whom, default: world}
  loud: {description: how, default: 'no'}
outputs:
  said: {description: what, value: '${{ steps.say.outputs.said }}'}
runs:
  using: composite
  steps:
  - id: say
    shell: bash
    env: {WHO: '${{ inputs.who }}'}
    run: |
      echo "said=hello $WHO ${{ inputs.loud }}" >> "$GITHUB_OUTPUT"
      echo "outer $OUTER in ${GITHUB_ACTION_PATH##*/}"
      echo "LEFT=behind" >> "$GITHUB_ENV"
  - if: inputs.loud == 'yes'
    shell: bash
    run: exit 9
  - if: failure()
    shell: bash
    run: echo inner cleanup
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_composite_action_has_inputs_and_outputs_of_its_own() {
    let mut world = World::new();
    world.file("actions/greet/action.yml", GREET);
    world.file(
        "actions/twice/action.yaml",
        "name: twice\ninputs: {x: {description:: why}}\nruns:\n  using: composite\n  steps:\n  - {id: a, uses: ./actions/greet, with: {who: nested}}\n  - {shell: bash, run: 'echo \"${{ steps.a.outputs.said }}\"'}\n",
    );
    world.commit();
    let story = world
        .steps(
            r#"
      - uses: actions/checkout@v4
      - {id: one, uses: ./actions/greet, with: {who: you, wat: 1}, env: {OUTER: set}}
      - run: echo "${{ steps.one.outputs.said }}; $LEFT; [${{ steps.say.outputs.said }}]"
      - uses: ./actions/twice
      - {id: two, uses: ./actions/greet, with: {loud: 'yes'}, continue-on-error: true}
      - run: echo "two ${{ steps.two.outcome }}"
"#,
        )
        .await;
    story
        .expect_success()
        .expect_line("outer set in greet")
        .expect_line("hello you no; behind; []")
        .expect_line("hello nested no")
        .expect_line("inner cleanup")
        .expect_line("two failure");
    assert_eq!(story.steps().len(), 6);
    let warnings = story.annotations(Level::Warning);
    assert!(warnings.len() == 2 && warnings[0].contains("no input \"wat\""), "{}", story.log());
    assert!(warnings[1].contains("has no key \"description:\", so that it means nothing"), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_show_inputs_with_defaults_and_variables() {
    let mut world = World::new();
    world.secret("HIDDEN", "sesame");
    world.file("greet/action.yml", GREET);
    world.commit();
    let story = world
        .run(
            r#"
on: push
env: {ZOO: 1}
jobs:
  job:
    runs-on: host
    env: {TOKEN: '${{ secrets.HIDDEN }}'}
    steps:
    - uses: actions/checkout@v4
      with: {fetch-depth: 0, ref: ''}
    - uses: ./greet
      with: {loud: maybe}
      env: {OUTER: set}
    - env: {TWO: "a\nb"}
      run: |

        echo "one"
        echo two
"#,
        )
        .await;
    let log = story.expect_success().log();
    let heads: Vec<&str> = log
        .split("##[group]")
        .skip(1)
        .map(|part| part.split_once("##[endgroup]").expect("the end of a head").0)
        .collect();
    let env = "env:\n  ZOO: 1\n  TOKEN: ***\n";
    assert_eq!(
        heads,
        [
            format!(
                "Run actions/checkout@v4\nwith:\n  fetch-depth: 0\n  repository: me/it\n  clean: true\n  \
                 fetch-tags: false\n  lfs: false\n  submodules: false\n{env}"
            ),
            format!("Run ./greet\nwith:\n  loud: maybe\n  who: world\n{env}  OUTER: set\n"),
            format!(
                "Run echo \"said=hello $WHO maybe\" >> \"$GITHUB_OUTPUT\"\necho \"said=hello $WHO maybe\" >> \
                 \"$GITHUB_OUTPUT\"\necho \"outer $OUTER in ${{GITHUB_ACTION_PATH##*/}}\"\necho \"LEFT=behind\" >> \
                 \"$GITHUB_ENV\"\nshell: bash --noprofile --norc -eo pipefail {{0}}\n{env}  OUTER: set\n  WHO: world\n"
            ),
            format!(
                "Run echo \"one\"\n\necho \"one\"\necho two\nshell: bash -e {{0}}\n{env}  LEFT: behind\n  TWO: a\nb\n"
            ),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_javascript_action_runs_with_its_post_part() {
    if !has("node") {
        return;
    }
    let mut world = World::new();
    world.file(
        "js/action.yml",
        "name: js\ninputs: {who to: {default: me}}\nruns: {using: node20, main: main.js, post: post.js, post-if: 'always()'}\n",
    );
    world.file(
        "js/main.js",
        r#"
const fs = require('fs');
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'got=' + process.env['INPUT_WHO_TO'] + '\n');
fs.appendFileSync(process.env.GITHUB_STATE, 'mark=before\nMARK=' + process.env['INPUT_WHO_TO'] + '\n');
console.log('main in ' + require('path').basename(__dirname));
"#,
    );
    world.file(
        "js/post.js",
        "console.log('post ' + process.env.STATE_mark + (process.env.STATE_MARK || ''));",
    );
    world.commit();
    let story = world
        .steps(
            r#"
      - uses: actions/checkout@v4
      - {id: a, uses: ./js, with: {Who To: first}}
      - {id: b, uses: ./js, with: {who to: second}}
      - run: echo "${{ steps.a.outputs.got }} ${{ steps.b.outputs.got }}"; exit 1
"#,
        )
        .await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    assert_eq!(story.conclusions(), "success success success failure success success");
    story.expect_line("main in js").expect_line("first second");
    let log = story.log();
    let (second, first) = (log.find("post second").expect("second"), log.find("post first").expect("first"));
    assert!(second < first, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_part_is_as_tolerant_as_its_step() {
    if !has("node") {
        return;
    }
    let mut world = World::new();
    world.file("js/action.yml", "name: js\nruns: {using: node20, main: main.js, post: post.js}\n");
    world.file("js/main.js", "console.log('main')");
    world.file("js/post.js", "process.exit(3)");
    world.commit();
    for (more, conclusion) in
        [("continue-on-error: true", Conclusion::Success), ("name: js", Conclusion::Failure)]
    {
        let steps = format!("      - uses: actions/checkout@v4\n      - {{uses: ./js, {more}}}\n");
        let story = world.steps(&steps).await;
        assert_eq!(story.conclusion, conclusion, "{}", story.log());
        assert_eq!(story.conclusions(), format!("success success {}", conclusion.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_that_uses_itself_is_stopped() {
    let mut world = World::new();
    world.file("loop/action.yml", "name: l\nruns:\n  using: composite\n  steps:\n  - uses: ./loop\n");
    world.commit();
    let story = world.steps("      - uses: actions/checkout@v4\n      - uses: ./loop\n").await;
    assert_eq!(story.conclusions(), "success failure");
    assert!(story.annotations(Level::Error)[0].contains("10 deep"), "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_action_names_the_step_of_the_job() {
    let mut world = World::new();
    let text = |steps: &str| format!("name: x\nruns:\n  using: composite\n  steps:\n{steps}");
    let show = "  - {shell: bash, run: 'echo \"$GITHUB_ACTION ${{ github.action }}\"'}\n";
    world.file("outer/action.yml", &text(&format!("{show}  - uses: ./inner\n")));
    world.file("inner/action.yml", &text(show));
    world.commit();
    let story = world
        .steps(
            r#"
      - uses: actions/checkout@v4
      - run: echo "1 $GITHUB_ACTION"
      - run: echo "2 ${{ github.action }}"
      - {id: named, run: 'echo "3 $GITHUB_ACTION"'}
      - uses: ./outer
      - {id: own, uses: ./inner}
"#,
        )
        .await;
    story.expect_success();
    for line in ["1 __run", "2 __run_2", "3 named", "own own"] {
        story.expect_line(line);
    }
    // Those of the composite action within see the name of the job's step, too.
    assert_eq!(story.log().matches("__self __self\n").count(), 2, "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dockerfile_alone_is_an_action() {
    let mut world = World::new();
    world.file("image/Dockerfile", "FROM scratch\n");
    world.file("small/dockerfile", "FROM scratch\n");
    world.file("nothing/README.md", "");
    world.commit();
    let check = async |name: &str, expect: &str| {
        let steps = format!(
            "      - uses: actions/checkout@v4\n      - {{uses: ./{name}, with: {{args: x, entrypoint: y}}}}\n"
        );
        let story = world.steps(&steps).await;
        let errors = story.annotations(Level::Error);
        assert!(errors[0].contains(expect), "{errors:?}");
        assert_eq!(story.annotations(Level::Warning), <[&str; 0]>::default());
    };
    // This executor has no containers.
    check("image", "container").await;
    check("small", "container").await;
    check("nothing", "no action.yml and no Dockerfile in ./nothing").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_may_ask_for_node_24_for_all_its_actions() {
    let mut world = World::new();
    let bin = world.dir.path().join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    let fake = |dir: &std::path::Path, major: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir_all(dir).expect("a folder");
        let path = dir.join("node");
        std::fs::write(
            &path,
            format!("#!/bin/sh\n[ \"$1\" = --version ] && echo v{major}.0.0 || echo run by {major}\n"),
        )
        .expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    fake(&bin, 20);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    std::sync::Arc::make_mut(&mut world.context.host_env).insert("PATH".to_owned(), path);
    world.file("js/action.yml", "name: js\nruns: {using: node20, main: main.js}\n");
    world.file("js/main.js", "");
    world.commit();
    let steps =
        |env: &str| format!("      - uses: actions/checkout@v4\n      - {{uses: ./js, env: {{{env}}}}}\n");
    let story = world.steps(&steps("A: b")).await;
    story.expect_success().expect_line("run by 20");
    assert_eq!(story.annotations(Level::Warning), <[&str; 0]>::default());
    let forced = steps("FORCE_JAVASCRIPT_ACTIONS_TO_NODE24: true");
    let story = world.steps(&forced).await;
    story.expect_success();
    let warnings = story.annotations(Level::Warning);
    assert!(warnings[0].contains("./js is to be run by Node 24, as FORCE_"), "{warnings:?}");
    fake(&bin, 24);
    world.steps(&forced).await.expect_success().expect_line("run by 24");
}
