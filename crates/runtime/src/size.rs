//! How much a request holds: what decides where it is worked on.

use handshake_core::chat::{ChatRequest, Message};
use serde_json::Value;

/// About how many bytes of text and data a request holds, wherever they stand in it.
pub(crate) fn payload_bytes(request: &ChatRequest) -> u64 {
    let verbatim = request.verbatim.as_ref().map_or(0, |v| v.body.len());
    let messages: usize = request.messages.iter().map(message).sum();
    let tools = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + json(&tool.parameters));
    let schema = request.structured_output_schema.as_ref().map_or(0, json);
    (verbatim + messages + tools.sum::<usize>() + schema) as u64
}

fn message(message: &Message) -> usize {
    let attached = message.attachments.iter().map(|a| a.bytes.len());
    let call = message.tool_call.as_ref();
    message.content.len()
        + attached.sum::<usize>()
        + message.reasoning.as_ref().map_or(0, |text| text.len())
        + message.provider_state.as_ref().map_or(0, |s| s.bytes.len())
        + call.map_or(0, |call| json_members(&call.arguments))
}

fn json(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| json(item) + 1).sum(),
        Value::Object(members) => json_members(members),
    }
}

fn json_members(members: &serde_json::Map<String, Value>) -> usize {
    let member = |(name, value): (&String, &Value)| name.len() + 4 + json(value);
    members.iter().map(member).sum()
}

#[cfg(test)]
mod tests {
    use handshake_core::{
        chat::{Message, Role, Target, ToolCall},
        ids::{MessageId, Principal, PrincipalKind, SessionId, ToolCallId, ToolName, TraceId},
        time::UtcTime,
        tool::{RiskLevel, ToolDefinition},
    };
    use serde_json::json;

    use super::*;

    fn request() -> ChatRequest {
        let principal = Principal {
            kind: PrincipalKind::Application,
            name: "unit".parse().expect("a name"),
        };
        let now = UtcTime::from_unix_millis(0);
        let id = MessageId::from_entropy([1; 16]);
        let call = ToolCall {
            tool_call_id: ToolCallId::from_entropy([2; 16]),
            provider_call_id: None,
            tool_id: ToolName::new("note").expect("a name"),
            arguments: serde_json::Map::new(),
        };
        let mut request = ChatRequest::new(
            SessionId::new("unit").expect("a session"),
            TraceId::from_entropy([3; 16]),
            principal,
            Target::Model("p/m".parse().expect("a model")),
            vec![
                Message::text(id, Role::User, "hi", now),
                Message::call(id, call, now),
            ],
        );
        request.tools = vec![ToolDefinition {
            tool_id: ToolName::new("note").expect("a name"),
            name: "note".to_owned(),
            description: String::new(),
            parameters: json!({}),
            required_capabilities: [].into(),
            risk_level: RiskLevel::Low,
        }];
        request
    }

    #[test]
    fn d8_what_is_large_counts_wherever_it_stands() {
        const LARGE: usize = 100_000;
        let text = || "x".repeat(LARGE);
        type Edit<'a> = &'a dyn Fn(&mut ChatRequest);
        let places: [(&str, Edit<'_>); 6] = [
            ("content", &|r| r.messages[0].content = text().into()),
            ("reasoning", &|r| {
                r.messages[0].reasoning = Some(text().into());
            }),
            ("arguments", &|r| {
                let call = r.messages[1].tool_call.as_mut().expect("a call");
                call.arguments.insert("a".to_owned(), json!([text()]));
            }),
            ("description", &|r| r.tools[0].description = text()),
            ("parameters", &|r| {
                let many: Vec<_> = (0..LARGE / 6).map(|_| json!(1.5)).collect();
                r.tools[0].parameters = json!({ "enum": many });
            }),
            ("schema", &|r| {
                r.structured_output_schema = Some(json!({ "const": text() }));
            }),
        ];
        assert!(payload_bytes(&request()) < 1_000);
        for (place, put) in places {
            let mut request = request();
            put(&mut request);
            let bytes = payload_bytes(&request);
            assert!(bytes > 64 * 1024 && bytes < 110_000, "{place}: {bytes}");
        }
    }
}
