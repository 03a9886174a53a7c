//! The conversation: a call belongs to the assistant's message of its turn, a result names its tool.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use handshake_core::{
    capability::{CapabilitySnapshot, Feature, Support},
    chat::{Attachment, AttachmentKind, ChatRequest, Role, ToolCall},
    error::PrepareError,
    ids::ToolCallId,
};
use handshake_transport::{adapter::escape_specials, image_type};

use super::{invalid, tools::Declared, unsupported};
use crate::wire::request::{Call, CallFunction, Message};

/// The messages, and how many spellings of control tokens were escaped in results of tools.
pub(super) fn render<'a>(
    snapshot: &CapabilitySnapshot,
    request: &'a ChatRequest,
    declared: &Declared,
    family: Option<&str>,
) -> Result<(Vec<Message<'a>>, u64), PrepareError> {
    let mut escaped = 0;
    let messages = &request.messages;
    // Thinking is wanted back within the turn that it belongs to, and nowhere else.
    let turn = messages
        .iter()
        .rposition(|message| message.role == Role::User)
        .unwrap_or(0);
    let thinks = snapshot.capabilities.supports(Feature::SupportsThinking) == Support::Yes;
    let mut wire: Vec<Message<'a>> = Vec::with_capacity(messages.len());
    // Whether the last wire message is an assistant's that further calls belong to.
    let mut open = false;
    for (at, message) in messages.iter().enumerate() {
        if message.role == Role::ToolCall {
            let call = message
                .tool_call
                .as_ref()
                .ok_or_else(|| invalid("tool_call"))?;
            if !open {
                wire.push(Message {
                    role: "assistant",
                    ..Message::default()
                });
            }
            open = true;
            if let Some(last) = wire.last_mut() {
                last.tool_calls
                    .push(rendered_call(call, last.tool_calls.len(), declared));
            }
            continue;
        }
        open = message.role == Role::Assistant;
        let mut rendered = Message {
            role: match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant | Role::ToolCall => "assistant",
                Role::ToolResult => "tool",
            },
            content: (&*message.content).into(),
            images: message
                .attachments
                .iter()
                .map(image)
                .collect::<Result<_, _>>()?,
            ..Message::default()
        };
        if open && thinks && at > turn {
            rendered.thinking = message.reasoning.as_deref().filter(|text| !text.is_empty());
        }
        if message.role == Role::ToolResult {
            let call = message
                .tool_call_id
                .and_then(|id| find(request, id))
                .ok_or_else(|| invalid("tool_result"))?;
            // The daemon takes the spelling of a token for the token, wherever it stands.
            let (content, found) = escape_specials(&message.content, family);
            rendered.content = content;
            escaped += found;
            rendered.tool_name = Some(declared.wire(&call.tool_id));
            rendered.tool_call_id = call.provider_call_id.as_ref().map(|id| id.as_str());
        }
        wire.push(rendered);
    }
    Ok((wire, escaped))
}

fn find(request: &ChatRequest, id: ToolCallId) -> Option<&ToolCall> {
    request
        .messages
        .iter()
        .filter_map(|message| message.tool_call.as_ref())
        .find(|call| call.tool_call_id == id)
}

fn rendered_call<'a>(call: &'a ToolCall, index: usize, declared: &Declared) -> Call<'a> {
    Call {
        id: call.provider_call_id.as_ref().map(|id| id.as_str()),
        function: CallFunction {
            index,
            name: declared.wire(&call.tool_id),
            arguments: &call.arguments,
        },
    }
}

/// An image as base64, without a data URI. Nothing is fetched by anybody: the bytes are in the envelope.
fn image(attachment: &Attachment) -> Result<String, PrepareError> {
    match attachment.kind {
        AttachmentKind::Image => {}
        AttachmentKind::Document => return Err(unsupported("document attachments")),
        AttachmentKind::Audio => return Err(unsupported("audio attachments")),
    }
    let media = image_type(&attachment.bytes).ok_or_else(|| unsupported("image attachments"))?;
    // What a thing says it is and what it is must agree, or a person is shown something else.
    if media != attachment.media_type {
        return Err(invalid("attachments"));
    }
    Ok(STANDARD.encode(&attachment.bytes))
}
