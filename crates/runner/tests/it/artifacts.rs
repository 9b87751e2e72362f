//! Artifacts travel from job to job.

use crate::world::World;
use shipway_runner::{Level, ReportKind};
use shipway_workflow::run::Conclusion;
use std::{fs, path::Path};

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
    outputs: {digest: '${{ steps.up.outputs.artifact-digest }}', url: '${{ steps.up.outputs.artifact-url }}'}
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
    let archive = fs::read(world.dir.path().join("artifacts/web.zip")).expect("the archive");
    assert_eq!(story.outputs("build")["digest"], shipway_base::Digest::of(&archive).hex());
    let url = &story.outputs("build")["url"];
    assert!(url.starts_with("https://github.com/me/it/actions/runs/7/artifacts/"), "{url}");
    assert!(story.annotations(Level::Warning)[0].contains("no files were found at absent; nothing"));
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
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {path: "y\n\nz*\n", if-no-files-found: error}}
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {name: 'a/b', path: x}}
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {path: x, overwrite: perhaps}}
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {name: c, path: x, if-no-files-found: bogus}}
"#,
        )
        .await;
    story.expect_success();
    let errors = story.annotations(Level::Error);
    let expect = [
        "uploaded before in this run",
        "there is no artifact named \"b\" in the run, which has a (check the name, and that this job needs the one that uploads it)",
        "no files were found at y, z*; nothing is uploaded",
        "cannot be the name",
        "true or false",
        "must be warn, error or ignore",
    ];
    assert_eq!(errors.len(), expect.len(), "{errors:#?}");
    for (error, expect) in errors.iter().zip(expect) {
        assert!(error.contains(expect), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_file_goes_without_an_archive_and_ids_lead_to_artifacts() {
    let world = World::new();
    let story = world
        .steps(
            r#"
      - run: mkdir in && echo '{}' > in/data.json && seq 1000 > in/text
      - {id: one, uses: actions/upload-artifact@v7, with: {path: in/data.json, archive: false}}
      - {id: two, uses: actions/upload-artifact@v7, with: {name: .two, path: in, compression-level: 9}}
      - {uses: actions/download-artifact@v7, with: {artifact-ids: '${{ steps.two.outputs.artifact-id }}', path: by-id}}
      - {uses: actions/download-artifact@v7, with: {name: data.json, path: by-name}}
      - run: ls by-id by-name && cmp by-name/data.json in/data.json && cmp by-id/text in/text
      - {continue-on-error: true, uses: actions/upload-artifact@v7, with: {path: in, archive: false}}
      - {continue-on-error: true, uses: actions/upload-artifact@v7, with: {path: in, compression-level: 10}}
      - {continue-on-error: true, uses: actions/download-artifact@v7, with: {artifact-ids: '1'}}
      - {continue-on-error: true, uses: actions/download-artifact@v7, with: {artifact-ids: '1', name: x}}
"#,
        )
        .await;
    story.expect_success();
    let errors = story.annotations(Level::Error);
    let expect = ["for a single file", "from 0 to 9", "no artifact with the id 1", "exclude each other"];
    assert_eq!(errors.len(), expect.len(), "{errors:#?}");
    for (error, expect) in errors.iter().zip(expect) {
        assert!(error.contains(expect), "{error}");
    }
    assert_eq!(fs::read_to_string(world.dir.path().join("artifacts/data.json")).expect("the file"), "{}\n");
    assert!(fs::metadata(world.dir.path().join("artifacts/.two.zip")).expect("the archive").len() < 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_links_lead_to_is_uploaded() {
    let world = World::new();
    let story = world
        .run(
            r#"
on: push
jobs:
  up:
    runs-on: host
    steps:
    - run: |
        mkdir -p rel/sub out $RUNNER_TEMP/far
        printf '#!/bin/sh\necho content\n' > rel/app-1.2.bin; chmod +x rel/app-1.2.bin; echo below > rel/sub/file; echo far > $RUNNER_TEMP/far/file
        ln -s app-1.2.bin rel/app-latest; ln -s $PWD/rel/app-1.2.bin out/abs; ln -s ../rel/sub out/folder; ln -s $RUNNER_TEMP/far out/far
        ln -s .. out/circle; ln -s nowhere out/broken; ln -s self out/self
    - {uses: actions/upload-artifact@v4, with: {name: latest, path: rel/app-latest}}
    - {uses: actions/upload-artifact@v7, with: {path: rel/app-latest, archive: false}}
    - {uses: actions/upload-artifact@v4, with: {name: folder, path: out/folder}}
    - {uses: actions/upload-artifact@v4, with: {name: out, path: "out\n!out/circle"}}
    - {uses: actions/upload-artifact@v4, with: {name: circle, path: out/circle}}
    - {uses: actions/upload-artifact@v4, with: {name: broken, path: out/broken}}
  down:
    needs: up
    runs-on: host
    steps:
    - {uses: actions/download-artifact@v4, with: {path: got}}
    - run: cd got && find . ! -type f ! -type d | wc -l && find . -type f | grep -v circle/ | sort && out/abs && latest/app-latest && cat folder/file out/folder/file out/far/file
    - run: cmp got/latest/app-latest got/circle/rel/app-1.2.bin; ls got/circle/out got/circle/out/folder
"#,
        )
        .await;
    story.expect_success();
    let log = story.log();
    let got: Vec<&str> = log.lines().filter(|line| line.starts_with("./")).collect();
    let expect = [
        "./app-latest/app-latest",
        "./folder/file",
        "./latest/app-latest",
        "./out/abs",
        "./out/far/file",
        "./out/folder/file",
    ];
    assert_eq!(got, expect, "{log}");
    for line in ["0", "content", "below", "far"] {
        story.expect_line(line);
    }
    assert_eq!(log.lines().filter(|line| *line == "content").count(), 2, "{log}");
    assert!(story.annotations(Level::Warning)[0].contains("no files were found at out/broken; nothing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_unpacked_depends_on_the_version() {
    let world = World::new();
    let story = world
        .steps(
            r#"
      - run: echo x > x
      - {id: up, uses: actions/upload-artifact@v4, with: {name: one, path: x}}
      - {uses: actions/download-artifact@v4, with: {artifact-ids: '${{ steps.up.outputs.artifact-id }}', path: got/id4}}
      - {uses: actions/download-artifact@v8, with: {artifact-ids: '${{ steps.up.outputs.artifact-id }}', path: got/id8}}
      - {uses: actions/download-artifact@v4.1.8, with: {pattern: o*, path: got/pattern4}}
      - {uses: actions/download-artifact@main, with: {pattern: o*, path: got/pattern8}}
      - {uses: actions/download-artifact@v4, with: {name: one, path: got/name4}}
      - {id: up2, uses: actions/download-artifact@v4, with: {name: one, path: got/../../up}}
      - {uses: actions/download-artifact@v4, with: {name: one, path: ~/home}}
      - run: find got -type f | sort && cat ../up/x ~/home/x && cd ${{ steps.up2.outputs.download-path }} && echo "at ${PWD##*/}" && rm -r ../up
"#,
        )
        .await;
    story.expect_success();
    let log = story.log();
    let got: Vec<&str> =
        log.lines().filter(|line| line.starts_with("got/") && line.ends_with("/x")).collect();
    assert_eq!(
        got,
        ["got/id4/one/x", "got/id8/x", "got/name4/x", "got/pattern4/one/x", "got/pattern8/x"],
        "{log}"
    );
    story.expect_line("at up");
}

/// A step that puts a terabyte of zeros into an archive, which takes hours.
fn endless(limit: &str, step: &str) -> String {
    format!(
        "on: push\njobs:\n  job:\n    runs-on: host\n{limit}    steps:\n    - run: truncate -s 1T huge\n    - name: upload\n\
         {step}      uses: actions/upload-artifact@v4\n      with: {{path: huge, compression-level: 9}}\n\
         {}",
        "    - {if: always(), run: echo cleaned up}\n"
    )
}

/// The files that the runner makes for itself.
fn scratch(world: &World) -> Vec<String> {
    let mut open = vec![world.dir.path().join("work")];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().expect("a type").is_dir() {
                open.push(entry.path());
            } else if entry.path().components().any(|part| part.as_os_str() == "scratch") {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packing_ends_with_its_step_and_its_job() {
    let world = World::new();
    let mut left = vec!["not looked".to_owned()];
    let step = world
        .watch(&endless("", "      timeout-minutes: 0.003\n"), |report, _| {
            if matches!(&report.kind, ReportKind::StepFinished { index: 1, .. }) {
                left = scratch(&world);
            }
        })
        .await;
    step.expect_line("cleaned up");
    assert_eq!(step.conclusions(), "success failure success");
    let errors = step.annotations(Level::Error).join("\n");
    assert!(errors.contains("SW0513") && errors.contains("the step took longer than"), "{errors}");
    assert_eq!(left, Vec::<String>::new(), "half of an archive is not kept");
    let job = world.run(&endless("    timeout-minutes: 0.02\n", "")).await;
    job.expect_line("cleaned up");
    assert_eq!((job.conclusion, &*job.conclusions()), (Conclusion::Cancelled, "success cancelled success"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packing_ends_when_the_run_is_cancelled() {
    let world = World::new();
    let mut asked = false;
    let cancelled = world
        .watch(&endless("", ""), |report, cancel| {
            let begun = "The built-in upload-artifact is used";
            if report.kind.lines().any(|line| line.starts_with(begun)) && !asked {
                asked = true;
                cancel.ask();
            }
        })
        .await;
    cancelled.expect_line("cleaned up");
    assert_eq!(
        (cancelled.conclusion, &*cancelled.conclusions()),
        (Conclusion::Cancelled, "success cancelled success")
    );
    assert!(!Path::new(&world.dir.path().join("artifacts")).exists(), "nothing is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_onto_the_disk_is_not_begun() {
    let world = World::new();
    let story = world
        .steps(
            r#"
      - run: truncate -s 1E huge 2> /dev/null || truncate -s 15T huge
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {path: huge}}
      - {continue-on-error: true, uses: actions/upload-artifact@v4, with: {path: huge, archive: false}}
"#,
        )
        .await;
    story.expect_success();
    let errors = story.annotations(Level::Error);
    assert_eq!(errors.len(), 2, "{errors:#?}");
    for error in errors {
        assert!(error.contains("SW0508") && error.contains("bytes left"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_other_systems_cannot_hold_are_refused() {
    let world = World::new();
    let names = ["a:b", "a\"b", "a<b", "a>b", "a|b", "a*b", "a?b", "a\rb", "a\nb"];
    for name in names {
        let steps = format!(
            "      - run: mkdir d; printf x > $'d/{}'\n        shell: bash\n      - {{uses: actions/upload-artifact@v4, with: \
             {{name: u, path: d}}}}\n",
            name.escape_default()
        );
        let story = world.steps(&steps).await;
        let errors = story.annotations(Level::Error);
        assert!(errors.iter().any(|error| error.contains("its path holds a")), "{name:?}: {}", story.log());
    }
    let fine = "      - run: mkdir d; touch 'd/a b-ä;&%.txt'\n      - {uses: actions/upload-artifact@v4, with: {name: u, path: d}}\n";
    world.steps(fine).await.expect_success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_annotations_are_relative_to_the_workspace() {
    let world = World::new();
    let story = world.steps("      - run: echo \"::error file=$PWD/src/a.c,line=9::absolute\"; echo '::error file=/x/a.c::else'\n").await;
    let files: Vec<_> = story
        .reports
        .iter()
        .filter_map(|report| {
            let ReportKind::Annotation(annotation) = &report.kind else { return None };
            annotation.file.as_deref()
        })
        .collect();
    assert_eq!(files, ["src/a.c", "/x/a.c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_of_artifacts_mean_what_they_mean_to_the_real_action() {
    let world = World::new();
    let put = r#"
      - run: echo x > x
      - {uses: actions/upload-artifact@v4, with: {name: one-mac, path: x}}
      - {uses: actions/upload-artifact@v4, with: {name: .hidden, path: x}}
"#;
    let get = "      - {uses: actions/download-artifact@v4, with: {path: got, pattern: '*'}}\n      - run: ls -A got\n";
    let story = world.steps(&format!("{put}{get}")).await;
    story.expect_success();
    assert!(!story.log().lines().any(|line| line == ".hidden"), "{}", story.log());
    // What only the real one understands is left to it, and it is not here.
    for pattern in ["one-{mac,linux}", "@(one-mac|x)", "!one", "#one"] {
        let get = format!(
            "      - {{uses: actions/download-artifact@v4, with: {{path: got, pattern: '{pattern}'}}}}\n"
        );
        let story = World::new().steps(&format!("{put}{get}")).await;
        assert_eq!(story.conclusion, Conclusion::Failure, "{pattern}: {}", story.log());
        let errors = story.annotations(Level::Error).join("\n");
        assert!(errors.contains("does not know patterns such as"), "{errors}");
    }
}
