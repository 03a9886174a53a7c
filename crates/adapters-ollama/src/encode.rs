//! Requests to envelopes. Pure: the same request gives the same bytes; what cannot be carried is refused
//! by name and never left out.

mod messages;
mod schema;
mod think;
mod tools;
mod verbatim;
mod window;

use std::collections::BTreeMap;

use bytes::Bytes;
use handshake_core::{
    admit::Admitted,
    capability::{CapabilitySnapshot, Feature, Support},
    chat::{ChatRequest, Shape, ToolChoice},
    code::ErrorCode,
    envelope::{Adjustment, Prepared},
    error::PrepareError,
    ids::{ModelId, ToolName},
    provider::ProviderRecord,
    reply::{ReasoningPolicy, ReplySpec},
    tier::{ModelTier, is_forwarded_name},
};
use handshake_transport::{
    adapter::{self, BEARER},
    names,
};

use self::tools::Declared;
use crate::{
    dialect, profile,
    wire::request::{ChatBody, Options},
};

/// The one path of chat.
pub(crate) const CHAT_PATH: &str = "/api/chat";

/// Renders an admitted request.
pub(crate) fn prepare(
    record: &ProviderRecord,
    admitted: &Admitted,
) -> Result<Prepared, PrepareError> {
    let route = admitted.route();
    if route.record.provider_id != record.provider_id || route.record.revision != record.revision {
        return Err(PrepareError::new(ErrorCode::Revision, "provider"));
    }
    stays_local(record, &route.model)?;
    let rendered = match &admitted.request().verbatim {
        Some(verbatim) if verbatim.shape() == Shape::OllamaChat => {
            verbatim::render(record, admitted, verbatim)?
        }
        // Another shape's body that was never read into messages has nothing to translate.
        Some(_) if admitted.request().messages.is_empty() => return Err(invalid("verbatim")),
        _ => translate(record, admitted)?,
    };
    let reply = reply(record, admitted, &rendered);
    let accept = if rendered.stream {
        "application/x-ndjson"
    } else {
        "application/json"
    };
    // A daemon has no keys of its own; its vendor's cloud and proxies before it do.
    let mut envelope = adapter::post(record, CHAT_PATH, BEARER, accept, rendered.body);
    envelope.model_id = Some(route.model.clone());
    envelope.check().map_err(|_| invalid("envelope"))?;
    Ok(Prepared::new(envelope, reply, rendered.adjusted))
}

/// A name that the daemon forwards is never sent to a Local provider, not even to ask about it: the asking
/// is forwarded too.
pub(crate) fn stays_local(record: &ProviderRecord, model: &ModelId) -> Result<(), PrepareError> {
    if record.tier == ModelTier::Local && is_forwarded_name(model.as_str()) {
        return Err(PrepareError::new(ErrorCode::TierMismatch, "model"));
    }
    Ok(())
}

/// What a body is, beside its bytes.
struct Rendered {
    body: Bytes,
    stream: bool,
    tool_names: BTreeMap<String, ToolName>,
    tool_choice: Option<ToolChoice>,
    structured: bool,
    adjusted: Vec<Adjustment>,
}

fn translate(record: &ProviderRecord, admitted: &Admitted) -> Result<Rendered, PrepareError> {
    let request = admitted.request();
    let route = admitted.route();
    let family = profile::family_rules(route.snapshot.family.as_ref(), &route.model);
    let declared = Declared::new(request)?;
    let name = dialect::sent_name(record, &route.snapshot, &route.model);
    let mut adjusted = Vec::new();
    if request.params.max_tokens != admitted.max_tokens() {
        adjusted.push(adjustment(
            "max_tokens",
            request.params.max_tokens,
            admitted.max_tokens(),
        ));
    }
    let known = (family.name != profile::UNKNOWN_NAME).then_some(family.name);
    let (messages, escaped) = messages::render(&route.snapshot, request, &declared, known)?;
    if escaped > 0 {
        adjusted.push(adjustment("control_tokens", Some(escaped), Some(0)));
    }
    let mut body = ChatBody {
        model: &name,
        messages,
        tools: declared.render(request)?,
        format: request.structured_output_schema.as_ref(),
        think: think::decide(
            &route.snapshot,
            family,
            request.params.reasoning,
            &mut adjusted,
        )?,
        options: Options {
            num_ctx: None,
            num_predict: admitted.max_tokens(),
            temperature: request.params.temperature,
            top_p: request.params.top_p,
            seed: request.params.seed,
            stop: &request.params.stop,
        },
        stream: request.stream,
        truncate: false,
        shift: false,
    };
    let num_ctx = window::size(&body, admitted)?;
    body.options.num_ctx = Some(num_ctx);
    adjusted.push(adjustment("num_ctx", None, Some(num_ctx)));
    let bytes = serde_json::to_vec(&body).map_err(|_| invalid("body"))?;
    Ok(Rendered {
        body: bytes.into(),
        stream: request.stream,
        tool_choice: request.tool_choice.clone(),
        structured: request.structured_output_schema.is_some(),
        adjusted,
        tool_names: declared.into_names(),
    })
}

fn reply(record: &ProviderRecord, admitted: &Admitted, rendered: &Rendered) -> ReplySpec {
    let route = admitted.route();
    ReplySpec {
        raw: admitted.request().verbatim.is_some(),
        model_may_differ: record.tier == ModelTier::Cloud,
        stream: rendered.stream,
        requested_model: Some(route.model.clone()),
        tool_names: Some(rendered.tool_names.clone()),
        tool_mode: admitted.tool_mode(),
        emulated: admitted.emulated().cloned(),
        tool_choice: rendered.tool_choice.clone(),
        structured: rendered.structured,
        reasoning: reasoning(&route.snapshot),
        dialect: dialect::of(record),
        family: route.snapshot.family.clone(),
        call_seed: call_seed(admitted.request(), &rendered.body),
    }
}

/// How thinking is told apart: by the daemon where it knows that the model thinks; in the text only where
/// somebody said that it stands there.
fn reasoning(snapshot: &CapabilitySnapshot) -> ReasoningPolicy {
    let supports = |feature| snapshot.capabilities.supports(feature) == Support::Yes;
    if supports(Feature::SupportsThinking) || !supports(Feature::RequiresThinkingBlockScrubbing) {
        return ReasoningPolicy::Channel;
    }
    let family = profile::family_rules(snapshot.family.as_ref(), &snapshot.model_id);
    if family.preopened {
        ReasoningPolicy::Preopened
    } else {
        ReasoningPolicy::LeadingBlock
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

fn adjustment(parameter: &str, requested: Option<u64>, effective: Option<u64>) -> Adjustment {
    Adjustment {
        parameter: parameter.to_owned(),
        requested,
        effective,
    }
}

fn invalid(subject: &'static str) -> PrepareError {
    PrepareError::new(ErrorCode::InvalidRequest, subject)
}

fn unsupported(parameter: &'static str) -> PrepareError {
    PrepareError::new(ErrorCode::ParameterUnsupported, parameter)
}
