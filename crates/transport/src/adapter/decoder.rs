//! The shell of a decoder: framing, bounds and counting around a turn.

use handshake_core::{
    chat::ChatEvent,
    code::{ErrorCode, Phase},
    error::CallError,
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};

use super::{BodyKind, ERROR_CAP, unexpected};
use crate::framing::{FrameError, FrameLimits, Framer};

/// One answer in the making: what its frames mean.
///
/// # Contract
/// [`ChatEvent::Started`] comes once and first, [`ChatEvent::Finished`] once and last, and only on evidence that the answer
/// is whole; tool calls come only once the whole turn is known to be complete. After `Finished` or an `Err` nothing more is
/// called.
pub trait Turn<F: Framer>: Send {
    /// The most bytes of an answer that comes as one JSON value.
    const MAX_WHOLE: usize = FrameLimits::DEFAULT.total;

    /// Takes the next frame of a stream.
    ///
    /// # Errors
    /// The call's terminal failure. Events appended before it stand.
    fn frame(&mut self, frame: F::Frame<'_>, events: &mut Vec<ChatEvent>) -> Result<(), CallError>;

    /// Takes the last frame of a stream, whose terminator is missing. A frame that is cut is
    /// `HSK-502-STREAM-TRUNCATED`.
    ///
    /// # Errors
    /// As [`Turn::frame`].
    fn last_frame(
        &mut self,
        frame: F::Frame<'_>,
        events: &mut Vec<ChatEvent>,
    ) -> Result<(), CallError> {
        self.frame(frame, events)
    }

    /// Takes an answer that came as one JSON value.
    ///
    /// # Errors
    /// As [`Turn::frame`]; a value that breaks off is `HSK-502-STREAM-TRUNCATED`.
    fn whole(&mut self, body: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError>;

    /// Whether a body that was announced as one JSON value is a stream all the same: some proxies lose its media type.
    fn is_stream(_body: &[u8]) -> bool {
        false
    }

    /// The body ended and the answer is not finished.
    ///
    /// # Errors
    /// The call's terminal failure; `HSK-502-STREAM-TRUNCATED` without evidence of an end.
    fn end(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError>;

    /// Whether a frame announced the end of the answer, and its terminal is still to come. From that frame on the
    /// bytes count as [complete](ReplyDecoder::complete) with the terminal only: a client that reads them stops at the
    /// announcement, and what is checked at the end must stand before it.
    fn is_ending(&self) -> bool {
        false
    }

    /// The failure that an answer with an error status is.
    fn failure(&self, head: &ResponseHead, body: &[u8]) -> CallError;
}

/// A decoder for one answer: a framer, a turn, and the bounds around them.
pub struct Decoder<F, T> {
    kind: BodyKind,
    /// Whether a stream was asked for.
    streams: bool,
    head: ResponseHead,
    framer: F,
    turn: T,
    /// What is read whole: a JSON value, the beginning of an error.
    body: Vec<u8>,
    pushed: usize,
    complete: usize,
    finished: bool,
}

impl<F: Framer, T: Turn<F>> Decoder<F, T> {
    /// A decoder for the answer that `head` announces to the request of `reply`.
    pub fn new(
        reply: &ReplySpec,
        head: &ResponseHead,
        streams: &[&str],
        framer: F,
        turn: T,
    ) -> Self {
        let kind = match BodyKind::of(head, streams) {
            // A stream that nobody asked for is not the answer to what was asked (Q59). The other way round is a server
            // that does not stream: the same events, all at once (Q58).
            BodyKind::Stream if !reply.stream => BodyKind::Unexpected,
            kind => kind,
        };
        Self {
            kind,
            streams: reply.stream,
            head: head.clone(),
            framer,
            turn,
            body: Vec::new(),
            pushed: 0,
            complete: 0,
            finished: false,
        }
    }

    fn frames(&mut self, mut bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        loop {
            let over = match self.framer.next_frame(&mut bytes) {
                Ok(Some(frame)) => {
                    self.turn.frame(frame, events)?;
                    self.finished = is_finished(events);
                    self.finished.then_some(Ok(()))
                }
                Ok(None) => Some(Ok(())),
                Err(error) => Some(Err(unframed(error))),
            };
            // Whatever follows the frame that finishes the answer is never looked at, and so never handed on.
            if self.finished || !self.turn.is_ending() {
                self.complete = self.framer.complete();
            }
            if let Some(over) = over {
                return over;
            }
        }
    }
}

impl<F: Framer, T: Turn<F>> ReplyDecoder for Decoder<F, T> {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        if self.finished {
            return Ok(());
        }
        self.pushed += bytes.len();
        match self.kind {
            BodyKind::Stream => self.frames(bytes, events),
            BodyKind::Json => {
                if self.body.len() + bytes.len() > T::MAX_WHOLE {
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
            BodyKind::Unexpected => Err(unexpected(&self.head)),
        }
    }

    fn finish(&mut self, events: &mut Vec<ChatEvent>) -> Result<(), CallError> {
        if self.finished {
            return Ok(());
        }
        match self.kind {
            BodyKind::Stream => {
                if let Some(frame) = self.framer.last_frame().map_err(unframed)? {
                    self.turn.last_frame(frame, events)?;
                }
            }
            BodyKind::Json => {
                let body = std::mem::take(&mut self.body);
                let body = body.trim_ascii();
                if self.streams && T::is_stream(body) {
                    self.frames(body, events)?;
                    if !self.finished
                        && let Some(frame) = self.framer.last_frame().map_err(unframed)?
                    {
                        self.turn.last_frame(frame, events)?;
                    }
                } else {
                    self.turn.whole(body, events)?;
                }
            }
            BodyKind::Failure => return Err(self.turn.failure(&self.head, &self.body)),
            BodyKind::Unexpected => return Err(unexpected(&self.head)),
        }
        if !is_finished(events) {
            self.turn.end(events)?;
        }
        self.finished = true;
        self.complete = self.pushed;
        Ok(())
    }

    fn complete(&self) -> usize {
        self.complete
    }
}

fn is_finished(events: &[ChatEvent]) -> bool {
    matches!(events.last(), Some(ChatEvent::Finished { .. }))
}

fn unframed(error: FrameError) -> CallError {
    CallError::new(error.code(), Phase::Decode).about(error.subject())
}
