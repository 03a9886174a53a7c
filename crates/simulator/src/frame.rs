//! Frames of an answer, what faults do to them, and their bytes.

use serde::Serialize;

use crate::{Fault, Wire, ollama, openai};

/// How frames become a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// One body, no framing.
    Whole,
    /// One JSON object a line.
    Ndjson,
    /// Server-sent events.
    Sse,
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Text, reasoning, calls, or a whole body.
    Content,
    /// The end as the wire says it.
    Finish,
    /// Usage on its own.
    Usage,
    /// `[DONE]`.
    Done,
    /// A keep-alive.
    Comment,
}

/// A frame without its framing.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    pub(crate) data: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: FrameKind, data: Vec<u8>) -> Self {
        Self { kind, data }
    }
}

/// An answer before it is bytes.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) framing: Framing,
    /// A `content-length` is sent instead of chunked coding.
    pub(crate) sized: bool,
    pub(crate) frames: Vec<Frame>,
}

impl Answer {
    /// One body of JSON.
    pub(crate) fn json(status: u16, content_type: &str, value: &impl Serialize) -> Self {
        Self::whole(status, content_type, json(value))
    }

    /// One body.
    pub(crate) fn whole(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type: Some(content_type.to_owned()),
            headers: Vec::new(),
            framing: Framing::Whole,
            sized: true,
            frames: vec![Frame::new(FrameKind::Content, body)],
        }
    }

    /// A stream.
    pub(crate) fn stream(framing: Framing, content_type: &str, frames: Vec<Frame>) -> Self {
        Self {
            status: 200,
            content_type: Some(content_type.to_owned()),
            headers: Vec::new(),
            framing,
            sized: false,
            frames,
        }
    }
}

/// Compact JSON. The DTOs have string keys only, so writing them does not fail.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec())
}

/// Applies the faults that concern whole frames.
pub(crate) fn apply(answer: &mut Answer, faults: &[Fault], wire: Wire) {
    for fault in faults {
        match fault {
            Fault::Malformed { after } => malformed(answer, *after),
            Fault::InvalidUtf8 { after } => invalid_utf8(answer, *after),
            Fault::StreamError { after, message } => {
                let error = match wire {
                    Wire::Ollama => ollama::error_body(message),
                    Wire::OpenAi => openai::error_body(500, message, None, None),
                };
                if answer.framing == Framing::Whole {
                    answer.frames.clear();
                }
                answer.frames.truncate(*after);
                answer.frames.push(Frame::new(FrameKind::Content, error));
            }
            Fault::NoFinish { keep_done } if answer.framing != Framing::Whole => {
                answer.frames.retain(|frame| match frame.kind {
                    FrameKind::Finish | FrameKind::Usage => false,
                    FrameKind::Done => *keep_done,
                    FrameKind::Content | FrameKind::Comment => true,
                });
            }
            Fault::NoDone => answer.frames.retain(|frame| frame.kind != FrameKind::Done),
            Fault::ContentType { value } => answer.content_type = Some(value.clone()),
            _ => {}
        }
    }
    for fault in faults {
        if let Fault::Comments { every } = fault {
            comments(answer, *every);
        }
    }
}

/// A frame that stops in the middle of its JSON.
fn malformed(answer: &mut Answer, after: usize) {
    if answer.framing == Framing::Whole {
        for frame in &mut answer.frames {
            frame.data.truncate(frame.data.len() / 2);
        }
        return;
    }
    let at = after.min(answer.frames.len());
    let broken = br#"{"model":"#.to_vec();
    answer
        .frames
        .insert(at, Frame::new(FrameKind::Content, broken));
}

/// A frame with the byte 0xff in a string.
fn invalid_utf8(answer: &mut Answer, after: usize) {
    let broken = b"{\"model\":\"\xff\"}".to_vec();
    if answer.framing == Framing::Whole {
        answer.frames = vec![Frame::new(FrameKind::Content, broken)];
        return;
    }
    let at = after.min(answer.frames.len());
    answer
        .frames
        .insert(at, Frame::new(FrameKind::Content, broken));
}

/// Keep-alives between the frames.
fn comments(answer: &mut Answer, every: usize) {
    if answer.framing == Framing::Whole {
        return;
    }
    let every = every.max(1);
    let mut frames = Vec::with_capacity(answer.frames.len() * 2);
    for (index, frame) in answer.frames.drain(..).enumerate() {
        if index % every == 0 {
            frames.push(Frame::new(
                FrameKind::Comment,
                b"SIMULATOR PROCESSING".to_vec(),
            ));
        }
        frames.push(frame);
    }
    answer.frames = frames;
}

/// The bytes of every frame, framing included.
pub(crate) fn encode(answer: &Answer, faults: &[Fault]) -> Vec<Vec<u8>> {
    let has = |wanted: &Fault| faults.contains(wanted);
    let newline: &[u8] = if has(&Fault::Crlf) { b"\r\n" } else { b"\n" };
    let mut pieces: Vec<Vec<u8>> = Vec::with_capacity(answer.frames.len());
    for frame in &answer.frames {
        let mut bytes = Vec::with_capacity(frame.data.len() + 16);
        match (answer.framing, frame.kind) {
            (Framing::Whole, _) => bytes.extend_from_slice(&frame.data),
            (Framing::Ndjson, FrameKind::Comment) => bytes.extend_from_slice(newline),
            (Framing::Ndjson, _) => {
                bytes.extend_from_slice(&frame.data);
                bytes.extend_from_slice(newline);
            }
            (Framing::Sse, kind) => {
                let field: &[u8] = if kind == FrameKind::Comment {
                    b": "
                } else {
                    b"data: "
                };
                bytes.extend_from_slice(field);
                bytes.extend_from_slice(&frame.data);
                bytes.extend_from_slice(newline);
                bytes.extend_from_slice(newline);
            }
        }
        pieces.push(bytes);
    }
    if has(&Fault::NoLastNewline)
        && answer.framing != Framing::Whole
        && let Some(last) = pieces.last_mut()
    {
        while last
            .last()
            .is_some_and(|byte| matches!(byte, b'\r' | b'\n'))
        {
            last.pop();
        }
    }
    if has(&Fault::Bom) {
        match pieces.first_mut() {
            Some(first) => {
                first.splice(0..0, [0xef, 0xbb, 0xbf]);
            }
            None => pieces.push(vec![0xef, 0xbb, 0xbf]),
        }
    }
    pieces
}
