//! A job whose needs have all ended: does it run, as which legs, and what does each leg's runner need to know?

use super::{
    Cancelled, Conclusion, Group, GroupState, JobKey, JobRequest, Jobs, Leg, LegState, Legs, Work,
    scope::{Ancestry, JobScope},
};
use crate::{
    Texts,
    document::{Job, JobKind, RunsOn, StepsJob, Strategy},
    expr::{Object, Value},
    matrix::Leg as MatrixLeg,
};
use shipway_base::{Diagnostic, Timestamp};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// GitHub's `timeout-minutes` where none is written.
const DEFAULT_TIMEOUT_MINUTES: f64 = 360.0;

/// GitHub's `cancel-timeout-minutes` where none is written.
const DEFAULT_CANCEL_TIMEOUT_MINUTES: f64 = 5.0;

impl Jobs {
    /// How the jobs before a group ended. Those must all have ended.
    pub(super) fn ancestry(&self, group: &Group) -> Ancestry {
        let mut ancestry = Ancestry::default();
        for need in group.needs.iter().map(|need| &self.groups[*need]) {
            let end = need.conclusion().unwrap_or(Conclusion::Skipped);
            ancestry.any_failed |= end == Conclusion::Failure || need.ancestry.any_failed;
            if ancestry.blocked_by.is_none() {
                let own = (end != Conclusion::Success).then(|| (need.job.id.value.clone(), end));
                ancestry.blocked_by = need.ancestry.blocked_by.clone().or(own);
            }
        }
        ancestry
    }

    /// Whether a job's `if` holds as things stand.
    pub(super) fn condition(&self, group: &Group) -> Result<bool, Diagnostic> {
        let needs = self.needs(group);
        let scope = JobScope {
            jobs: self,
            needs: &needs,
            strategy: Value::Null,
            matrix: Value::Null,
            ancestry: &group.ancestry,
        };
        group.job.condition.eval(&scope)
    }

    /// What becomes of a group whose needs have all ended.
    pub(super) fn look_at(&self, group: &Group, now: Timestamp) -> GroupState {
        let ended = |conclusion, reason| GroupState::Ended { conclusion, reason, at: now };
        if let Some(job) = self.kept_end(group) {
            let reason = job.reason.clone().unwrap_or_default();
            return GroupState::Ended { conclusion: job.conclusion, reason, at: job.finished };
        }
        if self.keeps_legs(group) {
            return match self.expand(group, now) {
                Ok(mut legs) => {
                    // Its condition held before; for what is left of it that counts, unless the run is being cancelled.
                    let stops =
                        |cancelled: &&Cancelled| cancelled.forced || !self.condition(group).unwrap_or(false);
                    if let Some(cancelled) = self.cancelled.as_ref().filter(stops) {
                        legs.end_held(&cancelled.why, now);
                    }
                    GroupState::Expanded(legs)
                }
                Err(found) => ended(Conclusion::Failure, found.to_string()),
            };
        }
        if let Some(cancelled) = self.cancelled.as_ref().filter(|cancelled| cancelled.forced) {
            return ended(Conclusion::Cancelled, cancelled.why.clone());
        }
        match (self.condition(group), &self.cancelled) {
            (Ok(true), _) => match self.expand(group, now) {
                Ok(legs) => GroupState::Expanded(legs),
                Err(found) => ended(Conclusion::Failure, found.to_string()),
            },
            (Ok(false), Some(cancelled)) => ended(Conclusion::Cancelled, cancelled.why.clone()),
            (Ok(false), None) => ended(Conclusion::Skipped, skip_reason(group)),
            (Err(found), _) => ended(Conclusion::Failure, found.to_string()),
        }
    }

    fn expand(&self, group: &Group, now: Timestamp) -> Result<Legs, Diagnostic> {
        let needs = self.needs(group);
        let job = &group.job;
        let mut scope = JobScope {
            jobs: self,
            needs: &needs,
            strategy: Value::Null,
            matrix: Value::Null,
            ancestry: &group.ancestry,
        };
        let source = &self.place.node.workflow.source;
        let strategy = job.strategy.as_ref().map(|strategy| strategy.eval(source, &scope)).transpose()?;
        let (combinations, fail_fast, most) =
            strategy.map_or((None, true, None), |found| (found.legs, found.fail_fast, found.max_parallel));
        let combinations: Option<Vec<MatrixLeg>> = match combinations {
            // What `exclude` leaves nothing of is one job without a matrix (actions/runner, "EvaluateStrategy").
            Some(legs) if legs.is_empty() => None,
            Some(mut legs) => {
                let span = job.strategy.as_ref().map_or(job.span, Strategy::matrix_span);
                legs.retain(|leg| self.place.plan.wants(leg));
                if legs.is_empty() {
                    let message = "none of the legs of this matrix was chosen to run";
                    return Err(Diagnostic::error("SW0116", source, span, message));
                }
                Some(legs)
            }
            None => None,
        };
        let total = combinations.as_ref().map_or(1, Vec::len);
        let max_parallel = most.map_or(total, |most| most.min(total));
        // The context tells what is written, also where it is more than there are legs.
        let told = most.filter(|_| combinations.is_some()).unwrap_or(total);
        let mut legs = Legs {
            legs: Vec::new(),
            held: (0..total).collect(),
            again: BTreeSet::new(),
            open: total,
            busy: 0,
            fail_fast,
            max_parallel,
            outputs: Texts::new(),
        };
        for index in 0..total {
            let combination = combinations.as_ref().and_then(|legs| legs.get(index));
            scope.matrix = combination.map_or(Value::Null, |leg| leg.values.clone().into());
            scope.strategy = strategy_context(fail_fast, index, total, told);
            let key = match combination {
                Some(_) => JobKey(format!("{}{}/{index}", self.place.key, job.id.value)),
                None => JobKey(format!("{}{}", self.place.key, job.id.value)),
            };
            legs.legs.push(self.leg(group, key, combination, &scope));
        }
        if !self.place.kept.is_empty() {
            legs.restore(&self.place.kept);
        }
        legs.end_unrunnable(now);
        Ok(legs)
    }

