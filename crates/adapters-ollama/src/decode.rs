//! Decoding of answers, without IO: the same code serves the socket, recordings and fuzzing.

mod calls;
mod turn;

use handshake_core::{
    chat::ChatEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};
use handshake_transport::framing::{FrameError, FrameLimits, NdjsonFramer};

use self::turn::Turn;
use crate::{failure, wire::reply::Line};

/// The largest body of an error answer that is read; the rest is ignored.
pub(crate) const ERROR_CAP: usize = 64 * 1024;

/// What kind of body the response head announces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyKind {
    /// One JSON object a line.
    Stream,
    /// One JSON object.
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
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Self::Stream,
            "application/json" => Self::Json,
            _ => Self::Unexpected,
        }
    }
}

/// A decoder for one answer.
pub(crate) fn decoder(reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
    let kind = match BodyKind::of(head) {
        // A stream that nobody asked for is not the answer to what was asked (Q59). The other way round
        // is a server that does not stream: the same events, all at once (Q58).
        BodyKind::Stream if !reply.stream => BodyKind::Unexpected,
        kind => kind,
    };
    Box::new(Decoder {
        kind,
        head: head.clone(),
        turn: Turn::new(reply.clone()),
        framer: NdjsonFramer::new(FrameLimits::default()),
        lines: Vec::new(),
        body: Vec::new(),
        pushed: 0,
        complete: 0,
    })
}

struct Decoder {
    kind: BodyKind,
    head: ResponseHead,
    turn: Turn,
    framer: NdjsonFramer,
    lines: Vec<Vec<u8>>,
    body: Vec<u8>,
    pushed: usize,
    complete: usize,
}

impl ReplyDecoder for Decoder {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        self.pushed += bytes.len();
        match self.kind {
            _ if self.turn.is_done() => Ok(()),
            BodyKind::Stream => {
                let framed = self.framer.push(bytes, &mut self.lines);
                self.framed(framed, events)?;
                if self.turn.is_done() || self.framer.is_idle() {
                    self.complete = self.pushed;
                }
                Ok(())
            }
            BodyKind::Json => {
                if self.body.len() + bytes.len() > FrameLimits::default().event {
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
        self.complete = self.pushed;
        match self.kind {
            _ if self.turn.is_done() => Ok(()),
            BodyKind::Stream => {
                if let Some(rest) = self.framer.finish() {
                    // A last line without its end is whole or it is cut; which, only reading it tells.
                    match parse(&rest) {
                        Ok(line) => self.turn.line(line, events)?,
                        Err(Broken::Page) => return Err(self.unexpected()),
                        Err(Broken::Cut | Broken::Other) => return Err(truncated()),
                    }
                }
                self.ended()
            }
            BodyKind::Json => {
                let body = std::mem::take(&mut self.body);
                match parse(body.trim_ascii()) {
                    Ok(line) => self.turn.line(line, events)?,
                    Err(Broken::Cut) => return Err(truncated()),
                    Err(broken) => return Err(self.broken(broken)),
                }
                self.ended()
            }
            BodyKind::Failure => Err(failure::answered(&self.head, &self.body, self.turn.spec())),
            BodyKind::Unexpected => Err(self.unexpected()),
        }
    }
}

impl Decoder {
    /// Decodes what the framer cut; its own failure comes after the lines before it.
    fn framed(
        &mut self,
        framed: Result<(), FrameError>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        let mut lines = std::mem::take(&mut self.lines);
        for line in lines.drain(..) {
            let line = parse(&line).map_err(|broken| self.broken(broken))?;
            self.turn.line(line, events)?;
            if self.turn.is_done() {
                return Ok(());
            }
        }
        self.lines = lines;
        framed.map_err(|error| CallError::new(error.code(), Phase::Decode).about(error.subject()))
    }

    fn ended(&self) -> Result<(), CallError> {
        if self.turn.is_done() {
            Ok(())
        } else {
            Err(truncated())
        }
    }

    fn broken(&self, broken: Broken) -> CallError {
        match broken {
            Broken::Page => self.unexpected(),
            Broken::Cut | Broken::Other => {
                CallError::new(ErrorCode::Protocol, Phase::Decode).about("json")
            }
        }
    }

    fn unexpected(&self) -> CallError {
        CallError::new(ErrorCode::UnexpectedContent, Phase::Status)
            .about("content-type")
            .status(self.head.status)
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

fn parse(bytes: &[u8]) -> Result<Line, Broken> {
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
