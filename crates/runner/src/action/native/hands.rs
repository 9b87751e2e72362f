//! Who does what the built-in actions do with the files of a job: the runner, or a helper with the rights of the job.

use crate::{
    aside::{Aside, Over},
    error::{ErrorKind, RunnerError},
    executor::{Hands, Program, ProgramPlace, Streams},
    glob::escaped,
    job::Job,
    listen::Hearing,
    place::lexical,
    reach::Reach,
    report::{Annotation, Level},
    sandbox::heard,
    steps::Current,
    work::{ARCHIVE, Done, Seek, Work},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    ops::Deref,
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
        match self.executor.hands(&self.identity) {
            Hands::Runner => {
                let tree = work.writes_to().map(Path::to_owned);
                let unready = match &tree {
                    Some(tree) => self.begin_own_work(tree).await,
                    None => None,
                };
                let done = self.beside(current, move |over| work.carry_out(data, Path::new(ARCHIVE), over));
                let done = done.await;
                if let Some(tree) = &tree {
                    self.end_own_work(tree, current).await?;
                }
                done.map_err(|error| error.because(unready))
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
                done.ok_or_else(|| failed(&String::from_utf8_lossy(&told)))
            }
        }
    }

    /// Makes ready for work of the runner's own on a tree of the job. Why that cannot be belongs to the error of the work, if that
    /// fails: what is in its way need not be.
    pub(super) async fn begin_own_work(&self, tree: &Path) -> Option<RunnerError> {
        self.executor.before_own_work(&self.identity, &self.folders, tree).await.err()
    }

    /// Makes the tree that the runner has worked on the job's. A container that cannot do that has the files all the same, and may
    /// read them.
    pub(super) async fn end_own_work(&mut self, tree: &Path, current: &Current) -> Result<(), RunnerError> {
        let ended = self.executor.after_own_work(&self.identity, &self.folders, tree).await;
        let Err(error) = ended else { return Ok(()) };
        if !self.contained {
            return Err(error);
        }
        let place = self.map.inside(tree);
        let text = format!(
            "what is in {} stays the runner's, and a job that is not root may not change it: {error}",
            place.display()
        );
        let step = Some(current.index);
        self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
        Ok(())
    }

    /// Does the runner's own work in a thread of its own, until the step or the job is to end.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        current: &Current,
        work: impl FnOnce(&Over) -> Result<T, RunnerError> + Send + 'static,
    ) -> Result<T, RunnerError> {
        Aside::begin(work).until(self.stop.error(current.survives, current.limit)).await?
    }

    /// Whether the files of the job are the same for it and for whoever does the runner's work on them. They are not for a job in a
    /// container: its folders lie on this machine, and a link in them leads to something in the container.
    pub(super) fn sees_this_machine(&self) -> bool {
        !self.contained
    }

    /// Which links the runner itself goes through for the job.
    pub(crate) fn links(&self) -> Reach {
        match self.executor.hands(&self.identity) {
            Hands::Runner if self.sees_this_machine() => Reach::Machine,
            Hands::Runner | Hands::Helper => Reach::Folder,
        }
    }

    /// Where an absolute path of the job lies on this machine.
    pub(super) fn here(&self, path: &str) -> Result<PathBuf, RunnerError> {
        // By its names alone, before it is seen in which folder it lies.
        let plain = lexical(&Path::new("/").join(path));
        self.map.outside(&plain).ok_or_else(|| {
            let message = format!("{path} lies in the container of the job alone, where the built-in action does not reach");
            RunnerError::new(ErrorKind::ActionInput, message).with_help(
                "use a path in the workspace, in ~ or in RUNNER_TEMP, or the real action by --no-native-actions",
            )
        })
    }

    /// Patterns of the job, one a line, with the absolute ones as they are on this machine.
    pub(super) fn patterns_here(&self, patterns: &str) -> Result<String, RunnerError> {
        if self.sees_this_machine() {
            return Ok(patterns.to_owned());
        }
        let line = |line: &str| {
            let text =
                line.trim_start_matches(|character: char| character == '!' || character.is_whitespace());
            if !text.starts_with('/') {
                return Ok(line.to_owned());
            }
            let marks = &line[..line.len() - text.len()];
            // Up to the first name with a sign in it.
            let plain = text
                .find(['*', '?', '[', '\\'])
                .map_or(text.len(), |sign| text[..sign].rfind('/').unwrap_or(0));
            let (plain, rest) = text.split_at(plain);
            let here = self.here(if plain.is_empty() { "/" } else { plain })?;
            let slash = if plain.ends_with('/') && rest.is_empty() { "/" } else { "" };
            Ok(format!("{marks}{}{rest}{slash}", escaped(&here.to_string_lossy())))
        };
        let lines: Result<Vec<String>, RunnerError> = patterns.lines().map(line).collect();
        Ok(lines?.join("\n"))
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
            directory: self.map.inside(&self.folders.workspace),
            env: BTreeMap::new(),
            place: ProgramPlace::Job,
            streams: Streams::default(),
            files: None,
        }
    }

    /// A new file where no isolated job sees it. It goes when its name is dropped, unless it was moved away.
    pub(super) fn scratch_file(&mut self, name: &str) -> Result<(Scratch, File), RunnerError> {
        let folder = &self.folders.scratch;
        fs::create_dir_all(folder).map_err(|error| RunnerError::io("make", folder, error))?;
        let number = self.scratch.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.join(format!("{name}-{number}"));
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| RunnerError::io("write", &path, error))?;
        Ok((Scratch(path), file))
    }
}

/// The path of a file that is needed for a while: what was written is not kept longer, also when it is only half of it.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %self.0.display(), "a file stays until the job ends");
        }
    }
}

/// Why a helper did not do its work, by what it said.
fn failed(told: &str) -> RunnerError {
    heard(told).unwrap_or_else(|| {
        let lines: Vec<&str> = told.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let words = if lines.is_empty() { "it said nothing".to_owned() } else { lines.join("; ") };
        let text = format!("the helper that works on the files of the job failed: {words}");
        RunnerError::new(ErrorKind::Artifact, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_fails_in_its_own_way_is_told_in_one_sentence() {
        let check = |told: &str, expect: &str| assert_eq!(failed(told).to_string(), expect, "{told:?}");
        check("SW0509\ncannot make a: no\n", "[SW0509] cannot make a: no");
        check("", "[SW0507] the helper that works on the files of the job failed: it said nothing");
        check("one\n\n two\n", "[SW0507] the helper that works on the files of the job failed: one; two");
    }
}
