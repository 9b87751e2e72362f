//! Caches for those who run in this very process: they read and write the files themselves, under the same rights.

use crate::{
    error::{Refusal, RefusalKind},
    grant::Grant,
    http::caches,
    serve::{Inner, Services},
};
use std::{path::PathBuf, sync::Arc};

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCache {
    /// Its key.
    pub key: String,
    /// The files whose bytes, one after the other, are its content.
    pub parts: Vec<PathBuf>,
    /// How many bytes these are.
    pub size: u64,
    /// What the services know it by.
    pub place: String,
}

/// Where the content of a new entry is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUpload {
    /// The file, which is not there yet.
    pub file: PathBuf,
    /// How many bytes it may have.
    pub most: u64,
    id: u64,
    number: u64,
}

/// Why a cache cannot be had or kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LocalRefusal {
    /// A sentence.
    pub message: String,
    /// Whether what was asked for can never be had, such as a key that is too long.
    pub is_the_askers: bool,
}

impl From<Refusal> for LocalRefusal {
    fn from(refusal: Refusal) -> LocalRefusal {
        LocalRefusal { is_the_askers: matches!(refusal.kind, RefusalKind::Invalid), message: refusal.message }
    }
}

impl Services {
    /// Looks for an entry that a job may read: the first key as it is, then all as prefixes.
    ///
    /// # Errors
    /// When the job is not there, or a key cannot be one.
    pub async fn find_cache(
        &self,
        job: &str,
        keys: &[String],
        version: &str,
    ) -> Result<Option<LocalCache>, LocalRefusal> {
        let (inner, grant) = self.local(job)?;
        let found = caches::lookup(inner, &grant, keys.to_vec(), version).await?;
        Ok(found.map(|found| {
            let dir = inner.caches.folder_of(&found.place);
            LocalCache {
                size: found.entry.size(),
                parts: found.entry.parts.iter().map(|(name, _)| dir.join(name)).collect(),
                place: format!("{}/{}", found.place, found.entry.id),
                key: found.entry.name.key,
            }
        }))
    }

    /// Removes an entry that a job has found, and that nobody can use: its content is damaged. Whether it was done: one of a scope that
    /// the job may not write stays, and so does what others have put into its place meanwhile.
    ///
    /// # Errors
    /// When the job is not there, or the entry cannot be removed.
    pub async fn forget_cache(&self, job: &str, place: &str) -> Result<bool, LocalRefusal> {
        let (inner, grant) = self.local(job)?;
        let Some((place, id)) =
            place.rsplit_once('/').and_then(|(place, id)| Some((place, id.parse().ok()?)))
        else {
            return Ok(false);
        };
        let (shared, place, scope) = (inner.clone(), place.to_owned(), grant.caches.write.clone());
        let forget = move || shared.caches.forget(&place, id, &grant.namespace, scope.as_deref());
        Ok(crate::http::blocking(forget).await?)
    }

    /// Reserves a key for a job, and says where to write the content.
    ///
    /// # Errors
    /// When the job may not save, or the key is taken.
    pub async fn begin_cache(
        &self,
        job: &str,
        key: &str,
        version: &str,
    ) -> Result<LocalUpload, LocalRefusal> {
        let (inner, grant) = self.local(job)?;
        let id = caches::reserve(inner, &grant, key, version, None).await?;
        let reserved = inner.state().caches.get(&id).map(|(_, reserved)| reserved.clone());
        let gone = || Refusal::new(RefusalKind::Unauthenticated, "the job is over");
        let (number, file) = reserved.ok_or_else(gone)?.upload.place();
        Ok(LocalUpload { file, most: inner.caches.most_entry(), id, number })
    }

    /// Makes what was written an entry; with `whole` false it is given up, and the key is free again.
    ///
    /// # Errors
    /// When it is too large, or others were faster. It is given up then.
    pub async fn end_cache(&self, job: &str, upload: LocalUpload, whole: bool) -> Result<(), LocalRefusal> {
        let (inner, grant) = self.local(job)?;
        let found = inner.state().caches.get(&upload.id).filter(|(owner, _)| owner == job).cloned();
        let (_, reserved) = found.ok_or_else(|| Refusal::missing("no such upload is under way"))?;
        let adopted = if whole { reserved.upload.adopt(upload.number) } else { Ok(()) };
        if !whole || adopted.is_err() {
            inner.state().caches.remove(&upload.id);
            let (shared, reserved) = (inner.clone(), reserved.clone());
            crate::http::blocking(move || {
                shared.caches.give_up(&reserved);
                Ok(())
            })
            .await?;
            return Ok(adopted?);
        }
        Ok(caches::finish(inner, &grant, upload.id, None).await?)
    }

    fn local(&self, job: &str) -> Result<(&Arc<Inner>, Arc<Grant>), Refusal> {
        let inner = self.inner();
        let grant = inner.state().jobs.get(job).cloned();
        let gone = || Refusal::new(RefusalKind::Unauthenticated, "the job has no access to caches");
        Ok((inner, grant.ok_or_else(gone)?))
    }
}
