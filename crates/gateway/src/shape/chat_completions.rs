//! OpenAI's chat completions.

pub(crate) mod errors;
pub(crate) mod models;
mod peek;
mod read;
mod relay;
mod target;
mod write;

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Response,
};
use handshake_core::{
    chat::{ChatRequest, Shape, Verbatim},
    error::CallError,
    ids::{ProviderId, SessionId, TraceId},
    ports::EntropyExt,
};
use handshake_runtime::{CallOptions, ConsentMode};

use self::{
    peek::{Peek, bad, peek},
    target::Found,
    write::Asked,
};
use crate::{
    answer,
    auth::Client,
    gateway::Shared,
    limits::Unread,
    running::{Arrived, Running},
};

/// Bodies above this are read off the reactor.
const INLINE: usize = 64 << 10;
/// Headers of a client that may go with its own body; the adapter's list decides.
const PASSED_ON: &[&str] = &["http-referer", "openai-beta", "x-title"];

/// `POST /v1/chat/completions`.
pub(crate) async fn completions(
    State(shared): State<Arc<Shared>>,
    client: Client,
    request: Request,
) -> Response {
    let at = shared.ports.clock().monotonic();
    let (Parts { headers, .. }, body) = request.into_parts();
    if !is_json(&headers) {
        return errors::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type must be application/json",
        );
    }
    let Some(mut slot) = shared.slots.call() else {
        shared.metrics.limited("calls");
        return errors::busy();
    };
    let reading = shared.ports.clock().monotonic();
    let body = match shared.slots.body(&mut slot, body, &shared.limits).await {
        Ok(body) => body,
        Err(why) => return unread(&shared, why),
    };
    let arrived = Arrived {
        at,
        body: shared.ports.clock().monotonic().saturating_sub(reading),
    };
    let trace = TraceId::from_entropy(shared.ports.entropy().bytes());
    let large = body.len() > INLINE;
    let trailer = answer::takes_trailers(&headers);
    let request = Incoming {
        shared: Arc::clone(&shared),
        client,
        headers,
        body,
        trace,
    };
    let composed = match large {
        false => request.compose(),
        true => tokio::task::spawn_blocking(move || request.compose())
            .await
            .unwrap_or_else(|_| Err(bad("body"))),
    };
    let call = match composed {
        Ok(call) => call,
        Err(error) => {
            shared.metrics.denied(&error);
            return errors::refused(&error, trace);
        }
    };
    let handle = shared.ports.runtime.chat(call.request, call.options);
    let running = Running::new(shared, trace, call.provider, handle, slot, arrived);
    match call.across {
        None => relay::answer(running, call.stream, trailer).await,
        Some(mut asked) => {
            asked.trailer = trailer;
            write::answer(running, asked).await
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    media.is_some_and(|media| {
        let essence = media.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    })
}

fn unread(shared: &Shared, why: Unread) -> Response {
    match why {
        Unread::TooLarge => {
            shared.metrics.limited("body");
            errors::plain(StatusCode::PAYLOAD_TOO_LARGE, "request body too large")
        }
        Unread::Full => {
            shared.metrics.limited("held");
            errors::busy()
        }
        Unread::TooSlow => {
            shared.metrics.limited("body_time");
            errors::plain(
                StatusCode::REQUEST_TIMEOUT,
                "request body did not arrive in time",
            )
        }
        Unread::Broken => errors::plain(StatusCode::BAD_REQUEST, "incomplete request body"),
    }
}

/// A request that was taken in whole.
struct Incoming {
    shared: Arc<Shared>,
    client: Client,
    headers: HeaderMap,
    body: Bytes,
    trace: TraceId,
}

/// A call that is ready to be made.
struct Call {
    request: ChatRequest,
    options: CallOptions,
    provider: Option<ProviderId>,
    stream: bool,
    /// How to answer where the provider speaks another shape.
    across: Option<Asked>,
}

impl Incoming {
    /// Reads the body: as far as somebody needs it where the provider speaks this shape, all of it otherwise.
    fn compose(&self) -> Result<Call, CallError> {
        let limits = &self.shared.limits;
        self.client.under_its_profile()?;
        let peek = peek(&self.body, limits.depth, limits.nodes)?;
        let found = target::find(&self.client, &peek.model)?;
        let options = CallOptions {
            consent: consent_mode(&self.headers)?,
            consent_session: Some(self.consent_session()?),
            ..CallOptions::default()
        };
        let provider = found.provider.clone();
        let stream = peek.stream;
        let (request, across) = match found.same_shape {
            true => (self.same(peek, found)?, None),
            false => {
                let (request, asked) = self.across(peek, found)?;
                (request, Some(asked))
            }
        };
        Ok(Call {
            request,
            options,
            provider,
            stream,
            across,
        })
    }

    fn base(&self, found: &Found, stream: bool) -> Result<ChatRequest, CallError> {
        let session = SessionId::new(format!("request-{}", self.trace));
        let mut request = ChatRequest::new(
            session.map_err(|_| bad("session"))?,
            self.trace,
            self.client.principal(),
            found.target.clone(),
            Vec::new(),
        );
        request.stream = stream;
        Ok(request)
    }

    /// The client's own bytes, but for the value of `model`.
    fn same(&self, peek: Peek, found: Found) -> Result<ChatRequest, CallError> {
        let body = match &found.model {
            Some(model) => peek.with_model(&self.body, model.as_str()),
            // Nothing is sent: resolving says why.
            None => Some(self.body.clone()),
        };
        let headers = PASSED_ON.iter().filter_map(|name| {
            let value = self.headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        });
        let mut request = self.base(&found, peek.stream)?;
        request.tool_choice = peek.tool_choice;
        request.structured_output_schema = peek.schema;
        request.params.max_tokens = peek.max_tokens;
        request.verbatim = Some(Verbatim {
            shape: Shape::ChatCompletions,
            body: body.ok_or_else(|| bad("model"))?,
            headers: headers.collect(),
            needs: peek.needs,
        });
        Ok(request)
    }

    /// The body in our words.
    fn across(&self, peek: Peek, found: Found) -> Result<(ChatRequest, Asked), CallError> {
        let ports = &self.shared.ports;
        let draw = || ports.entropy().bytes();
        let now = ports.clock().now();
        let read = read::read(&self.body, &read::Ids { draw: &draw, now })?;
        let asked = Asked {
            model: peek.model,
            stream: peek.stream,
            include_usage: read.include_usage,
            advisory: read.advisory,
            created: now.unix_millis() / 1000,
            trailer: false,
        };
        let mut request = self.base(&found, peek.stream)?;
        request.messages = read.messages;
        request.tools = read.tools;
        request.tool_choice = read.tool_choice;
        request.structured_output_schema = read.schema;
        request.params = read.params;
        Ok((request, asked))
    }

    fn consent_session(&self) -> Result<SessionId, CallError> {
        let client = self.client.token.name.as_str();
        let client = match client.contains('/') {
            true => client.replace('/', "_").into(),
            false => Cow::Borrowed(client),
        };
        let named = match self.headers.get("x-handshake-session") {
            None => format!("client:{client}"),
            Some(name) => {
                let name = name.to_str().map_err(|_| bad("x-handshake-session"))?;
                format!("client:{client}:{name}")
            }
        };
        SessionId::new(named).map_err(|_| bad("x-handshake-session"))
    }
}

/// `Prefer: wait=N`; `0` answers at once.
fn consent_mode(headers: &HeaderMap) -> Result<ConsentMode, CallError> {
    let prefer = headers
        .get("prefer")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let wait = prefer
        .split([',', ';'])
        .find_map(|part| part.trim().strip_prefix("wait="));
    match wait.map(str::parse::<u64>) {
        None => Ok(ConsentMode::Wait(Duration::from_secs(540))),
        Some(Ok(0)) => Ok(ConsentMode::AnswerAtOnce),
        Some(Ok(seconds)) => Ok(ConsentMode::Wait(Duration::from_secs(seconds.min(600)))),
        Some(Err(_)) => Err(bad("prefer")),
    }
}
