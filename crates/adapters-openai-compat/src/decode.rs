//! Decoding of answers, without IO: the same code serves the socket, recordings and fuzzing.

mod content;
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
use handshake_transport::framing::{FrameError, FrameLimits, SseEvent, SseFramer};
use serde_json::Value;

pub(crate) use self::state::Stored;
use self::turn::{Form, Turn};
use crate::{dialect::Dialect, failure, wire::reply::Chunk};

/// The largest body of an error answer that is read; the rest is ignored.
pub(crate) const ERROR_CAP: usize = 64 * 1024;

/// What kind of body the response head announces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyKind {
    /// An event stream.
    Stream,
    /// One JSON value.
    Json,
    /// A failure: the bytes decide, whatever the head says about their type.
    Failure,
    /// Something that is not this API.
    Unexpected,
}

impl BodyKind {
    pub(crate) fn of(head: &ResponseHead) -> Self {
        if !(200..300).contains(&head.status) {
            return Self::Failure;
        }
        let media = head.content_type.as_deref().unwrap_or_default();
        let media = media
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match media.as_str() {
            "text/event-stream" => Self::Stream,
            "application/json" => Self::Json,
            other if other.starts_with("application/") && other.ends_with("+json") => Self::Json,
            _ => Self::Unexpected,
        }
    }
}

/// A decoder for one answer.
pub(crate) fn decoder(reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
    let dialect = Dialect::find(reply.dialect.as_str()).unwrap_or_else(Dialect::generic);
    let kind = match BodyKind::of(head) {
        // A stream that nobody asked for is not the answer to what was asked (Q59). The other way round
        // is a server that does not stream: the same events, all at once (Q58).
        BodyKind::Stream if !reply.stream => BodyKind::Unexpected,
        kind => kind,
    };
    Box::new(Decoder {
        kind,
        head: head.clone(),
        turn: Turn::new(dialect, reply.clone()),
        framer: SseFramer::new(FrameLimits::default()),
        events: Vec::new(),
        body: Vec::new(),
        done: false,
        pushed: 0,
        complete: 0,
    })
}

struct Decoder {
    kind: BodyKind,
    head: ResponseHead,
    turn: Turn,
    framer: SseFramer,
    events: Vec<SseEvent>,
    body: Vec<u8>,
    done: bool,
    pushed: usize,
    complete: usize,
}

impl ReplyDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        self.pushed += bytes.len();
        if self.done {
            return Ok(());
        }
        match self.kind {
            BodyKind::Stream => {
                let framed = self.framer.push(bytes, &mut self.events);
                self.framed(framed, events)?;
                if self.done || self.framer.is_idle() {
                    self.complete = self.pushed;
                }
                Ok(())
            }
            BodyKind::Json => {
                if self.body.len() + bytes.len() > FrameLimits::default().total {
                    return Err(
                        CallError::new(ErrorCode::StreamLimit, Phase::Decode).about("answer")
                    );
                }
                self.body.extend_from_slice(bytes);
                Ok(())
            }
            BodyKind::Failure => {
                let room = ERROR_CAP.saturating_sub(self.body.len());
                self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Ok(())
            }
            BodyKind::Unexpected => Err(self.unexpected()),
        }
    }

    fn complete(&self) -> usize {
        self.complete
    }

    fn finish(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        if self.done {
            return Ok(());
        }
        self.complete = self.pushed;
        match self.kind {
            BodyKind::Stream => {
                let framed = self.framer.finish(&mut self.events);
                self.framed(framed, events)?;
                if self.done {
                    Ok(())
                } else {
                    self.turn.end(events)
                }
            }
            BodyKind::Json => self.whole(events),
            BodyKind::Failure => Err(failure::answered(&self.head, &self.body, self.turn.spec())),
            BodyKind::Unexpected => Err(self.unexpected()),
        }
    }
}

impl Decoder {
    fn unexpected(&self) -> CallError {
        CallError::new(ErrorCode::UnexpectedContent, Phase::Status)
            .about("content-type")
            .status(self.head.status)
    }

    /// Decodes what the framer cut; its own failure comes after the events before it.
    fn framed(
        &mut self,
        framed: Result<(), FrameError>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        let mut cut = std::mem::take(&mut self.events);
        for event in cut.drain(..) {
            self.event(&event, events)?;
            if self.done {
                return Ok(());
            }
        }
        self.events = cut;
        framed.map_err(|error| CallError::new(error.code(), Phase::Decode).about(error.subject()))
    }

    fn event(&mut self, event: &SseEvent, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        let name = event.event.as_deref().unwrap_or_default();
        if ["ping", "keepalive", "keep-alive", "heartbeat"].contains(&name) {
            return Ok(());
        }
        let data = event.data.trim();
        if name == "error" {
            return Err(failure::streamed(data.as_bytes()));
        }
        if data.starts_with("[DONE]") {
            self.done = true;
            return self.turn.end(events);
        }
        let chunk = self.parse(data.as_bytes())?;
        self.turn.chunk(chunk, Form::Stream, events)
    }

    fn whole(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        let body = std::mem::take(&mut self.body);
        self.done = true;
        let chunk = self.parse(body.trim_ascii())?;
        self.turn.chunk(chunk, Form::Whole, events)?;
        self.turn.end(events)
    }

    /// Reads one object of the protocol. What is whole JSON but none is looked at for an error first.
    fn parse(&self, bytes: &[u8]) -> Result<Chunk, CallError> {
        // serde reads structures from arrays too, so the brace is looked at.
        let object = bytes.first() == Some(&b'{');
        match serde_json::from_slice::<Chunk>(bytes) {
            Ok(chunk) if object => {
                if let Some(error) = failure::in_chunk(&chunk, bytes) {
                    return Err(error);
                }
                Ok(chunk)
            }
            Err(error) if self.kind == BodyKind::Json && error.is_eof() => {
                Err(CallError::new(ErrorCode::StreamTruncated, Phase::Decode))
            }
            _ => Err(match serde_json::from_slice::<Value>(bytes) {
                Ok(value) if failure::is_error(&value) => failure::streamed(bytes),
                _ => CallError::new(ErrorCode::Protocol, Phase::Decode).about("json"),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
