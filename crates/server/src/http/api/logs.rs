//! Logs of jobs: a range of lines, a search, the end of a group.

use super::{ApiResult, JobPath};
use crate::{
    backend::{LogRange, LogSlice, Which},
    http::{
        Context,
        error::{ApiError, problem},
        pages,
        params::Params,
    },
};
use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    response::Response,
    routing::get,
};
use shipway_api::{JobKey, LineKind, LogGroup, LogLine, LogMatches, LogPage, LogSearch, Problem, codes};

/// The most lines of one answer.
pub(in crate::http) const MOST_LINES: u32 = 5_000;
/// How far the end of a group is looked for; a longer group is folded in parts.
const MOST_GROUP: u64 = 200_000;

pub(super) fn routes() -> Router<Context> {
    // Of the newest attempt of a run, and of an earlier one.
    let of = |run: &str| {
        Router::new()
            .route(&format!("{run}/jobs/{{job}}/log"), get(range))
            .route(&format!("{run}/jobs/{{job}}/log/search"), get(search))
            .route(&format!("{run}/jobs/{{job}}/log/group"), get(group))
            .route(&format!("{run}/jobs/{{job}}/log.txt"), get(raw_log))
            .route(&format!("{run}/jobs/{{job}}/summary.md"), get(raw_summary))
    };
    of("/runs/{run}").merge(of("/runs/{run}/attempts/{attempt}"))
}

async fn raw_log(context: State<Context>, path: Path<JobPath>) -> ApiResult<Response> {
    pages::raw_log(context, path).await.map_err(|error| ApiError(error.0))
}

async fn raw_summary(context: State<Context>, path: Path<JobPath>) -> ApiResult<Response> {
    pages::raw_summary(context, path).await.map_err(|error| ApiError(error.0))
}

async fn range(
    State(context): State<Context>,
    Path(path): Path<JobPath>,
    RawQuery(query): RawQuery,
) -> ApiResult<Json<LogPage>> {
    let params = Params::read(query.as_deref(), &["from", "count"])?;
    let from = params.number("from", 1, u64::MAX)?.unwrap_or(1);
    let count = params.number("count", 1, u64::from(MOST_LINES))?.unwrap_or(500);
    let range = LogRange { from, count: u32::try_from(count).unwrap_or(MOST_LINES) };
    let (run, job) = path.which()?;
    let slice = context.backend.log(run, job, range).await?;
    Ok(Json(page(from, slice)))
}

async fn search(
    State(context): State<Context>,
    Path(path): Path<JobPath>,
    RawQuery(query): RawQuery,
) -> ApiResult<Json<LogMatches>> {
    let search = search_query(query.as_deref())?;
    let (run, job) = path.which()?;
    Ok(Json(context.backend.search_log(run, job, search).await?))
}

async fn group(
    State(context): State<Context>,
    Path(path): Path<JobPath>,
    RawQuery(query): RawQuery,
) -> ApiResult<Json<LogGroup>> {
    let params = Params::read(query.as_deref(), &["line"])?;
    let line = params
        .number("line", 1, u64::MAX)?
        .ok_or_else(|| problem(codes::BAD_REQUEST, "the parameter line is missing"))?;
    let (run, job) = path.which()?;
    Ok(Json(find_group(&context, run, job, line).await?))
}

/// Lines as a viewer wants them.
pub(in crate::http) fn page(from: u64, slice: LogSlice) -> LogPage {
    let lines = slice.lines.into_iter().zip(from..).map(|(raw, n)| LogLine::new(n, raw)).collect();
    LogPage { lines, total: slice.total, complete: slice.complete }
}

/// Reads `q`, `from`, `backward` and `count`.
fn search_query(query: Option<&str>) -> Result<LogSearch, Box<Problem>> {
    let params = Params::read(query, &["q", "from", "backward", "count"])?;
    let q = params.text("q").ok_or_else(|| problem(codes::BAD_REQUEST, "the parameter q is missing"))?;
    let count = params.number("count", 1, 1_000)?.unwrap_or(1_000);
    Ok(LogSearch {
        q,
        from: params.number("from", 0, u64::MAX)?.unwrap_or(0),
        backward: params.flag("backward")?.unwrap_or(false),
        count: u32::try_from(count).unwrap_or(1_000),
    })
}

/// A group ends at its `endgroup`, where the next group begins, or with its step: groups do not nest.
async fn find_group(context: &Context, run: Which, job: JobKey, line: u64) -> ApiResult<LogGroup> {
    let mut next = line;
    let mut step = None;
    while next < line.saturating_add(MOST_GROUP) {
        let range = LogRange { from: next, count: MOST_LINES };
        let slice = context.backend.log(run, job.clone(), range).await?;
        if slice.lines.is_empty() {
            break;
        }
        for (raw, n) in slice.lines.iter().zip(next..) {
            let (kind, _) = LineKind::of(&raw.text);
            if n == line && kind != LineKind::Group {
                return Err(problem(codes::NOT_FOUND, format!("no group begins at line {line}")).into());
            }
            let in_group = *step.get_or_insert(raw.step) == raw.step;
            if n > line && (!in_group || kind == LineKind::Group) {
                return Ok(LogGroup { from: line, to: n - 1 });
            }
            if kind == LineKind::EndGroup {
                return Ok(LogGroup { from: line, to: n });
            }
        }
        next += slice.lines.len() as u64;
    }
    if next == line {
        return Err(problem(codes::NOT_FOUND, format!("there is no line {line}")).into());
    }
    Ok(LogGroup { from: line, to: next - 1 })
}
