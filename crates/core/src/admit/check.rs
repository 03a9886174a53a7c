//! The checks, in a fixed order, so that the same request always fails for the same reason.

use std::{collections::BTreeSet, sync::Arc};

use super::{Admitted, Emulation, Route};
use crate::{
    capability::{CapabilitySnapshot, Feature, Limit, Support},
    chat::{ChatRequest, Message, Params, Role, ToolChoice, ToolMode},
    code::{ErrorCode, Phase},
    digest::Digest,
    emulation,
    error::CallError,
    ids::ToolCallId,
    tier::ModelTier,
    tool::check_schema,
};

/// The most tools in one request.
const MAX_TOOLS: usize = 128;

pub(super) fn admit(
    request: Arc<ChatRequest>,
    route: Route,
    emulation: Emulation,
) -> Result<Admitted, CallError> {
    enabled(&route)?;
    same_reading(&request, &route)?;
    messages(&request)?;
    tools(&request)?;
    let tool_mode = features(&request, &route.snapshot, emulation)?;
    params(&request.params)?;
    let limit = route.snapshot.capabilities.limit(Limit::MaxOutputTokens);
    let max_tokens = request
        .params
        .max_tokens
        .map(|asked| limit.map_or(asked, |limit| asked.min(limit)));
    let (request, emulated) = match tool_mode {
        ToolMode::Native => (request, None),
        ToolMode::EmulatedV1 => {
            let structured = Feature::SupportsStructuredOutput;
            let constrained = route.snapshot.capabilities.supports(structured) == Support::Yes;
            let (rendered, tools) = emulation::render(&request, constrained);
            (Arc::new(rendered), Some(tools))
        }
    };
    Ok(Admitted {
        request,
        route,
        emulated,
        max_tokens,
        context_limit: None,
    })
}

fn invalid(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::InvalidRequest, Phase::Admit).about(subject)
}

fn ensure(holds: bool, subject: &'static str) -> Result<(), CallError> {
    if holds { Ok(()) } else { Err(invalid(subject)) }
}

fn enabled(route: &Route) -> Result<(), CallError> {
    let snapshot = &route.snapshot;
    if snapshot.provider_id != route.record.provider_id || snapshot.model_id != route.model {
        // What is known is about another model, so nothing is known about this one.
        return Err(CallError::new(ErrorCode::CapabilityUnknown, Phase::Admit).about("snapshot"));
    }
    if route.record.tier == ModelTier::Cloud && !snapshot.enabled {
        return Err(CallError::new(ErrorCode::Model404, Phase::Admit).about("model_id"));
    }
    Ok(())
}

/// A client's own body says what the request says: the model that is cleared is the one that it names, whatever adapter
/// sends it.
fn same_reading(request: &ChatRequest, route: &Route) -> Result<(), CallError> {
    let Some(verbatim) = &request.verbatim else {
        return Ok(());
    };
    ensure(verbatim.model() == route.model.as_str(), "model")?;
    ensure(verbatim.stream() == request.stream, "stream")
}

fn messages(request: &ChatRequest) -> Result<(), CallError> {
    ensure(request.needs().messages > 0, "messages")?;
    for message in &request.messages {
        ensure(
            message.content_hash == Digest::of(&[message.content.as_bytes()]),
            "content_hash",
        )?;
    }
    // A client's own body is sent as it is; the provider is the one to judge its conversation.
    if request.verbatim.is_some() {
        Ok(())
    } else {
        correlated(&request.messages)
    }
}

/// Every call has its result before the next turn, every result its call before it, every id one use.
fn correlated(messages: &[Message]) -> Result<(), CallError> {
    let mut open: BTreeSet<ToolCallId> = BTreeSet::new();
    let mut seen: BTreeSet<ToolCallId> = BTreeSet::new();
    for message in messages {
        match (message.role, message.tool_call_id, &message.tool_call) {
            (Role::ToolCall, Some(id), Some(call)) => {
                ensure(call.tool_call_id == id && seen.insert(id), "tool_call_id")?;
                open.insert(id);
            }
            (Role::ToolResult, Some(id), None) => ensure(open.remove(&id), "tool_result")?,
            (Role::User | Role::Assistant, None, None) => ensure(open.is_empty(), "tool_call")?,
            (Role::System, None, None) => {}
            _ => return Err(invalid("role")),
        }
    }
    ensure(open.is_empty(), "tool_call")
}

