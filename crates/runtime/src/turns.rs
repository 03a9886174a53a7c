//! The tool loop: turns of one request until the model is done, a bound is reached, or the caller runs the
//! tools.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::FutureExt;
use handshake_core::{
    artifact::{LabelWalk, WalkBudget},
    chat::{ChatEvent, ChatRequest, FinishReason, Message, Target, ToolCall},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ArtifactRef, MessageId},
    label::Label,
    ports::{Batch, EntropyExt, SessionError, SessionLease},
};
use tokio_util::sync::CancellationToken;

use crate::{
    call::{Answered, Turn},
    config::{CallOptions, Config, History, ToolUse},
    emit::{Ended, Log, Out},
    handle::{Delivery, Rest},
    ports::Ports,
    redacting::Redacting,
    route::{self, Routed},
    step::{OfCall, Steps},
    timings::{CallStep, Timings},
};

mod fallback;
mod tool;

/// How long a session's lease lasts, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(30);
const RENEWAL: Duration = Duration::from_secs(10);

/// One request on its way.
pub(crate) struct Request {
    pub(crate) ports: Arc<Ports>,
    pub(crate) config: Arc<Config>,
    pub(crate) options: CallOptions,
    pub(crate) out: Out,
    pub(crate) cancel: CancellationToken,
    pub(crate) log: Log,
    pub(crate) timings: Arc<Timings>,
    /// Itself, as its caller holds it.
    pub(crate) rest: Weak<Rest>,
}

impl Request {
    /// Runs a call whose history its caller carries: no session is touched.
    pub(crate) async fn run_carried(self, request: ChatRequest) {
        let result = self.guarded(request).await;
        self.tell(result).await;
    }

    /// Runs a call of a stored session, which executes one call at a time.
    pub(crate) async fn run_stored(self, request: ChatRequest) {
        let owner = u128::from_be_bytes(self.ports.entropy.bytes());
        let session = request.session_id.clone();
        let result = match self.ports.sessions.acquire(&session, owner, LEASE).await {
            Err(error) => {
                let error = stored(error, Phase::Resolve);
                self.log.refused(&error).await;
                Err(error)
            }
            Ok(lease) => {
                let result = self.beside_renewal(&lease, self.guarded(request)).await;
                // Whoever waits for the lease can wait until it expires, if giving it back fails.
                let _expires = self.ports.sessions.release(&lease).await;
                result
            }
        };
        self.tell(result).await;
    }

    /// Renews the lease beside the work, whose polling never waits for it. Losing it (clock jumps, a takeover)
    /// cancels.
    async fn beside_renewal<T>(&self, lease: &SessionLease, work: impl Future<Output = T>) -> T {
        let renewal = async {
            loop {
                tokio::time::sleep(RENEWAL).await;
                let again = self
                    .ports
                    .sessions
                    .acquire(&lease.session_id, lease.owner, LEASE);
                if again.await.is_err() {
                    self.cancel.cancel();
                    return std::future::pending().await;
                }
            }
        };
        tokio::select! {
            biased;
            result = work => result,
            never = renewal => never,
        }
    }

