//! Conversations.

use std::cell::Cell;

use handshake_core::{
    capability::CapabilitySnapshot,
    chat::{ChatRequest, Message, Role, ToolCall},
    error::PrepareError,
    provider::ProviderRecord,
};
use handshake_transport::adapter::escape_specials;
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{attachment, ids::CallIds, invalid, tools::Declared, unsupported};
use crate::{
    decode::Stored,
    dialect::{CallContent, Dialect, Replay},
    profile::{Family, UNKNOWN},
    wire::request::{self as wire, CalledFunction, Content, Named, Part, Sorted},
};

struct Renderer<'a> {
    record: &'a ProviderRecord,
    dialect: &'a Dialect,
    snapshot: &'a CapabilitySnapshot,
    declared: &'a Declared,
    ids: CallIds,
    /// The last user message: thinking after it belongs to the tool loop in progress.
    last_user: Option<usize>,
    /// The name of the model's family, where it is known.
    family: Option<&'a str>,
    /// Spellings of control tokens that were escaped.
    escaped: Cell<u64>,
}

/// Renders the conversation. An assistant's message and the calls that follow it are one message on the
/// wire. Says how many spellings of control tokens were escaped in results of tools.
pub(super) fn render<'a>(
    record: &ProviderRecord,
    dialect: &Dialect,
    family: &Family,
    snapshot: &CapabilitySnapshot,
    request: &'a ChatRequest,
    declared: &Declared,
) -> Result<(Vec<wire::Message<'a>>, u64), PrepareError> {
    let messages = &request.messages;
    let mut renderer = Renderer {
        record,
        dialect,
        snapshot,
        declared,
        ids: CallIds::new(family.call_ids.unwrap_or(dialect.call_ids)),
        last_user: messages
            .iter()
            .rposition(|message| message.role == Role::User),
        family: (family.name != UNKNOWN.name).then_some(family.name),
        escaped: Cell::new(0),
    };
    let mut rendered = Vec::with_capacity(messages.len());
    let mut at = 0;
    while at < messages.len() {
        let message = &messages[at];
        let calls = match message.role {
            Role::Assistant => &messages[at + 1..],
            Role::ToolCall => &messages[at..],
            Role::System | Role::User | Role::ToolResult => &[],
        };
        let calls = &calls[..calls
            .iter()
            .take_while(|m| m.role == Role::ToolCall)
            .count()];
        let after_result = at > 0 && messages[at - 1].role == Role::ToolResult;
        rendered.push(match message.role {
            Role::System => plain("system", renderer.text_only(message)?),
            Role::User if after_result && !dialect.user_after_result => {
                return Err(invalid("user message after a tool result"));
            }
            Role::User => plain("user", renderer.user(message)?),
            Role::Assistant => renderer.assistant(Some((at, message)), calls)?,
            Role::ToolCall => renderer.assistant(None, calls)?,
            Role::ToolResult => renderer.result(message, messages)?,
        });
        at += match message.role {
            Role::Assistant => 1 + calls.len(),
            Role::ToolCall => calls.len(),
            Role::System | Role::User | Role::ToolResult => 1,
        };
    }
    Ok((rendered, renderer.escaped.get()))
}

fn plain<'a>(role: &'static str, content: Content<'a>) -> wire::Message<'a> {
    wire::Message {
        role,
        content,
        thinking: Named(None),
        reasoning_details: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        name: None,
    }
}