fn tools(request: &ChatRequest) -> Result<(), CallError> {
    ensure(request.tools.len() <= MAX_TOOLS, "tools")?;
    let mut names = BTreeSet::new();
    for tool in &request.tools {
        ensure(
            names.insert(&tool.tool_id) && tool.parameters.is_object(),
            "tools",
        )?;
    }
    match &request.tool_choice {
        // A client's own body declares its tools itself; whoever renders it compares the names.
        Some(ToolChoice::Named(_)) if request.verbatim.is_some() => Ok(()),
        Some(ToolChoice::Required) if request.verbatim.is_some() => {
            ensure(request.needs().tools > 0, "tool_choice")
        }
        Some(ToolChoice::Named(name)) => ensure(names.contains(name), "tool_choice"),
        Some(ToolChoice::Required) => ensure(!names.is_empty(), "tool_choice"),
        Some(ToolChoice::Auto | ToolChoice::None) | None => Ok(()),
    }?;
    match &request.structured_output_schema {
        // It is compiled here, to validate the answer.
        Some(schema) => check_schema(schema).map_err(|_| {
            CallError::new(ErrorCode::SchemaKeyword, Phase::Admit).about("structured_output_schema")
        }),
        None => Ok(()),
    }
}

fn features(
    request: &ChatRequest,
    snapshot: &CapabilitySnapshot,
    emulation: Emulation,
) -> Result<ToolMode, CallError> {
    let needs = request.needs();
    need(snapshot, Feature::SupportsStreaming, request.stream)?;
    let tool_mode = match need(snapshot, Feature::SupportsToolCalling, needs.tool_calling) {
        Ok(()) => ToolMode::Native,
        // A contested feature stays contested: emulation helps only where there is none. A client's own body that is to
        // go as it is says nothing in our words.
        Err(error)
            if emulation == Emulation::On
                && error.code != ErrorCode::CapabilityConflict
                && !request.messages.is_empty() =>
        {
            ToolMode::EmulatedV1
        }
        Err(error) => return Err(error),
    };
    need(
        snapshot,
        Feature::SupportsStructuredOutput,
        needs.structured_output,
    )?;
    need(snapshot, Feature::SupportsMultiTurn, needs.turns > 1)?;
    need(snapshot, Feature::SupportsVision, needs.images)?;
    need(snapshot, Feature::SupportsThinking, needs.reasoning)?;
    Ok(tool_mode)
}

fn need(snapshot: &CapabilitySnapshot, feature: Feature, needed: bool) -> Result<(), CallError> {
    if !needed {
        return Ok(());
    }
    let (unsupported, name) = match feature {
        Feature::SupportsStreaming => (ErrorCode::StreamingUnsupported, "supports_streaming"),
        Feature::SupportsToolCalling => {
            (ErrorCode::ToolCallingUnsupported, "supports_tool_calling")
        }
        Feature::SupportsStructuredOutput => (
            ErrorCode::StructuredOutputUnsupported,
            "supports_structured_output",
        ),
        Feature::SupportsMultiTurn => (ErrorCode::MultiTurnUnsupported, "supports_multi_turn"),
        Feature::SupportsVision => (ErrorCode::VisionUnsupported, "supports_vision"),
        Feature::SupportsThinking => (ErrorCode::ThinkingUnsupported, "supports_thinking"),
        // Precautions and routes: nothing that a request can need.
        Feature::RequiresToolIdSanitization
        | Feature::RequiresThinkingBlockScrubbing
        | Feature::NativeStreamEndpoint => return Ok(()),
    };
    let code = match snapshot.capabilities.supports(feature) {
        _ if snapshot.capabilities.conflicts.contains(&feature) => ErrorCode::CapabilityConflict,
        Support::Yes => return Ok(()),
        Support::No => unsupported,
        Support::Unknown => ErrorCode::CapabilityUnknown,
    };
    Err(CallError::new(code, Phase::Admit).about(name))
}

fn params(params: &Params) -> Result<(), CallError> {
    // A NaN is in no range.
    ensure(
        params.temperature.is_none_or(|t| (0.0..=2.0).contains(&t)),
        "temperature",
    )?;
    ensure(
        params.top_p.is_none_or(|p| (0.0..=1.0).contains(&p)),
        "top_p",
    )?;
    ensure(params.max_tokens.is_none_or(|n| n >= 1), "max_tokens")?;
    ensure(params.stop.iter().all(|text| !text.is_empty()), "stop")
}

#[cfg(test)]
mod tests;
