//! Answers from public bug reports, with the values that are right there: `field-cases.jsonl`, where it lies beside a
//! checkout. Adapters hold their decoders to it; without the file there is nothing to hold them to.

use std::path::Path;

use handshake_core::{
    chat::{ChatEvent, FinishReason},
    ids::Token,
    reply::{ReasoningPolicy, ReplyDecoder, ReplySpec, ResponseHead},
};
use serde_json::{Map, Value, json};

/// One answer and what is right about it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its id.
    pub id: String,
    dialect: String,
    head: ResponseHead,
    body: Vec<u8>,
    expect: Map<String, Value>,
}

/// The cases of one kind of provider. `manifest_dir` is the caller's `CARGO_MANIFEST_DIR`; empty where the file is absent.
///
/// # Panics
/// When the file is there and is not what it should be.
#[must_use]
pub fn cases(manifest_dir: &str, kind: &str) -> Vec<Case> {
    let path = Path::new(manifest_dir).join("../../../shared/cases/field-cases.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a case"))
        .filter(|case| case["kind"] == "decode" && case["input"]["kind"] == kind)
        .map(|case| read(&case).expect("a case of an answer"))
        .collect()
}

fn read(case: &Value) -> Option<Case> {
    let input = &case["input"];
    let body = match &input["body"] {
        Value::String(text) => text.clone().into_bytes(),
        _ => {
            use base64::Engine as _;
            let text = input["body_base64"].as_str()?;
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .ok()?
        }
    };
    Some(Case {
        id: case["id"].as_str()?.to_owned(),
        dialect: input["dialect"].as_str().unwrap_or("generic").to_owned(),
        head: ResponseHead {
            status: u16::try_from(input["status"].as_u64().unwrap_or(200)).ok()?,
            content_type: input["content_type"].as_str().map(str::to_owned),
            retry_after: None,
        },
        body,
        expect: case["expect"].as_object()?.clone(),
    })
}

/// A decoder for one answer.
pub type MakeDecoder = dyn Fn(&ReplySpec, &ResponseHead) -> Box<dyn ReplyDecoder>;

/// What is not as it should be: the case, what is expected, what came. Decoded at once and byte by byte; a text that
/// `preopened` finds to close a block which it did not open is decoded again with that known.
#[must_use]
pub fn wrong(cases: &[Case], decoder: &MakeDecoder, preopened: fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases {
        for chunk in [case.body.len().max(1), 1] {
            let got = decode(case, chunk, decoder, preopened);
            if !case
                .expect
                .iter()
                .all(|(name, right)| holds(name, right, &got))
            {
                wrong.push(format!(
                    "{} by {chunk}: {got} instead of {:?}",
                    case.id, case.expect
                ));
            }
        }
    }
    wrong
}

fn holds(name: &str, right: &Value, got: &Value) -> bool {
    let subset =
        |part: &Map<String, Value>| part.iter().all(|(key, value)| got[name][key] == *value);
    match (name, right) {
        ("error", Value::Array(any)) => any.contains(&got["error"]),
        ("usage", Value::Object(part)) => subset(part),
        _ => got[name] == *right,
    }
}

fn decode(case: &Case, chunk: usize, decoder: &MakeDecoder, preopened: fn(&str) -> bool) -> Value {
    let dialect = Token::new(&case.dialect).expect("a token");
    let mut spec = ReplySpec::offline(dialect, true);
    let first = run(case, chunk, decoder(&spec, &case.head));
    if preopened(first["text"].as_str().unwrap_or_default()) {
        spec.reasoning = ReasoningPolicy::Preopened;
        return run(case, chunk, decoder(&spec, &case.head));
    }
    first
}

fn run(case: &Case, chunk: usize, mut decoder: Box<dyn ReplyDecoder>) -> Value {
    let mut events = Vec::new();
    let mut end = Ok(());
    for piece in case.body.chunks(chunk) {
        end = decoder.push(piece, &mut events);
        if end.is_err() || matches!(events.last(), Some(ChatEvent::Finished { .. })) {
            break;
        }
    }
    if end.is_ok() && !matches!(events.last(), Some(ChatEvent::Finished { .. })) {
        end = decoder.finish(&mut events);
    }
    let (mut text, mut reasoning, mut refusal) = (String::new(), String::new(), String::new());
    let (mut calls, mut usage, mut finish) = (Vec::new(), Value::Null, Value::Null);
    for event in events {
        match event {
            ChatEvent::TextDelta { text: more } => text += &more,
            ChatEvent::ReasoningDelta { text: more } => reasoning += &more,
            ChatEvent::Refusal { text: more } => refusal += &more,
            ChatEvent::ToolCall(call) => calls.push(json!([call.tool_id, call.arguments])),
            ChatEvent::Usage(reported) => usage = json!(reported),
            ChatEvent::Finished { finish_reason, .. } => finish = json!(word(finish_reason)),
            _ => {}
        }
    }
    json!({
        "text": text, "reasoning": reasoning, "refusal": refusal, "calls": calls, "usage": usage, "finish": finish,
        "error": end.err().map(|error| error.code.as_str()),
    })
}

fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "STOP",
        FinishReason::ToolUse => "TOOL_USE",
        FinishReason::Length => "LENGTH",
        FinishReason::ContentFilter => "CONTENT_FILTER",
        _ => "?",
    }
}
