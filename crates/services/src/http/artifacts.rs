//! The artifact service, version 4.

use super::{check_run, signed};
use crate::{
    artifacts::{ArtifactInfo, KeepError, Pending, check_free, mime_type},
    error::{Refusal, RefusalKind},
    grant::Grant,
    json::Message,
    serve::Inner,
    token::LinkTo,
    upload::Upload,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The most artifacts that one job may upload at a time.
const MOST_PENDING: usize = 500;

/// The first version of the protocol that these services speak, and the last one that is known.
const VERSIONS: std::ops::RangeInclusive<u64> = 4..=7;

/// `CreateArtifact`: reserves a name and says where to send the content.
pub(super) async fn create(inner: &Arc<Inner>, grant: &Arc<Grant>, body: &Value) -> Result<Value, Refusal> {
    check_run(grant, body)?;
    let message = Message(body);
    let name = message.text("name")?;
    if let Some(version) = message.number("version")?.filter(|version| !VERSIONS.contains(version)) {
        let message = format!("version {version} of the artifact protocol is not spoken here; 4 to 7 are");
        return Err(Refusal::invalid(message));
    }
    let mime_type = mime_type(message.optional("mime_type")?)?;
    check_free(&grant.artifacts, name).await?;
    let id = inner.number()?;
    let dir = inner.uploads.join(id.to_string());
    std::fs::create_dir(&dir).map_err(|error| Refusal::io("begin the upload", &dir, &error))?;
    let pending = Arc::new(Pending {
        id,
        run: grant.run.clone(),
        job: grant.job.clone(),
        name: name.to_owned(),
        mime_type,
        began: inner.now(),
        upload: Upload::new(dir, inner.most_artifact),
    });
    if let Err(refusal) = enter(inner, &pending) {
        pending.remove();
        return Err(refusal);
    }
    let url = signed(inner, LinkTo::Put, "artifact", &id.to_string());
    Ok(json!({ "ok": true, "signed_upload_url": url }))
}

/// Puts an upload among those that are under way, unless another one of its name is.
fn enter(inner: &Inner, pending: &Arc<Pending>) -> Result<(), Refusal> {
    let mut state = inner.state();
    if !state.jobs.contains_key(&pending.job) {
        return Err(Refusal::new(RefusalKind::Unauthenticated, "the job of the token is over"));
    }
    let rival = state.artifacts.values().find(|other| other.run == pending.run && other.name == pending.name);
    if let Some(rival) = rival.cloned() {
        // A client whose request was answered and lost asks again; and an upload does not block its name for ever.
        let asks_again = rival.job == pending.job && rival.upload.is_untouched();
        let is_stale = pending.began.since(rival.began) > crate::serve::LINK;
        if !asks_again && !is_stale {
            return Err(KeepError::Exists.into());
        }
        state.artifacts.remove(&rival.id);
        rival.remove();
    }
    if state.artifacts.values().filter(|other| other.job == pending.job).count() >= MOST_PENDING {
        let message = format!("a job uploads at most {MOST_PENDING} artifacts at a time");
        return Err(Refusal::new(RefusalKind::TooLarge, message));
    }
    state.artifacts.insert(pending.id, pending.clone());
    Ok(())
}

/// `FinalizeArtifact`: hands the content to the store of the run, when it is what was announced.
pub(super) async fn finalize(inner: &Arc<Inner>, grant: &Arc<Grant>, body: &Value) -> Result<Value, Refusal> {
    check_run(grant, body)?;
    let message = Message(body);
    let name = message.text("name")?;
    let (size, hash) = (message.number("size")?, message.optional("hash")?);
    let pending = {
        let state = inner.state();
        state.artifacts.values().find(|pending| pending.job == grant.job && pending.name == name).cloned()
    };
    let pending = pending.ok_or_else(|| {
        Refusal::missing(format!("no upload of the artifact {name:?} is under way in this job"))
    })?;
    let finished = pending.finish(&*grant.artifacts, size, hash).await;
    inner.state().artifacts.remove(&pending.id);
    pending.remove();
    Ok(json!({ "ok": true, "artifact_id": finished?.id.to_string() }))
}

/// `ListArtifacts`: those of the run, by name or number if asked.
pub(super) async fn list(grant: &Arc<Grant>, body: &Value) -> Result<Value, Refusal> {
    check_run(grant, body)?;
    let message = Message(body);
    let (name, id) = (message.optional("name_filter")?, message.number("id_filter")?);
    let artifacts = grant.artifacts.list().await?;
    let wanted = artifacts.iter().filter(|artifact| {
        name.is_none_or(|name| artifact.name == name)
            && id.is_none_or(|id| u64::try_from(artifact.id) == Ok(id))
    });
    let listed: Vec<Value> = wanted
        .map(|artifact| {
            json!({
                "workflow_run_backend_id": grant.run, "workflow_job_run_backend_id": grant.job,
                "database_id": artifact.id.to_string(), "name": artifact.name, "size": artifact.size.to_string(),
                "created_at": artifact.created.to_string(), "digest": artifact.digest.to_string(),
            })
        })
        .collect();
    Ok(json!({ "artifacts": listed }))
}

/// `GetSignedArtifactURL`: where the content is.
pub(super) async fn link(inner: &Arc<Inner>, grant: &Arc<Grant>, body: &Value) -> Result<Value, Refusal> {
    let artifact = named(grant, body).await?;
    let url = signed(inner, LinkTo::Get, "file", &format!("{}/{}", grant.job, artifact.id));
    Ok(json!({ "name": artifact.name, "signed_url": url }))
}

/// `DeleteArtifact`.
pub(super) async fn delete(grant: &Arc<Grant>, body: &Value) -> Result<Value, Refusal> {
    let artifact = named(grant, body).await?;
    let deleted = grant.artifacts.delete(&artifact.name).await?;
    Ok(json!({ "ok": true, "artifact_id": deleted.id.to_string() }))
}

async fn named(grant: &Arc<Grant>, body: &Value) -> Result<ArtifactInfo, Refusal> {
    check_run(grant, body)?;
    let name = Message(body).text("name")?;
    let found = grant.artifacts.list().await?.into_iter().find(|artifact| artifact.name == name);
    found.ok_or_else(|| KeepError::Missing.into())
}
