//! Why the services cannot start, and why a request is refused.

use std::{io, net::IpAddr, path::PathBuf};

/// Why the services cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{context}: {kind}")]
pub struct ServiceError {
    /// What was tried.
    pub context: String,
    /// What went wrong.
    pub kind: ServiceErrorKind,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ServiceErrorKind {
    /// No port of this machine could be listened on.
    #[error("cannot listen on loopback: {0}")]
    Listen(io::Error),
    /// This machine has no such address, or none of its ports is free.
    #[error("cannot listen on {0}: {1}")]
    Door(IpAddr, io::Error),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Chance(getrandom::Error),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key that identity tokens are signed with is not one.
    #[error("{} holds no key that can be used: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What a job is called cannot stand in a token.
    #[error("{0}")]
    Grant(String),
}

impl ServiceError {
    pub(crate) fn new(context: impl Into<String>, kind: ServiceErrorKind) -> ServiceError {
        ServiceError { context: context.into(), kind }
    }
}

/// Why a request is refused; each protocol spells it in its own way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: RefusalKind,
    /// For people; never holds a token or a link.
    pub(crate) message: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    /// No token, or one that is not, or no longer, ours.
    Unauthenticated,
    /// A token that does not allow this.
    Denied,
    /// There is no such thing.
    Missing,
    /// There is such a thing already.
    Exists,
    /// The request itself is wrong.
    Invalid,
    /// Too much was sent.
    TooLarge,
    /// Bytes that are not those that were announced.
    Mismatch,
    /// A range that does not exist.
    Range,
    /// The fault is ours: a disk that fails, for example.
    Internal,
    /// No room is left on the disk.
    Full,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, message: impl Into<String>) -> Refusal {
        Refusal { kind, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::Invalid, message)
    }

    pub(crate) fn missing(message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::Missing, message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::Denied, message)
    }

    /// A fault of the disk. The path is told to the log and not to the client.
    pub(crate) fn io(what: &str, path: &std::path::Path, error: &io::Error) -> Refusal {
        tracing::error!(path = %path.display(), %error, "cannot {what}");
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Refusal::new(RefusalKind::Full, format!("cannot {what}: no room is left on the disk"));
        }
        Refusal::new(RefusalKind::Internal, format!("cannot {what}: {}", error.kind()))
    }
}

impl RefusalKind {
    /// The status of the answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            RefusalKind::Unauthenticated => 401,
            RefusalKind::Denied => 403,
            RefusalKind::Missing => 404,
            RefusalKind::Exists => 409,
            RefusalKind::Invalid | RefusalKind::Mismatch => 400,
            RefusalKind::TooLarge => 413,
            RefusalKind::Range => 416,
            RefusalKind::Internal => 500,
            RefusalKind::Full => 507,
        }
    }

    /// The code in Twirp's errors.
    pub(crate) fn twirp(self) -> &'static str {
        match self {
            RefusalKind::Unauthenticated => "unauthenticated",
            RefusalKind::Denied => "permission_denied",
            RefusalKind::Missing => "not_found",
            RefusalKind::Exists => "already_exists",
            RefusalKind::Invalid => "invalid_argument",
            RefusalKind::TooLarge | RefusalKind::Full => "resource_exhausted",
            RefusalKind::Mismatch => "failed_precondition",
            RefusalKind::Range => "out_of_range",
            RefusalKind::Internal => "internal",
        }
    }

    /// The code in the errors of Azure's storage.
    pub(crate) fn azure(self) -> &'static str {
        match self {
            RefusalKind::Unauthenticated | RefusalKind::Denied => "AuthenticationFailed",
            RefusalKind::Missing => "BlobNotFound",
            RefusalKind::Exists => "BlobAlreadyExists",
            RefusalKind::Invalid => "InvalidInput",
            RefusalKind::TooLarge => "RequestBodyTooLarge",
            RefusalKind::Mismatch => "IncompleteBody",
            RefusalKind::Range => "InvalidRange",
            RefusalKind::Internal | RefusalKind::Full => "InternalError",
        }
    }
}
