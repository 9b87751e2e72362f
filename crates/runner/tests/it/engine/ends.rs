//! A container of a job that ends before its job.

use super::{client, image::NAME, world};
use crate::world::has;
use bollard::query_parameters::KillContainerOptions;
use shipway_runner::Level;

/// A job in a container of this name, whose first step waits to be ended.
fn job(name: &str, rest: &str) -> String {
    format!(
        "on: push\njobs:\n  job:\n    runs-on: x\n    container: {{image: {NAME}, options: --name {name}}}\n    steps:\n      - run: echo \"wait\"\"ing\"; tail -f /dev/null\n{rest}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn the_end_of_the_container_is_told_and_nobody_else_is_blamed() {
    let mut world = world().await;
    world.file("own/action.yml", "name: own\nruns: {using: node20, main: main.js}\n");
    world.file("own/main.js", "console.log('never');\n");
    world.commit();
    let name = format!("shipway-test-ends-{}", std::process::id());
    let mut rest =
        "      - {if: always(), run: echo never}\n      - {if: always(), shell: 'perl {0}', run: never}\n"
            .to_owned();
    if has("node") {
        rest += "      - {if: always(), uses: actions/checkout@v4}\n      - {if: always(), uses: ./own}\n";
    }
    let engine = client();
    let killed = name.clone();
    let story = world
        .watch(&job(&name, &rest), |report, _| {
            if report.kind.lines().any(|line| line == "waiting") {
                let (engine, killed) = (engine.clone(), killed.clone());
                tokio::spawn(async move {
                    let options = KillContainerOptions { signal: "SIGKILL".to_owned() };
                    engine.kill_container(&killed, Some(options)).await.expect("killed");
                });
            }
        })
        .await;
    let errors = story.annotations(Level::Error);
    let first = format!(
        "[SW0534] the container of the job, {name} from the image {NAME}, has ended with exit code 137"
    );
    assert!(errors[0].contains(&first), "{errors:#?}");
    assert!(errors.len() >= 3, "{errors:#?}");
    for later in &errors[1..] {
        let gone = "the container of the job is gone, as was said before";
        assert!(later.contains("[SW0534]") && later.contains(gone), "{errors:#?}");
    }
    let log = story.log();
    assert!(!log.contains("not executable") && !log.contains("never runs"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_program_that_is_killed_by_itself_ends_nothing_else() {
    let world = world().await;
    let story = world
        .run(&format!(
            "on: push\njobs:\n  job:\n    runs-on: x\n    container: {NAME}\n    steps:\n      - {{run: 'kill -9 $$', continue-on-error: true}}\n      - run: echo going on\n"
        ))
        .await;
    story.expect_success().expect_line("going on");
    let errors = story.annotations(Level::Error).join("\n");
    assert!(errors.contains("exit code 137"), "{errors}");
}
