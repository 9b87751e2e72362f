//! Files that a container leaves in the folders of a job as root, where the runner is somebody else. `cargo xtask test` starts an
//! engine and tells its address in `SHIPWAY_TEST_ENGINE`; without it these tests are ignored, which is how they are counted as skipped.

use super::{
    engine::{address, image},
    events, log, of_kind,
};
use crate::support::{Answer, Folder, NOBODY, as_nobody};
use std::{
    fs, io,
    net::Shutdown,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
    thread,
};

/// A repository and a runner in it that is not root, with an engine whose containers are.
struct Stranger {
    folder: Folder,
    socket: Folder,
}

impl Stranger {
    fn new(workflow: &str, files: &[(&str, &str)]) -> Stranger {
        let files: Vec<_> =
            [(".github/workflows/ci.yml", workflow)].into_iter().chain(files.iter().copied()).collect();
        let folder = Folder::repository(&files);
        folder.write(".git/info/exclude", "/tmp\n/cache\n");
        let socket = Folder::new();
        lend(&socket.path().join("engine"), address().strip_prefix("unix://").expect("a socket"));
        Stranger { folder, socket }
    }

    /// The runner; none where the tests are not root.
    fn command(&self) -> Option<Command> {
        let mut run = as_nobody(self.folder.path())?;
        run.args(["run", "--json"]);
        run.env("DOCKER_HOST", format!("unix://{}", self.socket.path().join("engine").display()));
        Some(run)
    }

    fn run(&self) -> Option<Answer> {
        Some(Answer::from(self.command()?.output().expect("shipway")))
    }

    /// What is left in the temporary folder of files that are not the runner's.
    fn left(&self) -> Vec<String> {
        strange(&self.folder.path().join("tmp"))
    }
}

