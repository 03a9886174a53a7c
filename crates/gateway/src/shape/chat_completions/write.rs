//! Answers of another shape's provider, rendered: one object, or a stream of chunks.

mod dto;

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use bytes::{BufMut, BytesMut};
use handshake_core::chat::{ChatEvent, ChatResponse, FinishReason, Fold, TokenUsage};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Serialize;

use self::dto::{Call, Choice, Chunk, ChunkChoice, Delta, Message, Object, Usage};
use super::errors;
use crate::{
    answer,
    running::{Next, Running, Stop},
};

/// Keeps a client alive; every reader of event streams skips it.
pub(super) const COMMENT: &[u8] = b": waiting\n\n";

/// What the client is told about its request.
pub(super) struct Asked {
    /// The model, by the client's own name.
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// What was left out.
    pub(super) advisory: Vec<String>,
    /// Seconds since 1970.
    pub(super) created: i64,
    pub(super) trailer: bool,
}

/// Waits for the first piece, which decides the status, then answers.
pub(super) async fn answer(mut running: Running, asked: Asked) -> Response {
    if !asked.stream {
        return whole(running, &asked).await;
    }
    let first = loop {
        match running.next_or_silence(false).await {
            Ok(Next::Head(_)) => {}
            Ok(Next::Batch(batch)) => break First::Events(batch.events),
            Ok(Next::Silence) => break First::Comment,
            Err(stop) => return stopped(&running, &stop),
        }
    };
    streamed(running, asked, first)
}

fn stopped(running: &Running, stop: &Stop) -> Response {
    match stop {
        Stop::Busy => errors::busy(),
        Stop::Failed(error) => errors::answer(running, error),
    }
}

fn adjusted(response: &mut Response, asked: &Asked) {
    if !asked.advisory.is_empty()
        && let Ok(value) = HeaderValue::from_str(&asked.advisory.join(","))
    {
        response.headers_mut().insert(answer::ADJUSTED, value);
    }
}

async fn whole(mut running: Running, asked: &Asked) -> Response {
    let mut fold = Fold::new();
    let answer = loop {
        let batch = match running.next().await {
            Ok(Next::Batch(batch)) => batch,
            Ok(_) => continue,
            Err(stop) => return stopped(&running, &stop),
        };
        let mut last = false;
        let mut folded = Ok(());
        for event in batch.events {
            last |= matches!(event, ChatEvent::Finished { .. });
            folded = folded.and_then(|()| fold.push(event));
        }
        match (folded, last) {
            (Ok(()), false) => {}
            (Ok(()), true) => break fold.finish(),
            (Err(broken), _) => break Err(broken),
        }
    };
    let Ok(answer) = answer else {
        let error = running.broken();
        return errors::answer(&running, &error);
    };
    running.finished();
    let id = format!("chatcmpl-{}", running.trace);
    let mut body = Vec::with_capacity(answer.message.len() + 512);
    // Texts, numbers and names always serialise.
    drop(serde_json::to_writer(
        &mut body,
        &object(&answer, &id, asked),
    ));
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    adjusted(&mut response, asked);
    answer::marks(&mut response, &running, true);
    *response.body_mut() = answer::held(body.into(), running);
    response
}

fn object<'a>(answer: &'a ChatResponse, id: &'a str, asked: &'a Asked) -> Object<'a> {
    Object {
        id,
        object: "chat.completion",
        created: asked.created,
        model: &asked.model,
        choices: [Choice {
            index: 0,
            message: Message {
                role: "assistant",
                content: Some(answer.message.as_str()).filter(|text| !text.is_empty()),
                refusal: answer.refusal.as_deref(),
                reasoning_content: answer.reasoning.as_deref(),
                tool_calls: answer
                    .tool_calls
                    .iter()
                    .map(|call| Call::of(call, None))
                    .collect(),
            },
            finish_reason: finish(answer.finish_reason),
            logprobs: None,
        }],
        usage: Usage::of(&answer.usage),
    }
}

fn finish(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Error => "stop",
        FinishReason::ToolUse => "tool_calls",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
    }
}

enum First {
    Events(Vec<ChatEvent>),
    Comment,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Open,
    Ending,
    Over,
}

struct Streaming {
    running: Running,
    asked: Asked,
    id: String,
    first: Option<First>,
    usage: TokenUsage,
    calls: u32,
    /// Whether the role was told.
    begun: bool,
    state: State,
    out: BytesMut,
}

