//! The event of an attempt, its commit, and the clearance.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{
    Authorization, Cleared, ControlRequest, Gate, Inspected, Located, clearance::Grant,
    declassified::counted,
};
use crate::{
    consent::ReceiptScope,
    envelope::{Prepared, attempt_hash, body_commitment},
    event::{Actor, Body, EventScope},
    ids::UseId,
    ports::{Epochs, Intent, LedgerError, Spend},
    provider::ProviderRecord,
    tier::ModelTier,
};

/// How long a clearance may wait before it is sent.
const VALID_FOR: Duration = Duration::from_secs(5);

/// Which attempt of which call.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptId {
    pub(super) use_id: UseId,
    /// From 1.
    pub(super) attempt: u32,
}

impl Gate {
    /// The clearance of a call that the decision allows. `intent` is the place of its event, for Cloud; the event
    /// of a Local call is queued here.
    pub(super) fn clear_content(&self, inspected: Inspected, intent: Option<u64>) -> Authorization {
        let Located {
            request,
            judged,
            peers,
            epochs,
            ..
        } = inspected.located;
        let id = AttemptId {
            use_id: request.use_id,
            attempt: request.attempt,
        };
        let effective = judged.effective();
        if effective == ModelTier::Local {
            let body = self.attempt(&request.prepared, id, effective, (None, None));
            self.queue(&request.context.scope, body);
        }
        let grant = self.grant(request.record, peers, effective, id, intent, epochs);
        Authorization::Cleared(Box::new(Cleared {
            grant,
            prepared: request.prepared,
            receipt: judged.coverage().map(|coverage| coverage.receipt_id),
        }))
    }

    /// `let_pass`: how many findings were declassified, and how many values waived.
    fn attempt(
        &self,
        prepared: &Prepared,
        id: AttemptId,
        tier: ModelTier,
        let_pass: (Option<u32>, Option<u32>),
    ) -> Body {
        Body::CallAttempt {
            use_id: id.use_id,
            attempt: id.attempt,
            effective_tier: tier,
            body_bytes: prepared.envelope().body.len() as u64,
            envelope_hash: prepared.attempt_hash(&self.ports.commitments),
            control: None,
            consent_receipt_id: None,
            declassified: let_pass.0,
            waived: let_pass.1,
        }
    }

    pub(super) fn control_attempt(
        &self,
        request: &ControlRequest,
        id: AttemptId,
        tier: ModelTier,
    ) -> Body {
        let (key, envelope) = (&self.ports.commitments, &request.envelope);
        Body::CallAttempt {
            use_id: id.use_id,
            attempt: id.attempt,
            effective_tier: tier,
            body_bytes: envelope.body.len() as u64,
            envelope_hash: attempt_hash(
                key,
                &envelope.manifest(),
                &body_commitment(key, &envelope.body),
            ),
            control: Some(request.call.kind()),
            consent_receipt_id: None,
            declassified: None,
            waived: None,
        }
    }

    /// Queues the event of a Local call. Overflow is a gap that the recorder itself counts.
    pub(super) fn queue(&self, scope: &EventScope, body: Body) {
        let event = self.event(scope, Actor::System, body);
        let _counted = self.ports.recorder.submit(event);
    }

    /// Commits a use of the receipt that covers the call, and the attempt's event.
    pub(super) async fn spend(&self, inspected: &Inspected) -> Result<u64, LedgerError> {
        let Located {
            request,
            judged,
            epochs,
            ..
        } = &inspected.located;
        // The decision asks the ledger only where a receipt covers the call.
        let coverage = judged.coverage().ok_or(LedgerError::Contended)?;
        let salt = request.salt(&self.ports.commitments);
        let id = AttemptId {
            use_id: request.use_id,
            attempt: request.attempt,
        };
        let waived = match coverage.scope {
            ReceiptScope::SessionScoped => inspected.asked().values.len(),
            _ => 0,
        };
        let waived = (waived > 0).then(|| u32::try_from(waived).unwrap_or(u32::MAX));
        let let_pass = (counted(inspected.findings()), waived);
        let body = self.attempt(&request.prepared, id, judged.effective(), let_pass);
        let spend = Spend {
            receipt_id: coverage.receipt_id,
            reach: coverage.reach,
            use_id: request.use_id,
            attempt: request.attempt,
            max_attempts: coverage.max_attempts,
            envelope_sha256: request.prepared.envelope_sha256(&salt),
            body_bytes: request.prepared.envelope().body.len() as u64,
            new_blocks: coverage.new_blocks.clone(),
            job: request.job_bound(),
        };
        let scope = &request.context.scope;
        self.commit(scope, &request.record, epochs.as_ref(), body, Some(spend))
            .await
    }

    /// Commits the event of a payload-free call to Cloud, which spends nothing.
    pub(super) async fn commit_control(
        &self,
        request: &ControlRequest,
        body: Body,
        epochs: Option<&Epochs>,
    ) -> Result<u64, LedgerError> {
        self.commit(&request.scope, &request.record, epochs, body, None)
            .await
    }

    async fn commit(
        &self,
        scope: &EventScope,
        record: &ProviderRecord,
        epochs: Option<&Epochs>,
        body: Body,
        spend: Option<Spend>,
    ) -> Result<u64, LedgerError> {
        let intent = Intent {
            event: self.event(scope, Actor::System, body),
            provider_id: record.provider_id.clone(),
            // A verdict that rests on no epochs is older than any.
            epochs: epochs.cloned().ok_or(LedgerError::Stale)?,
            spend,
        };
        let committed = self.ports.ledger.commit(intent).await?;
        Ok(committed.seq)
    }

    pub(super) fn grant(
        &self,
        record: Arc<ProviderRecord>,
        peers: Arc<[SocketAddr]>,
        effective: ModelTier,
        id: AttemptId,
        intent: Option<u64>,
        epochs: Option<Epochs>,
    ) -> Grant {
        let valid_until = self.ports.clock.monotonic() + VALID_FOR;
        Grant {
            record,
            peers,
            effective,
            use_id: id.use_id,
            attempt: id.attempt,
            intent,
            epochs,
            valid_until,
        }
    }
}
