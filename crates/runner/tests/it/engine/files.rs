//! The built-in artifact actions of a job in a container, which work on this machine: with the paths of the container, and
//! through none of the links that a step has left.

use super::{boxed, world};
use shipway_runner::Level;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn artifacts_have_the_paths_of_the_container() {
    let world = world().await;
    let story = world
        .run(
            &boxed(r#"
      - run: mkdir -p out/sub "$RUNNER_TEMP/more" && echo one > out/sub/one && echo two > "$RUNNER_TEMP/more/two" && echo no > out/no && ln -s one out/sub/link
      - uses: actions/upload-artifact@v4
        with:
          name: it
          path: |
            ${{ github.workspace }}/out/**
            ${{ runner.temp }}/more
            !${{ github.workspace }}/out/no
      - {id: down, uses: actions/download-artifact@v4, with: {name: it, path: '${{ runner.temp }}/got'}}
      - run: echo "in ${{ steps.down.outputs.download-path }}"; cd "$RUNNER_TEMP/got" && find . | sort; test -f it/it/out/sub/link -a ! -L it/it/out/sub/link && cat it/it/out/sub/link
      - {id: none, uses: actions/upload-artifact@v4, with: {name: none, path: /tmp/x}, continue-on-error: true}
      - {id: far, uses: actions/download-artifact@v4, with: {name: it, path: /srv}, continue-on-error: true}
      - run: echo "none ${{ steps.none.outcome }}, far ${{ steps.far.outcome }}"
"#),
        )
        .await;
    story.expect_success().expect_line("in /__w/_temp/got").expect_line("none failure, far failure");
    let log = story.log();
    for file in ["./it/it/out/sub/one", "./it/it/out/sub/link", "./_temp/more/two", "one"] {
        story.expect_line(file);
    }
    assert!(!log.lines().any(|line| line.ends_with("./it/it/out/no")), "{log}");
    let errors = story.annotations(Level::Error).join("\n");
    assert!(errors.contains("/tmp/x lies in the container of the job alone"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn planted_links_lead_to_nothing_of_the_machine() {
    let world = world().await;
    let machine = tempfile::tempdir().expect("a folder");
    fs::write(machine.path().join("secret"), "of the machine").expect("a file");
    let text = boxed(
        r#"
      - run: mkdir out && echo mine > out/mine && ln -s MACHINE/secret out/stolen && ln -s MACHINE out/all && ln -s MACHINE into
      - {id: all, uses: actions/upload-artifact@v4, with: {name: all, path: out}, continue-on-error: true}
      - {uses: actions/upload-artifact@v4, with: {name: it, path: "out\n!out/stolen\n!out/all"}}
      - {id: named, uses: actions/upload-artifact@v4, with: {name: named, path: into/secret}, continue-on-error: true}
      - {id: whole, uses: actions/download-artifact@v4, with: {name: it, path: into}, continue-on-error: true}
      - {id: deep, uses: actions/download-artifact@v4, with: {name: it, path: out/all/deep}, continue-on-error: true}
      - run: echo "all ${{ steps.all.outcome }}, named ${{ steps.named.outcome }}, whole ${{ steps.whole.outcome }}, deep ${{ steps.deep.outcome }}"
"#,
    );
    let story = world.run(&text.replace("MACHINE", &machine.path().display().to_string())).await;
    story.expect_success().expect_line("all failure, named failure, whole failure, deep failure");
    let archive = fs::read(world.dir.path().join("artifacts/it.zip")).expect("the archive");
    assert!(!String::from_utf8_lossy(&archive).contains("of the machine"));
    for none in ["named", "all"] {
        assert!(!world.dir.path().join(format!("artifacts/{none}.zip")).exists(), "{none}");
    }
    let left: Vec<_> =
        fs::read_dir(machine.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["secret"]);
}
