//! One logical call to a model: attempts, each cleared again; retries; the stream under its promises.

use std::sync::Arc;

use futures_util::StreamExt;
use handshake_core::{
    chat::{ChatEvent, FinishReason, TurnEvent},
    code::{ErrorCode, Phase},
    error::CallError,
    event::Body,
    gate::{Authorization, Cleared, EgressRequest, Scan},
    ids::UseId,
    ports::{ChatStream, EntropyExt, LlmClient},
    tier::ModelTier,
};
use handshake_policy::retry::{Failure, Next, next};
use tokio_util::sync::CancellationToken;

use crate::{
    check::{Check, Promises},
    config::{CallOptions, Config},
    consent,
    emit::{Log, Out},
    outcome::OutcomeGuard,
    ports::Ports,
};

/// What one logical call needs.
pub(crate) struct Attempts<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) config: &'a Config,
    pub(crate) options: &'a CallOptions,
    pub(crate) client: Arc<dyn LlmClient>,
    pub(crate) log: Log,
    pub(crate) out: &'a Out,
    pub(crate) cancel: &'a CancellationToken,
    /// Sent to the caller once the tier is known, before the first event.
    pub(crate) turn: u32,
    pub(crate) promises: Promises,
}

/// How one attempt failed.
struct Failed {
    error: CallError,
    tier: ModelTier,
    in_doubt: bool,
    content_seen: bool,
}

