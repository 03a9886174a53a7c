//! `content` in its many forms.

use std::borrow::Cow;

use handshake_core::error::CallError;
use serde_json::Value;

use super::turn::protocol;
use crate::wire::reply::Loose;

/// A part of the content.
pub(super) enum ContentPart<'a> {
    Text(Cow<'a, str>),
    Thinking(String),
    Refusal(String),
    /// A part that our events have no word for.
    Unknown,
}

/// The non-empty parts of a `content`: a text, a list of typed parts, or nothing (Q62, Q81).
pub(super) fn content_parts<'a>(
    content: Option<Loose<'a>>,
) -> Result<impl Iterator<Item = ContentPart<'a>>, CallError> {
    let mut parts = Vec::new();
    let text = match content {
        None => None,
        Some(Loose::Text(text)) => Some(ContentPart::Text(text)),
        Some(Loose::Other(value)) => {
            match *value {
                Value::Null => {}
                Value::Array(listed) => {
                    for part in listed {
                        parts.extend(content_part(part)?);
                    }
                }
                _ => return Err(protocol("content")),
            }
            None
        }
    };
    let all = text.into_iter().chain(parts);
    Ok(all.filter(|part| match part {
        ContentPart::Text(text) => !text.is_empty(),
        ContentPart::Thinking(text) | ContentPart::Refusal(text) => !text.is_empty(),
        ContentPart::Unknown => true,
    }))
}

fn content_part<'a>(part: Value) -> Result<Option<ContentPart<'a>>, CallError> {
    if let Value::String(text) = part {
        return Ok(Some(ContentPart::Text(text.into())));
    }
    let text = |name: &str| match part.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(protocol("content part")),
    };
    Ok(match part.get("type").and_then(Value::as_str) {
        Some("text" | "output_text") => Some(ContentPart::Text(text("text")?.into())),
        Some("thinking") => {
            let thinking = part
                .get("thinking")
                .ok_or_else(|| protocol("content part"))?;
            Some(ContentPart::Thinking(thinking_text(thinking)?))
        }
        Some("refusal") => Some(ContentPart::Refusal(text("refusal")?)),
        // Marks in the text, without a text of their own.
        Some("reference") => None,
        _ => Some(ContentPart::Unknown),
    })
}

/// Thinking, in whatever form its member holds it.
pub(super) fn thinking(member: &Loose<'_>) -> Result<String, CallError> {
    match member {
        Loose::Text(text) => Ok(text.clone().into_owned()),
        Loose::Other(value) => thinking_text(value),
    }
}

/// Thinking as a text, an object that holds one, or a list of either.
fn thinking_text(value: &Value) -> Result<String, CallError> {
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
