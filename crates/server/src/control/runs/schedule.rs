//! Runs by the clock: the schedules of the default branch's workflows.
//!
//! A schedule counts from the moment it is first seen. Each of its instants makes at most one run, also over a crash,
//! because the run is made with a key of that instant and only then written down as handled. When instants passed while
//! nothing was running, the latest of them makes one run and the others none: nobody wants a nightly build four times in
//! the morning.

use super::{
    FOLDER, RunError, Runs,
    dispatch::is_workflow,
    make::{Errors, Fetch, Order},
};
use crate::{
    backend::Change,
    control::world::{World, lock},
    git::GitError,
    source,
};
use serde_json::json;
use shipway_base::{Source, Timestamp};
use shipway_store::StoreError;
use shipway_workflow::{
    document::Workflow,
    event::{Event, Schedule},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// The setting that holds what was handled: a line for each schedule.
const HANDLED: &str = "schedule.handled";

/// How long it may take to notice that another branch became the default one without any branch moving.
const REFRESH: Duration = Duration::from_secs(60);

/// The schedules of the default branch, and which of their instants were handled.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    /// When the default branch was asked for.
    asked: Option<Timestamp>,
    /// The default branch and its commit, when it has one.
    head: Option<(String, String)>,
    entries: Vec<Entry>,
    /// Until when each schedule was handled, by its key.
    handled: BTreeMap<String, Timestamp>,
}

/// When schedules come next, as of a commit of the default branch.
#[derive(Debug, Default)]
pub(super) struct Coming {
    sha: String,
    /// By their keys.
    next: BTreeMap<String, Option<Timestamp>>,
}

impl Coming {
    /// What is known of a commit; nothing until the one who watches the clock has seen it.
    pub(super) fn of(&self, sha: &str) -> BTreeMap<String, Option<Timestamp>> {
        if self.sha == sha { self.next.clone() } else { BTreeMap::new() }
    }
}

/// One line of a workflow's `on.schedule`.
#[derive(Debug)]
struct Entry {
    key: String,
    path: String,
    text: Arc<str>,
    schedule: Schedule,
    /// When it comes next; what comes never has none.
    next: Option<Timestamp>,
}

impl Schedules {
    /// What was handled before this process began.
    pub(crate) async fn load(world: &World) -> Result<Schedules, StoreError> {
        let stored = world.store.setting(HANDLED).await?.unwrap_or_default();
        Ok(Schedules { handled: parse(&String::from_utf8_lossy(&stored)), ..Schedules::default() })
    }

