//! Errors as `application/problem+json` (RFC 9457) with a stable code.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The codes that this server answers with; `docs/errors/<code>.md` explains each.
pub mod codes {
    /// Not signed in.
    pub const UNAUTHENTICATED: &str = "SW0901";
    /// Signed in, but not allowed to do this.
    pub const FORBIDDEN: &str = "SW0902";
    /// There is no such thing.
    pub const NOT_FOUND: &str = "SW0903";
    /// A form was sent from another site.
    pub const CROSS_SITE: &str = "SW0904";
    /// Not possible in the present state.
    pub const CONFLICT: &str = "SW0905";
    /// The request itself is wrong.
    pub const BAD_REQUEST: &str = "SW0906";
    /// The sign-in link was used already, or has expired.
    pub const SIGN_IN_LINK: &str = "SW0907";
    /// The same `Idempotency-Key` came with another request.
    pub const KEY_REUSED: &str = "SW0908";
    /// The server failed.
    pub const INTERNAL: &str = "SW0909";
    /// The request is too large.
    pub const TOO_LARGE: &str = "SW0910";
    /// The address exists, but not with this method.
    pub const METHOD: &str = "SW0911";
    /// The server cannot do this for the moment: the disk is full, or it is stopping.
    pub const UNAVAILABLE: &str = "SW0912";
    /// A document that came with the request has errors.
    pub const INVALID_DOCUMENT: &str = "SW0913";
    /// A webhook names commits that the watched repository can bring from nowhere.
    pub const NO_ORIGIN: &str = "SW0919";
}

/// An error as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The stable code, `SW` and four digits.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// What kind of problem this is; the same for every problem with this code.
    pub title: String,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The findings, one line each with file, line and column, when a document was at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

impl Problem {
    /// The media type.
    pub const MEDIA_TYPE: &str = "application/problem+json";
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
