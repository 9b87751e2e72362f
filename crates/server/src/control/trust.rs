//! Which runs are trusted, and so which jobs are isolated.

use crate::source;
use shipway_runner::sandbox::Network;
use shipway_workflow::{
    event::{Event, Pattern},
    expr::Value,
};
use std::path::PathBuf;

/// Which jobs are isolated from this machine, and how.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// Which.
    pub when: Isolate,
    /// Branches and tags that are protected beside the default branch, so that their runs are trusted.
    pub protected: Vec<Pattern>,
    /// What isolated jobs reach over the network.
    pub network: Network,
    /// Folders beside the system's own that isolated jobs may read.
    pub read: Vec<PathBuf>,
}

/// Which jobs are isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolate {
    /// None.
    Never,
    /// Those of runs that are not trusted: of changes from a fork, and of branches and tags that are not protected.
    Untrusted,
    /// All.
    Always,
}

impl Default for Isolation {
    fn default() -> Isolation {
        Isolation { when: Isolate::Never, protected: Vec::new(), network: Network::None, read: Vec::new() }
    }
}

impl Isolation {
    /// Whether the jobs of a run of this event are isolated.
    pub fn holds(&self, event: &Event) -> bool {
        match self.when {
            Isolate::Never => false,
            Isolate::Always => true,
            Isolate::Untrusted => !is_trusted(event, &self.protected),
        }
    }

    /// Whether a run of this event is lent what the user of this server may fetch. Whoever writes a workflow could read with it what he
    /// may not read himself, so that it is not lent to forks, nor, where jobs are isolated, to anybody whom nobody has let in.
    pub(crate) fn lends(&self, event: &Event) -> bool {
        match self.when {
            Isolate::Never => !source::is_from_fork(event),
            Isolate::Untrusted | Isolate::Always => is_trusted(event, &self.protected),
        }
    }
}

/// Whether what an event runs was let in by somebody: it is on the default branch, or on a branch or tag that is protected.
/// A pull request is on none of them, whoever opened it; one of `pull_request_target` runs what the base branch says.
fn is_trusted(event: &Event, protected: &[Pattern]) -> bool {
    let name = match event.reference.strip_prefix("refs/heads/") {
        Some(branch) => {
            let default = event.payload.pointer("/repository/default_branch");
            if default.and_then(Value::as_str) == Some(branch) {
                return !source::is_from_fork(event);
            }
            branch
        }
        None => match event.reference.strip_prefix("refs/tags/") {
            Some(tag) => tag,
            None => return false,
        },
    };
    !source::is_from_fork(event) && protected.iter().any(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn event(name: &str, reference: &str, mut payload: Json) -> Event {
        payload["repository"] = json!({ "full_name": "acme/web", "default_branch": "trunk" });
        let (name, payload, reference) = (name.to_owned(), payload.into(), reference.to_owned());
        Event { name, payload, reference, sha: String::new(), changed: None }
    }

    #[test]
    fn the_default_branch_and_what_is_protected_are_trusted() {
        let protected: Vec<Pattern> =
            ["release/**", "v*"].map(|text| Pattern::parse(text).expect("a pattern")).into();
        let check = |name: &str, reference: &str, payload: Json, expect: bool| {
            let event = event(name, reference, payload);
            assert_eq!(is_trusted(&event, &protected), expect, "{name} {reference}");
            let isolation = |when| Isolation { when, protected: protected.clone(), ..Isolation::default() };
            assert_eq!(isolation(Isolate::Untrusted).holds(&event), !expect);
            assert!(isolation(Isolate::Always).holds(&event) && !isolation(Isolate::Never).holds(&event));
            assert_eq!(isolation(Isolate::Untrusted).lends(&event), expect);
            assert_eq!(isolation(Isolate::Always).lends(&event), expect);
            assert_eq!(isolation(Isolate::Never).lends(&event), !source::is_from_fork(&event));
        };
        let request = |head: &str| {
            json!({ "pull_request": {
                "head": { "repo": { "full_name": head } }, "base": { "repo": { "full_name": "acme/web" } },
            } })
        };
        check("push", "refs/heads/trunk", json!({}), true);
        check("schedule", "refs/heads/trunk", json!({}), true);
        check("push", "refs/heads/main", json!({}), false);
        check("workflow_dispatch", "refs/heads/release/1/a", json!({}), true);
        check("push", "refs/tags/v1", json!({}), true);
        check("push", "refs/tags/trunk", json!({}), false);
        check("pull_request", "refs/pull/7/merge", request("eve/web"), false);
        check("pull_request", "refs/pull/7/merge", request("acme/web"), false);
        check("pull_request_target", "refs/heads/trunk", request("eve/web"), true);
        check("pull_request_target", "refs/heads/work", request("acme/web"), false);
        check("push", "nonsense", json!({}), false);
    }
}
