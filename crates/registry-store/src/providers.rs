//! Provider records and what is known about their models.

use async_trait::async_trait;
use handshake_core::{
    capability::CapabilitySnapshot,
    event::Event,
    ids::{ModelRef, ProviderId},
    ports::{ProviderStore, StoreError},
    provider::ProviderRecord,
    seal::{EnabledModel, Seal, SealKind, subject},
};
use rusqlite::{OptionalExtension, params};

use crate::{
    codec, consent, epochs,
    error::Fail,
    findings, log, queue,
    seals::{self, Entries},
    store::Store,
    writer::Tx,
};

#[async_trait]
impl ProviderStore for Store {
    async fn list(&self) -> Result<Vec<ProviderRecord>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached("SELECT record FROM providers ORDER BY provider_id")?;
            let rows = select.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|record| Ok(codec::from_json(&record?)?)).collect()
        })
        .await
    }

    async fn put(&self, record: ProviderRecord, expected: Option<u64>) -> Result<(), StoreError> {
        self.put_sealed(record, expected, None).await
    }

    async fn remove(&self, provider: &ProviderId) -> Result<(), StoreError> {
        let provider = provider.clone();
        self.change(move |tx| remove(tx, &provider)).await
    }

    async fn snapshots(
        &self,
        provider: &ProviderId,
    ) -> Result<Vec<CapabilitySnapshot>, StoreError> {
        let provider = provider.clone();
        self.read(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT snapshot FROM snapshots WHERE provider_id = ?1 ORDER BY model_id",
            )?;
            let rows =
                select.query_map(params![provider.as_str()], |row| row.get::<_, String>(0))?;
            rows.map(|snapshot| Ok(codec::from_json(&snapshot?)?))
                .collect()
        })
        .await
    }

    async fn put_snapshot(
        &self,
        model: &ModelRef,
        snapshot: CapabilitySnapshot,
    ) -> Result<(), StoreError> {
        let model = model.clone();
        self.change(move |tx| put_snapshot(tx, &model, &snapshot, None))
            .await
    }
}

impl Store {
    /// Registers new providers with what the log says about it: all of them in one transaction, or none. Each comes
    /// with the seal of the person who allows it; one that needs nobody is sealed here.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of them is registered already.
    pub async fn register(
        &self,
        records: Vec<(ProviderRecord, Option<Seal>)>,
        events: Vec<Event>,
    ) -> Result<(), StoreError> {
        self.change(move |tx| {
            tx.shared.healthy()?;
            put_all(tx, &records, None)?;
            for event in events {
                log::append(tx, &event)?;
            }
            Ok(())
        })
        .await
    }

    /// As [`ProviderStore::put`], under the seal of the person who allows it.
    ///
    /// # Errors
    /// Those of [`ProviderStore::put`].
    pub async fn put_sealed(
        &self,
        record: ProviderRecord,
        expected: Option<u64>,
        seal: Option<Seal>,
    ) -> Result<(), StoreError> {
        let one = [(record, seal)];
        self.change(move |tx| put_all(tx, &one, expected)).await
    }

    /// As [`ProviderStore::put_snapshot`], for a cloud model that a person enables, under their seal.
    ///
    /// # Errors
    /// Those of [`ProviderStore::put_snapshot`].
    pub async fn enable_sealed(
        &self,
        model: &ModelRef,
        snapshot: CapabilitySnapshot,
        seal: Seal,
    ) -> Result<(), StoreError> {
        let model = model.clone();
        self.change(move |tx| put_snapshot(tx, &model, &snapshot, Some(seal)))
            .await
    }
}

type Done = Result<(), Fail<StoreError>>;

/// All of them or none: the register learns of all at once, before the first is stored.
fn put_all(tx: &Tx<'_>, records: &[(ProviderRecord, Option<Seal>)], expected: Option<u64>) -> Done {
    let mut entries = Entries::default();
    let mut seals = Vec::with_capacity(records.len());
    for (record, seal) in records {
        replaces(tx, record, expected)?;
        if seal.is_some() {
            entries.attest(tx, record)?;
        }
        seals.push(entries.seal(tx, record, *seal)?);
    }
    entries.learn(tx)?;
    for ((record, _), seal) in records.iter().zip(seals) {
        if expected.is_some_and(|expected| record.revision != expected) {
            is_another(tx, &record.provider_id)?;
        }
        put(tx, record, expected, seal)?;
    }
    Ok(())
}

/// A revision never falls: what is bound to the old one would come alive again.
fn replaces(tx: &Tx<'_>, record: &ProviderRecord, expected: Option<u64>) -> Done {
    let stored: Option<i64> = tx
        .conn
        .prepare_cached("SELECT revision FROM providers WHERE provider_id = ?1")?
        .query_row(params![record.provider_id.as_str()], |row| row.get(0))
        .optional()?;
    let replaces = match (stored, expected) {
        (None, None) => true,
        (Some(stored), Some(expected)) => {
            stored == codec::int(expected)? && record.revision >= expected
        }
        _ => false,
    };
    match replaces {
        true => Ok(()),
        false => Err(StoreError::Conflict.into()),
    }
}

