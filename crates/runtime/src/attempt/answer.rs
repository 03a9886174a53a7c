//! The answer of one attempt, under its promises.

use futures_util::StreamExt;
use handshake_core::{
    chat::{ChatEvent, FinishReason, ToolMode, TurnEvent},
    code::{ErrorCode, Phase},
    error::CallError,
    event::Body,
    gate::EgressRequest,
    ports::ChatStream,
    tier::ModelTier,
};

use super::{Attempts, Failed, Progress};
use crate::{check::Check, outcome::OutcomeGuard};

impl Attempts<'_> {
    /// Passes the stream on under its promises, and records the outcome before the terminal is delivered.
    pub(super) async fn drain(
        &self,
        mut stream: ChatStream,
        tier: ModelTier,
        request: &EgressRequest,
        progress: &mut Progress,
    ) -> Result<Vec<ChatEvent>, Failed> {
        let mut check = Check::new(self.promises.clone());
        let mut events = Vec::new();
        let mut content_seen = false;
        let failed = |error, content_seen| Failed {
            error,
            tier,
            in_doubt: true,
            content_seen,
            crashed: false,
        };
        loop {
            let item = tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    return Err(failed(CallError::new(ErrorCode::Cancelled, Phase::Stream), content_seen));
                }
                item = stream.next() => item,
            };
            let batch = match item {
                None => {
                    return Err(failed(
                        CallError::new(ErrorCode::StreamTruncated, Phase::Stream),
                        content_seen,
                    ));
                }
                Some(Err(error)) => return Err(failed(error, content_seen)),
                Some(Ok(batch)) => batch,
            };
            for event in batch.events {
                check
                    .event(&event)
                    .map_err(|error| failed(error, content_seen))?;
                let content = !matches!(event, ChatEvent::Started | ChatEvent::Usage(_));
                if content && !content_seen {
                    content_seen = true;
                    self.close(tier, request.use_id)
                        .await
                        .map_err(|error| failed(error, true))?;
                }
                if let ChatEvent::Finished {
                    finish_reason,
                    tool_mode,
                    ..
                } = &event
                {
                    let how = (*finish_reason, *tool_mode);
                    self.completed(&check, tier, how, &mut progress.guard, request)
                        .await
                        .map_err(|error| failed(error, content_seen))?;
                    events.push(event);
                    return Ok(events);
                }
                // An answer starts once for its reader, however often it was begun.
                let told = matches!(event, ChatEvent::Started)
                    && std::mem::replace(&mut progress.start_told, true);
                if !told {
                    self.out.send(TurnEvent::Chat(event.clone())).await;
                }
                events.push(event);
            }
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
        let body = &request.prepared.envelope.body;
        let prompt_hash = self
            .ports
            .gate
            .commitments()
            .commit("hsk.event.prompt.v1", &[body]);
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
        guard.told();
        Ok(())
    }
}
