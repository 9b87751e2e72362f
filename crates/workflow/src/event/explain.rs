//! Why an event starts a workflow or does not: which filter, which pattern, which branch or path.

use super::{Event, Filter, Trigger, trigger::filtered_name};
use crate::{document::Workflow, expr::Value};

/// How many paths are told one by one.
const PATHS: usize = 3;

impl Workflow {
    /// What each filter of the event makes of it, a sentence each, in the order in which they are asked. Empty when the
    /// event is not under `on`, or has no filters there.
    pub fn explain(&self, event: &Event) -> Vec<String> {
        let found = self.on.iter().find(|trigger| trigger.event.value == event.name);
        found.map(|trigger| trigger.explain(event)).unwrap_or_default()
    }
}

impl Trigger {
    fn explain(&self, event: &Event) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(types) = &self.types {
            let names: Vec<&str> = types.iter().map(|word| word.value.as_str()).collect();
            let action = event.payload.get("action").and_then(Value::as_str);
            out.push(match action {
                Some(action) if names.contains(&action) => format!("types has {action}"),
                Some(action) => format!("types ({}) has no {action}", names.join(", ")),
                None => {
                    format!("types ({}) are let pass, as the event does not say its own", names.join(", "))
                }
            });
        }
        if self.branches.is_some() || self.tags.is_some() {
            out.push(self.explain_name(event));
        }
        if let Some(filter) = &self.paths {
            out.extend(explain_paths(filter, event));
        }
        out
    }

    fn explain_name(&self, event: &Event) -> String {
        let Some((kind, name)) = filtered_name(event) else {
            return "branches are let pass, as the event does not say which one it is about".to_owned();
        };
        let filter = if kind == "tags" { &self.tags } else { &self.branches };
        match filter {
            Some(filter) => format!("{}: {}", key(kind, filter), filter.explain(name)),
            None => {
                format!("there is no filter for {kind}, and one for the other kind of ref leaves {name} out")
            }
        }
    }
}

fn key(kind: &str, filter: &Filter) -> String {
    if filter.ignore { format!("{kind}-ignore") } else { kind.to_owned() }
}

fn explain_paths(filter: &Filter, event: &Event) -> Vec<String> {
    let key = key("paths", filter);
    if event.name == "push" && event.reference.starts_with("refs/tags/") {
        return vec![format!("{key}: not looked at for a pushed tag")];
    }
    let Some(changed) = &event.changed else {
        return vec![format!("{key}: let pass, as the changed paths are not known")];
    };
    // Paths that decide come first: those that let the workflow start.
    let mut paths: Vec<&String> = changed.iter().collect();
    paths.sort_by_key(|path| !filter.admits(path));
    let mut out: Vec<String> =
        paths.iter().take(PATHS).map(|path| format!("{key}: {}", filter.explain(path))).collect();
    match changed.len() {
        0 => out.push(format!("{key}: nothing was changed")),
        all if all > PATHS => out.push(format!("{key}: and {} more paths", all - PATHS)),
        _ => {}
    }
    out
}

impl Filter {
    /// Which pattern decides about a name.
    pub fn explain(&self, name: &str) -> String {
        let last = self.patterns.iter().rev().find(|pattern| pattern.value.matches(name));
        let outcome = if self.admits(name) { "" } else { ", which leaves it out" };
        match last {
            Some(pattern) => format!("{name} matches {:?}{outcome}", pattern.value.text()),
            None if self.ignore => format!("{name} matches none of its patterns, so it is not ignored"),
            None => {
                let patterns: Vec<String> =
                    self.patterns.iter().map(|pattern| format!("{:?}", pattern.value.text())).collect();
                format!("{name} matches none of {}", patterns.join(", "))
            }
        }
    }
}
