//! The cache service, version 2.

use super::{blocking, signed};
use crate::{
    cache::EntryName,
    error::{Refusal, RefusalKind},
    grant::Grant,
    json::Message,
    names::{check_cache_key, check_cache_keys},
    serve::Inner,
    token::LinkTo,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// `CreateCacheEntry`: reserves a key and says where to send the content. That a key is taken is an error, as on GitHub: clients pass over
/// it, and warn of an answer that is not `ok`.
pub(super) async fn create(inner: &Arc<Inner>, grant: &Arc<Grant>, body: &Value) -> Result<Value, Refusal> {
    let message = Message(body);
    let (key, version) = (message.text("key")?, message.text("version")?);
    match reserve(inner, grant, key, version, None).await {
        Ok(id) => {
            let url = signed(inner, LinkTo::Put, "cache", &id.to_string());
            Ok(json!({ "ok": true, "signed_upload_url": url }))
        }
        Err(Refusal { kind: RefusalKind::Denied, message }) => {
            Ok(json!({ "ok": false, "signed_upload_url": "", "message": message }))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Reserves a key in the scope that the job may write.
pub(crate) async fn reserve(
    inner: &Arc<Inner>,
    grant: &Arc<Grant>,
    key: &str,
    version: &str,
    size: Option<u64>,
) -> Result<u64, Refusal> {
    check_cache_key(key).map_err(Refusal::invalid)?;
    check_version(version)?;
    let Some(scope) = grant.caches.write.clone() else {
        let mode = grant.caches.mode.unwrap_or_default().name();
        return Err(Refusal::denied(format!(
            "this job may not save caches (cache-mode: {mode}, or its event)"
        )));
    };
    if size.is_some_and(|size| size > inner.caches.most_entry()) {
        let most = inner.caches.most_entry();
        return Err(Refusal::new(RefusalKind::TooLarge, format!("a cache has at most {most} bytes")));
    }
    let name = EntryName {
        namespace: grant.namespace.clone(),
        scope,
        version: version.to_owned(),
        key: key.to_owned(),
    };
    let (id, now) = (inner.number()?, inner.now());
    let shared = inner.clone();
    let reserved = blocking(move || shared.caches.reserve(name, id, now)).await?;
    let reserved = Arc::new(reserved);
    let mut state = inner.state();
    if !state.jobs.contains_key(&grant.job) {
        drop(state);
        inner.caches.give_up(&reserved);
        return Err(Refusal::new(RefusalKind::Unauthenticated, "the job of the token is over"));
    }
    state.caches.insert(id, (grant.job.clone(), reserved));
    Ok(id)
}

/// `FinalizeCacheEntryUpload`: makes the content an entry.
pub(super) async fn finalize(inner: &Arc<Inner>, grant: &Arc<Grant>, body: &Value) -> Result<Value, Refusal> {
    let message = Message(body);
    let (key, version) = (message.text("key")?, message.text("version")?);
    let size = message.number("size_bytes")?;
    let id = {
        let state = inner.state();
        let mut own = state.caches.iter().filter(|(_, (job, _))| *job == grant.job);
        own.find(|(_, (_, reserved))| reserved.name.key == key && reserved.name.version == version)
            .map(|(id, _)| *id)
    };
    let id = id.ok_or_else(|| {
        Refusal::missing(format!("no upload of the cache {key:?} is under way in this job"))
    })?;
    match finish(inner, grant, id, size).await {
        Ok(()) => Ok(json!({ "ok": true, "entry_id": id.to_string() })),
        Err(Refusal { kind: RefusalKind::Exists | RefusalKind::Mismatch, message }) => {
            Ok(json!({ "ok": false, "entry_id": "0", "message": message }))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Finishes an upload of this job. One that cannot be finished is given up: its key is free again.
pub(crate) async fn finish(
    inner: &Arc<Inner>,
    grant: &Arc<Grant>,
    id: u64,
    size: Option<u64>,
) -> Result<(), Refusal> {
    let found = inner.state().caches.get(&id).filter(|(job, _)| *job == grant.job).map(|(_, it)| it.clone());
    let reserved = found.ok_or_else(|| Refusal::missing("no such upload is under way in this job"))?;
    let (shared, now) = (inner.clone(), inner.now());
    blocking(move || {
        let finished = shared.caches.finish(&reserved, size, now);
        shared.state().caches.remove(&id);
        if finished.is_err() {
            shared.caches.give_up(&reserved);
        }
        finished.map(drop)
    })
    .await
}

/// `GetCacheEntryDownloadURL`: looks for an entry.
pub(super) async fn find(inner: &Arc<Inner>, grant: &Arc<Grant>, body: &Value) -> Result<Value, Refusal> {
    let message = Message(body);
    let mut keys = vec![message.text("key")?.to_owned()];
    keys.extend(message.texts("restore_keys")?);
    let version = message.text("version")?;
    match lookup(inner, grant, keys, version).await? {
        None => Ok(json!({ "ok": false, "signed_download_url": "", "matched_key": "" })),
        Some(found) => Ok(json!({
            "ok": true, "signed_download_url": signed(inner, LinkTo::Get, "entry", &found.place),
            "matched_key": found.entry.name.key,
        })),
    }
}

/// Looks for an entry in the scopes that the job may read; where it may read none there is none.
pub(crate) async fn lookup(
    inner: &Arc<Inner>,
    grant: &Arc<Grant>,
    keys: Vec<String>,
    version: &str,
) -> Result<Option<crate::cache::Found>, Refusal> {
    check_cache_keys(&keys).map_err(Refusal::invalid)?;
    check_version(version)?;
    let (shared, grant, version, now) = (inner.clone(), grant.clone(), version.to_owned(), inner.now());
    blocking(move || Ok(shared.caches.find(&grant.namespace, &grant.caches.read, &version, &keys, now))).await
}

fn check_version(version: &str) -> Result<(), Refusal> {
    if version.is_empty() || version.len() > 512 {
        return Err(Refusal::invalid("version must have 1 to 512 bytes"));
    }
    Ok(())
}
