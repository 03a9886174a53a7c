//! Tool calls: kept until the answer is known to be whole, then given all at once.

use handshake_core::{
    chat::{ChatEvent, ToolCall, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ProviderCallId, ToolName},
    reply::ReplySpec,
};
use handshake_transport::{StrictJsonError, names, strict_object};
use serde_json::{Map, Value, value::RawValue};

use crate::wire::reply::{Call, Object};

/// The most calls of one answer.
const MAX_CALLS: usize = 128;

#[derive(Default)]
pub(super) struct Calls(Vec<Taken>);

struct Taken {
    id: Option<ProviderCallId>,
    tool: ToolName,
    arguments: Map<String, Value>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one call, which arrives whole.
    pub(super) fn take(&mut self, call: Call<'_>, spec: &ReplySpec) -> Result<(), CallError> {
        if self.0.len() == MAX_CALLS {
            return Err(CallError::new(ErrorCode::StreamLimit, Phase::Decode).about("tool calls"));
        }
        let Object(function) = call.function.ok_or_else(|| malformed("function"))?;
        let name = function.name.as_deref().unwrap_or_default();
        let tool = match &spec.tool_names {
            // Exactly a declared one; whatever resembles it is another tool.
            Some(names) => names.get(name).cloned(),
            None => ToolName::new(name).ok(),
        };
        let id = match call.id.as_deref() {
            // Older daemons give none.
            None | Some("") => None,
            Some(id) => Some(ProviderCallId::new(id).map_err(|_| malformed("tool call id"))?),
        };
        self.0.push(Taken {
            id,
            tool: tool.ok_or_else(|| malformed("tool name"))?,
            arguments: arguments(function.arguments)?,
        });
        Ok(())
    }

    /// Holds the answer to the choice that was asked for. The API has none, so nobody else does.
    pub(super) fn require(&self, choice: Option<&ToolChoice>) -> Result<(), CallError> {
        match choice {
            None | Some(ToolChoice::Auto) => Ok(()),
            Some(ToolChoice::None) if self.0.is_empty() => Ok(()),
            Some(ToolChoice::None) => Err(broken("tool call")),
            Some(ToolChoice::Required) if self.0.is_empty() => Err(broken("required tool call")),
            Some(ToolChoice::Required) => Ok(()),
            Some(ToolChoice::Named(wanted)) => {
                let held = !self.0.is_empty() && self.0.iter().all(|call| call.tool == *wanted);
                if held {
                    Ok(())
                } else {
                    Err(broken("required tool call"))
                }
            }
        }
    }

    /// The calls as events, in their order.
    pub(super) fn give(&mut self, spec: &ReplySpec) -> Vec<ChatEvent> {
        let calls = std::mem::take(&mut self.0);
        (0_u64..)
            .zip(calls)
            .map(|(index, call)| {
                ChatEvent::ToolCall(ToolCall {
                    tool_call_id: names::tool_call_id(&spec.call_seed, index),
                    provider_call_id: call.id,
                    tool_id: call.tool,
                    arguments: call.arguments,
                })
            })
            .collect()
    }
}

/// One object. Old daemons put it into a string; what stands in *its* strings is left alone.
fn arguments(raw: Option<&RawValue>) -> Result<Map<String, Value>, CallError> {
    // A tool without parameters: left out, a nil map of Go, or either in a text.
    let raw = raw.map_or("null", RawValue::get).trim();
    if raw == "null" {
        return Ok(Map::new());
    }
    let read = if raw.starts_with('"') {
        let text: String = serde_json::from_str(raw).map_err(|_| malformed("arguments"))?;
        if matches!(text.trim(), "" | "null") {
            return Ok(Map::new());
        }
        strict_object(text)
    } else {
        strict_object(raw)
    };
    read.map_err(|error| match error {
        StrictJsonError::TooLarge => {
            CallError::new(ErrorCode::StreamLimit, Phase::Decode).about("arguments")
        }
        StrictJsonError::NotJson | StrictJsonError::DuplicateKey | StrictJsonError::NotObject => {
            malformed("arguments")
        }
    })
}

fn malformed(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::ToolCallParse, Phase::Decode).about(subject)
}

/// A promise that was not kept.
fn broken(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::ToolCallParse, Phase::Check).about(subject)
}
