//! Recorded answers of real daemons, where they are at hand.

use std::{collections::BTreeMap, path::Path};

use handshake_adapters_ollama::DIALECT_LOCAL;
use handshake_core::{
    chat::{ChatEvent, FinishReason},
    ids::{ModelId, Token, ToolName},
    reply::ReplySpec,
};
use serde_json::Value;

use crate::wire::{decode_cut, head};

const CORPUS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/corpora/wire-dev.jsonl"
);

fn spec(case: &Value) -> ReplySpec {
    let request = &case["request"];
    let tools = request["tools"].as_array().into_iter().flatten();
    let names: BTreeMap<String, ToolName> = tools
        .filter_map(|tool| tool["function"]["name"].as_str())
        .map(|name| (name.to_owned(), ToolName::new(name).expect("a name")))
        .collect();
    ReplySpec {
        requested_model: request["model"]
            .as_str()
            .and_then(|name| ModelId::new(name).ok()),
        tool_names: Some(names),
        ..ReplySpec::offline(
            Token::new(DIALECT_LOCAL).expect("valid"),
            request["stream"].as_bool().unwrap_or(true),
        )
    }
}

/// Decodes every recorded answer of this kind of server and compares it with what is known of it: text,
/// calls, thinking, usage and finish. Passes without a word where the recordings are not at hand.
#[test]
fn recorded_answers_decode_to_what_is_known_of_them() {
    let Ok(corpus) = std::fs::read_to_string(Path::new(CORPUS)) else {
        return;
    };
    let mut cases = 0;
    for line in corpus.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        if case["provider"] != "ollama" {
            continue;
        }
        cases += 1;
        let id = case["id"].as_str().expect("an id");
        let status = u16::try_from(case["status"].as_u64().expect("a status")).expect("a status");
        let head = head(status, case["content_type"].as_str().unwrap_or_default());
        let body = case["body"].as_str().expect("a body").as_bytes();
        let spec = spec(&case);
        let (events, end) = decode_cut(&spec, &head, body, &[]);
        let cuts: Vec<usize> = (0..body.len()).step_by(997).collect();
        assert_eq!(
            (&events, &end),
            (&decode_cut(&spec, &head, body, &cuts).0, &end),
            "{id}"
        );
        check(id, &case["facts"], &events, end.is_ok());
    }
    assert!(cases > 0, "the recordings hold none of this kind");
}

fn check(id: &str, facts: &Value, events: &[ChatEvent], ok: bool) {
    assert_eq!(Some(ok), facts["done"].as_bool(), "{id}");
    assert_eq!(!ok, facts["error"].as_bool().unwrap_or_default(), "{id}");
    let mut text = String::new();
    let mut calls = Vec::new();
    let (mut thought, mut used, mut finish) = (false, false, None);
    for event in events {
        match event {
            ChatEvent::TextDelta { text: more } => text += more,
            ChatEvent::ReasoningDelta { .. } => thought = true,
            ChatEvent::ToolCall(call) => calls.push(call.tool_id.as_str()),
            ChatEvent::Usage(_) => used = true,
            ChatEvent::Finished { finish_reason, .. } => finish = Some(*finish_reason),
            _ => {}
        }
    }
    assert_eq!(Some(text.as_str()), facts["text"].as_str(), "{id}");
    assert_eq!(Some(thought), facts["reasoning"].as_bool(), "{id}");
    assert_eq!(Some(used), facts["usage"].as_bool(), "{id}");
    let known = facts["calls"].as_array().expect("calls");
    let known: Vec<&str> = known.iter().filter_map(|call| call[0].as_str()).collect();
    assert_eq!(calls, known, "{id}");
    let want = match (facts["finish"].as_str(), calls.is_empty()) {
        (Some("stop"), true) => FinishReason::Stop,
        (Some("stop"), false) => FinishReason::ToolUse,
        (Some("length"), _) => FinishReason::Length,
        (other, _) => panic!("{id}: {other:?}"),
    };
    assert_eq!(finish, Some(want), "{id}");
}