    fn steps(&self) -> Steps<'_> {
        Steps {
            clock: &*self.ports.clock,
            timings: &self.timings,
        }
    }

    async fn tell(&self, result: Result<Batch, CallError>) {
        match result {
            Ok(last) => self.out.deliver(Delivery::Batch(last)).await,
            Err(error) => self.out.fail(error).await,
        }
    }

    /// Whatever falls over in an adapter, a tool or a store ends this call alone, with a terminal, and every ending
    /// is recorded: here, unless it was where it happened.
    async fn guarded(&self, request: ChatRequest) -> Result<Batch, CallError> {
        self.ports.recorder.ready().await;
        let mut log = self.log.clone();
        let result = AssertUnwindSafe(self.turns(request, &mut log))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| {
                let error = CallError::new(ErrorCode::Protocol, Phase::Check).about("crash");
                Err(error.into())
            });
        match result {
            Ok(last) => Ok(last),
            Err(ended) => {
                if !ended.recorded && self.ports.is_flood(&log.scope, &ended.error) {
                    self.ports.counted();
                } else if !ended.recorded {
                    log.refused(&ended.error).await;
                }
                Err(ended.error)
            }
        }
    }

    /// The last batch of the last turn. `log` names provider and model once they are known.
    async fn turns(&self, request: ChatRequest, log: &mut Log) -> Result<Batch, Ended> {
        let mut routed = self.first_route(&request, log).await?;
        let stored = self.options.history == History::Stored;
        let registry = self.options.tools == ToolUse::Registry;
        if request.verbatim.is_some() && (stored || registry) {
            // A client's own body is sent as it is: nothing can be put before it or after it.
            let error = CallError::new(ErrorCode::InvalidRequest, Phase::Admit).about("verbatim");
            return Err(error.into());
        }
        let mut conversation = Conversation::default();
        let mut request = Arc::new(request);
        if stored {
            conversation = self.remembered(Arc::make_mut(&mut request)).await?;
        }
        let redacting = Redacting::of(&self.ports, &request, &self.options);
        conversation.redacting = redacting;
        for number in 1..=self.config.max_turns {
            let fold = stored || registry;
            let turn = self.turn(&routed, log, &conversation, (number, fold));
            let answered = match turn.run(&request).await {
                Err(ended) if number == 1 && fallback::is_taken(&ended.error, &request) => {
                    let Some(model) = routed.fallback.take() else {
                        return Err(ended);
                    };
                    // What failed is in the log under its own name.
                    if !ended.recorded {
                        log.refused(&ended.error).await;
                    }
                    let because = ended.error.code;
                    let terms = (routed.governance, routed.context_limit);
                    routed = self.instead(model, because, terms, &request, log).await?;
                    let turn = self.turn(&routed, log, &conversation, (number, fold));
                    // On the heap: most calls never come here.
                    Box::pin(turn.run(&request)).await?
                }
                answered => answered?,
            };
            let Answered { last, response } = answered;
            let Some(response) = response else {
                return Ok(last);
            };
            let calls = response.tool_calls.clone();
            let wants_tools = response.finish_reason == FinishReason::ToolUse && !calls.is_empty();
            let answer = response.into_messages(
                &routed.route.record.provider_id,
                routed.route.snapshot.family.as_ref(),
                self.ports.clock.now(),
                || MessageId::from_entropy(self.ports.entropy.bytes()),
            );
            if !(wants_tools && registry) {
                if stored {
                    conversation.fresh.extend(answer);
                    self.remember(&request, conversation).await?;
                }
                return Ok(last);
            }
            self.between(last).await;
            if calls.len() > self.config.max_calls_per_turn {
                let error = CallError::new(ErrorCode::ToolLoopBound, Phase::Tool);
                return Err(error.about("tool calls in one turn").into());
            }
            if number == self.config.max_turns {
                // Nobody would read what these calls give, so they do not run.
                break;
            }
            if stored {
                conversation.fresh.extend(answer.iter().cloned());
            }
            let tier = routed.route.record.tier;
            let tools = self.tools(&mut request, answer, &calls, tier, &mut conversation);
            // On the heap: most calls never come here, and none should carry the room for it.
            Box::pin(tools).await?;
        }
        let error = CallError::new(ErrorCode::ToolLoopBound, Phase::Tool);
        Err(error.about("turns in one request").into())
    }

    fn turn<'a>(
        &'a self,
        routed: &'a Routed,
        log: &'a Log,
        conversation: &'a Conversation,
        (number, fold): (u32, bool),
    ) -> Turn<'a> {
        Turn {
            ports: &self.ports,
            config: &self.config,
            options: &self.options,
            routed,
            out: &self.out,
            cancel: &self.cancel,
            rest: &self.rest,
            log,
            steps: self.steps(),
            number,
            label: conversation.label,
            redacting: conversation.redacting.as_ref(),
            fold,
        }
    }

    /// Resolves a target. `log` names provider and model from then on.
    async fn route(&self, target: &Target, log: &mut Log) -> Result<Routed, CallError> {
        let resolving = route::route(&self.ports, &self.config, target);
        let routed = self
            .steps()
            .run(CallStep::Resolve, OfCall::default(), resolving, |done| {
                done.as_ref().err().map(|error| error.code)
            })
            .await?;
        log.scope.model_id = Some(routed.route.model.clone());
        log.scope.provider_id = Some(routed.route.record.provider_id.clone());
        Ok(routed)
    }

    /// What the last read of a turn gave that is followed by another one: without its finish, which is not the
    /// request's.
    async fn between(&self, mut last: Batch) {
        last.events
            .retain(|event| !matches!(event, ChatEvent::Finished { .. }));
        if !last.events.is_empty() {
            self.out.deliver(Delivery::Batch(last)).await;
        }
    }

    /// Runs the calls of one turn and puts them and their results into the request.
    async fn tools(
        &self,
        request: &mut Arc<ChatRequest>,
        answer: Vec<Message>,
        calls: &[ToolCall],
        asked_by: handshake_core::tier::ModelTier,
        conversation: &mut Conversation,
    ) -> Result<(), CallError> {
        Arc::make_mut(request).messages.extend(answer);
        for call in calls {
            if self.cancel.is_cancelled() {
                return Err(CallError::new(ErrorCode::Cancelled, Phase::Tool));
            }
            let (message, joined) = self.tool(request, call, asked_by, conversation).await;
            conversation.label = joined;
            if self.options.history == History::Stored {
                conversation.fresh.push(message.clone());
            }
            Arc::make_mut(request).messages.push(message);
        }
        // A required call was made; the next answer may be text.
        Arc::make_mut(request).tool_choice = None;
        Ok(())
    }

    /// Puts what is stored of the session before the request's own messages.
    async fn remembered(&self, request: &mut ChatRequest) -> Result<Conversation, CallError> {
        // What is stored of this exchange has the label of all that went into it.
        let referred = self.label_of(&request.artifacts).await;
        let fresh = request.messages.clone();
        let known = self.ports.sessions.load(&request.session_id).await;
        let mut known = known.map_err(|error| stored(error, Phase::Storage))?;
        known.messages.append(&mut request.messages);
        request.messages = known.messages;
        Ok(Conversation {
            label: known.label,
            referred,
            fresh,
            redacting: None,
        })
    }

    async fn remember(
        &self,
        request: &ChatRequest,
        conversation: Conversation,
    ) -> Result<(), CallError> {
        let label = conversation.label.join(conversation.referred);
        let done = self
            .ports
            .sessions
            .append(&request.session_id, conversation.fresh, label)
            .await;
        done.map_err(|error| stored(error, Phase::Storage))
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

/// What is kept of an exchange while it goes on.
struct Conversation {
    /// The join of the labels of stored context and tool results.
    label: Label,
    /// The join of the labels of what the request refers to.
    referred: Label,
    /// What is stored when the exchange succeeds.
    fresh: Vec<Message>,
    /// Its redaction, where there is one.
    redacting: Option<Redacting>,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            label: Label::INLINE,
            referred: Label::INLINE,
            fresh: Vec::new(),
            redacting: None,
        }
    }
}

fn stored(error: SessionError, phase: Phase) -> CallError {
    match error {
        SessionError::Busy => CallError::new(ErrorCode::SessionBusy, phase),
        SessionError::Store(error) => CallError::new(error.code(), phase),
    }
}
