//! Scripts of the operator around each job: before its first step and after its last one.
//!
//! They run on this machine as whoever runs the runner, also where the job itself is in a container or isolated, and see what
//! describes the run but nothing that the workflow sets. One that fails fails the job. As for GitHub's runner they may change
//! the environment of the steps through `GITHUB_ENV` and `GITHUB_PATH`.

use crate::{
    background::Changes,
    context::Hooks,
    env::{self, Base},
    error::{ErrorKind, RunnerError},
    executor::{Ending, Program, ProgramPlace, Streams},
    host::find_program,
    job::{Frame, Job},
    listen::{Hearing, take_files},
    place::PathMap,
    report::ReportKind,
    steps::{Came, Current, What},
    stop::Cause,
};
use shipway_workflow::{Texts, expr::Value, run::Conclusion};
use std::{collections::BTreeMap, path::Path};

/// When a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before the first step.
    Started,
    /// After the last one.
    Completed,
}

impl When {
    fn of(self, hooks: &Hooks) -> Option<&Path> {
        match self {
            When::Started => hooks.started.as_deref(),
            When::Completed => hooks.completed.as_deref(),
        }
    }

    /// The name of its step, as GitHub has it.
    fn step(self) -> &'static str {
        match self {
            When::Started => "Set up runner",
            When::Completed => "Complete runner",
        }
    }

    fn words(self) -> &'static str {
        match self {
            When::Started => "before every job",
            When::Completed => "after every job",
        }
    }
}

impl Job<'_> {
    /// Runs a script of the operator as a step of its own, where there is one.
    pub(crate) async fn run_hook(&mut self, frame: &mut Frame, when: When) {
        let Some(script) = when.of(&self.context.hooks).filter(|_| self.executor.is_real()) else { return };
        let script = script.to_owned();
        let began = self.context.clock.now();
        let index = self.next_step;
        self.next_step += 1;
        self.log.send(ReportKind::StepStarted { index, name: when.step().to_owned() }).await;
        let text = format!("The operator of this runner lets {} run {}", script.display(), when.words());
        self.log.line(Some(index), &text).await;
        let came = match self.run_script_of_operator(frame, &script, index).await {
            Ok(came) => came,
            Err(error) => {
                self.complain(Some(index), &error.to_string(), None).await;
                Came::of(Conclusion::Failure)
            }
        };
        frame.count(came.outcome);
        let duration = self.context.clock.now().since(began);
        let (outcome, exit_code) = (came.outcome, came.exit_code);
        let finished = ReportKind::StepFinished { index, outcome, conclusion: outcome, exit_code, duration };
        self.log.send(finished).await;
    }

    async fn run_script_of_operator(
        &mut self,
        frame: &Frame,
        script: &Path,
        index: usize,
    ) -> Result<Came, RunnerError> {
        let mut env = self.environment_of_operator(frame);
        let path = env.get("PATH").cloned().unwrap_or_default();
        let argv = command(script, |name| find_program(name, &path, &self.folders.workspace).is_some())?;
        let step = Some(index);
        self.log.line(step, &format!("##[group]Run '{}'", script.display())).await;
        self.log.line(step, &format!("shell: {}", argv.join(" "))).await;
        self.log.line(step, "##[endgroup]").await;
        env.remove("GITHUB_ACTION");
        let program = Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv,
            script: None,
            directory: self.folders.workspace.clone(),
            env,
            place: ProgramPlace::Machine,
            streams: Streams::default(),
            files: None,
        };
        let current = Current {
            index,
            id: String::new(),
            name: String::new(),
            place: Vec::new(),
            own_env: Texts::new(),
            scope: self.scope(frame, &Texts::new(), None),
            files: None,
            survives: true,
            limit: None,
            call: None,
            source: frame.source.clone(),
            span: self.request.body.runs_on.span,
        };
        let (finished, mut heard, cause) =
            self.start(What::Program(&program), &current, Hearing::Step).await?;
        take_files(&mut self.log, step, &finished.files, &mut heard).await;
        if let Some(refusal) = heard.refusals.into_iter().next() {
            return Err(refusal);
        }
        let failed = |why: String| {
            let message = format!("the operator's script {} failed: {why}", script.display());
            RunnerError::new(ErrorKind::Hook, message)
        };
        match finished.ending {
            Ending::Exited(0) => {}
            Ending::Exited(code) => {
                let error = failed(format!("exit code {code}; its last line was: {}", heard.last_line));
                self.complain(step, &error.to_string(), None).await;
                return Ok(Came { exit_code: Some(code), ..Came::of(Conclusion::Failure) });
            }
            Ending::Signalled(signal) => return Err(failed(format!("it was ended by signal {signal}"))),
            Ending::Stopped => {
                self.complain(step, &self.stop.words(cause.unwrap_or(Cause::Cancelled)), None).await;
                return Ok(Came::of(Conclusion::Cancelled));
            }
        }
        // It is no step with an id, so it has neither outputs nor state.
        self.set(Changes { env: heard.env, paths: heard.paths });
        Ok(Came { exit_code: Some(0), ..Came::of(Conclusion::Success) })
    }

    /// What describes the run, with the paths of this machine.
    fn environment_of_operator(&self, frame: &Frame) -> BTreeMap<String, String> {
        let map = PathMap::default();
        let scope = self.scope(frame, &Texts::new(), None);
        let mut github = scope.contexts.get("github").and_then(Value::as_object).cloned().unwrap_or_default();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        github.insert("workspace", text(&self.folders.workspace));
        github.insert("event_path", text(&self.folders.workflow.join("event.json")));
        let runner = env::runner_context(&self.folders, &map, self.context.debug);
        let base = Base { context: self.context, folders: &self.folders, map: &map, own: None };
        env::environment(&base, &Texts::new(), &[], &github, &runner)
    }
}

