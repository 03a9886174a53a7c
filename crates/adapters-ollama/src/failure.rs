//! A daemon's failure, in our words. What it says is read for what it is about, and goes no further: no
//! text of it is ever kept.

use handshake_core::{
    code::{ErrorClass, ErrorCode, Phase},
    error::CallError,
    reply::{ReplySpec, ResponseHead},
};
use handshake_transport::overflow;
use serde_json::Value;

/// What a text is about: all of the parts must be in it, lower case.
struct Words {
    parts: &'static [&'static str],
    code: ErrorCode,
    class: Option<ErrorClass>,
    subject: &'static str,
}

const fn words(parts: &'static [&'static str], code: ErrorCode, subject: &'static str) -> Words {
    Words {
        parts,
        code,
        class: None,
        subject,
    }
}

/// The daemon's own sentences. The first row that fits decides, before the status does.
const TABLE: &[Words] = &[
    words(
        &["does not support tools"],
        ErrorCode::ToolCallingUnsupported,
        "tools",
    ),
    words(
        &["does not support thinking"],
        ErrorCode::ThinkingUnsupported,
        "thinking",
    ),
    words(
        &["think value", "not supported"],
        ErrorCode::ThinkingUnsupported,
        "thinking",
    ),
    words(
        &["does not support image"],
        ErrorCode::VisionUnsupported,
        "images",
    ),
    words(
        &["does not support vision"],
        ErrorCode::VisionUnsupported,
        "images",
    ),
    words(
        &["missing data required for image input"],
        ErrorCode::VisionUnsupported,
        "images",
    ),
    words(
        &["does not support chat"],
        ErrorCode::ProviderRejected,
        "chat",
    ),
    words(
        &["does not support generate"],
        ErrorCode::ProviderRejected,
        "chat",
    ),
    words(
        &["ollama cloud is disabled"],
        ErrorCode::ProviderRejected,
        "cloud",
    ),
    words(&["model", "not found"], ErrorCode::Model404, "model"),
    words(&["try pulling it first"], ErrorCode::Model404, "model"),
    Words {
        parts: &["requires more system memory"],
        code: ErrorCode::Provider,
        class: Some(ErrorClass::Permanent),
        subject: "memory",
    },
    words(&["server busy"], ErrorCode::NotReady, "queue"),
    words(&["loading model"], ErrorCode::NotReady, "loading"),
    words(&["usage limit"], ErrorCode::ProviderQuota, "quota"),
    words(&["unauthorized"], ErrorCode::ProviderAuth, "credentials"),
];

/// The failure that an answer with an error status is.
pub(crate) fn answered(head: &ResponseHead, body: &[u8], spec: &ReplySpec) -> CallError {
    let value = serde_json::from_slice::<Value>(body).ok();
    let text = value.as_ref().and_then(text);
    let error = match text.and_then(about) {
        Some((code, class, subject)) => CallError::new(code, Phase::Status)
            .class(class)
            .about(subject),
        None if value.is_none() && is_not_the_api(head.status, body) => {
            CallError::new(ErrorCode::UnexpectedContent, Phase::Status).about("content-type")
        }
        None => status(head.status, spec),
    };
    error.status(head.status).retry_after(head.retry_after)
}

/// The failure that a line is: after the first byte the status says 200 whatever happens.
pub(crate) fn streamed(error: &Value) -> CallError {
    // An object's words stand one level deeper.
    let words = error
        .as_str()
        .or_else(|| error.get("message").and_then(Value::as_str));
    match words.and_then(about) {
        Some((code, class, subject)) => CallError::new(code, Phase::Stream)
            .class(class)
            .about(subject),
        None => CallError::new(ErrorCode::Provider, Phase::Stream),
    }
}

/// `null`, `""` and `{}` on good lines are no errors.
pub(crate) fn says_something(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// `{"error":"…"}`, or what proxies make of it: `{"error":{"message":"…"}}`, `{"message":"…"}`.
fn text(body: &Value) -> Option<&str> {
    let error = body.get("error");
    error
        .and_then(Value::as_str)
        .or_else(|| error?.get("message")?.as_str())
        .or_else(|| body.get("message")?.as_str())
}

fn about(text: &str) -> Option<(ErrorCode, ErrorClass, &'static str)> {
    let text = text.to_ascii_lowercase();
    let own = TABLE
        .iter()
        .find(|row| row.parts.iter().all(|part| text.contains(part)))
        .map(|row| (row.code, row.class.unwrap_or(row.code.class()), row.subject));
    own.or_else(|| {
        let code = overflow::sentence(&text)?;
        let subject = if code == ErrorCode::ContextWindow {
            "num_ctx"
        } else {
            "request"
        };
        Some((code, code.class(), subject))
    })
}

fn status(status: u16, spec: &ReplySpec) -> CallError {
    let code = match status {
        401 | 403 => ErrorCode::ProviderAuth,
        402 => ErrorCode::ProviderQuota,
        404 => ErrorCode::Model404,
        408 | 504 => ErrorCode::Timeout,
        413 => ErrorCode::ContextWindow,
        429 => ErrorCode::RateLimit,
        499 => ErrorCode::Cancelled,
        400..=498 => ErrorCode::ProviderRejected,
        501 => return not_implemented(spec),
        503 => ErrorCode::NotReady,
        500..=599 => ErrorCode::Provider,
        _ => ErrorCode::Protocol,
    };
    CallError::new(code, Phase::Status)
}

/// "Not implemented": which feature, if only one was asked for.
fn not_implemented(spec: &ReplySpec) -> CallError {
    let tools = spec
        .tool_names
        .as_ref()
        .is_some_and(|names| !names.is_empty());
    let code = match (tools, spec.structured) {
        (true, false) => ErrorCode::ToolCallingUnsupported,
        (false, true) => ErrorCode::StructuredOutputUnsupported,
        _ => {
            return CallError::new(ErrorCode::Provider, Phase::Status).class(ErrorClass::Permanent);
        }
    };
    CallError::new(code, Phase::Status)
}

/// Whether somebody else answered: a page or a plain text, with a status that gateways and limits do not
/// bear. `404 page not found` is what a daemon says to a path that it does not have.
fn is_not_the_api(status: u16, body: &[u8]) -> bool {
    (400..500).contains(&status)
        && !matches!(status, 401 | 402 | 408 | 413 | 429 | 499)
        && !body.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests;
