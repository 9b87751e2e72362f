//! Docker actions: from a Dockerfile, from an image, in jobs on the machine and in containers.

use super::{
    boxed, client,
    image::{NAME, busybox, import},
    world,
};
use crate::{
    hooks::hooks,
    remote::{names, publish},
    world::World,
};
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
async fn an_action_follows_its_base_image() {
    let mut world = world().await;
    let (engine, base) = (client(), "shipway-test/base:1");
    world.file("say/action.yml", "name: say\nruns: {using: docker, image: Dockerfile}\n");
    world.file("say/Dockerfile", &format!("FROM {base}\nENTRYPOINT [\"/bin/env\"]\n"));
    world.commit();
    for version in ["VERSION=1", "VERSION=2"] {
        import(&engine, base, &busybox(), &[&format!("ENV {version}"), "ENV PATH=/bin:/usr/bin"]).await;
        let story = world
            .run("on: push\njobs:\n  job:\n    runs-on: host\n    steps: [{uses: actions/checkout@v4}, {uses: ./say}]\n")
            .await;
        story.expect_line(version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn an_image_is_a_step_and_its_failure_and_limit_are_told() {
    let world = world().await;
    let story = world
        .run(&format!(
            "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n      - uses: docker://{NAME}\n        with: {{entrypoint: /bin/echo, args: 'one \"two three\"'}}\n      - uses: docker://{NAME}\n        with: {{entrypoint: /bin/sh, args: '-c \"exit 4\"'}}\n        continue-on-error: true\n      - uses: docker://{NAME}\n        with: {{entrypoint: /bin/sh, args: '-c \"echo going; sleep 1000\"'}}\n        timeout-minutes: 0.05\n"
        ))
        .await;
    story.expect_line("one two three").expect_line("going");
    let errors = story.annotations(Level::Error).join("\n");
    assert!(errors.contains("exit code 4"), "{errors}");
    assert!(errors.contains("took longer than its timeout-minutes"), "{errors}");
}

/// A Docker action whose parts say who they are and hand state on.
fn parts(world: &World, post_if: &str) {
    let manifest = format!(
        "name: parts\ninputs: {{who: {{default: me}}}}\nruns:\n  using: docker\n  image: Dockerfile\n  pre-entrypoint: /pre.sh\n  entrypoint: /main.sh\n  post-entrypoint: /post.sh\n  args: ['${{{{ inputs.who }}}}']\n  env: {{OWN: own}}\n{post_if}"
    );
    let script = |name: &str| {
        format!(
            "#!/bin/sh\necho \"{name} of $1 $INPUT_WHO [$STATE_seen] $OWN $GITHUB_ACTION_REPOSITORY@$GITHUB_ACTION_REF ${{LATER-unset}}\"\necho \"seen=${{STATE_seen}}{name},\" >> \"$GITHUB_STATE\"\ntest \"$INPUT_WHO\" != \"fails in {name}\"\n"
        )
    };
    let dockerfile = format!("FROM {NAME}\nCOPY *.sh /\nRUN chmod +x /*.sh\nENTRYPOINT [\"/bin/false\"]\n");
    let files = [
        ("action.yml", manifest),
        ("Dockerfile", dockerfile),
        ("pre.sh", script("pre")),
        ("main.sh", script("main")),
        ("post.sh", script("post")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    publish(world, "some/parts", &files);
    for (name, text) in files {
        world.file(&format!("own/{name}"), text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn pre_main_and_post_of_docker_actions_share_state_and_run_in_order() {
    let mut world = world().await;
    parts(&world, "");
    let node = "name: js\nruns: {using: node20, main: main.js, post: post.js}\n";
    let js =
        [("action.yml", node), ("main.js", "console.log('js main')"), ("post.js", "console.log('js post')")];
    publish(&world, "some/js", &js);
    world.commit();
    for place in ["host", "box"] {
        let story = world
            .run(&format!(
                "on: push\njobs:\n  job:\n    runs-on: {place}\n    steps:\n      - run: echo LATER=set >> \"$GITHUB_ENV\"\n      - {{uses: some/parts@v1, with: {{who: first}}}}\n      - uses: some/js@v1\n      - uses: actions/checkout@v4\n      - {{uses: ./own, with: {{who: local}}}}\n"
            ))
            .await;
        story.expect_success();
        assert_eq!(
            names(&story),
            [
                "Pre Run some/parts@v1",
                "Run echo LATER=set >> \"$GITHUB_ENV\"",
                "Run some/parts@v1",
                "Run some/js@v1",
                "Run actions/checkout@v4",
                "Run ./own",
                "Post Run ./own",
                "Post Run some/js@v1",
                "Post Run some/parts@v1",
            ]
        );
        for line in [
            "pre of first first [] own some/parts@v1 unset",
            "main of first first [pre,] own some/parts@v1 set",
            "post of first first [pre,main,] own some/parts@v1 set",
            "main of local local [] own @ set",
            "post of local local [main,] own @ set",
            "js post",
        ] {
            story.expect_line(line);
        }
        let warnings = story.annotations(Level::Warning).join("\n");
        assert!(warnings.contains("pre of ./own is not run"), "{warnings}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn parts_of_docker_actions_have_conditions_and_their_failure_counts() {
    let mut world = world().await;
    parts(&world, "  pre-if: success()\n  post-if: failure()\n");
    world.commit();
    let with = |who: &str| format!("      - {{uses: some/parts@v1, with: {{who: {who}}}}}\n");
    let story = world.steps(&with("fine")).await;
    assert_eq!(story.expect_success().conclusions(), "success success skipped");
    let story = world.steps(&with("fails in main")).await;
    assert_eq!(story.conclusions(), "success failure success", "{}", story.log());
    let story = world.steps(&(with("fails in pre") + "      - run: echo never\n")).await;
    assert_eq!(story.conclusions(), "failure skipped skipped success", "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn scripts_of_the_operator_run_on_the_machine_around_a_job_in_a_container() {
    let mut world = world().await;
    let text = "test -z \"$FROM_IMAGE\" && test -f \"$GITHUB_EVENT_PATH\" && echo \"hook in $PWD\"\necho MARK=hook >> \"$GITHUB_ENV\"\n";
    hooks(&mut world, Some(text), Some("cat made\n"));
    let story =
        world.run(&boxed("      - run: echo \"step in $PWD with $MARK\"; echo from the step > made\n")).await;
    story.expect_success().expect_line("step in /__w/it/it with hook").expect_line("from the step");
    let log = story.log();
    assert!(log.lines().any(|line| line.starts_with("hook in /") && !line.contains("/__w")), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_docker_step_has_the_home_of_the_job_whatever_it_sets_and_args_as_github_splits_them() {
    let world = world().await;
    let story = world
        .run(&format!(
            "on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n      - uses: docker://{NAME}\n        env: {{HOME: /elsewhere, OTHER: yes}}\n        with:\n          entrypoint: sh\n          args: |\n            -c \"for each in $HOME $OTHER \\\"$@\\\"; do echo \\\"[$each]\\\"; done\" - it's 'so' two\n            lines\n"
        ))
        .await;
    story.expect_success().expect_line("[/github/home]").expect_line("[yes]");
    story.expect_line("[it's]").expect_line("['so']").expect_line("[two").expect_line("lines]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_dockerfile_may_use_what_only_buildkit_knows() {
    let mut world = world().await;
    world.file("new/action.yml", "name: new\nruns: {using: docker, image: nested/Dockerfile}\n");
    let dockerfile = |run: &str| {
        format!(
            "FROM {NAME}\nCOPY --chmod=755 entry.sh /entry.sh\nRUN --mount=type=cache,target=/cache {run}\nENTRYPOINT [\"/entry.sh\"]\n"
        )
    };
    world.file("new/nested/Dockerfile", &dockerfile("echo \"built beside $(ls -d /cache)\" > /built"));
    world.file("new/nested/entry.sh", "#!/bin/sh\ncat /built\n");
    world.file("bad/action.yml", "name: bad\nruns: {using: docker, image: Dockerfile}\n");
    world.file("bad/Dockerfile", &dockerfile("echo the reason && exit 3"));
    world.file("bad/entry.sh", "");
    world.commit();
    let story = world
        .run("on: push\njobs:\n  job:\n    runs-on: host\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./new\n      - uses: ./bad\n")
        .await;
    story.expect_line("built beside /cache").expect_line("the reason");
    let errors = story.annotations(Level::Error).join("\n");
    for part in ["[SW0533]", "bad/Dockerfile cannot be built", "3", "its last line was: the reason"] {
        assert!(errors.contains(part), "{errors} lacks {part}");
    }
}
