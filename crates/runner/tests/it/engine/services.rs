//! Services: names in the network, ports of the machine, health, and what is told when it fails.

use super::{image::NAME, world};
use shipway_runner::Level;
use shipway_workflow::run::Conclusion;

/// A job with a service, and its steps.
fn workflow(place: &str, service: &str, steps: &str) -> String {
    format!(
        "on: push\nenv: {{KIND: web}}\njobs:\n  job:\n    runs-on: {place}\n    services:\n      web:\n        image: {NAME}\n{service}      none:\n        image: ${{{{ vars.NOTHING }}}}\n    steps:\n{steps}"
    )
}

const WEB: &str = r#"        env: {KIND: "${{ env.KIND }}"}
        ports: ["80", "8443/tcp"]
        entrypoint: /bin/sh
        command: -c "mkdir -p /www; echo \"hello from $KIND\" > /www/index.html; echo serving; exec httpd -f -p 80 -h /www"
        options: --health-cmd "wget -q -O - http://127.0.0.1/" --health-interval 300ms --health-retries 20
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_job_in_a_container_reaches_its_service_by_name() {
    let world = world().await;
    let steps = "      - run: wget -q -O - http://web/\n      - run: echo \"${{ job.services.web.id != '' }} ${{ job.services.web.network == job.container.network }} ${{ job.services.none.id == '' }}\"\n";
    let story = world.run(&workflow("box", WEB, steps)).await;
    story.expect_success().expect_line("hello from web").expect_line("true true true");
    story.expect_line("web is ready").expect_line("serving");
    story.expect_line("The service none is not started, since its image is empty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_job_on_the_machine_reaches_its_service_by_a_port() {
    let world = world().await;
    let steps = "      - run: exec 3<>/dev/tcp/127.0.0.1/${{ job.services.web.ports['80'] }}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3\n        shell: bash\n      - run: test -n \"${{ job.services.web.ports[8443] }}\" && pwd\n";
    let story = world.run(&workflow("host", WEB, steps)).await;
    story.expect_success().expect_line("hello from web");
    assert!(!story.log().contains("/__w"), "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_service_that_fails_its_check_is_shown_with_its_last_lines() {
    let world = world().await;
    let service = "        entrypoint: /bin/sh\n        command: -c \"echo the password is missing; sleep 1000\"\n        options: --health-cmd \"echo no answer; false\" --health-interval 100ms --health-retries 2\n";
    let story = world.run(&workflow("box", service, "      - run: echo never\n")).await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    story.expect_line("  the password is missing");
    let errors = story.annotations(Level::Error).join("\n");
    for part in [
        "test.yml:7:7: [SW0535]",
        "\"web\"",
        "the check says: no answer",
        "its last line was: the password is missing",
    ] {
        assert!(errors.contains(part), "{errors} lacks {part}");
    }
    assert!(!story.log().contains("never"), "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_service_that_ends_before_its_check_passes_is_a_failure() {
    let world = world().await;
    let service = "        entrypoint: /bin/sh\n        command: -c \"echo cannot bind; exit 9\"\n        options: --health-cmd false --health-interval 5s\n";
    let story = world.run(&workflow("host", service, "      - run: echo never\n")).await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    let errors = story.annotations(Level::Error).join("\n");
    assert!(errors.contains("it has ended with exit code 9; its last line was: cannot bind"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_job_that_is_cancelled_while_it_waits_stops_waiting() {
    let world = world().await;
    let service = "        entrypoint: /bin/sh\n        command: -c \"sleep 1000\"\n        options: --health-cmd false --health-interval 60s\n";
    let story = world
        .watch(&workflow("host", service, "      - run: echo never\n"), |report, cancel| {
            if report.kind.lines().any(|line| line.contains("Wait for the services")) {
                cancel.ask();
            }
        })
        .await;
    assert_eq!(story.conclusion, Conclusion::Cancelled, "{}", story.log());
}

/// As on GitHub, where the containers are started by a step of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn steps_that_run_all_the_same_do_so_with_a_sick_service() {
    let world = world().await;
    let service = "        entrypoint: sh\n        command: -c \"echo it listens; sleep 1000\"\n        options: --health-cmd false --health-interval 100ms --health-retries 1\n      other:\n        image: shipway-test/box:6\n        entrypoint: sh\n        command: -c \"echo bad luck; exit 4\"\n        options: --health-cmd false\n";
    let steps = "      - run: echo never\n      - if: failure()\n        run: echo \"seen ${FROM_IMAGE:-machine} ${{ job.status }} ${{ job.services.web.id != '' }}\"\n      - uses: docker://shipway-test/box:6\n        if: always()\n        with: {args: nslookup web}\n";
    for (place, seen) in [("box", "seen yes failure true"), ("host", "seen machine failure true")] {
        let story = world.run(&workflow(place, service, steps)).await;
        assert_eq!(story.conclusion, Conclusion::Failure);
        story.expect_line(seen).expect_line("  it listens").expect_line("  bad luck");
        assert!(!story.log().contains("never"), "{}", story.log());
        assert!(!story.log().contains("Log of the service"), "told twice: {}", story.log());
        let errors = story.annotations(Level::Error).join("\n");
        assert!(errors.contains("\"web\"") && !errors.contains("docker://"), "{errors}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn steps_that_run_all_the_same_do_so_without_a_service_that_cannot_start() {
    let world = world().await;
    let workflow = |place: &str| {
        format!(
            "on: push\njobs:\n  job:\n    runs-on: {place}\n    services:\n      up: {{image: {NAME}, entrypoint: sh, command: '-c \"echo up; sleep 1000\"'}}\n      web: {{image: '{NAME}', options: '--user no-such-user'}}\n    steps:\n      - run: echo never\n      - if: always()\n        run: echo \"all the same, ${{{{ job.services.up.id != '' && job.services.web.id == '' }}}}\"\n"
        )
    };
    let story = world.run(&workflow("host")).await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    story.expect_line("all the same, true").expect_line("up");
    assert!(!story.log().contains("never"), "{}", story.log());
    // Its container was never made, and nothing of it runs on the machine instead.
    let story = world.run(&workflow("box")).await;
    assert_eq!(story.conclusion, Conclusion::Failure);
    assert!(!story.log().contains("all the same,"), "{}", story.log());
}
