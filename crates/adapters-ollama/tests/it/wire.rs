//! Decoding without a socket: heads, lines and how they are cut.

use std::collections::BTreeMap;

use handshake_adapters_ollama::{DIALECT_FORWARDING, DIALECT_LOCAL, decoder};
use handshake_core::{
    chat::ChatEvent,
    code::ErrorCode,
    error::CallError,
    ids::{ModelId, Token, ToolName},
    reply::{ReplySpec, ResponseHead},
};

pub(crate) type Decoded = (Vec<ChatEvent>, Result<(), CallError>);

/// What is known of a streamed request without tools.
pub(crate) fn spec() -> ReplySpec {
    ReplySpec::offline(Token::new(DIALECT_LOCAL).expect("valid"), true)
}

pub(crate) fn forwarding() -> ReplySpec {
    ReplySpec::offline(Token::new(DIALECT_FORWARDING).expect("valid"), true)
}

pub(crate) fn asking_for(model: &str) -> ReplySpec {
    ReplySpec {
        requested_model: Some(ModelId::new(model).expect("valid")),
        ..spec()
    }
}

/// The same with these tools declared.
pub(crate) fn with_tools(tools: &[&str]) -> ReplySpec {
    let names = tools.iter().map(|name| {
        let tool = ToolName::new(name).expect("valid");
        (name.replace('.', "__"), tool)
    });
    ReplySpec {
        tool_names: Some(names.collect::<BTreeMap<_, _>>()),
        ..spec()
    }
}

pub(crate) fn head(status: u16, content_type: &str) -> ResponseHead {
    ResponseHead {
        status,
        content_type: Some(content_type.to_owned()),
        retry_after: None,
    }
}

pub(crate) fn ndjson() -> ResponseHead {
    head(200, "application/x-ndjson")
}

/// Decodes a body that is cut at these places.
pub(crate) fn decode_cut(
    spec: &ReplySpec,
    head: &ResponseHead,
    body: &[u8],
    cuts: &[usize],
) -> Decoded {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    at.extend([0, body.len()]);
    at.sort_unstable();
    let mut decoder = decoder(spec, head);
    let mut events = Vec::new();
    for pair in at.windows(2) {
        if let Err(error) = decoder.push(&body[pair[0]..pair[1]], &mut events) {
            return (events, Err(error));
        }
        if matches!(events.last(), Some(ChatEvent::Finished { .. })) {
            return (events, Ok(()));
        }
    }
    let end = decoder.finish(&mut events);
    (events, end)
}

pub(crate) fn decode(spec: &ReplySpec, body: &str) -> Decoded {
    decode_cut(spec, &ndjson(), body.as_bytes(), &[])
}

/// The failure of an answer, after these many events.
pub(crate) fn failure(spec: &ReplySpec, body: &str) -> (usize, ErrorCode, Option<&'static str>) {
    let (events, end) = decode(spec, body);
    let error = end.expect_err("a failure");
    (events.len(), error.code, error.subject)
}

/// One word an event: `started`, `text:…`, `think:…`, `call:tool{arguments}`, `usage:p/c`, `end:REASON`.
pub(crate) fn words(events: &[ChatEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            ChatEvent::Started => "started".to_owned(),
            ChatEvent::TextDelta { text } => format!("text:{text}"),
            ChatEvent::ReasoningDelta { text } => format!("think:{text}"),
            ChatEvent::ToolCall(call) => {
                let arguments = serde_json::to_string(&call.arguments).expect("json");
                format!("call:{}{arguments}", call.tool_id)
            }
            ChatEvent::Usage(usage) => {
                let number = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
                format!(
                    "usage:{}/{}",
                    number(usage.prompt_tokens),
                    number(usage.completion_tokens)
                )
            }
            ChatEvent::ModelAnswered { model_id } => {
                let model = model_id.as_ref().map_or("?", ModelId::as_str);
                format!("model:{model}")
            }
            ChatEvent::Finished { finish_reason, .. } => format!("end:{finish_reason:?}"),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// The words of an answer that succeeds.
pub(crate) fn read(spec: &ReplySpec, body: &str) -> Vec<String> {
    let (events, end) = decode(spec, body);
    assert_eq!(end, Ok(()), "{:?}", words(&events));
    words(&events)
}

/// A line with this call.
pub(crate) fn call_line(call: &str) -> String {
    format!(
        "{{\"message\":{{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{call}]}},\"done\":false}}\n"
    )
}

/// The last line.
pub(crate) fn end_line(reason: &str) -> String {
    format!(
        "{{\"message\":{{\"content\":\"\"}},\"done\":true,\"done_reason\":\"{reason}\",\"eval_count\":7}}\n"
    )
}

/// A line with this text.
pub(crate) fn text_line(text: &str) -> String {
    let text = serde_json::to_string(text).expect("json");
    format!("{{\"message\":{{\"content\":{text}}},\"done\":false}}\n")
}
