//! Answers in the OpenAI shape: one object, or a stream of chunks.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use handshake_core::{
    chat::{ChatEvent, ChatResponse, FinishReason, Fold, TokenUsage, ToolCall, TurnEvent},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::TraceId,
    tier::ModelTier,
};
use handshake_runtime::CallHandle;
use serde_json::{Value, json};

use super::{failure, openai::Read};

/// How long a streaming client hears nothing while a person is asked; then comments keep it alive.
const SILENCE: Duration = Duration::from_secs(60);
/// Between two comments.
const COMMENT_EVERY: Duration = Duration::from_secs(10);

/// Waits for the first event that decides the status, then answers.
pub(super) async fn answer(
    handle: CallHandle,
    read: Read,
    trace: TraceId,
    overhead: Duration,
) -> Response {
    let head = Head {
        model: read.model.clone(),
        trace,
        overhead,
        advisory: read.advisory.clone(),
    };
    if !read.stream {
        return whole(handle, &head).await;
    }
    let mut handle = handle;
    let patience = tokio::time::sleep(SILENCE);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            () = &mut patience => return streamed(handle, head, None, read.include_usage),
            event = handle.next() => match event {
                Some(Ok(TurnEvent::TurnStarted { tier, .. })) => {
                    return streamed(handle, head, Some(tier), read.include_usage);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return failure::answer(&error, trace),
                None => return failure::answer(&truncated(), trace),
            }
        }
    }
}

fn truncated() -> CallError {
    CallError::new(ErrorCode::StreamTruncated, Phase::Stream)
}

struct Head {
    model: String,
    trace: TraceId,
    overhead: Duration,
    advisory: Vec<&'static str>,
}

impl Head {
    fn put(&self, response: &mut Response, tier: Option<ModelTier>) {
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        };
        set("x-handshake-trace", self.trace.to_string());
        set(
            "x-handshake-overhead-us",
            self.overhead.as_micros().to_string(),
        );
        if let Some(tier) = tier {
            set(
                "x-handshake-tier",
                json!(tier).as_str().unwrap_or_default().to_owned(),
            );
        }
        if !self.advisory.is_empty() {
            set("x-handshake-adjusted", self.advisory.join(","));
        }
    }

    fn chunk(&self, delta: Value, finish: Option<&str>) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.trace), "object": "chat.completion.chunk", "created": 0,
            "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        })
    }
}

async fn whole(mut handle: CallHandle, head: &Head) -> Response {
    let mut tier = None;
    let mut fold = Fold::new();
    while let Some(event) = handle.next().await {
        match event {
            Err(error) => return failure::answer(&error, head.trace),
            Ok(TurnEvent::TurnStarted {
                tier: effective, ..
            }) => tier = Some(effective),
            Ok(TurnEvent::Chat(event)) => {
                let last = matches!(event, ChatEvent::Finished { .. });
                if fold.push(event).is_err() {
                    return failure::answer(&truncated(), head.trace);
                }
                if last {
                    return match fold.finish() {
                        Ok(answer) => {
                            let mut response = Json(object(&answer, head)).into_response();
                            head.put(&mut response, tier);
                            response
                        }
                        Err(_) => failure::answer(&truncated(), head.trace),
                    };
                }
            }
            Ok(_) => {}
        }
    }
    failure::answer(&truncated(), head.trace)
}

fn object(answer: &ChatResponse, head: &Head) -> Value {
    let mut message = json!({
        "role": "assistant",
        "content": if answer.message.is_empty() { Value::Null } else { json!(answer.message) },
        "refusal": answer.refusal,
    });
    if let Some(reasoning) = &answer.reasoning {
        message["reasoning_content"] = json!(reasoning);
    }
    if !answer.tool_calls.is_empty() {
        message["tool_calls"] = answer.tool_calls.iter().map(call).collect();
    }
    let mut object = json!({
        "id": format!("chatcmpl-{}", head.trace), "object": "chat.completion", "created": 0,
        "model": head.model,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish(answer.finish_reason), "logprobs": null }],
    });
    if let Some(usage) = usage(&answer.usage) {
        object["usage"] = usage;
    }
    object
}