impl Renderer<'_> {
    fn text_only<'a>(&self, message: &'a Message) -> Result<Content<'a>, PrepareError> {
        if message.attachments.is_empty() {
            Ok(Content::Text((&*message.content).into()))
        } else {
            Err(unsupported("attachments"))
        }
    }

    fn user<'a>(&self, message: &'a Message) -> Result<Content<'a>, PrepareError> {
        if message.attachments.is_empty() {
            return Ok(Content::Text((&*message.content).into()));
        }
        let mut parts = Vec::with_capacity(1 + message.attachments.len());
        // Empty text parts are rejected by some servers (Q154) and say nothing.
        if !message.content.is_empty() {
            parts.push(Part::Text {
                text: &message.content,
            });
        }
        for attached in &message.attachments {
            parts.push(attachment::part(self.dialect, attached)?);
        }
        Ok(Content::Parts(parts))
    }

    fn assistant<'a>(
        &mut self,
        message: Option<(usize, &'a Message)>,
        calls: &[Message],
    ) -> Result<wire::Message<'a>, PrepareError> {
        let content = match message {
            Some((_, message)) => self.text_only(message)?,
            None => Content::Text("".into()),
        };
        let content = match (content, self.dialect.call_content) {
            (Content::Text(text), CallContent::Null) if text.is_empty() && !calls.is_empty() => {
                Content::Null
            }
            (content, _) => content,
        };
        let mut rendered = plain("assistant", content);
        let state = message
            .and_then(|(_, message)| self.state(message))
            .unwrap_or_default();
        if !state.reasoning_details.is_empty() {
            rendered.reasoning_details =
                Some(raw(&Sorted(&Value::Array(state.reasoning_details)))?);
        }
        if let (Some((at, message)), Replay::ToolLoop(member)) = (message, self.dialect.replay)
            && self.last_user.is_none_or(|last| at > last)
            && let Some(thought) = message
                .reasoning
                .as_deref()
                .filter(|thought| !thought.is_empty())
        {
            rendered.thinking = Named(Some((member, thought)));
        }
        for (order, call) in calls.iter().enumerate() {
            let call = call
                .tool_call
                .as_ref()
                .ok_or_else(|| invalid("tool_call"))?;
            let extra = state.extra_content.iter().find(|(at, _)| *at == order);
            rendered
                .tool_calls
                .push(self.call(call, extra.map(|(_, extra)| extra))?);
        }
        Ok(rendered)
    }

    /// The opaque state of a message, if it is this provider's and this family's.
    fn state(&self, message: &Message) -> Option<Stored> {
        let state = message.provider_state.as_ref().filter(|state| {
            self.dialect.opaque_state
                && state.provider_id == self.record.provider_id
                && Some(&state.family) == self.snapshot.family.as_ref()
        })?;
        serde_json::from_slice(&state.bytes).ok()
    }

    fn call(&mut self, call: &ToolCall, extra: Option<&Value>) -> Result<wire::Call, PrepareError> {
        let arguments = serde_json::to_string(&Sorted(&Value::Object(call.arguments.clone())))
            .map_err(|_| invalid("tool_call"))?;
        Ok(wire::Call {
            id: self.ids.assign(call),
            r#type: "function",
            function: CalledFunction {
                name: self.declared.name(&call.tool_id),
                arguments,
            },
            extra_content: extra.map(|extra| raw(&Sorted(extra))).transpose()?,
        })
    }

    fn result<'a>(
        &self,
        message: &'a Message,
        messages: &[Message],
    ) -> Result<wire::Message<'a>, PrepareError> {
        let id = message.tool_call_id.ok_or_else(|| invalid("tool_result"))?;
        let mut content = self.text_only(message)?;
        if self.dialect.control_tokens {
            let (text, found) = escape_specials(&message.content, self.family);
            self.escaped.set(self.escaped.get() + found);
            content = Content::Text(text);
        }
        let mut rendered = plain("tool", content);
        // An orphan would be rejected there; it is rejected here (Q34).
        rendered.tool_call_id = Some(
            self.ids
                .of(id)
                .ok_or_else(|| invalid("tool_result"))?
                .to_owned(),
        );
        if self.dialect.result_name {
            rendered.name = messages
                .iter()
                .filter_map(|m| m.tool_call.as_ref())
                .find(|call| call.tool_call_id == id)
                .map(|call| self.declared.name(&call.tool_id));
        }
        Ok(rendered)
    }
}

fn raw<T: Serialize>(value: &T) -> Result<Box<RawValue>, PrepareError> {
    to_raw_value(value).map_err(|_| invalid("provider_state"))
}
