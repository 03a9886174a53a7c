//! The order of a swap as a pure state machine. Whoever drives it runs the commands and feeds back what came
//! of them; the deadline is an input too.

use serde::{Deserialize, Serialize};

use super::{ModelSwapRequest, SwapStrategy, state_hash};
use crate::{
    code::ErrorCode,
    digest::Digest,
    ids::{ArtifactRef, ModelRef, RoleId},
};

/// What to do when a swap fails.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SwapFallback {
    /// The session stops.
    #[default]
    Abort,
    /// The session continues with its current model.
    ContinueWithCurrent,
    /// A person is asked for a cloud model. The swap itself ends as failed.
    EscalateToCloud,
}

/// The state of a swap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SwapPhase {
    /// The state is being persisted.
    Persisting,
    /// The requested event is being recorded.
    Announcing,
    /// The current model gives way.
    Vacating,
    /// The target is being loaded.
    Loading,
    /// The context is being compiled.
    Compiling,
    /// The session is being moved.
    Resuming {
        /// The compile artefact.
        compiled: ArtifactRef,
    },
    /// The current model is being brought back after a failure.
    RollingBack {
        /// What failed.
        code: ErrorCode,
    },
    /// It is over.
    Ended(SwapOutcome),
}

/// How a swap ended. There is exactly one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SwapOutcome {
    /// The session uses the target.
    Completed {
        /// The compile artefact that it resumed from.
        compiled: ArtifactRef,
    },
    /// The session stopped.
    Aborted {
        /// What failed.
        code: ErrorCode,
    },
    /// The session continues with its current model.
    ContinuedWithCurrent {
        /// What failed.
        code: ErrorCode,
    },
    /// The session waits for a person to decide about a cloud model.
    EscalationPending {
        /// What failed: always `CX-MM-003`.
        code: ErrorCode,
    },
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SwapInput {
    /// The state is stored.
    Persisted {
        /// What is stored now: each artefact with SHA-256 of its content.
        state: Vec<(ArtifactRef, Digest)>,
    },
    /// The requested event is durable.
    Announced,
    /// The current model is unloaded or offloaded.
    Vacated,
    /// The target is loaded.
    Loaded {
        /// The graphics memory that it takes, in MiB, where the server says.
        vram_mb: Option<u64>,
        /// The main memory that it takes, in MiB, where the server says.
        ram_mb: Option<u64>,
    },
    /// The context is compiled and its artefact stored.
    Compiled {
        /// The compile artefact.
        artifact: ArtifactRef,
        /// The state as it is stored at this moment: checked once more, since the session resumes from it.
        state: Vec<(ArtifactRef, Digest)>,
    },
    /// The session uses the target.
    Resumed,
    /// The step under way failed.
    Failed,
    /// `timeout_ms` have passed.
    DeadlinePassed,
    /// The current model is back.
    RolledBack,
}

/// An event to record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SwapEvent {
    /// FR-EVT-MODEL-001.
    Requested,
    /// FR-EVT-MODEL-002.
    Completed {
        /// The compile artefact.
        compiled: ArtifactRef,
    },
    /// FR-EVT-MODEL-003.
    Failed {
        /// What failed.
        code: ErrorCode,
    },
    /// FR-EVT-MODEL-004.
    Timeout,
    /// FR-EVT-MODEL-005.
    Rollback,
}

