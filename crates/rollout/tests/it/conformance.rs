//! Argo Rollouts' own cases, as far as they fit: our stable version keeps all its instances, and our router shifts the
//! traffic, so Kubernetes' replica arithmetic and foreign routers are left out, by name.

use crate::world::{SERVICE, World};
use serde_json::Value as Json;
use shipway_base::{
    Diagnostics, Share, Source, Timestamp,
    yaml::{Limits, Node, parse, parse_all},
};
use shipway_rollout::{
    delivery::{Command, Event, StepEnd, replicas_for},
    document::{CanaryStrategy, Documents},
};
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// The folder of the data; none, said loudly, where it is not there.
#[expect(
    clippy::disallowed_methods,
    reason = "only tests know of this folder, so no product code hands it down"
)]
fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let found =
        std::env::var_os("SHIPWAY_CONFORMANCE").map_or_else(beside, PathBuf::from).join("argo-rollouts");
    if !found.exists() {
        say(&format!("!!! NOT TESTED: no conformance data at {} (set SHIPWAY_CONFORMANCE)", found.display()));
        return None;
    }
    Some(found)
}

/// Written past the test harness, which would keep the words of a passing test to itself.
fn say(line: &str) {
    // The harness may stand in the middle of a line of dots.
    writeln!(std::io::stdout(), "\n{line}").expect("standard output is open");
}

fn cases(name: &str) -> Vec<Json> {
    let Some(folder) = folder() else { return Vec::new() };
    let text = std::fs::read_to_string(folder.join(name)).expect("the file of cases");
    let file: Json = serde_json::from_str(&text).expect("cases in JSON");
    file["cases"].as_array().cloned().unwrap_or_default()
}

/// Counts cases; what is left out is named with its number.
#[derive(Default)]
struct Tally {
    passed: usize,
    failures: Vec<String>,
    left_out: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn expect(&mut self, case: &Json, holds: bool, got: impl FnOnce() -> String) {
        if holds {
            self.passed += 1;
        } else {
            self.failures.push(format!("{}: {}", case["name"], got()));
        }
    }

    fn leave_out(&mut self, what: &'static str) {
        *self.left_out.entry(what).or_default() += 1;
    }

