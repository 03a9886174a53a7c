//! What was blocked and what was declassified, in memory.

use std::time::Duration;

use async_trait::async_trait;
use handshake_core::{
    digest::KeyedHash,
    ids::{ProviderId, RuleId},
    ports::{BlockedFinding, Clock, FindingStore, SealRegister, StoreError, StoredDeclassified},
    provider::ProviderRecord,
    seal::{Declassified, Proof, SEAL_DOMAIN, Seal, Sealable, Statement, declassified_subject},
};

use super::{Memory, MemorySigner};
use crate::gate::PASSPHRASE;

impl Memory {
    /// A person's seal for a thing that they allow now. It counts once it is stored.
    ///
    /// # Panics
    /// For a thing without a canonical form.
    #[must_use]
    pub fn person_seals(&self, thing: &dyn Sealable) -> Seal {
        let made_at = self.now();
        let statement = thing.statement(made_at).expect("canonical");
        let message = statement.bytes().expect("canonical");
        let person = MemorySigner::new(7, PASSPHRASE);
        Seal {
            made_at,
            proof: Proof::Signature(person.sign_unasked(SEAL_DOMAIN, &message)),
        }
    }

    /// Changes a stored row, as one who edits the database would.
    pub fn edit_declassified(&self, edit: impl FnMut(&mut StoredDeclassified)) {
        self.state().declassified.values_mut().for_each(edit);
    }

    fn is_stored(&self, provider: &ProviderId, fits: impl Fn(&ProviderRecord) -> bool) -> bool {
        self.state().providers.get(provider).is_some_and(fits)
    }
}

/// What is declassified counts for the next judgement: verdicts that were reached before are stale.
fn changed(memory: &Memory) {
    memory.state().enabled_models += 1;
}

#[async_trait]
impl FindingStore for Memory {
    async fn declassified(
        &self,
        provider: Option<(&ProviderId, u64)>,
    ) -> Result<Vec<StoredDeclassified>, StoreError> {
        let all = self.store()?.declassified.clone();
        let wanted = |row: &StoredDeclassified| {
            provider.is_none_or(|(id, revision)| row.provider_id == *id && row.revision == revision)
        };
        Ok(all.into_values().filter(wanted).collect())
    }

    async fn declassify(&self, what: &Declassified, seal: Seal) -> Result<(), StoreError> {
        drop(self.store()?);
        if !self.is_stored(&what.provider_id, |it| {
            it.revision == what.provider_revision
        }) {
            return Err(StoreError::Missing);
        }
        let statement: Statement = what
            .statement(seal.made_at)
            .map_err(|_| StoreError::Failed)?;
        self.change(&[statement], &[])
            .map_err(|_| StoreError::Failed)?;
        let row = StoredDeclassified {
            provider_id: what.provider_id.clone(),
            revision: what.provider_revision,
            leaf: what.leaf,
            rule: what.rule.clone(),
            class: what.class,
            seal: Some(seal),
        };
        self.store()?.declassified.insert(what.subject(), row);
        changed(self);
        Ok(())
    }

    async fn classify_again(
        &self,
        provider: &ProviderId,
        rule: &RuleId,
        leaf: &KeyedHash,
    ) -> Result<(), StoreError> {
        let subject = declassified_subject(provider, rule, leaf);
        let found = self.store()?.declassified.remove(&subject);
        found.ok_or(StoreError::Missing)?;
        self.change(&[], &[subject])
            .map_err(|_| StoreError::Failed)?;
        changed(self);
        Ok(())
    }

    async fn keep_blocked(&self, blocked: Vec<BlockedFinding>) -> Result<(), StoreError> {
        let mut state = self.store()?;
        for one in blocked {
            state.blocked.retain(|it| it.handle() != one.handle());
            state.blocked.insert(0, one.clone());
            let mut of_one = 0;
            state.blocked.retain(|it| {
                of_one += usize::from(it.principal == one.principal);
                it.principal != one.principal || of_one <= BlockedFinding::KEPT_OF_ONE
            });
        }
        state.blocked.truncate(BlockedFinding::KEPT);
        Ok(())
    }

    async fn blocked(&self) -> Result<Vec<BlockedFinding>, StoreError> {
        let now = self.now();
        let life = Duration::from_secs(BlockedFinding::KEPT_SECONDS);
        let mut all = self.store()?.blocked.clone();
        all.retain(|it| now.since(it.at) < life);
        Ok(all)
    }
}
