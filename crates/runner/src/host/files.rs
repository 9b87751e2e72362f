//! The files the runner lays beside a step: its script and its command files.

use crate::{
    error::RunnerError,
    executor::{Ending, Finished, JobIdentity, Script},
    filecommand::{CommandFiles, MAX_SUMMARY},
    process::tracking_of,
};
use rustix::fs::OFlags;
use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// More than this in one command file is a mistake, not a value.
const MAX_COMMAND_FILE: usize = 16 * 1024 * 1024;

/// The files of one step, beside those of others.
#[derive(Debug)]
pub(crate) struct StepFiles {
    dir: PathBuf,
    /// Unlike that of every other step of the runner.
    pub(crate) number: u64,
    /// The script, when the step has one.
    pub(crate) script: Option<PathBuf>,
}

/// Variable, file name and name in the `github` context of each command file.
const FILES: [(&str, &str, &str); 5] = [
    ("GITHUB_ENV", "set_env", "env"),
    ("GITHUB_OUTPUT", "set_output", "output"),
    ("GITHUB_STATE", "save_state", "state"),
    ("GITHUB_PATH", "add_path", "path"),
    ("GITHUB_STEP_SUMMARY", "step_summary", "step_summary"),
];

impl StepFiles {
    /// Writes the script and empty command files of step `number` into `dir`, which is there. They get no folder of their
    /// own: on some disks a folder takes longer to remove than a shell to start.
    pub(crate) fn create(dir: &Path, number: u64, script: Option<&Script>) -> Result<StepFiles, RunnerError> {
        let mut files = StepFiles { dir: dir.to_owned(), number, script: None };
        for (_, name, _) in FILES {
            write(&files.path(name), "")?;
        }
        if let Some(script) = script {
            let path = files.path(&format!("script{}", script.extension));
            write(&path, &script.text)?;
            files.script = Some(path);
        }
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        path(&self.dir, self.number, name)
    }

    /// What the `github` context calls the command files of a number, and where they will be.
    pub(crate) fn names(dir: &Path, number: u64) -> impl Iterator<Item = (&'static str, PathBuf)> {
        FILES.into_iter().map(move |(_, name, context)| (context, path(dir, number, name)))
    }

    /// The tracking text of the program that they are for.
    pub(crate) fn tracking(&self, job: &JobIdentity) -> String {
        tracking_of(&job.tracking, self.number)
    }

    /// The variables that name the command files.
    pub(crate) fn env(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        FILES.into_iter().map(|(variable, name, _)| (variable, self.path(name)))
    }

    /// Lets every user of the job's container write the command files and read the script.
    #[cfg(feature = "docker")]
    pub(crate) fn open_to_all(&self) -> Result<(), RunnerError> {
        let all = self.command_files().chain(self.script.clone());
        for path in all {
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777))
                .map_err(|error| RunnerError::io("open", &path, error))?;
        }
        Ok(())
    }

    /// The command files, for whoever must let the step write to them.
    pub(super) fn command_files(&self) -> impl Iterator<Item = PathBuf> {
        FILES.into_iter().map(|(_, name, _)| self.path(name))
    }

    /// Waits for the program that they are for, and takes in what it left in them.
    pub(crate) async fn around(
        &self,
        program: impl Future<Output = Result<Ending, RunnerError>>,
    ) -> Result<Finished, RunnerError> {
        let ending = match program.await {
            Ok(ending) => ending,
            Err(error) => {
                // One that is tried in its place has the same names.
                self.remove()?;
                return Err(error);
            }
        };
        Ok(Finished { ending, files: self.collect()? })
    }

    /// What the step left in them; they are removed.
    fn collect(&self) -> Result<CommandFiles, RunnerError> {
        let read = |name: &str, limit: usize| {
            let path = self.path(name);
            let bytes = read_at_most(&path, limit).map_err(|error| RunnerError::io("read", &path, error))?;
            Ok::<_, RunnerError>((path, bytes))
        };
        let values = |name: &str| {
            let (path, bytes) = read(name, MAX_COMMAND_FILE + 1)?;
            if bytes.len() > MAX_COMMAND_FILE {
                let error = io::Error::new(io::ErrorKind::InvalidData, "it is larger than 16 MiB");
                return Err(RunnerError::io("use", &path, error));
            }
            Ok(bytes)
        };
        let files = CommandFiles {
            env: values("set_env")?,
            output: values("set_output")?,
            state: values("save_state")?,
            path: values("add_path")?,
            summary: read("step_summary", MAX_SUMMARY + 1)?.1,
        };
        self.remove()?;
        Ok(files)
    }

    fn remove(&self) -> Result<(), RunnerError> {
        let all = self.command_files().chain(self.script.clone());
        for path in all {
            match fs::remove_file(&path) {
                // A step may remove its own files.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RunnerError::io("remove", &path, error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

fn path(dir: &Path, number: u64, name: &str) -> PathBuf {
    dir.join(format!("step_{number}_{name}"))
}

/// Only as a new file: what lies there already is a link or a file that a step put in the way.
fn write(path: &Path, text: &str) -> Result<(), RunnerError> {
    fs::File::create_new(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| RunnerError::io("write", path, error))
}

/// A step may have removed the file; then it wrote nothing.
fn read_at_most(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Opening a named pipe that a step put in its place would wait for ever; a link may lead where only the runner may
    // read, from a container even more so.
    if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no longer a regular file"));
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    match fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file.take(limit as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}