/// How a script is started: by the ending of its name, as GitHub's runner does.
fn command(script: &Path, has: impl Fn(&str) -> bool) -> Result<Vec<String>, RunnerError> {
    let refused = |why: &str| {
        let message = format!("the operator's script {} cannot be run: {why}", script.display());
        RunnerError::new(ErrorKind::Hook, message)
    };
    let ending = script.extension().and_then(|ending| ending.to_str());
    let pick = |one: &'static str, other: &'static str| if has(one) { one } else { other };
    let start: Vec<&str> = match ending {
        Some("sh") => vec![pick("bash", "sh"), "-e"],
        Some("js") => vec!["node"],
        Some("ps1") => vec![pick("pwsh", "powershell"), "-File"],
        Some(_) | None => return Err(refused("its name must end in .sh, .js or .ps1")),
    };
    if !script.is_absolute() {
        return Err(refused("its path must be absolute"));
    }
    if !script.is_file() {
        return Err(refused("there is no such file"));
    }
    Ok(start.into_iter().map(str::to_owned).chain([script.to_string_lossy().into_owned()]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_script_is_started_by_its_ending() {
        let dir = tempfile::tempdir().expect("a folder");
        let check = |name: &str, known: &[&str], expect: &[&str]| {
            let path = dir.path().join(name);
            fs::write(&path, "").expect("a file");
            let argv = command(&path, |program| known.contains(&program)).expect("a command");
            let expect: Vec<String> = expect.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(argv, [expect, vec![path.display().to_string()]].concat());
        };
        check("a.sh", &["bash"], &["bash", "-e"]);
        check("a.sh", &[], &["sh", "-e"]);
        check("a.js", &[], &["node"]);
        check("a.ps1", &["pwsh"], &["pwsh", "-File"]);
        let refused = |path: &str, why: &str| {
            let error = command(Path::new(path), |_| true).expect_err(why);
            assert!(error.to_string().starts_with("[SW0517]") && error.message.contains(why), "{error}");
        };
        refused("/a/script", "must end in .sh, .js or .ps1");
        refused("script.sh", "must be absolute");
        refused("/no/such/script.sh", "there is no such file");
    }
}
