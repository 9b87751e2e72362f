//! Who does what the built-in actions do with the files of a job: the runner, or a helper with the rights of the job.

use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Hands, Program, ProgramPlace, Streams},
    job::Job,
    listen::Hearing,
    sandbox::heard,
    steps::Current,
    work::{Done, Seek, Work},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

impl Job<'_> {
    /// Does work on the files of the job; `data` is the content of an archive, to be read or written.
    pub(super) async fn work(
        &mut self,
        work: Work,
        data: Option<File>,
        current: &Current,
    ) -> Result<Done, RunnerError> {
        let failed =
            |why: &str| RunnerError::new(ErrorKind::Artifact, format!("the work on files stopped: {why}"));
        match self.executor.hands(&self.identity) {
            Hands::Runner => {
                let done =
                    tokio::task::spawn_blocking(move || work.carry_out(data, Path::new("the archive")));
                done.await.map_err(|error| failed(&error.to_string()))?
            }
            Hands::Helper => {
                let program = Program {
                    argv: work.arguments()?,
                    place: ProgramPlace::Helper,
                    streams: Streams { input: data.map(Arc::new), output: None },
                    ..self.own_program(Vec::new())
                };
                let (code, all) = self.run_quietly(&program, current, Hearing::Capture).await?;
                let told = all.text.unwrap_or_default();
                let done = Some(0).filter(|ok| code == Some(*ok)).and_then(|_| Done::heard(&told));
                done.ok_or_else(|| {
                    let text = String::from_utf8_lossy(&told);
                    heard(&text).unwrap_or_else(|| failed(text.trim()))
                })
            }
        }
    }

    /// Patterns that begin at the folders of the job.
    pub(super) fn seek(&self, patterns: &str) -> Seek {
        Seek {
            patterns: patterns.to_owned(),
            workspace: self.folders.workspace.clone(),
            home: self.folders.home.clone(),
        }
    }

    /// A program of the runner's in the place of the job, with an environment that nobody but this machine says anything about.
    pub(super) fn own_program(&self, argv: Vec<String>) -> Program {
        Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv,
            script: None,
            directory: self.folders.workspace.clone(),
            env: BTreeMap::new(),
            place: ProgramPlace::Job,
            streams: Streams::default(),
        }
    }

    /// A new file where no isolated job sees it.
    pub(super) fn scratch_file(&mut self, name: &str) -> Result<(PathBuf, File), RunnerError> {
        let folder = &self.folders.scratch;
        fs::create_dir_all(folder).map_err(|error| RunnerError::io("make", folder, error))?;
        let number = self.scratch.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.join(format!("{name}-{number}"));
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        Ok((path.clone(), file.map_err(|error| RunnerError::io("write", &path, error))?))
    }
}