/// Lets everybody speak with an engine by a socket of their own.
fn lend(socket: &Path, engine: &str) {
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("open to all");
    };
    let listener = UnixListener::bind(socket).expect("a socket");
    open(socket, 0o777);
    open(socket.parent().expect("a folder"), 0o755);
    let engine = engine.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = UnixStream::connect(&engine) else { return };
            for (mut from, mut to) in [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))]
                .map(|(from, to)| (from.expect("a socket"), to.expect("a socket")))
            {
                thread::spawn(move || {
                    // Whoever goes away in the middle has had enough.
                    let _copied = io::copy(&mut from, &mut to);
                    let _closed = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
}

/// The paths in a folder that belong to somebody else than the runner.
fn strange(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let meta = fs::symlink_metadata(entry.path()).expect("an entry");
        if meta.uid().to_string() != NOBODY {
            found.push(entry.path().display().to_string());
        }
        if meta.is_dir() {
            found.extend(strange(&entry.path()));
        }
    }
    found
}

#[track_caller]
fn has(answer: &Answer, lines: &[&str]) {
    let events = events(answer);
    for line in lines {
        assert!(log(&events).contains(line), "{line}\n{}", answer.all());
    }
}

/// A folder in the workspace that is for root alone.
const LEAVE: &str = "umask 077; mkdir -p left/over && echo secret > left/over/file && echo left";

fn contained(options: &str, steps: &str) -> String {
    let image = image();
    format!(
        "on: push\njobs:\n  job:\n    runs-on: x\n    container: {{image: {image}, options: {options}}}\n    steps:\n{steps}"
    )
}

#[test]
#[ignore = "needs a container engine"]
fn a_checkout_takes_the_place_of_what_root_left_in_its_container() {
    let steps = format!(
        "      - uses: actions/checkout@v4\n      - run: git status --short && echo known\n      - run: {LEAVE}\n      - uses: actions/checkout@v4\n      - run: test ! -e left && git status --short && echo clean\n      - run: {LEAVE}\n"
    );
    let stranger = Stranger::new(&contained("--init", &steps), &[]);
    for _ in 0..2 {
        let Some(answer) = stranger.run() else { return };
        assert_eq!(answer.code, 0, "{}", answer.all());
        has(&answer, &["known", "left", "clean"]);
        assert_eq!(stranger.left(), [""; 0], "{}", answer.all());
    }
}

#[test]
#[ignore = "needs a container engine"]
fn what_root_left_is_removed_where_the_container_may_not_give_it_away() {
    let steps = format!("      - run: {LEAVE}\n");
    // In the first one root may not do what root may; the second has ended.
    let kill = format!("{steps}      - {{run: kill 1, continue-on-error: true}}\n");
    for (options, steps) in [("--cap-drop ALL", &steps), ("--init", &kill)] {
        let stranger = Stranger::new(&contained(options, steps), &[]);
        let Some(answer) = stranger.run() else { return };
        assert_eq!(answer.code, 0, "{options} {}", answer.all());
        has(&answer, &["left"]);
        assert_eq!(stranger.left(), [""; 0], "{options} {}", answer.all());
    }
}

#[test]
#[ignore = "needs a container engine"]
fn a_checkout_takes_the_place_of_what_a_docker_action_left_on_the_machine() {
    let workflow = "on: push\njobs:\n  job:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./leave\n      - uses: actions/checkout@v4\n      - run: test ! -e left && echo clean\n      - uses: ./leave\n";
    let dockerfile = format!("FROM {}\nENTRYPOINT [\"sh\", \"-c\", \"{LEAVE}\"]\n", image());
    let stranger = Stranger::new(
        workflow,
        &[
            ("leave/action.yml", "name: leave\nruns: {using: docker, image: Dockerfile}\n"),
            ("leave/Dockerfile", &dockerfile),
        ],
    );
    for _ in 0..2 {
        let Some(answer) = stranger.run() else { return };
        assert_eq!(answer.code, 0, "{}", answer.all());
        has(&answer, &["left", "clean"]);
        assert_eq!(stranger.left(), [""; 0], "{}", answer.all());
    }
}

#[test]
#[ignore = "needs a container engine"]
fn the_next_run_removes_what_root_left_in_the_container_of_a_killed_runner() {
    let steps =
        format!("      - run: {LEAVE}; test -e /marks/mark || {{ touch /marks/mark; tail -f /dev/null; }}\n");
    let marks = Folder::new();
    let options = format!("'-v {}:/marks'", marks.path().display());
    let stranger = Stranger::new(&contained(&options, &steps), &[]);
    let Some(mut run) = stranger.command() else { return };
    let mut killed = run.stdout(std::process::Stdio::null()).spawn().expect("shipway");
    let mark = marks.path().join("mark");
    assert!(crate::plant::wait_for(|| fs::metadata(&mark).ok()).is_some(), "the step begins");
    killed.kill().expect("killed");
    killed.wait().expect("ended");
    assert!(!stranger.left().is_empty());
    let answer = stranger.run().expect("root");
    assert_eq!(answer.code, 0, "{}", answer.all());
    assert_eq!(stranger.left(), [""; 0], "{}", answer.all());
    let names: Vec<_> = fs::read_dir(stranger.folder.path().join("tmp"))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with("shipway-run-")), "{names:?}");
}

#[test]
#[ignore = "needs a container engine"]
fn the_cause_is_told_where_what_root_left_cannot_be_given_back() {
    let lacking = format!(
        "FROM {}\nRUN rm /bin/sh\nENTRYPOINT [\"/bin/busybox\", \"sh\", \"-c\", \"{LEAVE}\"]\n",
        image()
    );
    let workflow = "on: push\njobs:\n  job:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./leave\n      - uses: actions/checkout@v4\n";
    let stranger = Stranger::new(
        workflow,
        &[
            ("leave/action.yml", "name: leave\nruns: {using: docker, image: Dockerfile}\n"),
            ("leave/Dockerfile", &lacking),
        ],
    );
    let Some(answer) = stranger.run() else { return };
    assert_eq!(answer.code, 1, "{}", answer.all());
    let cause = "belong to somebody else since a container left them there, and cannot start a container from shipway-action:";
    let events = events(&answer);
    let errors: Vec<_> =
        of_kind(&events, "annotation").into_iter().filter_map(|error| error["message"].as_str()).collect();
    // The checkout says so, and the end of the job.
    assert_eq!(
        errors.iter().filter(|text| text.contains("cannot remove") && text.contains(cause)).count(),
        2,
        "{errors:#?}"
    );
    assert!(
        errors.iter().all(|text| text.contains("executable file not found")
            && text.contains("use an image with sh, stat and chown")),
        "{errors:#?}"
    );
}
