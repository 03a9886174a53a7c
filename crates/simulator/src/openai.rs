//! OpenAI-compatible chat completions, models and embeddings.

mod chat;
mod chunk;
mod dto;
mod embed;
mod models;
mod render;

use axum::http::Method;
use serde::Serialize;

use crate::Wire;
use crate::dispatch::{Call, Outcome};
use crate::engine::Missing;
use crate::frame::{self, Answer};

/// Content type of every answer that is not a stream.
const JSON: &str = "application/json";

/// The time of every answer: answers do not depend on a clock.
const CREATED: u64 = 1_767_225_600;

/// The wire this module speaks.
const WIRE: Wire = Wire::OpenAi;

/// Answers a request. Paths count from their end, since base paths differ: `/v1`, `/api/v1`,
/// `/openai/deployments/NAME`, none.
pub(crate) fn answer(call: &Call<'_>) -> Outcome {
    let get = call.method == Method::GET || call.method == Method::HEAD;
    let post = call.method == Method::POST;
    let path = call.path.trim_end_matches('/');
    if path.is_empty() {
        return Answer::whole(
            200,
            "text/plain",
            b"handshake-simulator is running".to_vec(),
        )
        .into();
    }
    if path.ends_with("/chat/completions") {
        return if post {
            chat::answer(call)
        } else {
            method(call).into()
        };
    }
    if path.ends_with("/embeddings") {
        return if post {
            embed::answer(call)
        } else {
            method(call).into()
        };
    }
    if path.ends_with("/models") {
        return if get {
            models::list(call)
        } else {
            method(call).into()
        };
    }
    if let Some((_, name)) = path.split_once("/models/") {
        return if get {
            models::show(call, name)
        } else {
            method(call).into()
        };
    }
    let message = format!("Invalid URL ({} {})", call.method, call.path);
    error(404, &message, None, None).into()
}

fn method(call: &Call<'_>) -> Answer {
    let message = format!("Not allowed to {} on {}.", call.method, call.path);
    error(405, &message, None, Some("method_not_supported"))
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// The error object, which is also the data of an error in a stream.
pub(crate) fn error_body(
    status: u16,
    message: &str,
    kind: Option<&str>,
    code: Option<&str>,
) -> Vec<u8> {
    let (usual_kind, usual_code) = match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        402 => ("insufficient_quota", Some("insufficient_quota")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    frame::json(&ErrorBody {
        error: ErrorObject {
            message,
            kind: kind.unwrap_or(usual_kind),
            param: None,
            code: code.or(usual_code),
        },
    })
}

/// An error answer; type and code are those of the status where not given.
pub(crate) fn error(status: u16, message: &str, kind: Option<&str>, code: Option<&str>) -> Answer {
    Answer::whole(status, JSON, error_body(status, message, kind, code))
}

/// The model is not here.
fn missing(reason: Missing, name: &str) -> Answer {
    match reason {
        Missing::Unknown => {
            let message =
                format!("The model `{name}` does not exist or you do not have access to it.");
            error(404, &message, None, Some("model_not_found"))
        }
        Missing::CloudDisabled => error(403, "cloud models are disabled", None, None),
    }
}

/// 401, with part of the key in the message.
pub(crate) fn unauthorized(given: Option<&str>) -> Answer {
    let message = match given {
        None => "You didn't provide an API key. You need to provide your API key in an \
                 Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            .to_owned(),
        Some(key) => format!("Incorrect API key provided: {}.", masked(key)),
    };
    error(401, &message, None, Some("invalid_api_key"))
}

/// A key as OpenAI shows it: the first eight and the last four characters.
pub(crate) fn masked(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    if characters.len() <= 12 {
        let last: String = characters[characters.len().saturating_sub(4)..]
            .iter()
            .collect();
        return format!("****{last}");
    }
    let middle = characters.len() - 12;
    let first: String = characters[..8].iter().collect();
    let last: String = characters[characters.len() - 4..].iter().collect();
    format!("{first}{}{last}", "*".repeat(middle))
}
