//! Decoding of answers, without IO: the same code serves the socket, recordings and fuzzing.

mod content;
mod echo;
mod end;
mod slots;
mod state;
mod turn;
mod usage;

use handshake_core::{
    chat::ChatEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};
use handshake_transport::{
    adapter,
    framing::{SseFrame, SseFramer},
};
use serde_json::Value;

pub(crate) use self::state::Stored;
use self::turn::{Form, Turn};
use crate::{dialect::Dialect, failure, wire::reply::Chunk};

/// The media types of a stream.
pub(crate) const STREAMS: &[&str] = &["text/event-stream"];

/// Names of events that say nothing but that the server is there.
const PINGS: [&str; 4] = ["ping", "keepalive", "keep-alive", "heartbeat"];

/// A decoder for one answer.
pub(crate) fn decoder(reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
    let dialect = Dialect::find(reply.dialect.as_str()).unwrap_or_else(Dialect::generic);
    Box::new(adapter::Decoder::new(
        reply,
        head,
        STREAMS,
        SseFramer::default(),
        Turn::new(dialect, reply.clone()),
    ))
}

impl adapter::Turn<SseFramer> for Turn {
    fn frame(&mut self, frame: SseFrame<'_>, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        let data = frame.data.trim();
        match frame.event {
            "" => {}
            "error" => return Err(failure::streamed(data.as_bytes(), self.dialect)),
            name if PINGS.contains(&name) => return Ok(()),
            _ => {}
        }
        if data.starts_with("[DONE]") {
            return self.close(events);
        }
        match serde_json::from_str(data) {
            Ok(mut chunk) => self.parsed(&mut chunk, data.as_bytes(), Form::Stream, events),
            Err(_) => Err(no_chunk(data.as_bytes(), self.dialect)),
        }
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        match serde_json::from_slice(body) {
            Ok(mut chunk) => self.parsed(&mut chunk, body, Form::Whole, events),
            Err(error) if error.is_eof() => {
                Err(CallError::new(ErrorCode::StreamTruncated, Phase::Decode))
            }
            Err(_) => Err(no_chunk(body, self.dialect)),
        }
    }

    /// No JSON value begins with the name of a field, or with a comment (Q58).
    fn is_stream(body: &[u8]) -> bool {
        [&b"data:"[..], b"event:", b"id:", b":"]
            .iter()
            .any(|field| body.starts_with(field))
    }

    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        self.close(events)
    }

    /// The finish reason stands in a frame of its own, and what was promised is checked after it.
    fn is_ending(&self) -> bool {
        self.finish.is_some()
    }

    fn failure(&self, head: &ResponseHead, body: &[u8]) -> CallError {
        failure::answered(head, body, &self.spec)
    }
}

impl Turn {
    fn parsed(
        &mut self,
        chunk: &mut Chunk<'_>,
        text: &[u8],
        form: Form,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        // serde reads structures from arrays too, so the brace is looked at.
        if text.first() != Some(&b'{') {
            return Err(no_chunk(text, self.dialect));
        }
        match failure::in_chunk(chunk, text, self.dialect) {
            Some(error) => Err(error),
            None => self.chunk(chunk, form, events),
        }
    }
}

/// What is no object of the protocol is looked at for an error first.
fn no_chunk(text: &[u8], dialect: &Dialect) -> CallError {
    match serde_json::from_slice::<Value>(text) {
        Ok(value) if failure::is_error(&value) => failure::streamed(text, dialect),
        _ => CallError::new(ErrorCode::Protocol, Phase::Decode).about("json"),
    }
}

#[cfg(test)]
mod tests;
