//! Live updates: patches say what changed, streams of events end.

use crate::{
    client::{As, Client},
    fake::samples,
};
use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use shipway_api::RolloutCommand;
use shipway_server::backend::{Actor, Backend, Change};
use std::time::Duration;

/// A stream of events, read one at a time.
struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    async fn open(client: &Client, path: &str) -> Events {
        let request = client.request("GET", path, As::Browser).header("accept", "text/event-stream");
        let response = client.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The name and the data of the next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim_start().to_owned()).unwrap_or_default()
                };
                let found = (field("event:"), field("data:"));
                self.text = rest.to_owned();
                return Some(found);
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await;
            let piece = piece.expect("an event within 20 s")?.expect("a piece");
            self.text.push_str(std::str::from_utf8(&piece).expect("text"));
        }
    }

    /// The next event of that name with that text in its data.
    async fn until(&mut self, name: &str, part: &str) -> String {
        loop {
            let (event, data) = self.next().await.unwrap_or_else(|| panic!("no {name} with {part}"));
            if event == name && data.contains(part) {
                return data;
            }
        }
    }
}

#[tokio::test]
async fn a_page_hears_what_changed_and_only_that() {
    let client = Client::new(samples::rich());
    let id = samples::rollout_id(1);
    let mut events = Events::open(&client, &format!("/live/rollouts/{id}")).await;
    events.until("patch", "\"id\":\"events\"").await;
    client.fake.announce(Change::Rollout(samples::rollout_id(2)));
    client
        .fake
        .command(id, RolloutCommand::Pause, Default::default(), Actor::Operator)
        .await
        .expect("paused");
    let (event, data) = events.next().await.expect("an event");
    assert_eq!((event.as_str(), data.contains("Paused")), ("title", true));
    let patch = events.until("patch", "\"id\":\"head\"").await;
    assert!(patch.contains("Paused"), "{patch}");
    let mut rest = Vec::new();
    while !rest.iter().any(|data: &String| data.contains("\"id\":\"events\"")) {
        rest.push(events.next().await.expect("an event").1);
    }
    assert!(
        !rest.iter().any(|data| data.contains("\"id\":\"instances\"")),
        "nothing about instances changed"
    );
    client.stopping.cancel();
    assert_eq!(events.next().await, None, "the stream ends with the server");
}

#[tokio::test]
async fn summaries_are_told_when_they_are_new() {
    let client = Client::new(samples::rich());
    let (run, job) = (samples::run_id(2), samples::key("test/2"));
    let mut of_run = Events::open(&client, &format!("/live/runs/{run}")).await;
    let mut of_job = Events::open(&client, &format!("/live/runs/{run}/jobs/test.2")).await;
    of_run.until("patch", "\"id\":\"summaries\"").await;
    of_job.until("patch", "\"id\":\"summary\"").await;
    for text in ["*one*", "*one*\n\n*two*"] {
        for found in client.fake.state().runs.iter_mut().filter(|found| found.summary.id == run) {
            let found = found.jobs.iter_mut().find(|found| found.key == job).expect("the job");
            found.step_summary = Some(text.to_owned());
        }
        client.fake.announce(Change::Run(run));
        let last = if text.contains("two") { "<em>two</em>" } else { "<em>one</em>" };
        let patch = of_run.until("patch", "\"id\":\"summaries\"").await;
        assert!(patch.contains(last), "{patch}");
        let patch = of_job.until("patch", "\"id\":\"summary\"").await;
        assert!(patch.contains(last), "{patch}");
    }
}

#[tokio::test]
async fn a_log_tells_how_long_it_is() {
    let client = Client::new(samples::rich());
    let (run, job) = (samples::run_id(2), samples::key("test/2"));
    let mut events = Events::open(&client, &format!("/live/runs/{run}/jobs/test.2")).await;
    let first = events.until("log", "total").await;
    assert_eq!(first, r#"{"total":2,"complete":false}"#);
    if let Some(crate::fake::FakeLog::Lines { lines, .. }) =
        client.fake.state().logs.get_mut(&(run, job.clone()))
    {
        lines.push(lines[0].clone());
    }
    client.fake.announce(Change::Log(run, job));
    assert_eq!(events.until("log", "total").await, r#"{"total":3,"complete":false}"#);
}

#[tokio::test]
async fn the_events_of_a_rollout_are_followed_to_its_end() {
    let client = Client::new(samples::rich());
    let id = samples::rollout_id(1);
    let mut events = Events::open(&client, &format!("/api/v1/rollouts/{id}/events?after=3")).await;
    assert!(events.next().await.expect("an event").1.contains("\"seq\":4"));
    client
        .fake
        .command(id, RolloutCommand::Abort, Default::default(), Actor::Operator)
        .await
        .expect("aborted");
    assert!(events.next().await.expect("an event").1.contains("\"kind\":\"rolled_back\""));
    assert_eq!(
        events.next().await.expect("the end"),
        ("end".to_owned(), r#"{"phase":"rolled_back"}"#.to_owned())
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_listener_that_lags_reads_everything_anew() {
    let client = Client::new(samples::rich());
    let id = samples::rollout_id(1);
    let mut events = Events::open(&client, &format!("/live/rollouts/{id}")).await;
    events.until("patch", "\"id\":\"events\"").await;
    client
        .fake
        .command(id, RolloutCommand::Pause, Default::default(), Actor::Operator)
        .await
        .expect("paused");
    for _ in 0..500 {
        client.fake.announce(Change::Rollout(samples::rollout_id(2)));
    }
    events.until("title", "Paused").await;
}
