//! Workflows as people see them, and runs that somebody starts by hand.

use super::{
    FOLDER, RunError, Runs,
    make::{Errors, Fetch, Order},
};
use crate::{
    backend::{Actor, BackendError, BackendErrorKind, Dispatched},
    control::{
        asked::Asked,
        world::{lock, unavailable},
    },
    git::GitError,
    source,
};
use serde_json::{Value as Json, json};
use shipway_api as api;
use shipway_base::{Diagnostics, Source, Timestamp, yaml::closest};
use shipway_workflow::{
    document::{DispatchInput, InputKind, Workflow},
    event::{Event, Schedule, Trigger, inputs_too_large},
};
use std::{collections::BTreeMap, sync::Arc};

impl Runs {
    /// The workflows as they are at a branch or tag, of the default branch when none is named.
    pub(crate) async fn workflows(&self, named: Option<&str>) -> Result<api::Workflows, BackendError> {
        let context = "listing workflows";
        let git = |error: GitError| BackendError::internal(context, error);
        let default_branch = self.git.default_branch().await.map_err(git)?;
        let refs = self.git.refs().await.map_err(git)?;
        let short = refs.keys().map(|name| source::ref_name(name).0.to_owned()).collect();
        let Some((git_ref, sha)) = find(&refs, named.unwrap_or(&default_branch)) else {
            // A repository without a commit has a default branch, and nothing on it.
            if named.is_none() {
                return Ok(api::Workflows {
                    default_branch,
                    refs: short,
                    git_ref: None,
                    sha: None,
                    items: Vec::new(),
                });
            }
            return Err(no_such_ref(context, &refs, named.unwrap_or_default()));
        };
        let scheduled = match git_ref.strip_prefix("refs/heads/") {
            Some(branch) if branch == default_branch => lock(&self.schedules).of(sha),
            // Schedules of other branches are never run.
            Some(_) | None => BTreeMap::new(),
        };
        let mut items = Vec::new();
        for path in self.git.files(sha, FOLDER).await.map_err(git)? {
            if is_workflow(&path) {
                let text = self.git.text(sha, &path).await.map_err(git)?;
                items.push(shown(&path, &text, &scheduled, self.settings.is_told));
            }
        }
        let (git_ref, sha) = (Some(git_ref.to_owned()), Some(sha.to_owned()));
        Ok(api::Workflows { default_branch, refs: short, git_ref, sha, items })
    }

    /// Starts a workflow by hand, as it is at the branch or tag that is asked for. The same request with the same key starts it
    /// once.
    pub(crate) async fn dispatch(
        self: &Arc<Self>,
        file: &str,
        request: &api::DispatchRequest,
        key: Option<&str>,
        by: &Actor,
    ) -> Result<Dispatched, BackendError> {
        let context = format!("starting {file}");
        let asked = key.map(|key| Asked::new("dispatch", key, &(file, request)));
        if let Some(run) = self.dispatched(asked.as_ref(), &context).await? {
            return Ok(Dispatched { run, repeated: true });
        }
        let git = |error: GitError| BackendError::internal(&context, error);
        let inputs = texts(&context, &request.inputs)?;
        if let Some(why) = inputs_too_large(&inputs) {
            let why = format!("{file}: error[SW0115]: {why}");
            return Err(BackendError { context, kind: BackendErrorKind::Document(vec![why]) });
        }
        let refs = self.git.refs().await.map_err(git)?;
        let default_branch = self.git.default_branch().await.map_err(git)?;
        let named = request.git_ref.as_deref().unwrap_or(&default_branch);
        let (git_ref, sha) = find(&refs, named).ok_or_else(|| no_such_ref(&context, &refs, named))?;
        let path = format!("{FOLDER}/{file}");
        let paths = self.git.files(sha, FOLDER).await.map_err(git)?;
        if !is_workflow(&path) || !paths.contains(&path) {
            let names =
                paths.iter().filter(|path| is_workflow(path)).filter_map(|path| path.rsplit('/').next());
            let hint = closest(file, names).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            let branch = source::ref_name(git_ref).0;
            return Err(BackendError::not_found(context, format!("workflow {file} on {branch}{hint}")));
        }
        let text = self.git.text(sha, &path).await.map_err(git)?;
        let commit = self.git.commit(sha).await.map_err(git)?;
        let actor = by.to_string();
        let payload = json!({
            "inputs": inputs, "ref": git_ref, "workflow": path,
            "repository": source::repository_payload(&self.settings.repository, &default_branch),
            "sender": { "login": actor, "type": "User" },
        });
        let event = Event {
            name: "workflow_dispatch".to_owned(),
            payload: payload.into(),
            reference: git_ref.to_owned(),
            sha: sha.to_owned(),
            changed: None,
        };
        let order = Order {
            event: &event,
            commit: &commit,
            path: &path,
            text: &text,
            inputs: &inputs,
            actor: &actor,
            chain: 0,
            repeats: None,
            once: asked.as_ref().map(|asked| asked.once.clone()),
            asked: asked.as_ref(),
            errors: Errors::Refuse,
            fetch: Fetch::First,
        };
        match self.create(order).await {
            Ok(Some(run)) => Ok(Dispatched { run: run.into(), repeated: false }),
            Ok(None) => {
                // The same request may have come in between.
                if let Some(run) = self.dispatched(asked.as_ref(), &context).await? {
                    return Ok(Dispatched { run, repeated: true });
                }
                let why = format!(
                    "{path}: it has no `workflow_dispatch` under `on`, so that nobody can start it by hand"
                );
                Err(BackendError { context, kind: BackendErrorKind::Document(vec![why]) })
            }
            Err(RunError::Refused(found)) => Err(BackendError { context, kind: document(&found) }),
            Err(RunError::Store(error)) => Err(unavailable(&context, error)),
            Err(
                error @ (RunError::Git(_) | RunError::Values(_) | RunError::Again | RunError::Stale { .. }),
            ) => Err(BackendError::internal(context, error)),
        }
    }

