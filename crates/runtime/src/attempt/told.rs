//! What is recorded of a call, and told to its caller, before it is sent.

use handshake_core::{
    chat::TurnEvent,
    error::CallError,
    gate::{Cleared, EgressRequest},
    tier::ModelTier,
};

use super::{Attempts, Progress};
use crate::redacting;

impl Attempts<'_> {
    /// Sent to the caller once the tier is known, before the first event.
    pub(super) fn turn_started(
        &self,
        request: &EgressRequest,
        cleared: &Cleared,
    ) -> Option<TurnEvent> {
        Some(TurnEvent::TurnStarted {
            turn: self.turn,
            trace_id: self.log.scope.trace_id?,
            session_id: self.log.scope.session_id.clone()?,
            provider_id: request.record.provider_id.clone(),
            model_id: cleared.envelope().model_id.clone()?,
            tier: cleared.effective_tier(),
        })
    }

    /// Records that the call was redacted, once, before any byte of it leaves.
    pub(super) async fn redaction(
        &self,
        request: &EgressRequest,
        tier: ModelTier,
        progress: &mut Progress,
    ) -> Result<(), CallError> {
        let Some(body) = redacting::recorded(request) else {
            return Ok(());
        };
        if std::mem::replace(&mut progress.redaction_told, true) {
            return Ok(());
        }
        self.log.record(tier, body).await?;
        let told = self.redacting;
        if let Some(told) = told.and_then(|told| told.told(&request.context.redactions)) {
            self.out.event(told).await;
        }
        Ok(())
    }

    /// Records the first event of the call, once.
    pub(super) async fn started(
        &self,
        progress: &mut Progress,
        tier: ModelTier,
    ) -> Result<(), CallError> {
        match progress.started.take() {
            Some(started) => self.log.record(tier, started).await,
            None => Ok(()),
        }
    }
}
