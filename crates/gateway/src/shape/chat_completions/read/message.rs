//! Messages, with the calls that they hold.

use handshake_core::{
    chat::{Message, Role, ToolCall},
    error::CallError,
    ids::{ProviderCallId, ToolCallId, ToolName},
    json::read_strict,
};
use serde_json::{Map, Value, value::RawValue};

use super::{
    Ids,
    content::content,
    members::{At, Members},
};

/// Calls so far, by the ids that the client knows them by.
type Calls = Vec<(String, ToolCallId)>;

pub(super) fn read(
    top: &mut Members<'_, '_>,
    ids: &Ids<'_>,
    advisory: &mut Vec<String>,
) -> Result<Vec<Message>, CallError> {
    let items: Vec<&RawValue> = top.take("messages")?.ok_or_else(|| top.bad("messages"))?;
    let at = At::Member(&top.at, "messages");
    let mut calls = Calls::new();
    let mut messages = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let item = Members::of(At::Item(&at, index), item)?;
        message(item, ids, &mut calls, &mut messages, advisory)?;
    }
    Ok(messages)
}

fn message(
    mut item: Members<'_, '_>,
    ids: &Ids<'_>,
    calls: &mut Calls,
    messages: &mut Vec<Message>,
    advisory: &mut Vec<String>,
) -> Result<(), CallError> {
    let role = item.text("role")?.ok_or_else(|| item.bad("role"))?;
    let (mut text, attachments) = content(&mut item, advisory)?;
    item.advisory(&["name", "annotations"], advisory);
    let role = match &*role {
        "tool" => {
            let id = item
                .text("tool_call_id")?
                .ok_or_else(|| item.bad("tool_call_id"))?;
            // The latest call of that id: providers reuse ids from turn to turn.
            let known = calls.iter().rev().find(|(wire, _)| *wire == id);
            let (_, call) = known.ok_or_else(|| item.bad("tool_call_id"))?;
            messages.push(Message::result(ids.message(), *call, text, ids.now));
            return item.done();
        }
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => return Err(item.bad("role")),
    };
    let mut reasoning = None;
    if role == Role::Assistant {
        let refusal = item.text("refusal")?;
        text.push_str(refusal.as_deref().unwrap_or_default());
        reasoning = item
            .text("reasoning_content")?
            .map(|text| text.as_ref().into());
    }
    let mut message = Message::text(ids.message(), role, text, ids.now);
    message.attachments = attachments;
    message.reasoning = reasoning;
    messages.push(message);
    if role == Role::Assistant {
        let made: Option<Vec<&RawValue>> = item.take("tool_calls")?;
        let at = At::Member(&item.at, "tool_calls");
        for (index, call) in made.into_iter().flatten().enumerate() {
            let (wire, call) = tool_call(Members::of(At::Item(&at, index), call)?, ids)?;
            calls.push((wire, call.tool_call_id));
            messages.push(Message::call(ids.message(), call, ids.now));
        }
    }
    item.done()
}

fn tool_call(mut call: Members<'_, '_>, ids: &Ids<'_>) -> Result<(String, ToolCall), CallError> {
    let id = call.text("id")?.ok_or_else(|| call.bad("id"))?.into_owned();
    call.skip(&["index"]);
    if call.text("type")?.is_some_and(|kind| kind != "function") {
        return Err(call.bad("type"));
    }
    let raw = call.raw("function").ok_or_else(|| call.bad("function"))?;
    let mut function = Members::of(At::Member(&call.at, "function"), raw)?;
    let name = function.text("name")?.ok_or_else(|| function.bad("name"))?;
    let tool_id = ToolName::new(&*name).map_err(|_| function.bad("name"))?;
    let arguments = match function.raw("arguments") {
        None => Map::new(),
        Some(raw) => arguments(raw).ok_or_else(|| function.bad("arguments"))?,
    };
    function.done()?;
    let made = ToolCall {
        tool_call_id: ids.call(),
        provider_call_id: Some(ProviderCallId::new(&id).map_err(|_| call.bad("id"))?),
        tool_id,
        arguments,
    };
    call.done()?;
    Ok((id, made))
}

/// Arguments as the protocol writes them, a text that holds an object, or as the object itself.
fn arguments(raw: &RawValue) -> Option<Map<String, Value>> {
    let object = |bytes: &[u8]| match read_strict(bytes) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    };
    if !raw.get().starts_with('"') {
        return object(raw.get().as_bytes());
    }
    let text: String = serde_json::from_str(raw.get()).ok()?;
    match text.trim().is_empty() {
        true => Some(Map::new()),
        false => object(text.as_bytes()),
    }
}
