//! Waiting for the end of a pause. The gate holds the call; the runtime waits and asks it again.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    chat::TurnEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    gate::EgressRequest,
    time::UtcTime,
};

use crate::{attempt::Attempts, config::ConsentMode};

/// How often is looked whether somebody resumed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How a call waits for the end of a pause.
pub(crate) struct Hold {
    request: EgressRequest,
    deadline: Option<UtcTime>,
}

impl Hold {
    pub(crate) fn new(request: &EgressRequest) -> Self {
        Self {
            request: request.clone(),
            deadline: None,
        }
    }

    /// What the gate is asked.
    pub(crate) fn request(&self) -> EgressRequest {
        self.request.clone()
    }

    /// Waits until the pause may be over, or the caller's patience is: then the gate is told that nobody waits any more,
    /// and denies.
    ///
    /// # Errors
    /// The call was cancelled.
    pub(crate) async fn wait(&mut self, call: &Attempts<'_>) -> Result<(), CallError> {
        let clock = &call.ports.clock;
        let began = clock.monotonic();
        let deadline = match self.deadline {
            Some(deadline) => deadline,
            None => {
                let patience = match call.options.consent {
                    ConsentMode::Wait(patience) => patience,
                    ConsentMode::AnswerAtOnce => Duration::ZERO,
                };
                let deadline = clock.now().plus(patience);
                call.out.event(TurnEvent::Paused { deadline }).await;
                *self.deadline.insert(deadline)
            }
        };
        let left = deadline.since(clock.now());
        let resumed = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                // A view that cannot be read says nothing; the gate does then.
                if !call.ports.feed.current().is_ok_and(|view| view.paused) {
                    return;
                }
            }
        };
        let ended = tokio::select! {
            biased;
            () = call.cancel.cancelled() => {
                Err(CallError::new(ErrorCode::Cancelled, Phase::Gate))
            }
            () = resumed => Ok(()),
            () = tokio::time::sleep(left) => {
                Arc::make_mut(&mut self.request.context).waits_for_resume = false;
                Ok(())
            }
        };
        let waited = clock.monotonic().saturating_sub(began);
        call.steps.timings.waited_for_person(waited);
        ended
    }
}