/// What to do next, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SwapCommand {
    /// Store these, then answer [`SwapInput::Persisted`].
    Persist {
        /// The state.
        refs: Vec<ArtifactRef>,
    },
    /// Record an event. After [`SwapEvent::Requested`] answer [`SwapInput::Announced`] once it is durable.
    Record(SwapEvent),
    /// Unload a model, then answer [`SwapInput::Vacated`].
    Unload {
        /// The model.
        model: ModelRef,
    },
    /// Move a model to disk, then answer [`SwapInput::Vacated`].
    Offload {
        /// The model.
        model: ModelRef,
    },
    /// Load a model, then answer [`SwapInput::Loaded`].
    Load {
        /// The model.
        model: ModelRef,
        /// The most graphics memory, in MiB.
        max_vram_mb: u64,
        /// The most main memory, in MiB.
        max_ram_mb: u64,
    },
    /// Compile a fresh context, then answer [`SwapInput::Compiled`].
    Compile {
        /// The model that will read it.
        target: ModelRef,
        /// The role.
        role: RoleId,
        /// The persisted state.
        refs: Vec<ArtifactRef>,
        /// Where the context goes.
        into: ArtifactRef,
    },
    /// Move the session to the target, then answer [`SwapInput::Resumed`].
    Resume {
        /// The model.
        model: ModelRef,
        /// The compile artefact to start from.
        compiled: ArtifactRef,
    },
    /// Undo: unload the target as far as it is loaded, bring the current model back, leave the session with
    /// it, then answer [`SwapInput::RolledBack`].
    RollBack {
        /// The model to bring back.
        current: ModelRef,
        /// The model to unload.
        target: ModelRef,
    },
    /// Ask a person for a cloud model: a pending `CloudEscalationRequest` with reason `model_swap`.
    MakePendingEscalation,
}

/// A swap under way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SwapState {
    request: ModelSwapRequest,
    fallback: SwapFallback,
    phase: SwapPhase,
}

impl SwapState {
    /// Begins a swap of a checked request.
    #[must_use]
    pub fn begin(request: ModelSwapRequest, fallback: SwapFallback) -> (Self, Vec<SwapCommand>) {
        let persist = SwapCommand::Persist {
            refs: request.state_persist_refs.clone(),
        };
        (
            Self {
                request,
                fallback,
                phase: SwapPhase::Persisting,
            },
            vec![persist],
        )
    }

