//! The ledger in memory.

use async_trait::async_trait;
use handshake_core::{
    digest::Digest,
    ids::{ProviderId, UseId},
    ports::{Clock, Committed, EgressLedger, Epochs, Intent, LedgerError, Spend, StoreError},
    time::UtcTime,
};

use super::{Memory, State};

#[async_trait]
impl EgressLedger for Memory {
    async fn epochs(&self, provider: &ProviderId) -> Result<Epochs, StoreError> {
        Ok(epochs(&*self.store()?, provider))
    }

    async fn commit(&self, intent: Intent) -> Result<Committed, LedgerError> {
        let now = self.now();
        let mut state = self.store()?;
        if epochs(&state, &intent.provider_id) != intent.epochs {
            return Err(LedgerError::Stale);
        }
        let use_id = match &intent.spend {
            Some(spend) => take(&mut state, spend, now)?,
            None => UseId::from_entropy([1; 16]),
        };
        state.events.push(intent.event);
        Ok(Committed { use_id, seq: state.events.len() as u64 - 1 })
    }

    async fn close(&self, use_id: UseId) -> Result<(), StoreError> {
        for stored in self.store()?.receipts.values_mut() {
            if stored.open_use.is_some_and(|(open, ..)| open == use_id) {
                stored.open_use = None;
            }
        }
        Ok(())
    }
}

fn epochs(state: &State, provider: &ProviderId) -> Epochs {
    Epochs {
        policy: Digest::of(&[b"policy"]),
        provider_revision: state.providers.get(provider).map_or(0, |record| record.revision),
        enabled_models: state.enabled_models,
        rules: Digest::of(&[b"rules"]),
        enrolled: 0,
        locked: state.locked,
        approval_key: state.approval_key.clone(),
    }
}

fn take(state: &mut State, spend: &Spend, now: UtcTime) -> Result<UseId, LedgerError> {
    let stored = state.receipts.get_mut(&spend.receipt_id).ok_or(LedgerError::Contended)?;
    if stored.revoked.is_some() || stored.uses != spend.seen_uses {
        return Err(LedgerError::Contended);
    }
    stored.open_use = match stored.open_use {
        Some((open, envelope, attempts)) if open == spend.use_id => {
            let next = envelope == spend.envelope_sha256
                && spend.attempt == attempts + 1
                && spend.attempt <= spend.max_attempts;
            if !next {
                return Err(LedgerError::Contended);
            }
            Some((open, envelope, spend.attempt))
        }
        _ if spend.attempt == 1 => {
            stored.uses += 1;
            Some((spend.use_id, spend.envelope_sha256, 1))
        }
        _ => return Err(LedgerError::Contended),
    };
    stored.bytes += spend.body_bytes;
    for block in &spend.new_blocks {
        if stored.blocks.insert(block.commitment) {
            stored.new_bytes += block.bytes;
        }
    }
    stored.last_used = Some(now);
    Ok(spend.use_id)
}
