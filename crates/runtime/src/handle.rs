//! What a caller holds while a call runs.

use handshake_core::{
    chat::{ChatEvent, ChatResponse, Fold, TurnEvent},
    code::{ErrorCode, Phase},
    error::CallError,
};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running call. Dropping it cancels the call.
#[derive(Debug)]
pub struct CallHandle {
    pub(crate) events: mpsc::Receiver<Result<TurnEvent, CallError>>,
    pub(crate) cancel: CancellationToken,
    pub(crate) _guard: DropGuard,
}

impl CallHandle {
    /// The next event. `None` after the terminal: `Finished`, or the first `Err`.
    pub async fn next(&mut self) -> Option<Result<TurnEvent, CallError>> {
        self.events.recv().await
    }

    /// Cancels: cooperative, between chunks and at tool boundaries. The terminal is
    /// `HSK-499-CANCELLED`, unless the call was over already.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// A token that cancels this call, to hand to somebody else.
    #[must_use]
    pub fn canceller(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// The fold of the last model call's events.
    ///
    /// # Errors
    /// The call's terminal failure.
    pub async fn response(mut self) -> Result<ChatResponse, CallError> {
        let broken = || CallError::new(ErrorCode::Protocol, Phase::Check);
        let mut fold = Fold::new();
        while let Some(event) = self.next().await {
            match event? {
                TurnEvent::TurnStarted { .. } => fold = Fold::new(),
                TurnEvent::Chat(event) => {
                    let last = matches!(event, ChatEvent::Finished { .. });
                    fold.push(event).map_err(|_| broken())?;
                    if last {
                        return fold.finish().map_err(|_| broken());
                    }
                }
                _ => {}
            }
        }
        Err(CallError::new(ErrorCode::StreamTruncated, Phase::Check))
    }
}
