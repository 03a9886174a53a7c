//! Model swap: moving a session to another model across a fresh context compile. `hsk.model_swap@0.4`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    digest::Digest,
    ids::{ArtifactRef, ExternalId, ModelRef, RoleId, SwapId},
    json::read_strict,
};

mod machine;

pub use self::machine::{
    SwapCommand, SwapEvent, SwapFallback, SwapInput, SwapOutcome, SwapPhase, SwapState,
};

/// The schema id of a swap request.
pub const MODEL_SWAP: &str = "hsk.model_swap@0.4";

/// How urgent a swap is.
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
pub enum SwapPriority {
    /// When nothing else is to be done.
    Low,
    /// In turn.
    #[default]
    Normal,
    /// Before others.
    High,
    /// Now.
    Critical,
}

/// What becomes of the current model's memory.
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
pub enum SwapStrategy {
    /// It is unloaded before the target is loaded.
    #[default]
    UnloadReload,
    /// It stays loaded beside the target.
    KeepHotSwap,
    /// It is moved to disk before the target is loaded.
    DiskOffload,
}

/// Who asks for a swap.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapRequester {
    /// The part of the application.
    pub subsystem: ExternalId,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<ExternalId>,
    /// The work package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wp_id: Option<ExternalId>,
    /// The micro task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mt_id: Option<ExternalId>,
}

/// `hsk.model_swap@0.4`: a request to move a session to another model.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSwapRequest {
    /// Its id.
    pub request_id: SwapId,
    /// The model that the session uses.
    pub current_model_id: ModelRef,
    /// The model that it is to use.
    pub target_model_id: ModelRef,
    /// The role that is moved.
    pub role: RoleId,
    /// How urgent.
    pub priority: SwapPriority,
    /// Why, for people: 1 to 512 bytes. Stands in no event.
    pub reason: String,
    /// What becomes of the current model's memory.
    pub swap_strategy: SwapStrategy,
    /// The state to persist: at least one artefact, none twice.
    pub state_persist_refs: Vec<ArtifactRef>,
    /// What [`state_hash`] must give over the persisted state.
    pub state_hash: Digest,
    /// Where the freshly compiled context goes.
    pub context_compile_ref: ArtifactRef,
    /// The most graphics memory that the target may take, in MiB.
    pub max_vram_mb: u64,
    /// The most main memory that the target may take, in MiB.
    pub max_ram_mb: u64,
    /// How long all of it may take, in milliseconds: 1 to 3 600 000.
    pub timeout_ms: u64,
    /// Who asks.
    pub requester: SwapRequester,
    /// The requester's own notes, at most 16 KiB as JSON. Nothing here acts on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// A swap request that is malformed, with the field at fault. Repeats nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidSwap {
    /// The field.
    pub field: &'static str,
    /// The rule.
    pub reason: &'static str,
}

impl ModelSwapRequest {
    /// Reads and checks a request. Unknown fields and duplicate keys are refused.
    ///
    /// # Errors
    /// [`InvalidSwap`].
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidSwap> {
        let invalid = |reason| InvalidSwap {
            field: "request",
            reason,
        };
        let value = read_strict(bytes)
            .map_err(|_| invalid("must be one JSON object without duplicate keys"))?;
        let request: Self = serde_json::from_value(value)
            .map_err(|_| invalid("must have exactly the fields of hsk.model_swap@0.4"))?;
        request.check()?;
        Ok(request)
    }

    /// Checks what the types alone do not hold.
    ///
    /// # Errors
    /// [`InvalidSwap`] with the first field at fault.
    pub fn check(&self) -> Result<(), InvalidSwap> {
        let ensure = |holds: bool, field, reason| {
            if holds {
                Ok(())
            } else {
                Err(InvalidSwap { field, reason })
            }
        };
        ensure(
            self.target_model_id != self.current_model_id,
            "target_model_id",
            "must differ from current_model_id",
        )?;
        let reason_ok = !self.reason.trim().is_empty()
            && self.reason.len() <= 512
            && !self.reason.chars().any(char::is_control);
        ensure(
            reason_ok,
            "reason",
            "must be 1 to 512 bytes without control characters",
        )?;
        let mut refs: Vec<_> = self.state_persist_refs.iter().collect();
        refs.sort();
        refs.dedup();
        let unique =
            !refs.is_empty() && refs.len() == self.state_persist_refs.len() && refs.len() <= 4096;
        ensure(
            unique,
            "state_persist_refs",
            "must list 1 to 4096 artefacts without duplicates",
        )?;
        ensure(
            (1..=3_600_000).contains(&self.timeout_ms),
            "timeout_ms",
            "must be from 1 to 3600000",
        )?;
        let notes = self.metadata.as_ref().map_or(0, |notes| {
            serde_json::to_vec(notes).map_or(usize::MAX, |bytes| bytes.len())
        });
        ensure(notes <= 16 * 1024, "metadata", "must be at most 16 KiB")
    }
}

/// The hash of persisted state: SHA-256 over the manifest, one line `ref\nsha256(content)\n` an artefact, in
/// order of reference. The order in which they are given does not matter.
#[must_use]
pub fn state_hash(state: &[(ArtifactRef, Digest)]) -> Digest {
    let mut lines: Vec<_> = state.iter().collect();
    lines.sort();
    let manifest: String = lines
        .into_iter()
        .map(|(artifact, content)| format!("{artifact}\n{content}\n"))
        .collect();
    Digest::of(&[manifest.as_bytes()])
}
