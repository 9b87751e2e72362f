//! The demo as a whole: what it promises is what it tells.

use crate::{
    plant::{Up, make_executable, processes_of, wait_for},
    support::{Answer, Folder, binary, command},
};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::os::unix::process::CommandExt as _;

#[test]
fn the_demo_keeps_its_promises() {
    let folder = Folder::new();
    let answer = folder.shipway(&["demo", "--json", "--folder", "demo"]);
    assert_eq!(answer.code, 0, "{}", answer.all());
    let report: Value = serde_json::from_str(&answer.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", answer.all());
    });
    let versions = report["versions"].as_array().expect("versions");
    let told: Vec<(&str, &str)> = versions
        .iter()
        .map(|version| {
            let text = |key: &str| version[key].as_str().unwrap_or_default();
            (text("version"), text("outcome"))
        })
        .collect();
    assert_eq!(told, [("v1", "promoted"), ("v2", "promoted"), ("v3", "rolled_back")], "{}", answer.all());
    assert_eq!(report["dropped_requests"], 0, "{}", answer.all());
    let bad = &versions[2];
    assert!(bad["canary_errors"].as_u64().is_some_and(|errors| errors > 0), "{bad}");
    assert!(bad["canary_requests"].as_u64() > bad["canary_errors"].as_u64(), "{bad}");
    assert!(bad["verdict_after_ms"].is_u64(), "{bad}");
    assert!(bad["reason"].as_str().is_some_and(|reason| reason.contains("clients")), "{bad}");
    assert!(!folder.path().join("demo").exists(), "the demo removes its folder");
}

#[test]
fn a_demo_without_a_place_says_which_one_is_wrong() {
    let folder = Folder::new();
    let check = |code: i32, asked: &[&str], temporary: Option<&str>, says: &[&str]| {
        let mut demo = command(binary(), folder.path());
        demo.arg("demo").args(asked);
        if let Some(temporary) = temporary {
            demo.env("TMPDIR", temporary);
        }
        let answer = Answer::from(demo.output().expect("shipway"));
        assert_eq!(answer.code, code, "{}", answer.all());
        for part in says {
            assert!(answer.stderr.contains(part), "{part:?} is not in {}", answer.all());
        }
    };
    check(2, &["--folder", "no/where"], None, &["no/where: No such file", "help: make ", "--folder"]);
    check(2, &[], Some("/nowhere/at/all"), &["/nowhere/at/all/", "help: TMPDIR", "--folder"]);
    folder.write("file", "");
    check(2, &["--folder", "file/demo"], None, &["Not a directory", "--folder"]);
    check(5, &["--folder", "file"], None, &["File exists", "help: name another one with --folder"]);
}

#[test]
fn a_demo_that_is_told_to_stop_leaves_nothing() {
    let folder = Folder::new();
    let mut demo = command(binary(), folder.path());
    demo.args(["demo", "--folder", "demo"]);
    let demo = Up::start(demo);
    let live = || demo.text().contains("v1 was promoted").then_some(());
    assert!(wait_for(live).is_some(), "{}", demo.text());
    let instance = |(_, line): &(u32, String)| line.contains("demo-service");
    assert!(processes_of(folder.path()).iter().any(instance), "{}", demo.text());
    let (code, said) = demo.stop();
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(processes_of(folder.path()), [], "{said}");
    assert!(!folder.path().join("demo").exists(), "{said}");
}

#[test]
fn a_demo_that_is_interrupted_while_git_works_says_so() {
    // A question of the control plane at its start, and the commit of the first version.
    for asked in ["rev-parse --git-dir", "commit --quiet"] {
        interrupts_git_at(asked);
    }
}

/// Ctrl-C on a terminal goes to all of the foreground group, to the programs that the demo waits for too.
fn interrupts_git_at(asked: &str) {
    let folder = Folder::new();
    let bin = folder.path().join("bin");
    folder.write(
        "bin/git",
        &format!(
            "#!/bin/sh\ncase \"$*\" in *\"{asked}\"*) : > \"{0}/asked\"; sleep 1;; esac\nPATH=${{PATH#*:}}\nexec git \"$@\"\n",
            bin.display()
        ),
    );
    make_executable(&bin.join("git"));
    let mut demo = command(binary(), folder.path());
    demo.args(["demo", "--folder", "demo"]).process_group(0);
    demo.env("PATH", format!("{}:{}", bin.display(), host_path()));
    let mut demo = Up::start(demo);
    let asks = || bin.join("asked").exists().then_some(());
    assert!(wait_for(asks).is_some(), "{asked}: {}", demo.text());
    kill_process_group(Pid::from_child(&demo.child), Signal::INT).expect("a signal");
    let (code, said) = demo.ended();
    assert_eq!(code, Some(130), "{asked}: {said}");
    assert_eq!(said.lines().last(), Some("error: interrupted"), "{asked}: {said}");
    assert!(!folder.path().join("demo").exists(), "{asked}: {said}");
}

#[expect(clippy::disallowed_methods, reason = "the real git is found where it says")]
fn host_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}
