//! The data plane: obeys a traffic table, sticks clients to arms, drains, retries where safe, and measures.
//!
//! A [`Router`] is started once and handed tables; it decides nothing. Everything a verdict needs is counted here,
//! because only here the arm of every request is known.

mod error;
mod options;
mod router;
mod stats;

pub use error::RouterError;
pub use options::{Limits, Options};
pub use router::{Applied, Router, Shutdown};
pub use stats::{Dropped, Quantiles, ReleaseStats, ServiceStats};
