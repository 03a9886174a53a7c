//! Reading an OpenAI chat request: strictly for another shape, and as far as admission needs it for the same.

use std::collections::BTreeSet;

use base64::Engine as _;
use bytes::Bytes;
use handshake_core::{
    chat::{Attachment, AttachmentKind, Message, Params, Reasoning, Role, ToolCall, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{MessageId, ProviderCallId, ToolCallId, ToolName},
    time::UtcTime,
    tool::{RiskLevel, ToolDefinition},
};
use serde_json::{Map, Value};

/// Fields that are carried over to another shape.
const HONOURED: &[&str] = &[
    "model",
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "reasoning_effort",
];
/// Fields that change no answer when they are left out: left out, and named in `x-handshake-adjusted`.
const ADVISORY: &[&str] = &[
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "parallel_tool_calls",
    "service_tier",
];

/// What a body says, in our words.
pub(super) struct Read {
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    pub(super) tools: Vec<ToolDefinition>,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) schema: Option<Value>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) params: Params,
    /// Fields that another shape cannot carry and that change nothing.
    pub(super) advisory: Vec<&'static str>,
    /// The first field that another shape cannot carry.
    pub(super) refused: Option<&'static str>,
}

pub(super) fn bad(about: &'static str) -> CallError {
    CallError::new(ErrorCode::InvalidRequest, Phase::Input).about(about)
}

/// Ids that are drawn while reading.
pub(super) struct Ids<'a> {
    pub(super) draw: &'a dyn Fn() -> [u8; 16],
    pub(super) now: UtcTime,
}

impl Ids<'_> {
    fn message(&self) -> MessageId {
        MessageId::from_entropy((self.draw)())
    }
}

/// Reads a body.
///
/// # Errors
/// `HSK-400-INVALID-REQUEST`, naming the member.
pub(super) fn read(body: &[u8], ids: &Ids<'_>) -> Result<Read, CallError> {
    if depth(body) > 64 {
        return Err(bad("nesting"));
    }
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(bad("body"));
    };
    let text = |name: &'static str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad(name)),
    };
    let Some(Value::Array(items)) = members.get("messages") else {
        return Err(bad("messages"));
    };
    let mut calls = Vec::new();
    let mut messages = Vec::new();
    for item in items {
        message(item, ids, &mut calls, &mut messages)?;
    }
    let refused = members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .find(|(name, _)| !HONOURED.contains(&name.as_str()) && !ADVISORY.contains(&name.as_str()))
        .map(|_| "a field that this provider's shape cannot carry");
    let advisory = ADVISORY
        .iter()
        .filter(|name| members.get(**name).is_some_and(|v| !v.is_null()))
        .copied()
        .collect();
    Ok(Read {
        model: text("model")?.ok_or_else(|| bad("model"))?,
        messages,
        tools: tools(members.get("tools"))?,
        tool_choice: tool_choice(members.get("tool_choice"))?,
        schema: schema(members.get("response_format"))?,
        stream: flag(members.get("stream"), "stream")?,
        include_usage: members
            .get("stream_options")
            .and_then(|o| o.get("include_usage"))
            == Some(&Value::Bool(true)),
        params: params(&members)?,
        advisory,
        refused,
    })
}

/// How deeply a JSON text nests, strings aside.
fn depth(body: &[u8]) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0usize, 0usize, false, false);
    for byte in body {
        match (in_string, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, _, b'"') => in_string = !in_string,
            (false, _, b'{' | b'[') => {
                now += 1;
                most = most.max(now);
            }
            (false, _, b'}' | b']') => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn flag(value: Option<&Value>, name: &'static str) -> Result<bool, CallError> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(bad(name)),
    }
}

fn message(
    item: &Value,
    ids: &Ids<'_>,
    calls: &mut Vec<(String, ToolCallId)>,
    messages: &mut Vec<Message>,
) -> Result<(), CallError> {
    let role = item
        .get("role")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("role"))?;
    let (content, attachments) = content(item.get("content"))?;
    match role {
        "tool" | "function" => {
            let id = item
                .get("tool_call_id")
                .and_then(Value::as_str)
                .ok_or_else(|| bad("tool_call_id"))?;
            // The latest call of that id: providers reuse ids from turn to turn.
            let known = calls.iter().rev().find(|(wire, _)| wire == id);
            let (_, call) = known.ok_or_else(|| bad("tool_call_id"))?;
            messages.push(Message::result(ids.message(), *call, content, ids.now));
        }
        "system" | "developer" | "user" | "assistant" => {
            let role = match role {
                "user" => Role::User,
                "assistant" => Role::Assistant,
                _ => Role::System,
            };
            let mut message = Message::text(ids.message(), role, content, ids.now);
            message.attachments = attachments;
            messages.push(message);
            for call in item
                .get("tool_calls")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let call = tool_call(call, ids)?;
                let wire = call
                    .provider_call_id
                    .as_ref()
                    .map_or("", ProviderCallId::as_str)
                    .to_owned();
                calls.push((wire, call.tool_call_id));
                messages.push(Message::call(ids.message(), call, ids.now));
            }
        }
        _ => return Err(bad("role")),
    }
    Ok(())
}

