//! What goes wrong is said once, with file, line, cause and what to do.

use crate::world::World;
use shipway_runner::Level;
use shipway_workflow::run::Conclusion;
use std::{collections::BTreeMap, sync::Arc};

async fn check(world: &World, step: &str, expect: &[&str]) {
    let story = world.steps(&format!("      - {step}\n")).await;
    assert_eq!(story.conclusion, Conclusion::Failure, "{step}\n{}", story.log());
    let errors = story.annotations(Level::Error);
    assert_eq!(errors.len(), 1, "{step}: {errors:#?}");
    for expect in expect.iter().chain(&[".github/workflows/test.yml:6:"]) {
        assert!(errors[0].contains(expect), "{step}: {}", errors[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_has_one_clear_message() {
    let world = World::new();
    check(&world, "run: ./build.sh", &["exit code 127", "build.sh: No such file", "checked out"]).await;
    check(&world, "run: 'touch x; ./x'", &["exit code 126", "chmod +x"]).await;
    check(&world, "{shell: 'fish {0}', run: x}", &["SW0501", "\"fish\" is not installed", "install fish"])
        .await;
    check(&world, "{shell: pwsh, run: x}", &["SW0501", "\"pwsh\" is not installed"]).await;
    check(&world, "{shell: ksh, run: x}", &["SW0501", "shell: ksh {0}"]).await;
    check(&world, "{working-directory: nowhere, run: x}", &["SW0502", "nowhere does not exist"]).await;
    check(
        &world,
        "uses: ./missing",
        &["SW0503", "no action.yml and no Dockerfile in ./missing", "actions/checkout"],
    )
    .await;
    check(&world, "uses: you/fancy@v1", &["SW0540", "no repository you/fancy", "git clone --mirror"]).await;
    check(&world, "{shell: cmd, run: x}", &["SW0501", "interpreter of Windows"]).await;
    check(&world, "run: echo broken >> $GITHUB_OUTPUT", &["SW0510", "GITHUB_OUTPUT", "line 1", "\"broken\""])
        .await;
    check(&world, "run: kill -9 $$", &["signal 9"]).await;
    check(&world, "run: echo ${{ fromJSON('{') }}", &["SW0206"]).await;
    check(&world, "{if: \"fromJSON('{')\", run: x}", &["SW0206"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_javascript_action_without_node_says_so() {
    let mut world = World::new();
    world.file("js/action.yml", "name: js\nruns: {using: node20, main: main.js}\n");
    world.file("js/main.js", "");
    world.file("bad/action.yml", "name: js\nruns: {using: node20, main: dist/gone.js}\n");
    world.file("worse/action.yml", "name: js\nruns: {using: node20, mian: x}\n");
    world.commit();
    // A path with nothing but git and a shell.
    let bin = world.dir.path().join("bin");
    std::fs::create_dir_all(&bin).expect("folder");
    let find = |name: &str| {
        let path = &world.context.host_env["PATH"];
        path.split(':')
            .map(|dir| std::path::Path::new(dir).join(name))
            .find(|file| file.is_file())
            .expect("program")
    };
    for name in ["git", "bash", "sh"] {
        std::os::unix::fs::symlink(find(name), bin.join(name)).expect("link");
    }
    let path = BTreeMap::from([("PATH".to_owned(), bin.to_string_lossy().into_owned())]);
    world.context.host_env = Arc::new(path);
    let story = world
        .steps(
            r#"
      - uses: actions/checkout@v4
      - {uses: ./js, continue-on-error: true}
      - {uses: ./bad, continue-on-error: true}
      - {uses: ./worse, continue-on-error: true}
"#,
        )
        .await;
    story.expect_success();
    let errors = story.annotations(Level::Error);
    for (error, expect) in errors.iter().zip(["[SW0505]", "dist/gone.js", "worse/action.yml:2:"]) {
        assert!(error.contains(expect), "{error}");
    }
    assert_eq!(errors.len(), 3, "{errors:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_is_found_whatever_the_step_says_path_is() {
    let world = World::new();
    let story = world
        .steps(
            r#"
      - env: {PATH: /nowhere}
        run: echo "from $PATH"; type no-such-program 2>/dev/null || echo gone
      - run: echo "PATH=/evil" >> $GITHUB_ENV
      - run: echo "now $PATH"
      - {shell: sh, run: echo "sh $PATH"}
"#,
        )
        .await;
    story.expect_success();
    for line in ["from /nowhere", "gone", "now /evil", "sh /evil"] {
        story.expect_line(line);
    }
    // What a step puts in front of the path counts for the shells of those behind it.
    let story = world
        .steps(
            r#"
      - run: mkdir bin && printf '#!/bin/sh\necho mine\n' > bin/mine && chmod +x bin/mine && echo $PWD/bin >> $GITHUB_PATH
      - {shell: "mine {0}", env: {PATH: /nowhere}, run: nothing}
"#,
        )
        .await;
    story.expect_success();
    story.expect_line("mine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_cannot_be_saved_is_a_warning() {
    let world = World::new();
    let story = world
        .steps(
            r#"
      - {uses: actions/cache/save@v4, with: {key: k, path: ""}}
      - {uses: actions/cache/save@v4, with: {key: "", path: x}}
      - {uses: actions/cache/save@v4, with: {key: k, path: d/../e}}
      - {id: miss, continue-on-error: true, uses: actions/cache/restore@v4, with: {key: k, path: x, fail-on-cache-miss: true}}
      - run: echo "key ${{ steps.miss.outputs.cache-primary-key }} ${{ steps.miss.outcome }}"
"#,
        )
        .await;
    story.expect_success();
    story.expect_line("key k failure");
    let warnings = story.annotations(Level::Warning);
    for (warning, expect) in warnings.iter().zip(["path is required", "key is required", "segment . or .."]) {
        assert!(warning.contains(expect), "{warnings:#?}");
    }
    assert!(warnings.len() >= 3, "{warnings:#?}");
    let errors = story.annotations(Level::Error);
    assert!(errors.len() == 1 && errors[0].contains("fail-on-cache-miss"), "{errors:#?}");
}
