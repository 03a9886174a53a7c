//! Receipts and contact grants in memory.

use async_trait::async_trait;
use handshake_core::{
    consent::{ConsentReceipt, ReceiptEvidence},
    ids::{ProviderId, ReceiptId},
    ports::{ConsentStore, ContactGrants, ReceiptQuery, StoreError},
    time::UtcTime,
};

use super::Memory;

#[async_trait]
impl ConsentStore for Memory {
    async fn find(&self, query: &ReceiptQuery) -> Result<Vec<ReceiptEvidence>, StoreError> {
        let state = self.store()?;
        let matches = |receipt: &ConsentReceipt| {
            receipt.ext.envelope_sha256 == query.envelope_sha256
                || (receipt.ext.principal == query.principal
                    && receipt.ext.session_ids.contains(&query.session_id))
        };
        let mut found = Vec::new();
        for stored in state.receipts.values() {
            // A row that cannot be read is handed over: the gate finds out that it is no receipt.
            let wanted = serde_json::from_slice(&stored.signed.payload).map_or(true, |r| matches(&r));
            if wanted {
                found.push(ReceiptEvidence {
                    signed: stored.signed.clone(),
                    uses: stored.uses,
                    bytes: stored.bytes,
                    new_bytes: stored.new_bytes,
                    known_blocks: query
                        .blocks
                        .iter()
                        .filter(|block| stored.blocks.contains(block))
                        .copied()
                        .collect(),
                    last_used: stored.last_used,
                    revoked: stored.revoked.is_some(),
                    open_use: stored.open_use,
                });
            }
        }
        Ok(found)
    }

    async fn revoked_since(&self, since: UtcTime) -> Result<Vec<ReceiptId>, StoreError> {
        let revoked = |stored: &super::StoredReceipt| stored.revoked.is_some_and(|at| at > since);
        let state = self.store()?;
        Ok(state.receipts.iter().filter(|(_, r)| revoked(r)).map(|(id, _)| *id).collect())
    }
}

#[async_trait]
impl ContactGrants for Memory {
    async fn granted(&self, provider: &ProviderId, revision: u64) -> Result<bool, StoreError> {
        Ok(self.store()?.contacts.contains(&(provider.clone(), revision)))
    }

    async fn grant(&self, provider: &ProviderId, revision: u64) -> Result<(), StoreError> {
        self.store()?.contacts.insert((provider.clone(), revision));
        Ok(())
    }
}
