//! The pages: ask the backend, hand what it says to [`crate::web`].

use super::{
    Context, api,
    auth::{COOKIE, SESSION_LIFE},
    error::{self, PageError, problem},
    params::Params,
};
use crate::{
    backend::{BackendError, LogRange, Which},
    web::{
        self, Chrome, View,
        home::Home,
        job::{JobPage, PAGE_LINES},
        sign_in::{self, Reason},
    },
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{OriginalUri, Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::stream;
use shipway_api::{
    Conclusion, JobKey, LogSearch, PageQuery, Problem, RolloutId, RolloutQuery, Run, RunQuery, Status, codes,
};

use std::sync::{Mutex, PoisonError};

type PageResult = Result<Response, PageError>;

pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/", get(home))
        .route("/runs", get(runs))
        .merge(of_run("/runs/{run}"))
        .merge(of_run("/runs/{run}/attempts/{attempt}"))
        .route("/rollouts", get(rollouts))
        .route("/rollouts/{rollout}", get(rollout))
}

/// The pages of the newest attempt of a run, or of an earlier one.
fn of_run(run: &str) -> Router<Context> {
    Router::new()
        .route(run, get(self::run))
        .route(&format!("{run}/artifacts/{{name}}"), get(artifact))
        .route(&format!("{run}/jobs"), get(jobs))
        .route(&format!("{run}/jobs/{{job}}"), get(job))
        .route(&format!("{run}/jobs/{{job}}/log.txt"), get(raw_log))
        .route(&format!("{run}/jobs/{{job}}/summary.md"), get(raw_summary))
}

/// Pages for those who are not signed in.
pub(super) fn open_routes() -> Router<Context> {
    Router::new().route("/sign-in", get(sign_in_page))
}

/// How many of each kind the home page shows.
const HOME: u32 = 10;

pub(super) async fn home_view(context: &Context) -> Result<View, BackendError> {
    let in_flight =
        RolloutQuery { in_flight: Some(true), page: PageQuery::first(HOME), ..RolloutQuery::default() };
    let finished =
        RolloutQuery { in_flight: Some(false), page: PageQuery::first(3), ..RolloutQuery::default() };
    let runs = RunQuery { page: PageQuery::first(HOME), ..RunQuery::default() };
    let home = Home {
        in_flight: context.backend.rollouts(in_flight).await?,
        runs: context.backend.runs(runs).await?,
        finished: context.backend.rollouts(finished).await?,
    };
    Ok(web::home::view(&home, context.clock.now()))
}

/// Which runs a page's URL asks for.
pub(super) fn runs_query(query: Option<&str>) -> Result<RunQuery, Box<Problem>> {
    api::runs_query(query)
}

pub(super) async fn runs_view(context: &Context, query: RunQuery) -> Result<View, BackendError> {
    let page = context.backend.runs(query.clone()).await?;
    Ok(web::runs::view(&query, &page, context.clock.now()))
}

pub(super) async fn run_view(context: &Context, which: Which) -> Result<View, BackendError> {
    let run = context.backend.run(which).await?;
    let now = context.clock.now();
    render(move || web::run::view(&run, now)).await
}

/// Renders what has summaries, which takes a good part of a second when they are long, where nobody waits for it.
async fn render<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, BackendError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| BackendError::internal("rendering a page", error))
}

/// The part of a run's page that is patched. Summaries are rendered when they are not those that were told last, since an hour of
/// lines changes none of them.
pub(super) async fn run_live_view(
    context: &Context,
    which: Which,
    told: &Told,
) -> Result<View, BackendError> {
    let run = context.backend.run(which).await?;
    let view = web::run::live(&run, context.clock.now());
    if !told.is_news(web::stamp(&run.jobs)) {
        return Ok(view);
    }
    render(move || view.with_summaries(&run)).await
}

/// The summaries that a live page has.
#[derive(Default)]
pub(super) struct Told(Mutex<Option<web::Stamp>>);

impl Told {
    fn is_news(&self, stamp: web::Stamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = told.as_ref() != Some(&stamp);
        *told = Some(stamp);
        news
    }
}

/// The part of a job's page that is patched; its log only tells how long it is.
pub(super) async fn job_live_view(
    context: &Context,
    which: Which,
    key: JobKey,
    told: &Told,
) -> Result<View, BackendError> {
    let run = context.backend.run(which).await?;
    let job = find_job(&run, &key)?;
    let none = context.backend.log(which, key.clone(), LogRange { from: 1, count: 0 }).await?;
    let log = api::log_page(1, none);
    let view = web::job::live(&run, job, &log, context.clock.now());
    if !told.is_news(web::stamp([job])) {
        return Ok(view);
    }
    let summary = context.backend.summary(which, key.clone()).await?;
    render(move || Ok(view.with_summary(&run, find_job(&run, &key)?, summary.as_deref()))).await?
}

