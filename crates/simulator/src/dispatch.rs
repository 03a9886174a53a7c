//! From an HTTP request to an answer's bytes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;

use crate::connection::Peer;
use crate::engine::{Engine, Probe};
use crate::frame::{Answer, Frame, FrameKind, Framing};
use crate::server::Shared;
use crate::{
    Fault, MAX_BODY_BYTES, Received, Reply, SIMULATOR_HEADER, SIMULATOR_NAME, Wire, body, frame,
    ollama, openai,
};

/// The `date` of every answer: answers do not depend on a clock.
const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

/// A request with its body, as the wires see it.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) body: &'a Bytes,
    pub(crate) shared: &'a Shared,
}

impl Call<'_> {
    /// Runs `f` on the engine.
    pub(crate) fn engine<T>(&self, f: impl FnOnce(&mut Engine) -> T) -> T {
        let mut engine = self
            .shared
            .engine
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        f(&mut engine)
    }

    /// The reply a rule has for this.
    pub(crate) fn pick(&self, probe: Probe<'_>) -> Option<Reply> {
        self.engine(|engine| engine.pick(probe))
    }
}

/// An answer and the faults that are still to be applied to it.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) faults: Vec<Fault>,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            faults: Vec::new(),
        }
    }
}

/// Serves every request.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: axum::http::Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, MAX_BODY_BYTES).await;
    let arrived = read.as_ref().cloned().unwrap_or_default();
    shared.log.push(record(&parts, arrived));

    let wire = Wire::of_path(parts.uri.path());
    let outcome = match read {
        Err(_) => error(wire, 413, "request body too large").into(),
        Ok(body) => match unauthorized(wire, &parts.headers, shared.required_token.as_deref()) {
            Some(refusal) => refusal.into(),
            None => {
                let call = Call {
                    method: &parts.method,
                    path: parts.uri.path(),
                    body: &body,
                    shared: &shared,
                };
                match wire {
                    Wire::Ollama => ollama::answer(&call),
                    Wire::OpenAi => openai::answer(&call),
                }
            }
        },
    };
    respond(outcome, peer).await
}

fn record(parts: &Parts, body: Bytes) -> Received {
    Received {
        at_index: 0,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body,
    }
}

/// 401 where a token is required and not given. Like real providers it says part of the wrong
/// one back, so that a test for leaks has something to find.
fn unauthorized(wire: Wire, headers: &HeaderMap, required: Option<&str>) -> Option<Answer> {
    let required = required?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let given = text("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .or_else(|| text("api-key"));
    if given == Some(required) {
        return None;
    }
    Some(match wire {
        Wire::Ollama => ollama::unauthorized(given),
        Wire::OpenAi => openai::unauthorized(given),
    })
}

/// An error in the wire's own shape.
pub(crate) fn error(wire: Wire, status: u16, message: &str) -> Answer {
    match wire {
        Wire::Ollama => ollama::error(status, message),
        Wire::OpenAi => openai::error(status, message, None, None),
    }
}

/// The outcome of a route that carries no conversation: the rule's bytes or faults, else what
/// the route answers.
pub(crate) fn control(
    call: &Call<'_>,
    probe: Probe<'_>,
    answer: impl FnOnce() -> Answer,
) -> Outcome {
    match call.pick(probe) {
        None => answer().into(),
        Some(reply) => finish(probe.wire, reply, |_| answer()),
    }
}

/// The outcome of a rule's reply.
pub(crate) fn finish(wire: Wire, reply: Reply, render: impl FnOnce(&Reply) -> Answer) -> Outcome {
    let answer = replacement(wire, &reply).unwrap_or_else(|| {
        let mut answer = render(&reply);
        frame::apply(&mut answer, &reply.faults, wire);
        answer
    });
    Outcome {
        answer,
        faults: reply.faults,
    }
}

/// What replaces the whole answer.
fn replacement(wire: Wire, reply: &Reply) -> Option<Answer> {
    if let Some(raw) = &reply.raw {
        return Some(Answer {
            status: raw.status,
            content_type: raw.content_type.clone(),
            headers: raw.headers.clone(),
            framing: Framing::Whole,
            sized: false,
            frames: vec![Frame::new(FrameKind::Content, raw.body.0.to_vec())],
        });
    }
    reply.faults.iter().find_map(|fault| match fault {
        Fault::Html => Some(Answer::whole(
            200,
            "text/html; charset=utf-8",
            b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to the \
              network.</body></html>"
                .to_vec(),
        )),
        Fault::Redirect { location } => {
            let mut answer = Answer::whole(307, "text/plain", Vec::new());
            answer
                .headers
                .push(("location".to_owned(), location.clone()));
            Some(answer)
        }
        Fault::Status {
            status,
            message,
            code,
            error_type,
            retry_after,
            body,
            content_type,
        } => {
            let message = message
                .as_deref()
                .unwrap_or_else(|| status_message(*status));
            let mut answer = match wire {
                Wire::Ollama => ollama::error(*status, message),
                Wire::OpenAi => {
                    openai::error(*status, message, error_type.as_deref(), code.as_deref())
                }
            };
            if let Some(body) = body {
                answer.frames = vec![Frame::new(FrameKind::Content, body.0.to_vec())];
            }
            if content_type.is_some() {
                answer.content_type.clone_from(content_type);
            }
            if let Some(value) = retry_after {
                answer
                    .headers
                    .push(("retry-after".to_owned(), value.clone()));
            }
            Some(answer)
        }
        _ => None,
    })
}

fn status_message(status: u16) -> &'static str {
    match status {
        400 => "bad request",
        401 => "unauthorized",
        402 => "insufficient balance",
        403 => "forbidden",
        404 => "not found",
        408 => "request timed out",
        429 => "rate limit reached for requests",
        500 => "the server had an error while processing your request",
        503 => "server busy, please try again. maximum pending requests exceeded",
        _ => "simulated failure",
    }
}

/// The answer on its way.
async fn respond(outcome: Outcome, peer: Peer) -> Response<Body> {
    let Outcome { answer, faults } = outcome;
    for fault in &faults {
        match fault {
            Fault::StallHead { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Fault::Hangup => {
                peer.0.kill.cancel();
                std::future::pending::<()>().await;
            }
            _ => {}
        }
    }
    let pieces = frame::encode(&answer, &faults);
    let length: usize = pieces.iter().map(Vec::len).sum();
    let rechunked = faults
        .iter()
        .any(|fault| matches!(fault, Fault::Rechunk { .. }));

    let steps = body::steps(pieces, &faults);
    let mut response = Response::new(body::body(steps, peer.0));
    // `Script::check` has seen every status and header value that a script can set.
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            headers.append(name, value);
        }
    }
    if let Some(kind) = &answer.content_type
        && let Ok(kind) = HeaderValue::from_str(kind)
    {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if answer.sized && !rechunked {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    // Else hyper looks at the clock.
    headers.insert(header::DATE, HeaderValue::from_static(DATE));
    headers.insert(SIMULATOR_HEADER, HeaderValue::from_static(SIMULATOR_NAME));
    response
}
