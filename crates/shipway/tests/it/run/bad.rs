//! Bad input: each gives its message, its place, and the exit code of the table.

use super::{contains, events, expect, of_kind, on_push, repository, run};
use crate::support::Folder;

const OK: &str = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: 'true'\n";

#[test]
fn a_folder_without_git() {
    let folder = Folder::new();
    folder.write(".github/workflows/ci.yml", OK);
    contains(&expect(&folder, &[], 3), &["error[SW1010]", "is not in a git repository", "git init"]);
}

#[test]
fn a_repository_that_git_cannot_read() {
    let folder = repository(OK);
    folder.write(".git/HEAD", "nonsense\n");
    contains(&expect(&folder, &[], 2), &["error[SW1011]", "not a git repository"]);
}

#[test]
fn a_repository_without_workflows() {
    let folder = Folder::repository(&[("README.md", "x")]);
    contains(&expect(&folder, &[], 3), &["error[SW1012]", ".github/workflows", "-W"]);
    folder.write(".github/workflows/notes.txt", "x");
    contains(&expect(&folder, &[], 3), &["error[SW1012]"]);
}

#[test]
fn a_workflow_that_is_not_there() {
    let answer = run(OK, &["-W", "cii.yml"], 3);
    contains(&answer, &["error[SW1012]", "cii.yml", "did you mean ci.yml?"]);
}

#[test]
fn a_job_that_is_not_there() {
    let answer = run(&on_push("  test:\n    runs-on: x\n    steps: [{run: 'true'}]\n"), &["-j", "tset"], 3);
    contains(&answer, &["error[SW1014]", "\"tset\"", "did you mean \"test\"?"]);
}

#[test]
fn an_event_that_starts_nothing() {
    contains(&run(OK, &["pusch"], 3), &["error[SW1013]", "did you mean: shipway run push", "ci.yml"]);
    let manual = "on: workflow_dispatch\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
    contains(
        &run(manual, &[], 3),
        &["error[SW1013]", "but by workflow_dispatch", "shipway run workflow_dispatch"],
    );
    let filtered = "on: {push: {branches: [release]}}\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
    contains(&run(filtered, &[], 3), &["error[SW1013]", "its branches leave out main", "-W"]);
    // A filter that is misspelt may be why.
    let misspelt = filtered.replace("branches:", "branches: [other], branchs:");
    contains(&run(&misspelt, &[], 3), &["warning[SW0101]", "did you mean \"branches\"?", "error[SW1013]"]);
}

#[test]
fn everything_wrong_in_all_files_is_told_at_once() {
    let folder = Folder::repository(&[
        (".github/workflows/a.yml", "on: push\njobs:\n  a: [\n"),
        (
            ".github/workflows/b.yml",
            "on: push\njobs:\n  a:\n    run-on: x\n    steps:\n      - run: 'true'\n",
        ),
        (
            ".github/workflows/c.yaml",
            "on: push\njobs:\n  a:\n    needs: b\n    runs-on: x\n    steps: [{run: 'true'}]\n  b:\n    needs: [a]\n    \
             runs-on: x\n    steps: [{run: 'true'}]\n",
        ),
        (
            ".github/workflows/d.yml",
            "on: push\njobs:\n  a:\n    runs-on: x\n    snapshot: an-image\n    steps: [{run: 'true'}]\n",
        ),
    ]);
    let answer = expect(&folder, &[], 2);
    contains(
        &answer,
        &[
            "--> .github/workflows/a.yml:3",
            "--> .github/workflows/b.yml:4:5",
            "4 |     run-on: x",
            "did you mean",
            "runs-on",
            "--> .github/workflows/c.yaml:4:12",
            "these jobs wait for each other: a -> b -> a",
            "--> .github/workflows/d.yml:5:5",
            "snapshot is not supported",
            "in 4 files; nothing was run",
        ],
    );
    assert!(answer.stdout.is_empty(), "{}", answer.all());
    let answer = expect(&folder, &["--json"], 2);
    let found = super::events(&answer);
    assert!(found.len() >= 4 && found.iter().all(|one| one["event"] == "diagnostic"), "{}", answer.all());
    let places: Vec<String> = found.iter().map(|one| format!("{}:{}", one["file"], one["line"])).collect();
    assert!(places.contains(&"\".github/workflows/b.yml\":4".to_owned()), "{places:?}");
}

