//! The role of a helper: it does the runner's own work on the files of an isolated job with no more rights than the job has.
//!
//! It is in the file system of the job, as the job's user and held as a step is; only it starts nothing there, and is itself
//! no process that the job could see.

use super::{Refusal, Trying, enter::confine};
use crate::{
    aside::Over,
    error::RunnerError,
    work::{ARCHIVE, Work},
};
use std::{fs::File, io::Write as _, os::fd::AsFd as _, path::Path};

/// `arguments`: those that [`confine`] reads, then those of the work. Tells what came of it, or why nothing did.
pub(super) fn play(arguments: &[String]) -> Result<u8, Refusal> {
    let rest = confine(arguments, false)?;
    let work = Work::parse(rest).ok_or_else(|| Refusal::new("begin", "the work is unknown"))?;
    let data = std::io::stdin().as_fd().try_clone_to_owned().trying("open its standard input")?;
    // Who wants it to end ends this process.
    let outcome = work.carry_out(Some(File::from(data)), Path::new(ARCHIVE), &Over::default());
    let (told, code) = match outcome {
        Ok(done) => (done.told(), 0),
        Err(error) => (told(&error), 1),
    };
    let mut out = std::io::stdout().lock();
    out.write_all(&told).and_then(|()| out.flush()).trying("tell the runner")?;
    Ok(code)
}

/// An error as [`heard`] reads it: its code and its message in a line each, then what to do about it.
fn told(error: &RunnerError) -> Vec<u8> {
    let line = |text: &str| text.replace('\n', " ");
    let help = error.help.as_deref().map(line).unwrap_or_default();
    format!("{}\n{}\n{help}", error.kind.code(), line(&error.message)).into_bytes()
}

/// The error that a helper tells of.
pub(crate) fn heard(text: &str) -> Option<RunnerError> {
    use crate::error::ErrorKind;
    let mut lines = text.lines();
    let (code, message) = (lines.next()?, lines.next()?);
    let kinds = [ErrorKind::ActionInput, ErrorKind::Artifact, ErrorKind::DiskFull, ErrorKind::Folder];
    let kind = kinds.into_iter().find(|kind| kind.code() == code)?;
    let error = RunnerError::new(kind, message);
    Some(match lines.next().filter(|help| !help.is_empty()) {
        Some(help) => error.with_help(help),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    #[test]
    fn errors_are_heard_as_they_were_told() {
        let error = RunnerError::new(ErrorKind::DiskFull, "the disk\nis full").with_help("free some space");
        let text = String::from_utf8(told(&error)).expect("a text");
        let error = heard(&text).expect("an error");
        assert_eq!(error.to_string(), "[SW0508] the disk is full (free some space)");
        let bare = RunnerError::new(ErrorKind::Artifact, "no");
        let text = String::from_utf8(told(&bare)).expect("a text");
        assert_eq!(heard(&text).map(|error| error.to_string()).as_deref(), Some("[SW0507] no"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(SW05[01][0-9]\n)?\\PC{0,20}\n?\\PC{0,20}") {
            let _ = heard(&text);
        }
    }
}
