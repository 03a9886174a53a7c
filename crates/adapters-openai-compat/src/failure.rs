//! A provider's failure, in our words. What the provider says is read for its codes and types, and goes no
//! further: no text of it is ever kept.

mod facts;
mod words;

use handshake_core::{
    code::{ErrorClass, ErrorCode, Phase},
    error::CallError,
    reply::{ReplySpec, ResponseHead},
};
use serde_json::{Value, value::RawValue};

use crate::{
    dialect::Dialect,
    wire::reply::{Choices, Chunk, Loose},
};

/// The failure that an answer with an error status is.
pub(crate) fn answered(head: &ResponseHead, body: &[u8], spec: &ReplySpec) -> CallError {
    let facts = facts::read(body);
    let dialect = Dialect::find(spec.dialect.as_str()).unwrap_or_else(Dialect::generic);
    let exact = facts
        .as_ref()
        .and_then(|facts| facts.code(head.status, dialect));
    let error = match exact {
        Some((code, subject)) => about(CallError::new(code, Phase::Status), subject),
        None if facts.is_none() && is_html(body) && html_is_not_the_api(head.status) => {
            CallError::new(ErrorCode::UnexpectedContent, Phase::Status).about("content-type")
        }
        // Nothing at all is how some servers say that a request is too long (Q120).
        None if head.status == 400 && dialect.bare_400_is_overflow && body.is_empty() => {
            CallError::new(ErrorCode::ContextWindow, Phase::Status)
        }
        None => status(head.status, spec),
    };
    error.status(head.status).retry_after(head.retry_after)
}

/// The failure that bytes in the place of an answer are: an error event, an error object.
pub(crate) fn streamed(body: &[u8], dialect: &Dialect) -> CallError {
    let facts = facts::read(body).unwrap_or_default();
    // An error that bears a status of its own is what that status is (OpenRouter).
    let number = facts.status.or_else(|| facts.implied()).unwrap_or(500);
    let (code, subject) = match facts.code(number, dialect) {
        Some(exact) => exact,
        None => (plain(number), None),
    };
    about(CallError::new(code, Phase::Stream), subject)
}

/// The failure that a chunk carries, if it carries one (Q100, Q101, Q102). `text` is the chunk, which is read a
/// second time only if it does.
pub(crate) fn in_chunk(chunk: &Chunk<'_>, text: &[u8], dialect: &Dialect) -> Option<CallError> {
    let own = chunk.error.is_some_and(says_anything);
    let object = chunk.object.as_ref().and_then(Loose::as_str) == Some("error");
    // An error object without a member that says so: `{"code":…,"message":…}`, `{"detail":…}`.
    let bare = chunk.choices.is_none()
        && (matches!(chunk.message, Some(Loose::Text(_))) || chunk.detail.0);
    if own || object || chunk.base_resp.is_some_and(|base| base.status_code != 0) {
        return Some(streamed(text, dialect));
    }
    let nested = chunk
        .choices
        .iter()
        .flat_map(Choices::all)
        .filter_map(|choice| choice.error)
        .find(|error| says_anything(error));
    match nested {
        Some(error) => Some(streamed(error.get().as_bytes(), dialect)),
        None => bare.then(|| streamed(text, dialect)),
    }
}

/// Whether a value in the place of an answer is an error.
pub(crate) fn is_error(value: &Value) -> bool {
    match value {
        // Gemini wraps it in a list (Q116).
        Value::Array(items) => items.iter().any(is_error),
        Value::Object(members) => {
            members.get("error").is_some_and(says_something)
                || members
                    .get("object")
                    .is_some_and(|object| object == "error")
        }
        _ => false,
    }
}

/// `null`, `""`, `{}` and `false` on good chunks are no errors.
fn says_something(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// The same of a value as it stands.
fn says_anything(error: &RawValue) -> bool {
    let text = error.get();
    let within = |open, close| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|inner: &str| inner.trim_ascii().is_empty())
    };
    !(matches!(text, "null" | "false" | "\"\"") || within('{', '}') || within('[', ']'))
}

fn about(error: CallError, subject: Option<&'static str>) -> CallError {
    match subject {
        Some(subject) => error.about(subject),
        None => error,
    }
}

/// What a status alone says.
fn plain(status: u16) -> ErrorCode {
    match status {
        300..=399 => ErrorCode::Protocol,
        401 | 403 => ErrorCode::ProviderAuth,
        402 => ErrorCode::ProviderQuota,
        404 => ErrorCode::Model404,
        408 | 504 => ErrorCode::Timeout,
        413 => ErrorCode::ContextWindow,
        429 => ErrorCode::RateLimit,
        400..=499 => ErrorCode::ProviderRejected,
        503 => ErrorCode::NotReady,
        500..=599 => ErrorCode::Provider,
        _ => ErrorCode::Protocol,
    }
}

fn status(status: u16, spec: &ReplySpec) -> CallError {
    if status != 501 {
        return CallError::new(plain(status), Phase::Status);
    }
    // "Not implemented": which feature, if only one was asked for.
    let tools = spec
        .tool_names
        .as_ref()
        .is_some_and(|names| !names.is_empty());
    match (tools, spec.structured) {
        (true, false) => CallError::new(ErrorCode::ToolCallingUnsupported, Phase::Status),
        (false, true) => CallError::new(ErrorCode::StructuredOutputUnsupported, Phase::Status),
        _ => CallError::new(ErrorCode::Provider, Phase::Status).class(ErrorClass::Permanent),
    }
}

fn is_html(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(256)])
        .trim_start()
        .to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<head")
}

/// Statuses that a page may bear without saying that something else than the API answered: those of
/// gateways and of limits.
fn html_is_not_the_api(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 401 | 402 | 408 | 413 | 429)
}

#[cfg(test)]
mod tests;
