//! The ledger of the gate: it looks whether the rules are still those of the file, and whether the clock was set back,
//! before it answers.

use std::sync::Arc;

use async_trait::async_trait;
use handshake_core::{
    ids::{ProviderId, UseId},
    ports::{Committed, EgressLedger, Entropy, Epochs, Intent, LedgerError, StoreError},
};
use handshake_registry_store::Store;

use super::LivePolicy;
use crate::clock::HomeClock;

/// Epochs are the first thing that is read of a cloud call, and what is compared when it is committed. So a file that
/// was narrowed counts for the next call, and for one that is being judged.
pub(crate) struct WatchfulLedger {
    pub(crate) store: Arc<Store>,
    pub(crate) policy: Arc<LivePolicy>,
    pub(crate) clock: Arc<HomeClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl WatchfulLedger {
    async fn look(&self) -> Result<(), StoreError> {
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

    async fn close(&self, use_id: UseId) -> Result<(), StoreError> {
        self.store.close(use_id).await
    }
}