    /// One leg; what cannot be evaluated about it is its reason for failing.
    fn leg(&self, group: &Group, key: JobKey, combination: Option<&MatrixLeg>, scope: &JobScope<'_>) -> Leg {
        let job = &group.job;
        let name = job.leg_name(combination, scope);
        let shown = match &name {
            Ok(name) => name.clone(),
            Err(_) => combination.map_or_else(|| job.id.value.clone(), |leg| leg.name(&job.id.value)),
        };
        let shown = format!("{}{shown}", self.place.name);
        let work = name.and_then(|_| match &job.kind {
            JobKind::Steps(body) => {
                let request = self.request(job, body, key.clone(), shown.clone(), scope)?;
                Ok(Work::Steps(Arc::new(request)))
            }
            JobKind::Call(call) => Ok(Work::Call(Arc::new(self.call(group, call, &key, &shown, scope)?))),
        });
        let (work, reason) = match work {
            Ok(work) => (Some(work), None),
            Err(found) => (None, Some(found.to_string())),
        };
        let continue_on_error = match &work {
            Some(Work::Steps(request)) => request.continue_on_error,
            Some(Work::Call(_)) => false,
            None => job
                .steps()
                .and_then(|steps| steps.continue_on_error.as_ref())
                .is_some_and(|maybe| maybe.eval(scope).unwrap_or(false)),
        };
        Leg {
            key,
            name: shown,
            work,
            called: None,
            continue_on_error,
            attempt: 0,
            lost: 0,
            interrupted: 0,
            reason,
            matrix: scope.matrix.to_json().to_string(),
            kept: None,
            state: LegState::Held,
        }
    }

    fn request(
        &self,
        job: &Arc<Job>,
        body: &Arc<StepsJob>,
        key: JobKey,
        name: String,
        scope: &JobScope<'_>,
    ) -> Result<JobRequest, Diagnostic> {
        let place = &self.place;
        let source = &place.node.workflow.source;
        let minutes =
            body.timeout_minutes.as_ref().map_or(Ok(DEFAULT_TIMEOUT_MINUTES), |maybe| maybe.eval(scope))?;
        if !(minutes.is_finite() && minutes > 0.0) {
            let message = format!("timeout-minutes must be above 0, but it is {minutes}");
            return Err(Diagnostic::error("SW0104", source, job.id.span, message));
        }
        let environment = body.environment.as_ref().map(|written| written.eval(scope)).transpose()?;
        let (environment, deployment) = environment.unwrap_or((None, true));
        let cancel_timeout = match &body.cancel_timeout_minutes {
            Some(maybe) => maybe.eval(scope)?,
            None => DEFAULT_CANCEL_TIMEOUT_MINUTES,
        };
        if !(cancel_timeout.is_finite() && cancel_timeout > 0.0) {
            let message = format!("cancel-timeout-minutes must be above 0, but it is {cancel_timeout}");
            return Err(Diagnostic::error("SW0104", source, job.id.span, message));
        }
        let (runs_on, runner_group) = runner(&body.runs_on, source, scope)?;
        let concurrency = job.concurrency.as_ref().map(|written| written.eval(scope)).transpose()?;
        if let (Some(group), Some(written)) = (&concurrency, &job.concurrency) {
            place.may_enter(group, written)?;
        }
        let granted = place.granted.to_job(job);
        Ok(JobRequest {
            key,
            attempt: 0,
            job_id: job.id.value.clone(),
            name,
            job: job.clone(),
            body: body.clone(),
            workflow: place.node.workflow.clone(),
            workflow_ref: self.workflow_ref(),
            workflow_origin: self.workflow_origin(),
            github: place.context.github.clone(),
            vars: place.context.vars.clone(),
            inputs: place.context.inputs.clone(),
            secrets: place.secrets.clone(),
            permissions: granted.scopes().clone(),
            permissions_written: granted.are_written(),
            matrix: scope.matrix.clone(),
            strategy: scope.strategy.clone(),
            needs: scope.needs.clone(),
            timeout: of_minutes(minutes),
            cancel_timeout: of_minutes(cancel_timeout),
            continue_on_error: body
                .continue_on_error
                .as_ref()
                .map_or(Ok(false), |maybe| maybe.eval(scope))?,
            runs_on,
            runner_group,
            cache_mode: self.cache_mode(job),
            environment,
            deployment,
            concurrency,
            calls: place.groups.clone(),
        })
    }
}

