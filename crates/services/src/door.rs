//! Further addresses of the services, each for the programs of one job.
//!
//! Loopback of this machine is another one than that of a container. What both have is the network that the job's containers
//! are in, where this machine is the gateway. The services listen there too, for peers of that network alone: other machines can
//! send packets to any address that this one has. A job with a loopback device of its own is answered at a listener on that.

use crate::{
    error::{ServiceError, ServiceErrorKind},
    grant::{Access, Grant},
    serve::{Inner, Services, serve},
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A network of containers that this machine takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network in which this machine has the address. The first `prefix` bits are the same for all in it.
    pub fn new(address: IpAddr, prefix: u8) -> Network {
        Network { address, prefix }
    }

    /// The address of this machine in it.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether an address is one of this network.
    pub fn holds(&self, address: IpAddr) -> bool {
        let same = |own: u128, other: u128, bits: u32| {
            let free = bits.saturating_sub(u32::from(self.prefix));
            // A shift by all bits leaves nothing to compare.
            own.checked_shr(free) == other.checked_shr(free)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Takes in connections of one network.
pub(crate) struct Guarded {
    pub(crate) listener: TcpListener,
    pub(crate) network: Network,
}

impl axum::serve::Listener for Guarded {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = axum::serve::Listener::accept(&mut self.listener).await;
            if self.network.holds(peer.ip()) {
                return (stream, peer);
            }
            tracing::warn!(%peer, "somebody else asked for the services of a job's containers");
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What fails when a further door cannot be opened.
const DOOR: &str = "cannot let a job in by a door of its own";

impl Services {
    /// Listens for the containers of a job that was let in, at an address of this machine in their network and for that
    /// network alone, until the job ends. The answer is how they reach the services.
    ///
    /// # Errors
    /// When the job was not let in, or this machine has no such address, as when the containers are in a virtual one.
    pub async fn open_door(&self, job: &str, network: Network) -> Result<Access, ServiceError> {
        let failed = |error| ServiceError::new(DOOR, ServiceErrorKind::Door(network.address(), error));
        self.let_in(job)?;
        let listener = TcpListener::bind((network.address(), 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        self.answer_at(job, address, Guarded { listener, network })
    }

    /// Answers a job that was let in at a listener which nobody but its programs reaches, until the job ends. The answer is
    /// how they reach the services.
    ///
    /// # Errors
    /// When the job was not let in, or the listener cannot be used.
    pub fn listen_for(&self, job: &str, listener: std::net::TcpListener) -> Result<Access, ServiceError> {
        let failed = |error| ServiceError::new(DOOR, ServiceErrorKind::Listen(error));
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        self.answer_at(job, address, listener)
    }

    fn let_in(&self, job: &str) -> Result<Arc<Grant>, ServiceError> {
        let grant = self.inner().state().jobs.get(job).cloned();
        grant.ok_or_else(|| {
            ServiceError::new(DOOR, ServiceErrorKind::Grant(format!("{job:?} was not let in")))
        })
    }

    fn answer_at<L>(&self, job: &str, address: SocketAddr, listener: L) -> Result<Access, ServiceError>
    where
        L: axum::serve::Listener<Io = TcpStream, Addr = SocketAddr>,
    {
        let grant = self.let_in(job)?;
        let url = format!("http://{address}");
        let access = self.inner().access(&grant, &url);
        let door = CancellationToken::new();
        let inner = Arc::new(Inner { url, core: self.inner().core.clone() });
        serve(listener, inner, door.clone());
        self.inner().state().doors.push((job.to_owned(), door.drop_guard()));
        Ok(access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_like_it() {
        let check = |own: &str, prefix, other: &str, expect| {
            let network = Network::new(own.parse().expect("an address"), prefix);
            let other = other.parse().expect("an address");
            assert_eq!(network.holds(other), expect, "{own}/{prefix} {other}");
        };
        check("172.18.0.1", 16, "172.18.255.9", true);
        check("172.18.0.1", 16, "172.19.0.2", false);
        check("172.18.0.1", 16, "::ffff:172.18.0.7", true);
        check("10.0.0.1", 0, "192.168.0.1", true);
        check("10.0.0.1", 32, "10.0.0.1", true);
        check("10.0.0.1", 32, "10.0.0.0", false);
        check("10.0.0.1", 255, "10.0.0.0", false);
        check("fd00::1", 64, "fd00::2:3", true);
        check("fd00::1", 64, "fd00:1::2", false);
        check("fd00::1", 0, "::1", true);
        check("10.0.0.1", 8, "fd00::1", false);
    }
}
