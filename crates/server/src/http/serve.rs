//! The listener's loop: connections in, and a stop that lets requests finish.

use super::{Context, router};
use std::{future::IntoFuture, io, time::Duration};
use tokio::net::TcpListener;

/// Serves until `context.stopping` is cancelled, then lets requests under way finish for at most `grace`.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, context: Context, grace: Duration) -> io::Result<()> {
    let stopping = context.stopping.clone();
    let ended = stopping.clone();
    let server = axum::serve(listener, router(context))
        .with_graceful_shutdown(async move { stopping.cancelled().await })
        .into_future();
    let late = async {
        ended.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        outcome = server => outcome,
        () = late => Ok(()),
    }
}