impl Legs {
    /// Ends the legs that cannot run, and what fail-fast then ends with them.
    fn end_unrunnable(&mut self, now: Timestamp) {
        let mut culprit = None;
        let unrunnable = |leg: &Leg| leg.work.is_none() && matches!(leg.state, LegState::Held);
        for (index, leg) in self.legs.iter_mut().enumerate().filter(|(_, leg)| unrunnable(leg)) {
            leg.state = LegState::Finished {
                conclusion: Conclusion::Failure,
                started: None,
                at: now,
                outputs: Texts::new(),
            };
            self.held.remove(&index);
            self.open -= 1;
            if !leg.continue_on_error && culprit.is_none() {
                culprit = Some(leg.name.clone());
            }
        }
        if let Some(culprit) = culprit.filter(|_| self.fail_fast) {
            self.end_held(&format!("fail-fast: {culprit} failed"), now);
        }
    }

    /// Ends all legs that were not asked for yet.
    pub(super) fn end_held(&mut self, reason: &str, now: Timestamp) {
        self.again.clear();
        for index in std::mem::take(&mut self.held) {
            let leg = &mut self.legs[index];
            leg.reason = Some(reason.to_owned());
            leg.state = LegState::Finished {
                conclusion: Conclusion::Cancelled,
                started: None,
                at: now,
                outputs: Texts::new(),
            };
            self.open -= 1;
        }
    }
}

fn of_minutes(minutes: f64) -> Duration {
    // A century is as good as for ever, and fits every clock.
    Duration::from_secs_f64((minutes * 60.0).min(3.2e9))
}

/// The labels that the runner must have, and its group.
fn runner(
    runs_on: &RunsOn,
    source: &shipway_base::Source,
    scope: &JobScope<'_>,
) -> Result<(Vec<String>, Option<String>), Diagnostic> {
    let refused = |message: &str| Diagnostic::error("SW0117", source, runs_on.span, message);
    let mut group = match &runs_on.group {
        Some(group) => Some(group.eval_string(scope)?.as_ref().to_owned()),
        None => None,
    };
    let mut labels = Vec::new();
    for template in &runs_on.labels {
        match template.eval_value(scope)? {
            Value::Object(object) if runs_on.labels.len() == 1 && group.is_none() => {
                group = object.get("group").map(|group| group.to_text().as_ref().to_owned());
                if let Some(value) = object.get("labels") {
                    labels.extend(
                        texts(value).ok_or_else(|| refused("runs-on must give labels, that is, texts"))?,
                    );
                }
            }
            // The labels of an array that an expression in a list gives take its place there.
            value @ Value::Array(_) => {
                labels.extend(
                    texts(&value).ok_or_else(|| refused("runs-on must give labels, that is, texts"))?,
                );
            }
            Value::Object(_) => {
                return Err(refused("runs-on must give a label or a list of labels"));
            }
            value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                labels.push(value.to_text().as_ref().to_owned());
            }
        }
    }
    let group = group.filter(|group| !group.trim().is_empty());
    if (labels.is_empty() && group.is_none()) || labels.iter().any(|label| label.trim().is_empty()) {
        return Err(
            refused("runs-on gives an empty label").with_help("look at the values that its expression uses")
        );
    }
    Ok((labels, group))
}

/// One text or an array of them; numbers and the like are written out.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.is_primitive().then(|| value.to_text().as_ref().to_owned());
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            text(value).map(|text| vec![text])
        }
    }
}

/// The `strategy` context.
fn strategy_context(fail_fast: bool, index: usize, total: usize, max_parallel: usize) -> Value {
    // At most 256 legs, and a limit beyond 2^53 is nobody's, so the casts are exact.
    let pairs: [(&str, Value); 4] = [
        ("fail-fast", fail_fast.into()),
        ("job-index", (index as f64).into()),
        ("job-total", (total as f64).into()),
        ("max-parallel", (max_parallel as f64).into()),
    ];
    pairs.into_iter().collect::<Object>().into()
}

fn skip_reason(group: &Group) -> String {
    let written = group.job.condition.written();
    match (&group.ancestry.blocked_by, written) {
        (Some((id, end)), _) if !group.job.condition.asks_status() => {
            let verb = match end {
                Conclusion::Failure => "failed",
                Conclusion::Cancelled => "was cancelled",
                Conclusion::Skipped => "was skipped",
                Conclusion::Success => "succeeded",
            };
            format!("the job {id} {verb}")
        }
        (_, Some(written)) => format!("its condition is false: {}", written.text().trim()),
        (_, None) => "its condition is false".to_owned(),
    }
}
