//! From a local repository to GitHub's words: events, the `github` context, names.

use crate::git::{Commit, Git, GitError, Move};
use serde_json::{Value as Json, json};
use shipway_base::Timestamp;
use shipway_store::models::runs::RunRow;
use shipway_workflow::{
    event::Event,
    expr::{Object, Value},
    plan::RunPlan,
};
use std::{collections::BTreeMap, path::Path};

/// Who a repository on this machine is, since it has no forge to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryName {
    /// The owner.
    pub owner: String,
    /// The name.
    pub name: String,
}

/// What the `github` context says beside the event.
#[derive(Clone, Debug)]
pub struct ContextFacts<'a> {
    /// The repository.
    pub repository: &'a RepositoryName,
    /// The run's id.
    pub run_id: i64,
    /// Counts the runs of this workflow from 1.
    pub run_number: u64,
    /// Counts from 1 the runs that repeat each other.
    pub run_attempt: u32,
    /// The workflow's name.
    pub workflow: &'a str,
    /// The workflow's file within the repository.
    pub path: &'a str,
    /// Who caused the event.
    pub actor: &'a str,
    /// Who asked for this attempt.
    pub triggering_actor: &'a str,
    /// The address that actions should take for GitHub's.
    pub server_url: &'a str,
    /// The token of the run.
    pub token: &'a str,
}

impl RepositoryName {
    /// The name of a repository by its remote address or, without one, by its folder: `local/<folder>`.
    pub fn of(remote: Option<&str>, folder: &Path) -> RepositoryName {
        if let Some(found) = remote.and_then(RepositoryName::from_remote) {
            return found;
        }
        let folder = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = folder.strip_suffix(".git").unwrap_or(&folder);
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
            .collect();
        let name = if name.is_empty() { "repository".to_owned() } else { name };
        RepositoryName { owner: "local".to_owned(), name }
    }

