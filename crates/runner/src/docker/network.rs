//! The network that the containers of a job are in.

use super::{
    engine::{Engine, failed},
    label,
};
use crate::{error::RunnerError, executor::ContainerNetwork};
use bollard::models::{IpamConfig, NetworkCreateRequest};

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
        Ok(Network { name: tracking.to_owned(), gateway: pools.iter().find_map(gateway) })
    }
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

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(subnet in "[0-9a-f:./]{0,20}", address in "[0-9a-f:./]{0,20}") {
            let _ = gateway(&pool(&subnet, &address));
        }
    }
}
