//! `content` in its many forms.

use handshake_core::error::CallError;
use serde_json::Value;

use super::turn::protocol;

/// A piece of content.
pub(super) enum Piece {
    Text(String),
    Thinking(String),
    Refusal(String),
}

/// The non-empty pieces of a `content`: a text, a list of typed parts, or nothing (Q62, Q81).
pub(super) fn pieces(content: Option<Value>) -> Result<Vec<Piece>, CallError> {
    let mut pieces = Vec::new();
    match content {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => pieces.push(Piece::Text(text)),
        Some(Value::Array(parts)) => {
            for part in &parts {
                pieces.extend(piece(part)?);
            }
        }
        Some(_) => return Err(protocol("content")),
    }
    pieces.retain(|piece| match piece {
        Piece::Text(text) | Piece::Thinking(text) | Piece::Refusal(text) => !text.is_empty(),
    });
    Ok(pieces)
}

fn piece(part: &Value) -> Result<Option<Piece>, CallError> {
    if let Value::String(text) = part {
        return Ok(Some(Piece::Text(text.clone())));
    }
    let text = |name: &str| match part.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(protocol("content part")),
    };
    Ok(match part.get("type").and_then(Value::as_str) {
        Some("text" | "output_text") => Some(Piece::Text(text("text")?)),
        Some("thinking") => {
            let thinking = part
                .get("thinking")
                .ok_or_else(|| protocol("content part"))?;
            Some(Piece::Thinking(thinking_text(thinking)?))
        }
        Some("refusal") => Some(Piece::Refusal(text("refusal")?)),
        // Marks in the text, without a text of their own.
        Some("reference") => None,
        // What cannot be carried is not left out.
        _ => return Err(protocol("content part")),
    })
}

/// Thinking as a text, an object that holds one, or a list of either.
pub(super) fn thinking_text(value: &Value) -> Result<String, CallError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => parts.iter().map(thinking_text).collect(),
        Value::Object(members) => match members.get("text").or_else(|| members.get("content")) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(protocol("reasoning")),
            None => Ok(String::new()),
        },
        Value::Bool(_) | Value::Number(_) => Err(protocol("reasoning")),
    }
}
