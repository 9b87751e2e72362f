//! Releases: versions of services that were made.

use super::{Page, Paging, page, runs::RunId};
use crate::{FromRow, Result, Row, Statement, Store, statement::statements};
use shipway_base::{Digest, Id, Timestamp};
use shipway_rollout::delivery::Release;

/// One release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Unique over all time.
    pub id: Id<Release>,
    /// The service.
    pub service: String,
    /// The version as people call it.
    pub version: String,
    /// The artifact.
    pub digest: Digest,
    /// The commit it was made of.
    pub sha: Option<String>,
    /// The run that made it.
    pub run: Option<RunId>,
    /// The name of the document it is run by.
    pub spec_name: String,
    /// The document as written.
    pub spec: String,
    /// When it was made.
    pub created_at: Timestamp,
}

statements! {
    INSERT = "INSERT INTO releases (id, service, version, digest, sha, run, spec_name, spec, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    RELEASE = "SELECT id, service, version, digest, sha, run, spec_name, spec, created_at FROM releases WHERE id = ?1";
    PAGE = "SELECT id, service, version, digest, sha, run, spec_name, spec, created_at FROM releases
        WHERE (?1 IS NULL OR service = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3";
    COUNT = "SELECT count(*) FROM releases WHERE ?1 IS NULL OR service = ?1";
}

/// Adds a release.
pub fn insert(release: &ReleaseRow) -> Statement {
    INSERT
        .with([
            release.id.into(),
            (&release.service).into(),
            (&release.version).into(),
            release.digest.into(),
            release.sha.clone().into(),
            release.run.into(),
            (&release.spec_name).into(),
            (&release.spec).into(),
            release.created_at.into(),
        ])
        .expect(1)
}

impl Store {
    /// One release.
    pub async fn release_row(&self, id: Id<Release>) -> Result<Option<ReleaseRow>> {
        self.one(RELEASE.with([id.into()])).await
    }

    /// A page of releases, newest first, of one service or of all.
    pub async fn releases(&self, service: Option<&str>, paging: Paging) -> Result<Page<ReleaseRow>> {
        let filter = vec![service.into()];
        page::read(self, &PAGE, &COUNT, filter, paging, |release: &ReleaseRow| release.id.number()).await
    }
}

impl FromRow for ReleaseRow {
    fn from_row(row: &Row) -> Result<ReleaseRow> {
        Ok(ReleaseRow {
            id: row.get(0)?,
            service: row.get(1)?,
            version: row.get(2)?,
            digest: row.get(3)?,
            sha: row.get(4)?,
            run: row.get(5)?,
            spec_name: row.get(6)?,
            spec: row.get(7)?,
            created_at: row.get(8)?,
        })
    }
}
