//! Recorded exchanges and the facts about them.

use std::path::{Path, PathBuf};

use handshake_adapters_openai_compat::{Dialect, decoder};
use handshake_core::{
    chat::{ChatEvent, FinishReason},
    code::ErrorCode,
    error::CallError,
    ids::Token,
    reply::{ReplySpec, ResponseHead},
};
use serde_json::Value;

/// One recorded exchange.
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) dialect: String,
    status: u16,
    content_type: String,
    body: String,
    facts: Value,
}

/// Where the corpus lies beside a checkout.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/wire-dev.jsonl")
}

/// The chat completions of a corpus.
pub(crate) fn load(path: &Path) -> std::io::Result<Vec<Exchange>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().filter_map(exchange).collect())
}

fn exchange(line: &str) -> Option<Exchange> {
    let row: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    if !text("path")?.ends_with("/chat/completions") {
        return None;
    }
    Some(Exchange {
        id: text("id")?,
        dialect: text("provider")?,
        status: u16::try_from(row["status"].as_u64()?).ok()?,
        content_type: text("content_type")?,
        body: text("body")?,
        facts: row["facts"].clone(),
    })
}

/// What came of decoding.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) refusal: String,
    pub(crate) calls: Vec<String>,
    pub(crate) usage: bool,
    pub(crate) finish: Option<FinishReason>,
    pub(crate) error: Option<CallError>,
}

impl Exchange {
    /// Decodes in pieces of at most `chunk` bytes.
    pub(crate) fn decode(&self, chunk: usize) -> Outcome {
        let dialect = Dialect::find(&self.dialect).unwrap_or_else(Dialect::generic);
        let stream = self.content_type.contains("event-stream");
        let spec = ReplySpec::offline(Token::new(dialect.name).expect("token"), stream);
        let head = ResponseHead {
            status: self.status,
            content_type: Some(self.content_type.clone()),
            retry_after: None,
        };
        let mut decoder = decoder(&spec, &head);
        let mut events = Vec::new();
        let mut pieces = self.body.as_bytes().chunks(chunk.max(1));
        let mut result = pieces.try_for_each(|piece| decoder.push(piece, &mut events));
        let finished =
            |events: &[ChatEvent]| matches!(events.last(), Some(ChatEvent::Finished { .. }));
        if result.is_ok() && !finished(&events) {
            result = decoder.finish(&mut events);
        }
        outcome(&events, result.err())
    }

    /// Compares what came out with the facts.
    pub(crate) fn judge(&self) -> Result<(), String> {
        let outcome = self.decode(usize::MAX);
        let code = outcome.error.as_ref().map(|error| error.code);
        let facts = &self.facts;
        if facts["http_error"] == true {
            return check("error", code.is_some(), true);
        }
        if facts["multi_choice"] == true {
            // One answer is asked for; a second one is nobody's.
            return check("error", code, Some(ErrorCode::Protocol));
        }
        let names = |calls: &Value| -> Vec<String> {
            let calls = calls.as_array().into_iter().flatten();
            calls
                .map(|call| call[0].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let calls = names(&facts["calls"]);
        let native = facts["native_finish"].as_str().unwrap_or_default();
        let cut = facts["finish"] == "length" || ["length", "max_output_tokens"].contains(&native);
        if cut && !calls.is_empty() {
            return check("error", code, Some(ErrorCode::TruncatedToolTurn));
        }
        check("error", code, None)?;
        check(
            "text",
            outcome.text.as_str(),
            facts["text"].as_str().unwrap_or_default(),
        )?;
        check(
            "refusal",
            outcome.refusal.as_str(),
            facts["refusal"].as_str().unwrap_or_default(),
        )?;
        check("calls", &outcome.calls, &calls)?;
        check(
            "reasoning",
            !outcome.reasoning.is_empty(),
            facts["reasoning"] == true,
        )?;
        check("usage", outcome.usage, facts["usage"] == true)?;
        let finish = match facts["finish"].as_str() {
            _ if !calls.is_empty() => FinishReason::ToolUse,
            Some("length") => FinishReason::Length,
            Some("content_filter") => FinishReason::ContentFilter,
            _ => FinishReason::Stop,
        };
        check("finish", outcome.finish, Some(finish))
    }
}

/// Names the first thing that differs; never the recorded text itself.
fn check<T: PartialEq + std::fmt::Debug>(what: &str, got: T, wanted: T) -> Result<(), String> {
    let brief = |value: &T| format!("{value:?}").chars().take(80).collect::<String>();
    if got == wanted {
        Ok(())
    } else {
        Err(format!(
            "{what}: {} instead of {}",
            brief(&got),
            brief(&wanted)
        ))
    }
}

fn outcome(events: &[ChatEvent], error: Option<CallError>) -> Outcome {
    let mut outcome = Outcome {
        error,
        ..Outcome::default()
    };
    for event in events {
        match event {
            ChatEvent::TextDelta { text } => outcome.text.push_str(text),
            ChatEvent::ReasoningDelta { text } => outcome.reasoning.push_str(text),
            ChatEvent::Refusal { text } => outcome.refusal.push_str(text),
            ChatEvent::ToolCall(call) => outcome.calls.push(call.tool_id.to_string()),
            ChatEvent::Usage(_) => outcome.usage = true,
            ChatEvent::Finished { finish_reason, .. } => outcome.finish = Some(*finish_reason),
            _ => {}
        }
    }
    outcome
}
