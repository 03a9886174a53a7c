//! One message of a conversation.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ToolCall;
use crate::{
    digest::Digest,
    ids::{MessageId, ProviderId, Token, ToolCallId},
    time::UtcTime,
};

/// Who speaks.
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
pub enum Role {
    /// The runtime, or an authenticated gateway client.
    System,
    /// A person, or text from outside with its attribution.
    User,
    /// The model's text.
    Assistant,
    /// A call that the model made. Follows the assistant message of its turn.
    ToolCall,
    /// The result of a call.
    ToolResult,
}

/// One message. The content is payload: it appears in no event, log or `Debug`.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its id.
    pub message_id: MessageId,
    /// Who speaks.
    pub role: Role,
    /// The text. Empty for a pure tool call. Shared: a long conversation is not copied for each of its turns.
    pub content: Arc<str>,
    /// SHA-256 of the text.
    pub content_hash: Digest,
    /// When it was said.
    pub timestamp: UtcTime,
    /// Its length in tokens, if it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_count: Option<u64>,
    /// Whether something was replaced by a placeholder.
    #[serde(default)]
    pub redacted: bool,
    /// For `TOOL_CALL` and `TOOL_RESULT`: which call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<ToolCallId>,
    /// For `TOOL_CALL`: the call itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<ToolCall>,
    /// Images and documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// What the model thought, in a channel of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Arc<str>>,
    /// Opaque state that its provider wants back, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_state: Option<ProviderState>,
}

impl Message {
    /// A text message.
    #[must_use]
    pub fn text(
        message_id: MessageId,
        role: Role,
        content: impl Into<Arc<str>>,
        timestamp: UtcTime,
    ) -> Self {
        let content = content.into();
        Self {
            message_id,
            role,
            content_hash: Digest::of(&[content.as_bytes()]),
            content,
            timestamp,
            token_count: None,
            redacted: false,
            tool_call_id: None,
            tool_call: None,
            attachments: Vec::new(),
            reasoning: None,
            provider_state: None,
        }
    }

    /// A call that the model made.
    #[must_use]
    pub fn call(message_id: MessageId, call: ToolCall, timestamp: UtcTime) -> Self {
        let mut message = Self::text(message_id, Role::ToolCall, "", timestamp);
        message.tool_call_id = Some(call.tool_call_id);
        message.tool_call = Some(call);
        message
    }

    /// The result of a call.
    #[must_use]
    pub fn result(
        message_id: MessageId,
        tool_call_id: ToolCallId,
        content: impl Into<Arc<str>>,
        timestamp: UtcTime,
    ) -> Self {
        let mut message = Self::text(message_id, Role::ToolResult, content, timestamp);
        message.tool_call_id = Some(tool_call_id);
        message
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("message_id", &self.message_id)
            .field("role", &self.role)
            .field("content_bytes", &self.content.len())
            .field("attachments", &self.attachments.len())
            .finish_non_exhaustive()
    }
}

/// What an attachment is.
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
pub enum AttachmentKind {
    /// A picture.
    Image,
    /// A document.
    Document,
    /// Sound.
    Audio,
}

/// Bytes that travel with a message.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// What it is.
    pub kind: AttachmentKind,
    /// Its declared media type; must agree with what the bytes are.
    pub media_type: String,
    /// The bytes.
    #[schemars(with = "Vec<u8>")]
    pub bytes: Bytes,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment")
            .field("kind", &self.kind)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Opaque state of a provider (signatures, encrypted reasoning), replayed only to the same provider and
/// model family.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderState {
    /// Whose it is.
    pub provider_id: ProviderId,
    /// Which family understands it.
    pub family: Token,
    /// The bytes, untouched.
    #[schemars(with = "Vec<u8>")]
    pub bytes: Bytes,
}

impl std::fmt::Debug for ProviderState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderState")
            .field("provider_id", &self.provider_id)
            .field("family", &self.family)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
