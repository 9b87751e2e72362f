//! Live updates: server-sent events with the parts of a page that changed.
//!
//! Every page names the stream of its updates. The stream renders the page anew whenever something that the page
//! shows has changed, and sends the regions whose HTML is different from what it sent last. So a page and its
//! updates cannot disagree, and a connection that was lost needs no history: the first round sends everything.

use super::{Context, api, error::ApiError, pages, pages::Told, workflows};
use crate::{
    backend::{BackendError, Change},
    web::View,
};
use axum::{
    Router,
    extract::{Path, RawQuery, State},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{Stream, StreamExt, future::BoxFuture, stream};
use serde_json::json;
use shipway_api::RolloutId;
use shipway_base::Digest;
use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::broadcast::{self, error::RecvError};

/// Changes that come this close together are shown at once.
const COALESCE: Duration = Duration::from_millis(100);
/// How often a silent connection is kept open with a comment.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/live/home", get(home))
        .route("/live/runs", get(runs))
        .route("/live/runs/{run}", get(run))
        .route("/live/runs/{run}/attempts/{attempt}", get(run))
        .route("/live/runs/{run}/jobs/{job}", get(job))
        .route("/live/runs/{run}/attempts/{attempt}/jobs/{job}", get(job))
        .route("/live/workflows", get(workflow_list))
        .route("/live/rollouts", get(rollouts))
        .route("/live/rollouts/{rollout}", get(rollout))
}

async fn home(State(context): State<Context>) -> Response {
    let render =
        move |context: Context| -> Rendering { Box::pin(async move { pages::home_view(&context).await }) };
    patches(context, |change| !matches!(change, Change::Log(..) | Change::Workflows), render)
}

async fn runs(State(context): State<Context>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let query = api_query(query.as_deref(), pages::runs_query)?;
    let render = move |context: Context| -> Rendering {
        let query = query.clone();
        Box::pin(async move { pages::runs_view(&context, query).await })
    };
    Ok(patches(context, |change| matches!(change, Change::Run(_)), render))
}

async fn run(State(context): State<Context>, Path(path): Path<api::RunPath>) -> Result<Response, ApiError> {
    let which = path.which()?;
    let told = Arc::<Told>::default();
    let render = move |context: Context| -> Rendering {
        let told = told.clone();
        Box::pin(async move { pages::run_live_view(&context, which, &told).await })
    };
    // The run page lists the rollouts of its deploy steps, whose numbers it does not know beforehand.
    let concerns = move |change: &Change| match change {
        Change::Run(changed) => *changed == which.run,
        Change::Rollout(_) => true,
        Change::Log(..) | Change::Workflows => false,
    };
    Ok(patches(context, concerns, render))
}

async fn job(State(context): State<Context>, Path(path): Path<api::JobPath>) -> Result<Response, ApiError> {
    let (which, key) = path.which()?;
    let (shown, told) = (key.clone(), Arc::<Told>::default());
    let render = move |context: Context| -> Rendering {
        let (key, told) = (shown.clone(), told.clone());
        Box::pin(async move { pages::job_live_view(&context, which, key, &told).await })
    };
    let concerns = move |change: &Change| match change {
        Change::Run(changed) => *changed == which.run,
        Change::Log(changed, job) => *changed == which.run && *job == key,
        Change::Rollout(_) | Change::Workflows => false,
    };
    Ok(patches(context, concerns, render))
}

async fn workflow_list(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let git_ref = api_query(query.as_deref(), workflows::ref_query)?;
    let render = move |context: Context| -> Rendering {
        let git_ref = git_ref.clone();
        Box::pin(async move { workflows::list_view(&context, git_ref).await })
    };
    Ok(patches(context, |change| matches!(change, Change::Workflows), render))
}

async fn rollouts(State(context): State<Context>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let query = api_query(query.as_deref(), pages::rollouts_query)?;
    let render = move |context: Context| -> Rendering {
        let query = query.clone();
        Box::pin(async move { pages::rollouts_view(&context, query).await })
    };
    Ok(patches(context, |change| matches!(change, Change::Rollout(_)), render))
}

async fn rollout(State(context): State<Context>, Path(rollout): Path<String>) -> Result<Response, ApiError> {
    let id: RolloutId = api::id("rollout", &rollout)?;
    let render = move |context: Context| -> Rendering {
        Box::pin(async move { pages::rollout_view(&context, id).await })
    };
    Ok(patches(context, move |change| *change == Change::Rollout(id), render))
}

fn api_query<Q>(
    text: Option<&str>,
    read: fn(Option<&str>) -> Result<Q, Box<shipway_api::Problem>>,
) -> Result<Q, ApiError> {
    read(text).map_err(ApiError::from)
}

type Rendering = BoxFuture<'static, Result<View, BackendError>>;

/// The state of one connection between two rounds.
struct Live<C, R> {
    context: Context,
    changes: broadcast::Receiver<Change>,
    concerns: C,
    render: R,
    sent: BTreeMap<String, Digest>,
    first: bool,
}