#[test]
fn what_is_named_like_a_workflow_and_is_no_file() {
    let folder = repository(OK);
    let at = folder.path().join(".github/workflows/f.yml");
    std::os::unix::fs::symlink("nowhere", &at).expect("a link");
    contains(&expect(&folder, &[], 2), &[".github/workflows/f.yml", "SW0001", "a link that leads nowhere"]);
    contains(&expect(&folder, &["-W", "ci.yml"], 0), &["ok      a"]);
    let answer = folder.shipway(&["lint"]);
    assert_eq!(answer.code, 2, "{}", answer.all());
    assert!(answer.stdout.contains("f.yml") && answer.stdout.contains("leads nowhere"), "{}", answer.all());
    std::fs::remove_file(&at).expect("a link");
    std::os::unix::fs::symlink("/dev/zero", &at).expect("a link");
    contains(&expect(&folder, &[], 2), &["it is a device, not a file"]);
    assert!(folder.shipway(&["lint"]).stdout.contains("it is a device, not a file"));
}

#[test]
fn a_file_that_is_no_text() {
    let folder = repository(OK);
    std::fs::write(folder.path().join(".github/workflows/ci.yml"), b"on: push\n\xff\n").expect("a file");
    contains(&expect(&folder, &[], 2), &["ci.yml:2", "not UTF-8"]);
    let told = super::events(&expect(&folder, &["--json"], 2));
    assert_eq!((&told[0]["event"], &told[0]["line"]), (&"diagnostic".into(), &2.into()), "{told:?}");
    std::fs::write(folder.path().join(".github/workflows/ci.yml"), b"on: push\na: \0\n").expect("a file");
    contains(&expect(&folder, &[], 2), &["ci.yml:2:4", "NUL byte"]);
}

#[test]
fn numbers_and_expressions_are_refused_in_a_sentence() {
    let folder = repository(OK);
    contains(&expect(&folder, &["--jobs", "0"], 2), &["it must be at least 1"]);
    contains(&expect(&folder, &["--jobs", "x"], 2), &["write a whole number"]);
    for contexts in ["{}", "{\"github\": {}}"] {
        let answer = folder.shipway(&["expr", "HashFiles('a')", "--context", contexts]);
        assert_eq!(answer.code, 2, "{}", answer.all());
        contains(
            &answer,
            &["Unrecognized function", "hashFiles reads the workspace of a job", "shipway run"],
        );
    }
    let answer = folder.shipway(&["expr", "--json", "1 < 2"]);
    assert_eq!((answer.code, answer.stdout.trim()), (0, "{\"value\":true}"), "{}", answer.all());
    let answer = folder.shipway(&["expr", "--json", "1 +"]);
    let told: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
    assert_eq!((answer.code, told["error"]["column"].is_u64()), (2, true), "{}", answer.all());
    let answer = folder.shipway(&["expr", "fromJSON('{')"]);
    assert_eq!(answer.code, 2, "{}", answer.all());
    assert!(!answer.all().contains("error: error"), "{}", answer.all());
}

#[test]
fn actions_of_other_repositories() {
    let jobs =
        "  a:\n    runs-on: x\n    steps:\n      - run: echo began\n      - uses: docker/login-action@v3\n";
    let folder = repository(&on_push(jobs));
    let mirror = folder.path().join("mirror");
    std::fs::create_dir(&mirror).expect("a folder");
    let answer = expect(&folder, &["--action-mirror", "mirror"], 1);
    contains(
        &answer,
        &[
            "SW0540",
            "ci.yml:7:15",
            "no repository docker/login-action in",
            "git clone --mirror",
            "--action-mirror",
        ],
    );
    assert!(!answer.stdout.contains("began"), "{}", answer.all());
}

#[test]
fn a_script_that_is_not_there() {
    let jobs =
        "  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - run: ./build.sh\n";
    let answer = run(&on_push(jobs), &[], 1);
    contains(&answer, &["failed  Run ./build.sh", "exit code 127", "ci.yml:7:", "was not found"]);
}

