//! The services that an unmodified action talks to, served on loopback: caches, artifacts and identity tokens.
//!
//! [`Services`] listens on one port. Whoever runs a job describes it in a [`Grant`] and gets an [`Access`]: the variables
//! that the toolkit of JavaScript actions reads, with a token in them that says what the job may do. Every request carries
//! that token, or is made to a link that the services signed; both die with the job, and with the process that made them.
//!
//! * `cache`: entries in a folder that several processes may share; the disk is the truth, and a rename is what makes
//!   an entry visible.
//! * `artifacts`: the protocol of artifacts; where they are kept is an [`ArtifactStore`] of the caller's.
//! * `oidc`: identity tokens, signed with a key of this installation.
//! * `door`: further addresses, each for the containers of one job.
//! * `upload`: content that comes in blocks, written to files as it arrives and never held in memory.
//! * `blocks`, `range`, `names`, `scope`: what was sent, read without trust; plain functions.

mod artifacts;
mod blocks;
mod cache;
mod door;
mod error;
mod grant;
mod http;
mod json;
mod local;
mod names;
mod oidc;
mod range;
mod scope;
mod serve;
mod stream;
mod token;
mod upload;

pub use artifacts::{ArtifactInfo, ArtifactStore, BoxFuture, KeepError, NewArtifact};
pub use cache::CacheLimits;
pub use door::Network;
pub use error::{ServiceError, ServiceErrorKind};
pub use grant::{Access, Grant, Identity};
pub use local::{LocalCache, LocalRefusal, LocalUpload};
pub use names::check_artifact_name;
pub use oidc::discovery;
pub use scope::{CacheAccess, CacheMode, Origin};
pub use serve::{Options, Services};