/// Which rollouts a page's URL asks for.
pub(super) fn rollouts_query(query: Option<&str>) -> Result<RolloutQuery, Box<Problem>> {
    api::rollouts_query(query)
}

pub(super) async fn rollouts_view(context: &Context, query: RolloutQuery) -> Result<View, BackendError> {
    let page = context.backend.rollouts(query.clone()).await?;
    Ok(web::rollouts::view(&query, &page, context.clock.now()))
}

pub(super) async fn rollout_view(context: &Context, id: RolloutId) -> Result<View, BackendError> {
    let rollout = context.backend.rollout(id).await?;
    Ok(web::rollout::view(&rollout, context.clock.now()))
}

async fn home(State(context): State<Context>) -> PageResult {
    Ok(document(&context, &home_view(&context).await?))
}

async fn runs(State(context): State<Context>, RawQuery(query): RawQuery) -> PageResult {
    Ok(document(&context, &runs_view(&context, runs_query(query.as_deref())?).await?))
}

async fn run(State(context): State<Context>, Path(path): Path<api::RunPath>) -> PageResult {
    Ok(document(&context, &run_view(&context, path.which()?).await?))
}

async fn jobs(
    State(context): State<Context>,
    Path(path): Path<api::RunPath>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let params = Params::read(query.as_deref(), &["group", "from"])?;
    let from = params.number("from", 0, u64::from(u32::MAX))?.unwrap_or(0);
    let group = params.text("group");
    let run = context.backend.run(path.which()?).await?;
    if let Some(group) = &group
        && !run.jobs.iter().any(|job| job.key.job_id() == group)
    {
        return Err(problem(codes::NOT_FOUND, format!("the run has no job {group}")).into());
    }
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    Ok(document(&context, &web::jobs_page(&run, group.as_deref(), from, context.clock.now())))
}

async fn job(
    State(context): State<Context>,
    Path(path): Path<api::JobPath>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let params = Params::read(query.as_deref(), &["from", "at", "q"])?;
    let (which, key) = path.which()?;
    let run = context.backend.run(which).await?;
    let job = find_job(&run, &key)?;
    let from = params.number("from", 1, u64::MAX)?;
    let at = params.number("at", 1, u64::MAX)?;
    let q = params.text("q");
    let search = match &q {
        None => None,
        Some(q) => {
            let search = LogSearch { q: q.clone(), from: from.unwrap_or(0), backward: false, count: 200 };
            Some(context.backend.search_log(which, key.clone(), search).await?)
        }
    };
    let size = u64::from(PAGE_LINES);
    // Without another wish a failed job opens at its first error or at its end, a running one at its end, any other
    // at its beginning.
    let failed = job.conclusion == Some(Conclusion::Failure);
    let free = from.is_none() && q.is_none();
    let from = match at.or(job.error_line.filter(|_| failed && free)) {
        Some(line) => line.saturating_sub(size / 2).max(1),
        None if free && (failed || job.status == Status::InProgress) => {
            let end = context.backend.log(which, key.clone(), LogRange { from: 1, count: 0 }).await?;
            end.total.saturating_sub(size - 1).max(1)
        }
        None => from.filter(|_| q.is_none()).unwrap_or(1),
    };
    let slice = context.backend.log(which, key.clone(), LogRange { from, count: PAGE_LINES }).await?;
    let summary = match &job.step_summary {
        Some(_) => context.backend.summary(which, key.clone()).await?,
        None => None,
    };
    let log = api::log_page(from, slice);
    let now = context.clock.now();
    let view = render(move || {
        let search = q.as_deref().zip(search.as_ref());
        let job = find_job(&run, &key)?;
        let page = JobPage { run: &run, job, log: &log, from, summary: summary.as_deref(), search };
        Ok::<_, BackendError>(web::job::view(page, now))
    });
    Ok(document(&context, &view.await??))
}

