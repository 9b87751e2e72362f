//! Serves the pages on sample data, for browser tests and for looking at them.
//!
//! `cargo run -p shipway-server --example pages [PORT]` prints the address and a sign-in path, one line each. A line
//! `link` on standard input prints another sign-in path; the end of standard input ends the server.

#[path = "../tests/it/fake/mod.rs"]
mod fake;

use fake::{Fake, FakeLog, NOW, samples};
use shipway_api::RawLine;
use shipway_base::{Clock, Secret};
use shipway_server::{
    backend::Change,
    http::{Context, auth::Auth, serve},
};
use std::{error::Error, io::Write, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Reads the port from the arguments; without one the system chooses.
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let fake = Arc::new(samples::rich());
    let auth = Arc::new(Auth::new(Secret::new("the samples are no secret")));
    let stopping = CancellationToken::new();
    let context = Context {
        backend: fake.clone(),
        auth: auth.clone(),
        clock: Clock::new(|| NOW),
        version: "0.1.0",
        sign_in_command: "shipway sign-in",
        services: None,
        webhook_secret: None,
        stopping: stopping.clone(),
    };
    let ticker = tokio::spawn(tick(fake));
    let talk = tokio::task::spawn_blocking(move || {
        let talked = talk(&auth, &format!("http://{address}"));
        stopping.cancel();
        talked
    });
    serve(listener, context, Duration::from_millis(200)).await?;
    ticker.abort();
    talk.await?
}

fn talk(auth: &Auth, address: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut out = std::io::stdout();
    writeln!(out, "{address}\n{}", auth.sign_in_link(NOW)?.path)?;
    for line in std::io::stdin().lines() {
        if line? == "link" {
            writeln!(out, "{}", auth.sign_in_link(NOW)?.path)?;
        }
    }
    Ok(())
}

/// Lets the running job write a line now and then, so that there is something to follow.
async fn tick(fake: Arc<Fake>) {
    let (run, job) = (samples::run_id(2), samples::key("test/2"));
    let mut beat = tokio::time::interval(Duration::from_millis(250));
    for n in 1_u64..100_000 {
        beat.tick().await;
        if let Some(FakeLog::Lines { lines, .. }) = fake.state().logs.get_mut(&(run, job.clone())) {
            let text = format!("test case_{n:05} ... \x1b[32mok\x1b[0m");
            lines.push(RawLine { at: NOW + Duration::from_millis(250 * n), step: 1, text });
        }
        fake.announce(Change::Log(run, job.clone()));
    }
}
