//! Provider records and what is known about their models.

use async_trait::async_trait;
use handshake_core::{
    capability::CapabilitySnapshot,
    event::Event,
    ids::{ModelRef, ProviderId},
    ports::{ProviderStore, StoreError},
    provider::ProviderRecord,
};
use rusqlite::{OptionalExtension, params};

use crate::{codec, consent, epochs, error::Fail, log, store::Store, writer::Tx};

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
        self.change(move |tx| put(tx, &record, expected)).await
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
        self.change(move |tx| put_snapshot(tx, &model, &snapshot))
            .await
    }
}

impl Store {
    /// Registers new providers with what the log says about it: all of them in one transaction, or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of them is registered already.
    pub async fn register(
        &self,
        records: Vec<ProviderRecord>,
        events: Vec<Event>,
    ) -> Result<(), StoreError> {
        self.change(move |tx| {
            tx.shared.healthy()?;
            for record in &records {
                put(tx, record, None)?;
            }
            for event in events {
                log::append(tx, &event)?;
            }
            Ok(())
        })
        .await
    }
}

type Done = Result<(), Fail<StoreError>>;

fn put(tx: &Tx<'_>, record: &ProviderRecord, expected: Option<u64>) -> Done {
    let id = record.provider_id.as_str();
    let (revision, text) = (codec::int(record.revision)?, codec::json(record)?);
    let changed = match expected {
        None => tx
            .conn
            .prepare_cached("INSERT INTO providers VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![id, revision, text])?,
        // A revision never falls: what is bound to the old one would come alive again.
        Some(expected) if record.revision >= expected => tx.conn.execute(
            "UPDATE providers SET revision = ?2, record = ?3 WHERE provider_id = ?1 AND revision = ?4",
            params![id, revision, text, codec::int(expected)?],
        )?,
        Some(_) => 0,
    };
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict.into())
    }
}

fn remove(tx: &Tx<'_>, provider: &ProviderId) -> Done {
    // Snapshots, claims and contact grants go with it.
    let removed = tx.conn.execute(
        "DELETE FROM providers WHERE provider_id = ?1",
        params![provider.as_str()],
    )?;
    if removed == 0 {
        return Err(StoreError::Missing.into());
    }
    consent::revoke_for(tx, provider)?;
    epochs::enabled_changed(tx.conn, provider)
}

fn put_snapshot(tx: &Tx<'_>, model: &ModelRef, snapshot: &CapabilitySnapshot) -> Done {
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
    tx.conn
        .prepare_cached(
            "INSERT INTO snapshots VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
             SET enabled = excluded.enabled, snapshot = excluded.snapshot",
        )?
        .execute(params![
            provider,
            id,
            snapshot.enabled,
            codec::json(snapshot)?
        ])?;
    if was_enabled.unwrap_or(false) != snapshot.enabled {
        epochs::enabled_changed(tx.conn, &model.provider)?;
    }
    Ok(())
}
