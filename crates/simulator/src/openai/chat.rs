//! `…/chat/completions`: reading and refusing.

use std::collections::BTreeSet;

use super::dto::{ChatRequest, Content, Message};
use super::{WIRE, error, missing, render};
use crate::ask::{Ask, Seed, fence};
use crate::dispatch::{Call, Outcome, finish};
use crate::engine::Probe;
use crate::frame::Answer;
use crate::{Route, ToolIdRule, tokens};

/// Answers `…/chat/completions`.
pub(super) fn answer(call: &Call<'_>) -> Outcome {
    let request: ChatRequest = match serde_json::from_slice(call.body) {
        Ok(request) => request,
        Err(reason) => {
            let message = format!("We could not parse the JSON body of your request: {reason}");
            return error(400, &message, None, None).into();
        }
    };
    let name = request.model.as_str();
    let ask = ask(call, &request);
    let probe = Probe {
        wire: WIRE,
        route: Route::Chat,
        model: name,
        last: &ask.last,
        has_tools: ask.has_tools,
        after_tool: ask.after_tool,
    };
    // A rule is counted, and its faults happen, also where the server would refuse; what it says
    // does not.
    let reply = call.pick(probe).unwrap_or_default();
    finish(WIRE, reply, |reply| {
        let model = match call.engine(|engine| engine.find(WIRE, name)) {
            Ok(found) => found.model,
            Err(reason) => return missing(reason, name),
        };
        parameters(&request)
            .or_else(|| conversation(&request.messages, model.tool_ids))
            .or_else(|| context(&ask, model.context_length))
            .unwrap_or_else(|| render::answer(&ask, &model, reply))
    })
}

fn ask(call: &Call<'_>, request: &ChatRequest) -> Ask {
    let messages = &request.messages;
    let text = |message: &Message| {
        message
            .content
            .as_ref()
            .map(Content::text)
            .unwrap_or_default()
    };
    let last = messages
        .iter()
        .rev()
        .find(|message| matches!(message.role.as_str(), "user" | "tool"));
    let bytes: usize = messages
        .iter()
        .map(|message| {
            let calls = message.tool_calls.iter().flatten();
            text(message).len()
                + calls
                    .map(|one| one.function.name.len() + one.function.arguments.len())
                    .sum::<usize>()
        })
        .sum();
    let format = request.response_format.as_ref();
    Ask {
        model: request.model.clone(),
        last: last.map(text).unwrap_or_default(),
        after_tool: messages
            .last()
            .is_some_and(|message| message.role == "tool"),
        has_tools: request
            .tools
            .as_ref()
            .is_some_and(|tools| !tools.is_empty()),
        schema: format
            .and_then(|format| format.json_schema.as_ref())
            .and_then(|named| named.schema.clone()),
        json_mode: format.is_some_and(|format| format.kind == "json_object"),
        stream: request.stream.unwrap_or(false),
        include_usage: request
            .stream_options
            .as_ref()
            .and_then(|options| options.include_usage)
            .unwrap_or(false),
        think: request
            .reasoning_effort
            .as_deref()
            .is_some_and(|effort| effort != "none"),
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        prompt_tokens: tokens::count(bytes),
        prior_calls: messages
            .iter()
            .map(|message| message.tool_calls.as_ref().map_or(0, Vec::len))
            .sum(),
        fence: fence(call.body),
        seed: Seed::of(call.body),
    }
}

fn bad(message: &str) -> Answer {
    error(400, message, None, None)
}

/// What OpenAI refuses about the parameters.
fn parameters(request: &ChatRequest) -> Option<Answer> {
    if request.messages.is_empty() {
        return Some(bad(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ));
    }
    if request.max_tokens.is_some() && request.max_completion_tokens.is_some() {
        return Some(bad(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ));
    }
    if request
        .temperature
        .is_some_and(|t| !(0.0..=2.0).contains(&t))
    {
        return Some(error(
            400,
            "Invalid 'temperature': expected a value between 0 and 2.",
            None,
            Some("decimal_above_max_value"),
        ));
    }
    if request.stream_options.is_some() && request.stream != Some(true) {
        return Some(bad(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    for tool in request.tools.iter().flatten() {
        if tool.kind != "function" {
            return Some(bad(
                "Invalid value for 'tools[].type': expected 'function'.",
            ));
        }
        let name = &tool.function.name;
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if name.is_empty() || name.len() > 64 || !plain {
            return Some(bad(
                "Invalid 'tools[].function.name': string does not match pattern. Expected a \
                 string that matches the pattern '^[a-zA-Z0-9_-]{1,64}$'.",
            ));
        }
    }
    let format = request.response_format.as_ref()?;
    match (format.kind.as_str(), &format.json_schema) {
        ("text" | "json_object", _) => None,
        ("json_schema", Some(named)) if !named.name.is_empty() && named.name.len() <= 64 => None,
        ("json_schema", _) => Some(bad(
            "Missing required parameter: 'response_format.json_schema.name'.",
        )),
        _ => Some(bad("Invalid value for 'response_format.type'.")),
    }
}

/// What OpenAI refuses about the conversation: every call has its result, every result its call.
fn conversation(messages: &[Message], rule: ToolIdRule) -> Option<Answer> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        if message.role == "tool" {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            if !open.remove(id) {
                return Some(bad(
                    "Invalid parameter: messages with role 'tool' must be a response to a \
                     preceding message with 'tool_calls'.",
                ));
            }
            continue;
        }
        if !open.is_empty() {
            return Some(unanswered());
        }
        match message.role.as_str() {
            "developer" | "system" | "user" | "assistant" | "function" => {}
            _ => return Some(bad("Invalid value for 'messages[].role'.")),
        }
        for call in message.tool_calls.iter().flatten() {
            if let Some(refusal) = call_id(&call.id, rule) {
                return Some(refusal);
            }
            if serde_json::from_str::<serde_json::Value>(&call.function.arguments).is_err() {
                return Some(bad(
                    "Invalid 'messages[].tool_calls[].function.arguments': not valid JSON.",
                ));
            }
            if !open.insert(&call.id) {
                return Some(bad("Duplicate value for 'tool_call_id'."));
            }
        }
    }
    (!open.is_empty()).then(unanswered)
}

fn unanswered() -> Answer {
    bad(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to \
         each 'tool_call_id'.",
    )
}

/// What the model's family refuses about a call id.
fn call_id(id: &str, rule: ToolIdRule) -> Option<Answer> {
    let alphanumeric = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match rule {
        ToolIdRule::Strict9 if id.len() != 9 || !alphanumeric => Some(error(
            400,
            "Tool call id was not in the expected format: it must be a-z, A-Z, 0-9, with a \
             length of 9.",
            Some("invalid_function_call"),
            Some("3280"),
        )),
        ToolIdRule::Short if id.is_empty() || id.len() > 40 => Some(bad(
            "Invalid 'messages[].tool_calls[].id': expected a string with length 1 to 40.",
        )),
        _ => None,
    }
}

fn context(ask: &Ask, length: u64) -> Option<Answer> {
    (ask.prompt_tokens > length).then(|| {
        let message = format!(
            "This model's maximum context length is {length} tokens. However, your messages \
             resulted in {} tokens.",
            ask.prompt_tokens
        );
        error(400, &message, None, Some("context_length_exceeded"))
    })
}
