//! What a forge says that happened: runs for its events, after the commits are here.

pub(super) mod heard;
mod request;
mod target;

pub(crate) use request::names;

use super::{RunError, Runs};
use crate::{
    backend::{BackendError, BackendErrorKind, Hook},
    control::pushes::{self, Begun},
    git::GitError,
};
use heard::context;
use request::{Merge, Request};
use shipway_api as api;
use shipway_base::{Digest, is_object_id};
use shipway_store::{StoreError, models::runs::RunId};
use shipway_workflow::{
    event::{Event, is_typed, skip_mark},
    expr::Value,
};
use std::{collections::BTreeMap, sync::Arc};
use target::Target;

/// What is wrong while the repository cannot follow its origin.
const FETCHING: &str = "fetching from origin";

impl Runs {
    /// Refuses what is about another repository, or leaves out what filters go by.
    fn check(&self, hook: &Hook) -> Result<(), BackendError> {
        let refused =
            |why| Err(BackendError { context: context(hook), kind: BackendErrorKind::Invalid(why) });
        let told = text(&hook.payload, "/repository/full_name").unwrap_or_default();
        let own = &self.settings.repository;
        // A repository whose origin is a folder has no name that a forge could know.
        if hook.event != "ping" && own.owner != "local" && !own.full().eq_ignore_ascii_case(told) {
            return refused(format!(
                "it is about the repository {told:?}, and this server watches {}",
                own.full()
            ));
        }
        // Without it `types` would leave nothing out.
        if is_typed(&hook.event) && text(&hook.payload, "/action").is_none() {
            return refused("its `action` is no text, and says what happened".to_owned());
        }
        Ok(())
    }

    async fn make_told(self: &Arc<Self>, hook: &Hook) -> Result<api::HookOutcome, HookError> {
        match hook.event.as_str() {
            "push" => self.hook_push(hook).await,
            "pull_request" => self.hook_pull_request(hook).await,
            _ => self.hook_other(hook).await,
        }
    }

    async fn hook_push(self: &Arc<Self>, hook: &Hook) -> Result<api::HookOutcome, HookError> {
        let reference = wanted(&hook.payload, "/ref")?;
        let (before, after) = (wanted(&hook.payload, "/before")?, wanted(&hook.payload, "/after")?);
        if !is_ref(reference) || !is_object_id(before) || !is_object_id(after) {
            return Err(HookError::Payload(format!(
                "{reference:?}, {before:?} or {after:?} is none of git's names"
            )));
        }
        if after.bytes().all(|byte| byte == b'0') {
            let _turn = self.pushes.lock().await;
            pushes::forget(&self.world.store, reference).await?;
            return Ok(ignored(&format!("{reference} was removed")));
        }
        if !self.brought(reference, after).await? {
            return Ok(ignored(&format!("{after} is at the origin no more; {reference} was pushed anew")));
        }
        let Some(sha) = self.git.commit_of(after).await? else {
            return Ok(ignored(&format!("{after} is no commit, so that nothing is run there")));
        };
        let commit = self.git.commit(&sha).await?;
        let skips = skip_mark(&commit.message);
        let runs = {
            let _turn = self.pushes.lock().await;
            self.finish_push().await?;
            if pushes::is_known(&self.world.store, reference, &sha).await? {
                return Ok(ignored(&format!("the push of {sha} to {reference} was seen already")));
            }
            let begun = Begun {
                reference: reference.to_owned(),
                before: before.to_owned(),
                sha,
                payload: hook.body.clone(),
            };
            pushes::begin(&self.world.store, &begun).await?;
            self.make_pushed(&begun, &hook.payload).await?
        };
        // The runs are made. That the repository does not follow is somebody's trouble, and no reason to be told again.
        if self.git.origin().await?.is_some() {
            let _turn = self.fetching.lock().await;
            match self.git.fetch().await {
                Ok(()) => self.world.well(FETCHING),
                Err(error) => self.world.trouble(FETCHING, error),
            }
        }
        Ok(api::HookOutcome { runs: ids(runs), ignored: skips.map(skipped), waiting: None })
    }

    /// Finishes what a crash left of a push that was told: its runs, and the remembering that they were made. Whoever calls
    /// lets nobody else make runs of pushes meanwhile.
    pub(crate) async fn finish_push(self: &Arc<Self>) -> Result<(), RunError> {
        let Some(begun) = pushes::begun(&self.world.store).await? else { return Ok(()) };
        tracing::info!(
            reference = begun.reference,
            sha = begun.sha,
            "a push is finished that was told before"
        );
        // It was written as JSON.
        let payload = Value::from_json_text(&begun.payload).unwrap_or_default();
        self.make_pushed(&begun, &payload).await.map(drop)
    }

