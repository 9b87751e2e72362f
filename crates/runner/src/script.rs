//! Steps with `run`.

use crate::{
    action::seen,
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace, Script, Streams},
    job::Job,
    listen::Hearing,
    proxy,
    scope::StepScope,
    shell::Shell,
    steps::{Came, Current},
};
use shipway_base::Diagnostic;
use shipway_workflow::{document::RunStep, expr::Template, run::JobRequest};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// What the steps with `run` of a job do that say nothing else; nothing is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunDefaults {
    shell: Option<Arc<str>>,
    directory: Option<Arc<str>>,
}

impl RunDefaults {
    /// Evaluates `defaults.run` as the job begins: that of the job in the place of the workflow's as a whole, as GitHub's runner does.
    pub(crate) fn of(request: &JobRequest, scope: &StepScope) -> Result<RunDefaults, Diagnostic> {
        let (job, workflow) = (&request.body.defaults, &request.workflow.defaults);
        let own = job.shell.is_some() || job.working_directory.is_some();
        let given = if own { job } else { workflow };
        let eval = |template: &Option<Template>| -> Result<Option<Arc<str>>, Diagnostic> {
            let text = template.as_ref().map(|template| template.eval_string(scope)).transpose()?;
            Ok(text.filter(|text| !text.is_empty()))
        };
        Ok(RunDefaults { shell: eval(&given.shell)?, directory: eval(&given.working_directory)? })
    }
}

impl Job<'_> {
    /// Runs the script of a step.
    pub(crate) async fn run_script(&mut self, run: &RunStep, current: &Current) -> Result<Came, RunnerError> {
        let request = self.request;
        let scope = seen(&current.scope, "", "");
        let eval = |template: &Template| template.eval_string(&scope).map_err(|found| expression(&found));
        // A composite action's steps name their shell themselves; the job's defaults do not reach into it.
        let inside_action = current.source != request.workflow.source;
        let defaults = if inside_action { RunDefaults::default() } else { self.run_defaults.clone() };
        let text = eval(&run.run)?;
        // A shell that is empty is none, and a working-directory that is empty is the workspace, as on GitHub.
        let shell = run.shell.as_ref().map(&eval).transpose()?;
        let shell = shell.filter(|shell| !shell.is_empty()).or(defaults.shell);
        let directory = run.working_directory.as_ref().map(&eval).transpose()?;
        let directory = match directory.or(defaults.directory).filter(|directory| !directory.is_empty()) {
            Some(directory) => self.map.inside(&self.folders.workspace).join(&*directory),
            None => self.map.inside(&self.folders.workspace),
        };
        let mut env = self.environment(&scope);
        env.extend(self.services.scripts.clone());
        proxy::go_past(&mut env);
        let shells = self.shells();
        let path = shells.as_deref().or(env.get("PATH").map(String::as_str)).unwrap_or_default();
        let mut there = Vec::new();
        for name in Shell::asks(shell.as_deref()) {
            if self.executor.has_program(&self.identity, name, path, &directory).await {
                there.push(*name);
            }
        }
        let has = |program: &str| there.contains(&program);
        let shell = match shell {
            Some(shell) => Shell::parse(&shell, has)?,
            None => Shell::default_shell(self.knows_bash && has("bash")),
        };
        self.show_script(&text, &shell, current).await;
        let program = Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv: shell.argv.clone(),
            script: Some(Script { text: shell.script(&text), extension: shell.extension, shells }),
            directory,
            env,
            place: ProgramPlace::Job,
            streams: Streams::default(),
            files: current.files,
        };
        Ok(self.run_program(&program, current, Hearing::Step).await?.0)
    }

    /// Whether the job's programs with this environment would find a program.
    pub(crate) async fn has_program(
        &self,
        name: &str,
        env: &BTreeMap<String, String>,
        directory: &Path,
    ) -> bool {
        let path = env.get("PATH").map(String::as_str).unwrap_or_default();
        self.executor.has_program(&self.identity, name, path, directory).await
    }
}

/// A finding of the expression language; it carries its own code and place.
pub(crate) fn expression(found: &Diagnostic) -> RunnerError {
    RunnerError::new(ErrorKind::Expression, found.to_string())
}
