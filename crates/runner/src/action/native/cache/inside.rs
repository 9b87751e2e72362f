//! Caches of jobs in containers: `tar` of the image archives and unpacks there, where the paths are what they are for the job, and
//! the content goes to and from this machine.

use super::{
    super::{Inputs, Native},
    list, stream,
};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace, Streams},
    glob::Patterns,
    job::Job,
    listen::Hearing,
    pack::UnpackLimits,
    sieve::Rules,
    steps::Current,
    work::{Done, Work, relative},
};
use std::{
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
    sync::Arc,
};

/// Prints those of its arguments that are there, each with a zero byte behind it.
const THERE: &str = r#"for path; do [ -e "$path" ] && printf '%s\0' "$path"; done; exit 0"#;

/// How much a cache may unpack to: what all caches of a repository may have together in any case, and beyond that what dependencies and
/// built files compress to at best.
const LIMITS: UnpackLimits =
    UnpackLimits { entries: 0, bytes: 100 << 30, free: 10 << 30, ratio: 200, directory: 0 };

/// More than this is no answer of a program of ours.
const MOST_ANSWER: u64 = 1 << 20;

impl Job<'_> {
    /// Why a built-in action cannot do what it is asked for in the container of this job. The real one can be had instead.
    pub(in crate::action) async fn cannot_here(
        &mut self,
        native: Native,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Option<String>, RunnerError> {
        if !self.contained || !native.is_cache() {
            return Ok(None);
        }
        let paths = inputs.text("path").map(list).unwrap_or_default();
        if let Some(pattern) = paths.iter().find(|path| path.contains(['*', '?', '[', '!'])) {
            return Ok(Some(format!("does not look for {pattern:?} in containers")));
        }
        if !self.has("tar").await {
            return Ok(Some("needs tar, which the image of this job has not".to_owned()));
        }
        let version = self.ask(vec!["tar".to_owned(), "--version".to_owned()], current).await?;
        let is_gnu = version.is_some_and(|text| String::from_utf8_lossy(&text).contains("GNU tar"));
        Ok((!is_gnu).then(|| "needs the tar of GNU, which the image of this job has not".to_owned()))
    }

    /// The paths to archive, from the workspace.
    pub(super) async fn cached(&mut self, paths: &[String], current: &Current) -> Result<Done, RunnerError> {
        if !self.contained {
            return self.work(Work::Find(self.seek(&paths.join("\n"))), None, current).await;
        }
        let (patterns, workspace) = self.patterns(paths)?;
        let fixed = ["sh", "-c", THERE, "sh"].map(str::to_owned).into_iter();
        let names = patterns
            .bases()
            .into_iter()
            .map(|path| relative(&workspace, path).to_string_lossy().into_owned());
        let names = self.ask(fixed.chain(names).collect(), current).await?.unwrap_or_default();
        Ok(Done { files: names.iter().filter(|byte| **byte == 0).count(), names })
    }

    /// The paths as the job sees them, and its workspace.
    fn patterns(&self, paths: &[String]) -> Result<(Patterns, PathBuf), RunnerError> {
        let (workspace, home) =
            (self.map.inside(&self.folders.workspace), self.map.inside(&self.folders.home));
        Patterns::parse(paths.iter().map(String::as_str), &workspace, &home)
            .map(|patterns| (patterns, workspace))
            .map_err(|why| RunnerError::new(ErrorKind::ActionInput, why))
    }

    /// Where the members of a cache of these paths may lie; `size` is that of its archive.
    pub(super) fn rules(&self, paths: &[String], size: u64) -> Result<Rules, RunnerError> {
        let (patterns, folder) = self.patterns(paths)?;
        let looks = self.tar_place() == ProgramPlace::Machine;
        Ok(Rules { folder, patterns, looks, most: LIMITS.most(size) })
    }

    /// What a small program in the container prints; nothing when it fails.
    async fn ask(&mut self, argv: Vec<String>, current: &Current) -> Result<Option<Vec<u8>>, RunnerError> {
        let (reader, writer) = stream::pipe()?;
        let heard = tokio::task::spawn_blocking(move || hear(reader));
        let program = self.tool(argv);
        let streams = Streams { input: None, output: Some(Arc::new(writer)) };
        let ended = {
            let program = Program { streams, ..program };
            self.run_quietly(&program, current, Hearing::Plain).await
        };
        let heard = heard.await.map_err(|error| stream::stopped(&error))?;
        let (code, _) = ended?;
        let heard = heard.map_err(|error| {
            RunnerError::new(
                ErrorKind::Container,
                format!("a program in the container is not heard: {error}"),
            )
        })?;
        Ok(Some(heard).filter(|_| code == Some(0)))
    }
}

fn hear(from: File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(MOST_ANSWER).read_to_end(&mut text)?;
    Ok(text)
}
