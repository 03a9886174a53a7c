//! The event stream of a call, as it is published: one JSON object a line, or text for people.

use handshake_core::{
    chat::{ChatEvent, FinishReason, TurnEvent},
    ids::{ModelId, TraceId},
};
use handshake_llm::parts::runtime::CallHandle;
use serde_json::{Value, json};

use crate::{
    error::{AppError, Result},
    out::Out,
};

/// The published form of one event. `None` for events that have no published form.
pub(crate) fn published(event: &TurnEvent) -> Option<Value> {
    Some(match event {
        TurnEvent::TurnStarted {
            trace_id,
            session_id,
            provider_id,
            model_id,
            tier,
            turn,
        } => json!({
            "type": "started", "trace_id": trace_id, "session_id": session_id,
            "provider_id": provider_id, "model_id": model_id, "tier": tier, "turn": turn,
        }),
        TurnEvent::AwaitingConsent {
            request_id,
            deadline,
            ..
        } => {
            json!({ "type": "awaiting_consent", "request_id": request_id, "deadline": deadline })
        }
        TurnEvent::Redacted { values, places } => {
            json!({ "type": "redacted", "values": values, "places": places })
        }
        TurnEvent::Paused { deadline } => json!({ "type": "paused", "deadline": deadline }),
        TurnEvent::ToolResult {
            tool_call_id,
            ok,
            error,
        } => {
            let mut value =
                json!({ "type": "tool_result", "tool_call_id": tool_call_id, "ok": ok });
            if let Some(code) = error {
                value["error"] = json!(code);
            }
            value
        }
        TurnEvent::Chat(event) => return chat(event),
        _ => return None,
    })
}

/// The published form of one event of one call.
pub(crate) fn chat(event: &ChatEvent) -> Option<Value> {
    Some(match event {
        ChatEvent::Started | ChatEvent::ProviderState { .. } => return None,
        ChatEvent::TextDelta { text } => json!({ "type": "text_delta", "text": text }),
        ChatEvent::ReasoningDelta { text } => json!({ "type": "reasoning_delta", "text": text }),
        ChatEvent::Refusal { text } => json!({ "type": "refusal", "text": text }),
        ChatEvent::ToolCall(call) => json!({
            "type": "tool_call", "tool_call_id": call.tool_call_id, "tool_id": call.tool_id,
            "arguments": call.arguments,
        }),
        ChatEvent::ModelAnswered { model_id } => {
            json!({ "type": "model_answered", "model_id": model_id })
        }
        ChatEvent::Usage(usage) => {
            let mut value = json!(usage);
            value["type"] = json!("usage");
            value
        }
        ChatEvent::Finished {
            finish_reason,
            tool_mode,
            refusal_suspected,
        } => {
            let mut value = json!({ "type": "finished", "finish_reason": finish_reason });
            if *tool_mode != handshake_core::chat::ToolMode::Native {
                value["tool_mode"] = json!(tool_mode);
            }
            if *refusal_suspected {
                value["refusal_suspected"] = json!(true);
            }
            value
        }
        _ => return None,
    })
}

/// Shows a call to its end. Ctrl-C cancels it, cooperatively.
///
/// # Errors
/// The call's terminal failure; in JSON mode it was printed as the stream's last line too.
pub(crate) async fn show(
    out: Out,
    mut handle: CallHandle,
    trace_id: TraceId,
) -> Result<FinishReason> {
    let cancel = handle.canceller();
    let watcher = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    let ended = drain(out, &mut handle, trace_id).await;
    watcher.abort();
    ended
}

async fn drain(out: Out, handle: &mut CallHandle, trace_id: TraceId) -> Result<FinishReason> {
    while let Some(event) = handle.next().await {
        match event {
            Ok(event) => {
                if let Some(value) = published(&event) {
                    out.object(&value);
                }
                people(out, &event);
                if let TurnEvent::Chat(ChatEvent::Finished { finish_reason, .. }) = event {
                    return Ok(finish_reason);
                }
            }
            Err(error) => {
                let error = AppError::from(error).traced(trace_id);
                out.object(&json!({ "type": "error", "error": error }));
                return Err(error);
            }
        }
    }
    Err(AppError::from(handshake_core::error::CallError::new(
        handshake_core::code::ErrorCode::StreamTruncated,
        handshake_core::code::Phase::Stream,
    )))
}

fn people(out: Out, event: &TurnEvent) {
    match event {
        TurnEvent::AwaitingConsent { request_id, .. } => {
            out.note(format!(
                "Waiting for approval: run `handshake approve {request_id}` in another terminal"
            ));
        }
        TurnEvent::Paused { .. } => {
            out.note("Cloud calls are paused: run `handshake resume` in another terminal");
        }
        TurnEvent::Redacted { values: 1, .. } => {
            out.note("Redacted: 1 value was replaced by a stand-in before sending");
        }
        TurnEvent::Redacted { values, .. } => {
            out.note(format!(
                "Redacted: {values} values were replaced by stand-ins before sending"
            ));
        }
        TurnEvent::ToolResult { ok, error, .. } => match error {
            None => out.note(format!(
                "  tool result: {}",
                if *ok { "ok" } else { "error" }
            )),
            Some(code) => out.note(format!("  tool denied: {code}")),
        },
        TurnEvent::Chat(ChatEvent::TextDelta { text } | ChatEvent::Refusal { text }) => {
            out.text(text)
        }
        TurnEvent::Chat(ChatEvent::ToolCall(call)) => {
            out.note(format!(
                "  tool call: {} {}",
                call.tool_id,
                Value::Object(call.arguments.clone())
            ));
        }
        TurnEvent::Chat(ChatEvent::ModelAnswered { model_id }) => {
            let model = model_id
                .as_ref()
                .map_or("one without a valid name", ModelId::as_str);
            out.note(format!("warning: another model answers: {model}"));
        }
        TurnEvent::Chat(ChatEvent::Finished { finish_reason, .. }) => {
            out.text("\n");
            if *finish_reason != FinishReason::Stop {
                out.note(format!("(finish reason: {})", finish_reason.as_str()));
            }
        }
        _ => {}
    }
}