fn patches<C, R>(context: Context, concerns: C, render: R) -> Response
where
    C: Fn(&Change) -> bool + Send + Sync + 'static,
    R: Fn(Context) -> Rendering + Send + Sync + 'static,
{
    // Subscribed before the first rendering: nothing falls between the two.
    let changes = context.backend.changes();
    let live = Live { context, changes, concerns, render, sent: BTreeMap::new(), first: true };
    let rounds = stream::unfold(live, |mut live| async move {
        let events = live.round().await?;
        Some((stream::iter(events), live))
    });
    respond(rounds.flatten().map(Ok))
}

impl<C, R> Live<C, R>
where
    C: Fn(&Change) -> bool + Send + Sync,
    R: Fn(Context) -> Rendering + Send + Sync,
{
    /// Waits for a change that concerns the page and says what is different now; `None` when the server stops.
    async fn round(&mut self) -> Option<Vec<Event>> {
        if !std::mem::take(&mut self.first) && !self.changed().await {
            return None;
        }
        let view = match (self.render)(self.context.clone()).await {
            Ok(view) => view,
            Err(error) => {
                // The page stays as it is and says that it is not live; the browser connects again by itself.
                tracing::warn!(error = &error as &dyn std::error::Error, "a live page could not be rendered");
                return None;
            }
        };
        Some(self.difference(&view))
    }

    async fn changed(&mut self) -> bool {
        let stopping = self.context.stopping.clone();
        let waited = async {
            loop {
                match self.changes.recv().await {
                    Ok(change) if (self.concerns)(&change) => break true,
                    Ok(_) => {}
                    // What was missed does not matter, the page is rendered from the present state.
                    Err(RecvError::Lagged(_)) => break true,
                    Err(RecvError::Closed) => break false,
                }
            }
        };
        let changed = tokio::select! {
            changed = waited => changed,
            () = stopping.cancelled() => false,
        };
        if changed {
            tokio::time::sleep(COALESCE).await;
            // Everything up to here is in the next rendering.
            while matches!(self.changes.try_recv(), Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_))) {}
        }
        changed
    }

    fn difference(&mut self, view: &View) -> Vec<Event> {
        let title = json!({ "title": view.document_title(), "icon": view.icon() });
        let title = ("title", "title".to_owned(), title.to_string());
        let regions = view.regions.iter().map(|region| {
            let patch = json!({ "id": region.id, "html": region.render().into_string() });
            ("patch", format!("region {}", region.id), patch.to_string())
        });
        let facts = view.facts.iter().map(|(name, fact)| (*name, (*name).to_owned(), fact.to_string()));
        let mut events = Vec::new();
        for (event, key, data) in std::iter::once(title).chain(regions).chain(facts) {
            let digest = Digest::of(data.as_bytes());
            if self.sent.insert(key, digest) != Some(digest) {
                events.push(Event::default().event(event).data(data));
            }
        }
        events
    }
}

/// The events of a rollout from `after` on, to its end.
pub(super) fn rollout_events(context: Context, rollout: RolloutId, after: u64) -> Response {
    let changes = context.backend.changes();
    let follow = Follow { context, changes, rollout, after, state: FollowState::Reading };
    let rounds = stream::unfold(follow, |mut follow| async move {
        let events = follow.round().await?;
        Some((stream::iter(events), follow))
    });
    respond(rounds.flatten().map(Ok))
}

struct Follow {
    context: Context,
    changes: broadcast::Receiver<Change>,
    rollout: RolloutId,
    after: u64,
    state: FollowState,
}

#[derive(PartialEq)]
enum FollowState {
    Reading,
    Waiting,
    Ended,
}

impl Follow {
    async fn round(&mut self) -> Option<Vec<Event>> {
        const BATCH: u32 = 500;
        match self.state {
            FollowState::Ended => return None,
            FollowState::Waiting => {
                if !self.changed().await {
                    return None;
                }
            }
            FollowState::Reading => {}
        }
        let read = async {
            // The phase first: when it is over, all events are there already.
            let phase = self.context.backend.rollout(self.rollout).await?.summary.phase;
            let events = self.context.backend.rollout_events(self.rollout, self.after, BATCH).await?;
            Ok::<_, BackendError>((phase, events))
        };
        let (phase, found) = match read.await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "events could not be read");
                return None;
            }
        };
        let full = found.len() == BATCH as usize;
        let mut events = Vec::with_capacity(found.len() + 1);
        for event in found {
            self.after = self.after.max(event.seq);
            match Event::default().event("rollout").id(event.seq.to_string()).json_data(&event) {
                Ok(event) => events.push(event),
                Err(error) => {
                    tracing::error!(%error, "an event could not be written");
                    return None;
                }
            }
        }
        self.state = if full {
            FollowState::Reading
        } else if phase.is_over() {
            events.push(Event::default().event("end").data(json!({ "phase": phase }).to_string()));
            FollowState::Ended
        } else {
            FollowState::Waiting
        };
        Some(events)
    }

    async fn changed(&mut self) -> bool {
        let stopping = self.context.stopping.clone();
        let waited = async {
            loop {
                match self.changes.recv().await {
                    Ok(Change::Rollout(changed)) if changed == self.rollout => break true,
                    Ok(Change::Rollout(_) | Change::Run(_) | Change::Log(..) | Change::Workflows) => {}
                    Err(RecvError::Lagged(_)) => break true,
                    Err(RecvError::Closed) => break false,
                }
            }
        };
        tokio::select! {
            changed = waited => changed,
            () = stopping.cancelled() => false,
        }
    }
}

fn respond(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}