    /// The run that a request started before.
    async fn dispatched(
        &self,
        asked: Option<&Asked>,
        context: &str,
    ) -> Result<Option<api::RunId>, BackendError> {
        let Some(asked) = asked else { return Ok(None) };
        let Some(answer) = asked.earlier(&self.world, context).await? else { return Ok(None) };
        let damaged = |error| BackendError::internal(context, error);
        answer.parse().map(Some).map_err(damaged)
    }
}

/// Whether a file of the folder is a workflow.
pub(super) fn is_workflow(path: &str) -> bool {
    path.ends_with(".yml") || path.ends_with(".yaml")
}

/// The full name and the commit of a branch or a tag, by its full or its short name; a branch comes first.
fn find<'r>(refs: &'r BTreeMap<String, String>, named: &str) -> Option<(&'r str, &'r str)> {
    let full = [named.to_owned(), format!("refs/heads/{named}"), format!("refs/tags/{named}")];
    full.iter().find_map(|name| refs.get_key_value(name)).map(|(name, sha)| (name.as_str(), sha.as_str()))
}

fn no_such_ref(context: &str, refs: &BTreeMap<String, String>, named: &str) -> BackendError {
    let hint = closest(named, refs.keys().map(|name| source::ref_name(name).0));
    let hint = hint.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    BackendError::not_found(context, format!("branch or tag {named}{hint}"))
}

/// Inputs as GitHub passes them on: as text.
fn texts(context: &str, inputs: &BTreeMap<String, Json>) -> Result<BTreeMap<String, String>, BackendError> {
    let mut found = BTreeMap::new();
    for (name, value) in inputs {
        let text = match value {
            Json::String(text) => text.clone(),
            Json::Bool(truth) => truth.to_string(),
            Json::Number(number) => number.to_string(),
            Json::Null | Json::Array(_) | Json::Object(_) => {
                let why =
                    format!("the input {name:?} is {value}; an input is a text, a number, true or false");
                return Err(BackendError {
                    context: context.to_owned(),
                    kind: BackendErrorKind::Invalid(why),
                });
            }
        };
        found.insert(name.clone(), text);
    }
    Ok(found)
}

fn document(found: &Diagnostics) -> BackendErrorKind {
    BackendErrorKind::Document(found.iter().map(ToString::to_string).collect())
}

