//! Artifacts travel from job to job.

use crate::world::World;
use shipway_runner::Level;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_job_uploads_another_downloads() {
    let world = World::new();
    let story = world
        .run(
            r#"
on: push
jobs:
  build:
    runs-on: host
    outputs: {digest: '${{ steps.up.outputs.artifact-digest }}'}
    steps:
    - run: mkdir -p out/bin && printf '#!/bin/sh\necho I run\n' > out/bin/app && chmod +x out/bin/app && echo cfg > out/.hidden && echo log > notes.txt
    - {id: up, uses: actions/upload-artifact@v4, with: {name: web, path: out}}
    - uses: actions/upload-artifact@v4
      with:
        name: several
        path: |
          out/**
          notes.*
          !out/bin/none
    - {uses: actions/upload-artifact@v4, with: {name: nothing, path: absent}}
  use:
    needs: build
    runs-on: host
    steps:
    - {id: down, uses: actions/download-artifact@v4, with: {name: web, path: got}}
    - run: ./got/bin/app && ls -A got
    - {uses: actions/download-artifact@v4, with: {path: all}}
    - run: (cd all && find . -type f | sort)
"#,
        )
        .await;
    story.expect_success();
    for line in ["I run", "bin", "./several/notes.txt", "./several/out/bin/app", "./web/bin/app"] {
        story.expect_line(line);
    }
    assert!(!story.log().lines().any(|line| line == ".hidden"));
    let tar = fs::read(world.dir.path().join("artifacts/web.tar")).expect("the tar");
    assert_eq!(story.outputs("build")["digest"], shipway_base::Digest::of(&tar).hex());
    assert!(story.annotations(Level::Warning)[0].contains("no files were found at \"absent\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_taken_once_and_mistakes_are_said() {
    let world = World::new();
    let story = world
        .steps(
            r#"
      - run: echo x > x
      - {uses: actions/upload-artifact@v4, with: {name: a, path: x}}
      - {uses: actions/upload-artifact@v4, with: {name: a, path: x, overwrite: true}}
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {name: a, path: x}}
      - {continue-on-error: true, uses: actions/download-artifact@v4, with: {name: b}}
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {path: y, if-no-files-found: error}}
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {name: 'a/b', path: x}}
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {path: x, overwrite: perhaps}}
"#,
        )
        .await;
    story.expect_success();
    let errors = story.annotations(Level::Error);
    let expect = [
        "uploaded before in this run",
        "there are: a",
        "no files were found",
        "cannot be the name",
        "true or false",
    ];
    assert_eq!(errors.len(), expect.len(), "{errors:#?}");
    for (error, expect) in errors.iter().zip(expect) {
        assert!(error.contains(expect), "{error}");
    }
}
