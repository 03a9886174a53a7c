//! Failures in the client's own error shape. A denial is 400, and says that trying again does not help.

use std::fmt::Write as _;

use axum::{
    Json,
    body::Bytes,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use handshake_core::{
    code::{ErrorClass, ErrorCode},
    error::CallError,
    ids::TraceId,
};
use serde::Serialize;

use crate::{
    answer,
    running::{Running, Stop},
};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

#[derive(Serialize)]
struct Envelope<'a> {
    error: Object<'a>,
}

#[derive(Serialize)]
struct Object<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

const BUSY: Envelope<'static> = Envelope {
    error: Object {
        message: "too many concurrent requests; try again in 1 second",
        kind: "rate_limit_error",
        param: None,
        code: Some("rate_limit_exceeded"),
    },
};

/// A failure outside any call.
pub(crate) fn plain(status: StatusCode, message: &str) -> Response {
    let body = Envelope {
        error: Object {
            message,
            kind: "invalid_request_error",
            param: None,
            code: None,
        },
    };
    (status, Json(body)).into_response()
}

/// No token, or one that opens nothing.
pub(crate) fn unauthorised() -> Response {
    plain(
        StatusCode::UNAUTHORIZED,
        "client token required: create one with `handshake token create NAME`",
    )
}

/// More at once than the gateway takes.
pub(crate) fn busy() -> Response {
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(BUSY)).into_response();
    let second = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, second);
    response
}

/// No such route under this shape.
pub(crate) async fn unknown_route() -> Response {
    plain(
        StatusCode::NOT_FOUND,
        "no such route; this gateway serves POST /v1/chat/completions, GET /v1/models, GET /v1/models/{id}",
    )
}

/// A route that takes another method.
pub(crate) async fn wrong_method() -> Response {
    plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "method not allowed on this route",
    )
}

/// A client that wants to speak over a socket of its own.
pub(crate) fn no_websocket() -> Response {
    plain(
        StatusCode::UPGRADE_REQUIRED,
        "WebSockets are not supported; turn them off in the client (Codex: supports_websockets = false)",
    )
}

/// A handler fell over. Nothing of it is told.
pub(crate) fn crashed(_: Box<dyn std::any::Any + Send>) -> Response {
    plain(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the gateway failed to handle this request",
    )
}

/// First a sentence for a person, then the code and an opaque handle.
fn object(error: &CallError, trace: TraceId) -> (String, Option<&str>) {
    let about = error.member.as_deref().or(error.subject);
    let mut message = sentence(error.code.title());
    // Writing to a text does not fail.
    if let Some(about) = about {
        let _written = write!(message, ": {about}");
    }
    message.push('.');
    let step = error.next_step();
    if !step.is_empty() {
        let _written = write!(message, " Help: {step}.");
    }
    let _written = write!(message, " [{} {trace}]", error.code);
    (message, about)
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

fn envelope<'a>(error: &CallError, message: &'a str, param: Option<&'a str>) -> Envelope<'a> {
    Envelope {
        error: Object {
            message,
            kind: kind(error),
            param,
            code: Some(error.code.as_str()),
        },
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

/// A request that failed before it was a call.
pub(crate) fn refused(error: &CallError, trace: TraceId) -> Response {
    let (message, param) = object(error, trace);
    let body = Json(envelope(error, &message, param));
    let mut response = (status(error), body).into_response();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
        headers.insert(answer::TRACE, value);
    }
    if error.class != ErrorClass::Transient {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if let Some(wait) = error.retry_after {
        // Never sooner than it was said.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A failed call as an answer.
pub(crate) fn answer(running: &Running, error: &CallError) -> Response {
    running.shared.metrics.denied(error);
    let mut response = refused(error, running.trace);
    answer::marks(&mut response, running, true);
    response
}

/// A failed call as the last event of a stream that has begun.
pub(crate) fn event(running: &Running, stop: &Stop) -> Bytes {
    let mut text = b"data: ".to_vec();
    let written = match stop {
        Stop::Busy => serde_json::to_writer(&mut text, &BUSY),
        Stop::Failed(error) => {
            running.shared.metrics.denied(error);
            let (message, param) = object(error, running.trace);
            serde_json::to_writer(&mut text, &envelope(error, &message, param))
        }
    };
    // Text and codes always serialise.
    drop(written);
    text.extend_from_slice(b"\n\n");
    text.into()
}
