//! The outcome of one logical call is recorded on every path, dropped and panicking ones included.

use std::time::Duration;

use handshake_core::{
    code::{ErrorClass, ErrorCode, Phase},
    error::CallError,
    event::{Body, CallOutcome},
    ids::UseId,
};

use crate::emit::Log;

/// Records a crash unless it is told another outcome.
pub(crate) struct OutcomeGuard {
    log: Log,
    use_id: UseId,
    began: Duration,
    reported: bool,
}

impl OutcomeGuard {
    pub(crate) fn new(log: Log, use_id: UseId) -> Self {
        let began = log.clock.monotonic();
        Self {
            log,
            use_id,
            began,
            reported: false,
        }
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        let elapsed = self.log.clock.monotonic().saturating_sub(self.began);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// The event of a failure.
    pub(crate) fn failed(&self, error: &CallError, in_doubt: bool) -> Body {
        let outcome = match error.code {
            ErrorCode::Cancelled => CallOutcome::Cancelled,
            // Denied by the gate it would not have been under way.
            ErrorCode::CloudConsentRequired | ErrorCode::GovernanceLocked
                if error.phase != Phase::Gate =>
            {
                CallOutcome::Cancelled
            }
            _ if in_doubt => CallOutcome::InDoubt,
            _ => CallOutcome::Failed,
        };
        Body::CallFailed {
            use_id: self.use_id,
            outcome,
            code: error.code,
            class: error.class,
            phase: error.phase,
            duration_ms: self.elapsed_ms(),
        }
    }

    /// The event of an adapter that fell over.
    pub(crate) fn crashed(&self, error: &CallError) -> Body {
        Body::CallFailed {
            use_id: self.use_id,
            outcome: CallOutcome::Crashed,
            code: error.code,
            class: error.class,
            phase: error.phase,
            duration_ms: self.elapsed_ms(),
        }
    }

    /// The outcome was recorded.
    pub(crate) fn reported(&mut self) {
        self.reported = true;
    }
}

impl Drop for OutcomeGuard {
    fn drop(&mut self) {
        if !self.reported {
            self.log.submit(Body::CallFailed {
                use_id: self.use_id,
                outcome: CallOutcome::Crashed,
                code: ErrorCode::Cancelled,
                class: ErrorClass::Cancelled,
                phase: Phase::Check,
                duration_ms: self.elapsed_ms(),
            });
        }
    }
}
