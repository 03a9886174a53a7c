//! The driver of a model swap: does what the pure machine commands, and tells it what happened.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use handshake_core::{
    artifact::ArtifactMeta,
    chat::Target,
    code::{ErrorCode, Phase},
    consent::{CloudEscalationRequest, EscalationReason},
    control::ControlCall,
    digest::Digest,
    error::CallError,
    event::{Body, EventScope},
    ids::{ArtifactRef, ModelRef, PlanId, Principal, RequestId, SessionId},
    policy::Governance,
    ports::{CompileRequest, CompiledContext, EntropyExt, StoredSession},
    swap::{
        ModelSwapRequest, SwapCommand, SwapEvent, SwapFallback, SwapInput, SwapOutcome, SwapState,
    },
    tier::ModelTier,
};

use crate::{emit::Log, registry, route, runtime::Runtime};

/// What came of a swap.
#[derive(Clone, Debug)]
pub struct SwapReport {
    /// How it ended.
    pub outcome: SwapOutcome,
    /// The compile artefact, once there is one.
    pub compiled: Option<ArtifactMeta>,
    /// For a fallback to Cloud: what a person would be asked.
    pub escalation: Option<CloudEscalationRequest>,
}

struct Driver<'a> {
    runtime: &'a Runtime,
    session: &'a SessionId,
    request: ModelSwapRequest,
    log: Log,
    began: Duration,
    compiled: Option<CompiledContext>,
    before: StoredSession,
    escalation: Option<CloudEscalationRequest>,
}

impl Runtime {
    /// Moves a session to another model. The session resumes only from a freshly compiled context, and only
    /// if the persisted state is what was hashed.
    ///
    /// # Errors
    /// [`CallError`] when the request is malformed, the session is busy, or a store fails. A swap that began
    /// and could be recorded ends in a [`SwapReport`].
    ///
    /// # Cancellation
    /// Dropping the future does not stop a swap: it runs in a task of its own, so that none is left half done.
    pub async fn swap(
        &self,
        request: ModelSwapRequest,
        session: &SessionId,
        principal: &Principal,
        fallback: SwapFallback,
    ) -> Result<SwapReport, CallError> {
        let (runtime, session, principal) = (self.clone(), session.clone(), principal.clone());
        let work = async move {
            runtime
                .swap_now(request, &session, &principal, fallback)
                .await
        };
        let crashed = |_| Err(CallError::new(ErrorCode::SwapFailed, Phase::Check).about("crash"));
        tokio::spawn(work).await.unwrap_or_else(crashed)
    }

    async fn swap_now(
        &self,
        request: ModelSwapRequest,
        session: &SessionId,
        principal: &Principal,
        fallback: SwapFallback,
    ) -> Result<SwapReport, CallError> {
        request
            .check()
            .map_err(|e| CallError::new(ErrorCode::InvalidRequest, Phase::Input).about(e.field))?;
        let owner = u128::from_be_bytes(self.ports.entropy.bytes());
        let timeout = Duration::from_millis(request.timeout_ms);
        let hold = timeout + Duration::from_secs(30);
        let lease = self
            .ports
            .sessions
            .acquire(session, owner, hold)
            .await
            .map_err(busy)?;
        let before = match self.ports.sessions.load(session).await {
            Ok(before) => before,
            Err(error) => {
                let _expires = self.ports.sessions.release(&lease).await;
                return Err(busy(error));
            }
        };
        let log = Log {
            recorder: Arc::clone(&self.ports.recorder),
            clock: Arc::clone(&self.ports.clock),
            entropy: Arc::clone(&self.ports.entropy),
            scope: EventScope {
                principal: Some(principal.clone()),
                session_id: Some(session.clone()),
                job_id: request.requester.job_id.clone(),
                wp_id: request.requester.wp_id.clone(),
                mt_id: request.requester.mt_id.clone(),
                model_id: Some(request.target_model_id.model.clone()),
                provider_id: Some(request.target_model_id.provider.clone()),
                ..EventScope::default()
            },
        };
        let driver = Driver {
            runtime: self,
            session,
            request,
            log,
            began: self.ports.clock.monotonic(),
            compiled: None,
            before,
            escalation: None,
        };
        let report = driver.drive(fallback, timeout).await;
        // An expired lease is as good as a released one.
        let _expires = self.ports.sessions.release(&lease).await;
        report
    }
}

