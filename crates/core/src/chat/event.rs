//! The events of one call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::{ModelId, ProviderCallId, ToolCallId, ToolName};

/// Why an answer ended. Deliberately exhaustive: a new reason must break its readers.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FinishReason {
    /// It was complete.
    Stop,
    /// The model asks for tools to be called.
    ToolUse,
    /// A limit was reached.
    Length,
    /// A filter cut it off.
    ContentFilter,
    /// It failed. Only in stored answers; a live stream ends in an `Err` instead.
    Error,
}

/// How tool calls travelled.
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
pub enum ToolMode {
    /// The provider's own tool calling, or no tools at all.
    #[default]
    Native,
    /// Our deterministic emulation in text, first version.
    EmulatedV1,
}

/// One complete tool call.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Our id. Unique within the session, whatever the provider does with its own.
    pub tool_call_id: ToolCallId,
    /// The provider's id, replayed as it came. `None` where the provider gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_call_id: Option<ProviderCallId>,
    /// Which tool.
    pub tool_id: ToolName,
    /// One JSON object, without duplicate keys.
    pub arguments: Map<String, Value>,
}

impl std::fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolCall")
            .field("tool_call_id", &self.tool_call_id)
            .field("tool_id", &self.tool_id)
            .field("arguments", &self.arguments.len())
            .finish_non_exhaustive()
    }
}

/// Token counts as the provider reports them. Absent is not zero; the last report wins and nothing is
/// ever added up.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// The provider's own total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Tokens of the prompt that came from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Tokens of the answer that were thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Whether we estimated, because the provider reported nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

/// One event of one call. A failure is the stream's last `Err`; there is no error event.
#[derive(Clone, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChatEvent {
    /// The provider began to answer. Exactly one, first.
    Started,
    /// Text.
    TextDelta {
        /// The text.
        text: String,
    },
    /// Thinking, in a channel of its own.
    ReasoningDelta {
        /// The text.
        text: String,
    },
    /// The model refuses, in a structured field.
    Refusal {
        /// Its words.
        text: String,
    },
    /// A complete call of a declared tool. Comes only after the finish is known.
    ToolCall(ToolCall),
    /// Token counts so far.
    Usage(TokenUsage),
    /// The provider says that another model answers than the one that was asked for.
    ModelAnswered {
        /// Which, where the name is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model_id: Option<ModelId>,
    },
    /// Opaque state to be replayed with this answer.
    ProviderState {
        /// The bytes.
        #[schemars(with = "Vec<u8>")]
        bytes: bytes::Bytes,
    },
    /// The one successful end.
    Finished {
        /// Why.
        finish_reason: FinishReason,
        /// How tools travelled.
        tool_mode: ToolMode,
        /// The operator's phrase table suspects a refusal. Never changes text or finish.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refusal_suspected: bool,
    },
}

impl std::fmt::Debug for ChatEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Started => f.write_str("Started"),
            Self::TextDelta { text } => write!(f, "TextDelta({} bytes)", text.len()),
            Self::ReasoningDelta { text } => write!(f, "ReasoningDelta({} bytes)", text.len()),
            Self::Refusal { text } => write!(f, "Refusal({} bytes)", text.len()),
            Self::ToolCall(call) => call.fmt(f),
            Self::Usage(usage) => usage.fmt(f),
            // A provider's word.
            Self::ModelAnswered { .. } => f.write_str("ModelAnswered(..)"),
            Self::ProviderState { bytes } => write!(f, "ProviderState({} bytes)", bytes.len()),
            Self::Finished { finish_reason, .. } => write!(f, "Finished({finish_reason:?})"),
        }
    }
}
