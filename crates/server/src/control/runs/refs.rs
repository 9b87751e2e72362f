//! Branches and tags that came or went, where no forge tells of them: the events `create` and `delete`.

use super::{RunError, Runs};
use crate::{control::pushes::Refs, source};
use serde_json::{Value, json};
use shipway_workflow::event::Event;
use std::sync::Arc;

/// As on GitHub, of more tags than these that come or go at once nothing is told.
const MOST_TAGS: usize = 3;

impl Runs {
    /// Makes the runs of branches and tags that are there and were not, or were there and are not. Asked again for the same, it
    /// makes nothing. A forge tells of them itself.
    pub(crate) async fn came_and_went(self: &Arc<Self>, seen: &Refs, refs: &Refs) -> Result<(), RunError> {
        // What was never looked at is not new.
        if self.settings.is_told || seen.is_empty() {
            return Ok(());
        }
        let (came, went) = (only_in(refs, seen), only_in(seen, refs));
        if came.is_empty() && went.is_empty() {
            return Ok(());
        }
        let default = self.git.default_branch().await?;
        for (name, sha) in came {
            self.tell_ref("create", (name, sha), (name, sha), &default).await?;
        }
        let head = format!("refs/heads/{default}");
        let Some(at) = refs.get(&head) else { return Ok(()) };
        for (name, sha) in went {
            self.tell_ref("delete", (name, sha), (&head, at), &default).await?;
        }
        Ok(())
    }

    /// Makes the runs of one of them, at this ref and commit.
    async fn tell_ref(
        self: &Arc<Self>,
        event: &str,
        (name, sha): (&str, &str),
        (reference, at): (&str, &str),
        default: &str,
    ) -> Result<(), RunError> {
        let commit = self.git.commit(at).await?;
        let repository = source::repository_payload(&self.settings.repository, default);
        let told = Event {
            name: event.to_owned(),
            payload: payload(event, name, &repository, &commit.author).into(),
            reference: reference.to_owned(),
            sha: at.to_owned(),
            changed: None,
        };
        self.runs_of(&told, &commit, (&format!("{event} {name} {sha}"), 0)).await.map(drop)
    }
}

/// The refs of one look that another has not, without the tags when these are many.
fn only_in<'r>(these: &'r Refs, those: &Refs) -> Vec<(&'r str, &'r str)> {
    let others = these.iter().filter(|(name, _)| !those.contains_key(*name));
    let mut found: Vec<_> = others.map(|(name, sha)| (name.as_str(), sha.as_str())).collect();
    let is_tag = |name: &str| source::ref_name(name).1 == "tag";
    if found.iter().filter(|(name, _)| is_tag(name)).count() > MOST_TAGS {
        found.retain(|(name, _)| !is_tag(name));
    }
    found
}

/// The body of the webhook, as far as a repository without a forge can know it.
fn payload(event: &str, name: &str, repository: &Value, author: &str) -> Value {
    let (short, kind) = source::ref_name(name);
    let mut body = json!({
        "ref": short, "ref_type": kind, "pusher_type": "user", "repository": repository,
        "sender": { "login": author, "type": "User" },
    });
    if event == "create" {
        body["master_branch"] = repository["default_branch"].clone();
        body["description"] = Value::Null;
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tags_at_once_are_told_of_nobody() {
        let refs =
            |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "a".repeat(40))).collect::<Refs>();
        let names =
            |found: Vec<(&str, &str)>| found.into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        let before = refs(&["refs/heads/main"]);
        let three = refs(&["refs/heads/main", "refs/heads/a", "refs/tags/1", "refs/tags/2", "refs/tags/3"]);
        assert_eq!(
            names(only_in(&three, &before)),
            ["refs/heads/a", "refs/tags/1", "refs/tags/2", "refs/tags/3"]
        );
        let mut four = three.clone();
        four.insert("refs/tags/4".to_owned(), "b".repeat(40));
        assert_eq!(names(only_in(&four, &before)), ["refs/heads/a"]);
        assert_eq!(names(only_in(&four, &three)), ["refs/tags/4"]);
        assert!(only_in(&before, &four).is_empty());
    }
}
