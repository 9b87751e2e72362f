//! Asking the product: each probe is given to its own parser and planner, and answered by the codes of what it finds.

use super::row::{Claim, Probe};
use serde_json::{Map, Value as Json, json};
use shipway_base::{Diagnostics, Source};
use shipway_workflow::{
    action::Action,
    document::Workflow,
    event::Event,
    expr::evaluate_json,
    lock::Lock,
    plan::{Called, RunPlan},
};
use std::{collections::BTreeMap, sync::Arc};

/// What the product says to a probe: nothing wrong, or what is wrong. `None` for what only a run shows.
pub(crate) fn ask(probe: &Probe) -> Option<Result<(), Diagnostics>> {
    let answer = match *probe {
        Probe::Plan { event, text } => plan(event, text, ""),
        Probe::Calls { text, called } => plan("push", text, called),
        Probe::Action(text) => {
            let (action, found) = Action::parse(&Source::new("action.yml", text));
            action.map(drop).ok_or(found)
        }
        Probe::Value { text, json } => value(text, json),
        Probe::Lock(text) => {
            let (lock, found) = Lock::parse(&Source::new("actions.lock", text));
            lock.map(drop).ok_or(found)
        }
        Probe::Run => return None,
    };
    Some(answer)
}

/// Why the product's answer is not the one that is claimed; nothing when it is.
pub(crate) fn complaint(claim: Claim, probe: &Probe) -> Option<String> {
    match (claim, ask(probe)) {
        (Claim::Works, None | Some(Ok(()))) => None,
        (Claim::Works, Some(Err(found))) => Some(format!("claimed to work, and refused: {found}")),
        (Claim::Refused(code), Some(Ok(()))) => {
            Some(format!("claimed to be refused with {code}, and it works"))
        }
        (Claim::Refused(code), Some(Err(found))) if found.iter().all(|one| one.code == code) => None,
        (Claim::Refused(code), Some(Err(found))) => {
            Some(format!("claimed to be refused with {code}, and refused otherwise: {found}"))
        }
        (Claim::Refused(code), None) => Some(format!("claimed to be refused with {code}, without a probe")),
    }
}

fn plan(event: &str, text: &str, callee: &str) -> Result<(), Diagnostics> {
    let (workflow, found) = Workflow::parse(&Source::new("workflow.yml", text));
    let workflow = workflow.ok_or(found)?;
    let mut called = Called::new();
    while let Some(wanted) = called.wanted(&workflow) {
        match callee {
            "" => called.refuse(wanted.file, "there is no such file", None),
            text => called.give(wanted.file, text, None),
        }
    }
    let event = Event {
        name: event.to_owned(),
        payload: json!({"ref": "refs/heads/main"}).into(),
        reference: "refs/heads/main".to_owned(),
        sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        changed: Some(vec!["src/main.rs".to_owned()]),
    };
    if !workflow.triggered_by(&event).is_yes() {
        let found = shipway_base::Diagnostic::error(
            "SW0000",
            &workflow.source,
            shipway_base::Span::START,
            "the probe is not started by its event",
        );
        let mut all = Diagnostics::new();
        all.push(found);
        return Err(all);
    }
    RunPlan::calling(Arc::new(workflow), event, &BTreeMap::new(), &called).map(drop)
}

fn value(text: &str, json: &str) -> Result<(), Diagnostics> {
    let mut all = Diagnostics::new();
    match evaluate_json(text, &Map::new()) {
        Ok(found) if serde_json::from_str(json).is_ok_and(|wanted: Json| wanted == found) => return Ok(()),
        Ok(found) => all.push(shipway_base::Diagnostic::error(
            "SW0000",
            &Source::new("expression", text),
            shipway_base::Span::START,
            format!("{text} gives {found}, and not {json}"),
        )),
        Err(found) => all.push(found),
    }
    Err(all)
}
