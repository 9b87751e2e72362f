//! Which commit the workflows of a forge's event run at: GitHub's table of events, for those that are told by webhooks.

use super::{HookError, is_object_id, is_ref, text, wanted};
use shipway_workflow::expr::Value;

/// Where the files and the commit of an event's runs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// At the last commit of the default branch.
    Default,
    /// At what a branch or tag, by its full name, points to.
    Ref(String),
    /// At a commit, which a branch or tag of this short name leads to, unless the name is that of the commit.
    Commit {
        /// The name.
        named: String,
        /// The commit.
        sha: String,
    },
    /// At the merge of a pull request.
    Merge,
    /// Nowhere, for this reason.
    Nothing(String),
}

/// Events whose workflows run on the default branch.
pub(super) const ON_DEFAULT: [&str; 17] = [
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "delete",
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "issue_comment",
    "issues",
    "label",
    "milestone",
    "page_build",
    "public",
    "repository_dispatch",
    "status",
    "watch",
];

/// Other events that start workflows when a forge tells of them.
pub(super) const ELSEWHERE: [&str; 8] = [
    "create",
    "deployment",
    "deployment_status",
    "merge_group",
    "pull_request_review",
    "pull_request_review_comment",
    "registry_package",
    "release",
];

impl Target {
    /// The place of an event that is neither a push nor a pull request.
    pub(super) fn of(event: &str, payload: &Value) -> Result<Target, HookError> {
        if ON_DEFAULT.contains(&event) {
            return Ok(Target::Default);
        }
        match event {
            "create" => {
                let name = wanted(payload, "/ref")?;
                match text(payload, "/ref_type") {
                    Some("branch") => named("refs/heads/", name),
                    Some("tag") => named("refs/tags/", name),
                    Some(_) | None => {
                        Err(HookError::Payload("its ref_type is neither a branch nor a tag".to_owned()))
                    }
                }
            }
            "release" => {
                let draft = payload.pointer("/release/draft").and_then(Value::as_bool) == Some(true);
                match text(payload, "/action") {
                    Some("created" | "edited" | "deleted") if draft => {
                        Ok(Target::Nothing("drafts of releases start nothing".to_owned()))
                    }
                    Some(_) | None => named("refs/tags/", wanted(payload, "/release/tag_name")?),
                }
            }
            // Its package need not come from this repository; then there is no branch that GitHub tells either.
            "registry_package" => {
                let branch = text(payload, "/registry_package/package_version/target_commitish");
                let branch = branch
                    .filter(|branch| !is_object_id(branch))
                    .map(|branch| format!("refs/heads/{branch}"));
                Ok(branch.filter(|branch| is_ref(branch)).map_or(Target::Default, Target::Ref))
            }
            "deployment" | "deployment_status" => {
                if text(payload, "/deployment_status/state") == Some("inactive") {
                    return Ok(Target::Nothing("deployments that became inactive start nothing".to_owned()));
                }
                commit(wanted(payload, "/deployment/ref")?, wanted(payload, "/deployment/sha")?)
            }
            "merge_group" => {
                commit(wanted(payload, "/merge_group/head_ref")?, wanted(payload, "/merge_group/head_sha")?)
            }
            "pull_request_review" | "pull_request_review_comment" => Ok(Target::Merge),
            "ping" => Ok(Target::Nothing("a ping starts nothing".to_owned())),
            "workflow_run" => Ok(Target::Nothing(
                "runs of the forge start nothing here; those of this server do".to_owned(),
            )),
            other => Ok(Target::Nothing(format!("no workflow waits for the event {other}"))),
        }
    }
}

fn named(before: &str, name: &str) -> Result<Target, HookError> {
    let full = format!("{before}{name}");
    if is_ref(&full) {
        return Ok(Target::Ref(full));
    }
    Err(HookError::Payload(format!("{name:?} is no name of a branch or tag")))
}