/// The chunks. Dropping the body, as a client that hangs up does, cancels the call.
fn streamed(running: Running, asked: Asked, first: First) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    adjusted(&mut response, &asked);
    answer::marks(&mut response, &running, false);
    if asked.trailer {
        answer::announce(&mut response);
    }
    let state = Streaming {
        id: format!("chatcmpl-{}", running.trace),
        running,
        asked,
        first: Some(first),
        usage: TokenUsage::default(),
        calls: 0,
        begun: false,
        state: State::Open,
        out: BytesMut::new(),
    };
    let frames = futures_util::stream::unfold(state, |mut state| async move {
        let frame = state.next().await?;
        Some((Ok::<_, Infallible>(frame), state))
    });
    *response.body_mut() = Body::new(StreamBody::new(frames));
    response
}

impl Streaming {
    /// What one batch becomes: one write.
    async fn next(&mut self) -> Option<Frame<Bytes>> {
        match self.state {
            State::Open => {}
            State::Ending => {
                self.state = State::Over;
                return Some(answer::trailer(&self.running));
            }
            State::Over => return None,
        }
        let mut events = match self.first.take() {
            Some(First::Comment) => return Some(comment()),
            Some(First::Events(events)) => Some(events),
            None => None,
        };
        loop {
            let batch = match events.take() {
                Some(events) => events,
                None => match self.running.next_or_silence(true).await {
                    Ok(Next::Silence) => return Some(comment()),
                    Ok(Next::Head(_)) => continue,
                    Ok(Next::Batch(batch)) => batch.events,
                    Err(stop) => {
                        self.end();
                        return Some(Frame::data(errors::event(&self.running, &stop)));
                    }
                },
            };
            for event in batch {
                self.event(event);
            }
            if !self.out.is_empty() {
                return Some(Frame::data(self.out.split().freeze()));
            }
        }
    }

    fn end(&mut self) {
        self.state = match self.asked.trailer {
            true => State::Ending,
            false => State::Over,
        };
    }

    fn event(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::TextDelta { text } => self.delta(Delta {
                content: Some(&text),
                ..Delta::default()
            }),
            ChatEvent::ReasoningDelta { text } => self.delta(Delta {
                reasoning_content: Some(&text),
                ..Delta::default()
            }),
            ChatEvent::Refusal { text } => self.delta(Delta {
                refusal: Some(&text),
                ..Delta::default()
            }),
            ChatEvent::ToolCall(call) => {
                let calls = [Call::of(&call, Some(self.calls))];
                self.calls += 1;
                self.delta(Delta {
                    tool_calls: &calls,
                    ..Delta::default()
                });
            }
            ChatEvent::Usage(usage) => self.usage = usage,
            ChatEvent::Finished { finish_reason, .. } => self.finished(finish_reason),
            _ => {}
        }
    }

    fn delta(&mut self, mut delta: Delta<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            delta.role = Some("assistant");
        }
        self.chunk(delta, None);
    }

    fn chunk(&mut self, delta: Delta<'_>, finish_reason: Option<&'static str>) {
        let choices = [ChunkChoice {
            index: 0,
            delta,
            finish_reason,
        }];
        self.data(&choices, None);
    }

    fn data(&mut self, choices: &[ChunkChoice<'_>], usage: Option<Option<Usage>>) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.asked.created,
            model: &self.asked.model,
            choices,
            usage,
        };
        write(&mut self.out, &chunk);
    }

    fn finished(&mut self, reason: FinishReason) {
        self.running.finished();
        self.end();
        let delta = match self.begun {
            true => Delta::default(),
            false => Delta {
                role: Some("assistant"),
                content: Some(""),
                ..Delta::default()
            },
        };
        self.chunk(delta, Some(finish(reason)));
        if self.asked.include_usage {
            self.data(&[], Some(Usage::of(&self.usage)));
        }
        self.out.put_slice(b"data: [DONE]\n\n");
    }
}

fn write<T: Serialize>(out: &mut BytesMut, chunk: &T) {
    out.put_slice(b"data: ");
    // Texts, numbers and names always serialise.
    drop(serde_json::to_writer(out.writer(), chunk));
    out.put_slice(b"\n\n");
}

fn comment() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(COMMENT))
}