/// The call under the id that its provider gave, so that the client's next request can be replayed to it.
fn call(call: &ToolCall) -> Value {
    let id = call
        .provider_call_id
        .as_ref()
        .map_or_else(|| call.tool_call_id.to_string(), ToString::to_string);
    json!({
        "id": id, "type": "function",
        "function": { "name": call.tool_id, "arguments": Value::Object(call.arguments.clone()).to_string() },
    })
}

fn finish(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Error => "stop",
        FinishReason::ToolUse => "tool_calls",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
    }
}

/// What was reported. Absent is not zero: without both counts there is no usage.
fn usage(usage: &TokenUsage) -> Option<Value> {
    let (prompt, completion) = (usage.prompt_tokens?, usage.completion_tokens?);
    Some(json!({
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": usage.total_tokens.unwrap_or(prompt + completion),
        "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
    }))
}

struct Streaming {
    handle: CallHandle,
    head: Head,
    include_usage: bool,
    usage: TokenUsage,
    calls: usize,
    first: bool,
    done: bool,
}

/// The chunks. Dropping the body, as a client that hangs up does, cancels the call.
fn streamed(
    handle: CallHandle,
    head: Head,
    tier: Option<ModelTier>,
    include_usage: bool,
) -> Response {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.put(&mut response, tier);
    let state = Streaming {
        handle,
        head,
        include_usage,
        usage: TokenUsage::default(),
        calls: 0,
        first: true,
        done: false,
    };
    let chunks = futures_util::stream::unfold(state, |mut state| async move {
        if state.done {
            return None;
        }
        let bytes = state.next().await;
        Some((Ok::<_, Infallible>(Bytes::from(bytes)), state))
    });
    *response.body_mut() = Body::from_stream(chunks);
    response
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

impl Streaming {
    async fn next(&mut self) -> String {
        loop {
            let event = tokio::select! {
                () = tokio::time::sleep(COMMENT_EVERY) => return ": waiting\n\n".to_owned(),
                event = self.handle.next() => event,
            };
            let text = match event {
                None => Some(self.failed(&truncated())),
                Some(Err(error)) => Some(self.failed(&error)),
                Some(Ok(TurnEvent::Chat(event))) => self.event(event),
                Some(Ok(_)) => None,
            };
            if let Some(text) = text {
                return text;
            }
        }
    }

    fn failed(&mut self, error: &CallError) -> String {
        self.done = true;
        data(&failure::object(error, self.head.trace))
    }

    fn event(&mut self, event: ChatEvent) -> Option<String> {
        let mut delta = match event {
            ChatEvent::TextDelta { text } => json!({ "content": text }),
            ChatEvent::ReasoningDelta { text } => json!({ "reasoning_content": text }),
            ChatEvent::Refusal { text } => json!({ "refusal": text }),
            ChatEvent::ToolCall(one) => {
                let mut one = call(&one);
                one["index"] = json!(self.calls);
                self.calls += 1;
                json!({ "tool_calls": [one] })
            }
            ChatEvent::Usage(usage) => {
                self.usage = usage;
                return None;
            }
            ChatEvent::Finished { finish_reason, .. } => return Some(self.finished(finish_reason)),
            _ => return None,
        };
        if std::mem::take(&mut self.first) {
            delta["role"] = json!("assistant");
        }
        Some(data(&self.head.chunk(delta, None)))
    }

    fn finished(&mut self, reason: FinishReason) -> String {
        self.done = true;
        let delta = if self.first {
            json!({ "role": "assistant", "content": "" })
        } else {
            json!({})
        };
        let mut text = data(&self.head.chunk(delta, Some(finish(reason))));
        if self.include_usage {
            let mut chunk = self.head.chunk(json!({}), None);
            chunk["choices"] = json!([]);
            chunk["usage"] = usage(&self.usage).unwrap_or(Value::Null);
            text.push_str(&data(&chunk));
        }
        text + "data: [DONE]\n\n"
    }
}
