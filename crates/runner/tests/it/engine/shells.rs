//! The shells of steps in containers: those that the image has, in the job and in actions that are made of steps.

use super::{
    client,
    image::{self, NAME},
    world,
};
use shipway_runner::{Level, Platform};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_shell_that_the_image_lacks_is_told_with_its_place() {
    let mut world = world().await;
    let inner = "name: inner\nruns:\n  using: composite\n  steps:\n  - {shell: sh, run: 'echo \"sh of the action in $PWD\"'}\n  - shell: bash\n    run: echo never\n";
    world.file("inner/action.yml", inner);
    world.commit();
    let story = world
        .run(&format!(
            "on: push\njobs:\n  job:\n    runs-on: x\n    container: {NAME}\n    steps:\n      - uses: actions/checkout@v4\n      - run: echo never\n        shell: bash\n      - if: always()\n        uses: ./inner\n"
        ))
        .await;
    story.expect_line("sh of the action in /__w/it/it");
    let errors = story.annotations(Level::Error);
    let bash = "[SW0501] \"bash\" cannot be started in the container";
    for (file, help) in [
        (".github/workflows/test.yml:8:", "use an image that has it, or choose another program with shell:"),
        ("inner/action.yml:6:", "use an image that has it"),
    ] {
        let found = errors.iter().find(|error| error.starts_with(file));
        let found = found.unwrap_or_else(|| panic!("nothing at {file} in {errors:#?}"));
        assert!(found.contains(bash) && found.contains(help), "{found}");
    }
    assert!(!story.log().lines().any(|line| line == "never"), "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn programs_of_an_image_without_a_path_are_found() {
    let mut world = world().await;
    let (engine, name) = (client(), "shipway-test/pathless:1");
    let bash =
        ("usr/local/bin/bash", "#!/bin/sh\necho it is bash\nfor last; do :; done\nexec sh -e \"$last\"\n");
    image::import(&engine, name, &image::with(&[], &[bash]), &[]).await;
    let steps =
        "    steps:\n      - run: echo \"path $PATH\"; id -u\n      - {shell: bash, run: echo by bash}\n";
    let asked =
        world.run(&format!("on: push\njobs:\n  job:\n    runs-on: x\n    container: {name}\n{steps}")).await;
    let path = "path /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    asked.expect_success().expect_line(path).expect_line("0").expect_line("it is bash");
    // Where a bash is looked for before a script begins, it is found too.
    Arc::make_mut(&mut world.context.platforms)
        .insert("pathless".to_owned(), Platform::Image(name.to_owned()));
    let steps = "    steps: [{run: echo by default}]\n";
    let label = world.run(&format!("on: push\njobs:\n  job:\n    runs-on: pathless\n{steps}")).await;
    label.expect_success().expect_line("it is bash").expect_line("by default");
}
