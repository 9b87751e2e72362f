//! What an edited file means for the step that is tried again.

use super::{super::documents::Planned, queue::Waiting};
use shipway_base::Source;
use shipway_runner::Decision;
use shipway_workflow::{
    action::{Action, Runs},
    document::{Job, Step, StepKind, Workflow},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The file that a step is written in.
pub(super) fn file(waiting: &Waiting, root: &Path) -> PathBuf {
    let broken = &waiting.broken;
    if broken.in_workflow { root.join(&broken.file) } else { broken.workspace.join(&broken.file) }
}

/// The decision to try a step again: with a script that is given, or as its file has it by now.
pub(super) fn again(
    waiting: &Waiting,
    root: &Path,
    planned: &Planned,
    script: Option<&str>,
) -> Result<Decision, String> {
    let broken = &waiting.broken;
    let path = file(waiting, root);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // An action from elsewhere has no file that somebody would edit.
        Err(_) if !broken.in_workflow && script.is_none() => return Ok(Decision::Retry(None)),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let source = Source::new(broken.file.clone(), text);
    let step = if broken.in_workflow {
        let known = planned.plan.workflow();
        if known.source == source && script.is_none() {
            return Ok(Decision::Retry(None));
        }
        let (workflow, found) = Workflow::parse(&source);
        let workflow = workflow.filter(|_| !found.has_errors()).ok_or_else(|| wrong(&found))?;
        let old = job(known, &broken.job_id).map_or(&[][..], steps_of);
        let new = job(&workflow, &broken.job_id)
            .ok_or_else(|| format!("{} has no job {:?} any more", broken.file, broken.job_id))?;
        find(old, steps_of(new), broken.number)?.clone()
    } else {
        let (action, found) = Action::parse(&source);
        let action = action.filter(|_| !found.has_errors()).ok_or_else(|| wrong(&found))?;
        let Runs::Composite(composite) = &action.runs else {
            return Err(format!("{} is no composite action any more", broken.file));
        };
        let missing = || format!("{} has no step {} any more", broken.file, broken.number + 1);
        composite.steps.get(broken.number).ok_or_else(missing)?.clone()
    };
    let step = match script {
        Some(script) => with_script(step, script)?,
        None => step,
    };
    is_a_try(&step, script.is_some())?;
    Ok(Decision::Retry(Some(Box::new(step))))
}

/// Refuses a step whose script does nothing: it would succeed without what failed having been tried.
fn is_a_try(step: &Step, of_command: bool) -> Result<(), String> {
    let StepKind::Run(run) = &step.kind else { return Ok(()) };
    if !run.run.text().trim().is_empty() {
        return Ok(());
    }
    Err(if of_command {
        "the script of the command is empty, and would succeed without trying the step again; leave out run to try it as it is \
         written, or answer skip to let the step count as successful"
            .to_owned()
    } else {
        "the step's run is empty now, and would succeed without trying anything; write what it is to do, or skip it".to_owned()
    })
}

fn job<'a>(workflow: &'a Workflow, id: &str) -> Option<&'a Job> {
    workflow.jobs.values().map(|job| &**job).find(|job| job.id.value.eq_ignore_ascii_case(id))
}

fn steps_of(job: &Job) -> &[Step] {
    job.steps().map_or(&[][..], |job| &job.steps)
}

/// The same step among steps that may have been edited: at the same place when there are as many, else by its id, else
/// by its name.
fn find<'a>(old: &[Step], new: &'a [Step], number: usize) -> Result<&'a Step, String> {
    let known = old.get(number);
    let id = known.and_then(|step| step.id.as_ref()).map(|id| id.value.as_str());
    let name = known.and_then(|step| step.name.as_ref()).map(|name| name.text());
    if old.len() == new.len()
        && let Some(step) = new.get(number)
    {
        return Ok(step);
    }
    let has_id = |step: &&Step| id.is_some_and(|id| step.id.as_ref().is_some_and(|own| own.value == id));
    let has_name =
        |step: &&Step| name.is_some_and(|name| step.name.as_ref().is_some_and(|own| own.text() == name));
    let mut named = new.iter().filter(has_name);
    match (new.iter().find(has_id), named.next(), named.next()) {
        (Some(step), _, _) | (None, Some(step), None) => Ok(step),
        (None, _, _) => Err(
            "the job has more or fewer steps than when it began, and this one has no id or name by which it could be found; \
             edit only this step"
                .to_owned(),
        ),
    }
}

