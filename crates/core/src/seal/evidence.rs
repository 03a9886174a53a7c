//! Seals as they are stored, and what was found when they were looked at.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use super::{BadSeal, Revised, Seal, SealKeys, SealKind};
use crate::{
    capability::SharedSnapshot,
    ids::{ModelRef, ProviderId},
    provider::ProviderRecord,
};

/// A stored seal, and the verdict on it once somebody asked. A store hands it out; only this crate judges it.
pub struct Evidence<R> {
    seal: Option<Seal>,
    /// The revision that it stands beside.
    revision: u64,
    judged: OnceLock<(R, Result<(), BadSeal>)>,
}

impl<R> Evidence<R>
where
    R: Clone + PartialEq + Deref<Target: Revised>,
{
    /// What stands beside a record of this revision; `None` where nothing does, or nothing that is a seal.
    #[must_use]
    pub fn new(seal: Option<Seal>, revision: u64) -> Self {
        Self {
            seal,
            revision,
            judged: OnceLock::new(),
        }
    }

    /// Whether the seal is good for this record. Worked out once: a record is asked about with every call. One of
    /// another revision than is stored now was read before somebody changed it, which is no forgery.
    ///
    /// # Errors
    /// [`BadSeal`].
    pub fn judge(&self, record: &R, keys: &SealKeys) -> Result<(), BadSeal> {
        if let Some((judged, verdict)) = self.judged.get()
            && judged == record
        {
            return *verdict;
        }
        if record.revision() != self.revision {
            return Err(BadSeal::Outdated);
        }
        let verdict = keys.check(&**record, self.seal.as_ref());
        // What the register says now says nothing about later.
        if !matches!(verdict, Err(BadSeal::Unreadable | BadSeal::Superseded)) {
            let _another_was_first = self.judged.set((record.clone(), verdict));
        }
        verdict
    }
}

impl<R> fmt::Debug for Evidence<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("sealed", &self.seal.is_some())
            .finish_non_exhaustive()
    }
}

/// The seals of a registry view. One that was made by hand has no keys and believes what it was given: what is sent
/// is judged by the gate, which has keys of its own.
#[derive(Clone, Debug, Default)]
pub struct SealBook {
    /// What seals are checked with.
    pub keys: Option<Arc<SealKeys>>,
    /// Of providers.
    pub providers: BTreeMap<ProviderId, Arc<Evidence<Arc<ProviderRecord>>>>,
    /// Of what is known about models.
    pub snapshots: BTreeMap<ModelRef, Arc<Evidence<SharedSnapshot>>>,
    /// Of the models that a person enabled.
    pub enabled: BTreeMap<ModelRef, Seal>,
    /// What was left out of the view because it is not as it was sealed, by kind and id.
    pub broken: Vec<(SealKind, String)>,
}

impl SealBook {
    /// Whether a provider is to be believed.
    ///
    /// # Errors
    /// [`BadSeal`].
    pub fn provider(&self, record: &Arc<ProviderRecord>) -> Result<(), BadSeal> {
        judge(
            self.keys.as_deref(),
            self.providers.get(&record.provider_id),
            record,
        )
    }

    /// Whether what is known about a model is to be believed.
    ///
    /// # Errors
    /// [`BadSeal`].
    pub fn snapshot(&self, known: &SharedSnapshot) -> Result<(), BadSeal> {
        let model = ModelRef {
            provider: known.provider_id.clone(),
            model: known.model_id.clone(),
        };
        judge(self.keys.as_deref(), self.snapshots.get(&model), known)
    }
}

fn judge<R>(
    keys: Option<&SealKeys>,
    evidence: Option<&Arc<Evidence<R>>>,
    record: &R,
) -> Result<(), BadSeal>
where
    R: Clone + PartialEq + Deref<Target: Revised>,
{
    match (keys, evidence) {
        (None, _) => Ok(()),
        (Some(keys), Some(evidence)) => evidence.judge(record, keys),
        (Some(_), None) => Err(BadSeal::Missing),
    }
}
