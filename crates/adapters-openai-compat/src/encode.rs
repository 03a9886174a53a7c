//! Requests to envelopes. Pure: the same request gives the same bytes; what cannot be carried is refused
//! by name and never left out.

mod attachment;
mod ids;
mod messages;
mod params;
mod tools;
mod verbatim;

use std::collections::BTreeMap;

use bytes::Bytes;
use handshake_core::{
    admit::Admitted,
    capability::{CapabilitySnapshot, Feature, Support},
    chat::{ChatRequest, Shape, ToolChoice},
    code::ErrorCode,
    envelope::{Adjustment, HeaderValue, Prepared},
    error::PrepareError,
    ids::ToolName,
    provider::ProviderRecord,
    reply::{ReasoningPolicy, ReplySpec},
    tier::ModelTier,
};
use handshake_transport::{adapter, names};

use crate::{
    dialect::Dialect,
    profile,
    wire::request::{Body, StreamOptions},
};

/// The path of chat completions below the base URL.
const CHAT_PATH: &str = "/chat/completions";

/// Renders an admitted request.
pub(crate) fn prepare(
    record: &ProviderRecord,
    dialect: &'static Dialect,
    admitted: &Admitted,
) -> Result<Prepared, PrepareError> {
    let route = admitted.route();
    if route.record.provider_id != record.provider_id || route.record.revision != record.revision {
        return Err(PrepareError::new(ErrorCode::Revision, "provider"));
    }
    let rendered = match &admitted.request().verbatim {
        Some(verbatim) if verbatim.shape() == Shape::ChatCompletions => verbatim::render(verbatim)?,
        // Another shape's body that was never read into messages has nothing to translate.
        Some(_) if admitted.request().messages.is_empty() => return Err(invalid("verbatim")),
        _ => translate(record, dialect, admitted)?,
    };
    let reply = reply(dialect, admitted, &rendered);
    let accept = if rendered.stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    let mut envelope = adapter::post(record, CHAT_PATH, dialect.auth, accept, rendered.body);
    envelope.headers.extend(rendered.headers);
    envelope.model_id = Some(route.model.clone());
    envelope
        .check()
        .map_err(|_| PrepareError::new(ErrorCode::InvalidRequest, "envelope"))?;
    Ok(Prepared::new(envelope, reply, rendered.adjusted))
}

/// What a body is, beside its bytes.
struct Rendered {
    body: Bytes,
    /// Headers of the client that go along.
    headers: BTreeMap<String, HeaderValue>,
    stream: bool,
    tool_names: BTreeMap<String, ToolName>,
    tool_choice: Option<ToolChoice>,
    structured: bool,
    adjusted: Vec<Adjustment>,
}

fn translate(
    record: &ProviderRecord,
    dialect: &'static Dialect,
    admitted: &Admitted,
) -> Result<Rendered, PrepareError> {
    let request = admitted.request();
    let route = admitted.route();
    let family = profile::family_rules(route.snapshot.family.as_ref(), &route.model);
    let declared = tools::Declared::new(request)?;
    params::check(dialect, family, request)?;
    let (messages, escaped) =
        messages::render(record, dialect, family, &route.snapshot, request, &declared)?;
    let body = Body {
        model: route.model.as_str(),
        messages,
        tools: declared.render(request)?,
        tool_choice: declared.choice(dialect, request)?,
        response_format: tools::response_format(dialect, request)?,
        stream: request.stream,
        stream_options: (request.stream && dialect.stream_usage).then_some(StreamOptions {
            include_usage: true,
        }),
        max_tokens: params::max_tokens(dialect, admitted),
        temperature: request.params.temperature,
        top_p: request.params.top_p,
        stop: &request.params.stop,
        seed: params::seed(dialect, request)?,
        reasoning: params::reasoning(dialect, request)?,
    };
    let bytes = serde_json::to_vec(&body)
        .map_err(|_| PrepareError::new(ErrorCode::InvalidRequest, "body"))?;
    Ok(Rendered {
        body: bytes.into(),
        headers: BTreeMap::new(),
        stream: request.stream,
        tool_choice: request.tool_choice.clone(),
        structured: request.structured_output_schema.is_some(),
        adjusted: params::adjusted(admitted, escaped),
        tool_names: declared.into_names(),
    })
}

fn reply(dialect: &'static Dialect, admitted: &Admitted, rendered: &Rendered) -> ReplySpec {
    let route = admitted.route();
    ReplySpec {
        raw: admitted.request().verbatim.is_some(),
        model_may_differ: route.record.tier == ModelTier::Cloud,
        stream: rendered.stream,
        requested_model: Some(route.model.clone()),
        tool_names: Some(rendered.tool_names.clone()),
        tool_mode: admitted.tool_mode(),
        emulated: admitted.emulated().cloned(),
        tool_choice: rendered.tool_choice.clone(),
        structured: rendered.structured,
        reasoning: thinking(&route.snapshot),
        dialect: dialect.token(),
        family: route.snapshot.family.clone(),
        call_seed: call_seed(admitted.request(), &rendered.body),
    }
}

/// How thinking is told apart: only where somebody said that it stands in the text.
fn thinking(snapshot: &CapabilitySnapshot) -> ReasoningPolicy {
    let scrub = snapshot
        .capabilities
        .supports(Feature::RequiresThinkingBlockScrubbing);
    match (
        scrub,
        profile::family_rules(snapshot.family.as_ref(), &snapshot.model_id).preopened,
    ) {
        (Support::Yes, true) => ReasoningPolicy::Preopened,
        (Support::Yes, false) => ReasoningPolicy::LeadingBlock,
        (Support::No | Support::Unknown, _) => ReasoningPolicy::Channel,
    }
}

/// Deterministic per request, and different for every request of a session.
fn call_seed(request: &ChatRequest, body: &[u8]) -> [u8; 16] {
    let ids: Vec<u8> = request
        .messages
        .iter()
        .flat_map(|message| message.message_id.uuid().into_bytes())
        .collect();
    let trace = request.trace_id.uuid().into_bytes();
    names::call_seed(&[request.session_id.as_str().as_bytes(), &trace, &ids, body])
}

fn invalid(subject: &'static str) -> PrepareError {
    PrepareError::new(ErrorCode::InvalidRequest, subject)
}

fn unsupported(parameter: &'static str) -> PrepareError {
    PrepareError::new(ErrorCode::ParameterUnsupported, parameter)
}

#[cfg(test)]
pub(crate) mod tests;