impl Driver<'_> {
    async fn drive(
        mut self,
        fallback: SwapFallback,
        timeout: Duration,
    ) -> Result<SwapReport, CallError> {
        let deadline = tokio::time::Instant::now() + timeout;
        let (mut state, commands) = SwapState::begin(self.request.clone(), fallback);
        let mut queue = VecDeque::from(commands);
        let mut late = false;
        while let Some(command) = queue.pop_front() {
            // What undoes a swap is not cut short by the swap's own deadline.
            let undoing = late
                || matches!(
                    command,
                    SwapCommand::Record(_) | SwapCommand::RollBack { .. }
                );
            let input = if undoing {
                self.perform(command).await?
            } else {
                match tokio::time::timeout_at(deadline, self.perform(command)).await {
                    Ok(input) => input?,
                    Err(_) => {
                        late = true;
                        Some(SwapInput::DeadlinePassed)
                    }
                }
            };
            if let Some(input) = input {
                let (next, more) = state.step(input);
                state = next;
                queue.extend(more);
            }
        }
        let outcome = state
            .outcome()
            .cloned()
            .ok_or_else(|| CallError::new(ErrorCode::SwapFailed, Phase::Check))?;
        Ok(SwapReport {
            outcome,
            compiled: self.compiled.map(|compiled| compiled.artifact),
            escalation: self.escalation,
        })
    }

    /// Does one command. `None`: the machine waits for nothing.
    async fn perform(&mut self, command: SwapCommand) -> Result<Option<SwapInput>, CallError> {
        Ok(match command {
            SwapCommand::Persist { refs } => Some(match self.stored(&refs).await {
                Some(state) => SwapInput::Persisted { state },
                None => SwapInput::Failed,
            }),
            SwapCommand::Record(event) => self.record(event).await?,
            SwapCommand::Unload { model } | SwapCommand::Offload { model } => {
                let done = self
                    .control(&model, ControlCall::Unload(model.model.clone()))
                    .await;
                Some(if done {
                    SwapInput::Vacated
                } else {
                    SwapInput::Failed
                })
            }
            SwapCommand::Load { model, .. } => {
                let there = route::route(
                    &self.runtime.ports,
                    &self.runtime.config,
                    &Target::Model(model.clone()),
                )
                .await
                .is_ok();
                let done = there
                    && self
                        .control(&model, ControlCall::Load(model.model.clone(), None))
                        .await;
                Some(match done {
                    true => SwapInput::Loaded {
                        vram_mb: None,
                        ram_mb: None,
                    },
                    false => SwapInput::Failed,
                })
            }
            SwapCommand::Compile {
                target, role, refs, ..
            } => {
                let request = CompileRequest {
                    session_id: self.session.clone(),
                    target,
                    role,
                    state_refs: refs.clone(),
                };
                let compiled = self.runtime.ports.compiler.compile(request).await.ok();
                match (compiled, self.stored(&refs).await) {
                    (Some(compiled), Some(state)) => {
                        let artifact = compiled.artifact.artifact.clone();
                        self.compiled = Some(compiled);
                        Some(SwapInput::Compiled { artifact, state })
                    }
                    _ => Some(SwapInput::Failed),
                }
            }
            SwapCommand::Resume { model, .. } => Some(match self.compiled.clone() {
                None => SwapInput::Failed,
                Some(compiled) => {
                    let resumed = StoredSession {
                        messages: compiled.messages,
                        label: compiled.label,
                        model: Some(model),
                    };
                    match self
                        .runtime
                        .ports
                        .sessions
                        .resume(self.session, resumed)
                        .await
                    {
                        Ok(()) => SwapInput::Resumed,
                        Err(_) => SwapInput::Failed,
                    }
                }
            }),
            SwapCommand::RollBack { current, target } => {
                let back = self
                    .runtime
                    .ports
                    .sessions
                    .resume(self.session, self.before.clone())
                    .await;
                let unload = self
                    .control(&target, ControlCall::Unload(target.model.clone()))
                    .await;
                let load = self
                    .control(&current, ControlCall::Load(current.model.clone(), None))
                    .await;
                // A target that does not unload is untidy; a current model that is not back is a failure.
                let _untidy = unload;
                Some(if back.is_ok() && load {
                    SwapInput::RolledBack
                } else {
                    SwapInput::Failed
                })
            }
            SwapCommand::MakePendingEscalation => {
                self.escalation = Some(CloudEscalationRequest {
                    request_id: RequestId::from_entropy(self.runtime.ports.entropy.bytes()),
                    wp_id: self.request.requester.wp_id.clone(),
                    mt_id: self.request.requester.mt_id.clone(),
                    session_id: self.session.clone(),
                    reason: EscalationReason::ModelSwap,
                    local_attempts: 1,
                    requested_model_id: self.request.target_model_id.clone(),
                    projection_plan_id: PlanId::from_entropy(self.runtime.ports.entropy.bytes()),
                    consent_receipt_id: None,
                });
                None
            }
        })
    }

    /// What is stored now: each artefact with the hash of its content as it was just read.
    async fn stored(&self, refs: &[ArtifactRef]) -> Option<Vec<(ArtifactRef, Digest)>> {
        let mut state = Vec::with_capacity(refs.len());
        for reference in refs {
            let artifact = self.runtime.ports.artifacts.get(reference).await.ok()??;
            state.push((reference.clone(), Digest::of(&[&artifact.content])));
        }
        Some(state)
    }

    async fn record(&self, event: SwapEvent) -> Result<Option<SwapInput>, CallError> {
        let swap_id = self.request.request_id;
        let elapsed = self
            .runtime
            .ports
            .clock
            .monotonic()
            .saturating_sub(self.began);
        let (body, input) = match event {
            SwapEvent::Requested => {
                let hash = self.request.state_hash;
                let state_hash = self
                    .runtime
                    .ports
                    .gate
                    .commitments()
                    .commit("hsk.event.state.v1", &[hash.as_bytes()]);
                let role = self.request.role.clone();
                (
                    Body::ModelSwapRequested {
                        swap_id,
                        role,
                        state_hash,
                    },
                    Some(SwapInput::Announced),
                )
            }
            SwapEvent::Completed { compiled } => {
                let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                let context_compile_ref = compiled;
                (
                    Body::ModelSwapCompleted {
                        swap_id,
                        duration_ms,
                        context_compile_ref,
                    },
                    None,
                )
            }
            SwapEvent::Failed { code } => (Body::ModelSwapFailed { swap_id, code }, None),
            SwapEvent::Timeout => (
                Body::ModelSwapTimeout {
                    swap_id,
                    timeout_ms: self.request.timeout_ms,
                },
                None,
            ),
            SwapEvent::Rollback => (Body::ModelSwapRollback { swap_id }, None),
        };
        // Durable whatever the tier: a swap is rare, and its order is what the log is asked about.
        self.log.record(ModelTier::Cloud, body).await?;
        Ok(input)
    }

    /// Loads or unloads on a local server. A cloud model, and a server that manages its memory itself, need
    /// neither.
    async fn control(&self, model: &ModelRef, call: ControlCall) -> bool {
        let ports = &self.runtime.ports;
        let view = route::current(ports).ok();
        let Some(record) = view
            .as_deref()
            .and_then(|view| view.providers.get(&model.provider))
        else {
            return false;
        };
        if record.tier == ModelTier::Cloud {
            return true;
        }
        match registry::control(ports, record, call, Governance::NO_PROFILE).await {
            Ok(_) => true,
            Err(error) => error.code == ErrorCode::ParameterUnsupported,
        }
    }
}

fn busy(error: handshake_core::ports::SessionError) -> CallError {
    match error {
        handshake_core::ports::SessionError::Busy => {
            CallError::new(ErrorCode::SessionBusy, Phase::Resolve)
        }
        handshake_core::ports::SessionError::Store(error) => {
            CallError::new(error.code(), Phase::Storage)
        }
    }
}
