//! Why a job could not be carried out: what was tried, what went wrong, what to do.

use crate::stop::{Cause, Stop};
use shipway_workflow::run::Conclusion;
use std::{fmt, io, path::Path};

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The shell of a step is not installed.
    ShellMissing,
    /// A program or its working directory is not there or cannot be started.
    ProgramMissing,
    /// A local action has no `action.yml`, or not the file that it names.
    ActionMissing,
    /// An action of another repository, which this version cannot fetch.
    ActionUnsupported,
    /// An action of another repository cannot be fetched.
    ActionFetch,
    /// The lock file of the repository does not say which commit an action is, or cannot be read.
    Unlocked,
    /// A JavaScript action, and no Node.
    NodeMissing,
    /// The repository cannot be checked out.
    Checkout,
    /// An artifact cannot be packed, kept or found.
    Artifact,
    /// The disk is full, a quota is used up or a file grew too large.
    DiskFull,
    /// A file or folder of the runner cannot be used.
    Folder,
    /// A command file does not follow the rules.
    CommandFile,
    /// The inputs of an action mean nothing.
    ActionInput,
    /// A workflow command is refused.
    CommandRefused,
    /// Something took longer than allowed.
    TimedOut,
    /// Something was stopped, because its job was to end.
    Cancelled,
    /// An expression or a value it gave cannot be used.
    Expression,
    /// A job cannot be isolated from the machine, or something would break its isolation.
    Isolation,
    /// What happened cannot be written down, so nothing more may happen.
    Journal,
    /// Somebody wants a terminal at a step, and there is none to be had.
    NoTerminal,
    /// Containers are asked for, and this program or this executor has none.
    ContainersMissing,
    /// No container engine answers.
    EngineMissing,
    /// An option, a port or a volume of a container cannot be honoured.
    ContainerOption,
    /// An image is not there and cannot be pulled or built.
    Image,
    /// A container cannot be made, started or used.
    Container,
    /// A service container does not become healthy.
    Unhealthy,
    /// The containers of a job cannot reach the services of actions.
    ServicesUnreachable,
    /// A script of the operator around the job failed, or cannot be run.
    Hook,
}

/// A part of a job that has a place of its own in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// `container`.
    Container,
    /// The service of this name.
    Service(String),
}

/// Something that could not be done. The text is one sentence that can be read alone.
#[derive(Debug)]
pub struct RunnerError {
    /// What kind of thing.
    pub kind: ErrorKind,
    /// What was tried and what went wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The part of the job that it is about: `container`, or the name of a service.
    pub part: Option<Part>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ErrorKind {
    /// The code under which `docs/errors` explains it.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::ShellMissing => "SW0501",
            ErrorKind::ProgramMissing => "SW0502",
            ErrorKind::ActionMissing => "SW0503",
            ErrorKind::ActionUnsupported => "SW0504",
            ErrorKind::ActionFetch => "SW0540",
            ErrorKind::Unlocked => "SW0119",
            ErrorKind::NodeMissing => "SW0505",
            ErrorKind::Checkout => "SW0506",
            ErrorKind::Artifact => "SW0507",
            ErrorKind::DiskFull => "SW0508",
            ErrorKind::Folder => "SW0509",
            ErrorKind::CommandFile => "SW0510",
            ErrorKind::ActionInput => "SW0511",
            ErrorKind::CommandRefused => "SW0512",
            ErrorKind::TimedOut | ErrorKind::Cancelled => "SW0513",
            ErrorKind::Expression => "SW0514",
            ErrorKind::Journal => "SW0515",
            ErrorKind::ContainersMissing => "SW0530",
            ErrorKind::EngineMissing => "SW0531",
            ErrorKind::ContainerOption => "SW0532",
            ErrorKind::Image => "SW0533",
            ErrorKind::Container => "SW0534",
            ErrorKind::Unhealthy => "SW0535",
            ErrorKind::ServicesUnreachable => "SW0536",
            ErrorKind::NoTerminal => "SW0590",
            ErrorKind::Isolation => "SW0516",
            ErrorKind::Hook => "SW0517",
        }
    }
}

impl RunnerError {
    /// An error with nothing to advise.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> RunnerError {
        RunnerError { kind, message: message.into(), help: None, part: None, source: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> RunnerError {
        self.help = Some(help.into());
        self
    }

    /// Adds what part of the job it is about.
    #[must_use]
    pub fn about(mut self, part: &Part) -> RunnerError {
        self.part.get_or_insert_with(|| part.clone());
        self
    }

    /// The same error in other words.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> RunnerError {
        self.message = message.into();
        self
    }

    /// Adds another error without which this one would not be.
    #[must_use]
    pub(crate) fn because(mut self, cause: Option<RunnerError>) -> RunnerError {
        let stopped = matches!(self.kind, ErrorKind::Cancelled | ErrorKind::TimedOut);
        if let Some(RunnerError { message, help, .. }) = cause.filter(|_| !stopped) {
            self.message = format!("{}; {message}", self.message);
            self.help = self.help.or(help);
        }
        self
    }

    /// The same error as another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> RunnerError {
        self.kind = kind;
        self
    }

    /// Adds what it came from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RunnerError {
        self.source = Some(source.into());
        self
    }

    /// What a step comes to that it ends.
    pub(crate) fn outcome(&self) -> Conclusion {
        if self.kind == ErrorKind::Cancelled { Conclusion::Cancelled } else { Conclusion::Failure }
    }

    /// What was stopped before its end.
    pub(crate) fn stopped(cause: Cause, stop: &Stop) -> RunnerError {
        let kind = match cause {
            Cause::StepTimeout(_) => ErrorKind::TimedOut,
            Cause::Cancelled | Cause::JobTimeout(_) | Cause::Step | Cause::TooLate(_) | Cause::Forced => {
                ErrorKind::Cancelled
            }
        };
        RunnerError::new(kind, stop.words(cause))
    }

    /// A failure of the file system. A full disk is told apart from everything else.
    pub fn io(what: &str, path: &Path, error: io::Error) -> RunnerError {
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        let kind = if full { ErrorKind::DiskFull } else { ErrorKind::Folder };
        let failed =
            RunnerError::new(kind, format!("cannot {what} {}: {error}", path.display())).with_source(error);
        if full {
            failed.with_help("free some space on that disk, or raise its quota, and run the job again")
        } else {
            failed
        }
    }
}

impl fmt::Display for RunnerError {
    /// `[code] message (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.kind.code(), self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RunnerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart() {
        let full = RunnerError::io("write", Path::new("/x"), io::Error::from_raw_os_error(28));
        assert_eq!(full.kind, ErrorKind::DiskFull);
        assert!(full.to_string().starts_with("[SW0508] cannot write /x: No space left on device"), "{full}");
        let denied = RunnerError::io("write", Path::new("/x"), io::Error::from_raw_os_error(13));
        assert_eq!(denied.kind, ErrorKind::Folder);
    }
}
