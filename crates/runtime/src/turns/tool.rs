//! One tool call of a turn: judged, run, judged again, recorded.

use handshake_core::{
    chat::{ChatRequest, Message, ToolCall, TurnEvent},
    code::ErrorCode,
    event::{Body, Transport},
    ids::{MessageId, ToolId},
    label::Label,
    ports::{EntropyExt, ToolInvocation},
    tier::ModelTier,
    tool::{
        HTC_INVALID, HTC_VERSION, Idempotency, ToolError, ToolErrorKind, ToolRequest, ToolResponse,
    },
};

use super::{Conversation, Request};
use crate::redacting::{Redacting, WITHHELD};

impl Request {
    /// One call, through the gate: recorded whether it ran or not.
    pub(super) async fn tool(
        &self,
        request: &ChatRequest,
        call: &ToolCall,
        asked_by: ModelTier,
        conversation: &Conversation,
    ) -> (Message, Label) {
        let label = conversation.label;
        let began = self.ports.clock.monotonic();
        let tool_id = ToolId::new(call.tool_id.as_str()).ok();
        // A registered tool that this request did not offer is none that it may call.
        let entry = tool_id
            .as_ref()
            .filter(|_| {
                request
                    .tools
                    .iter()
                    .any(|tool| tool.tool_id == call.tool_id)
            })
            .and_then(|tool_id| self.ports.tools.get(tool_id));
        let redacting = conversation.redacting.as_ref();
        let args = Redacting::arguments(redacting, entry, &call.arguments);
        let restored = args != call.arguments;
        let (response, joined) = match tool_id {
            None => (
                refused(call, ErrorCode::ToolDenied, "no such tool", Vec::new()),
                label,
            ),
            Some(tool_id) => {
                let key = call.tool_call_id.to_string();
                let keyed = entry.filter(|e| e.idempotency == Idempotency::IdempotentWithKey);
                let message = ToolRequest {
                    schema_version: HTC_VERSION.to_owned(),
                    tool_call_id: call.tool_call_id,
                    trace_id: request.trace_id,
                    session_id: request.session_id.clone(),
                    actor: request.principal.clone(),
                    tool_id,
                    tool_version: entry
                        .map_or_else(|| "0.0.0".to_owned(), |e| e.tool_version.clone()),
                    args,
                    idempotency_key: keyed.map(|_| key),
                    dry_run: false,
                };
                let invocation = ToolInvocation {
                    entry,
                    request: &message,
                    principal: &request.principal,
                    session_id: &request.session_id,
                    asked_by,
                    label,
                };
                match (self.ports.tool_gate.check(&invocation), entry) {
                    (Err(no), _) => (refused(call, no.code, no.reason, no.pointers), label),
                    // Without an entry nothing runs, whatever a gate says.
                    (Ok(()), None) => (
                        refused(call, ErrorCode::ToolDenied, "no such tool", Vec::new()),
                        label,
                    ),
                    (Ok(()), Some(entry)) => {
                        let response = self.execute(entry, message).await;
                        // A result without a label is unknown, and unknown does not go to Cloud.
                        (
                            response,
                            label.join(entry.output_label.unwrap_or(Label::UNKNOWN)),
                        )
                    }
                }
            }
        };
        let response = match &entry {
            Some(entry) if response.ok => {
                match self.ports.tool_gate.check_result(entry, &response) {
                    Ok(()) => response,
                    Err(no) => refused(call, no.code, no.reason, no.pointers),
                }
            }
            _ => response,
        };
        let error = response.error.as_ref().map(|error| match error.kind {
            ToolErrorKind::Validation => ErrorCode::ToolCallParse,
            _ => ErrorCode::parse(&error.code).unwrap_or(ErrorCode::ToolDenied),
        });
        let took = self.ports.clock.monotonic().saturating_sub(began);
        let hash = |name: &str, value: &serde_json::Value| {
            self.ports
                .gate
                .commitments()
                .commit(name, &[value.to_string().as_bytes()])
        };
        self.log.submit(Body::ToolCall {
            tool_call_id: call.tool_call_id,
            tool_id: call.tool_id.clone(),
            tool_version_hash: None,
            transport: Transport::Builtin,
            side_effect: entry.map(|entry| entry.side_effect),
            idempotency: entry.map(|entry| entry.idempotency),
            ok: response.ok,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            args_hash: hash(
                "hsk.event.args.v1",
                &serde_json::Value::Object(call.arguments.clone()),
            ),
            result_hash: response
                .result
                .as_ref()
                .map(|result| hash("hsk.event.result.v1", result)),
            error,
        });
        self.out
            .event(TurnEvent::ToolResult {
                tool_call_id: call.tool_call_id,
                ok: response.ok,
                error,
            })
            .await;
        let content = match restored {
            true => WITHHELD.to_owned(),
            false => content(&response),
        };
        let id = MessageId::from_entropy(self.ports.entropy.bytes());
        (
            Message::result(id, call.tool_call_id, content, self.ports.clock.now()),
            joined,
        )
    }

    async fn execute(
        &self,
        entry: &handshake_core::tool::ToolEntry,
        message: ToolRequest,
    ) -> ToolResponse {
        let tool_call_id = message.tool_call_id;
        let stopped = |kind, code: ErrorCode, text: &str| ToolResponse {
            schema_version: HTC_VERSION.to_owned(),
            tool_call_id,
            ok: false,
            result: None,
            error: Some(ToolError {
                code: code.as_str().to_owned(),
                kind,
                message: text.to_owned(),
                retryable: false,
                details: Vec::new(),
            }),
            duration_ms: 0,
            resources: std::collections::BTreeMap::new(),
        };
        tokio::select! {
            () = self.cancel.cancelled() => {
                stopped(ToolErrorKind::Canceled, ErrorCode::Cancelled, "the call was cancelled")
            }
            () = tokio::time::sleep(self.config.tool_timeout) => {
                stopped(ToolErrorKind::Timeout, ErrorCode::Timeout, "the tool took too long")
            }
            response = self.ports.executor.execute(entry, message) => response,
        }
    }
}

/// What the model is told: the result, or the failure without any detail of the arguments.
fn content(response: &ToolResponse) -> String {
    match (&response.result, &response.error) {
        (Some(serde_json::Value::String(text)), _) if response.ok => text.clone(),
        (Some(result), _) if response.ok => result.to_string(),
        (_, Some(error)) => {
            serde_json::json!({ "error": { "code": error.code, "message": error.message } })
                .to_string()
        }
        _ => serde_json::json!({ "ok": response.ok }).to_string(),
    }
}

fn refused(call: &ToolCall, code: ErrorCode, reason: &str, details: Vec<String>) -> ToolResponse {
    let (code, kind) = match code {
        ErrorCode::ToolCallParse => (HTC_INVALID, ToolErrorKind::Validation),
        other => (other.as_str(), ToolErrorKind::Policy),
    };
    ToolResponse {
        schema_version: HTC_VERSION.to_owned(),
        tool_call_id: call.tool_call_id,
        ok: false,
        result: None,
        error: Some(ToolError {
            code: code.to_owned(),
            kind,
            message: reason.to_owned(),
            retryable: false,
            details,
        }),
        duration_ms: 0,
        resources: std::collections::BTreeMap::new(),
    }
}
