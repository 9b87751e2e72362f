//! The data plane: obeys a traffic table, sticks clients to arms, drains, retries where safe, and measures.
//!
//! A [`Router`] is started once and handed tables; it decides nothing. Everything a verdict needs is counted here,
//! because only here the arm of every request is known.

mod answer;
mod body;
mod clients;
mod connection;
mod counters;
mod epoch;
mod error;
mod flight;
mod forward;
mod head;
mod histogram;
mod instance;
pub mod load;
mod metrics;
mod options;
mod peek;
mod router;
mod server;
mod service;
mod shared;
mod snapshot;
mod socket;
mod stats;
mod tunnel;
mod upstream;

pub use error::RouterError;
pub use options::{Limits, Options};
pub use router::{Applied, Router, Shutdown};
pub use stats::{Dropped, Quantiles, ReleaseStats, ServiceStats};
