//! Seals: made where they need no person, kept beside their records, entered in the register before the record is
//! stored.

mod adopt;
mod entries;

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use handshake_core::{
    code::ErrorCode,
    event::{Actor, Body, EventScope},
    ids::{EventId, ModelRef, ProviderId},
    ports::{EntropyExt, FlightRecorder, RegistryFeed, SealStore, StoreError},
    provider::ProviderRecord,
    seal::{Evidence, Seal, SealKind, Sealable, Statement, subject},
};
use rusqlite::{OptionalExtension, params};

use crate::{codec, error::Fail, store::Store, writer::Tx};

pub(crate) use self::entries::Entries;

type Result<T> = std::result::Result<T, Fail<StoreError>>;

#[async_trait]
impl SealStore for Store {
    fn provider_seal(
        &self,
        record: &Arc<ProviderRecord>,
    ) -> std::result::Result<Arc<Evidence<Arc<ProviderRecord>>>, StoreError> {
        let view = self.current()?;
        let found = view.seals.providers.get(&record.provider_id).cloned();
        // One that is not there any more is of no revision.
        Ok(found.unwrap_or_else(|| Arc::new(Evidence::new(None, 0))))
    }

    fn model_seal(&self, model: &ModelRef) -> std::result::Result<Option<Seal>, StoreError> {
        Ok(self.current()?.seals.enabled.get(model).copied())
    }

    async fn contact_seal(
        &self,
        provider: &ProviderId,
        revision: u64,
    ) -> std::result::Result<Option<Seal>, StoreError> {
        let provider = provider.clone();
        self.read(move |conn| {
            let seal: Option<Option<Vec<u8>>> = conn
                .prepare_cached(
                    "SELECT seal FROM contacts WHERE provider_id = ?1 AND revision = ?2",
                )?
                .query_row(params![provider.as_str(), codec::int(revision)?], |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(stored(seal.flatten().as_deref()))
        })
        .await
    }
}

impl Store {
    /// Seals what is here without a seal and needs no person, as it stands: in a home of a version that had no seals.
    /// Whoever calls it knows that this is such a home, and not one whose seals somebody took away.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was sealed then.
    pub async fn seal_what_needs_nobody(&self) -> std::result::Result<(), StoreError> {
        self.change(adopt::adopt).await
    }

    /// Reports what is not as it was sealed and belongs to no call, once for each record.
    pub(crate) fn report_broken_seals(&self, broken: &[(SealKind, String)]) {
        for (kind, id) in broken {
            let first = self
                .shared()
                .alarms
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(subject(*kind, id));
            if !first {
                continue;
            }
            let options = &self.shared().options;
            let body = Body::IntegrityAlarm {
                code: ErrorCode::HomeUntrusted,
            };
            let event_id = EventId::from_entropy(options.entropy.bytes());
            let event =
                EventScope::default().event(event_id, options.clock.now(), Actor::System, body);
            // A queue that is full counts what it refuses, and says so in the log.
            let _counted = self.submit(event);
        }
    }
}

/// What a column holds. Bytes that are no seal are none.
pub(crate) fn stored(column: Option<&[u8]>) -> Option<Seal> {
    column.and_then(Seal::from_bytes)
}

/// The seal to store beside a record, of which the register learns here: see [`Entries::seal`].
pub(crate) fn enter(
    tx: &Tx<'_>,
    thing: &dyn Sealable,
    given: Option<Seal>,
) -> Result<Option<Seal>> {
    let mut entries = Entries::default();
    let seal = entries.seal(tx, thing, given)?;
    entries.learn(tx)?;
    Ok(seal)
}

/// Strikes what is in force for these subjects.
pub(crate) fn strike(tx: &Tx<'_>, subjects: &[String]) -> Result<()> {
    let known = known(tx, subjects)?;
    if known.is_empty() {
        return Ok(());
    }
    change(tx, &[], &known)
}

/// Changes what the register has in force. That the vault is not the one from before is noted outside.
pub(crate) fn change(tx: &Tx<'_>, enter: &[Statement], strike: &[String]) -> Result<()> {
    tx.shared.must_note();
    let register = tx.shared.options.seals.register();
    Ok(register.change(enter, strike).map_err(codec::seal_error)?)
}

/// The subjects that something is in force for.
fn known(tx: &Tx<'_>, subjects: &[String]) -> Result<Vec<String>> {
    let register = tx.shared.options.seals.register();
    let mut known = Vec::new();
    for subject in subjects {
        if register.knows(subject).map_err(codec::seal_error)? {
            known.push(subject.clone());
        }
    }
    Ok(known)
}

/// A seal as a column holds it.
pub(crate) fn column(seal: Option<Seal>) -> Option<Vec<u8>> {
    seal.map(|seal| seal.to_bytes())
}