#[test]
fn a_script_that_crashes() {
    let crash = |signal: &str| {
        let jobs = format!("  a:\n    runs-on: x\n    steps:\n      - run: kill -{signal} $$\n");
        run(&on_push(&jobs), &[], 1)
    };
    let answer = crash("SEGV");
    contains(&answer, &["the process crashed with signal 11"]);
    assert!(!answer.all().contains("outside"), "{}", answer.all());
    contains(
        &crash("KILL"),
        &["the process was ended by signal 9 from outside; it may have run out of memory"],
    );
}

/// The commands of Shipway end with what to do, which says less of a failure than what is wrong.
#[test]
fn a_delivery_document_that_is_not_there() {
    let command = crate::support::binary().display();
    let jobs =
        format!("  a:\n    runs-on: x\n    steps:\n      - run: '\"{command}\" deploy web --artifact web'\n");
    let answer = run(&on_push(&jobs), &[], 1);
    contains(&answer, &["its last line was: error[SW1003]: cannot read the delivery document shipway.yaml"]);
    contains(&answer, &["shipway.yaml: SW1003: cannot read the delivery document shipway.yaml"]);
}

/// The place stands in the annotation as it is from the root of the repository, wherever the step was.
#[test]
fn a_delivery_document_of_a_folder_that_is_not_there() {
    let command = crate::support::binary().display();
    let jobs = format!(
        "  a:\n    runs-on: x\n    steps:\n      - run: mkdir -p a/b\n      - run: '\"{command}\" deploy web --artifact web --file \"50%, x.yaml\" 2>&1'\n        working-directory: a/b\n"
    );
    let answer = run(&on_push(&jobs), &["--json"], 1);
    let events = events(&answer);
    let notes = of_kind(&events, "annotation");
    let note =
        notes.iter().find(|note| note["title"] == "SW1003").unwrap_or_else(|| panic!("{}", answer.all()));
    assert_eq!((&note["file"], &note["level"]), (&"a/b/50%, x.yaml".into(), &"error".into()), "{note}");
    assert!(
        note["message"].as_str().is_some_and(|text| text.contains("50%, x.yaml: No such file")),
        "{note}"
    );
}

/// Outside of a job nobody reads commands.
#[test]
fn without_a_job_there_is_no_workflow_command() {
    let folder = Folder::new();
    let answer = folder.shipway(&["deploy", "web", "--artifact", "web", "--run", "1"]);
    assert_eq!(answer.code, 2, "{}", answer.all());
    assert!(!answer.all().contains("::error"), "{}", answer.all());
}

/// Nothing else would say so while no action is looked for in it.
#[test]
fn a_mirror_that_is_not_there() {
    let answer = run(OK, &["--action-mirror", "nowhere"], 0);
    let warnings: Vec<&str> = answer.stderr.lines().filter(|line| line.starts_with("warning")).collect();
    assert_eq!(warnings.len(), 1, "{}", answer.all());
    contains(&answer, &["nowhere", "--action-mirror", "is no folder"]);
    let folder = repository(OK);
    std::fs::create_dir(folder.path().join("mirror")).expect("a folder");
    assert_eq!(expect(&folder, &["--action-mirror", "mirror"], 0).stderr, "");
}

#[test]
fn a_shell_that_is_not_there() {
    let jobs = "  a:\n    runs-on: x\n    steps:\n      - run: x\n        shell: fish-of-the-sea {0}\n";
    contains(&run(&on_push(jobs), &[], 1), &["[SW0501]", "fish-of-the-sea", "ci.yml:6:"]);
}