    fn report(self, suite: &str) {
        let left_out: usize = self.left_out.values().sum();
        let total = self.passed + self.failures.len() + left_out;
        let left: Vec<String> = self.left_out.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let left = match left_out {
            0 => String::new(),
            _ => format!(" (left out: {left_out}, {})", left.join("; ")),
        };
        if total > 0 {
            say(&format!("conformance: argo-rollouts {suite}: {}/{total}{left}", self.passed));
        }
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

/// A value of the cases as a node: JSON is YAML.
fn node(value: &Json) -> (Node, Source) {
    let source = Source::new("case.yaml", value.to_string());
    let tree = parse(&source, Limits::default()).expect("JSON is YAML").expect("a value");
    (tree, source)
}

fn has_real_errors(found: &Diagnostics) -> bool {
    found.iter().any(|one| one.severity == shipway_base::Severity::Error && one.code != "SW0303")
}

#[test]
fn conformance_validation() {
    let mut tally = Tally::default();
    for case in cases("rollout_validation.json") {
        let input = &case["input"];
        let (value, wrapped);
        let block = match input["validate"].as_str().unwrap_or_default() {
            "canary" => &input["rollout"]["spec"]["strategy"]["canary"],
            "step_kind" => {
                wrapped = serde_json::json!({"steps": [input["step"]]});
                value = wrapped;
                &value
            }
            "blue_green" | "anti_affinity" | "max_surge_and_unavailable" => {
                tally.leave_out("about blue-green, affinity or surge");
                continue;
            }
            _ => {
                tally.leave_out("about the whole Rollout object");
                continue;
            }
        };
        let (tree, source) = node(block);
        let (accepted, found) = CanaryStrategy::parse(&tree, &source);
        let refuse = case["expect"]["errors"].as_array().is_some_and(|errors| !errors.is_empty());
        let unsupported = found.iter().any(|one| one.code == "SW0303");
        match (refuse, accepted.is_some(), has_real_errors(&found)) {
            (true, false, true) | (false, true, false) => tally.passed += 1,
            (_, false, false) if unsupported => tally.leave_out("refused here as not supported yet"),
            _ => tally.expect(&case, false, || found.to_string()),
        }
    }
    tally.report("rollout_validation");
}

/// A service with the steps of a case.
fn with_steps(case: &Json) -> (&'static str, usize) {
    let canary = &case["input"]["rollout"]["spec"]["strategy"]["canary"];
    let steps = canary["steps"].as_array().cloned().unwrap_or_default();
    let text = SERVICE.lines().take_while(|line| !line.contains("analysis:")).collect::<Vec<_>>().join("\n");
    let text = format!("{text}\n      steps: {}\n", Json::Array(steps.clone()));
    (Box::leak(text.into_boxed_str()), steps.len())
}

#[test]
fn conformance_weights() {
    let mut tally = Tally::default();
    for case in cases("current_set_weight.json") {
        let (text, steps) = with_steps(&case);
        let status = &case["input"]["rollout"]["status"];
        let mut world = World::with(text);
        world.deploy("v1");
        world.run(Duration::from_secs(2));
        world.deploy("v2");
        let index = status["currentStepIndex"].as_u64().unwrap_or_default() as usize;
        if index >= steps {
            // Past the last step: the whole of the traffic.
            world.until("v2 serves everyone", |world| world.stable() == Some("v2"));
        } else {
            // The first weight is served while the instances for all of the traffic are not ready yet.
            world.until("v2 serves", |world| world.share() > Share::ZERO);
        }
        if status["abort"] == true {
            world.command(&Command::Abort { by: "ada".to_owned(), reason: None }).expect("aborted");
        }
        let weight = match world.serving().as_str() {
            "v2 100" => 100,
            _ => u64::from(world.share().as_basis_points()) / 100,
        };
        tally.expect(&case, case["expect"]["weight"] == weight, || weight.to_string());
    }
    tally.report("current_set_weight");
}

#[test]
fn conformance_replicas() {
    let mut tally = Tally::default();
    for case in cases("traffic_weight_to_replicas.json") {
        let number = |key: &str| case["input"][key].as_u64().unwrap_or_default();
        let points = number("weight") * 10_000 / number("max_weight");
        let wanted = replicas_for(number("replicas") as u32, Share::basis_points(points as u16));
        tally.expect(&case, u64::from(wanted) == case["expect"]["replicas"], || wanted.to_string());
    }
    tally.report("traffic_weight_to_replicas");

    let mut tally = Tally::default();
    for case in cases("canary_replica_counts.json") {
        let spec = &case["input"]["rollout"]["spec"];
        let canary = &spec["strategy"]["canary"];
        let step = canary["steps"][0].as_object();
        let simple = step.is_some_and(|step| step.len() == 1 && step.contains_key("setWeight"));
        if case["input"]["traffic_routed"] != true {
            tally.leave_out("without a router");
        } else if !simple {
            tally.leave_out("with setCanaryScale");
        } else if canary.get("dynamicStableScale").is_some() || canary.get("minPodsPerReplicaSet").is_some() {
            tally.leave_out("with dynamicStableScale or minPodsPerReplicaSet");
        } else {
            let replicas = spec["replicas"].as_u64().unwrap_or_default();
            let weight = canary["steps"][0]["setWeight"].as_u64().unwrap_or_default();
            let wanted = u64::from(replicas_for(replicas as u32, Share::percent(weight as u8)));
            let holds = wanted == case["expect"]["canary"] && replicas == case["expect"]["stable"];
            tally.expect(&case, holds, || format!("canary {wanted}, stable {replicas}"));
        }
    }
    tally.report("canary_replica_counts");

    let mut tally = Tally::default();
    for case in cases("canary_replicas_or_weight.json") {
        let rollout = &case["input"]["rollout"];
        if rollout["status"]["promoteFull"] != true {
            tally.leave_out("with setCanaryScale or blue-green");
            continue;
        }
        let mut world = World::live();
        world.opinions.insert("v2".to_owned(), crate::world::Opinion::NotYet);
        world.deploy("v2");
        world.command(&Command::Promote { full: true, step: None, by: "ada".to_owned() }).expect("promoted");
        world.run(Duration::from_secs(2));
        tally.expect(&case, world.serving() == "v2 100", || world.serving());
    }
    tally.report("canary_replicas_or_weight");
}

#[test]
fn conformance_starting_step() {
    let mut tally = Tally::default();
    for case in cases("background_analysis_starting_step.json") {
        let canary = &case["input"]["rollout"]["spec"]["strategy"]["canary"];
        let mut text = SERVICE.to_owned();
        let from = text.find("      analysis:").expect("the strategy");
        let to = text.find("---").expect("the template");
        let start = canary["analysis"]["startingStep"].as_u64().unwrap_or_default();
        let steps = canary.get("steps").cloned().unwrap_or_else(|| Json::Array(Vec::new()));
        let block = format!(
            "      analysis: {{startingStep: {start}, templates: [{{templateName: no-worse}}]}}\n      steps: {steps}\n"
        );
        text.replace_range(from..to, &block);
        let mut world = World::with(Box::leak(text.into_boxed_str()));
        world.deploy("v1");
        world.run(Duration::from_secs(2));
        let mut delivery = world.delivery.clone();
        let at = Timestamp::EPOCH;
        let (rollout, release) = (world.next_id(), Box::new(world.release("v2")));
        let kind = shipway_rollout::delivery::RolloutKind::Canary;
        delivery.evolve(&Event::RolloutStarted { rollout, release, kind, by: "ci".to_owned() }, at);
        delivery.evolve(&Event::WeightSet { share: Share::percent(1) }, at);
        for step in 1..=case["input"]["rollout"]["status"]["currentStepIndex"].as_u64().unwrap_or_default() {
            let because = StepEnd::Skipped { by: "ada".to_owned() };
            delivery.evolve(&Event::StepEntered { step: step as usize, because, baseline: None }, at);
        }
        let waits = delivery.analyses().is_empty();
        tally.expect(&case, waits == (case["expect"]["before_starting_step"] == true), || {
            format!("waits: {waits}")
        });
    }
    tally.report("background_analysis_starting_step");
}

/// Every YAML file below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the examples").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The `strategy.canary` blocks of Argo's examples are read by the code that reads ours. Rollouts as such are refused
/// with their place.
#[test]
fn conformance_examples() {
    let Some(folder) = folder() else { return };
    let examples = folder.join("examples");
    let (mut read, mut total, mut lines) = (0, 0, Vec::new());
    for path in files(&examples) {
        let name = path.strip_prefix(&examples).expect("below").to_string_lossy().into_owned();
        let source = Source::new(name, std::fs::read_to_string(&path).expect("an example"));
        let documents = parse_all(&source, Limits::default()).expect("examples are YAML");
        let rollouts = documents
            .iter()
            .filter(|document| field(document, "kind").is_some_and(|kind| kind.as_text() == Some("Rollout")));
        for rollout in rollouts {
            let (_, found) = Documents::parse(&source);
            assert!(
                found.iter().any(|one| one.code == "SW0303" && one.message.contains("`kind: Rollout`")),
                "{found}"
            );
            let canary = field(rollout, "spec")
                .and_then(|spec| field(spec, "strategy"))
                .and_then(|it| field(it, "canary"));
            let Some(canary) = canary else { continue };
            total += 1;
            let (strategy, found) = CanaryStrategy::parse(canary, &source);
            assert!(!has_real_errors(&found), "{found}");
            read += usize::from(strategy.is_some());
            lines.extend(found.iter().map(ToString::to_string));
        }
    }
    let left_out = match total - read {
        0 => String::new(),
        others => format!(" (left out: {others}, canary blocks that name what is not supported yet)"),
    };
    say(&format!("conformance: argo-rollouts examples: {read}/{total}{left_out}"));
    for line in &lines {
        say(line);
    }
    assert!(read >= 6, "{read} of {total}");
}

fn field<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    node.as_mapping()?.get(key)
}