    /// Reads the last two segments of `https://host/owner/name.git` and `git@host:owner/name.git`; the addresses of
    /// local folders have no owner.
    fn from_remote(address: &str) -> Option<RepositoryName> {
        let path = match address.split_once("://") {
            Some(("file", _)) => return None,
            Some((_, rest)) => rest.split_once('/')?.1,
            None => address.split_once(':').filter(|(host, _)| host.contains('@'))?.1,
        };
        let path = path.trim_end_matches('/').strip_suffix(".git").unwrap_or(path.trim_end_matches('/'));
        let (before, name) = path.rsplit_once('/')?;
        let owner = before.rsplit('/').next().filter(|owner| !owner.is_empty())?;
        (!name.is_empty()).then(|| RepositoryName { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// `owner/name`.
    pub fn full(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

/// The event of a branch or tag that moved; `refs` are all that there were before it did.
///
/// # Errors
/// When the commit cannot be read.
pub async fn push(
    git: &Git,
    repository: &RepositoryName,
    reference: &str,
    (before, after): (&str, &str),
    refs: &BTreeMap<String, String>,
) -> Result<Event, GitError> {
    let known: Vec<&str> = refs.values().map(String::as_str).collect();
    let pushed = git.pushed(Move { before, after, known: &known }).await?;
    let head = git.commit(after).await?;
    let default_branch = git.default_branch().await?;
    let told = Told { reference, before, head: &head, commits: &pushed.commits, forced: pushed.forced };
    let mut payload = push_payload(&repository_payload(repository, &default_branch), told);
    payload["base_ref"] = match payload["created"].as_bool() {
        Some(true) => base_ref(refs, &default_branch, after).into(),
        Some(false) | None => Json::Null,
    };
    let (name, payload, reference) = ("push".to_owned(), payload.into(), reference.to_owned());
    Ok(Event { name, payload, reference, sha: head.sha, changed: pushed.changed })
}

/// The branch that was at a commit already, which a new ref came from; the default one if there are several.
fn base_ref<'r>(refs: &'r BTreeMap<String, String>, default: &str, sha: &str) -> Option<&'r str> {
    let default = format!("refs/heads/{default}");
    let there = |name: &str| name.starts_with("refs/heads/") && refs.get(name).is_some_and(|at| at == sha);
    let mut names = refs.keys().map(String::as_str).filter(|name| there(name));
    names.clone().find(|name| *name == default).or_else(|| names.next())
}

/// What is told of a push.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The full ref.
    pub reference: &'a str,
    /// What it pointed to; zeros when it is new.
    pub before: &'a str,
    /// What it points to.
    pub head: &'a Commit,
    /// All commits that it brought, the oldest first, and whether no other ref had them.
    pub commits: &'a [(Commit, bool)],
    /// Whether it left commits behind.
    pub forced: bool,
}

/// The body of the `push` webhook, as far as a repository without a forge can know it; `repository` is as
/// [`repository_payload`] makes it.
pub fn push_payload(repository: &Json, told: Told<'_>) -> Json {
    let Told { reference, before, head, commits, forced } = told;
    let distinct = commits.last().is_none_or(|(last, distinct)| last.sha != head.sha || *distinct);
    let all: Vec<Json> = commits.iter().map(|(commit, distinct)| commit_of_push(commit, *distinct)).collect();
    json!({
        "ref": reference, "before": before, "after": head.sha, "created": before.bytes().all(|byte| byte == b'0'),
        "deleted": false, "forced": forced, "head_commit": commit_of_push(head, distinct), "commits": all,
        "pusher": { "name": head.author, "email": head.email },
        "sender": { "login": head.author, "type": "User" },
        "repository": repository,
    })
}

/// A commit as a push tells it. As in the `github.event` of GitHub, it does not say which files it changed.
fn commit_of_push(commit: &Commit, distinct: bool) -> Json {
    let mut told = commit_payload(commit);
    told["distinct"] = distinct.into();
    // The names of accounts are a forge's; there the usual one is that of the person.
    for (who, name) in [("author", &commit.author), ("committer", &commit.committer)] {
        told[who]["username"] = name.as_str().into();
    }
    told
}

/// A commit as webhooks tell it.
fn commit_payload(commit: &Commit) -> Json {
    json!({
        "id": commit.sha, "tree_id": commit.tree, "message": commit.message, "timestamp": commit.date,
        "author": { "name": commit.author, "email": commit.email },
        "committer": { "name": commit.committer, "email": commit.committer_email },
    })
}

/// The `repository` object of webhooks.
pub fn repository_payload(repository: &RepositoryName, default_branch: &str) -> Json {
    json!({
        "name": repository.name, "full_name": repository.full(), "private": true,
        "default_branch": default_branch,
        "owner": { "login": repository.owner, "name": repository.owner },
    })
}

/// What is told of a run to workflows that wait for it.
#[derive(Clone, Debug)]
pub struct RunFacts<'a> {
    /// The repository.
    pub repository: &'a RepositoryName,
    /// Its default branch.
    pub default_branch: &'a str,
    /// The attempt of the run.
    pub row: &'a RunRow,
    /// The event that started it.
    pub event: &'a Event,
    /// Who caused that event.
    pub actor: Option<&'a str>,
    /// The commit that [`RunFacts::head_sha`] names, unless it is not here any more.
    pub head: Option<&'a Commit>,
    /// The address of the pages.
    pub url: &'a str,
}

impl RunFacts<'_> {
    /// The commit that the run is about: of a pull request its head, and not the merge that was run.
    pub fn head_sha(event: &Event, row: &RunRow) -> String {
        let head = event.payload.pointer("/pull_request/head/sha").and_then(Value::as_str);
        head.unwrap_or(&row.sha).to_owned()
    }
}

/// The body of the `workflow_run` webhook, as far as a server of its own can know it.
pub fn workflow_run_payload(facts: &RunFacts<'_>, action: &str) -> Json {
    let RunFacts { repository, default_branch, row, event, url, .. } = facts;
    let (actor, time) = (facts.actor.unwrap_or(&row.actor), |at: Timestamp| at.to_string());
    let request = event.payload.get("pull_request");
    let of_head = |path: &str| request.and_then(|request| request.pointer(path)).and_then(Value::as_str);
    let own = repository_payload(repository, default_branch);
    let head_repository = request.and_then(|request| request.pointer("/head/repo")).map(Value::to_json);
    let person = |login: &str| json!({ "login": login, "type": "User" });
    // As on GitHub, requests of forks are not told, since their numbers mean nothing to the repository of the fork.
    let own_request = request.filter(|_| !comes_from_fork(&event.name, &event.payload));
    let field = |request: &Value, name: &str| request.get(name).map(Value::to_json);
    let requests: Vec<Json> = own_request
        .map(|request| {
            json!({
                "number": field(request, "number"), "head": field(request, "head"), "base": field(request, "base"),
            })
        })
        .into_iter()
        .collect();
    let here = format!("{url}/runs/{}", row.run);
    let api = format!("{url}/api/v1/runs/{}", row.run);
    let run = json!({
        "id": row.run.number(), "name": row.workflow, "path": row.path, "display_title": row.title,
        "head_branch": of_head("/head/ref").unwrap_or(&row.branch), "head_sha": RunFacts::head_sha(event, row),
        "run_number": row.number, "run_attempt": row.attempt, "event": row.event,
        "status": if action == "completed" { "completed" } else { action },
        "conclusion": row.conclusion.filter(|_| action == "completed").map(|conclusion| conclusion.word()),
        "workflow_id": row.path, "url": api, "html_url": here, "cancel_url": format!("{api}/cancel"),
        "rerun_url": format!("{api}/rerun"), "workflow_url": format!("{url}/api/v1/workflows"),
        "created_at": time(row.created_at), "run_started_at": time(row.started_at.unwrap_or(row.created_at)),
        "updated_at": time(row.finished_at.or(row.started_at).unwrap_or(row.created_at)),
        "actor": person(actor), "triggering_actor": person(&row.actor), "pull_requests": requests,
        "head_commit": facts.head.map(commit_payload),
        "repository": own, "head_repository": head_repository.as_ref().unwrap_or(&own),
    });
    json!({
        "action": action, "workflow_run": run, "workflow": { "name": row.workflow, "path": row.path, "state": "active" },
        "repository": own, "sender": person(&row.actor),
    })
}

