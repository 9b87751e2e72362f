//! One request from its head to the head of its answer: route, choose, send, and where it is safe, try again.

use crate::{
    Dropped, answer,
    body::{Content, RequestBody, ResponseBody, Upload},
    connection::{Connection, Identity},
    counters::Cause,
    flight::Flight,
    head,
    instance::Instance,
    snapshot::{NoPick, Picked, Routed, Snapshot},
    tunnel,
    upstream::{SendError, Upstream},
};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    header::{EXPECT, HeaderValue, SET_COOKIE},
    upgrade::OnUpgrade,
};
use shipway_base::Timestamp;
use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
    time::Duration,
};
use tokio::time::Instant;

/// A request may be sent again once when nobody knows what became of it, and wherever it surely was not sent; this
/// bounds the latter.
const ATTEMPTS: usize = 16;

/// Answers one request of a client connection.
pub(crate) async fn serve(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let busy = connection.begin();
    let answer = route(connection, request).await;
    Ok(answer.map(|content| ResponseBody::new(content, busy)))
}

/// What becomes of a request's body that is not read to its end. An HTTP/1 connection cannot serve another request then,
/// and a client that is not told would send its next one into a closed connection.
#[derive(Clone, Copy)]
struct Unread {
    /// Whether the connection is of a kind that ends.
    ends: bool,
    /// Whether the client waits for a word before it sends its body.
    asks: bool,
}

