//! Why a router cannot do what it is told.

use shipway_traffic::RouteError;
use std::{io, net::SocketAddr};

/// Why a router cannot start or obey. Each kind has a code and a page under `docs/errors/`.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The address is taken: the user's to mend.
    #[error("the address {address} is in use by another program")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A worker thread or its runtime cannot be made.
    #[error("cannot start the router's worker {worker}")]
    Worker {
        /// Which one, from 0.
        worker: usize,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The table contradicts itself; the router goes on with the one it has.
    #[error("the traffic table of generation {generation} is refused")]
    Table {
        /// The refused table's generation.
        generation: u64,
        /// The contradiction.
        #[source]
        cause: RouteError,
    },
    /// A different table was applied before under the same generation; the router goes on with the one it has.
    #[error(
        "the traffic table of generation {generation} differs from the one applied under the same number"
    )]
    GenerationReused {
        /// The generation.
        generation: u64,
    },
}

impl RouterError {
    /// The code of the page under `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            RouterError::AddressInUse { .. } => "SW0701",
            RouterError::Listen { .. } | RouterError::Worker { .. } => "SW0702",
            RouterError::Table { .. } | RouterError::GenerationReused { .. } => "SW0703",
        }
    }
}