    /// Makes the runs of a push that is written down as begun, and writes down that they are made.
    async fn make_pushed(self: &Arc<Self>, push: &Begun, payload: &Value) -> Result<Vec<RunId>, RunError> {
        let Begun { reference, before, sha, .. } = push;
        let commits = payload.get("commits").and_then(Value::as_array);
        let oldest = text(payload, "/commits/0/id").filter(|id| is_object_id(id));
        let changed = self.git.changed_by(before, sha, commits.map(<[Value]>::len), oldest).await?;
        let event = Event {
            name: "push".to_owned(),
            payload: payload.clone(),
            reference: reference.clone(),
            sha: sha.clone(),
            changed,
        };
        let commit = self.git.commit(sha).await?;
        // By the key that watching the branch has too, so that one push makes its runs once.
        let runs = match skip_mark(&commit.message) {
            None => self.runs_of(&event, &commit, (&format!("push {reference} {before} {sha}"), 0)).await?,
            Some(_) => Vec::new(),
        };
        pushes::tell(&self.world.store, reference, sha).await?;
        Ok(runs)
    }

    /// Refuses what can be brought from nowhere.
    async fn wants_origin(&self, wanted: &str) -> Result<(), HookError> {
        match self.git.origin().await? {
            Some(_) => Ok(()),
            None => Err(HookError::NoOrigin(format!(
                "{wanted} is not in the watched repository, which has no remote \"origin\" to fetch it from"
            ))),
        }
    }

    /// Brings a pushed object here; false when nobody has it any more.
    async fn brought(&self, reference: &str, object: &str) -> Result<bool, HookError> {
        if self.git.has(object).await {
            return Ok(true);
        }
        self.wants_origin(object).await?;
        let there = self.git.remote_refs(&[reference]).await?;
        if there.contains_key(reference) {
            self.git.fetch_objects(&[reference]).await?;
        }
        // A branch that was moved elsewhere meanwhile does not lead to it; many forges still give it by its name.
        Ok(self.git.has(object).await || self.git.fetch_objects(&[object]).await.is_ok())
    }

    /// The runs of `pull_request`, of the merge that the forge has made, and of `pull_request_target`, of the default branch.
    async fn hook_pull_request(self: &Arc<Self>, hook: &Hook) -> Result<api::HookOutcome, HookError> {
        let request = Request::of(&hook.payload)?;
        let mut outcome = api::HookOutcome::default();
        let mut found = self.pull_request(&request, Merge::IfThere).await?;
        let mut early = Vec::new();
        // What is of the default branch does not wait for the merge, which may never be made.
        if found.merge.is_err() && request.may_be_merged() {
            early = self.of_request(hook, "pull_request_target", &found.target, &found.changed).await?;
            found = self.pull_request(&request, Merge::Awaited).await?;
        }
        // As on GitHub the last commit of the branch counts, and says nothing to pull_request_target.
        let head = text(&hook.payload, "/pull_request/head/sha").filter(|head| is_object_id(head));
        let skips = match head {
            Some(head) if self.git.has(head).await => skip_mark(&self.git.commit(head).await?.message),
            Some(_) | None => None,
        };
        if let (Ok(_), Some(mark)) = (&found.merge, skips) {
            outcome.ignored = Some(skipped(mark));
        } else {
            outcome.runs.extend(self.of_request(hook, "pull_request", &found.merge, &found.changed).await?);
        }
        outcome.runs.extend(early);
        let target = self.of_request(hook, "pull_request_target", &found.target, &found.changed).await?;
        outcome.runs.extend(target);
        let missing = [found.merge.err(), found.target.err()];
        outcome.ignored = missing.into_iter().flatten().last().or(outcome.ignored);
        Ok(outcome)
    }

    /// The runs of one of the two events of a pull request, once.
    async fn of_request(
        self: &Arc<Self>,
        hook: &Hook,
        name: &str,
        place: &Result<(String, String), String>,
        changed: &Option<Vec<String>>,
    ) -> Result<Vec<api::RunId>, HookError> {
        let Ok((reference, sha)) = place else { return Ok(Vec::new()) };
        // What was sent again has the same body. Its id is not signed, so that anybody could make it another one.
        let key = Digest::of(hook.body.as_bytes()).hex();
        let event = event(hook, name, reference, sha, changed.clone());
        let commit = self.git.commit(sha).await?;
        Ok(ids(self.runs_of(&event, &commit, (&format!("hook {key} {name}"), 0)).await?))
    }
}

