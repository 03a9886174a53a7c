//! What a caller asks for.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{AttachmentKind, Message, Role};
use crate::{
    ids::{ArtifactRef, ModelRef, Principal, RoleId, SessionId, ToolName, TraceId},
    tool::ToolDefinition,
};

/// The calls that exist. Every other route of a provider is closed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "one stands at a time, and chat is the common one"
)]
pub enum ModelCall {
    /// A conversation.
    Chat(ChatRequest),
    /// Vectors of texts.
    Embed(EmbedRequest),
}

/// Texts to be turned into vectors.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbedRequest {
    /// The trace.
    pub trace_id: TraceId,
    /// The session.
    pub session_id: SessionId,
    /// Who asks.
    pub principal: Principal,
    /// The model.
    pub target: Target,
    /// The texts. Token ids are not accepted.
    pub inputs: Vec<String>,
}

impl std::fmt::Debug for EmbedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbedRequest")
            .field("inputs", &self.inputs.len())
            .finish_non_exhaustive()
    }
}

/// Which model: by name, or by role of the active work profile.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This model.
    Model(ModelRef),
    /// Whatever the work profile assigns to this role.
    Role(RoleId),
}

/// One chat request.
#[derive(Clone, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ChatRequest {
    /// The runtime session.
    pub session_id: SessionId,
    /// The trace.
    pub trace_id: TraceId,
    /// Who asks.
    pub principal: Principal,
    /// Which model.
    pub target: Target,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDefinition>,
    /// Whether it must, may or must not call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// The JSON schema that the answer must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_output_schema: Option<serde_json::Value>,
    /// Whether the wire streams. Both forms decode to the same events.
    #[serde(default = "yes")]
    pub stream: bool,
    /// Sampling and bounds. Absent values are not sent.
    #[serde(default)]
    pub params: Params,
    /// Stored artefacts whose content the caller put into the messages: their labels govern.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
    /// A client's own body, to be sent untouched to a provider of the same shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbatim: Option<Verbatim>,
}

fn yes() -> bool {
    true
}

impl ChatRequest {
    /// A request that streams, offers no tools and leaves every parameter to the provider.
    #[must_use]
    pub fn new(
        session_id: SessionId,
        trace_id: TraceId,
        principal: Principal,
        target: Target,
        messages: Vec<Message>,
    ) -> Self {
        Self {
            session_id,
            trace_id,
            principal,
            target,
            messages,
            tools: Vec::new(),
            tool_choice: None,
            structured_output_schema: None,
            stream: true,
            params: Params::default(),
            artifacts: Vec::new(),
            verbatim: None,
        }
    }
}

impl std::fmt::Debug for ChatRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatRequest")
            .field("session_id", &self.session_id)
            .field("trace_id", &self.trace_id)
            .field("target", &self.target)
            .field("messages", &self.messages.len())
            .field("tools", &self.tools.len())
            .finish_non_exhaustive()
    }
}

impl ChatRequest {
    /// What it asks of its model: what its own parts say, and what was read of a client's own body.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let read = self.verbatim.as_ref().map(|v| v.needs).unwrap_or_default();
        let mut needs = Needs {
            messages: read.messages.max(count(self.messages.len())),
            turns: 0,
            tools: read.tools.max(count(self.tools.len())),
            tool_calling: read.tool_calling || !self.tools.is_empty(),
            images: read.images,
            structured_output: read.structured_output || self.structured_output_schema.is_some(),
            reasoning: read.reasoning || self.params.reasoning.is_some_and(|r| r != Reasoning::Off),
        };
        for message in &self.messages {
            match message.role {
                Role::User | Role::Assistant => needs.turns = needs.turns.saturating_add(1),
                Role::ToolCall | Role::ToolResult => needs.tool_calling = true,
                Role::System => {}
            }
            needs.images |= message
                .attachments
                .iter()
                .any(|attachment| attachment.kind == AttachmentKind::Image);
        }
        needs.turns = needs.turns.max(read.turns);
        needs
    }
}

/// Sampling and bounds. Every absent field is absent on the wire too.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Sampling temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The most tokens of answer. Enforced here too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Texts that end the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// The sampling seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// How much to think.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
}

/// How much a model should think before it answers.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reasoning {
    /// Not at all.
    Off,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

/// Whether the model must call a tool.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// It may.
    Auto,
    /// It must not.
    None,
    /// It must call one.
    Required,
    /// It must call this one.
    Named(ToolName),
}

/// The API shape of a client or provider.
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
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// OpenAI chat completions.
    ChatCompletions,
    /// Ollama's native chat.
    OllamaChat,
    /// Anthropic messages.
    Messages,
}

/// A client's own body.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verbatim {
    /// The shape it has. Only an adapter of the same shape may send it.
    pub shape: Shape,
    /// The bytes, already checked to be one JSON object.
    #[schemars(with = "Vec<u8>")]
    pub body: Bytes,
    /// Request headers of the client that the shape's allow-list lets through.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What whoever took it in read of it, for admission.
    #[serde(default)]
    pub needs: Needs,
}

/// What a request asks of its model, as far as admission and events need it.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Messages in all.
    pub messages: u32,
    /// Messages of the user and the model.
    pub turns: u32,
    /// Tools that are declared.
    pub tools: u32,
    /// Whether tools are declared, or the conversation holds calls or results.
    pub tool_calling: bool,
    /// Whether there are pictures.
    pub images: bool,
    /// Whether a form is asked for.
    pub structured_output: bool,
    /// Whether the model is to think.
    pub reasoning: bool,
}

impl std::fmt::Debug for Verbatim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verbatim")
            .field("shape", &self.shape)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
