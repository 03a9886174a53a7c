//! The ledger in memory.

use async_trait::async_trait;
use handshake_core::{
    consent::{ConsentReceipt, ReceiptScope},
    digest::Digest,
    event::Body,
    ids::{ProviderId, UseId},
    ports::{
        Clock, Committed, EgressLedger, EntropyExt, Epochs, Intent, LedgerError, Spend, StoreError,
    },
    time::UtcTime,
};

use super::{Memory, State};

#[async_trait]
impl EgressLedger for Memory {
    async fn epochs(&self, provider: &ProviderId) -> Result<Epochs, StoreError> {
        Ok(epochs(&*self.store()?, provider))
    }

    async fn commit(&self, mut intent: Intent) -> Result<Committed, LedgerError> {
        if let (
            Some(spend),
            Body::CallAttempt {
                consent_receipt_id, ..
            },
        ) = (&intent.spend, &mut intent.event.body)
        {
            *consent_receipt_id = Some(spend.receipt_id);
        }
        let now = self.now();
        let mut state = self.store()?;
        if epochs(&state, &intent.provider_id) != intent.epochs {
            return Err(LedgerError::Stale);
        }
        let use_id = match (&intent.spend, &intent.event.body) {
            (Some(spend), _) => spend_receipt(&mut state, spend, now)?,
            (None, Body::CallAttempt { use_id, .. }) => *use_id,
            (None, _) => UseId::from_entropy(self.bytes()),
        };
        state.events.push(intent.event);
        Ok(Committed {
            use_id,
            seq: state.events.len() as u64 - 1,
        })
    }

    async fn uses_of_job(&self, job: &str) -> Result<u32, StoreError> {
        Ok(self.store()?.jobs.get(job).copied().unwrap_or_default())
    }

    async fn close(&self, use_id: UseId) -> Result<(), StoreError> {
        for stored in self.store()?.receipts.values_mut() {
            if let Some(begun) = stored.begun.get_mut(&use_id) {
                *begun = None;
            }
        }
        Ok(())
    }
}

fn epochs(state: &State, provider: &ProviderId) -> Epochs {
    Epochs {
        policy: state
            .policy_epoch
            .unwrap_or_else(|| Digest::of(&[b"policy"])),
        provider_revision: state
            .providers
            .get(provider)
            .map_or(0, |record| record.revision),
        enabled_models: state.enabled_models,
        rules: Digest::of(&[b"rules"]),
        enrolled: state.enrolled,
        locked: state.locked,
        paused: state.paused,
        paused_at: state.paused_at,
        approval_key: state.approval_key.as_ref().map(|key| key.id().clone()),
    }
}

fn spend_receipt(state: &mut State, spend: &Spend, now: UtcTime) -> Result<UseId, LedgerError> {
    let job = spend.job.as_ref().filter(|_| spend.attempt == 1);
    if let Some(bound) = job
        && state.jobs.get(&bound.job).copied().unwrap_or_default() >= bound.most
    {
        return Err(LedgerError::JobSpent);
    }
    let stored = state
        .receipts
        .get_mut(&spend.receipt_id)
        .ok_or(LedgerError::Contended)?;
    let receipt: Option<ConsentReceipt> = serde_json::from_slice(&stored.signed.payload).ok();
    let one_call = receipt.is_none_or(|receipt| receipt.ext.scope == ReceiptScope::SingleCall);
    let fresh = spend
        .new_blocks
        .iter()
        .filter(|block| !stored.blocks.contains(&block.commitment));
    let new_bytes: u64 = fresh.map(|block| block.bytes).sum();
    let beyond = spend
        .reach
        .new_bytes
        .is_some_and(|most| stored.new_bytes + new_bytes > most);
    if stored.revoked.is_some() || beyond {
        return Err(LedgerError::Contended);
    }
    match stored.begun.get_mut(&spend.use_id) {
        None if spend.attempt == 1
            && stored.uses < spend.reach.uses
            && !(one_call && stored.uses > 0) =>
        {
            stored.uses += 1;
            stored
                .begun
                .insert(spend.use_id, Some((spend.envelope_sha256, 1)));
        }
        Some(Some((envelope, attempts)))
            if *envelope == spend.envelope_sha256
                && spend.attempt == *attempts + 1
                && spend.attempt <= spend.max_attempts =>
        {
            *attempts = spend.attempt;
        }
        _ => return Err(LedgerError::Contended),
    }
    if let Some(bound) = job {
        *state.jobs.entry(bound.job.clone()).or_default() += 1;
    }
    stored.bytes += spend.body_bytes;
    for block in &spend.new_blocks {
        if stored.blocks.insert(block.commitment) {
            stored.new_bytes += block.bytes;
        }
    }
    stored.last_used = Some(now);
    Ok(spend.use_id)
}
