//! Adapters by kind, and what was built of them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ProviderId, Token},
    ports::{Adapter, AdapterError, AdapterFactory},
    provider::ProviderRecord,
};

use crate::registry::reading::Readings;

/// The most built adapters that are kept. They are cheap to build again.
const KEPT: usize = 1_024;

/// The adapters that the composition root chose, by kind. Cheap to clone; clones share what was built.
#[derive(Clone)]
pub struct Adapters(Arc<Inner>);

struct Inner {
    factories: BTreeMap<Token, Arc<dyn AdapterFactory>>,
    built: RwLock<BTreeMap<ProviderId, (Arc<ProviderRecord>, Adapter)>>,
    readings: Readings,
}

impl Adapters {
    /// Adapters of these kinds.
    #[must_use]
    pub fn new(factories: BTreeMap<Token, Arc<dyn AdapterFactory>>) -> Self {
        Self(Arc::new(Inner {
            factories,
            built: RwLock::default(),
            readings: Readings::default(),
        }))
    }

    /// The factory of a kind.
    #[must_use]
    pub fn get(&self, kind: &Token) -> Option<&Arc<dyn AdapterFactory>> {
        self.0.factories.get(kind)
    }

    /// The kinds, in order.
    pub fn kinds(&self) -> impl Iterator<Item = &Token> {
        self.0.factories.keys()
    }

    pub(crate) fn readings(&self) -> &Readings {
        &self.0.readings
    }

    /// The adapter of a provider's present revision, built once.
    pub(crate) fn of(&self, record: &Arc<ProviderRecord>) -> Result<Adapter, CallError> {
        {
            let built = self.0.built.read().unwrap_or_else(PoisonError::into_inner);
            // A provider that was removed and registered again starts over at revision 1, so the whole record counts.
            if let Some((known, adapter)) = built.get(&record.provider_id)
                && (Arc::ptr_eq(known, record) || known == record)
            {
                return Ok(adapter.clone());
            }
        }
        let failed = |code| CallError::new(code, Phase::Resolve);
        let factory = self
            .get(&record.provider_kind)
            .ok_or_else(|| failed(ErrorCode::InvalidConfig).about("provider_kind"))?;
        let adapter = factory
            .build(Arc::clone(record))
            .map_err(|error| match error {
                AdapterError::Invalid(invalid) => failed(invalid.code).about(invalid.field),
                AdapterError::Transport => failed(ErrorCode::Storage).about("transport"),
            })?;
        let mut built = self.0.built.write().unwrap_or_else(PoisonError::into_inner);
        if built.len() >= KEPT {
            built.clear();
        }
        let entry = (Arc::clone(record), adapter.clone());
        built.insert(record.provider_id.clone(), entry);
        Ok(adapter)
    }
}

impl fmt::Debug for Adapters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds()).finish()
    }
}
