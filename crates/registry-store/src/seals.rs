//! Seals: made where they need no person, kept beside their records, entered in the register before the record is
//! stored.

mod adopt;

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use handshake_core::{
    code::ErrorCode,
    event::{Actor, Body, EventScope},
    ids::{EventId, ModelRef, ProviderId},
    ports::{EntropyExt, FlightRecorder, RegistryFeed, SealStore, StoreError},
    provider::ProviderRecord,
    seal::{AttestedRelay, Evidence, Proof, Seal, SealKind, Sealable, subject},
    tier::Reach,
};
use rusqlite::{OptionalExtension, params};

use crate::{codec, error::Fail, store::Store, writer::Tx};

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

/// The seal to store beside a record: the one that a person made, or one of this program's where that is enough.
/// `None` where a person's is needed and nobody gave it; the record is not believed then.
///
/// The register learns of it here, as the last thing before the record is written: what was in force for its subject
/// is not any more.
pub(crate) fn enter(
    tx: &Tx<'_>,
    thing: &dyn Sealable,
    given: Option<Seal>,
) -> Result<Option<Seal>> {
    let keys = &tx.shared.options.seals;
    let seal = match given {
        Some(seal) => Some(seal),
        None => keys.seal(thing, tx.now()).map_err(|_| StoreError::Failed)?,
    };
    let statement = thing
        .statement(seal.map_or_else(|| tx.now(), |seal| seal.made_at))
        .map_err(|_| StoreError::Failed)?;
    let changed = match seal {
        Some(seal) if thing.is_registered() || matches!(seal.proof, Proof::Signature(_)) => {
            keys.register().change(&[statement], &[])
        }
        // What a person signed before must not come back in the place of what needs none.
        _ => strike_known(tx, &[statement.subject()]),
    };
    changed.map_err(codec::seal_error)?;
    Ok(seal)
}

/// Remembers that a person attested a relay at a provider's address, or forgets it because they say now that a server
/// there is none. It stays when the provider is removed.
pub(crate) fn attest(tx: &Tx<'_>, record: &ProviderRecord) -> Result<()> {
    let relay = AttestedRelay {
        origin: record.base_url.origin(),
    };
    let statement = relay.statement(tx.now());
    let statement = statement.map_err(|_| StoreError::Failed)?;
    if record.reach == Reach::Direct {
        return strike(tx, &[statement.subject()]);
    }
    let register = tx.shared.options.seals.register();
    if register
        .knows(&statement.subject())
        .map_err(codec::seal_error)?
    {
        return Ok(());
    }
    Ok(register
        .change(&[statement], &[])
        .map_err(codec::seal_error)?)
}

/// Strikes what is in force for these subjects.
pub(crate) fn strike(tx: &Tx<'_>, subjects: &[String]) -> Result<()> {
    Ok(strike_known(tx, subjects).map_err(codec::seal_error)?)
}

/// The vault is not written for what it does not know.
fn strike_known(
    tx: &Tx<'_>,
    subjects: &[String],
) -> std::result::Result<(), handshake_core::ports::SealError> {
    let register = tx.shared.options.seals.register();
    let mut known = Vec::new();
    for subject in subjects {
        if register.knows(subject)? {
            known.push(subject.clone());
        }
    }
    if known.is_empty() {
        return Ok(());
    }
    register.change(&[], &known)
}

/// A seal as a column holds it.
pub(crate) fn column(seal: Option<Seal>) -> Option<Vec<u8>> {
    seal.map(|seal| seal.to_bytes())
}
