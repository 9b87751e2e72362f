//! The cache service, version 1: what clients older than 2025 speak, and all clients of a GitHub that is not github.com.

use super::{answer, bearer, blocking, caches, read_json, signed};
use crate::{
    error::{Refusal, RefusalKind},
    json::Message,
    range,
    token::LinkTo,
};
use axum::{
    Json,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Parameters = Query<BTreeMap<String, String>>;

fn answered(answer: Result<Response, Refusal>) -> Response {
    answer.unwrap_or_else(|refusal| answer::message(&refusal))
}

/// `GET cache?keys=a,b&version=v`: an entry, or 204 when there is none.
pub(super) async fn find(
    State(inner): super::Shared,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Response {
    let answer = async {
        let grant = inner.authorise(bearer(&headers))?;
        let parameter = |name: &str| {
            query.get(name).map(String::as_str).ok_or_else(|| Refusal::invalid(format!("{name} is missing")))
        };
        let keys = parameter("keys")?.split(',').map(|key| key.trim().to_owned()).collect();
        let Some(found) = caches::lookup(&inner, &grant, keys, parameter("version")?).await? else {
            return Ok(StatusCode::NO_CONTENT.into_response());
        };
        let mut value = described(&found.entry);
        value["archiveLocation"] = signed(&inner, LinkTo::Get, "entry", &found.place).into();
        Ok(Json(value).into_response())
    };
    answered(answer.await)
}

/// `GET caches?key=a`: what there is with such a key, of any version.
pub(super) async fn list(
    State(inner): super::Shared,
    headers: HeaderMap,
    Query(query): Parameters,
) -> Response {
    let answer = async {
        let grant = inner.authorise(bearer(&headers))?;
        let key = query.get("key").cloned().unwrap_or_default();
        let shared = inner.clone();
        let found =
            blocking(move || Ok(shared.caches.list(&grant.namespace, &grant.caches.read, &key))).await?;
        let entries: Vec<Value> = found.iter().take(100).map(described).collect();
        Ok(Json(json!({ "totalCount": found.len(), "artifactCaches": entries })).into_response())
    };
    answered(answer.await)
}

/// `POST caches`: reserves a key.
pub(super) async fn reserve(State(inner): super::Shared, headers: HeaderMap, request: Request) -> Response {
    let answer = async {
        let grant = inner.authorise(bearer(&headers))?;
        let body = read_json(request.into_body()).await?;
        let message = Message(&body);
        let (key, version) = (message.text("key")?, message.text("version")?);
        // Clients send 0 or less when they do not know the size.
        let size = message.number("cacheSize").unwrap_or_default().filter(|size| *size > 0);
        let reserved = caches::reserve(&inner, &grant, key, version, size).await;
        let id = reserved.map_err(|refusal| {
            // The status by which clients tell that the entry is too large.
            let too_large = refusal.kind == RefusalKind::TooLarge;
            if too_large { Refusal::invalid(refusal.message) } else { refusal }
        })?;
        Ok((StatusCode::CREATED, Json(json!({ "cacheId": id }))).into_response())
    };
    answered(answer.await)
}

/// `PATCH caches/:id`: a part of the content.
pub(super) async fn chunk(
    State(inner): super::Shared,
    headers: HeaderMap,
    Path(id): Path<u64>,
    request: Request,
) -> Response {
    let answer = async {
        let grant = inner.authorise(bearer(&headers))?;
        let range = headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let range = range.and_then(range::content_range);
        let (start, length) = range.ok_or_else(|| {
            Refusal::invalid("Content-Range must say which bytes these are, as in: bytes 0-99/*")
        })?;
        let found =
            inner.state().caches.get(&id).filter(|(job, _)| *job == grant.job).map(|(_, it)| it.clone());
        let reserved = found.ok_or_else(|| Refusal::missing("no such upload is under way in this job"))?;
        reserved.upload.range(start, length, request.into_body()).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    answered(answer.await)
}

/// `POST caches/:id`: makes the content an entry.
pub(super) async fn commit(
    State(inner): super::Shared,
    headers: HeaderMap,
    Path(id): Path<u64>,
    request: Request,
) -> Response {
    let answer = async {
        let grant = inner.authorise(bearer(&headers))?;
        let body = read_json(request.into_body()).await?;
        let size = Message(&body).number("size")?.ok_or_else(|| Refusal::invalid("size is missing"))?;
        caches::finish(&inner, &grant, id, Some(size)).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    answered(answer.await)
}

fn described(entry: &crate::cache::Entry) -> Value {
    json!({
        "cacheKey": entry.name.key, "scope": entry.name.scope, "cacheVersion": entry.name.version,
        "creationTime": entry.created.to_string(), "cacheSize": entry.size(),
    })
}
