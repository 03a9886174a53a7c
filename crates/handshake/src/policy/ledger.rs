//! The ledger of the gate: it looks whether the rules are still those of the file, and whether the clock was set back,
//! before it answers.

use std::sync::Arc;

use async_trait::async_trait;
use handshake_core::{
    ids::{ProviderId, UseId},
    ports::{Committed, EgressLedger, Entropy, Epochs, Intent, LedgerError, StoreError},
};
use handshake_leakage::{SharedEnrolment, SharedStored};
use handshake_registry_store::Store;
use handshake_vault::VaultSecrets;
use tokio::sync::Mutex;

use super::LivePolicy;
use crate::{clock::HomeClock, wire::enrol};

/// Epochs are the first thing that is read of a cloud call, and what is compared when it is committed. So a file that
/// was narrowed counts for the next call, and for one that is being judged.
pub(crate) struct WatchfulLedger {
    pub(crate) store: Arc<Store>,
    pub(crate) policy: Arc<LivePolicy>,
    pub(crate) clock: Arc<HomeClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) withheld: Withheld,
    pub(crate) enrolment: SharedEnrolment,
    pub(crate) secrets: Arc<VaultSecrets>,
}

/// What is known of stored content that may not leave, and up to where that was read.
pub(crate) struct Withheld {
    stored: SharedStored,
    last: Mutex<i64>,
}

impl Withheld {
    pub(crate) fn new(stored: SharedStored) -> Self {
        Self {
            stored,
            last: Mutex::new(0),
        }
    }

    /// Learns what was stored meanwhile, by whichever process. Whoever comes while somebody reads waits for them.
    async fn look(&self, store: &Store) -> Result<(), StoreError> {
        let mut last = self.last.lock().await;
        loop {
            let found = store.withheld_after(*last).await?;
            let stored = self.stored.clone();
            let (to, more, contents) = (found.last, found.more, found.contents);
            if !contents.is_empty() {
                let learnt = tokio::task::spawn_blocking(move || {
                    contents.iter().for_each(|content| stored.learn(content));
                });
                learnt.await.map_err(|_| StoreError::Failed)?;
            }
            *last = to;
            if !more {
                return Ok(());
            }
        }
    }
}

impl WatchfulLedger {
    /// What another process enrolled is looked for from this call on.
    async fn enrolled(&self, epochs: &Epochs) -> Result<(), StoreError> {
        if epochs.enrolled > self.enrolment.current().generation() {
            let set = enrol(&self.store, &self.secrets).await;
            self.enrolment.replace(set.map_err(|_| StoreError::Failed)?);
        }
        Ok(())
    }

    async fn look(&self) -> Result<(), StoreError> {
        self.withheld.look(&self.store).await?;
        // Rules that nobody can read are not rules that nobody broke.
        let looked = self.policy.look(&self.store).await;
        looked.map_err(|_| StoreError::Failed)?;
        if !self.clock.is_news() {
            return Ok(());
        }
        let said = self.clock.says(&self.store, &*self.entropy).await;
        said.map_err(|_| StoreError::Failed)
    }
}

#[async_trait]
impl EgressLedger for WatchfulLedger {
    async fn epochs(&self, provider: &ProviderId) -> Result<Epochs, StoreError> {
        self.look().await?;
        let epochs = self.store.epochs(provider).await?;
        self.enrolled(&epochs).await?;
        if epochs.policy == self.policy.digest() {
            return Ok(epochs);
        }
        // Another process read the file earlier, or later, and was the last to say so. The file and the vault say who
        // is right.
        let looked = self.policy.look_again(&self.store).await;
        looked.map_err(|_| StoreError::Failed)?;
        self.store.epochs(provider).await
    }

    async fn commit(&self, intent: Intent) -> Result<Committed, LedgerError> {
        self.look().await?;
        self.store.commit(intent).await
    }

    async fn uses_of_job(&self, job: &str) -> Result<u32, StoreError> {
        self.store.uses_of_job(job).await
    }

    async fn close(&self, use_id: UseId) -> Result<(), StoreError> {
        self.store.close(use_id).await
    }
}