impl Attempts<'_> {
    /// Makes the call. Events go to `out`, but for `Finished`, which is returned with everything else.
    pub(crate) async fn run(&self, request: EgressRequest) -> Result<Vec<ChatEvent>, CallError> {
        let use_id = request.use_id;
        let mut guard = OutcomeGuard::new(self.log.clone(), use_id);
        let mut request = request;
        let mut scan: Option<Scan> = None;
        let seed = u64::from_be_bytes(self.ports.entropy.bytes());
        loop {
            let failed = match self.one(&request, &mut scan, &mut guard).await {
                Ok(events) => return Ok(events),
                Err(failed) => failed,
            };
            if failed.error.code == ErrorCode::Timeout {
                let (attempt, phase) = (request.attempt, failed.error.phase);
                self.log
                    .record(
                        failed.tier,
                        Body::CallTimeout {
                            use_id,
                            attempt,
                            phase,
                        },
                    )
                    .await?;
            }
            let failure = Failure {
                class: failed.error.class,
                tier: failed.tier,
                in_doubt: failed.in_doubt,
                content_seen: failed.content_seen,
                retry_after: failed.error.retry_after,
            };
            let wait = match next(&self.config.retry, request.attempt, &failure, seed) {
                Next::Wait(wait) if !self.cancel.is_cancelled() => wait,
                _ => return self.give_up(failed, &mut guard, use_id).await,
            };
            self.log
                .record(
                    failed.tier,
                    Body::CallRetry {
                        use_id,
                        attempt: request.attempt,
                        wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                        code: failed.error.code,
                    },
                )
                .await?;
            tokio::select! {
                () = self.cancel.cancelled() => {
                    let error = CallError::new(ErrorCode::Cancelled, Phase::Connect);
                    return self.give_up(Failed { error, ..failed }, &mut guard, use_id).await;
                }
                () = tokio::time::sleep(wait) => request.attempt += 1,
            }
        }
    }

    async fn give_up(
        &self,
        failed: Failed,
        guard: &mut OutcomeGuard,
        use_id: UseId,
    ) -> Result<Vec<ChatEvent>, CallError> {
        self.close(failed.tier, use_id).await?;
        let body = guard.failed(&failed.error, failed.in_doubt);
        self.log.record(failed.tier, body).await?;
        guard.told();
        Err(failed.error)
    }

    async fn close(&self, tier: ModelTier, use_id: UseId) -> Result<(), CallError> {
        if tier == ModelTier::Cloud {
            let closed = self.ports.ledger.close(use_id).await;
            closed.map_err(|e| CallError::new(e.code(), Phase::Storage))?;
        }
        Ok(())
    }

    /// One attempt, from `locate` to the terminal.
    async fn one(
        &self,
        request: &EgressRequest,
        scan: &mut Option<Scan>,
        guard: &mut OutcomeGuard,
    ) -> Result<Vec<ChatEvent>, Failed> {
        let declared = request.record.tier;
        let unsent = |error| Failed {
            error,
            tier: declared,
            in_doubt: false,
            content_seen: false,
        };
        let cleared = self.cleared(request, scan).await.map_err(unsent)?;
        let tier = cleared.effective_tier();
        if request.attempt == 1 {
            self.out
                .send(TurnEvent::TurnStarted {
                    turn: self.turn,
                    trace_id: self.log.scope.trace_id.ok_or_else(|| unsent(broken()))?,
                    session_id: self
                        .log
                        .scope
                        .session_id
                        .clone()
                        .ok_or_else(|| unsent(broken()))?,
                    provider_id: request.record.provider_id.clone(),
                    model_id: cleared
                        .envelope()
                        .model_id
                        .clone()
                        .ok_or_else(|| unsent(broken()))?,
                    tier,
                })
                .await;
        }
        let executed = Body::CloudEscalationExecuted {
            use_id: request.use_id,
            attempt: request.attempt,
            consent_receipt_id: cleared.receipt(),
            body_bytes: cleared.envelope().body.len() as u64,
        };
        let secret = cleared.envelope().secret_ref().is_some();
        let sent = tokio::select! {
            () = self.cancel.cancelled() => Err(handshake_core::error::SendError {
                error: CallError::new(ErrorCode::Cancelled, Phase::Status),
                in_doubt: true,
            }),
            sent = self.client.send(cleared) => sent,
        };
        let left = sent.as_ref().err().is_none_or(|error| error.in_doubt);
        if left && tier == ModelTier::Cloud {
            self.log
                .record(tier, executed)
                .await
                .map_err(|error| Failed {
                    error,
                    tier,
                    in_doubt: true,
                    content_seen: false,
                })?;
        }
        if left && secret {
            self.log.submit(Body::SecretUsed {
                use_id: request.use_id,
            });
        }
        match sent {
            Ok(stream) => self.drain(stream, tier, request, guard).await,
            Err(error) => Err(Failed {
                error: error.error,
                tier,
                in_doubt: error.in_doubt,
                content_seen: false,
            }),
        }
    }

    /// Asks the gate, and a person where the gate says so.
    async fn cleared(
        &self,
        request: &EgressRequest,
        scan: &mut Option<Scan>,
    ) -> Result<Cleared, CallError> {
        let mut asked = false;
        loop {
            let gate = Arc::clone(&self.ports.gate);
            let located = gate
                .locate(request.clone())
                .await
                .map_err(|denied| denied.error)?;
            let earlier = scan.take();
            let inspected = if located.body_bytes() > self.config.inspect_inline_bytes {
                let gate = Arc::clone(&gate);
                tokio::task::spawn_blocking(move || gate.inspect(located, earlier))
                    .await
                    .map_err(|_| CallError::new(ErrorCode::LeakageUndecided, Phase::Gate))?
            } else {
                gate.inspect(located, earlier)
            };
            *scan = inspected.scan().cloned();
            match gate.authorize(inspected).await {
                Authorization::Cleared(cleared) => return Ok(*cleared),
                Authorization::Denied(denied) => return Err(denied.error),
                Authorization::AwaitingConsent(awaiting) if asked => {
                    // Approved, and still not covered: the receipt is for something else by now.
                    return Err(gate
                        .give_up(&awaiting, ErrorCode::CloudConsentMismatch)
                        .await
                        .error);
                }
                Authorization::AwaitingConsent(awaiting) => {
                    asked = true;
                    let ports = (&*gate, &*self.ports.queue, &*self.ports.clock);
                    consent::wait(
                        &awaiting,
                        self.options.consent,
                        ports,
                        self.out,
                        self.cancel,
                    )
                    .await?;
                }
            }
        }
    }

    /// Passes the stream on under its promises, and records the outcome before the terminal is delivered.
    async fn drain(
        &self,
        mut stream: ChatStream,
        tier: ModelTier,
        request: &EgressRequest,
        guard: &mut OutcomeGuard,
    ) -> Result<Vec<ChatEvent>, Failed> {
        let mut check = Check::new(self.promises.clone());
        let mut events = Vec::new();
        let mut content_seen = false;
        let failed = |error, content_seen| Failed {
            error,
            tier,
            in_doubt: true,
            content_seen,
        };
        loop {
            let item = tokio::select! {
                () = self.cancel.cancelled() => {
                    return Err(failed(CallError::new(ErrorCode::Cancelled, Phase::Stream), content_seen));
                }
                item = stream.next() => item,
            };
            let event = match item {
                None => {
                    return Err(failed(
                        CallError::new(ErrorCode::StreamTruncated, Phase::Stream),
                        content_seen,
                    ));
                }
                Some(Err(error)) => return Err(failed(error, content_seen)),
                Some(Ok(event)) => event,
            };
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
                self.completed(&check, tier, (*finish_reason, *tool_mode), guard, request)
                    .await
                    .map_err(|error| failed(error, content_seen))?;
                events.push(event);
                return Ok(events);
            }
            self.out.send(TurnEvent::Chat(event.clone())).await;
            events.push(event);
        }
    }

    async fn completed(
        &self,
        check: &Check,
        tier: ModelTier,
        (finish_reason, tool_mode): (FinishReason, handshake_core::chat::ToolMode),
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

fn broken() -> CallError {
    CallError::new(ErrorCode::InvalidRequest, Phase::Gate).about("scope")
}
