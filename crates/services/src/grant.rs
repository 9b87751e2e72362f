//! What a job is given, and what the services give it.

use crate::{
    artifacts::ArtifactStore,
    scope::{CacheAccess, CacheMode},
};
use serde_json::{Map, Value};
use shipway_base::Secret;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What one attempt of one job may do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Names the run in the protocol of artifacts; without a colon or a space.
    pub run: String,
    /// Names this attempt of the job, as no other; without a colon or a space.
    pub job: String,
    /// `owner/name`.
    pub repository: String,
    /// Whose caches these are. Entries are never seen from another namespace.
    pub namespace: String,
    /// The caches that may be read and written.
    pub caches: CacheAccess,
    /// `permissions` of the job, by scope.
    pub permissions: BTreeMap<String, String>,
    /// What identity tokens say, for a job with `id-token: write`.
    pub identity: Option<Identity>,
    /// Where the artifacts of the run are.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// How long its tokens are good for.
    pub lifetime: Duration,
}

/// What identity tokens of a job say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// The `github` context.
    pub github: Map<String, Value>,
    /// The name of the job's `environment`.
    pub environment: Option<String>,
    /// The workflow that the job stands in, `owner/name/path@ref`, where it is not the one that was started.
    pub job_workflow_ref: Option<String>,
    /// The commit of that workflow.
    pub job_workflow_sha: Option<String>,
}

/// What a job needs to reach the services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Variables of JavaScript and container actions.
    pub actions: BTreeMap<String, String>,
    /// Variables of `run` steps: those of identity tokens, where the job may have them.
    pub scripts: BTreeMap<String, String>,
    /// What must never be seen in a log.
    pub masks: Vec<Secret>,
}

impl Access {
    /// What actions find in their environment when the services are at this address, which ends with a slash. `mode` is what
    /// the workflow says about caches, where it says anything.
    pub(crate) fn new(url: &str, token: &str, mode: Option<CacheMode>, v2: bool, identity: bool) -> Access {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut access = Access { masks: vec![Secret::new(token)], ..Access::default() };
        access.actions.extend([
            pair("ACTIONS_RUNTIME_URL", url),
            pair("ACTIONS_RUNTIME_TOKEN", token),
            pair("ACTIONS_CACHE_URL", url),
            pair("ACTIONS_RESULTS_URL", url),
        ]);
        access.actions.extend(v2.then(|| pair("ACTIONS_CACHE_SERVICE_V2", "True")));
        access.actions.extend(mode.map(|mode| pair("ACTIONS_CACHE_MODE", mode.name())));
        if identity {
            // With a parameter, since clients append theirs with `&`.
            access.scripts.extend([
                pair("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{url}oidc/token?api-version=2.0")),
                pair("ACTIONS_ID_TOKEN_REQUEST_TOKEN", token),
            ]);
            access.actions.extend(access.scripts.clone());
        }
        access
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::PathBuf};

    /// The cases of GitHub's own runner, from `SHIPWAY_CONFORMANCE`. Its server says in variables of the job what ours says here.
    #[test]
    fn conformance_action_runtime_env() {
        let Some(folder) = conformance() else {
            println!("CONFORMANCE NOT RUN: set SHIPWAY_CONFORMANCE to the folder of the cases");
            return;
        };
        let text = fs::read_to_string(folder.join("actions-runner/action-runtime-env.json")).expect("cases");
        let file: Value = serde_json::from_str(&text).expect("cases in JSON");
        let cases = file["cases"].as_array().expect("cases");
        let mut failed = Vec::new();
        for case in cases {
            let (input, expect) = (&case["input"], &case["expect"]);
            let variable =
                |name: &str| input["job_variables"][name].as_str().filter(|value| !value.is_empty());
            let mode = variable("actions_cache_mode").map(|name| CacheMode::named(name).expect("a mode"));
            let v2 = variable("actions_uses_cache_service_v2") == Some("true");
            let url = format!("{}/", input["service_url"].as_str().expect("an address"));
            let token = input["service_token"].as_str().expect("a token");
            // JavaScript and Docker actions are given the same.
            let found = Access::new(&url, token, mode, v2, false).actions;
            let wanted = expect["env"].as_object().expect("variables");
            let same =
                wanted.iter().all(|(name, value)| found.get(name).map(String::as_str) == value.as_str());
            let absent = expect["absent"].as_array().expect("names");
            if !same || absent.iter().any(|name| found.contains_key(name.as_str().expect("a name"))) {
                failed.push(format!("{}: {found:?}", case["name"]));
            }
        }
        // Written past the test harness, which would keep the words of a passing test to itself.
        let passed = cases.len() - failed.len();
        let line = format!("\nconformance: the runner's action-runtime-env: {passed}/{}\n", cases.len());
        std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).expect("standard output is open");
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the place of the cases is told to tests through the environment"
    )]
    fn conformance() -> Option<PathBuf> {
        let given = std::env::var_os("SHIPWAY_CONFORMANCE").map(PathBuf::from);
        let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
        let further = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/conformance");
        given.into_iter().chain([beside, further]).find(|dir| dir.is_dir())
    }
}
