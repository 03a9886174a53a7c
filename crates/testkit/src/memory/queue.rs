//! The approval queue in memory.

use std::time::Duration;

use async_trait::async_trait;
use handshake_core::{
    consent::ConsentReceipt,
    ids::RequestId,
    ports::{
        ApprovalQueue, Clock, Decided, PendingContent, PendingRecord, QueueError, SignedDecision,
        Submission, Submitted,
    },
};

use super::{Memory, State};

const PER_PRINCIPAL: usize = 3;
const IN_ALL: usize = 16;

#[async_trait]
impl ApprovalQueue for Memory {
    async fn submit(&self, submission: Submission) -> Result<Submitted, QueueError> {
        let now = self.now();
        let mut state = self.store()?;
        let ext = &submission.plan.ext;
        let denials: Vec<_> = state
            .denials
            .iter()
            .filter(|(who, provider, _)| {
                *who == ext.principal && *provider == ext.destination.provider_id
            })
            .collect();
        let cooling = denials.last().is_some_and(|(.., at)| now.since(*at).as_secs() < 60);
        if denials.len() >= 2 || cooling {
            return Err(QueueError::Flood);
        }
        let open = || state.pending.iter().filter(|(_, (_, _, decided))| decided.is_none());
        let same = open().find(|(_, (other, ..))| {
            other.plan.ext.principal == ext.principal
                && other.plan.ext.destination == ext.destination
                && other.content.body == submission.content.body
        });
        if let Some((id, _)) = same {
            return Ok(Submitted { request_id: *id, joined: true });
        }
        let mine = open().filter(|(_, (other, ..))| other.plan.ext.principal == ext.principal).count();
        if mine >= PER_PRINCIPAL || open().count() >= IN_ALL {
            return Err(QueueError::Flood);
        }
        let request_id = submission.request.request_id;
        state.pending.insert(request_id, (submission, now, None));
        Ok(Submitted { request_id, joined: false })
    }

    async fn wait(&self, request_id: RequestId, at_most: Duration) -> Result<Decided, QueueError> {
        let until = tokio::time::Instant::now() + at_most;
        loop {
            match self.store()?.pending.get(&request_id) {
                None => return Err(QueueError::Unknown),
                Some((_, _, Some(decided))) => return Ok(*decided),
                Some(_) => {}
            }
            if tokio::time::Instant::now() >= until {
                self.store()?.pending.remove(&request_id);
                return Ok(Decided::Expired);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn pending(&self) -> Result<Vec<PendingRecord>, QueueError> {
        let state = self.store()?;
        let open = state.pending.values().filter(|(_, _, decided)| decided.is_none());
        Ok(open
            .map(|(submission, at, _)| PendingRecord {
                request: submission.request.clone(),
                plan: submission.plan.clone(),
                submitted_at: *at,
                deadline: submission.deadline,
                live: true,
            })
            .collect())
    }

    async fn open(&self, request_id: RequestId) -> Result<PendingContent, QueueError> {
        let state = self.store()?;
        let (submission, ..) = state.pending.get(&request_id).ok_or(QueueError::Unknown)?;
        Ok(submission.content.clone())
    }

    async fn decide(&self, decision: SignedDecision) -> Result<(), QueueError> {
        let now = self.now();
        match decision {
            SignedDecision::Deny(request_id) => deny(&mut *self.store()?, request_id, now),
            SignedDecision::Revoke(receipt_id) => {
                let mut state = self.store()?;
                state.receipts.get_mut(&receipt_id).ok_or(QueueError::Unknown)?.revoked = Some(now);
                Ok(())
            }
            SignedDecision::Receipt(signed) => {
                let receipt: ConsentReceipt =
                    serde_json::from_slice(&signed.payload).map_err(|_| QueueError::Mismatch)?;
                let request_id = receipt.ext.request_id;
                {
                    let mut state = self.store()?;
                    let (submission, _, decided) =
                        state.pending.get_mut(&request_id).ok_or(QueueError::Mismatch)?;
                    let plan = &submission.plan;
                    let matches = decided.is_none()
                        && receipt.projection_plan_id == plan.projection_plan_id
                        && receipt.payload_sha256 == plan.payload_sha256
                        && receipt.ext.envelope_sha256 == plan.ext.envelope_sha256
                        && receipt.ext.destination == plan.ext.destination;
                    if !matches {
                        return Err(QueueError::Mismatch);
                    }
                    if !receipt.approved {
                        return deny(&mut state, request_id, now);
                    }
                    *decided = Some(Decided::Approved(receipt.consent_receipt_id));
                }
                self.put_receipt(receipt.consent_receipt_id, signed);
                Ok(())
            }
        }
    }
}

fn deny(
    state: &mut State,
    request_id: RequestId,
    now: handshake_core::time::UtcTime,
) -> Result<(), QueueError> {
    let (submission, _, decided) = state.pending.get_mut(&request_id).ok_or(QueueError::Unknown)?;
    *decided = Some(Decided::Denied);
    let ext = &submission.plan.ext;
    let denial = (ext.principal.clone(), ext.destination.provider_id.clone(), now);
    state.denials.push(denial);
    Ok(())
}
