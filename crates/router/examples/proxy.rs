//! The router alone: `proxy <listen> <workers> <instance>...`, for `cargo xtask bench` beside nginx and HAProxy.
//!
//! Two arms share the instances, so that the work of a rollout is part of what is measured.

use shipway_base::{Clock, Digest, Share, Timestamp};
use shipway_router::{Options, Router};
use shipway_traffic::{AffinityKey, Arm, Client, Instance, InstanceState, Route, Split, Table};
use std::{error::Error, net::SocketAddr, time::Duration};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: proxy <listen> <workers> <instance>...";
    let listen: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    let workers: usize = arguments.next().ok_or(usage)?.parse()?;
    let instances: Vec<SocketAddr> = arguments.map(|address| address.parse()).collect::<Result<_, _>>()?;
    if instances.is_empty() {
        return Err(usage.into());
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "an example is its own binary: the clock is read here only"
    )]
    let start = std::time::Instant::now();
    let clock = Clock::new(move || Timestamp::from_micros(0) + start.elapsed());
    let options = Options { workers, ..Options::new(listen, clock, AffinityKey([1; 32]), [2; 32]) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let router = Router::start(options, table(&instances)).await?;
        std::future::pending::<()>().await;
        drop(router);
        Ok(())
    })
}

fn table(addresses: &[SocketAddr]) -> Table {
    let arm = |version: &str| Arm {
        release: version.to_owned(),
        version: version.to_owned(),
        digest: Digest::of(version.as_bytes()),
        instances: addresses
            .iter()
            .enumerate()
            .map(|(index, address)| Instance {
                id: format!("{version}-{index}"),
                address: *address,
                state: InstanceState::Ready,
            })
            .collect(),
    };
    let route = Route {
        service: "web".to_owned(),
        hosts: Vec::new(),
        client: Client { header: None, cookie: true },
        salt: "bench".to_owned(),
        epoch: 1,
        split: Split::Canary { stable: arm("v1"), canary: arm("v2"), share: Share::percent(10) },
        response_timeout: Duration::from_secs(30),
    };
    Table { generation: 1, routes: [("web".to_owned(), route)].into() }
}
