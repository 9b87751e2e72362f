//! The legs of matrices as far as they are known before anything has run, and the choice of some of them.

use crate::exit::{Exit, Failure};
use shipway_base::yaml::closest;
use shipway_workflow::{
    document::Job,
    expr::{Scope, Value},
    matrix::Leg,
    plan::RunPlan,
    run::RunContext,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a job's matrix before it runs.
#[derive(Clone, Debug)]
pub(super) enum Legs {
    /// There is none.
    None,
    /// Its legs, those only that are to run.
    Known(Vec<Leg>),
    /// It depends on what other jobs give.
    Later,
    /// It is no matrix, and the job would fail.
    Wrong(String),
}

/// Keys of matrices, and the values that legs may have there.
pub(super) type Choice = BTreeMap<String, BTreeSet<String>>;

/// The legs of a job that are to run.
pub(super) fn legs(plan: &RunPlan, job: &Job, context: &RunContext) -> Legs {
    match all_legs(plan, job, context) {
        Legs::Known(mut legs) => {
            legs.retain(|leg| plan.wants(leg));
            if legs.is_empty() {
                Legs::Wrong("none of its legs was chosen".to_owned())
            } else {
                Legs::Known(legs)
            }
        }
        other @ (Legs::None | Legs::Later | Legs::Wrong(_)) => other,
    }
}

/// Refuses a choice by a key that no matrix of these plans has: everything would run in spite of it.
pub(super) fn check(choice: &Choice, plans: &[(&RunPlan, &RunContext)]) -> Result<(), Failure> {
    let mut known = BTreeSet::new();
    for (plan, context) in plans {
        for job in plan.workflow().jobs.values() {
            match all_legs(plan, job, context) {
                Legs::Known(legs) => {
                    known.extend(
                        legs.iter().flat_map(|leg| leg.values.iter().map(|(key, _)| key.to_lowercase())),
                    );
                }
                // Its keys may be any.
                Legs::Later => return Ok(()),
                Legs::None | Legs::Wrong(_) => {}
            }
        }
    }
    let Some(unknown) = choice.keys().find(|key| !known.contains(&key.to_lowercase())) else { return Ok(()) };
    let failure = Failure::new(Exit::Usage, format!("no matrix here has the key {unknown:?}"));
    let keys: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(match closest(unknown, keys.iter().copied()) {
        Some(close) => failure.with_help(format!("did you mean {close:?}?")),
        None if keys.is_empty() => failure.with_help("leave --matrix out"),
        None => failure.with_help(format!("keys: {}", keys.join(", "))),
    })
}

fn all_legs(plan: &RunPlan, job: &Job, context: &RunContext) -> Legs {
    let Some(strategy) = job.strategy.as_ref() else { return Legs::None };
    // What a strategy that is one expression comes to is not guessed at from outputs that are not there yet.
    if strategy.whole.is_some() && !job.needs.is_empty() {
        return Legs::Later;
    }
    match strategy.legs(&plan.workflow().source, &Before { context, matrix: None }) {
        Ok(Some(legs)) if !legs.is_empty() => Legs::Known(legs),
        // A matrix of which `exclude` leaves nothing is none.
        Ok(_) => Legs::None,
        Err(_) if !job.needs.is_empty() && strategy.legs_have_expressions() => Legs::Later,
        Err(found) => Legs::Wrong(found.to_string()),
    }
}

/// What can be seen before any job has run.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    /// `github`, `vars` and `inputs`.
    pub(super) context: &'a RunContext,
    /// `matrix`, of one leg.
    pub(super) matrix: Option<&'a Value>,
}

impl Scope for Before<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "github" => Some(self.context.github.clone()),
            "vars" => Some(self.context.vars.clone()),
            "inputs" => Some(self.context.inputs.clone()),
            "matrix" => self.matrix.cloned(),
            _ => None,
        }
    }

    fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}
