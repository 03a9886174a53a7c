//! Receipts and contact grants in memory.

use async_trait::async_trait;
use handshake_core::{
    consent::{ConsentReceipt, ReceiptEvidence, ReceiptScope},
    ids::{ProviderId, ReceiptId},
    ports::{Clock, ConsentStore, ContactGrants, ReceiptQuery, StoreError},
    seal::{ContactGrant, Seal},
    time::UtcTime,
};

use super::{Memory, queue::is_abandoned};

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
            let receipt: Option<ConsentReceipt> =
                serde_json::from_slice(&stored.signed.payload).ok();
            if !receipt.as_ref().is_none_or(matches) {
                continue;
            }
            let abandoned = receipt.is_some_and(|receipt| {
                receipt.ext.scope == ReceiptScope::SingleCall
                    && is_abandoned(&state, receipt.ext.request_id, stored.stored_at, self.now())
            });
            let evidence = ReceiptEvidence {
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
                revoked: stored.revoked.is_some() || abandoned,
                open_use: None,
            };
            let open: Vec<_> = stored
                .begun
                .iter()
                .filter_map(|(use_id, begun)| begun.map(|(envelope, n)| (*use_id, envelope, n)))
                .collect();
            if open.is_empty() {
                found.push(evidence);
            } else {
                found.extend(open.into_iter().map(|open| ReceiptEvidence {
                    open_use: Some(open),
                    ..evidence.clone()
                }));
            }
        }
        Ok(found)
    }

    async fn revoked_since(&self, since: UtcTime) -> Result<Vec<ReceiptId>, StoreError> {
        let revoked = |stored: &super::StoredReceipt| stored.revoked.is_some_and(|at| at >= since);
        let state = self.store()?;
        Ok(state
            .receipts
            .iter()
            .filter(|(_, r)| revoked(r))
            .map(|(id, _)| *id)
            .collect())
    }
}

#[async_trait]
impl ContactGrants for Memory {
    async fn granted(&self, provider: &ProviderId, revision: u64) -> Result<bool, StoreError> {
        Ok(self
            .store()?
            .contacts
            .contains(&(provider.clone(), revision)))
    }

    /// Its own seal stands beside it, as beside everything here.
    async fn grant(&self, grant: &ContactGrant, _: Seal) -> Result<(), StoreError> {
        let granted = (grant.provider_id.clone(), grant.provider_revision);
        self.store()?.contacts.insert(granted);
        Ok(())
    }
}
