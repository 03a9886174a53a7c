//! The answer of one attempt, under its promises.

use futures_util::StreamExt;
use handshake_core::{
    chat::{ChatEvent, FinishReason, Fold, ToolMode},
    code::{ErrorCode, Phase},
    error::CallError,
    event::Body,
    gate::EgressRequest,
    ports::{Answer, Batch},
    tier::ModelTier,
};

use super::{Attempts, Failed, Progress};
use crate::{
    call::Answered, check::Check, handle::Delivery, outcome::OutcomeGuard, redacting::Redacting,
    timings::CallStep, watch::TakenBack,
};

impl Attempts<'_> {
    /// Passes the answer on under its promises, batch by batch, and records the outcome before the last one is
    /// returned.
    pub(super) async fn drain(
        &self,
        answer: Answer,
        tier: ModelTier,
        request: &EgressRequest,
        progress: &mut Progress,
        revoked: impl Future<Output = TakenBack>,
    ) -> Result<Answered, Failed> {
        let mut seen = false;
        let reading = self.batches(answer, tier, request, progress, (&mut seen, revoked));
        let call = super::of(request, Some(tier));
        let drained = self
            .steps
            .run(CallStep::Stream, call, reading, |done| {
                done.as_ref().err().map(|error| error.code)
            })
            .await;
        if drained.is_err() {
            // What came before the end is the reader's, as far as it came.
            let events = Redacting::rest(self.redacting);
            if !events.is_empty() {
                let batch = Batch { events, raw: None };
                self.out.deliver(Delivery::Batch(batch)).await;
            }
        }
        drained.map_err(|error| Failed {
            error,
            tier,
            in_doubt: true,
            // A client that was handed the provider's own head is not handed a second one.
            content_seen: seen || request.prepared.reply.raw,
            crashed: false,
            counted: false,
        })
    }

    async fn batches(
        &self,
        answer: Answer,
        tier: ModelTier,
        request: &EgressRequest,
        progress: &mut Progress,
        (seen, revoked): (&mut bool, impl Future<Output = TakenBack>),
    ) -> Result<Answered, CallError> {
        let broken = |_| CallError::new(ErrorCode::Protocol, Phase::Check);
        let mut check = Check::new(self.promises.clone());
        let mut fold = self.fold.then(Fold::new);
        let mut stream = answer.stream;
        if request.prepared.reply.raw {
            self.out.deliver(Delivery::Head(answer.head)).await;
        }
        let cancelled = self.cancel.cancelled();
        tokio::pin!(cancelled, revoked);
        loop {
            let waiting = self.ports.clock.monotonic();
            let item = tokio::select! {
                biased;
                () = &mut cancelled => {
                    return Err(CallError::new(ErrorCode::Cancelled, Phase::Stream));
                }
                why = &mut revoked => return Err(super::taken_back(why, Phase::Stream)),
                item = stream.next() => item,
            };
            self.steps.timings.waited_for_upstream(self.since(waiting));
            let mut batch: Batch =
                item.ok_or_else(|| CallError::new(ErrorCode::StreamTruncated, Phase::Stream))??;
            let mut failure = None;
            for (at, event) in batch.events.iter_mut().enumerate() {
                let kept = check.event(event).and_then(|()| {
                    if let ChatEvent::Finished {
                        refusal_suspected, ..
                    } = event
                    {
                        *refusal_suspected |= check.suspects_refusal();
                    }
                    match &mut fold {
                        Some(fold) => fold.push(event.clone()).map_err(broken),
                        None => Ok(()),
                    }
                });
                if let Err(error) = kept {
                    failure = Some((at, error));
                    break;
                }
            }
            if let Some((at, _)) = &failure {
                // What stood before the fault was checked and stands. Bytes are passed on whole or not at all, and
                // a reader of bytes has no use for events without them.
                batch.events.truncate(*at);
                if batch.raw.take().is_some() {
                    batch.events.clear();
                }
            }
            self.other_models(&check, &mut batch, progress);
            let content = |event: &ChatEvent| {
                !matches!(
                    event,
                    ChatEvent::Started | ChatEvent::Usage(_) | ChatEvent::ModelAnswered { .. }
                )
            };
            if !*seen && batch.events.iter().any(content) {
                *seen = true;
                self.close(tier, request.use_id).await?;
            }
            if let Some(ChatEvent::Started) = batch.events.first()
                && std::mem::replace(&mut progress.start_told, true)
            {
                // An answer starts once for its reader, however often it was begun.
                batch.events.remove(0);
            }
            if let (
                None,
                Some(ChatEvent::Finished {
                    finish_reason,
                    tool_mode,
                    ..
                }),
            ) = (&failure, batch.events.last())
            {
                let how = (*finish_reason, *tool_mode);
                self.completed(&check, tier, how, &mut progress.guard, request)
                    .await?;
                let response = fold.map(Fold::finish).transpose().map_err(broken)?;
                batch.events = Redacting::restored(self.redacting, batch.events);
                return Ok(Answered {
                    last: batch,
                    response,
                });
            }
            batch.events = Redacting::restored(self.redacting, batch.events);
            if !batch.events.is_empty() || batch.raw.is_some() {
                // A reader who takes nothing more holds up neither a wish to cancel nor a revocation.
                tokio::select! {
                    biased;
                    () = self.out.deliver(Delivery::Batch(batch)) => {}
                    why = &mut revoked => return Err(super::taken_back(why, Phase::Stream)),
                }
            }
            if let Some((_, error)) = failure {
                return Err(error);
            }
        }
    }

    /// A model that answers instead of the one that was cleared: an alarm, once, unless a person expects it; then it is
    /// nobody's news.
    fn other_models(&self, check: &Check, batch: &mut Batch, progress: &mut Progress) {
        let told = |event: &ChatEvent| matches!(event, ChatEvent::ModelAnswered { .. });
        if !batch.events.iter().any(told) {
            return;
        }
        batch
            .events
            .retain(|event| !told(event) || check.is_unexpected(event));
        if batch.events.iter().any(told) && !std::mem::replace(&mut progress.alarmed, true) {
            self.log.submit(Body::IntegrityAlarm {
                code: ErrorCode::CloudConsentMismatch,
            });
        }
    }

    async fn completed(
        &self,
        check: &Check,
        tier: ModelTier,
        (finish_reason, tool_mode): (FinishReason, ToolMode),
        guard: &mut OutcomeGuard,
        request: &EgressRequest,
    ) -> Result<(), CallError> {
        let usage = check.usage();
        let prompt_hash = request.prepared.prompt_hash(self.ports.gate.commitments());
        self.log.submit(Body::LlmInference {
            token_usage: usage,
            latency_ms: Some(guard.elapsed_ms()),
            prompt_hash: Some(prompt_hash),
            response_hash: None,
        });
        let completed = Body::CallCompleted {
            use_id: request.use_id,
            finish_reason,
            tool_mode,
            duration_ms: guard.elapsed_ms(),
            response_bytes: check.text_bytes(),
            usage,
        };
        self.log.record(tier, completed).await?;
        guard.reported();
        Ok(())
    }
}
