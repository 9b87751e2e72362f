//! The files the runner lays beside a step: its script and its command files.

use crate::{
    error::RunnerError,
    executor::Script,
    filecommand::{CommandFiles, MAX_SUMMARY},
};
use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// More than this in one command file is a mistake, not a value.
const MAX_COMMAND_FILE: usize = 16 * 1024 * 1024;

/// The files of one step, all in one folder.
#[derive(Debug)]
pub(super) struct StepFiles {
    dir: PathBuf,
    /// The script, when the step has one.
    pub(super) script: Option<PathBuf>,
}

/// Variable and file name of each command file.
const FILES: [(&str, &str); 5] = [
    ("GITHUB_ENV", "set_env"),
    ("GITHUB_OUTPUT", "set_output"),
    ("GITHUB_STATE", "save_state"),
    ("GITHUB_PATH", "add_path"),
    ("GITHUB_STEP_SUMMARY", "step_summary"),
];

impl StepFiles {
    /// Makes the folder of step `number` in the job's temporary folder, with empty command files.
    pub(super) fn create(
        temp: &Path,
        number: u64,
        script: Option<&Script>,
    ) -> Result<StepFiles, RunnerError> {
        let dir = temp.join("_runner").join(number.to_string());
        fs::create_dir_all(&dir).map_err(|error| RunnerError::io("make", &dir, error))?;
        for (_, name) in FILES {
            write(&dir.join(name), "")?;
        }
        let script = match script {
            Some(script) => {
                let path = dir.join(format!("script{}", script.extension));
                write(&path, &script.text)?;
                Some(path)
            }
            None => None,
        };
        Ok(StepFiles { dir, script })
    }

    /// The variables that name the command files.
    pub(super) fn env(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        FILES.into_iter().map(|(variable, name)| (variable, self.dir.join(name)))
    }

    /// What the step left in them; the folder is removed.
    pub(super) fn collect(&self) -> Result<CommandFiles, RunnerError> {
        let read = |name: &str, limit: usize| {
            let path = self.dir.join(name);
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
        // A background process may still use the script; what remains goes with the job.
        fs::remove_dir_all(&self.dir).map_err(|error| RunnerError::io("remove", &self.dir, error))?;
        Ok(files)
    }
}

fn write(path: &Path, text: &str) -> Result<(), RunnerError> {
    fs::write(path, text).map_err(|error| RunnerError::io("write", path, error))
}

/// A step may have removed the file; then it wrote nothing.
fn read_at_most(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Opening a named pipe that a step put in its place would wait for ever.
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no longer a regular file"));
    }
    match fs::File::open(path) {
        Ok(file) => file.take(limit as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}
