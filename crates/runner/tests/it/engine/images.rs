//! What is refused, what is missing, and that it is told at once.

use super::{address, executor_with, image::NAME, world};
use crate::world::World;
use shipway_runner::{EngineSettings, Level};
use std::{fs, sync::Arc};

fn job(container: &str) -> String {
    format!(
        "on: push\njobs:\n  job:\n    runs-on: host\n    container:\n{container}    steps:\n      - run: echo never\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn containers_and_builds_have_the_proxies_of_the_configuration() {
    let mut world = world().await;
    let config = world.dir.path().join("docker");
    fs::create_dir(&config).expect("a folder");
    let text = r#"{"proxies": {"default": {"httpProxy": "http://proxy.test:1", "noProxy": "inner.test"}}}"#;
    fs::write(config.join("config.json"), text).expect("a file");
    let settings =
        EngineSettings { docker_host: Some(address()), config: Some(config), ..EngineSettings::default() };
    world.executor = Arc::new(executor_with(world.dir.path(), settings));
    world.file("built/action.yml", "name: built\nruns: {using: docker, image: Dockerfile}\n");
    // An engine that has built it before shows nothing of the build.
    let dockerfile = format!(
        "FROM {NAME}\nRUN echo built by $http_proxy > /by\nCMD [\"sh\", \"-c\", \"cat /by; echo in an action $HTTP_PROXY $no_proxy\"]\n"
    );
    world.file("built/Dockerfile", &dockerfile);
    world.commit();
    let story = world
        .run(&format!(
            "on: push\njobs:\n  job:\n    runs-on: host\n    container: {{image: {NAME}, env: {{NO_PROXY: mine}}}}\n    steps:\n      - uses: actions/checkout@v4\n      - run: echo \"in a step $http_proxy $HTTP_PROXY $NO_PROXY $no_proxy\"\n      - uses: ./built\n"
        ))
        .await;
    story.expect_success().expect_line("in a step http://proxy.test:1 http://proxy.test:1 mine inner.test");
    story
        .expect_line("built by http://proxy.test:1")
        .expect_line("in an action http://proxy.test:1 inner.test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_missing_image_and_a_refused_option_are_clear_errors() {
    let mut world = world().await;
    world.secret("PASS", "hunter2-of-the-registry");
    let check = async |container: &str, parts: &[&str]| {
        let story = world.run(&job(container)).await;
        let errors = story.annotations(Level::Error).join("\n");
        for part in parts {
            assert!(errors.contains(part), "{errors} lacks {part}");
        }
        assert!(!story.log().contains("hunter2"), "{}", story.log());
    };
    let missing = "      image: 127.0.0.1:1/no/such:1\n      credentials: {username: me, password: '${{ secrets.PASS }}'}\n      env: {A: hunter2-of-the-registry}\n";
    check(missing, &["test.yml:6:14: [SW0533] the image 127.0.0.1:1/no/such:1 cannot be had"]).await;
    let network = format!("      image: {NAME}\n      options: --network host\n");
    check(&network, &["[SW0532]", "--network is not supported here"]).await;
    let volume = format!("      image: {NAME}\n      volumes: ['./here:/there']\n");
    check(&volume, &["[SW0532]", "the volume \"./here:/there\""]).await;
    let never = "      image: no/such:1\n      options: --pull never\n";
    check(never, &["[SW0533]", "--pull never"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn volumes_and_options_reach_the_container() {
    let world = world().await;
    let folder = world.dir.path().join("shared");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("file"), "from outside\n").expect("a file");
    let container = format!(
        "      image: {NAME}\n      env: {{A: a b}}\n      volumes: ['{}:/shared:ro', '${{{{ github.workspace }}}}:/again']\n      options: --hostname somewhere --user 1001:1001 --tmpfs /scratch\n",
        folder.display()
    );
    let text = job(&container).replace(
        "echo never",
        "|\n          cat /shared/file; cat /etc/hostname; echo; id -u; echo \"$A\"; touch ours; ls /again; echo x=1 >> \"$GITHUB_OUTPUT\"; touch /shared/x || echo read only",
    );
    let story = world.run(&text).await;
    story.expect_success();
    for line in ["from outside", "somewhere", "1001", "a b", "ours", "read only"] {
        story.expect_line(line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_engine_the_error_names_what_was_tried() {
    let mut world = World::new();
    let nowhere = format!("unix://{}", world.dir.path().join("nothing.sock").display());
    let settings = EngineSettings { docker_host: Some(nowhere.clone()), ..EngineSettings::default() };
    world.executor = Arc::new(executor_with(world.dir.path(), settings));
    let story = world.run(&job("      image: x\n")).await;
    let errors = story.annotations(Level::Error).join("\n");
    for part in ["[SW0531]", &nowhere, "DOCKER_HOST", "there is no such socket"] {
        assert!(errors.contains(part), "{errors} lacks {part}");
    }
    // Whoever asks for one is told with it.
    assert!(errors.starts_with(".github/workflows/test.yml:"), "{errors}");
}