impl Runs {
    /// The runs of an event that is neither a push nor a change of a pull request.
    async fn hook_other(self: &Arc<Self>, hook: &Hook) -> Result<api::HookOutcome, HookError> {
        let found = match Target::of(&hook.event, &hook.payload)? {
            Target::Nothing(why) => return Ok(ignored(&why)),
            Target::Default => self.default_head(&hook.payload).await?,
            Target::Ref(name) => self.told_ref(&name).await?,
            Target::Commit { named, sha } => self.told_commit(&named, &sha).await?,
            Target::Merge => self.pull_request(&Request::of(&hook.payload)?, Merge::Awaited).await?.merge,
        };
        let (reference, sha) = match found {
            Ok(found) => found,
            Err(why) => return Ok(ignored(&why)),
        };
        // Two of these may be word for word the same; all others say when they happened, or which one they are.
        let delivery = hook.delivery.as_deref().filter(|_| hook.event == "repository_dispatch");
        let key =
            Digest::of_parts(&[delivery.unwrap_or_default().as_bytes(), b" ", hook.body.as_bytes()]).hex();
        let event = event(hook, &hook.event, &reference, &sha, None);
        let commit = self.git.commit(&sha).await?;
        let runs = self.runs_of(&event, &commit, (&format!("hook {key} {}", hook.event), 0)).await?;
        Ok(api::HookOutcome { runs: ids(runs), ..api::HookOutcome::default() })
    }

    /// The default branch and its last commit, or why there is none.
    async fn default_head(&self, payload: &Value) -> Result<Result<(String, String), String>, GitError> {
        let told = text(payload, "/repository/default_branch").map(|branch| format!("refs/heads/{branch}"));
        let name = match told.filter(|name| is_ref(name)) {
            Some(name) => name,
            None => format!("refs/heads/{}", self.git.default_branch().await?),
        };
        self.told_ref(&name).await
    }

    /// What these refs point to at the forge; of all refs here, when the repository follows none.
    async fn there(&self, names: &[&str]) -> Result<BTreeMap<String, String>, GitError> {
        match self.git.origin().await? {
            Some(_) => self.git.remote_refs(names).await,
            None => self.git.refs().await,
        }
    }

    /// A ref with what it points to at the forge; here, when the repository follows none.
    async fn told_ref(&self, name: &str) -> Result<Result<(String, String), String>, GitError> {
        let there = self.there(&[name]).await?;
        let Some(object) = there.get(name) else {
            return Ok(Err(format!("there is no {name}, so that nothing starts")));
        };
        if !self.git.has(object).await {
            self.git.fetch_objects(&[name]).await?;
        }
        // A tag may be an object of its own.
        let sha = self.git.commit_of(object).await?;
        Ok(sha.map(|sha| (name.to_owned(), sha)).ok_or_else(|| format!("{name} is no commit")))
    }

    /// A commit with the branch or tag that was named with it; one that was named by itself has no ref, as on GitHub.
    async fn told_commit(
        &self,
        named: &str,
        sha: &str,
    ) -> Result<Result<(String, String), String>, HookError> {
        let names = [named.to_owned(), format!("refs/heads/{named}"), format!("refs/tags/{named}")];
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| is_ref(name)).collect();
        let there = self.there(&names).await?;
        let reference = names.into_iter().find(|name| there.contains_key(*name)).unwrap_or_default();
        if !self.git.has(sha).await {
            self.wants_origin(sha).await?;
        }
        if !reference.is_empty() && !self.git.has(sha).await {
            self.git.fetch_objects(&[reference]).await?;
        }
        if !self.git.has(sha).await && self.git.fetch_objects(&[sha]).await.is_err() {
            return Ok(Err(format!("{sha} is at the origin no more")));
        }
        Ok(Ok((reference.to_owned(), self.git.resolve(sha).await?)))
    }
}

/// Whether a webhook of a forge may start workflows by this event.
pub(super) fn is_told(event: &str) -> bool {
    target::ON_DEFAULT.contains(&event) || target::ELSEWHERE.contains(&event)
}

