//! Ollama's native API.

mod chat;
mod control;
mod dto;
mod embed;

use axum::http::Method;
use serde::Serialize;

use crate::Wire;
use crate::dispatch::{Call, Outcome};
use crate::frame::{self, Answer};

/// Content type of every answer that is not a stream.
const JSON: &str = "application/json; charset=utf-8";

/// The time of every answer: answers do not depend on a clock.
const CREATED_AT: &str = "2026-01-01T00:00:00Z";

/// Answers a request.
pub(crate) fn answer(call: &Call<'_>) -> Outcome {
    let get = call.method == Method::GET || call.method == Method::HEAD;
    let post = call.method == Method::POST;
    match call.path {
        "/api/version" if get => control::version(call),
        "/api/status" if get => control::status(call).into(),
        "/api/tags" if get => control::tags(call),
        "/api/ps" if get => control::running(call),
        "/api/show" if post => control::show(call),
        "/api/chat" if post => chat::answer(call),
        "/api/embed" if post => embed::answer(call),
        "/api/version" | "/api/status" | "/api/tags" | "/api/ps" | "/api/show" | "/api/chat"
        | "/api/embed" => {
            Answer::whole(405, "text/plain", b"405 method not allowed".to_vec()).into()
        }
        _ => Answer::whole(404, "text/plain", b"404 page not found".to_vec()).into(),
    }
}

/// JSON as Go writes it: the three characters that matter in HTML are escaped.
fn json(value: &impl Serialize) -> Vec<u8> {
    let plain = frame::json(value);
    let mut escaped = Vec::with_capacity(plain.len());
    for byte in plain {
        // Outside strings JSON has none of them.
        match byte {
            b'<' => escaped.extend_from_slice(b"\\u003c"),
            b'>' => escaped.extend_from_slice(b"\\u003e"),
            b'&' => escaped.extend_from_slice(b"\\u0026"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signin_url: Option<String>,
}

/// The error object, which is also the line of an error in a stream.
pub(crate) fn error_body(message: &str) -> Vec<u8> {
    json(&ErrorBody {
        error: message,
        signin_url: None,
    })
}

/// An error answer.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    Answer::whole(status, JSON, error_body(message))
}

/// The model is not here.
fn missing(reason: crate::engine::Missing, name: &str) -> Answer {
    match reason {
        crate::engine::Missing::Unknown => error(404, &format!("model '{name}' not found")),
        crate::engine::Missing::CloudDisabled => {
            error(403, "ollama cloud is disabled: remote model is unavailable")
        }
    }
}

/// 401, with part of the key in the address to sign in at.
pub(crate) fn unauthorized(given: Option<&str>) -> Answer {
    let body = ErrorBody {
        error: "unauthorized",
        signin_url: Some(format!(
            "https://ollama.com/connect?name=simulator&key={}",
            given.map_or_else(String::new, crate::openai::masked)
        )),
    };
    Answer::whole(401, JSON, json(&body))
}

/// The wire this module speaks.
const WIRE: Wire = Wire::Ollama;
