//! What a caller holds while a call runs.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use handshake_core::{
    chat::{ChatEvent, ChatResponse, Fold, TurnEvent},
    code::{ErrorCode, Phase},
    error::CallError,
    ports::{AnswerHead, Batch},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::timings::Timings;

/// The rest of a call.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The rest of a call that is polled by whoever holds its handle. Where they do not, and it may not go on, it is taken
/// from them.
#[derive(Default)]
pub(crate) struct Rest(Mutex<Option<Work>>);

impl Rest {
    pub(crate) fn put(&self, work: Work) {
        *self.work() = Some(work);
    }

    /// Takes it, to be ended by somebody else. `None` where it is over, or somebody has it.
    pub(crate) fn take(&self) -> Option<Work> {
        self.work().take()
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        // A call that fell over is not polled again.
        self.0.lock().unwrap_or_else(|poisoned| {
            let mut work = poisoned.into_inner();
            *work = None;
            work
        })
    }

    /// Goes on, where it is here.
    fn poll(&self, cx: &mut Context<'_>) {
        let mut work = self.work();
        if let Some(running) = work.as_mut()
            && running.as_mut().poll(cx).is_ready()
        {
            // The call is over, and its end of the channel is gone with it.
            *work = None;
        }
    }
}

/// What a call hands out.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// Something between the events of the model calls: a turn began, a person is asked, a tool answered.
    Event(TurnEvent),
    /// The head of the provider's answer, before its first batch.
    Head(AnswerHead),
    /// What one read of the connection gave, after it was checked.
    Batch(Batch),
}

/// A running call. Dropping it cancels the call.
///
/// A call whose history its caller carries makes progress only while its handle is polled: nobody else runs it. A
/// handle that is dropped before the terminal leaves what has to be recorded and closed to a task of its own. So does one
/// that is not polled when a person takes back what its call runs under: the call ends all the same.
pub struct CallHandle {
    pub(crate) deliveries: mpsc::Receiver<Result<Delivery, CallError>>,
    /// Empty for a call that runs in a task of its own, and for one that is over.
    pub(crate) rest: Arc<Rest>,
    pub(crate) cancel: CancellationToken,
    pub(crate) timings: Arc<Timings>,
    /// Events of a batch that [`CallHandle::next`] did not hand out yet.
    pub(crate) events: VecDeque<ChatEvent>,
}

impl CallHandle {
    /// The next delivery. `None` after the terminal: the batch that ends in `Finished`, or the first `Err`.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped.
    pub async fn deliver(&mut self) -> Option<Result<Delivery, CallError>> {
        std::future::poll_fn(|cx| {
            if let Poll::Ready(delivery) = self.deliveries.poll_recv(cx) {
                return Poll::Ready(delivery);
            }
            self.rest.poll(cx);
            self.deliveries.poll_recv(cx)
        })
        .await
    }

    /// The next event, one by one. `None` after the terminal: `Finished`, or the first `Err`.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<TurnEvent, CallError>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(TurnEvent::Chat(event)));
            }
            match self.deliver().await? {
                Err(error) => return Some(Err(error)),
                Ok(Delivery::Event(event)) => return Some(Ok(event)),
                Ok(Delivery::Head(_)) => {}
                Ok(Delivery::Batch(batch)) => self.events.extend(batch.events),
            }
        }
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

    /// Where the time goes, as far as the call came.
    #[must_use]
    pub fn timings(&self) -> &Arc<Timings> {
        &self.timings
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

impl Drop for CallHandle {
    fn drop(&mut self) {
        self.cancel.cancel();
        // Outside of a runtime there is nobody to finish it; the outcome is still recorded, as a crash.
        if let (Some(work), Ok(runtime)) = (self.rest.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(work);
        }
    }
}

impl std::fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallHandle").finish_non_exhaustive()
    }
}
