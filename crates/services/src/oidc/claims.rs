//! What an identity token says, under the names that GitHub documents.

use crate::grant::Identity;
use serde_json::{Map, Value, json};
use shipway_base::Timestamp;

/// How long a token is good for, in seconds.
const LIFETIME: i64 = 300;

/// How far another clock may be behind, in seconds.
const SKEW: i64 = 60;

/// Fields of the `github` context that are claims of the same name.
const FIELDS: [&str; 17] = [
    "ref",
    "sha",
    "repository",
    "repository_owner",
    "repository_owner_id",
    "repository_id",
    "run_id",
    "run_number",
    "run_attempt",
    "actor",
    "actor_id",
    "workflow",
    "head_ref",
    "base_ref",
    "event_name",
    "ref_type",
    "workflow_ref",
];

/// All claims there may be.
pub(super) const NAMES: [&str; 31] = [
    "sub",
    "aud",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "ref",
    "sha",
    "repository",
    "repository_owner",
    "repository_owner_id",
    "repository_id",
    "repository_visibility",
    "run_id",
    "run_number",
    "run_attempt",
    "actor",
    "actor_id",
    "workflow",
    "head_ref",
    "base_ref",
    "event_name",
    "ref_type",
    "ref_protected",
    "workflow_ref",
    "workflow_sha",
    "job_workflow_ref",
    "job_workflow_sha",
    "environment",
    "runner_environment",
];

/// The claims of a token for `audience`; without one it is the owner's page, as on GitHub. `unique` is a name no other token has.
pub(crate) fn claims(
    identity: &Identity,
    issuer: &str,
    audience: Option<&str>,
    unique: &str,
    now: Timestamp,
) -> Value {
    let text = |name: &str| -> &str { identity.github.get(name).and_then(Value::as_str).unwrap_or_default() };
    let seconds = now.as_millis() / 1_000;
    let owner_page = format!("https://github.com/{}", text("repository_owner"));
    let workflow_ref = identity.job_workflow_ref.as_deref().unwrap_or(text("workflow_ref"));
    let workflow_sha = identity.job_workflow_sha.as_deref().unwrap_or(text("workflow_sha"));
    let visibility = match identity.github.get("event").and_then(|event| event.pointer("/repository/private"))
    {
        Some(Value::Bool(false)) => "public",
        Some(_) | None => "private",
    };
    let protected = identity.github.get("ref_protected").and_then(Value::as_bool).unwrap_or(false);
    let mut claims = Map::new();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("jti", unique.into());
    set("sub", subject(identity).into());
    set("aud", audience.unwrap_or(&owner_page).into());
    set("iss", issuer.into());
    set("nbf", json!(seconds - SKEW));
    set("iat", json!(seconds));
    set("exp", json!(seconds + LIFETIME));
    for name in FIELDS {
        set(name, text(name).into());
    }
    set("ref_protected", protected.to_string().into());
    set("repository_visibility", visibility.into());
    set("workflow_sha", text("workflow_sha").into());
    set("job_workflow_ref", workflow_ref.into());
    set("job_workflow_sha", workflow_sha.into());
    set("runner_environment", "self-hosted".into());
    if let Some(environment) = &identity.environment {
        set("environment", environment.as_str().into());
    }
    Value::Object(claims)
}

/// `sub`: the environment where there is one, else whether it is a pull request, else the ref.
fn subject(identity: &Identity) -> String {
    let text = |name: &str| -> &str { identity.github.get(name).and_then(Value::as_str).unwrap_or_default() };
    let repository = text("repository");
    match &identity.environment {
        // A colon separates the parts of a subject, so that a name with one cannot pretend to be another subject.
        Some(environment) => format!("repo:{repository}:environment:{}", environment.replace(':', "%3A")),
        None if text("event_name") == "pull_request" => format!("repo:{repository}:pull_request"),
        None => format!("repo:{repository}:ref:{}", text("ref")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(event: &str, environment: Option<&str>) -> Identity {
        let github = json!({
            "repository": "acme/web", "repository_owner": "acme", "ref": "refs/heads/main", "event_name": event,
            "workflow_ref": "acme/web/.github/workflows/ci.yml@refs/heads/main", "sha": "abc", "run_id": "7",
            "event": { "repository": { "private": false } },
        });
        let github = github.as_object().cloned().expect("an object");
        Identity { github, environment: environment.map(str::to_owned), ..Identity::default() }
    }

    #[test]
    fn the_subject_has_githubs_forms() {
        let check = |event: &str, environment: Option<&str>, expect: &str| {
            assert_eq!(subject(&identity(event, environment)), expect);
        };
        check("push", None, "repo:acme/web:ref:refs/heads/main");
        check("pull_request", None, "repo:acme/web:pull_request");
        check("pull_request", Some("production"), "repo:acme/web:environment:production");
        check("push", Some("eu:production"), "repo:acme/web:environment:eu%3Aproduction");
        check("pull_request_target", None, "repo:acme/web:ref:refs/heads/main");
    }

    #[test]
    fn all_claims_are_announced_and_there() {
        let identity = identity("push", Some("production"));
        let now = Timestamp::from_millis(1_000_000);
        let claims = claims(&identity, "http://here", None, "unique", now);
        let claims = claims.as_object().expect("an object");
        let mut names: Vec<&str> = claims.keys().map(String::as_str).collect();
        let mut known = NAMES.to_vec();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
        assert_eq!(claims["aud"], "https://github.com/acme");
        assert_eq!(claims["exp"], 1_300);
        assert_eq!(claims["repository_visibility"], "public");
        assert_eq!(claims["job_workflow_ref"], claims["workflow_ref"]);
        assert_eq!(super::claims(&identity, "i", Some("me"), "u", now)["aud"], "me");
    }
}
