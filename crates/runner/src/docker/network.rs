//! The network that the containers of a job are in.

use super::{
    engine::{Engine, failed},
    label,
};
use crate::{error::RunnerError, executor::ContainerNetwork};
use bollard::models::{IpamConfig, NetworkCreateRequest};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// A network of one job.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// Its name, which is the tracking text of the job.
    pub(super) name: String,
    /// How this machine takes part in it, when the engine says so.
    pub(super) gateway: Option<ContainerNetwork>,
}

impl Network {
    /// Makes the network of a job.
    pub(super) async fn make(engine: &Engine, tracking: &str) -> Result<Network, RunnerError> {
        let request = NetworkCreateRequest {
            name: tracking.to_owned(),
            labels: Some(label::labels(tracking).into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let doing = failed("cannot make the network of the job");
        engine.api.create_network(request).await.map_err(&doing)?;
        let seen = engine.api.inspect_network(tracking, None).await.map_err(&doing)?;
        let pools = seen.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let gateway = pools.iter().find_map(gateway).and_then(|gateway| {
            if is_here(gateway.address) { Some(gateway) } else { from_outside(engine, gateway.address) }
        });
        Ok(Network { name: tracking.to_owned(), gateway })
    }
}

/// Whether an address is one of this machine.
fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// How containers reach this machine whose engine keeps their networks in a namespace of its own, as one without root does. What
/// they send to an address of this machine goes through a program of the engine on this machine, so it comes from that very
/// address, which nobody on another machine can say.
fn from_outside(engine: &Engine, gateway: IpAddr) -> Option<ContainerNetwork> {
    // An engine on another machine has other addresses.
    if !engine.address.starts_with("unix:") {
        return None;
    }
    let address = own_address(gateway.is_ipv6()).or_else(|| own_address(!gateway.is_ipv6()))?;
    Some(ContainerNetwork { address, prefix: if address.is_ipv6() { 128 } else { 32 } })
}

/// The address by which this machine speaks to others. Nothing is sent.
fn own_address(v6: bool) -> Option<IpAddr> {
    // Addresses of examples in documents, which the default route leads to as to any other.
    let (any, other): (IpAddr, IpAddr) = if v6 {
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
    } else {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(203, 0, 113, 1).into())
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((other, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

/// The address of this machine among a pool of addresses.
fn gateway(pool: &IpamConfig) -> Option<ContainerNetwork> {
    let (_, prefix) = pool.subnet.as_ref()?.rsplit_once('/')?;
    // Some engines write the length of the subnet behind the gateway as well.
    let address = pool.gateway.as_ref()?.split('/').next()?;
    Some(ContainerNetwork { address: address.parse().ok()?, prefix: prefix.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(subnet: &str, gateway: &str) -> IpamConfig {
        let (subnet, gateway) = (Some(subnet.to_owned()), Some(gateway.to_owned()));
        IpamConfig { subnet, gateway, ..IpamConfig::default() }
    }

    #[test]
    fn the_gateway_is_read_from_what_engines_say() {
        let check = |subnet: &str, address: &str, expect: Option<(&str, u8)>| {
            let found = gateway(&pool(subnet, address));
            let expect = expect.map(|(address, prefix)| ContainerNetwork {
                address: address.parse().expect("an address"),
                prefix,
            });
            assert_eq!(found, expect, "{subnet} {address}");
        };
        check("172.18.0.0/16", "172.18.0.1", Some(("172.18.0.1", 16)));
        check("10.89.0.0/24", "10.89.0.1/24", Some(("10.89.0.1", 24)));
        check("fd00::/64", "fd00::1", Some(("fd00::1", 64)));
        check("172.18.0.0", "172.18.0.1", None);
        check("172.18.0.0/16", "", None);
        check("172.18.0.0/900", "172.18.0.1", None);
        assert_eq!(gateway(&IpamConfig::default()), None);
    }

    #[test]
    fn addresses_of_this_machine_are_told_from_others() {
        assert!(is_here(Ipv4Addr::LOCALHOST.into()));
        // One of those that stand in documents.
        assert!(!is_here(Ipv4Addr::new(198, 51, 100, 77).into()));
        for v6 in [false, true] {
            // A machine without a network has none.
            assert!(own_address(v6).is_none_or(is_here));
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(subnet in "[0-9a-f:./]{0,20}", address in "[0-9a-f:./]{0,20}") {
            let _ = gateway(&pool(&subnet, &address));
        }
    }
}
