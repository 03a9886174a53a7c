//! Providers, profiles and the view of them in memory.

use std::sync::Arc;

use async_trait::async_trait;
use handshake_core::{
    capability::CapabilitySnapshot,
    ids::{ModelRef, ProfileId, ProviderId},
    ports::{ProfileStore, ProviderStore, RegistryFeed, StoreError},
    profile::{RegistryView, WorkProfile},
    provider::ProviderRecord,
};

use super::{Memory, State};

#[async_trait]
impl ProviderStore for Memory {
    async fn list(&self) -> Result<Vec<ProviderRecord>, StoreError> {
        Ok(self.store()?.providers.values().cloned().collect())
    }

    async fn put(&self, record: ProviderRecord, expected: Option<u64>) -> Result<(), StoreError> {
        let mut state = self.store()?;
        let stored = state
            .providers
            .get(&record.provider_id)
            .map(|known| known.revision);
        if stored != expected {
            return Err(StoreError::Conflict);
        }
        state.providers.insert(record.provider_id.clone(), record);
        Ok(())
    }

    async fn remove(&self, provider: &ProviderId) -> Result<(), StoreError> {
        let mut state = self.store()?;
        state
            .snapshots
            .retain(|model, _| model.provider != *provider);
        state
            .providers
            .remove(provider)
            .map(|_| ())
            .ok_or(StoreError::Missing)
    }

    async fn snapshots(
        &self,
        provider: &ProviderId,
    ) -> Result<Vec<CapabilitySnapshot>, StoreError> {
        let state = self.store()?;
        let of = state
            .snapshots
            .iter()
            .filter(|(model, _)| model.provider == *provider);
        Ok(of.map(|(_, snapshot)| snapshot.clone()).collect())
    }

    async fn put_snapshot(
        &self,
        model: &ModelRef,
        snapshot: CapabilitySnapshot,
    ) -> Result<(), StoreError> {
        let mut state = self.store()?;
        if !state.providers.contains_key(&model.provider) {
            return Err(StoreError::Missing);
        }
        let before = state.snapshots.insert(model.clone(), snapshot.clone());
        if before.is_some_and(|before| before.enabled) != snapshot.enabled {
            state.enabled_models += 1;
        }
        Ok(())
    }
}

#[async_trait]
impl ProfileStore for Memory {
    async fn list(&self) -> Result<Vec<WorkProfile>, StoreError> {
        Ok(self.store()?.profiles.values().cloned().collect())
    }

    async fn put(&self, profile: WorkProfile) -> Result<(), StoreError> {
        let mut state = self.store()?;
        match state.profiles.get(&profile.profile_id) {
            Some(known) if *known != profile => Err(StoreError::Conflict),
            _ => {
                state.profiles.insert(profile.profile_id.clone(), profile);
                Ok(())
            }
        }
    }

    async fn active(&self) -> Result<Option<WorkProfile>, StoreError> {
        let state = self.store()?;
        Ok(state
            .active_profile
            .as_ref()
            .and_then(|id| state.profiles.get(id))
            .cloned())
    }

    async fn activate(&self, profile: &ProfileId) -> Result<(), StoreError> {
        let mut state = self.store()?;
        if !state.profiles.contains_key(profile) {
            return Err(StoreError::Missing);
        }
        state.active_profile = Some(profile.clone());
        Ok(())
    }
}

/// A view that is made anew for everyone who asks: nothing here is worth keeping one for.
impl RegistryFeed for Memory {
    fn current(&self) -> Result<Arc<RegistryView>, StoreError> {
        Ok(Arc::new(view(&*self.store()?)))
    }
}

fn view(state: &State) -> RegistryView {
    let providers = state.providers.iter();
    let snapshots = state.snapshots.iter();
    let active = state.active_profile.as_ref();
    RegistryView {
        providers: providers
            .map(|(id, record)| (id.clone(), Arc::new(record.clone())))
            .collect(),
        snapshots: snapshots
            .map(|(model, known)| (model.clone(), known.clone().into()))
            .collect(),
        profile: active
            .and_then(|id| state.profiles.get(id))
            .map(|profile| Arc::new(profile.clone())),
        ..RegistryView::default()
    }
}
