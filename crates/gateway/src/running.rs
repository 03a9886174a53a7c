//! A call on its way to its client: its place among the limits, what it waited for, what is counted at its end.

use std::{pin::Pin, sync::Arc, time::Duration};

use handshake_core::{
    chat::{ChatEvent, TurnEvent},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ModelId, ProviderId, TraceId},
    ports::{AnswerHead, Batch},
    tier::ModelTier,
};
use handshake_runtime::{CallHandle, Delivery};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep_until},
};

use crate::{gateway::Shared, limits::Slot, metrics::Ended};

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// The head of the provider's answer.
    Head(AnswerHead),
    /// A piece of it.
    Batch(Batch),
    /// Nothing for a while: a comment keeps the client alive.
    Silence,
}

/// Why nothing comes any more.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The call failed.
    Failed(CallError),
    /// More calls wait for a person than the gateway takes on.
    Busy,
}

/// A running call. Dropping it cancels it.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) trace: TraceId,
    handle: CallHandle,
    _slot: Slot,
    waiting: Option<OwnedSemaphorePermit>,
    provider: Option<ProviderId>,
    tier: Option<ModelTier>,
    /// Another model than the one that was asked for, that answers.
    answered: Option<String>,
    /// When the request came, by the clock of this run.
    began: Duration,
    /// How long its body took to arrive.
    body: Duration,
    /// Whether a person was asked and the call has not gone on since.
    asked: bool,
    /// What came of the call, and its overhead at that moment; `None` while it runs.
    ended: Option<(Option<ErrorCode>, Duration)>,
    quiet: Option<Pin<Box<Sleep>>>,
    last: Instant,
}

/// When a request came, and how long its body took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) at: Duration,
    pub(crate) body: Duration,
}

impl Running {
    pub(crate) fn new(
        shared: Arc<Shared>,
        trace: TraceId,
        provider: Option<ProviderId>,
        handle: CallHandle,
        slot: Slot,
        arrived: Arrived,
    ) -> Self {
        shared.metrics.running.inc();
        Self {
            shared,
            trace,
            handle,
            _slot: slot,
            waiting: None,
            provider,
            tier: None,
            answered: None,
            began: arrived.at,
            body: arrived.body,
            asked: false,
            ended: None,
            quiet: None,
            last: Instant::now(),
        }
    }

    /// The effective tier, once it is known.
    pub(crate) fn tier(&self) -> Option<ModelTier> {
        self.tier
    }

    /// Another model than the one that was asked for, that answers.
    pub(crate) fn answered(&self) -> Option<&str> {
        self.answered.as_deref()
    }

    /// The time in this process so far, less what was waited for: the client's body, a person, the upstream.
    pub(crate) fn overhead(&self) -> Duration {
        if let Some((_, overhead)) = self.ended {
            // What the client takes to read the rest is not ours.
            return overhead;
        }
        let timings = self.handle.timings();
        let whole = self
            .shared
            .ports
            .clock()
            .monotonic()
            .saturating_sub(self.began);
        whole
            .saturating_sub(self.body)
            .saturating_sub(timings.upstream())
            .saturating_sub(timings.person())
    }

    /// The next piece, however long it takes.
    pub(crate) async fn next(&mut self) -> Result<Next, Stop> {
        loop {
            if let Some(next) = self.step().await? {
                return Ok(next);
            }
        }
    }

    /// The next piece, or silence: for a client whose answer has begun, after a while; for one whose answer has not,
    /// only while a person is asked, and after a longer one.
    pub(crate) async fn next_or_silence(&mut self, begun: bool) -> Result<Next, Stop> {
        loop {
            let wait = match (begun, self.asked) {
                (true, _) => self.shared.limits.comments,
                (false, true) => self.shared.limits.silence,
                (false, false) => {
                    if let Some(next) = self.step().await? {
                        return Ok(next);
                    }
                    continue;
                }
            };
            // One timer for the whole answer: it is set again when it rings, and not with every piece.
            let due = self.last + wait;
            let mut quiet = match self.quiet.take() {
                Some(mut quiet) => {
                    if quiet.deadline() > due {
                        quiet.as_mut().reset(due);
                    }
                    quiet
                }
                None => Box::pin(sleep_until(due)),
            };
            let next = tokio::select! {
                biased;
                next = self.step() => Some(next),
                () = &mut quiet => None,
            };
            match next {
                Some(next) => {
                    self.quiet = Some(quiet);
                    self.last = Instant::now();
                    if let Some(next) = next? {
                        return Ok(next);
                    }
                }
                None if Instant::now() < due => {
                    quiet.as_mut().reset(due);
                    self.quiet = Some(quiet);
                }
                None => {
                    self.last = Instant::now();
                    return Ok(Next::Silence);
                }
            }
        }
    }

    /// One delivery, if it is anything for the client.
    async fn step(&mut self) -> Result<Option<Next>, Stop> {
        match self.handle.deliver().await {
            Some(Ok(Delivery::Head(head))) => Ok(Some(Next::Head(head))),
            Some(Ok(Delivery::Batch(batch))) => {
                self.look(&batch);
                Ok(Some(Next::Batch(batch)))
            }
            Some(Ok(Delivery::Event(event))) => self.event(event).map(|()| None),
            Some(Err(error)) => {
                self.end(Some(error.code));
                Err(Stop::Failed(error))
            }
            None => {
                self.end(Some(ErrorCode::StreamTruncated));
                let error = CallError::new(ErrorCode::StreamTruncated, Phase::Stream);
                Err(Stop::Failed(error))
            }
        }
    }

    fn look(&mut self, batch: &Batch) {
        for event in &batch.events {
            if let ChatEvent::ModelAnswered { model_id } = event {
                let name = model_id.as_ref().map_or("unknown", ModelId::as_str);
                self.answered = Some(name.to_owned());
            }
        }
    }

    fn event(&mut self, event: TurnEvent) -> Result<(), Stop> {
        match event {
            TurnEvent::TurnStarted {
                tier, provider_id, ..
            } => {
                self.tier = Some(tier);
                self.provider = Some(provider_id);
                self.asked = false;
                if self.waiting.take().is_some() {
                    self.shared.metrics.waiting.dec();
                }
            }
            TurnEvent::AwaitingConsent { .. } | TurnEvent::Paused { .. } => {
                self.asked = true;
                self.last = Instant::now();
                if self.waiting.is_none() {
                    let Some(waiting) = self.shared.slots.waiting() else {
                        self.shared.metrics.limited("waiting");
                        self.end(Some(ErrorCode::RateLimit));
                        self.handle.cancel();
                        return Err(Stop::Busy);
                    };
                    self.shared.metrics.waiting.inc();
                    self.waiting = Some(waiting);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, failed: Option<ErrorCode>) {
        self.ended = None;
        self.ended = Some((failed, self.overhead()));
    }

    /// The answer is complete.
    pub(crate) fn finished(&mut self) {
        self.end(None);
    }

    /// The answer cannot be passed on.
    pub(crate) fn broken(&mut self) -> CallError {
        let error = CallError::new(ErrorCode::Protocol, Phase::Check);
        self.end(Some(error.code));
        error
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let metrics = &self.shared.metrics;
        metrics.running.dec();
        if self.waiting.is_some() {
            metrics.waiting.dec();
        }
        metrics.ended(Ended {
            provider: self.provider.as_ref(),
            tier: self.tier,
            // Nobody was there any more to be told.
            failed: self
                .ended
                .map_or(Some(ErrorCode::Cancelled), |(failed, _)| failed),
            overhead: self.overhead(),
            timings: self.handle.timings(),
        });
    }
}
