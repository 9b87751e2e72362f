//! Contents: sent as clients of Azure's block blobs do, got like any file. Only signed links lead here.

use super::{MOST_LIST, answer, read};
use crate::{
    artifacts::ArtifactInfo,
    blocks,
    error::{Refusal, RefusalKind},
    range::{self, Wanted},
    serve::Inner,
    stream::{self, Part},
    token::LinkTo,
    upload::Upload,
};
use axum::{
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use std::{collections::BTreeMap, fs::File, sync::Arc};

type Parameters = Query<BTreeMap<String, String>>;

/// An upload, whatever it is for.
enum Target {
    Cache(Arc<crate::cache::Reserved>),
    Artifact(Arc<crate::artifacts::Pending>),
}

impl Target {
    fn upload(&self) -> &Upload {
        match self {
            Target::Cache(reserved) => &reserved.upload,
            Target::Artifact(pending) => &pending.upload,
        }
    }
}

/// `Put Blob`, `Put Block` or `Put Block List`.
pub(super) async fn put(
    State(inner): super::Shared,
    Path((kind, id)): Path<(String, String)>,
    Query(query): Parameters,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let parameter = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let answer = async {
        let path = format!("{kind}/{id}");
        inner.signer.check_link(LinkTo::Put, &path, parameter("se"), parameter("sig"), inner.now())?;
        if headers.contains_key("content-md5") || headers.contains_key("x-ms-content-crc64") {
            return Err(Refusal::invalid(
                "checksums of single requests are not supported; leave Content-MD5 away",
            ));
        }
        let target = target(&inner, &kind, &id)?;
        let upload = target.upload();
        match parameter("comp") {
            "" => upload.whole(request.into_body()).await,
            "block" => {
                let block = parameter("blockid");
                if !blocks::is_id(block) {
                    return Err(Refusal::invalid("blockid is not the id of a block"));
                }
                upload.block(block, request.into_body()).await
            }
            "blocklist" => {
                let body = read(request.into_body(), MOST_LIST).await?;
                let text = std::str::from_utf8(&body)
                    .map_err(|_| Refusal::invalid("the block list is not UTF-8"))?;
                upload.list(&blocks::parse(text).map_err(Refusal::invalid)?)
            }
            other => {
                Err(Refusal::invalid(format!("comp={other:?} is not supported; block and blocklist are")))
            }
        }
    };
    let mut response = match answer.await {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(refusal) => answer::azure(&refusal),
    };
    // Some clients take an answer without it for one that was cut short.
    let id = HeaderValue::from(inner.number().unwrap_or_default());
    response.headers_mut().insert(HeaderName::from_static("x-ms-request-id"), id);
    response
}

fn target(inner: &Inner, kind: &str, id: &str) -> Result<Target, Refusal> {
    let gone = || Refusal::missing("the upload is over");
    let id: u64 = id.parse().map_err(|_| gone())?;
    let state = inner.state();
    match kind {
        "cache" => state.caches.get(&id).map(|(_, reserved)| Target::Cache(reserved.clone())),
        "artifact" => state.artifacts.get(&id).cloned().map(Target::Artifact),
        _ => None,
    }
    .ok_or_else(gone)
}

/// The content of a cache entry or an artifact, or a range of it.
pub(super) async fn get(
    State(inner): super::Shared,
    Path((kind, id)): Path<(String, String)>,
    Query(query): Parameters,
    headers: HeaderMap,
) -> Response {
    let parameter = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let answer = async {
        let path = format!("{kind}/{id}");
        inner.signer.check_link(LinkTo::Get, &path, parameter("se"), parameter("sig"), inner.now())?;
        let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
        match kind.as_str() {
            "entry" => {
                let shared = inner.clone();
                let parts = super::blocking(move || shared.caches.open_entry(&id)).await?;
                content(parts, range, "application/octet-stream")
            }
            "file" => {
                let (artifact, part) = artifact(&inner, &id).await?;
                let mut response = content(vec![part], range, &artifact.mime_type)?;
                if let Ok(value) = HeaderValue::from_str(&disposition(&artifact)) {
                    response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
                }
                Ok(response)
            }
            _ => Err(Refusal::missing("there is no such content")),
        }
    };
    answer.await.unwrap_or_else(|refusal| answer::azure(&refusal))
}

async fn artifact(inner: &Inner, id: &str) -> Result<(ArtifactInfo, Part), Refusal> {
    let gone = || Refusal::missing("the artifact is not there any more");
    let (job, id) = id.split_once('/').ok_or_else(gone)?;
    let grant = inner.state().jobs.get(job).cloned().ok_or_else(gone)?;
    let artifacts = grant.artifacts.list().await?;
    let artifact = artifacts.into_iter().find(|artifact| artifact.id.to_string() == id).ok_or_else(gone)?;
    let path = grant.artifacts.file(&artifact.name).await?;
    let file = File::open(&path).map_err(|error| Refusal::io("read the artifact", &path, &error))?;
    let size = artifact.size;
    Ok((artifact, (tokio::fs::File::from_std(file), size)))
}

/// The answer with a content or a range of it.
fn content(parts: Vec<Part>, range: Option<&str>, mime_type: &str) -> Result<Response, Refusal> {
    let size: u64 = parts.iter().map(|(_, length)| length).sum();
    let wanted = range::wanted(range, size);
    let (status, length) = match wanted {
        Wanted::All => (StatusCode::OK, size),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, last - first + 1),
        Wanted::Beyond => {
            return Err(Refusal::new(RefusalKind::Range, format!("the content has only {size} bytes")));
        }
    };
    let mut response = Response::new(stream::send(parts, wanted));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let mime_type = HeaderValue::from_str(mime_type);
    headers.insert(
        header::CONTENT_TYPE,
        mime_type.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    if let Wanted::Part(first, last) = wanted
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {first}-{last}/{size}"))
    {
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// The name that a client gives the file.
fn disposition(artifact: &ArtifactInfo) -> String {
    let ending =
        if artifact.mime_type == "application/zip" && !artifact.name.ends_with(".zip") { ".zip" } else { "" };
    let name = format!("{}{ending}", artifact.name);
    let plain: String =
        name.chars().map(|it| if it.is_ascii() && it != '"' && it != '\\' { it } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}
