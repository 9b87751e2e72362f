//! GitHub's own cases about what actions are told of the services, from `SHIPWAY_CONFORMANCE`.

use crate::client::World;
use serde_json::Value;
use shipway_services::{CacheMode, Origin};
use std::{fs, io::Write as _, path::PathBuf};

#[expect(
    clippy::disallowed_methods,
    reason = "the place of the cases is told to tests through the environment"
)]
#[expect(clippy::print_stdout, reason = "what is not tested is said loudly")]
fn cases(name: &str) -> Option<Vec<Value>> {
    let given = std::env::var_os("SHIPWAY_CONFORMANCE").map(PathBuf::from);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside =
        ["../../../shared/conformance", "../../../../shared/conformance"].map(|path| root.join(path));
    let Some(folder) = given.into_iter().chain(beside).find(|dir| dir.is_dir()) else {
        println!("CONFORMANCE NOT RUN: set SHIPWAY_CONFORMANCE to the folder of the cases");
        return None;
    };
    let text = fs::read_to_string(folder.join("actions-runner").join(name)).expect("the file of cases");
    let file: Value = serde_json::from_str(&text).expect("cases in JSON");
    file["cases"].as_array().cloned()
}

/// JavaScript actions and those in containers get the same variables, so the kind of the action makes no difference here. The
/// address and the token are ours, and the second version of the cache service is always spoken.
#[tokio::test]
async fn conformance_of_the_environment_of_actions() {
    let Some(cases) = cases("action-runtime-env.json") else { return };
    let world = World::new().await;
    let (mut failed, mut ours) = (Vec::new(), 0);
    for (number, case) in cases.iter().enumerate() {
        let mode = case["input"]["job_variables"]["actions_cache_mode"].as_str().and_then(CacheMode::named);
        let origin =
            Origin { event: "push", reference: "refs/heads/main", base_ref: "", default_branch: "main" };
        let mut grant = world.grant(&format!("job-{number}"), "main");
        grant.caches = shipway_services::CacheAccess::new(origin, mode);
        let env = world.let_in(grant).access.actions;
        for (name, expect) in case["expect"]["env"].as_object().into_iter().flatten() {
            let right = match name.as_str() {
                "ACTIONS_RUNTIME_URL" => env.get(name) == Some(&format!("{}/", world.services.url())),
                "ACTIONS_RUNTIME_TOKEN" => env.get(name).is_some_and(|token| !token.is_empty()),
                _ => env.get(name).map(String::as_str) == expect.as_str(),
            };
            if !right {
                failed.push(format!("{}: {name} is {:?}", case["name"], env.get(name)));
            }
        }
        for name in case["expect"]["absent"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            match name {
                "ACTIONS_CACHE_SERVICE_V2" => ours += 1,
                _ if env.contains_key(name) => failed.push(format!("{}: {name} is there", case["name"])),
                _ => {}
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // Written past the test harness, which would keep the words of a passing test to itself.
    let line = format!(
        "\nconformance: the runner's action-runtime-env, as served: {}/{} (left out: {ours}, ACTIONS_CACHE_SERVICE_V2 is always there here)\n",
        cases.len() - ours,
        cases.len()
    );
    std::io::stdout().write_all(line.as_bytes()).expect("standard output is open");
}
