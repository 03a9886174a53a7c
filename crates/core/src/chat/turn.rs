//! The events of one request as its caller sees them: several calls, tool results, one terminal.

use serde::{Deserialize, Serialize};

use super::ChatEvent;
use crate::{
    code::ErrorCode,
    ids::{ModelId, PlanId, ProviderId, RequestId, SessionId, ToolCallId, TraceId},
    tier::ModelTier,
    time::UtcTime,
};

/// One event of a request. A failure is the stream's last `Err`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TurnEvent {
    /// A call to the model begins. `turn` counts from 1.
    TurnStarted {
        /// Which call of the request.
        turn: u32,
        /// The trace.
        trace_id: TraceId,
        /// The session.
        session_id: SessionId,
        /// The provider.
        provider_id: ProviderId,
        /// The model.
        model_id: ModelId,
        /// The effective tier.
        tier: ModelTier,
    },
    /// A person is asked. Calls wait.
    AwaitingConsent {
        /// The request to decide.
        request_id: RequestId,
        /// What the person is shown.
        plan_id: PlanId,
        /// When waiting ends.
        deadline: UtcTime,
    },
    /// A person paused Cloud. The call waits until they resume.
    Paused {
        /// When waiting ends.
        deadline: UtcTime,
    },
    /// The call was redacted before it was sent, for a caller that values come back to.
    Redacted {
        /// Different values that were replaced.
        values: u32,
        /// Places where one was.
        places: u32,
    },
    /// An event of the call.
    Chat(ChatEvent),
    /// A tool ran, or was denied.
    ToolResult {
        /// Which call.
        tool_call_id: ToolCallId,
        /// Whether it succeeded.
        ok: bool,
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<ErrorCode>,
    },
}
