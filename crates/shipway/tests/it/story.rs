//! The demo as a whole: what it promises is what it tells.

use crate::{
    plant::{Up, processes_of, wait_for},
    support::{Folder, binary, command},
};
use serde_json::Value;

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
