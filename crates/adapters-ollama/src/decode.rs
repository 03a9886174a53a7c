//! Decoding of answers, without IO: the same code serves the socket, recordings and fuzzing.

mod calls;
mod turn;

use handshake_core::{
    chat::ChatEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};
use handshake_transport::{
    adapter,
    framing::{FrameLimits, NdjsonFramer},
};

use self::turn::Turn;
use crate::{failure, wire::reply::Line};

/// The media types of a stream: one JSON object a line.
pub(crate) const STREAMS: &[&str] = &[
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
];

/// A decoder for one answer.
pub(crate) fn decoder(reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
    Box::new(adapter::Decoder::new(
        reply,
        head,
        STREAMS,
        NdjsonFramer::default(),
        Turn::new(reply.clone(), head.clone()),
    ))
}

impl adapter::Turn<NdjsonFramer> for Turn {
    const MAX_WHOLE: usize = FrameLimits::DEFAULT.event;

    fn frame(&mut self, line: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        match parse(line) {
            Ok(line) => self.line(line, events),
            Err(broken) => Err(self.broken(broken)),
        }
    }

    /// A last line without its end is whole or it is cut; which, only reading it tells.
    fn last_frame(&mut self, line: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        match parse(line) {
            Ok(line) => self.line(line, events),
            Err(Broken::Page) => Err(self.broken(Broken::Page)),
            Err(Broken::Cut | Broken::Other) => Err(truncated()),
        }
    }

    fn whole(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        match parse(body) {
            Ok(line) => self.line(line, events),
            Err(Broken::Cut) => Err(truncated()),
            Err(broken) => Err(self.broken(broken)),
        }
    }

    fn end(&mut self, _: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        Err(truncated())
    }

    fn failure(&self, head: &ResponseHead, body: &[u8]) -> CallError {
        failure::answered(head, body, self.spec())
    }
}

impl Turn {
    fn broken(&self, broken: Broken) -> CallError {
        match broken {
            Broken::Page => adapter::unexpected(self.head()),
            Broken::Cut | Broken::Other => {
                CallError::new(ErrorCode::Protocol, Phase::Decode).about("json")
            }
        }
    }
}

fn truncated() -> CallError {
    CallError::new(ErrorCode::StreamTruncated, Phase::Decode)
}

/// Why a line is not one.
#[derive(Clone, Copy)]
enum Broken {
    /// It begins like a page.
    Page,
    /// It breaks off.
    Cut,
    /// It is something else.
    Other,
}

fn parse(bytes: &[u8]) -> Result<Line<'_>, Broken> {
    match bytes.first() {
        // serde reads structures from arrays too, so the brace is looked at.
        Some(b'{') => serde_json::from_slice(bytes).map_err(|error| {
            if error.is_eof() {
                Broken::Cut
            } else {
                Broken::Other
            }
        }),
        Some(b'<') => Err(Broken::Page),
        None => Err(Broken::Cut),
        Some(_) => Err(Broken::Other),
    }
}
