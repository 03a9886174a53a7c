//! Quirks by number, and the laws that hold for all of them.

mod calls;
mod ends;
mod laws;
mod same_shape;
mod thinking;
mod vendors;

use handshake_core::{
    chat::{ChatEvent, FinishReason, ToolCall},
    code::ErrorCode,
    error::CallError,
    ids::{ModelId, Token, ToolName},
    reply::{ReplySpec, ResponseHead},
};

use super::decoder;

/// What came of decoding one answer.
#[derive(Debug, PartialEq)]
struct Got {
    events: Vec<ChatEvent>,
    error: Option<CallError>,
}

impl Got {
    fn text(&self) -> String {
        self.fold(|event| match event {
            ChatEvent::TextDelta { text } => Some(text),
            _ => None,
        })
    }

    fn thinking(&self) -> String {
        self.fold(|event| match event {
            ChatEvent::ReasoningDelta { text } => Some(text),
            _ => None,
        })
    }

    fn refusal(&self) -> String {
        self.fold(|event| match event {
            ChatEvent::Refusal { text } => Some(text),
            _ => None,
        })
    }

    fn fold(&self, pick: impl Fn(&ChatEvent) -> Option<&String>) -> String {
        self.events
            .iter()
            .filter_map(pick)
            .map(String::as_str)
            .collect()
    }

    fn calls(&self) -> Vec<&ToolCall> {
        self.events
            .iter()
            .filter_map(|event| match event {
                ChatEvent::ToolCall(call) => Some(call),
                _ => None,
            })
            .collect()
    }

    /// Names and arguments of the calls.
    fn called(&self) -> Vec<String> {
        let show = |call: &&ToolCall| {
            format!(
                "{} {}",
                call.tool_id,
                serde_json::to_string(&call.arguments).expect("json")
            )
        };
        self.calls().iter().map(show).collect()
    }

    fn usage(&self) -> Option<handshake_core::chat::TokenUsage> {
        self.events.iter().find_map(|event| match event {
            ChatEvent::Usage(usage) => Some(*usage),
            _ => None,
        })
    }

    fn finish(&self) -> Option<FinishReason> {
        match self.events.last() {
            Some(ChatEvent::Finished { finish_reason, .. }) => Some(*finish_reason),
            _ => None,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        self.error.as_ref().map(|error| error.code)
    }
}

fn spec(dialect: &str, stream: bool) -> ReplySpec {
    ReplySpec::offline(Token::new(dialect).expect("token"), stream)
}

/// A request that declares the tools `a` and `b.c`.
fn declared(dialect: &str, stream: bool) -> ReplySpec {
    let names = [("a", "a"), ("b__c", "b.c")];
    let tool = |name: &str| ToolName::new(name).expect("tool name");
    ReplySpec {
        requested_model: Some(ModelId::new("m").expect("model")),
        tool_names: Some(
            names
                .iter()
                .map(|(wire, name)| ((*wire).to_owned(), tool(name)))
                .collect(),
        ),
        ..spec(dialect, stream)
    }
}

fn head(status: u16, content_type: &str) -> ResponseHead {
    ResponseHead {
        status,
        content_type: Some(content_type.to_owned()),
        retry_after: None,
    }
}

fn decode(spec: &ReplySpec, head: &ResponseHead, body: &[u8], chunk: usize) -> Got {
    let mut decoder = decoder(spec, head);
    let mut events = Vec::new();
    let mut pieces = body.chunks(chunk.max(1));
    let mut result = pieces.try_for_each(|piece| decoder.push(piece, &mut events));
    if result.is_ok() && !matches!(events.last(), Some(ChatEvent::Finished { .. })) {
        result = decoder.finish(&mut events);
    }
    Got {
        events,
        error: result.err(),
    }
}

/// A stream of these chunks and `[DONE]`.
fn sse(chunks: &[&str]) -> String {
    let mut body: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    body.push_str("data: [DONE]\n\n");
    body
}

/// Decodes a stream of these chunks and `[DONE]`.
fn stream(dialect: &str, chunks: &[&str]) -> Got {
    raw(dialect, &sse(chunks))
}

/// Decodes these bytes as a stream.
fn raw(dialect: &str, body: &str) -> Got {
    decode(
        &spec(dialect, true),
        &head(200, "text/event-stream"),
        body.as_bytes(),
        usize::MAX,
    )
}

/// Decodes a whole answer.
fn whole(dialect: &str, body: &str) -> Got {
    decode(
        &spec(dialect, false),
        &head(200, "application/json"),
        body.as_bytes(),
        usize::MAX,
    )
}

/// A chunk with this delta.
fn delta(delta: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)
}

/// A chunk with this finish word.
fn finish(word: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{word}"}}]}}"#)
}

/// Decodes a stream of these entries of `tool_calls`, one a chunk, and a finish.
fn calls(dialect: &str, entries: &[&str], word: &str) -> Got {
    let mut chunks: Vec<String> = entries
        .iter()
        .map(|entry| delta(&format!(r#"{{"tool_calls":[{entry}]}}"#)))
        .collect();
    chunks.push(finish(word));
    stream(
        dialect,
        &chunks.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}
