//! The event that is said to have happened, as GitHub would tell it.

use super::{Options, repository::Here};
use crate::{
    environment::Environment,
    exit::{Exit, Failure},
};
use serde_json::{Map, Value as Json, json};
use shipway_server::git::Git;
use shipway_server::source::{RepositoryName, Told, push_payload, ref_name, repository_payload};
use shipway_workflow::{document::Workflow, event::Event, expr::Value};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::Path,
};

/// The largest body of an event, in bytes, as of GitHub's webhooks.
const MOST_BODY: u64 = 25 << 20;

/// Makes the event. Without a file its body holds what a repository without a forge knows; what it does not know is
/// left out, and filters let it pass.
pub(super) async fn make(
    environment: &Environment,
    here: &Here,
    options: &Options,
) -> Result<Event, Failure> {
    let payload = match &options.event_file {
        None if options.event == "push" => push(here).await?.into(),
        None => body(here, options, base_commit(here, options).await.as_deref()).into(),
        Some(path) => {
            let text = read(&environment.folder.join(path)).map_err(|error| {
                Failure::new(Exit::Usage, format!("cannot read the event {}: {error}", path.display()))
            })?;
            let wrong = |why: &str| {
                Failure::new(Exit::Usage, format!("{} is not the body of an event: {why}", path.display()))
                    .with_help("give the JSON object that GitHub sends, github.event")
            };
            let Some(text) = text else {
                let why = format!("it is larger than {} MiB, and GitHub sends no such", MOST_BODY >> 20);
                return Err(wrong(&why));
            };
            // Editors and shells of Windows begin a text with a byte order mark, which JSON has not.
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let value = Value::from_json_text(text).map_err(|error| wrong(&error.to_string()))?;
            if value.as_object().is_none() {
                return Err(wrong("it is not an object"));
            }
            if let Some(name) = value.pointer("/repository/full_name")
                && repository(&value).is_none()
            {
                return Err(wrong(&format!(
                    "repository.full_name is {}, which is not owner/name",
                    name.to_json_text()
                )));
            }
            value
        }
    };
    Ok(Event {
        name: options.event.clone(),
        reference: reference(&options.event, &payload, here),
        payload,
        // The files that are run are those of the work tree, whatever the body says.
        sha: here.commit.sha.clone(),
        changed: None,
    })
}

/// The text of a file, which need not have an end; none when it is larger than a body may be.
fn read(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    fs::File::open(path)?.take(MOST_BODY + 1).read_to_string(&mut text)?;
    Ok(Some(text).filter(|text| text.len() as u64 <= MOST_BODY))
}

/// Whose event it is: what `github.repository` and `github.actor` come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The repository.
    pub(super) repository: RepositoryName,
    /// Who caused it.
    pub(super) actor: String,
}

impl Origin {
    /// As GitHub derives it from the body; what the body does not say is that of the repository here.
    pub(super) fn of(payload: &Value, here: &Here) -> Origin {
        let actor =
            payload.pointer("/sender/login").and_then(Value::as_str).filter(|login| !login.is_empty());
        Origin {
            repository: repository(payload).unwrap_or_else(|| here.name.clone()),
            actor: actor.unwrap_or_else(|| here.actor()).to_owned(),
        }
    }
}

/// The repository that the body of an event names.
fn repository(payload: &Value) -> Option<RepositoryName> {
    let plain =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let (owner, name) = payload.pointer("/repository/full_name")?.as_str()?.split_once('/')?;
    (plain(owner) && plain(name)).then(|| RepositoryName { owner: owner.to_owned(), name: name.to_owned() })
}

/// The events that bring inputs.
const WITH_INPUTS: [&str; 2] = ["workflow_dispatch", "workflow_call"];

/// The inputs that the body of such an event brings, as texts; what is null has its default.
pub(super) fn inputs(event: &Event) -> Result<BTreeMap<String, String>, Failure> {
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("the body of the event is not one of {}: {why}", event.name))
            .with_help("give inputs as an object of names and texts, as GitHub sends it")
    };
    let inputs = match event.payload.get("inputs") {
        Some(inputs) if WITH_INPUTS.contains(&event.name.as_str()) => inputs,
        Some(_) | None => return Ok(BTreeMap::new()),
    };
    let mut found = BTreeMap::new();
    match inputs {
        Value::Null => {}
        Value::Object(inputs) => {
            for (name, value) in inputs.iter() {
                let text = match value {
                    Value::Null => continue,
                    Value::String(text) => text.to_string(),
                    Value::Bool(_) | Value::Number(_) => value.to_json_text(),
                    Value::Array(_) | Value::Object(_) => {
                        return Err(wrong(format!(
                            "the input {name} is neither a text nor a number nor a boolean"
                        )));
                    }
                };
                found.insert(name.to_owned(), text);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(wrong("its inputs are no object".to_owned()));
        }
    }
    Ok(found)
}

/// The events of pull requests that are made up.
const OF_REQUESTS: [&str; 2] = ["pull_request", "pull_request_target"];

/// The head of the default branch, here or as it was last fetched; what a pull request would be merged into.
async fn base_commit(here: &Here, options: &Options) -> Option<String> {
    if !OF_REQUESTS.contains(&options.event.as_str()) {
        return None;
    }
    let git = Git::at(&here.root);
    for place in ["refs/heads", "refs/remotes/origin"] {
        if let Ok(sha) = git.resolve(&format!("{place}/{}", here.default_branch)).await {
            return Some(sha);
        }
    }
    None
}