fn commit(named: &str, sha: &str) -> Result<Target, HookError> {
    let plain = is_object_id(named) || is_ref(named) || is_ref(&format!("refs/heads/{named}"));
    if !plain || !is_object_id(sha) {
        return Err(HookError::Payload(format!("{named:?} or {sha:?} is none of git's names")));
    }
    Ok(Target::Commit { named: named.to_owned(), sha: sha.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn events_run_where_github_says() {
        let sha = "a".repeat(40);
        let check = |event: &str, payload: Json, expect: Target| {
            assert_eq!(Target::of(event, &payload.clone().into()).expect(event), expect, "{event} {payload}");
        };
        check("issues", json!({}), Target::Default);
        check("repository_dispatch", json!({ "branch": "work" }), Target::Default);
        check("delete", json!({ "ref": "gone", "ref_type": "branch" }), Target::Default);
        check(
            "create",
            json!({ "ref": "a/b", "ref_type": "branch" }),
            Target::Ref("refs/heads/a/b".to_owned()),
        );
        check("create", json!({ "ref": "v1", "ref_type": "tag" }), Target::Ref("refs/tags/v1".to_owned()));
        let release = |action: &str, draft: bool| json!({ "action": action, "release": { "tag_name": "v1", "draft": draft } });
        check("release", release("published", false), Target::Ref("refs/tags/v1".to_owned()));
        check("release", release("published", true), Target::Ref("refs/tags/v1".to_owned()));
        check(
            "release",
            release("created", true),
            Target::Nothing("drafts of releases start nothing".to_owned()),
        );
        let deployment = json!({ "deployment": { "ref": "main", "sha": sha } });
        check("deployment", deployment, Target::Commit { named: "main".to_owned(), sha: sha.clone() });
        let status = json!({ "deployment_status": { "state": "inactive" }, "deployment": {} });
        assert!(matches!(Target::of("deployment_status", &status.into()), Ok(Target::Nothing(_))));
        let group = json!({ "merge_group": { "head_ref": "refs/heads/q/1", "head_sha": sha } });
        check("merge_group", group, Target::Commit { named: "refs/heads/q/1".to_owned(), sha });
        check("pull_request_review", json!({}), Target::Merge);
        assert!(matches!(Target::of("star", &json!({}).into()), Ok(Target::Nothing(_))));
    }

    /// Values as a payload may hold them where another was expected.
    fn anything() -> impl Strategy<Value = Json> {
        prop_oneof![
            Just(Json::Null),
            any::<i64>().prop_map(Json::from),
            "\\PC{0,20}".prop_map(Json::from),
            "(refs/heads/|refs/tags/|-|\\.\\./)?[a-z:*^~ .-]{0,12}".prop_map(Json::from),
            "[0-9a-f]{40}".prop_map(Json::from),
            Just(json!([{ "ref": {} }])),
        ]
    }

    proptest! {
        #[test]
        fn no_body_brings_git_more_than_names(
            event in prop::sample::select([&ON_DEFAULT[..], &ELSEWHERE[..], &["ping", "workflow_run", "nonsense"][..]].concat()),
            values in prop::collection::vec(anything(), 9),
            whole in any::<bool>(),
        ) {
            let [name, kind, action, draft, tag, branch, sha, state, group] = &*values else { return Ok(()) };
            let payload = if whole {
                json!({
                    "ref": name, "ref_type": kind, "action": action,
                    "release": { "draft": draft, "tag_name": tag },
                    "registry_package": { "package_version": { "target_commitish": branch } },
                    "deployment": { "ref": branch, "sha": sha }, "deployment_status": { "state": state },
                    "merge_group": { "head_ref": group, "head_sha": sha },
                })
            } else {
                name.clone()
            };
            match Target::of(event, &payload.into()) {
                Ok(Target::Ref(name)) => prop_assert!(is_ref(&name), "{name:?}"),
                Ok(Target::Commit { named, sha }) => {
                    prop_assert!(is_object_id(&sha));
                    prop_assert!(is_object_id(&named) || is_ref(&named) || is_ref(&format!("refs/heads/{named}")), "{named:?}");
                }
                Ok(Target::Default | Target::Merge | Target::Nothing(_)) => {}
                Err(HookError::Payload(why)) => prop_assert!(!why.is_empty()),
                Err(error @ (HookError::NoOrigin(_) | HookError::Run(_))) => prop_assert!(false, "{error}"),
            }
        }
    }
}