/// The last lines name the reason, whether or not all logs are shown.
#[test]
fn what_took_too_long_or_could_not_start_is_told_at_the_end() {
    let large = "x".repeat(200_000);
    let workflow = on_push(&format!(
        "  st:\n    runs-on: x\n    steps:\n      - run: |\n          echo ::error::first\n          sleep 30\n        timeout-minutes: 0.01
  jt:\n    runs-on: x\n    timeout-minutes: 0.01\n    steps:\n      - run: sleep 30
  big:\n    runs-on: x\n    steps:\n      - run: 'true'\n        env:\n          LARGE: {large}\n"
    ));
    for arguments in [&["--jobs", "3"][..], &["--jobs", "3", "-v"]] {
        let answer = run(&workflow, arguments, 1);
        for (job, reason) in [
            ("failed  st ", "the step took longer than its timeout-minutes of "),
            ("stopped jt ", "the job took longer than its timeout-minutes of "),
            ("failed  big ", "cannot start bash"),
        ] {
            let told = answer.stdout.lines().find(|line| line.starts_with(job));
            assert!(told.is_some_and(|line| line.contains(reason)), "{arguments:?} {told:?}");
        }
    }
}

#[test]
fn a_folder_that_is_not_there() {
    let folder = Folder::new();
    folder.write("file", "x");
    for (repo, reason) in [("nowhere", "there is no such folder"), ("file", "it is no folder")] {
        let answer = folder.shipway(&["up", "--repo", repo]);
        assert_eq!(answer.code, 3, "{}", answer.all());
        contains(&answer, &["error[SW0914]", &format!("/{repo}: {reason}"), "--repo"]);
        assert!(!answer.all().contains("cannot start git"), "{}", answer.all());
    }
}

#[test]
fn a_call_that_is_wrong() {
    contains(&run(OK, &["--input", "x"], 2), &["NAME=VALUE"]);
    contains(&run(OK, &["--input", "x=1"], 2), &["SW0115", "no input"]);
    contains(&run(OK, &["--secret", "NOT_IN_THE_ENVIRONMENT"], 2), &["NOT_IN_THE_ENVIRONMENT", "export it"]);
    let answer = run(OK, &["--secret", "hunter2 is my password"], 2);
    assert!(!answer.all().contains("hunter2"), "{}", answer.all());
    contains(&run(OK, &["--jobs", "0"], 2), &["--jobs"]);
    contains(&run(OK, &["--event-file", "nowhere.json"], 2), &["nowhere.json"]);
    let folder = repository(OK);
    folder.write("list.json", "[]");
    contains(&expect(&folder, &["--event-file", "list.json"], 2), &["list.json", "not an object"]);
    folder.write("deep.json", &"{\"a\":".repeat(100_000));
    contains(&expect(&folder, &["--event-file", "deep.json"], 2), &["deep.json", "recursion limit exceeded"]);
    folder.write("large.json", &format!("{{\"a\":\"{}\"}}", "x".repeat(25 << 20)));
    for large in ["large.json", "/dev/zero"] {
        contains(&expect(&folder, &["--event-file", large], 2), &[large, "larger than 25 MiB"]);
    }
}

#[test]
fn a_temporary_folder_that_is_not_there() {
    let folder = repository(OK);
    let output = crate::support::command(crate::support::binary(), folder.path())
        .arg("run")
        .env("TMPDIR", folder.path().join("missing"))
        .output()
        .expect("shipway");
    let answer = crate::support::Answer::from(output);
    assert_eq!(answer.code, 1, "{}", answer.all());
    contains(&answer, &["error[SW1015]", "TMPDIR"]);
}

/// What a job may put in its workspace neither holds up nor fills whoever reads it.
#[test]
fn files_without_an_end() {
    for (plant, expected) in [
        ("ln -s /dev/zero x/action.yml", "it is not a file"),
        ("truncate -s 3G x/action.yml", "larger than 1 MiB"),
        ("mkfifo x/action.yml", "it is not a file"),
    ] {
        let jobs =
            format!("  a:\n    runs-on: x\n    steps:\n      - run: mkdir x; {plant}\n      - uses: ./x\n");
        contains(&run(&on_push(&jobs), &[], 1), &["x/action.yml", expected]);
    }
    for plant in ["mkfifo f", "ln -s /dev/zero f"] {
        let jobs = format!(
            "  a:\n    runs-on: x\n    steps:\n      - run: {plant}\n      - run: echo ${{{{ hashFiles('f') }}}}\n"
        );
        contains(&run(&on_push(&jobs), &[], 1), &["hashFiles cannot read", "it is not a file"]);
    }
}
