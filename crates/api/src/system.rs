//! About the server itself.

use crate::RunId;
use serde::{Deserialize, Serialize};
use shipway_base::Timestamp;

/// `GET /api/v1/version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The version of the server.
    pub version: String,
    /// The version of the API, the number in its path.
    pub api: u32,
}

/// `GET /api/v1/health`; answered with 503 when not healthy. Needs no sign-in and tells nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether the server takes requests and can store what they change.
    pub healthy: bool,
    /// What is wrong, for people; empty when healthy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// `POST /api/v1/sign-in-links`: a link that signs one browser in, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInLink {
    /// The path with its token, to be joined to the server's address.
    pub path: String,
    /// When it stops working, used or not.
    #[serde(with = "crate::time")]
    pub expires_at: Timestamp,
}

/// The answer to a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookOutcome {
    /// The runs that it made.
    pub runs: Vec<RunId>,
    /// Why it, or a part of it, made none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// Why it is not known yet which runs it makes: that takes longer than a forge waits. They are made all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
}
