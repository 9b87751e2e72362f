//! Steps in the container of their job.

use super::{boxed, image::NAME, world};
use shipway_runner::Level;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn steps_run_in_the_container_with_the_paths_of_github() {
    let world = world().await;
    let story = world
        .run(
            r#"
on: push
env:
  HERE: ${{ github.workspace }}
jobs:
  job:
    runs-on: box
    steps:
      - run: |
          pwd; echo "$FROM_IMAGE"; echo "$HOME"; echo "$RUNNER_TEMP"; echo "$RUNNER_TOOL_CACHE"; echo "$GITHUB_EVENT_PATH"
          test -f "$GITHUB_EVENT_PATH" && test ! -e /var/run/docker.sock && echo as expected
          echo "${{ runner.temp }} ${{ github.workspace }}"
          echo "CI=$CI $GITHUB_ACTIONS PATH=$PATH LANG=$LANG"
      - id: out
        run: |
          echo "a=1" >> "$GITHUB_OUTPUT"; echo "B=2" >> "$GITHUB_ENV"; mkdir -p bin
          printf '#!/bin/sh\necho from the path\n' > bin/tool; chmod +x bin/tool; echo "$PWD/bin" >> "$GITHUB_PATH"
          echo text > file; echo "note" >> "$GITHUB_STEP_SUMMARY"
      - run: echo "${{ steps.out.outputs.a }} $B ${{ hashFiles('file') != '' }}"; tool
      - run: cat file; pwd
        working-directory: bin/..
      - run: echo "${{ job.container.id != '' }} ${{ job.container.network != '' }}"
"#,
        )
        .await;
    story.expect_success();
    for line in [
        "/__w/it/it",
        "yes",
        "/github/home",
        "/__w/_temp",
        "/__t",
        "/github/workflow/event.json",
        "as expected",
        "/__w/_temp /__w/it/it",
        "CI=true true PATH=/bin:/usr/bin LANG=",
        "1 2 true",
        "from the path",
        "text",
        "true true",
    ] {
        story.expect_line(line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn scripts_of_a_container_that_was_asked_for_are_for_sh() {
    let job = |place: &str| {
        format!(
            "on: push\njobs:\n  job:\n    {place}\n    steps:\n      - run: |\n          mkdir bin; printf '#!/bin/sh\\necho it is bash\\n' > bin/bash; \
             chmod +x bin/bash; echo \"$PWD/bin\" >> \"$GITHUB_PATH\"\n      - run: echo it is sh\n"
        )
    };
    let world = world().await;
    let asked = world.run(&job(&format!("runs-on: here\n    container: {NAME}"))).await;
    asked.expect_success().expect_line("it is sh").expect_line("shell: sh -e {0}");
    // One that stands for a machine is like the machine.
    world.run(&job("runs-on: box")).await.expect_success().expect_line("it is bash");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_failing_step_and_a_missing_program_are_told() {
    let world = world().await;
    let story = world
        .run(
            "on: push\njobs:\n  a:\n    runs-on: box\n    steps:\n      - run: exit 3\n  b:\n    runs-on: box\n    steps:\n      - run: x\n        shell: perl {0}\n  c:\n    runs-on: box\n    steps:\n      - run: x\n        working-directory: nowhere\n",
        )
        .await;
    let errors = story.annotations(Level::Error).join("\n");
    assert!(errors.contains("exit code 3"), "{errors}");
    assert!(errors.contains("SW0501") && errors.contains("\"perl\" cannot be started"), "{errors}");
    assert!(errors.contains("the working directory /__w/it/it/nowhere does not exist"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn no_record_is_left_when_a_job_ends() {
    let world = world().await;
    let story = world.run(&boxed("      - run: sleep 1000 & echo started\n      - run: echo $$\n")).await;
    story.expect_success().expect_line("started");
    assert_eq!(std::fs::read_dir(world.dir.path().join("records")).expect("records").count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn options_are_split_as_github_splits_them() {
    let world = world().await;
    let options = r#"-e A=a\"b --env "B=two words" -e C=it's --entrypoint "" --hostname named"#;
    let story = world
        .run(&format!(
            "on: push\njobs:\n  job:\n    runs-on: x\n    container:\n      image: {NAME}\n      options: {options}\n    steps:\n      - run: echo \"$(cat /etc/hostname) [$A] [$B] [$C]\"\n"
        ))
        .await;
    story.expect_success().expect_line("named [a\"b] [two words] [it's]");
    story.expect_line("##[warning]--entrypoint has no effect, as on GitHub: the container of a job only waits for its steps");
}
