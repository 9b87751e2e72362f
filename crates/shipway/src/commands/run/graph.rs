//! The job graph of planned runs, for `plan` and `run --dry-run`.

use super::{
    documents::Planned,
    legs::{Before, Legs, legs},
};
use crate::{cli::say, render::counted};
use serde_json::{Value as Json, json};
use shipway_workflow::{
    document::Job,
    expr::{Scope, Value},
    matrix::Leg,
};
use std::cell::Cell;

/// Prints the jobs of each run in an order in which they could run.
pub(super) fn show(planned: &[Planned], as_json: bool) {
    for planned in planned {
        let jobs: Vec<Shown<'_>> =
            planned.plan.order().iter().filter_map(|id| Shown::new(planned, id)).collect();
        let filters = planned.plan.workflow().explain(planned.plan.event());
        if as_json {
            let jobs: Vec<Json> = jobs.iter().map(Shown::to_json).collect();
            let name = planned.plan.event().name.as_str();
            let plan = json!({
                "event": "plan", "workflow": planned.path, "name": planned.name, "on": name, "filters": filters, "jobs": jobs,
            });
            say(&plan.to_string());
            continue;
        }
        say(&planned.headline());
        filters.iter().for_each(|line| say(&format!("  why: {line}")));
        for job in &jobs {
            job.to_lines().iter().for_each(|line| say(line));
        }
    }
}

struct Shown<'a> {
    planned: &'a Planned,
    job: &'a Job,
    legs: Legs,
}

impl<'a> Shown<'a> {
    fn new(planned: &'a Planned, id: &str) -> Option<Shown<'a>> {
        let job = planned.plan.workflow().jobs.get(id)?;
        Some(Shown { planned, job, legs: legs(&planned.plan, job, &planned.context) })
    }

    /// The name that a leg will have; the job's id and the leg's values where what other jobs give is part of it.
    fn name(&self, leg: &Leg) -> String {
        let matrix = leg.values.clone().into();
        let before = Before { context: &self.planned.context, matrix: Some(&matrix) };
        let known = Known { before, beyond: Cell::new(false) };
        let name = self.job.leg_name(Some(leg), &known).ok().filter(|_| !known.beyond.get());
        name.unwrap_or_else(|| leg.name(&self.job.id.value))
    }

    fn labels(&self) -> String {
        let Some(body) = self.job.steps() else { return String::new() };
        let labels: Vec<&str> =
            body.runs_on.labels.iter().chain(&body.runs_on.group).map(|label| label.text()).collect();
        labels.join(", ")
    }

    fn steps(&self) -> usize {
        self.job.steps().map_or(0, |body| body.steps.len())
    }

    fn needs(&self) -> Vec<&str> {
        self.job.needs.iter().map(|need| need.value.as_str()).collect()
    }

    fn to_lines(&self) -> Vec<String> {
        let mut line = format!("  {}", self.job.id.value);
        if !self.job.needs.is_empty() {
            line += &format!(", needs {}", self.needs().join(", "));
        }
        if let Some(condition) = self.job.condition.written() {
            line += &format!(", if {}", one_line(condition.text()));
        }
        line += &match self.job.call() {
            Some(call) => format!(": calls {}", call.uses.value),
            None => format!(": {} on {}", counted(self.steps(), "step"), one_line(&self.labels())),
        };
        let mut lines = vec![line];
        match &self.legs {
            Legs::None => {}
            Legs::Known(legs) => {
                lines.extend(legs.iter().map(|leg| format!("    {}", one_line(&self.name(leg)))))
            }
            Legs::Wrong(why) => lines.push(format!("    it would fail: {why}")),
            Legs::Later => lines.push("    its matrix is known when the jobs it needs have ended".to_owned()),
        }
        lines
    }

    fn to_json(&self) -> Json {
        let legs = match &self.legs {
            Legs::None | Legs::Later | Legs::Wrong(_) => Json::Null,
            Legs::Known(legs) => legs.iter().map(|leg| self.name(leg)).collect(),
        };
        json!({
            "job": self.job.id.value, "needs": self.needs(), "if": self.job.condition.written().map(|c| c.text().trim()),
            "runs_on": self.labels(), "steps": self.steps(), "legs": legs,
        })
    }
}

/// What can be seen before any job has run, and whether more was asked for.
struct Known<'a> {
    before: Before<'a>,
    beyond: Cell<bool>,
}

impl Scope for Known<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        let value = self.before.context(name);
        self.beyond.set(self.beyond.get() || value.is_none());
        value
    }

    fn function(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        self.before.function(name, arguments)
    }
}

/// A text of several lines as one, as pages show it.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}