/// The `github` context of a run, without what belongs to a job or a step, from its [`github_facts`]. Where there is a plan, the inputs of
/// the event are all that the plan knows: a run that was started by hand has defaults for those that were not given, and they are texts
/// there, as on GitHub. The body of the event, which may be large, is that of the event itself.
pub fn github_context(facts: &Json, event: &Event, plan: Option<&RunPlan>) -> Value {
    let mut body = event.payload.clone();
    if let (Some(inputs), Some(given)) = (plan.and_then(texts_of_inputs), body.as_object()) {
        let mut given = given.clone();
        given.insert("inputs", inputs);
        body = given.into();
    }
    let mut github = Value::from_json(facts).as_object().cloned().unwrap_or_default();
    github.insert("event", body);
    github.into()
}

/// The `github` context with null in the place of its event.
pub fn github_facts(event: &Event, facts: &ContextFacts<'_>) -> Json {
    let (ref_name, ref_type) = ref_name(&event.reference);
    let full = facts.repository.full();
    let workflow_ref = format!("{full}/{}@{}", facts.path, event.reference);
    let of_request = |side: &str| {
        event.payload.pointer(&format!("/pull_request/{side}/ref")).map_or(json!(""), Value::to_json)
    };
    // The numbers that the body gives to those it names; others are not known here.
    let number = |pointer: &str| {
        let number = event.payload.pointer(pointer).and_then(Value::as_u64);
        number.map_or_else(|| "1".to_owned(), |number| number.to_string())
    };
    json!({
        "event_name": event.name, "event": null, "ref": event.reference, "ref_name": ref_name,
        "ref_type": ref_type, "ref_protected": false, "sha": event.sha, "head_ref": of_request("head"),
        "base_ref": of_request("base"), "repository": full, "repository_owner": facts.repository.owner,
        "repository_id": number("/repository/id"), "repository_owner_id": number("/repository/owner/id"),
        "repositoryUrl": repository_url(facts.server_url, &full),
        "run_id": facts.run_id.to_string(), "run_number": facts.run_number.to_string(),
        "run_attempt": facts.run_attempt.to_string(),
        "actor": facts.actor, "actor_id": number("/sender/id"), "triggering_actor": facts.triggering_actor, "workflow": facts.workflow,
        "workflow_ref": workflow_ref, "workflow_sha": event.sha, "server_url": facts.server_url,
        "api_url": format!("{}/api/v3", facts.server_url), "graphql_url": format!("{}/api/graphql", facts.server_url),
        "token": facts.token, "retention_days": "90", "secret_source": "Actions",
    })
}

/// The address of a repository as the `github` context has it: of git's own protocol, at the host of the server.
fn repository_url(server: &str, full: &str) -> String {
    let host = server.split_once("://").map_or(server, |(_, host)| host).trim_end_matches('/');
    format!("git://{host}/{full}.git")
}

/// The inputs of a run that was started by hand.
fn texts_of_inputs(plan: &RunPlan) -> Option<Object> {
    let inputs = plan.inputs().as_object().filter(|_| plan.event().name == "workflow_dispatch")?;
    Some(inputs.iter().map(|(name, value)| (name, value.to_text())).collect())
}

/// Whether an event is about changes that come from another repository, so that whoever wrote them need not be trusted. A
/// request whose repository was removed is one.
///
/// `pull_request_target` and what follows a run take the files of the base repository, so that they are its own.
pub fn is_from_fork(event: &Event) -> bool {
    comes_from_fork(&event.name, &event.payload)
}

