//! Playing one call to its end, and showing it as it happens.

use handshake_core::{
    chat::{ChatEvent, ChatRequest, FinishReason, TurnEvent},
    code::{ErrorCode, Phase},
    error::CallError,
};
use handshake_llm::parts::runtime::CallOptions;

use super::{Stage, acts::consent};
use crate::{error::Result, out::Out, stream::published};

/// What a call came to.
pub(super) struct Played {
    pub(super) text: String,
    pub(super) tool_calls: usize,
    pub(super) tools_ok: bool,
    pub(super) asked: bool,
    pub(super) end: std::result::Result<FinishReason, CallError>,
}

/// Plays a call to its end, showing it as it happens. With `approve`, consent is given when it is asked for.
pub(super) async fn play(
    stage: &Stage,
    request: ChatRequest,
    options: CallOptions,
    approve: bool,
) -> Result<Played> {
    let out = stage.out;
    let mut handle = stage.app.runtime.chat(request, options);
    let mut played = Played {
        text: String::new(),
        tool_calls: 0,
        tools_ok: true,
        asked: false,
        end: Err(cut()),
    };
    let mut begun = false;
    while let Some(event) = handle.next().await {
        if let Ok(event) = &event
            && let Some(value) = published(event)
        {
            out.object(&value);
        }
        match event {
            Err(error) => {
                played.end = Err(error);
                break;
            }
            Ok(TurnEvent::AwaitingConsent { request_id, .. }) => {
                played.asked = true;
                out.line("  The call is waiting for approval: a person must see what would leave.");
                if approve {
                    consent(stage, request_id).await?;
                }
            }
            Ok(TurnEvent::ToolResult { ok, .. }) => {
                played.tools_ok &= ok;
                out.line(format!(
                    "  the tool gate allowed it; tool result: {}",
                    if ok { "ok" } else { "error" }
                ));
            }
            Ok(TurnEvent::Chat(ChatEvent::ToolCall(call))) => {
                played.tool_calls += 1;
                let arguments = serde_json::Value::Object(call.arguments);
                out.line(format!(
                    "  the model calls {} with {arguments}",
                    call.tool_id
                ));
            }
            Ok(TurnEvent::Chat(ChatEvent::TextDelta { text })) => {
                if !std::mem::replace(&mut begun, true) {
                    out.text("  model: ");
                }
                out.text(&text);
                played.text.push_str(&text);
            }
            Ok(TurnEvent::Chat(ChatEvent::Finished { finish_reason, .. })) => {
                played.end = Ok(finish_reason);
                break;
            }
            Ok(_) => {}
        }
    }
    if begun {
        out.text("\n");
    }
    Ok(played)
}

fn cut() -> CallError {
    CallError::new(ErrorCode::StreamTruncated, Phase::Stream)
}

pub(super) fn denied(played: &Played, code: ErrorCode) -> bool {
    matches!(&played.end, Err(error) if error.code == code)
}

pub(super) fn say(out: Out, played: &Played) {
    if let Err(error) = &played.end {
        out.line(format!("  {error}"));
    }
}
