//! Docker actions: from a Dockerfile, from an image, in jobs on the machine and in containers.

use super::{image::NAME, world};
use crate::world::World;
use shipway_runner::Level;

const MANIFEST: &str = "name: greet\ninputs:\n  who: {default: you}\nruns:\n  using: docker\n  image: Dockerfile\n  args: ['${{ inputs.who }}', 'a b']\n  env: {FROM_ACTION: '1', KIND: action}\n";

const SCRIPT: &str = r#"#!/bin/sh
echo "hello $1, $2, $INPUT_WHO, $FROM_ACTION, $KIND, $FROM_IMAGE"
pwd; echo "$GITHUB_WORKSPACE $HOME $RUNNER_TEMP $GITHUB_EVENT_PATH"
test -f "$GITHUB_EVENT_PATH" && cat file
test ! -e /var/run/docker.sock && echo "no socket"
echo "said=$1" >> "$GITHUB_OUTPUT"; echo made > made
"#;

fn files(world: &World) {
    world.file("greet/action.yml", MANIFEST);
    world.file(
        "greet/Dockerfile",
        &format!(
            "FROM {NAME}\nCOPY entry.sh /entry.sh\nRUN chmod +x /entry.sh\nENTRYPOINT [\"/entry.sh\"]\n"
        ),
    );
    world.file("greet/entry.sh", SCRIPT);
    world.file("file", "of the workspace\n");
}

async fn greeted(place: &str) {
    let mut world = world().await;
    files(&world);
    world.commit();
    let story = world
        .run(&format!(
            "on: push\njobs:\n  job:\n    runs-on: {place}\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./greet\n        id: greet\n        with: {{who: world}}\n        env: {{KIND: step}}\n      - run: cat made; echo \"${{{{ steps.greet.outputs.said }}}}\"\n"
        ))
        .await;
    story.expect_success();
    for line in [
        "hello world, a b, world, 1, step, yes",
        "/github/workspace",
        "/github/workspace /github/home /github/runner_temp /github/workflow/event.json",
        "of the workspace",
        "no socket",
        "made",
        "world",
    ] {
        story.expect_line(line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn an_action_with_a_dockerfile_runs_for_a_job_on_the_machine() {
    greeted("host").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn an_action_with_a_dockerfile_runs_for_a_job_in_a_container() {
    greeted("box").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn an_image_is_a_step_and_its_failure_and_limit_are_told() {
    let world = world().await;
    let story = world
        .run(&format!(
            "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n      - uses: docker://{NAME}\n        with: {{entrypoint: /bin/echo, args: one 'two three'}}\n      - uses: docker://{NAME}\n        with: {{entrypoint: /bin/sh, args: -c 'exit 4'}}\n        continue-on-error: true\n      - uses: docker://{NAME}\n        with: {{entrypoint: /bin/sh, args: -c 'echo going; sleep 1000'}}\n        timeout-minutes: 0.05\n"
        ))
        .await;
    story.expect_line("one two three").expect_line("going");
    let errors = story.annotations(Level::Error).join("\n");
    assert!(errors.contains("exit code 4"), "{errors}");
    assert!(errors.contains("took longer than its timeout-minutes"), "{errors}");
}