/// Why a webhook comes to nothing.
#[derive(Debug, thiserror::Error)]
enum HookError {
    /// The payload is not what the event has.
    #[error("{0}")]
    Payload(String),
    /// What it names is not here, and the repository has no `origin`.
    #[error("{0}")]
    NoOrigin(String),
    /// A run could not be made.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<GitError> for HookError {
    fn from(error: GitError) -> HookError {
        HookError::Run(error.into())
    }
}

impl From<StoreError> for HookError {
    fn from(error: StoreError) -> HookError {
        HookError::Run(error.into())
    }
}

fn ids(runs: Vec<RunId>) -> Vec<api::RunId> {
    runs.into_iter().map(Into::into).collect()
}

fn skipped(mark: &str) -> String {
    format!("the commit message says {mark}")
}

fn event(hook: &Hook, name: &str, reference: &str, sha: &str, changed: Option<Vec<String>>) -> Event {
    Event {
        name: name.to_owned(),
        payload: hook.payload.clone(),
        reference: reference.to_owned(),
        sha: sha.to_owned(),
        changed,
    }
}

fn ignored(why: &str) -> api::HookOutcome {
    api::HookOutcome { ignored: Some(why.to_owned()), ..api::HookOutcome::default() }
}

fn text<'p>(payload: &'p Value, pointer: &str) -> Option<&'p str> {
    payload.pointer(pointer)?.as_str()
}

fn wanted<'p>(payload: &'p Value, pointer: &str) -> Result<&'p str, HookError> {
    let name = || pointer.trim_start_matches('/').replace('/', ".");
    text(payload, pointer).ok_or_else(|| HookError::Payload(format!("it has no {}", name())))
}

/// Whether a text is a full ref of a branch or tag, and nothing that git would read as more than that.
fn is_ref(text: &str) -> bool {
    let short = text.strip_prefix("refs/heads/").or_else(|| text.strip_prefix("refs/tags/"));
    let plain = |c: char| !c.is_control() && !" ~^:?*[\\".contains(c);
    short.is_some_and(|short| !short.is_empty() && !short.contains("..") && short.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    #[test]
    fn only_plain_names_reach_git() {
        for text in ["refs/heads/main", "refs/heads/a/b-c", "refs/tags/v1.0", "refs/heads/ä"] {
            assert!(is_ref(text), "{text}");
        }
        for text in [
            "main",
            "refs/heads/",
            "refs/heads/a:refs/heads/main",
            "refs/heads/*",
            "--upload-pack=x",
            "refs/pull/1/head",
            "refs/heads/a..b",
            "refs/heads/a\nb",
        ] {
            assert!(!is_ref(text), "{text}");
        }
        assert!(
            is_object_id(&"a".repeat(40))
                && !is_object_id("HEAD")
                && !is_object_id(&"g".repeat(40))
                && !is_object_id("-")
        );
    }

    /// Values as a payload may hold them where another was expected.
    fn anything() -> impl Strategy<Value = Json> {
        prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "\\PC{0,20}".prop_map(Json::from),
            "(refs/heads/|refs/tags/|-|\\.\\./)?[a-z:*^~ .-]{0,12}".prop_map(Json::from),
            "[0-9a-f]{40}".prop_map(Json::from),
            Just(serde_json::json!({ "ref": {}, "sha": [], "repo": null })),
        ]
    }

    proptest! {
        #[test]
        fn no_payload_brings_git_more_than_names(
            values in proptest::collection::vec(anything(), 8),
            plain in any::<bool>(),
            action in anything(),
        ) {
            let [number, base, sha, head, merged, commit, default, mergeable] = &*values else { return Ok(()) };
            let mut payload = serde_json::json!({
                "action": action,
                "pull_request": {
                    "number": number, "base": { "ref": base, "sha": sha }, "head": { "sha": head },
                    "merged": merged, "merge_commit_sha": commit, "mergeable": mergeable,
                },
                "repository": { "default_branch": default },
            });
            if plain {
                payload["pull_request"]["number"] = 7.into();
                payload["repository"]["default_branch"] = "main".into();
            }
            if let Ok(request) = Request::of(&payload.into()) {
                for name in request.names() {
                    prop_assert!(is_ref(name) || is_object_id(name), "{name:?}");
                }
            }
        }

        #[test]
        fn a_ref_is_one_plain_word(text in "(refs/heads/|refs/tags/)?\\PC{0,20}") {
            if is_ref(&text) {
                let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
                prop_assert!(text.starts_with("refs/") && !text.contains(odd) && !text.contains(".."));
            }
        }
    }
}
