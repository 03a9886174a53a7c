//! Failures in the client's own error shape. A denial is 400, and says that trying again does not help.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use handshake_core::{
    code::{ErrorClass, ErrorCode},
    error::CallError,
    ids::TraceId,
};
use serde_json::{Value, json};

/// A failure outside any call.
pub(super) fn plain(status: StatusCode, message: &str) -> Response {
    let body = json!({ "error": {
        "message": message, "type": "invalid_request_error", "param": null, "code": null,
    } });
    (status, Json(body)).into_response()
}

/// No token, or one that opens nothing.
pub(super) fn unauthorised() -> Response {
    plain(
        StatusCode::UNAUTHORIZED,
        "a client token is needed: handshake token create NAME",
    )
}

/// The error object of a failed call: first a sentence for a person, then the code and an opaque handle.
pub(super) fn object(error: &CallError, trace: TraceId) -> Value {
    let about = error
        .subject
        .map(|subject| format!(": {subject}"))
        .unwrap_or_default();
    let next = error.code.next_step();
    let next = if next.is_empty() {
        String::new()
    } else {
        format!(" Help: {next}.")
    };
    json!({ "error": {
        "message": format!("{}{about}.{next} [{} {trace}]", sentence(error.code.title()), error.code),
        "type": kind(error),
        "param": error.subject,
        "code": error.code,
    } })
}

/// A title as the beginning of a sentence. Names such as `base_url` stay as they are.
fn sentence(title: &str) -> String {
    let word = title.split(' ').next().unwrap_or_default();
    let mut letters = title.chars();
    match letters.next() {
        Some(first) if !word.contains('_') => first.to_uppercase().chain(letters).collect(),
        _ => title.to_owned(),
    }
}

fn kind(error: &CallError) -> &'static str {
    match error.class {
        ErrorClass::Transient => "server_error",
        ErrorClass::Policy => "permission_error",
        _ => "invalid_request_error",
    }
}

/// The status of a failed call.
fn status(error: &CallError) -> StatusCode {
    let code = match error.code {
        // Agents answer a 403 by asking again, or by calling it a login problem.
        code if code.is_denial() => 400,
        ErrorCode::Cancelled => 499,
        ErrorCode::Storage => 500,
        code => code.http_status(),
    };
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// A failed call as an answer.
pub(super) fn answer(error: &CallError, trace: TraceId) -> Response {
    let mut response = (status(error), Json(object(error, trace))).into_response();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
        headers.insert(HeaderName::from_static("x-handshake-trace"), value);
    }
    if error.class != ErrorClass::Transient {
        headers.insert(
            HeaderName::from_static("x-should-retry"),
            HeaderValue::from_static("false"),
        );
    }
    if let Some(wait) = error.retry_after
        && let Ok(value) = HeaderValue::from_str(&wait.as_secs().to_string())
    {
        headers.insert(axum::http::header::RETRY_AFTER, value);
    }
    response
}
