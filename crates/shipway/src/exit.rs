//! Exit codes: a documented contract, the same for every command (`docs/exit-codes.md`).

use std::{fmt, process::ExitCode};

/// How a command ended, as the number its caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Ok,
    /// The thing itself failed: a run, a deploy.
    Failed,
    /// The call or a document is invalid.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// Not signed in, not permitted, or an approval is needed.
    NotPermitted,
    /// Somebody else was there first: a lock, a port, a version.
    Conflict,
    /// No server answered.
    NoServer,
    /// The waiting ended; the thing still runs.
    TimedOut,
    /// The release was rolled back.
    RolledBack,
    /// Interrupted from the keyboard.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::NotPermitted => 4,
            Exit::Conflict => 5,
            Exit::NoServer => 6,
            Exit::TimedOut => 7,
            Exit::RolledBack => 8,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// A failure that a person reads: a code with a page, what happened, what to do, and how the process ends.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The stable code, when there is a page about it.
    pub(crate) code: Option<String>,
    /// What happened, where and why.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What is wrong with a document, one line each with its place; the message names all of them too.
    pub(crate) findings: Vec<String>,
}

impl Failure {
    /// A failure with an exit code and a sentence.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { code: None, message: message.into(), help: None, exit, findings: Vec::new() }
    }

    /// Adds the code of an error page.
    #[must_use]
    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Failure {
        self.code = Some(code.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "error[{code}]: {}", self.message)?,
            None => write!(f, "error: {}", self.message)?,
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    /// Errors that nobody classified are ours or the machine's: the chain is shown whole.
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Exit::Failed, format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::new(Exit::Failed, error.to_string())
    }
}