/// What a request needs to be sent again.
struct Spare {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// Why an attempt brought no answer.
enum Failure {
    Timeout,
    Lost(SendError),
}

async fn route(connection: Arc<Connection>, mut request: Request<Incoming>) -> Response<Content> {
    let worker = &connection.worker;
    let started = worker.shared.now();
    if request.method() == Method::CONNECT {
        return answer::refused(StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported");
    }
    let host = match head::plain_host(request.version(), request.uri(), request.headers()) {
        Ok(host) => host,
        Err(reason) => return answer::refused(StatusCode::BAD_REQUEST, reason),
    };
    // The first choice and the client's identity must come from the same table.
    let choose = |snapshot: &Snapshot| {
        let routed = Arc::clone(snapshot.select(&host)?);
        let identity = connection.identify(&routed, request.headers());
        let picked = routed.pick(identity.bucket, &[], worker.turn(), started);
        Some((routed, identity, picked))
    };
    let snapshot = worker.snapshot();
    let mut chosen = choose(&snapshot);
    if !worker.shared.is_current(&snapshot) {
        chosen = worker.shared.with_current(choose);
    }
    drop(snapshot);
    let Some((routed, identity, picked)) = chosen else {
        worker.shared.unrouted.fetch_add(1, Relaxed);
        let mut answer = answer::unrouted(&host);
        let unread = Unread::of(&request);
        let (mut body, upload) =
            RequestBody::new(request.into_body(), worker.shared.options.limits.body_timeout);
        unread.end(&mut body, upload.as_deref(), &mut answer).await;
        return answer;
    };
    drop(host);
    let unread = Unread::of(&request);
    let upgrade = head::is_upgrade(request.version(), request.headers());
    let tunnel = upgrade.then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    head::to_instance(&mut parts, &connection.forwarded_for, upgrade);
    let (body, upload) = RequestBody::new(body, worker.shared.options.limits.body_timeout);
    let spare = upload.is_none() && head::is_idempotent(&parts.method);
    let spare = spare.then(|| Spare {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
    });
    // In a box from here on: every step on its way would carry a copy of its space.
    let request = Box::new(Request::from_parts(parts, body));
    let mut journey = Journey { connection: &connection, identity, started, unread, upload, spare, tunnel };
    let mut answer = journey.run(routed, picked, request).await;
    journey.unread.tell(journey.upload.as_deref(), &mut answer);
    if let Some(name) = identity.named
        && let Ok(cookie) = HeaderValue::try_from(worker.shared.signer.set_cookie(name))
    {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

/// A request whose head is ready for instances.
struct Journey<'a> {
    connection: &'a Arc<Connection>,
    identity: Identity,
    started: Timestamp,
    unread: Unread,
    /// `None` when the request has no body.
    upload: Option<Arc<Upload>>,
    /// `None` when the request must not be sent twice.
    spare: Option<Spare>,
    tunnel: Option<OnUpgrade>,
}

impl Journey<'_> {
    async fn run(
        &mut self,
        mut routed: Arc<Routed>,
        first: Result<Picked, NoPick>,
        mut request: Box<Request<RequestBody>>,
    ) -> Response<Content> {
        let mut tried: Vec<Arc<Instance>> = Vec::new();
        let mut refusal: Option<Cause> = None;
        let mut fresh = false;
        let mut flight: Option<Flight> = None;
        let mut picked = first;
        for _ in 0..ATTEMPTS {
            let current = match self.board(&routed, picked, flight, &tried, refusal) {
                Ok(current) => current,
                Err(mut answer) => {
                    self.unread.end(request.body_mut(), self.upload.as_deref(), &mut answer).await;
                    return *answer;
                }
            };
            let mut current = current;
            let instance = Arc::clone(current.instance());
            let upstream = match self.upstream(&instance, fresh).await {
                Ok(upstream) => upstream,
                Err(error) => {
                    self.pass_over(&routed, &instance);
                    let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                    refusal = Some(if refused { Cause::Refused } else { Cause::Unreachable });
                    tried.push(instance);
                    flight = Some(current);
                    (routed, picked) = self.pick_again(routed, &tried);
                    continue;
                }
            };
            let reused = upstream.reused;
            let lost = match self.send(upstream, request, current).await {
                Ok(answer) => return answer,
                Err((failed, lost)) => {
                    current = failed;
                    lost
                }
            };
            if self.upload.as_ref().is_some_and(|upload| upload.has_failed()) {
                // Dropped uncounted, the flight counts as given up by its client.
                let reason = "the request's body broke off or came too slowly";
                return answer::refused(StatusCode::REQUEST_TIMEOUT, reason);
            }
            let error = match lost {
                Failure::Timeout => {
                    return current.failed(Cause::Timeout);
                }
                Failure::Lost(error) => error,
            };
            request = match (error.unsent, self.spare.take()) {
                (Some(unsent), spare) => {
                    self.spare = spare;
                    unsent
                }
                (None, Some(spare)) => {
                    if !reused {
                        tried.push(instance);
                    }
                    Box::new(spare.into_request())
                }
                (None, None) => {
                    let invalid = error.error.is_parse();
                    let cause = if invalid { Cause::Invalid } else { Cause::Closed };
                    tracing::debug!(instance = instance.id, error = %error.error, "no answer");
                    return current.failed(cause);
                }
            };
            refusal = Some(Cause::Closed);
            fresh = true;
            routed.service.retries.fetch_add(1, Relaxed);
            flight = Some(current);
            (routed, picked) = self.pick_again(routed, &tried);
        }
        match flight {
            Some(mut flight) => flight.failed(Cause::Closed),
            None => answer::failed(&routed.route.service, Cause::Closed),
        }
    }

    /// Puts the request on its way to the instance picked; when there is none in its arm, to one of the other arm.
    fn board(
        &self,
        routed: &Arc<Routed>,
        picked: Result<Picked, NoPick>,
        flight: Option<Flight>,
        tried: &[Arc<Instance>],
        refusal: Option<Cause>,
    ) -> Result<Flight, Box<Response<Content>>> {
        let service = &routed.route.service;
        let drop_it = |why: Dropped, reason: &str| {
            routed.service.count_drop(why);
            Err(Box::new(answer::dropped(service, why, reason)))
        };
        let mut flight = flight;
        let picked = match picked {
            Ok(picked) => picked,
            Err(NoPick::Closed) => {
                let reason = routed.closed_reason();
                return drop_it(Dropped::Closed, reason);
            }
            Err(NoPick::Empty(assigned)) => {
                // An arm all of whose instances refuse has failed its client, even if the other arm helps out.
                let failed = match (&mut flight, refusal) {
                    (Some(flight), Some(cause)) => Some(flight.failed(cause)),
                    (None, Some(cause)) => Some(answer::failed(service, cause)),
                    (Some(_) | None, None) => None,
                };
                let worker = &self.connection.worker;
                match (routed.pick_other(assigned, tried, worker.turn(), self.started), failed) {
                    (Some(other), _) => other,
                    (None, Some(answer)) => return Err(Box::new(answer)),
                    (None, None) => return drop_it(Dropped::NoInstance, ""),
                }
            }
        };
        Ok(match flight {
            Some(mut flight) => {
                flight.reroute(routed, picked);
                flight
            }
            None => Flight::new(self.connection, routed, picked, self.identity, self.started),
        })
    }

    /// Chooses again, from the table in force now.
    fn pick_again(
        &self,
        routed: Arc<Routed>,
        tried: &[Arc<Instance>],
    ) -> (Arc<Routed>, Result<Picked, NoPick>) {
        let worker = &self.connection.worker;
        let now = worker.shared.now();
        worker.shared.with_current(|snapshot| {
            let routed = snapshot.by_service.get(&routed.route.service).cloned().unwrap_or(routed);
            let picked = routed.pick(self.identity.bucket, tried, worker.turn(), now);
            (routed, picked)
        })
    }

    async fn upstream(&self, instance: &Instance, fresh: bool) -> io::Result<Upstream> {
        let worker = &self.connection.worker;
        match (!fresh).then(|| instance.take(worker.index)).flatten() {
            Some(upstream) => Ok(upstream),
            None => {
                let limit = worker.shared.options.limits.connect_timeout;
                Box::pin(Upstream::connect(instance.address, limit, &worker.outbox)).await
            }
        }
    }

    /// Notes that an instance refused a connection.
    fn pass_over(&self, routed: &Routed, instance: &Instance) {
        let shared = &self.connection.worker.shared;
        let now = shared.now();
        if !instance.is_ejected(now) {
            routed.service.count_ejection(&instance.id);
            tracing::warn!(instance = instance.id, address = %instance.address, "an instance refused a connection");
        }
        instance.eject(now, shared.options.limits.ejection);
        routed.service.retries.fetch_add(1, Relaxed);
    }

    /// One attempt on one connection.
    async fn send(
        &mut self,
        mut upstream: Upstream,
        request: Box<Request<RequestBody>>,
        mut flight: Flight,
    ) -> Result<Response<Content>, (Flight, Failure)> {
        let limit = flight.routed().route.response_timeout;
        if let Some(client) = self.tunnel.take() {
            // In a box, as every future that few requests need: the others would carry its space along.
            let opening = Box::pin(tunnel::open(client, upstream, request, flight, limit));
            return opening.await.map_err(|failed| {
                let (client, flight, failure) = *failed;
                self.tunnel = Some(client);
                (flight, failure.map_or(Failure::Timeout, Failure::Lost))
            });
        }
        match send_within(&mut upstream, request, limit, self.upload.as_deref()).await {
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Ok(flight.failed(Cause::Invalid))
            }
            Ok(answer) => {
                flight.answered(answer.status().as_u16());
                let (mut parts, body) = answer.into_parts();
                head::to_client(&mut parts, false);
                Ok(Response::from_parts(parts, Content::proxied(body, Some(upstream), flight)))
            }
            Err(failure) => Err((flight, failure)),
        }
    }
}

/// Waits for the head of an answer for at most `limit`, not counting the time in which the request's body moves on.
async fn send_within(
    upstream: &mut Upstream,
    request: Box<Request<RequestBody>>,
    limit: Duration,
    upload: Option<&Upload>,
) -> Result<Response<Incoming>, Failure> {
    let mut alarm = std::mem::take(&mut upstream.alarm);
    let outcome = {
        let mut sending = pin!(upstream.send(request));
        let mut frames = 0;
        let mut deadline = Instant::now() + limit;
        poll_fn(|context| {
            if let Poll::Ready(answer) = sending.as_mut().poll(context) {
                return Poll::Ready(answer.map_err(Failure::Lost));
            }
            while alarm.poll(context, deadline).is_ready() {
                let now = upload.map_or(0, Upload::frames);
                if now == frames {
                    return Poll::Ready(Err(Failure::Timeout));
                }
                frames = now;
                deadline = Instant::now() + limit;
            }
            Poll::Pending
        })
        .await
    };
    upstream.alarm = alarm;
    outcome
}

impl Unread {
    fn of<B>(request: &Request<B>) -> Unread {
        Unread { ends: request.version() < Version::HTTP_2, asks: request.headers().contains_key(EXPECT) }
    }

    /// Ends a request that goes nowhere: a small body is read, so that the connection lives on.
    async fn end(self, body: &mut RequestBody, upload: Option<&Upload>, answer: &mut Response<Content>) {
        if self.ends && !self.asks {
            // In a box: the future of every request would carry its space along.
            Box::pin(body.discard()).await;
        }
        self.tell(upload, answer);
    }

    /// Tells the client when its connection ends.
    fn tell(self, upload: Option<&Upload>, answer: &mut Response<Content>) {
        let own = matches!(answer.body(), Content::Own(_));
        let tunnel = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        if self.ends && own && !tunnel && upload.is_some_and(|upload| !upload.is_complete()) {
            answer::close(answer);
        }
    }
}

impl Spare {
    fn into_request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}