/// One that stands twice among those of one transaction is registered already by then.
fn put(tx: &Tx<'_>, record: &ProviderRecord, expected: Option<u64>, seal: Option<Seal>) -> Done {
    replaces(tx, record, expected)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO providers (provider_id, revision, record, seal) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET revision = excluded.revision, record = excluded.record,
               seal = excluded.seal",
        )?
        .execute(params![
            record.provider_id.as_str(),
            codec::int(record.revision)?,
            codec::json(record)?,
            seals::column(seal)
        ])?;
    Ok(())
}

/// What was given for the provider as it was, and what was asked, ends with it: in the log too, so that no row that is
/// put back says anything else.
fn is_another(tx: &Tx<'_>, provider: &ProviderId) -> Done {
    consent::revoke_for(tx, provider)?;
    findings::end_for(tx, provider)?;
    queue::end_for(tx, provider)
}

fn remove(tx: &Tx<'_>, provider: &ProviderId) -> Done {
    seals::strike(tx, &sealed_for(tx, provider)?)?;
    // Snapshots, claims and contact grants go with it.
    let removed = tx.conn.execute(
        "DELETE FROM providers WHERE provider_id = ?1",
        params![provider.as_str()],
    )?;
    if removed == 0 {
        return Err(StoreError::Missing.into());
    }
    is_another(tx, provider)?;
    epochs::enabled_changed(tx.conn, provider)
}

/// What is in force for a provider: for its record, its contact, its models, what was declassified for it.
fn sealed_for(tx: &Tx<'_>, provider: &ProviderId) -> Result<Vec<String>, Fail<StoreError>> {
    let mut select = tx.conn.prepare_cached(
        "SELECT model_id FROM snapshots WHERE provider_id = ?1 AND enabled_seal IS NOT NULL",
    )?;
    let models = select.query_map(params![provider.as_str()], |row| row.get::<_, String>(0))?;
    let mut subjects = vec![
        subject(SealKind::Provider, provider),
        subject(SealKind::Contact, provider),
    ];
    subjects.extend(findings::subjects(tx.conn, provider)?);
    for model in models {
        subjects.push(subject(SealKind::Model, format!("{provider}/{}", model?)));
    }
    Ok(subjects)
}

fn put_snapshot(
    tx: &Tx<'_>,
    model: &ModelRef,
    snapshot: &CapabilitySnapshot,
    by_person: Option<Seal>,
) -> Done {
    if snapshot.provider_id != model.provider || snapshot.model_id != model.model {
        return Err(StoreError::Conflict.into());
    }
    let (provider, id) = (model.provider.as_str(), model.model.as_str());
    let known = tx
        .conn
        .prepare_cached("SELECT 1 FROM providers WHERE provider_id = ?1")?
        .exists(params![provider])?;
    if !known {
        return Err(StoreError::Missing.into());
    }
    let was_enabled: Option<bool> = tx
        .conn
        .prepare_cached("SELECT enabled FROM snapshots WHERE provider_id = ?1 AND model_id = ?2")?
        .query_row(params![provider, id], |row| row.get(0))
        .optional()?;
    let enabled_seal = match by_person {
        Some(seal) => {
            let enabled = EnabledModel::new(model, snapshot.provider_revision);
            seals::column(seals::enter(tx, &enabled, Some(seal))?)
        }
        None => None,
    };
    if !snapshot.enabled {
        seals::strike(tx, &[subject(SealKind::Model, model)])?;
    }
    let seal = tx.shared.options.seals.seal(snapshot, tx.now());
    // What is read again stays enabled under the seal that it has; what is disabled has none any more.
    tx.conn
        .prepare_cached(
            "INSERT INTO snapshots (provider_id, model_id, enabled, snapshot, seal, enabled_seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE
             SET enabled = excluded.enabled, snapshot = excluded.snapshot, seal = excluded.seal,
               enabled_seal = iif(excluded.enabled, coalesce(excluded.enabled_seal, enabled_seal), NULL)",
        )?
        .execute(params![
            provider,
            id,
            snapshot.enabled,
            codec::json(snapshot)?,
            seals::column(seal.map_err(|_| StoreError::Failed)?),
            enabled_seal
        ])?;
    if was_enabled == Some(true) && !snapshot.enabled {
        consent::revoke_for_model(tx, model)?;
    }
    if was_enabled.unwrap_or(false) != snapshot.enabled {
        epochs::enabled_changed(tx.conn, &model.provider)?;
    }
    Ok(())
}