    /// The current state.
    #[must_use]
    pub fn phase(&self) -> &SwapPhase {
        &self.phase
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &ModelSwapRequest {
        &self.request
    }

    /// How it ended, once it did.
    #[must_use]
    pub fn outcome(&self) -> Option<&SwapOutcome> {
        match &self.phase {
            SwapPhase::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Takes what happened. An input that does not belong to the phase, a late answer for example, changes
    /// nothing and commands nothing.
    #[must_use]
    pub fn step(self, input: SwapInput) -> (Self, Vec<SwapCommand>) {
        use {SwapInput as I, SwapPhase as P};
        match (self.phase.clone(), input) {
            (P::Ended(_), _) => (self, Vec::new()),
            (P::RollingBack { code }, I::RolledBack) => {
                let mut commands = vec![SwapCommand::Record(SwapEvent::Rollback)];
                let (next, end) = self.end(code, true);
                commands.extend(end);
                (next, commands)
            }
            (P::RollingBack { code }, I::Failed) => self.end(code, false),
            (P::RollingBack { .. }, _) => (self, Vec::new()),
            (_, I::DeadlinePassed) => {
                let (next, rest) = self.fail(ErrorCode::SwapFailed);
                (
                    next,
                    [vec![SwapCommand::Record(SwapEvent::Timeout)], rest].concat(),
                )
            }
            (_, I::Failed) => self.fail(ErrorCode::SwapFailed),
            (P::Persisting, I::Persisted { state }) => match self.holds(&state) {
                true => self.go(P::Announcing, SwapCommand::Record(SwapEvent::Requested)),
                false => self.fail(ErrorCode::StateHash),
            },
            (P::Announcing, I::Announced) => self.vacate(),
            (P::Vacating, I::Vacated) => self.load(),
            (P::Loading, I::Loaded { vram_mb, ram_mb }) => self.loaded(vram_mb, ram_mb),
            (P::Compiling, I::Compiled { artifact, state }) => match self.holds(&state) {
                true => {
                    let model = self.request.target_model_id.clone();
                    let resume = SwapCommand::Resume {
                        model,
                        compiled: artifact.clone(),
                    };
                    self.go(P::Resuming { compiled: artifact }, resume)
                }
                false => self.fail(ErrorCode::StateHash),
            },
            (P::Resuming { compiled }, I::Resumed) => {
                let record = SwapCommand::Record(SwapEvent::Completed {
                    compiled: compiled.clone(),
                });
                self.go(P::Ended(SwapOutcome::Completed { compiled }), record)
            }
            _ => (self, Vec::new()),
        }
    }

    /// Whether stored state is exactly what was asked to be persisted, with the hash that was promised.
    fn holds(&self, state: &[(ArtifactRef, Digest)]) -> bool {
        let mut stored: Vec<_> = state.iter().map(|(artifact, _)| artifact).collect();
        let mut asked: Vec<_> = self.request.state_persist_refs.iter().collect();
        stored.sort();
        asked.sort();
        stored == asked && state_hash(state) == self.request.state_hash
    }

    fn go(mut self, phase: SwapPhase, command: SwapCommand) -> (Self, Vec<SwapCommand>) {
        self.phase = phase;
        (self, vec![command])
    }

    fn vacate(self) -> (Self, Vec<SwapCommand>) {
        let model = self.request.current_model_id.clone();
        match self.request.swap_strategy {
            SwapStrategy::UnloadReload => {
                self.go(SwapPhase::Vacating, SwapCommand::Unload { model })
            }
            SwapStrategy::DiskOffload => {
                self.go(SwapPhase::Vacating, SwapCommand::Offload { model })
            }
            SwapStrategy::KeepHotSwap => self.load(),
        }
    }

    fn load(self) -> (Self, Vec<SwapCommand>) {
        let load = SwapCommand::Load {
            model: self.request.target_model_id.clone(),
            max_vram_mb: self.request.max_vram_mb,
            max_ram_mb: self.request.max_ram_mb,
        };
        self.go(SwapPhase::Loading, load)
    }

    fn loaded(self, vram_mb: Option<u64>, ram_mb: Option<u64>) -> (Self, Vec<SwapCommand>) {
        // What a server does not report cannot be compared: the budgets went to it with the load.
        let fits = vram_mb.is_none_or(|taken| taken <= self.request.max_vram_mb)
            && ram_mb.is_none_or(|taken| taken <= self.request.max_ram_mb);
        if !fits {
            return self.fail(ErrorCode::SwapFailed);
        }
        let compile = SwapCommand::Compile {
            target: self.request.target_model_id.clone(),
            role: self.request.role.clone(),
            refs: self.request.state_persist_refs.clone(),
            into: self.request.context_compile_ref.clone(),
        };
        self.go(SwapPhase::Compiling, compile)
    }

    /// A step failed: undo what was done, or end at once where nothing was.
    fn fail(self, code: ErrorCode) -> (Self, Vec<SwapCommand>) {
        match self.phase {
            SwapPhase::Persisting | SwapPhase::Announcing => self.end(code, true),
            _ => {
                let undo = SwapCommand::RollBack {
                    current: self.request.current_model_id.clone(),
                    target: self.request.target_model_id.clone(),
                };
                self.go(SwapPhase::RollingBack { code }, undo)
            }
        }
    }

    /// The end of every failed swap. `current` says whether the session still has its model.
    fn end(self, code: ErrorCode, current: bool) -> (Self, Vec<SwapCommand>) {
        // State that is not what was hashed is nobody's to go on from, here or in a cloud.
        let fallback = match (code, current) {
            (ErrorCode::StateHash, _) => SwapFallback::Abort,
            (_, false) if self.fallback == SwapFallback::ContinueWithCurrent => SwapFallback::Abort,
            _ => self.fallback,
        };
        let outcome = match fallback {
            SwapFallback::Abort => SwapOutcome::Aborted { code },
            SwapFallback::ContinueWithCurrent => SwapOutcome::ContinuedWithCurrent { code },
            SwapFallback::EscalateToCloud => SwapOutcome::EscalationPending { code },
        };
        let (next, mut commands) = self.go(
            SwapPhase::Ended(outcome),
            SwapCommand::Record(SwapEvent::Failed { code }),
        );
        if fallback == SwapFallback::EscalateToCloud {
            commands.insert(0, SwapCommand::MakePendingEscalation);
        }
        (next, commands)
    }
}

#[cfg(test)]
mod tests;
