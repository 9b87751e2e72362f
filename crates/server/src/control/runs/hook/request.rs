//! Pull requests: the commits that they run, which the forge makes in its own time.

use super::{HookError, Runs, is_object_id, is_ref, text, wanted};
use shipway_workflow::expr::Value;

/// How often the forge is asked for the merge of a request that is new, or has new commits.
const MERGE_LOOKS: u32 = 60;

/// What becomes of a request whose merge the forge has not made yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// The forge is asked once.
    IfThere,
    /// The forge is asked again for a while.
    Awaited,
}

/// What a pull request says of itself.
pub(super) struct Request<'p> {
    number: u64,
    /// The full ref of the branch that it wants to go to.
    base: String,
    /// The full ref of the default branch.
    default: String,
    base_sha: Option<&'p str>,
    head_sha: Option<&'p str>,
    /// Whether there may still be a merge to wait for.
    is_open: bool,
    /// The commit on the base branch, of a request that was merged.
    merged: Option<&'p str>,
}

impl<'p> Request<'p> {
    /// Everything of it that is handed to git.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let commits = [self.base_sha, self.head_sha, self.merged].into_iter().flatten();
        [self.base.as_str(), &self.default].into_iter().chain(commits)
    }

    /// Whether there may still be a merge to wait for.
    pub(super) fn may_be_merged(&self) -> bool {
        self.is_open
    }

    pub(super) fn of(payload: &'p Value) -> Result<Request<'p>, HookError> {
        let number = payload.pointer("/pull_request/number").and_then(Value::as_u64);
        let number = number.ok_or_else(|| HookError::Payload("it has no pull_request.number".to_owned()))?;
        let base = format!("refs/heads/{}", wanted(payload, "/pull_request/base/ref")?);
        let default = format!("refs/heads/{}", wanted(payload, "/repository/default_branch")?);
        for name in [&base, &default] {
            if !is_ref(name) {
                return Err(HookError::Payload(format!("{name:?} is no name of a branch")));
            }
        }
        let sha = |pointer: &str| text(payload, pointer).filter(|sha| is_object_id(sha));
        let is = |pointer: &str| payload.pointer(pointer).and_then(Value::as_bool);
        let merged =
            sha("/pull_request/merge_commit_sha").filter(|_| is("/pull_request/merged") == Some(true));
        Ok(Request {
            number,
            base,
            default,
            base_sha: sha("/pull_request/base/sha"),
            head_sha: sha("/pull_request/head/sha"),
            is_open: merged.is_none()
                && text(payload, "/action") != Some("closed")
                && is("/pull_request/mergeable") != Some(false),
            merged,
        })
    }
}

/// Checks what a payload brings to git, for those who feed hostile ones.
///
/// # Panics
/// When that is anything but plain names.
pub(crate) fn names(payload: &Value) {
    if let Ok(request) = Request::of(payload) {
        for name in request.names() {
            assert!(is_ref(name) || is_object_id(name), "git would be told {name:?}");
        }
    }
}

/// Where a pull request runs: a ref and its commit, or why nowhere.
pub(super) struct Found {
    pub(super) merge: Result<(String, String), String>,
    pub(super) target: Result<(String, String), String>,
    /// The paths that it changes, when they can be told.
    pub(super) changed: Option<Vec<String>>,
}

impl Runs {
    /// Brings the commits of a pull request here.
    pub(super) async fn pull_request(&self, request: &Request<'_>, wait: Merge) -> Result<Found, HookError> {
        let (merge, head) =
            (format!("refs/pull/{}/merge", request.number), format!("refs/pull/{}/head", request.number));
        // Merges are made by the forge alone.
        self.wants_origin(&merge).await?;
        let mut waited = 0;
        loop {
            let names = [merge.as_str(), &head, &request.base, &request.default];
            let there = self.git.remote_refs(&names).await?;
            let wanted: Vec<&str> = there.keys().map(String::as_str).collect();
            if !wanted.is_empty() {
                self.git.fetch_objects(&wanted).await?;
            }
            // It lies on the base branch, unless that is gone or was moved.
            if let Some(commit) = request.merged
                && !self.git.has(commit).await
            {
                self.git.fetch_objects(&[commit]).await?;
            }
            let (base, tip) = (there.get(&request.base), there.get(&head).map(String::as_str));
            let parents = match there.get(&merge) {
                Some(sha) => self.git.parents(sha).await?,
                None => Vec::new(),
            };
            let merged = match (parents.as_slice(), tip) {
                ([_, second], Some(tip)) if second != tip => None,
                _ => there.get(&merge),
            };
            // The forge makes the merge after it tells of the request, and until then has none, or an older one.
            let waits = wait == Merge::Awaited && request.is_open;
            if merged.is_none() && waits && waited < MERGE_LOOKS {
                waited += 1;
                tokio::time::sleep(self.settings.merge_wait).await;
                continue;
            }
            let (from, to) = match (parents.as_slice(), merged) {
                ([base, head], Some(_)) => (Some(base.as_str()), Some(head.as_str())),
                _ => (request.base_sha.or(base.map(String::as_str)), tip.or(request.head_sha)),
            };
            let changed = match (from, to) {
                (Some(from), Some(to)) => self.git.changed_since(from, to).await?,
                (None, _) | (_, None) => None,
            };
            let merge = match (request.merged, merged) {
                (Some(commit), _) => Ok((request.base.clone(), commit.to_owned())),
                (None, Some(sha)) => Ok((merge, sha.clone())),
                (None, None) => Err(format!(
                    "there is no {merge} of its last commit: the branches cannot be merged, or are gone, so that \
                     pull_request starts nothing"
                )),
            };
            let target = match there.get(&request.default) {
                Some(sha) => Ok((request.default.clone(), sha.clone())),
                None => Err(format!(
                    "there is no {}, so that pull_request_target starts nothing",
                    request.default
                )),
            };
            return Ok(Found { merge, target, changed });
        }
    }
}