/// The same by the event's name and body.
pub fn comes_from_fork(name: &str, payload: &Value) -> bool {
    if !["pull_request", "pull_request_review", "pull_request_review_comment"].contains(&name) {
        return false;
    }
    let repository =
        |side: &str| payload.pointer(&format!("/pull_request/{side}/repo/full_name")).and_then(Value::as_str);
    match (repository("head"), repository("base")) {
        (Some(head), Some(base)) => !head.eq_ignore_ascii_case(base),
        (None, _) | (_, None) => true,
    }
}

/// The short name of a ref and whether it is a branch or a tag.
pub fn ref_name(reference: &str) -> (&str, &'static str) {
    if let Some(tag) = reference.strip_prefix("refs/tags/") {
        return (tag, "tag");
    }
    let short = reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/pull/"));
    (short.unwrap_or(reference), "branch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repositories() {
        let check = |remote: Option<&str>, folder: &str, expect: &str| {
            assert_eq!(RepositoryName::of(remote, Path::new(folder)).full(), expect);
        };
        check(Some("https://github.com/acme/web.git"), "/x", "acme/web");
        check(Some("git@github.com:acme/web"), "/x", "acme/web");
        check(Some("ssh://git@host:22/group/acme/web/"), "/x", "acme/web");
        check(Some("/srv/git/web.git"), "/home/me/My Shop", "local/My-Shop");
        check(Some("file:///srv/git/web.git"), "/srv/web.git", "local/web");
        check(None, "/", "local/repository");
    }

    #[test]
    fn a_repository_lies_at_the_host_of_its_server() {
        assert_eq!(repository_url("https://github.com", "acme/web"), "git://github.com/acme/web.git");
        assert_eq!(
            repository_url("http://shipway.localhost:7/", "acme/web"),
            "git://shipway.localhost:7/acme/web.git"
        );
    }

    #[test]
    fn the_numbers_of_those_it_names_are_the_bodys() {
        let github = |payload: Json| {
            let event = Event {
                name: "release".to_owned(),
                payload: payload.into(),
                reference: "refs/heads/main".to_owned(),
                sha: String::new(),
                changed: None,
            };
            let repository = RepositoryName { owner: "acme".to_owned(), name: "web".to_owned() };
            let facts = ContextFacts {
                repository: &repository,
                run_id: 1,
                run_number: 1,
                run_attempt: 1,
                workflow: "w",
                path: "w.yml",
                actor: "ann",
                triggering_actor: "ann",
                server_url: "https://github.com",
                token: "",
            };
            let found = github_facts(&event, &facts);
            ["actor_id", "repository_id", "repository_owner_id"].map(|field| found[field].clone())
        };
        assert_eq!(github(json!({})), ["1", "1", "1"].map(Json::from));
        let told = json!({"repository": {"id": 77, "owner": {"id": 5}}, "sender": {"id": 9}});
        assert_eq!(github(told), ["9", "77", "5"].map(Json::from));
        assert_eq!(github(json!({"sender": {"id": "x"}})), ["1", "1", "1"].map(Json::from));
    }

    #[test]
    fn knows_forks() {
        let event = |name: &str, payload: Json| Event {
            name: name.to_owned(),
            payload: payload.into(),
            reference: "refs/pull/1/merge".to_owned(),
            sha: String::new(),
            changed: None,
        };
        let request = |head: Json| json!({ "pull_request": { "head": { "repo": head }, "base": { "repo": { "full_name": "acme/web" } } } });
        let fork = request(json!({ "full_name": "eve/web" }));
        assert!(is_from_fork(&event("pull_request", fork.clone())));
        assert!(is_from_fork(&event("pull_request_review", fork.clone())));
        assert!(is_from_fork(&event("pull_request", request(Json::Null))), "the fork was removed");
        assert!(is_from_fork(&event("pull_request", json!({}))));
        assert!(!is_from_fork(&event("pull_request", request(json!({ "full_name": "Acme/web" })))));
        assert!(!is_from_fork(&event("pull_request_target", fork.clone())), "it runs what the base says");
        assert!(!is_from_fork(&event("push", fork)));
    }

    #[test]
    fn shortens_refs() {
        assert_eq!(ref_name("refs/heads/feature/x"), ("feature/x", "branch"));
        assert_eq!(ref_name("refs/tags/v1"), ("v1", "tag"));
        assert_eq!(ref_name("refs/pull/7/merge"), ("7/merge", "branch"));
    }
}
