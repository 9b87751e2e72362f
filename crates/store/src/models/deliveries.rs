//! Deliveries: the present state of each service, and the evidence that its router last gave.

use crate::{FromRow, Result, Row, Statement, Store, StoreError, rows, statement::statements};
use shipway_analysis::Evidence;
use shipway_base::{Id, Timestamp};
use shipway_rollout::delivery::Rollout;

/// The present state of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The service.
    pub service: String,
    /// The version of its stream that the state includes.
    pub version: u64,
    /// The state, as its owner writes it.
    pub state: String,
    /// When it was written.
    pub at: Timestamp,
}

/// Evidence that was saved.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedEvidence {
    /// The rollout it belongs to.
    pub rollout: Id<Rollout>,
    /// What had been counted.
    pub evidence: Evidence,
    /// When it was saved.
    pub at: Timestamp,
}

statements! {
    // Out of two writers the one that has seen more wins, in whatever order they arrive.
    PUT = "INSERT INTO deliveries (service, version, state, at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (service) DO UPDATE SET version = excluded.version, state = excluded.state, at = excluded.at
        WHERE excluded.version >= deliveries.version";
    DELIVERY = "SELECT service, version, state, at FROM deliveries WHERE service = ?1";
    DELIVERIES = "SELECT service, version, state, at FROM deliveries ORDER BY service";
    PUT_EVIDENCE = "INSERT INTO evidence (rollout, epoch, data, at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (rollout) DO UPDATE SET epoch = excluded.epoch, data = excluded.data, at = excluded.at";
    EVIDENCE = "SELECT rollout, data, at FROM evidence WHERE rollout = ?1";
}

/// Sets the state of a service, unless a newer one is there.
pub fn put(delivery: &DeliveryRow) -> Statement {
    PUT.with([
        (&delivery.service).into(),
        delivery.version.into(),
        (&delivery.state).into(),
        delivery.at.into(),
    ])
}

/// Saves evidence over what was saved before.
pub fn put_evidence(saved: &SavedEvidence) -> Result<Statement> {
    let data = rows::delivery::encode_evidence(&saved.evidence)?;
    Ok(PUT_EVIDENCE.with([saved.rollout.into(), saved.evidence.epoch.into(), data.into(), saved.at.into()]))
}

impl Store {
    /// The state of a service.
    pub async fn delivery(&self, service: &str) -> Result<Option<DeliveryRow>> {
        self.one(DELIVERY.with([service.into()])).await
    }

    /// The states of all services by name.
    pub async fn deliveries(&self) -> Result<Vec<DeliveryRow>> {
        self.all(DELIVERIES.with([])).await
    }

    /// The evidence last saved for a rollout.
    pub async fn saved_evidence(&self, rollout: Id<Rollout>) -> Result<Option<SavedEvidence>> {
        self.one(EVIDENCE.with([rollout.into()])).await
    }
}

impl FromRow for DeliveryRow {
    fn from_row(row: &Row) -> Result<DeliveryRow> {
        Ok(DeliveryRow { service: row.get(0)?, version: row.get(1)?, state: row.get(2)?, at: row.get(3)? })
    }
}

impl FromRow for SavedEvidence {
    fn from_row(row: &Row) -> Result<SavedEvidence> {
        let data: Vec<u8> = row.get(1)?;
        let evidence = rows::delivery::decode_evidence(&data)
            .map_err(|error| StoreError::corrupt("saved evidence", error))?;
        Ok(SavedEvidence { rollout: row.get(0)?, evidence, at: row.get(2)? })
    }
}
