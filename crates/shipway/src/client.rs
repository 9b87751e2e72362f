//! A small HTTP/1.1 client for our own API on loopback or a private network.

use crate::exit::{Exit, Failure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, header, http::uri::Authority};
use hyper_util::rt::TokioIo;
use shipway_base::Secret;
use std::time::Duration;
use tokio::net::TcpStream;

/// Where the server is and who asks.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    authority: Authority,
    token: Option<Secret>,
}

/// How long one answer may take; long waits are asked for in slices.
const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    /// A client for `http://host:port`.
    pub(crate) fn new(url: &str, token: Option<Secret>) -> Result<Client, Failure> {
        let invalid = || {
            Failure::new(Exit::Usage, format!("{url:?} is not a server's address"))
                .with_help("write it as http://127.0.0.1:7070")
        };
        let rest = url.strip_prefix("http://").ok_or_else(invalid)?.trim_end_matches('/');
        Ok(Client { authority: rest.parse().map_err(|_| invalid())?, token })
    }

    /// The server's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Sends a request and gives the status and body of the answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, Bytes), Failure> {
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::NoServer, format!("no answer from http://{}: {error}", self.authority))
                .with_code("SW1001")
                .with_help("is `shipway up` running? give its address with --url or SHIPWAY_URL")
        };
        let port = self.authority.port_u16().unwrap_or(80);
        let exchange = async {
            let stream = TcpStream::connect((self.authority.host(), port))
                .await
                .map_err(|error| unreachable(&error))?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|error| unreachable(&error))?;
            let connection = tokio::spawn(connection);
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, self.authority.as_str())
                .header(header::ACCEPT, "application/json");
            if body.is_some() {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            if let Some(token) = &self.token {
                request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request
                .body(Full::new(Bytes::from(body.unwrap_or_default())))
                .map_err(|error| Failure::new(Exit::Usage, format!("cannot ask for {path}: {error}")))?;
            let answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
            connection.abort();
            Ok((status, body))
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| unreachable(&"it took longer than a minute"))?
    }
}
