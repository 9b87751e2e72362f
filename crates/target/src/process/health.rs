//! Health: one question over HTTP, and what a row of answers means.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use shipway_base::human_duration;
use shipway_rollout::{delivery::InstancePhase, document::HealthCheck};
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// The part of an answer's body that is kept for people.
const BODY: usize = 300;
/// Answers with larger bodies are cut off.
const BODY_READ: usize = 16 * 1024;

/// The outcome of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    pub(super) text: String,
}

impl Answer {
    /// As Kubernetes counts: from 200 to 399.
    pub(super) fn is_healthy(&self) -> bool {
        self.status.is_some_and(|status| (200..400).contains(&status))
    }

    fn none(text: impl Into<String>) -> Answer {
        Answer { status: None, text: text.into() }
    }
}

/// Asks once.
pub(super) async fn ask(address: SocketAddr, check: &HealthCheck) -> Answer {
    match timeout(check.timeout, get(address, &check.path)).await {
        Ok(answer) => answer,
        Err(_) => Answer::none(format!("no answer within {}", human_duration(check.timeout))),
    }
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    let stream = match TcpStream::connect(address).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Answer::none(format!("nothing listens on port {}", address.port()));
        }
        Err(error) => return Answer::none(format!("cannot connect to port {}: {error}", address.port())),
    };
    let (mut sender, connection) = match hyper::client::conn::http1::handshake(TokioIo::new(stream)).await {
        Ok(parts) => parts,
        Err(error) => return Answer::none(format!("cannot speak HTTP: {error}")),
    };
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "shipway-health")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    let request = match request {
        Ok(request) => request,
        Err(error) => return Answer::none(format!("cannot ask for {path}: {error}")),
    };
    // The connection lives as long as this question: when it is dropped, so is the connection.
    let conversation = async {
        let response =
            sender.send_request(request).await.map_err(|error| format!("no HTTP answer: {error}"))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), BODY_READ).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok::<Answer, String>(Answer { status: Some(status), text: beginning(&body) })
    };
    tokio::pin!(conversation);
    let mut connection = std::pin::pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            answer = &mut conversation => return answer.unwrap_or_else(Answer::none),
            _ = &mut connection, if open => open = false,
        }
    }
}

/// The beginning of a body as one line of text.
fn beginning(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(BODY).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(|c: char| c.is_control(), " ")
}

/// What a row of answers means for an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gauge {
    healthy_threshold: u32,
    unhealthy_threshold: u32,
    phase: InstancePhase,
    /// It was ready before this program was restarted and has not answered since: one healthy answer is enough, and a
    /// row of failures makes it unready rather than leaving it starting.
    resumes: bool,
    /// Answers in a row that speak against the present phase.
    against: u32,
    /// How often it became unready.
    pub(super) flaps: u32,
}

impl Gauge {
    /// An instance that starts, or with `resumes` one that was found running and was ready before.
    pub(super) fn new(check: &HealthCheck, resumes: bool) -> Gauge {
        Gauge {
            healthy_threshold: check.healthy_threshold,
            unhealthy_threshold: check.unhealthy_threshold,
            phase: InstancePhase::Starting,
            resumes,
            against: 0,
            flaps: 0,
        }
    }

    pub(super) fn phase(&self) -> InstancePhase {
        self.phase.clone()
    }

    /// Takes in one answer; returns whether the phase changed.
    pub(super) fn take(&mut self, healthy: bool) -> bool {
        let (against, threshold, next) = match self.phase {
            InstancePhase::Ready => (!healthy, self.unhealthy_threshold, InstancePhase::Unready),
            InstancePhase::Starting if self.resumes && healthy => (true, 1, InstancePhase::Ready),
            InstancePhase::Starting if self.resumes => {
                (true, self.unhealthy_threshold, InstancePhase::Unready)
            }
            InstancePhase::Starting | InstancePhase::Unready => {
                (healthy, self.healthy_threshold, InstancePhase::Ready)
            }
            InstancePhase::Stopping | InstancePhase::Exited(_) | InstancePhase::CannotStart { .. } => {
                return false;
            }
        };
        self.against = if against { self.against + 1 } else { 0 };
        if self.against < threshold {
            return false;
        }
        self.against = 0;
        self.resumes = false;
        if next == InstancePhase::Unready {
            self.flaps += 1;
        }
        self.phase = next;
        true
    }
}

/// How long to wait before the next question.
pub(super) fn pause(check: &HealthCheck, first: bool) -> Duration {
    // The first one comes soon: a service that is up at once is ready at once.
    if first { check.interval.min(Duration::from_millis(20)) } else { check.interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as letters (`+` healthy, `-` not) and the phase after each (`s`tarting, `r`eady, `u`nready).
    fn check(resumes: bool, answers: &str, expect: &str) {
        let rules = HealthCheck { healthy_threshold: 2, unhealthy_threshold: 3, ..HealthCheck::default() };
        let mut gauge = Gauge::new(&rules, resumes);
        let phases: String = answers
            .chars()
            .map(|answer| {
                gauge.take(answer == '+');
                match gauge.phase() {
                    InstancePhase::Starting => 's',
                    InstancePhase::Ready => 'r',
                    InstancePhase::Unready => 'u',
                    InstancePhase::Stopping
                    | InstancePhase::Exited(_)
                    | InstancePhase::CannotStart { .. } => '?',
                }
            })
            .collect();
        assert_eq!(phases, expect, "{answers}");
    }

    #[test]
    fn thresholds_count_answers_in_a_row() {
        check(false, "---------", "sssssssss");
        check(false, "-+-++--+---+-++", "ssssrrrrrruuuur");
        check(true, "+--+", "rrrr");
        check(true, "---+-++", "ssuuuur");
    }

    #[test]
    fn bodies_become_one_line() {
        assert_eq!(beginning(b"  a\n b\x1b[0m\tc "), "a b [0m c");
        assert_eq!(beginning(&[b'x'; 1_000]).len(), BODY);
    }
}