/// The newest commit as if it had been pushed now; a merge brings those of its other branch.
async fn push(here: &Here) -> Result<Json, Failure> {
    let head = &here.commit;
    let commits = if here.is_merge {
        let commits = Git::at(&here.root).commits(&head.sha, &[&here.before]).await;
        commits.map_err(|error| Failure::new(Exit::Usage, error.to_string()).with_code("SW1011"))?
    } else {
        vec![head.clone()]
    };
    let commits: Vec<_> = commits.into_iter().map(|commit| (commit, true)).collect();
    let repository = repository_payload(&here.name, &here.default_branch);
    let (reference, before) = (&here.reference, &here.before);
    Ok(push_payload(&repository, Told { reference, before, head, commits: &commits, forced: false }))
}

fn body(here: &Here, options: &Options, base: Option<&str>) -> Json {
    let sender = json!({ "login": here.actor(), "type": "User" });
    let repository = repository_payload(&here.name, &here.default_branch);
    match options.event.as_str() {
        "pull_request" | "pull_request_target" => {
            let (branch, _) = ref_name(&here.reference);
            let (title, rest) = here.commit.message.split_once('\n').unwrap_or((&here.commit.message, ""));
            let text = Some(rest.trim()).filter(|text| !text.is_empty());
            let mut event = json!({
                // Which one it is depends on the workflow.
                "action": null,
                "number": 1,
                "pull_request": {
                    "number": 1, "state": "open", "draft": false, "merged": false, "locked": false,
                    "title": title, "body": text, "labels": [], "user": sender,
                    "html_url": format!("https://github.com/{}/pull/1", here.name.full()),
                    "head": { "ref": branch, "sha": here.commit.sha, "repo": repository },
                    "base": { "ref": here.default_branch, "repo": repository },
                },
                "repository": repository, "sender": sender,
            });
            if let Some(base) = base {
                event["pull_request"]["base"]["sha"] = base.into();
            }
            event
        }
        "workflow_dispatch" => {
            let pairs = options.inputs.iter().map(|pair| (pair.name().to_owned(), pair.value().into()));
            let inputs: Map<String, Json> = pairs.collect();
            json!({ "inputs": inputs, "ref": here.reference, "repository": repository, "sender": sender })
        }
        _ => json!({ "repository": repository, "sender": sender }),
    }
}

fn reference(event: &str, payload: &Value, here: &Here) -> String {
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    match event {
        "push" | "workflow_dispatch" => text("/ref").filter(|name| name.starts_with("refs/")),
        // Its short name, and whether that is a branch or a tag.
        "create" => text("/ref").map(|name| match text("/ref_type").as_deref() {
            _ if name.starts_with("refs/") => name,
            Some("tag") => format!("refs/tags/{name}"),
            Some(_) | None => format!("refs/heads/{name}"),
        }),
        // What is deleted has no workflows any more.
        "delete" => {
            let default = text("/repository/default_branch").unwrap_or_else(|| here.default_branch.clone());
            Some(format!("refs/heads/{default}"))
        }
        "merge_group" => text("/merge_group/head_ref").filter(|name| name.starts_with("refs/")),
        "pull_request" | "pull_request_review" | "pull_request_review_comment" => payload
            .pointer("/pull_request/number")
            .and_then(Value::as_u64)
            .map(|number| format!("refs/pull/{number}/merge")),
        "release" => text("/release/tag_name").map(|tag| format!("refs/tags/{tag}")),
        "pull_request_target" => text("/pull_request/base/ref").map(|base| format!("refs/heads/{base}")),
        _ => None,
    }
    .unwrap_or_else(|| here.reference.clone())
}

/// The event as one workflow sees it: a `schedule` that names no cron line came by the workflow's first, and a pull request that is
/// made up was just opened, or is what else the workflow's `types` name first.
pub(super) fn of_workflow(mut event: Event, workflow: &Workflow) -> Event {
    if event.name == "schedule"
        && event.payload.get("schedule").is_none()
        && let Some(first) = workflow.on.iter().flat_map(|trigger| &trigger.schedules).next()
    {
        set(&mut event.payload, "schedule", &first.cron.value);
    }
    if OF_REQUESTS.contains(&event.name.as_str()) && event.payload.get("action") == Some(&Value::Null) {
        let trigger = workflow.on.iter().find(|trigger| trigger.event.value == event.name);
        let types = trigger.and_then(|trigger| trigger.types.as_deref()).unwrap_or_default();
        let opened = types.is_empty() || types.iter().any(|word| word.value == "opened");
        let first = types.first().filter(|_| !opened);
        set(&mut event.payload, "action", first.map_or("opened", |word| &word.value));
    }
    event
}

/// Sets one key of a body, for this event alone.
fn set(body: &mut Value, key: &str, text: &str) {
    let mut pairs = body.as_object().cloned().unwrap_or_default();
    pairs.insert(key, text);
    *body = pairs.into();
}

/// GitHub's own addresses.
pub(super) fn complete(github: &mut Json) {
    github["api_url"] = "https://api.github.com".into();
    github["graphql_url"] = "https://api.github.com/graphql".into();
}