/// The step with another script, which may hold expressions like that of the file.
fn with_script(mut step: Step, script: &str) -> Result<Step, String> {
    let StepKind::Run(run) = &mut step.kind else {
        return Err("the step uses an action and has no script; edit its file instead".to_owned());
    };
    // JSON's strings are YAML's.
    let script = serde_json::Value::from(script);
    let text = format!("on: push\njobs:\n  job:\n    runs-on: here\n    steps:\n      - run: {script}\n");
    let (workflow, found) = Workflow::parse(&Source::new("the script of the command", text));
    let workflow = workflow.filter(|_| !found.has_errors()).ok_or_else(|| wrong(&found))?;
    let written = job(&workflow, "job").and_then(|job| steps_of(job).first());
    let Some(StepKind::Run(new)) = written.map(|step| &step.kind) else {
        return Err("the script of the command cannot be used".to_owned());
    };
    run.run = new.run.clone();
    Ok(step)
}

fn wrong(found: &shipway_base::Diagnostics) -> String {
    let all: Vec<String> = found.iter().map(ToString::to_string).collect();
    format!("what is written now cannot be used: {}", all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<Step> {
        let text = format!("on: push\njobs:\n  a:\n    runs-on: x\n    steps: {text}\n");
        let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
        assert!(!found.has_errors(), "{found:?}");
        steps_of(job(&workflow.expect("a workflow"), "a").expect("a job")).to_vec()
    }

    fn script(step: &Step) -> &str {
        let StepKind::Run(run) = &step.kind else { return "no script" };
        run.run.text()
    }

    #[test]
    fn an_edited_step_is_found_again() {
        let check = |old: &str, new: &str, number, expect: Option<&str>| {
            let (old, new) = (steps(old), steps(new));
            let found = find(&old, &new, number).ok().map(script);
            assert_eq!(found, expect);
        };
        check("[{run: a}, {run: b}]", "[{run: a}, {run: c}]", 1, Some("c"));
        check("[{run: a}, {run: b}]", "[{run: a}, {run: x}, {run: c}]", 1, None);
        check("[{run: a}, {run: b, id: i}]", "[{run: z}, {run: x}, {run: c, id: i}]", 1, Some("c"));
        check("[{run: a}, {run: b, name: n}]", "[{run: c, name: n}]", 1, Some("c"));
        check("[{run: a, name: n}]", "[{run: b, name: n}, {run: c, name: n}]", 0, None);
    }

    #[test]
    fn an_empty_script_tries_nothing() {
        let step = steps("[{run: a}]").remove(0);
        for blank in ["", " ", "\n\t \n"] {
            let blank = with_script(step.clone(), blank).expect("a step");
            assert!(is_a_try(&blank, true).is_err_and(|why| why.contains("answer skip")));
            assert!(is_a_try(&blank, false).is_err_and(|why| why.contains("skip it")));
        }
        assert_eq!(is_a_try(&step, true), Ok(()));
        assert_eq!(is_a_try(&steps("[{uses: ./a}]").remove(0), false), Ok(()));
    }

    #[test]
    fn a_script_of_a_command_may_hold_anything() {
        let step = steps("[{run: a, env: {A: b}}]").remove(0);
        for text in ["echo \"x\"\n'y' \\ \t: - {{ }}", "# \u{85}\u{2028}\u{1f600}", "${{ github.sha }}"] {
            let new = with_script(step.clone(), text).expect(text);
            assert_eq!(script(&new), text);
            assert!(
                matches!(&new.env, shipway_workflow::document::Fields::Entries(entries) if entries.len() == 1)
            );
        }
        assert!(with_script(step, "${{ nope( }}").is_err());
        assert!(with_script(steps("[{uses: ./a}]").remove(0), "x").is_err());
    }
}