/// A workflow file as people see it; `scheduled` says when schedules come next, by their keys.
fn shown(
    path: &str,
    text: &str,
    scheduled: &BTreeMap<String, Option<Timestamp>>,
    is_told: bool,
) -> api::Workflow {
    let (workflow, found) = Workflow::parse(&Source::new(path, text));
    let findings =
        if found.has_errors() { found.iter().map(ToString::to_string).collect() } else { Vec::new() };
    let file = path.rsplit('/').next().unwrap_or(path).to_owned();
    let triggers = workflow.as_ref().map_or(&[][..], |workflow| &workflow.on);
    let by_hand = triggers.iter().find(|trigger| trigger.event.value == "workflow_dispatch");
    let name = workflow.as_ref().and_then(|workflow| workflow.name.as_ref());
    let schedule = |schedule: &Schedule| api::WorkflowSchedule {
        cron: schedule.cron.value.clone(),
        timezone: schedule.timezone.as_ref().map(|zone| zone.value.clone()),
        next_at: scheduled.get(&super::schedule::key(path, schedule)).copied().flatten(),
    };
    api::Workflow {
        name: name.map_or_else(|| path.to_owned(), |name| name.value.clone()),
        events: triggers.iter().map(|trigger| trigger.event.value.clone()).collect(),
        inputs: by_hand.map(|trigger| trigger.inputs.iter().map(input).collect()),
        schedules: triggers.iter().flat_map(|trigger| &trigger.schedules).map(schedule).collect(),
        unheard: triggers.iter().filter_map(|trigger| unheard(path, trigger, is_told)).collect(),
        path: path.to_owned(),
        file,
        findings,
    }
}

/// Events that come to this server whoever tells it anything: from the repository, from people, from the clock, and from its runs.
const HEARD: [&str; 7] =
    ["push", "create", "delete", "workflow_dispatch", "workflow_call", "schedule", "workflow_run"];

/// What is said of a trigger that never comes; `is_told` says whether a forge tells of what happens there.
fn unheard(path: &str, trigger: &Trigger, is_told: bool) -> Option<String> {
    let event = trigger.event.value.as_str();
    let place = trigger.event.span.start;
    let by_forge = ["pull_request", "pull_request_target"].contains(&event) || super::hook::is_told(event);
    let way = match (HEARD.contains(&event), by_forge) {
        (true, _) => return None,
        (false, true) if is_told => return None,
        (false, true) => "; a webhook of the forge would, see `shipway up` with SHIPWAY_WEBHOOK_SECRET",
        (false, false) => "",
    };
    Some(format!("{path}:{place}: nothing tells this server of {event}, so that it starts no run{way}"))
}

fn input(input: &DispatchInput) -> api::WorkflowInput {
    let (kind, options) = match &input.kind {
        InputKind::String => (api::WorkflowInputKind::String, Vec::new()),
        InputKind::Boolean => (api::WorkflowInputKind::Boolean, Vec::new()),
        InputKind::Number => (api::WorkflowInputKind::Number, Vec::new()),
        InputKind::Environment => (api::WorkflowInputKind::Environment, Vec::new()),
        InputKind::Choice(options) => (api::WorkflowInputKind::Choice, options.clone()),
    };
    api::WorkflowInput {
        name: input.name.value.clone(),
        description: input.description.clone(),
        kind,
        options,
        required: input.required,
        default: input.default.as_ref().map(|default| default.value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_come_before_tags() {
        let refs = ["refs/heads/main", "refs/tags/main", "refs/tags/v1"]
            .map(|name| (name.to_owned(), name.replace('/', "-")));
        let refs = BTreeMap::from(refs);
        let check =
            |named: &str, expect: Option<&str>| assert_eq!(find(&refs, named).map(|found| found.0), expect);
        check("main", Some("refs/heads/main"));
        check("refs/tags/main", Some("refs/tags/main"));
        check("v1", Some("refs/tags/v1"));
        check("v2", None);
        check("heads/main", None);
    }

    #[test]
    fn inputs_become_texts() {
        let given = BTreeMap::from([
            ("a".to_owned(), json!(true)),
            ("b".to_owned(), json!(1.5)),
            ("c".to_owned(), json!("x")),
        ]);
        let found = texts("testing", &given).expect("texts");
        assert_eq!(found.values().map(String::as_str).collect::<Vec<_>>(), ["true", "1.5", "x"]);
        let error = texts("testing", &BTreeMap::from([("a".to_owned(), json!([1]))])).expect_err("no text");
        assert!(error.to_string().contains("the input \"a\" is [1]"), "{error}");
    }

    #[test]
    fn a_file_with_errors_says_them() {
        let found = shown(
            ".github/workflows/bad.yml",
            "on: push\njobs: {a: {runs-on: x, stpes: []}}\n",
            &BTreeMap::new(),
            false,
        );
        assert_eq!(found.file, "bad.yml");
        assert!(found.findings.iter().any(|line| line.contains("stpes")), "{:?}", found.findings);
        assert_eq!(found.inputs, None);
    }
}
