//! Faults and quirks that an answer can have.

use axum::http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::script::payload::Payload;

/// Longest line that [`Fault::OversizeLine`] makes.
const MAX_LINE: usize = 128 * 1024 * 1024;

/// A fault or quirk of an answer. Several can be combined; of those that replace the whole
/// answer ([`Fault::Status`], [`Fault::Html`], [`Fault::Redirect`]) the first in the list counts.
///
/// `after` counts frames (NDJSON lines, server-sent events, keep-alives left out) that go before
/// the fault; more than there are means behind the last. Byte positions count body bytes as the
/// client sees them. Where an answer is not streamed, its body is the one frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// An error status with a body in the wire's own shape, or with `body` as it is.
    Status {
        /// HTTP status.
        status: u16,
        /// The error's message; one for the status where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// `error.code`, OpenAI wire only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// `error.type`, OpenAI wire only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_type: Option<String>,
        /// The `retry-after` header, verbatim.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        /// The whole body instead of the wire's shape.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Payload>,
        /// The content type; JSON where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
    /// 200 and a web page, as a captive portal answers.
    Html,
    /// 307 to another place.
    Redirect {
        /// The `location` header.
        location: String,
    },
    /// The connection is closed before any byte of an answer.
    Hangup,
    /// The connection is cut after so many bytes of the body; 0 is right behind the head.
    DropAfter {
        /// Body bytes that still arrive.
        bytes: usize,
    },
    /// Nothing for a while, then the answer.
    StallHead {
        /// Milliseconds before the head.
        ms: u64,
    },
    /// Nothing for a while, or for ever, behind so many bytes of the body.
    StallAfter {
        /// Body bytes before the stall.
        bytes: usize,
        /// Milliseconds; absent is for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ms: Option<u64>,
    },
    /// A frame of broken JSON between good ones; not streamed: half of the body.
    Malformed {
        /// Frames before it.
        after: usize,
    },
    /// A frame with a byte that is not UTF-8 inside a JSON string.
    InvalidUtf8 {
        /// Frames before it.
        after: usize,
    },
    /// A text frame with a very long line.
    OversizeLine {
        /// Text chunks before it.
        after: usize,
        /// Bytes of text in it.
        bytes: usize,
    },
    /// A clean end without any evidence that the answer is complete.
    NoFinish {
        /// Still send `[DONE]`; OpenAI wire only.
        #[serde(default)]
        keep_done: bool,
    },
    /// No `[DONE]`, as Perplexity answers.
    NoDone,
    /// The wire's error object in a 200 answer, and then the end.
    StreamError {
        /// Frames before it.
        after: usize,
        /// The error's message.
        message: String,
    },
    /// The arguments of a call stop after so many bytes. On Ollama, where arguments are objects,
    /// the daemon drops such a call silently, and so does this.
    CutArguments {
        /// Which call, from zero.
        call: usize,
        /// Bytes that are kept.
        bytes: usize,
    },
    /// The finish comes twice; on the OpenAI wire the second carries the usage, as OpenRouter
    /// does. Streamed only.
    DuplicateFinish,
    /// Keep-alives before the first and then before every so many-th frame: SSE comments, or
    /// empty lines on Ollama. Streamed only.
    Comments {
        /// Frames from one keep-alive to the next, at least one.
        every: usize,
    },
    /// A byte-order mark before the body.
    Bom,
    /// Lines end with CR LF. Streamed only.
    Crlf,
    /// The last line break is missing. Streamed only.
    NoLastNewline,
    /// The body goes out in HTTP chunks of this many bytes, so that frames split anywhere.
    Rechunk {
        /// Bytes a chunk, at least one.
        size: usize,
    },
    /// Time between frames.
    Pace {
        /// Milliseconds.
        ms: u64,
    },
    /// Another content type.
    ContentType {
        /// The header's value.
        value: String,
    },
    /// One JSON body although a stream was asked for.
    IgnoreStream,
    /// A stream although none was asked for.
    ForceStream,
    /// The answer names another model than the one that was asked for.
    ModelName {
        /// The name.
        name: String,
    },
    /// An Ollama answer that says it was made elsewhere, whatever the model's name.
    RemoteHost {
        /// `remote_host`.
        host: String,
    },
    /// Tool calls without ids.
    NoCallIds,
    /// Tool call deltas without `index`; OpenAI wire, streamed.
    NoCallIndex,
    /// Every tool call delta has index 0; OpenAI wire, streamed.
    SameCallIndex,
    /// Continuation deltas repeat `id` and `name` as empty strings; OpenAI wire, streamed.
    BlankContinuations,
    /// All calls whole in one chunk together with finish and usage, as Mistral does; OpenAI
    /// wire, streamed.
    CallsWithFinish,
    /// The usage is on the finish chunk instead of a chunk of its own; OpenAI wire, streamed.
    UsageOnFinish,
    /// The name of the reasoning member, `reasoning_content` otherwise; OpenAI wire.
    ReasoningField {
        /// Such as `reasoning`.
        name: String,
    },
}

impl Fault {
    /// An error status with the message that belongs to it.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            message: None,
            code: None,
            error_type: None,
            retry_after: None,
            body: None,
            content_type: None,
        }
    }

    /// An error status with a `retry-after` header.
    #[must_use]
    pub fn retry_after(status: u16, value: impl Into<String>) -> Self {
        Self::Status {
            status,
            message: None,
            code: None,
            error_type: None,
            retry_after: Some(value.into()),
            body: None,
            content_type: None,
        }
    }

    /// An error status with a body as it is.
    #[must_use]
    pub fn status_body(
        status: u16,
        content_type: impl Into<String>,
        body: impl Into<Payload>,
    ) -> Self {
        Self::Status {
            status,
            message: None,
            code: None,
            error_type: None,
            retry_after: None,
            body: Some(body.into()),
            content_type: Some(content_type.into()),
        }
    }

    /// Refuses what HTTP cannot carry or what would never end.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let header = |value: &str| HeaderValue::from_str(value).is_ok();
        match self {
            Self::Status {
                status,
                retry_after,
                content_type,
                ..
            } => {
                if !(200..=599).contains(status) {
                    return Err("status must be in 200..=599");
                }
                if !retry_after.as_deref().is_none_or(header) {
                    return Err("retry_after is not a valid header value");
                }
                if !content_type.as_deref().is_none_or(header) {
                    return Err("content type is not a valid header value");
                }
            }
            Self::Redirect { location } if !header(location) => {
                return Err("location is not a valid header value");
            }
            Self::ContentType { value } if !header(value) => {
                return Err("content type is not a valid header value");
            }
            Self::Rechunk { size: 0 } => return Err("size must not be zero"),
            Self::Comments { every: 0 } => return Err("every must not be zero"),
            Self::OversizeLine { bytes, .. } if *bytes > MAX_LINE => {
                return Err("line must be at most 128 MiB long");
            }
            _ => {}
        }
        Ok(())
    }
}