fn tool_call(call: &Value, ids: &Ids<'_>) -> Result<ToolCall, CallError> {
    let id = call
        .get("id")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("tool_calls"))?;
    let function = call.get("function").ok_or_else(|| bad("tool_calls"))?;
    let name = function
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("tool_calls"))?;
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) if text.trim().is_empty() => Map::new(),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| bad("arguments"))?,
        Some(Value::Object(members)) => members.clone(),
        _ => return Err(bad("arguments")),
    };
    Ok(ToolCall {
        tool_call_id: ToolCallId::from_entropy((ids.draw)()),
        provider_call_id: Some(ProviderCallId::new(id).map_err(|_| bad("tool_calls"))?),
        tool_id: ToolName::new(name).map_err(|_| bad("tool_calls"))?,
        arguments,
    })
}

fn content(value: Option<&Value>) -> Result<(String, Vec<Attachment>), CallError> {
    match value {
        None | Some(Value::Null) => Ok((String::new(), Vec::new())),
        Some(Value::String(text)) => Ok((text.clone(), Vec::new())),
        Some(Value::Array(parts)) => {
            let (mut text, mut attachments) = (String::new(), Vec::new());
            for part in parts {
                match part.get("type").and_then(Value::as_str) {
                    Some("text" | "refusal") => {
                        let piece = part.get("text").or_else(|| part.get("refusal"));
                        text.push_str(
                            piece
                                .and_then(Value::as_str)
                                .ok_or_else(|| bad("content"))?,
                        );
                    }
                    Some("image_url") => attachments.push(image(part)?),
                    _ => return Err(bad("content")),
                }
            }
            Ok((text, attachments))
        }
        Some(_) => Err(bad("content")),
    }
}

/// An image as a data URI. A remote one would make the provider fetch it.
fn image(part: &Value) -> Result<Attachment, CallError> {
    let url = part
        .pointer("/image_url/url")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("image_url"))?;
    let rest = url.strip_prefix("data:").ok_or_else(|| bad("image_url"))?;
    let (media_type, data) = rest
        .split_once(";base64,")
        .ok_or_else(|| bad("image_url"))?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| bad("image_url"))?;
    Ok(Attachment {
        kind: AttachmentKind::Image,
        media_type: media_type.to_owned(),
        bytes: Bytes::from(bytes),
    })
}

fn tools(value: Option<&Value>) -> Result<Vec<ToolDefinition>, CallError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    let items = value.as_array().ok_or_else(|| bad("tools"))?;
    items
        .iter()
        .map(|item| {
            let function = item.get("function").ok_or_else(|| bad("tools"))?;
            let text = |name| {
                function
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            Ok(ToolDefinition {
                tool_id: ToolName::new(text("name")).map_err(|_| bad("tools"))?,
                name: text("name").to_owned(),
                description: text("description").to_owned(),
                parameters: function
                    .get("parameters")
                    .cloned()
                    .unwrap_or_else(|| serde_json::json!({ "type": "object", "properties": {} })),
                required_capabilities: BTreeSet::new(),
                risk_level: RiskLevel::Low,
            })
        })
        .collect()
}

fn tool_choice(value: Option<&Value>) -> Result<Option<ToolChoice>, CallError> {
    Ok(match value {
        None | Some(Value::Null) => None,
        Some(Value::String(word)) => Some(match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            _ => return Err(bad("tool_choice")),
        }),
        Some(value) => {
            let name = value.pointer("/function/name").and_then(Value::as_str);
            let name = name.and_then(|name| ToolName::new(name).ok());
            Some(ToolChoice::Named(name.ok_or_else(|| bad("tool_choice"))?))
        }
    })
}

fn schema(value: Option<&Value>) -> Result<Option<Value>, CallError> {
    match value
        .and_then(|value| value.get("type"))
        .and_then(Value::as_str)
    {
        None | Some("text") => Ok(None),
        Some("json_schema") => value
            .and_then(|value| value.pointer("/json_schema/schema"))
            .cloned()
            .map(Some)
            .ok_or_else(|| bad("response_format")),
        Some("json_object") => Ok(Some(serde_json::json!({ "type": "object" }))),
        Some(_) => Err(bad("response_format")),
    }
}

fn params(members: &Map<String, Value>) -> Result<Params, CallError> {
    let number = |name: &'static str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| bad(name)),
    };
    let whole = |name: &'static str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| bad(name)),
    };
    let stop = match members.get("stop") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| bad("stop")))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(bad("stop")),
    };
    let reasoning = match members.get("reasoning_effort").and_then(Value::as_str) {
        None => None,
        Some("none") => Some(Reasoning::Off),
        Some("minimal" | "low") => Some(Reasoning::Low),
        Some("medium") => Some(Reasoning::Medium),
        Some("high" | "xhigh") => Some(Reasoning::High),
        Some(_) => return Err(bad("reasoning_effort")),
    };
    let max_tokens = match whole("max_completion_tokens")? {
        Some(max) => Some(max),
        None => whole("max_tokens")?,
    };
    Ok(Params {
        temperature: number("temperature")?,
        top_p: number("top_p")?,
        max_tokens,
        stop,
        seed: members.get("seed").and_then(Value::as_i64),
        reasoning,
    })
}
