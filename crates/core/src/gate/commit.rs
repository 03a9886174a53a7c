//! Committing an attempt, and making the clearance.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{
    Authorization, Cleared, Denied, Gate, Inspected, Located, Outcome, StepName, clearance::Grant,
    decide::decide, facts::EgressFacts,
};
use crate::{
    code::ErrorCode,
    envelope::Envelope,
    event::{Actor, Body, ControlKind, EventScope},
    ids::UseId,
    ports::{Epochs, Intent, LedgerError},
    provider::ProviderRecord,
    tier::ModelTier,
};

/// How long a clearance may wait before it is sent.
const VALID_FOR: Duration = Duration::from_secs(5);

impl Gate {
    pub(super) async fn clear_local(&self, inspected: Inspected) -> Authorization {
        let Located {
            request,
            facts,
            peers,
            epochs,
            ..
        } = inspected.located;
        let what = (request.use_id, request.attempt);
        let body = self.attempt(&request.prepared.envelope, what, ModelTier::Local, None);
        // Only a call that the decision itself found to be Local gets here; Cloud always needs a receipt.
        if decide(&facts).effective != Some(ModelTier::Local) {
            let scope = &request.context.scope;
            return Authorization::Denied(
                self.deny_late(scope, &facts, ErrorCode::TierMismatch).await,
            );
        }
        // An overflow is a gap that the recorder itself counts: Local events are queued.
        let _counted =
            self.ports
                .recorder
                .submit(self.event(&request.context.scope, Actor::System, body));
        let grant = self.grant(request.record, peers, ModelTier::Local, what, None, epochs);
        Authorization::Cleared(Box::new(Cleared {
            grant,
            prepared: request.prepared,
            receipt: None,
        }))
    }

    pub(super) fn attempt(
        &self,
        envelope: &Envelope,
        (use_id, attempt): (UseId, u32),
        effective_tier: ModelTier,
        control: Option<ControlKind>,
    ) -> Body {
        let manifest = envelope.manifest();
        Body::CallAttempt {
            use_id,
            attempt,
            effective_tier,
            body_bytes: envelope.body.len() as u64,
            envelope_hash: self
                .ports
                .commitments
                .commit("hsk.event.envelope.v1", &[&manifest, &envelope.body]),
            control,
        }
    }

    /// Commits the event of a payload-free call, which spends nothing.
    pub(super) async fn commit(
        &self,
        scope: &EventScope,
        body: Body,
        record: &ProviderRecord,
        epochs: Option<&Epochs>,
    ) -> Result<Option<u64>, LedgerError> {
        let event = self.event(scope, Actor::System, body);
        if record.tier == ModelTier::Local {
            // Overflow is a counted gap, as for every Local event.
            let _counted = self.ports.recorder.submit(event);
            return Ok(None);
        }
        let epochs = epochs.cloned().ok_or(LedgerError::Stale)?;
        let provider_id = record.provider_id.clone();
        let intent = Intent {
            event,
            provider_id,
            epochs,
            spend: None,
        };
        self.ports
            .ledger
            .commit(intent)
            .await
            .map(|committed| Some(committed.seq))
    }

    pub(super) fn grant(
        &self,
        record: Arc<ProviderRecord>,
        peers: Arc<[SocketAddr]>,
        effective: ModelTier,
        (use_id, attempt): (UseId, u32),
        intent: Option<u64>,
        epochs: Option<Epochs>,
    ) -> Grant {
        let valid_until = self.ports.clock.monotonic() + VALID_FOR;
        Grant {
            record,
            peers,
            effective,
            use_id,
            attempt,
            intent,
            epochs,
            valid_until,
        }
    }

    pub(super) async fn deny_spend(&self, inspected: &Inspected, code: ErrorCode) -> Authorization {
        let scope = &inspected.located.request.context.scope;
        Authorization::Denied(self.deny_late(scope, &inspected.located.facts, code).await)
    }

    /// Denies after the decision itself said yes: the commit refused.
    pub(super) async fn deny_late(
        &self,
        scope: &EventScope,
        facts: &EgressFacts,
        code: ErrorCode,
    ) -> Box<Denied> {
        let mut decision = decide(facts);
        decision.outcome = Outcome::Deny(StepName::Receipt, code);
        Box::new(self.deny(scope, facts, decision, None, None).await)
    }
}
