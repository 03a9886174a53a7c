//! Seals in memory: everything that was put here counts as sealed, until a test says that it is not.

use std::sync::Arc;

use async_trait::async_trait;
use handshake_core::{
    digest::CommitmentKey,
    ids::{ModelRef, ProviderId},
    ports::{Clock, ProviderStore, SealError, SealRegister, SealStore, Signer, StoreError},
    provider::ProviderRecord,
    seal::{
        ContactGrant, EnabledModel, Evidence, Proof, SEAL_DOMAIN, Seal, SealKeys, SealKind,
        Sealable, Statement, subject,
    },
};

use super::{Memory, MemorySigner};
use crate::gate::PASSPHRASE;

impl Memory {
    /// What a gate checks the seals of this home with.
    #[must_use]
    pub fn seal_keys(&self) -> Arc<SealKeys> {
        let integrity = CommitmentKey::new([9; 32]).expect("a key");
        let approval = Some(person().public_key());
        Arc::new(SealKeys::new(integrity, approval, Arc::new(self.clone())))
    }

    /// Takes a seal away, as one who edits the database would.
    pub fn unseal(&self, kind: SealKind, id: &str) {
        self.state().unsealed.insert(subject(kind, id));
    }

    /// A good seal for this very thing, unless it was taken away.
    fn seal_for(&self, thing: &dyn Sealable) -> Option<Seal> {
        let made_at = self.now();
        let statement = thing.statement(made_at).expect("canonical");
        if self.state().unsealed.contains(&statement.subject()) {
            return None;
        }
        if let Some(keyed) = self.seal_keys().seal(thing, made_at).expect("canonical") {
            return Some(keyed);
        }
        let message = statement.bytes().expect("canonical");
        self.change(std::slice::from_ref(&statement), &[])
            .expect("entered");
        let signature = person().sign_unasked(SEAL_DOMAIN, &message);
        Some(Seal {
            made_at,
            proof: Proof::Signature(signature),
        })
    }
}

fn person() -> MemorySigner {
    MemorySigner::new(7, PASSPHRASE)
}

#[async_trait]
impl SealStore for Memory {
    fn provider_seal(
        &self,
        record: &Arc<ProviderRecord>,
    ) -> Result<Arc<Evidence<Arc<ProviderRecord>>>, StoreError> {
        // From memory, as every store answers it: no database is asked.
        let stored = self.state().providers.get(&record.provider_id).cloned();
        let revision = stored.map_or(record.revision, |stored| stored.revision);
        Ok(Arc::new(Evidence::new(self.seal_for(&**record), revision)))
    }

    fn model_seal(&self, model: &ModelRef) -> Result<Option<Seal>, StoreError> {
        let state = self.store()?;
        let provider = state.providers.get(&model.provider);
        let revision = provider.map_or(1, |record| record.revision);
        drop(state);
        Ok(self.seal_for(&EnabledModel::new(model, revision)))
    }

    async fn contact_seal(
        &self,
        provider: &ProviderId,
        revision: u64,
    ) -> Result<Option<Seal>, StoreError> {
        let all = self.list().await?;
        let record = all
            .into_iter()
            .find(|known| known.provider_id == *provider && known.revision == revision);
        Ok(record.and_then(|record| self.seal_for(&ContactGrant::of(&record))))
    }
}

impl SealRegister for Memory {
    fn is_in_force(&self, statement: &Statement) -> Result<bool, SealError> {
        let known = self.state().sealed.get(&statement.subject()).copied();
        Ok(known == statement.digest().ok())
    }

    fn knows(&self, subject: &str) -> Result<bool, SealError> {
        Ok(self.state().sealed.contains_key(subject))
    }

    fn change(&self, enter: &[Statement], strike: &[String]) -> Result<(), SealError> {
        let mut state = self.state();
        state.sealed.retain(|subject, _| !strike.contains(subject));
        for statement in enter {
            let digest = statement.digest().map_err(|_| SealError::Damaged)?;
            state.sealed.insert(statement.subject(), digest);
        }
        Ok(())
    }
}
