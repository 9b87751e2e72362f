//! One connection and the clients that share it, one request at a time.

use super::{Failure, Identity, Outcome, Plan, report::Ledger};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{COOKIE, HOST, HeaderValue, SET_COOKIE},
};
use hyper_util::rt::TokioIo;
use shipway_base::{Clock, Timestamp};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::Instant};
use tokio_util::sync::CancellationToken;

/// One connection and the clients that share it.
pub(super) struct Lane {
    number: u32,
    plan: Arc<Plan>,
    clock: Clock,
    ledger: Arc<Ledger>,
    random: SplitMix,
    connection: Option<SendRequest<Empty<Bytes>>>,
    /// Each client's cookies, by client and name.
    jars: BTreeMap<u32, BTreeMap<String, String>>,
}

/// A request sent later than this after it was due is late.
const LATE: Duration = Duration::from_secs(1);

impl Lane {
    pub(super) fn new(number: u32, plan: Arc<Plan>, clock: Clock, ledger: Arc<Ledger>) -> Lane {
        let random = SplitMix(plan.seed ^ u64::from(number).wrapping_mul(0xd134_2543_de82_ef95));
        Lane { number, plan, clock, ledger, random, connection: None, jars: BTreeMap::new() }
    }

    /// Sends this lane's requests: every `lanes`-th of all.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let start = Instant::now();
        let mut ticket = u64::from(self.number);
        while self.plan.requests.is_none_or(|requests| ticket < requests) && !stop.is_cancelled() {
            if let Some(rate) = self.plan.rate {
                let due =
                    start + Duration::try_from_secs_f64(ticket as f64 / rate).unwrap_or(Duration::MAX / 4);
                if stop.run_until_cancelled(tokio::time::sleep_until(due)).await.is_none() {
                    return;
                }
                if due.elapsed() > LATE {
                    self.ledger.late();
                }
            }
            let outcome = self.one().await;
            self.ledger.record(&outcome);
            ticket += u64::from(self.plan.lanes);
        }
    }

    /// One request of one of this lane's clients, to its outcome.
    async fn one(&mut self) -> Outcome {
        let (clients, lanes) = (u64::from(self.plan.clients), u64::from(self.plan.lanes));
        let number = u64::from(self.number);
        // The clients of a lane are those with its remainder, so none ever uses two connections at once.
        let mine = (clients - number).div_ceil(lanes);
        let client = u32::try_from(self.random.next() % mine * lanes + number).unwrap_or(0);
        let sent_at = self.clock.now();
        let patience = self.plan.patience;
        let mut outcome = Outcome { client, status: None, version: None, failure: None, micros: 0 };
        match tokio::time::timeout(patience, self.exchange(&mut outcome)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => outcome.failure = Some(failure),
            Err(_) => outcome.failure = Some(Failure::Timeout),
        }
        if outcome.failure.is_some() && outcome.status.is_none_or(|status| status < 500) {
            self.connection = None;
        }
        outcome.micros = micros_since(&self.clock, sent_at);
        outcome
    }

    async fn exchange(&mut self, outcome: &mut Outcome) -> Result<(), Failure> {
        let answer = self.send(outcome.client).await?;
        let status = answer.status().as_u16();
        outcome.status = Some(status);
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        outcome.version = answer.headers().get(self.plan.version_header.as_str()).and_then(text);
        let router = answer.headers().get("shipway-cause").and_then(text);
        if self.plan.identity == Identity::Cookies {
            let jar = self.jars.entry(outcome.client).or_default();
            let set = answer.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
            for (name, value) in set.filter_map(|line| line.split(';').next()?.split_once('=')) {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| Failure::Cut)?;
        }
        match router {
            Some(cause) => Err(Failure::Router(cause)),
            None if status >= 500 => Err(Failure::Status(status)),
            None => Ok(()),
        }
    }

    async fn send(&mut self, client: u32) -> Result<Response<Incoming>, Failure> {
        // A connection that was closed while it rested never took the request: that is not a failure.
        for _ in 0..3 {
            let request = self.request(client);
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            if connection.ready().await.is_err() {
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(answer) => {
                    self.connection = Some(connection);
                    return Ok(answer);
                }
                Err(failed) if failed.message().is_some() => {}
                Err(_) => return Err(Failure::Closed),
            }
        }
        Err(Failure::Closed)
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, Failure> {
        let stream = TcpStream::connect(self.plan.target).await.map_err(|_| Failure::Connect)?;
        stream.set_nodelay(true).map_err(|_| Failure::Connect)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::Connect)?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection of the load ended");
            }
        });
        Ok(sender)
    }

    fn request(&self, client: u32) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.plan.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.plan.host) {
            headers.insert(HOST, host);
        }
        match &self.plan.identity {
            Identity::Cookies => {
                let jar = self.jars.get(&client).into_iter().flatten();
                let pairs: Vec<_> = jar.map(|(name, value)| format!("{name}={value}")).collect();
                if let (false, Ok(line)) = (pairs.is_empty(), HeaderValue::try_from(pairs.join("; "))) {
                    headers.insert(COOKIE, line);
                }
            }
            Identity::Header(name) => {
                let name = hyper::header::HeaderName::try_from(name.as_str());
                let value = HeaderValue::try_from(format!("client-{client}"));
                if let (Ok(name), Ok(value)) = (name, value) {
                    headers.insert(name, value);
                }
            }
            Identity::Nothing => {}
        }
        request
    }
}

fn micros_since(clock: &Clock, earlier: Timestamp) -> u64 {
    u64::try_from(clock.now().since(earlier).as_micros()).unwrap_or(u64::MAX)
}

/// A small generator with a full period; good enough to deal clients, and it needs no dependency.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
