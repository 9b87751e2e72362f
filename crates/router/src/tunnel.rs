//! Connections that become something else after `101 Switching Protocols`, as WebSockets do.

use crate::{
    body::{Content, RequestBody},
    flight::Flight,
    head,
    upstream::{SendError, Upstream},
};
use hyper::{Request, Response, StatusCode, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use std::time::Duration;

/// An attempt without an answer: what is needed to try again, and how it failed (`None` after too long a wait).
pub(crate) type Failed = Box<(OnUpgrade, Flight, Option<SendError>)>;

/// Sends a request that asks for a tunnel. When the instance agrees, bytes pass in both directions until both sides
/// have ended, and count as in flight; when it does not, its answer passes like any other.
pub(crate) async fn open(
    client: OnUpgrade,
    upstream: Upstream,
    request: Box<Request<RequestBody>>,
    mut flight: Flight,
    limit: Duration,
) -> Result<Response<Content>, Failed> {
    let tasks = flight.tasks().clone();
    let (mut sender, driver) = upstream.into_task();
    drop(tasks.spawn(driver));
    let mut answer = match tokio::time::timeout(limit, sender.try_send_request(*request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(failed)) => return Err(Box::new((client, flight, Some(SendError::from(failed))))),
        Err(_) => return Err(Box::new((client, flight, None))),
    };
    flight.answered(answer.status().as_u16());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (mut parts, body) = answer.into_parts();
        head::to_client(&mut parts, false);
        return Ok(Response::from_parts(parts, Content::proxied(body, None, flight)));
    }
    let instance = hyper::upgrade::on(&mut answer);
    drop(tasks.spawn(pass(client, instance, flight)));
    let (mut parts, _) = answer.into_parts();
    head::to_client(&mut parts, true);
    Ok(Response::from_parts(parts, Content::Own(None)))
}

async fn pass(client: OnUpgrade, instance: OnUpgrade, flight: Flight) {
    let outcome = async {
        let (client, instance) = tokio::try_join!(client, instance).map_err(std::io::Error::other)?;
        tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(instance)).await
    };
    match outcome.await {
        Ok((sent, received)) => tracing::debug!(sent, received, "tunnel ended"),
        Err(error) => tracing::debug!(%error, "tunnel broke off"),
    }
    drop(flight);
}
