//! Whether an event starts a workflow, and why not.

use super::{Event, Filter, Trigger, pattern, table};
use crate::{document::Workflow, expr::Value};

/// Whether an event starts a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Triggered {
    /// It does.
    Yes,
    /// It does not, for this reason; a sentence for people.
    No(String),
}

impl Triggered {
    /// Whether it does.
    pub fn is_yes(&self) -> bool {
        match self {
            Triggered::Yes => true,
            Triggered::No(_) => false,
        }
    }
}

impl Workflow {
    /// Whether an event starts this workflow, by the filters under `on`.
    ///
    /// What the event does not say (an action, a base branch, the changed paths) is let pass, so that an event made by
    /// hand starts what it names.
    pub fn triggered_by(&self, event: &Event) -> Triggered {
        match self.on.iter().find(|trigger| trigger.event.value == event.name) {
            Some(trigger) => trigger.admits(event),
            None => Triggered::No(format!("it is not started by the event {}", event.name)),
        }
    }
}

impl Trigger {
    fn admits(&self, event: &Event) -> Triggered {
        let verdict = self
            .type_refusal(event)
            .or_else(|| self.name_refusal(event))
            .or_else(|| self.path_refusal(event));
        verdict.map_or(Triggered::Yes, Triggered::No)
    }

    /// Activity types, workflow names and cron lines: what must be one of a list.
    fn type_refusal(&self, event: &Event) -> Option<String> {
        if let Some(action) = text(&event.payload, &["action"]) {
            let wanted = match &self.types {
                Some(types) => types.iter().any(|word| word.value == action),
                None => {
                    let default = table::find(&event.name).map_or(&[][..], |known| known.default_types);
                    default.is_empty() || default.contains(&action)
                }
            };
            if !wanted {
                return Some(format!("its types do not include {action}"));
            }
        }
        if !self.workflows.is_empty() {
            let name = text(&event.payload, &["workflow_run", "name"])?;
            if self.workflows.iter().all(|wanted| wanted.value != name) {
                return Some(format!("its workflows do not include {name:?}"));
            }
        }
        for (what, filter) in [("name", &self.names), ("version", &self.versions)] {
            if let (Some(filter), Some(text)) = (filter, text(&event.payload, &["image_version", what]))
                && !filter.admits(text)
            {
                return Some(format!("its {what}s leave out {text}"));
            }
        }
        if !self.schedules.is_empty() {
            let cron = text(&event.payload, &["schedule"])?;
            if self.schedules.iter().all(|schedule| schedule.cron.value != cron) {
                return Some(format!("its schedule does not include {cron:?}"));
            }
        }
        None
    }

    fn name_refusal(&self, event: &Event) -> Option<String> {
        let (kind, name) = filtered_name(event)?;
        let (own, other) = match kind {
            "tags" => (&self.tags, &self.branches),
            _ => (&self.branches, &self.tags),
        };
        match (own, other) {
            (Some(filter), _) => (!filter.admits(name)).then(|| format!("its {kind} leave out {name}")),
            // A filter on one kind of ref alone leaves the other kind out.
            (None, Some(_)) => Some(format!("it filters refs, and names no {kind}")),
            (None, None) => None,
        }
    }

    fn path_refusal(&self, event: &Event) -> Option<String> {
        // GitHub does not look at the paths of a pushed tag.
        if event.name == "push" && event.reference.starts_with("refs/tags/") {
            return None;
        }
        let (filter, changed) = (self.paths.as_ref()?, event.changed.as_ref()?);
        if filter.ignore {
            let all = !changed.is_empty() && changed.iter().all(|path| !filter.admits(path));
            return all.then(|| "every changed path is ignored".to_owned());
        }
        (!changed.iter().any(|path| filter.admits(path))).then(|| "no changed path matches".to_owned())
    }
}

/// What the filters on refs look at: `branches` or `tags`, and the short name; none when the event does not say.
pub(super) fn filtered_name(event: &Event) -> Option<(&'static str, &str)> {
    if event.name == "push" {
        return Some(match event.reference.strip_prefix("refs/tags/") {
            Some(tag) => ("tags", tag),
            None => ("branches", event.reference.strip_prefix("refs/heads/").unwrap_or(&event.reference)),
        });
    }
    let path: &[&str] = match event.name.as_str() {
        "pull_request" | "pull_request_target" => &["pull_request", "base", "ref"],
        "workflow_run" => &["workflow_run", "head_branch"],
        "merge_group" => &["merge_group", "base_ref"],
        _ => return None,
    };
    let branch = text(&event.payload, path)?;
    Some(("branches", branch.strip_prefix("refs/heads/").unwrap_or(branch)))
}

impl Filter {
    /// Whether a branch, tag or path passes: the last pattern that matches decides.
    pub fn admits(&self, name: &str) -> bool {
        pattern::lets_in(self.patterns.iter().map(|pattern| &pattern.value), name) != self.ignore
    }
}

fn text<'a>(payload: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(payload, |value, key| value.get(key))?.as_str()
}