    /// Makes the runs that are due now. `moved` says that a branch moved since the last time.
    ///
    /// One schedule that fails does not hold up the others; it is tried again the next time.
    pub(crate) async fn look(
        &mut self,
        world: &World,
        runs: &Arc<Runs>,
        refs: &BTreeMap<String, String>,
        moved: bool,
    ) -> Result<(), RunError> {
        let now = world.clock.now();
        let mut changed = false;
        let before = self.head.clone();
        if moved || self.asked.is_none_or(|asked| now.since(asked) >= REFRESH) {
            changed = self.read(runs, refs, now).await?;
        }
        let mut failed = None;
        let shown: Vec<Option<Timestamp>> = self.entries.iter().map(|entry| entry.next).collect();
        let read = changed || self.head != before;
        for entry in &mut self.entries {
            if entry.next.is_none_or(|next| next > now) {
                continue;
            }
            let since = self.handled.get(&entry.key).copied().unwrap_or(now);
            if let (Some(at), Some((branch, sha))) = (entry.schedule.last_between(since, now), &self.head) {
                if let Err(error) = runs.scheduled(entry, branch, sha, at).await {
                    failed = Some(error);
                    continue;
                }
                self.handled.insert(entry.key.clone(), at);
                changed = true;
            }
            entry.next = entry.schedule.next_after(now);
        }
        if read || self.entries.iter().map(|entry| entry.next).ne(shown) {
            let sha = self.head.as_ref().map(|(_, sha)| sha.clone()).unwrap_or_default();
            let next = self.entries.iter().map(|entry| (entry.key.clone(), entry.next)).collect();
            *lock(&runs.schedules) = Coming { sha, next };
            world.changed(Change::Workflows);
        }
        if changed {
            world.store.put_setting(HANDLED, text(&self.handled).into_bytes()).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Reads the schedules of the default branch anew when it is at another commit. Gives whether a schedule is new or gone.
    async fn read(
        &mut self,
        runs: &Runs,
        refs: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<bool, GitError> {
        let branch = runs.git.default_branch().await?;
        let head = refs.get(&format!("refs/heads/{branch}")).map(|sha| (branch, sha.clone()));
        if head == self.head && self.asked.is_some() {
            self.asked = Some(now);
            return Ok(false);
        }
        let mut entries = Vec::new();
        if let Some((_, sha)) = &head {
            for path in runs.git.files(sha, FOLDER).await? {
                if is_workflow(&path) {
                    entries.extend(entries_of(&path, &runs.git.text(sha, &path).await?));
                }
            }
        }
        let keys: BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let known = self.handled.len();
        self.handled.retain(|key, _| keys.contains(key.as_str()));
        let mut changed = self.handled.len() != known;
        for entry in &mut entries {
            let since = *self.handled.entry(entry.key.clone()).or_insert_with(|| {
                changed = true;
                now
            });
            entry.next = entry.schedule.next_after(since);
        }
        (self.asked, self.head, self.entries) = (Some(now), head, entries);
        Ok(changed)
    }
}

impl Runs {
    /// Makes the run of one instant of a schedule; asked again for the same instant, it makes nothing.
    async fn scheduled(
        self: &Arc<Self>,
        entry: &Entry,
        branch: &str,
        sha: &str,
        at: Timestamp,
    ) -> Result<(), RunError> {
        let commit = self.git.commit(sha).await?;
        let payload = json!({
            "schedule": entry.schedule.cron.value, "workflow": entry.path,
            "repository": source::repository_payload(&self.settings.repository, branch),
            "sender": { "login": commit.author, "type": "User" },
        });
        let event = Event {
            name: "schedule".to_owned(),
            payload: payload.into(),
            reference: format!("refs/heads/{branch}"),
            sha: sha.to_owned(),
            changed: None,
        };
        let order = Order {
            event: &event,
            commit: &commit,
            path: &entry.path,
            text: &entry.text,
            inputs: &BTreeMap::new(),
            actor: &commit.author,
            chain: 0,
            repeats: None,
            once: Some(format!("schedule {} {}", entry.key, at.as_micros())),
            asked: None,
            errors: Errors::FailedRun,
            fetch: Fetch::Later,
        };
        self.create(order).await.map(drop)
    }
}

/// The schedules of a workflow file. One with errors runs at no time; the page of workflows says what is wrong with it.
fn entries_of(path: &str, text: &str) -> Vec<Entry> {
    let (workflow, found) = Workflow::parse(&Source::new(path, text));
    let Some(workflow) = workflow.filter(|_| !found.has_errors()) else { return Vec::new() };
    let text: Arc<str> = text.into();
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for schedule in workflow.on.iter().flat_map(|trigger| &trigger.schedules) {
        let key = key(path, schedule);
        entries.entry(key.clone()).or_insert_with(|| Entry {
            key,
            path: path.to_owned(),
            text: text.clone(),
            schedule: schedule.clone(),
            next: None,
        });
    }
    entries.into_values().collect()
}

/// What a schedule is known by, so that it counts on when something else in its file changes.
pub(super) fn key(path: &str, schedule: &Schedule) -> String {
    let zone = schedule.timezone.as_ref().map_or("UTC", |zone| zone.value.as_str());
    let fields: Vec<&str> = schedule.cron.value.split_whitespace().collect();
    format!("{}\t{zone}\t{path}", fields.join(" "))
}

fn text(handled: &BTreeMap<String, Timestamp>) -> String {
    handled.iter().map(|(key, at)| format!("{}\t{key}\n", at.as_micros())).collect()
}

fn parse(text: &str) -> BTreeMap<String, Timestamp> {
    let line = |line: &str| {
        let (at, key) = line.split_once('\t')?;
        Some((key.to_owned(), Timestamp::from_micros(at.parse().ok()?)))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_known_by_what_it_says() {
        let text = "on:\n  schedule:\n    - cron: '0  3 * * 1'\n    - {cron: 0 3 * * 1, timezone: UTC}\n    - {cron: 0 3 * * 1, \
                    timezone: Europe/Berlin}\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}\n";
        let keys: Vec<String> = entries_of("a b.yml", text).into_iter().map(|entry| entry.key).collect();
        assert_eq!(keys, ["0 3 * * 1\tEurope/Berlin\ta b.yml", "0 3 * * 1\tUTC\ta b.yml"]);
        assert!(entries_of("a.yml", &text.replace("steps", "stpes")).is_empty(), "it has errors");
        let handled: BTreeMap<String, Timestamp> =
            keys.into_iter().map(|key| (key, Timestamp::from_micros(7))).collect();
        assert_eq!(parse(&super::text(&handled)), handled);
    }
}
