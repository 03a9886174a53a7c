//! Bounded, sans-IO framing of answers. Any chunking of the same bytes gives the same frames, and the same
//! error after the same frames.

mod line;
mod ndjson;
mod sse;

use handshake_core::code::ErrorCode;

pub use self::{
    line::{LineEnds, LineFramer},
    ndjson::NdjsonFramer,
    sse::{SseEvent, SseFrame, SseFramer},
};

/// Cuts bytes into frames, one at a time, and copies only those that more than one push holds.
///
/// # Contract
/// Any chunking of the same bytes gives the same frames, and the same error after the same frames. After an `Err` nothing
/// more is called.
pub trait Framer: Send {
    /// A frame, where it lies: in the bytes that were pushed, or in the framer.
    type Frame<'a>
    where
        Self: 'a;

    /// Takes bytes off the front of `bytes`, up to the end of the next frame, and hands that frame out. `None` when the
    /// bytes are used up; what they began is held.
    ///
    /// # Errors
    /// [`FrameError`].
    fn next_frame<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<Self::Frame<'a>>, FrameError>;

    /// The body ended: the last frame, where its terminator is missing.
    ///
    /// # Errors
    /// [`FrameError`].
    fn last_frame(&mut self) -> Result<Option<Self::Frame<'_>>, FrameError>;

    /// How many of the bytes taken so far, counted from the beginning of the body, belong to frames that are whole.
    /// Comments and blank frames count; they are handed out by nobody.
    fn complete(&self) -> usize;
}

/// The bounds of a framer, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameLimits {
    /// One line, without its terminator.
    pub line: usize,
    /// The data of one event.
    pub event: usize,
    /// Everything together.
    pub total: usize,
}

impl FrameLimits {
    /// 1 MiB a line, 4 MiB an event, 64 MiB in all.
    pub const DEFAULT: Self = Self {
        line: 1 << 20,
        event: 4 << 20,
        total: 64 << 20,
    };
}

impl Default for FrameLimits {
    /// [`FrameLimits::DEFAULT`].
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bytes that cannot be framed. Holds none of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// A line is longer than allowed.
    #[error("line too long")]
    LineTooLong,
    /// An event is longer than allowed.
    #[error("event too long")]
    EventTooLong,
    /// The whole is longer than allowed.
    #[error("answer too long")]
    TotalTooLong,
    /// A line is not UTF-8.
    #[error("line is not valid UTF-8")]
    NotUtf8,
    /// A line of JSON stands where a field of an event stream is expected.
    #[error("line is not an event stream field")]
    NotSse,
}

impl FrameError {
    /// The code to report.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::LineTooLong | Self::EventTooLong | Self::TotalTooLong => ErrorCode::StreamLimit,
            Self::NotUtf8 | Self::NotSse => ErrorCode::Protocol,
        }
    }

    /// What it is about, in one word.
    #[must_use]
    pub fn subject(self) -> &'static str {
        match self {
            Self::LineTooLong => "line",
            Self::EventTooLong => "event",
            Self::TotalTooLong => "answer",
            Self::NotUtf8 => "utf-8",
            Self::NotSse => "event stream",
        }
    }
}
