//! The tool loop: turns of one request until the model is done, a bound is reached, or the caller runs the
//! tools.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use handshake_core::{
    artifact::{LabelWalk, WalkBudget},
    chat::{ChatEvent, ChatRequest, FinishReason, TurnEvent},
    code::{ErrorCode, Phase},
    error::CallError,
    event::EventScope,
    ids::{ArtifactRef, MessageId},
    label::Label,
    ports::EntropyExt,
};
use tokio_util::sync::CancellationToken;

use crate::{
    call::Turn,
    config::{CallOptions, Config, History, ToolUse},
    emit::{Log, Out},
    ports::Ports,
    route,
};

mod tool;

/// One request on its way.
pub(crate) struct Request {
    pub(crate) ports: Ports,
    pub(crate) config: Config,
    pub(crate) options: CallOptions,
    pub(crate) out: Out,
    pub(crate) cancel: CancellationToken,
    pub(crate) log: Log,
}

impl Request {
    /// Runs to the terminal and delivers it.
    pub(crate) async fn run(self, request: ChatRequest) {
        let log = self.scoped(&request);
        let lease = self.ports.sessions.acquire(
            &request.session_id,
            u128::from_be_bytes(self.ports.entropy.bytes()),
            Duration::from_secs(30),
        );
        let lease = match lease.await {
            Ok(lease) => lease,
            Err(error) => {
                let code = match error {
                    handshake_core::ports::SessionError::Busy => ErrorCode::SessionBusy,
                    handshake_core::ports::SessionError::Store(error) => error.code(),
                };
                let error = CallError::new(code, Phase::Resolve);
                log.refused(&error);
                return self.out.fail(error).await;
            }
        };
        let owner = lease.owner;
        let result = {
            // Whatever falls over in an adapter, a tool or a store ends this call alone, with a terminal and
            // with its lease given back.
            let work = AssertUnwindSafe(self.turns(request)).catch_unwind();
            tokio::pin!(work);
            // A held lease is renewed while the call runs; losing it (clock jumps, a takeover) cancels.
            loop {
                tokio::select! {
                    result = &mut work => break result,
                    () = tokio::time::sleep(Duration::from_secs(10)) => {
                        let again = self.ports.sessions.acquire(
                            &lease.session_id, owner, Duration::from_secs(30));
                        if again.await.is_err() {
                            self.cancel.cancel();
                        }
                    }
                }
            }
        };
        // Whoever waits for the lease can wait until it expires, if giving it back fails.
        let _expires = self.ports.sessions.release(&lease).await;
        let result = result.unwrap_or_else(|_| {
            let error = CallError::new(ErrorCode::Protocol, Phase::Check).about("crash");
            log.refused(&error);
            Err(error)
        });
        match result {
            Ok(finished) => self.out.send(TurnEvent::Chat(finished)).await,
            Err(error) => self.out.fail(error).await,
        }
    }

    fn scoped(&self, request: &ChatRequest) -> Log {
        self.log.scoped(EventScope {
            principal: Some(request.principal.clone()),
            session_id: Some(request.session_id.clone()),
            trace_id: Some(request.trace_id),
            ..self.log.scope.clone()
        })
    }

    async fn turns(&self, mut request: ChatRequest) -> Result<ChatEvent, CallError> {
        let routed = match route::route(&self.ports, &self.config, &request.target).await {
            Ok(routed) => routed,
            Err(error) => {
                self.scoped(&request).refused(&error);
                return Err(error);
            }
        };
        let stored = self.options.history == History::Stored;
        if request.verbatim.is_some() && (stored || self.options.tools == ToolUse::Registry) {
            // A client's own body is sent as it is: nothing can be put before it or after it.
            let error = CallError::new(ErrorCode::InvalidRequest, Phase::Admit).about("verbatim");
            self.scoped(&request).refused(&error);
            return Err(error);
        }
        // What is stored of this exchange has the label of all that went into it.
        let referred = self.label_of(&request.artifacts).await;
        let mut label = Label::INLINE;
        let mut fresh = request.messages.clone();
        if stored {
            let mut known = self
                .ports
                .sessions
                .load(&request.session_id)
                .await
                .map_err(store)?;
            known.messages.append(&mut request.messages);
            request.messages = known.messages;
            label = known.label;
        }
        for number in 1..=self.config.max_turns {
            let turn = Turn {
                ports: &self.ports,
                config: &self.config,
                options: &self.options,
                routed: &routed,
                out: &self.out,
                cancel: &self.cancel,
                log: &self.log,
                number,
                label,
            };
            let current = Arc::new(request.clone());
            let (response, finished) = turn.run(&current).await?;
            let calls = response.tool_calls.clone();
            let wants_tools = response.finish_reason == FinishReason::ToolUse && !calls.is_empty();
            let answer = response.into_messages(
                &routed.route.record.provider_id,
                routed.route.snapshot.family.as_ref(),
                self.ports.clock.now(),
                || MessageId::from_entropy(self.ports.entropy.bytes()),
            );
            fresh.extend(answer.iter().cloned());
            if !(wants_tools && self.options.tools == ToolUse::Registry) {
                if stored {
                    let done = self
                        .ports
                        .sessions
                        .append(&request.session_id, fresh, label.join(referred))
                        .await;
                    done.map_err(store)?;
                }
                return Ok(finished);
            }
            if calls.len() > self.config.max_calls_per_turn {
                return Err(CallError::new(ErrorCode::ToolLoopBound, Phase::Tool)
                    .about("calls of one turn"));
            }
            if number == self.config.max_turns {
                // Nobody would read what these calls give, so they do not run.
                break;
            }
            request.messages.extend(answer);
            for call in &calls {
                if self.cancel.is_cancelled() {
                    return Err(CallError::new(ErrorCode::Cancelled, Phase::Tool));
                }
                let (message, joined) = self
                    .tool(&request, call, routed.route.record.tier, label)
                    .await;
                label = joined;
                fresh.push(message.clone());
                request.messages.push(message);
            }
            // A required call was made; the next answer may be text.
            request.tool_choice = None;
        }
        Err(CallError::new(ErrorCode::ToolLoopBound, Phase::Tool).about("turns of one request"))
    }

    /// The join of the labels of everything that a request refers to; unknown where something has none.
    async fn label_of(&self, artifacts: &[ArtifactRef]) -> Label {
        let mut walk = LabelWalk::new(artifacts.to_vec(), WalkBudget::default());
        while let Some(artifact) = walk.next() {
            let meta = self.ports.artifacts.meta(&artifact).await.unwrap_or(None);
            walk.resolved(artifact, meta);
        }
        let labels = walk.finish().into_iter();
        labels.fold(Label::INLINE, |joined, (_, label)| {
            joined.join(label.unwrap_or(Label::UNKNOWN))
        })
    }
}

fn store(error: handshake_core::ports::SessionError) -> CallError {
    match error {
        handshake_core::ports::SessionError::Busy => {
            CallError::new(ErrorCode::SessionBusy, Phase::Storage)
        }
        handshake_core::ports::SessionError::Store(error) => {
            CallError::new(error.code(), Phase::Storage)
        }
    }
}