/// The whole log as text, streamed in pieces, without colours.
pub(super) async fn raw_log(State(context): State<Context>, Path(path): Path<api::JobPath>) -> PageResult {
    let (which, key) = path.which()?;
    // Whether there is such a log must be known before the answer begins.
    let first = context.backend.log(which, key.clone(), LogRange { from: 1, count: 0 }).await?;
    let pieces = stream::try_unfold((context, key, 1_u64), move |(context, key, from)| async move {
        // A job that writes faster than the client reads must not make an endless answer: the end is fixed.
        let left = first.total.saturating_sub(from - 1);
        let count = u32::try_from(left).unwrap_or(u32::MAX).min(api::MOST_LINES);
        if count == 0 {
            return Ok::<_, BackendError>(None);
        }
        let slice = context.backend.log(which, key.clone(), LogRange { from, count }).await?;
        if slice.lines.is_empty() {
            return Ok(None);
        }
        let next = from + slice.lines.len() as u64;
        let mut text = String::new();
        for line in &slice.lines {
            text.push_str(&web::plain_text(&line.text));
            text.push('\n');
        }
        Ok(Some((Bytes::from(text), (context, key, next))))
    });
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// The whole summary as text.
pub(super) async fn raw_summary(
    State(context): State<Context>,
    Path(path): Path<api::JobPath>,
) -> PageResult {
    let (which, key) = path.which()?;
    let Some(text) = context.backend.summary(which, key.clone()).await? else {
        return Err(problem(codes::NOT_FOUND, format!("job {key} wrote no summary")).into());
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

async fn artifact(state: State<Context>, path: Path<api::ArtifactPath>) -> PageResult {
    api::artifact(state, path).await.map_err(|error| PageError(error.0))
}

async fn rollouts(State(context): State<Context>, RawQuery(query): RawQuery) -> PageResult {
    Ok(document(&context, &rollouts_view(&context, rollouts_query(query.as_deref())?).await?))
}

async fn rollout(State(context): State<Context>, Path(rollout): Path<String>) -> PageResult {
    Ok(document(&context, &rollout_view(&context, api::id("rollout", &rollout)?).await?))
}

/// With a link's token: uses it up and signs this browser in. Without: says how to get a link.
async fn sign_in_page(
    State(context): State<Context>,
    OriginalUri(uri): OriginalUri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match open_sign_in(&context, query.as_deref(), &headers) {
        Ok(page) => page,
        Err(PageError(found)) => error::respond_openly(&context, &headers, &uri, found),
    }
}

fn open_sign_in(context: &Context, query: Option<&str>, headers: &HeaderMap) -> PageResult {
    let params = Params::read(query, &["token", "next"])?;
    let next = params.text("next").filter(|next| is_local(next)).unwrap_or_else(|| "/".to_owned());
    let chrome = Chrome { version: context.version, signed_in: false };
    let Some(token) = params.text("token") else {
        let view = sign_in::view(Reason::Fresh, context.sign_in_command);
        return Ok(web::document(&view, chrome).into_response());
    };
    let session = context.auth.sign_in(&token, context.clock.now()).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "no session");
        problem(codes::INTERNAL, error.to_string())
    })?;
    let Some(session) = session else {
        let view = sign_in::view(Reason::Dead, context.sign_in_command);
        return Ok((StatusCode::FORBIDDEN, web::document(&view, chrome)).into_response());
    };
    let cookie = format!(
        "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
        session.expose(),
        SESSION_LIFE.as_secs()
    );
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok()).unwrap_or("none");
    if site == "none" || site == "same-origin" {
        return Ok(
            (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, next)]).into_response()
        );
    }
    // A strict cookie is not sent along a chain of redirects that another site began; a page of our own breaks it.
    Ok(([(header::SET_COOKIE, cookie)], web::document(&sign_in::done(&next), chrome)).into_response())
}

pub(super) fn document(context: &Context, view: &View) -> Response {
    web::document(view, Chrome { version: context.version, signed_in: true }).into_response()
}

fn find_job<'r>(run: &'r Run, key: &JobKey) -> Result<&'r shipway_api::Job, BackendError> {
    run.jobs
        .iter()
        .find(|job| job.key == *key)
        .ok_or_else(|| BackendError::not_found("reading a job", format!("job {key} in this run")))
}

/// Whether a path leads back to a page of ours: no other host can hide in it.
fn is_local(path: &str) -> bool {
    let clean = path.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    clean && path.starts_with('/') && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_our_own_pages_only() {
        for path in ["/", "/runs?status=queued", "/runs/1#L3"] {
            assert!(is_local(path), "{path}");
        }
        for path in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nX: y", "runs"] {
            assert!(!is_local(path), "{path}");
        }
    }
}
