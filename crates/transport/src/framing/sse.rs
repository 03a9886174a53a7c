//! Event streams, as WHATWG has them, with the few extensions that real servers need.

use super::{FrameError, FrameLimits, LineEnds, LineFramer};

/// One event.
#[derive(Clone, Eq, PartialEq)]
pub struct SseEvent {
    /// Its type, where one is given.
    pub event: Option<String>,
    /// Its data; several `data` lines are joined by LF.
    pub data: String,
}

impl std::fmt::Debug for SseEvent {
    /// The data is payload: only its length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SseEvent({} bytes)", self.data.len())
    }
}

/// Cuts an event stream into events.
///
/// Differences from WHATWG: a line that begins with `{` is [`FrameError::NotSse`] instead of an unknown
/// field, because that is how proxies put a bare error into a stream; an event whose data is blank or looks
/// like a comment (`data: : keepalive`) is skipped and counted; the last event may lack its blank line when
/// its data is `[DONE]` or a whole JSON object; bytes that are not UTF-8 are an error. `id` and `retry` are
/// ignored: nothing here ever reconnects.
#[derive(Clone)]
pub struct SseFramer {
    lines: LineFramer,
    scratch: Vec<Vec<u8>>,
    max_event: usize,
    event: Option<String>,
    data: Option<String>,
    comments: u64,
}

impl Default for SseFramer {
    fn default() -> Self {
        Self::new(FrameLimits::default())
    }
}

impl SseFramer {
    /// An empty framer.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            lines: LineFramer::new(LineEnds::Any, limits),
            scratch: Vec::new(),
            max_event: limits.event,
            event: None,
            data: None,
            comments: 0,
        }
    }

    /// Takes the next bytes and appends the events that they complete.
    ///
    /// # Errors
    /// [`FrameError`]; events completed before stand. The framer is not to be used afterwards.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<SseEvent>) -> Result<(), FrameError> {
        let mut lines = std::mem::take(&mut self.scratch);
        let pushed = self.lines.push(bytes, &mut lines);
        let taken = lines.drain(..).try_for_each(|line| self.line(&line, out));
        self.scratch = lines;
        // A bad line comes before the line that broke a bound.
        taken.and(pushed)
    }

    /// The stream ended. Appends an unterminated last event if it is evidently whole.
    ///
    /// # Errors
    /// [`FrameError::NotSse`] when the last, unterminated line is bare JSON.
    pub fn finish(&mut self, out: &mut Vec<SseEvent>) -> Result<(), FrameError> {
        if let Some(rest) = self.lines.finish() {
            match self.line(&rest, out) {
                // A cut in the middle of a character is a truncation like any other: the event is dropped.
                Err(FrameError::NotUtf8) => self.data = None,
                other => other?,
            }
        }
        let whole = self.data.as_deref().is_some_and(|data| {
            data.trim_end() == "[DONE]"
                || (data.trim_start().starts_with('{')
                    && serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok())
        });
        if whole {
            self.dispatch(out);
        }
        (self.event, self.data) = (None, None);
        Ok(())
    }

    /// Whether nothing is held: the bytes pushed so far are whole events and comments.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lines.is_idle() && self.event.is_none() && self.data.is_none()
    }

    /// How many comments, and events that are none, were skipped so far.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.comments
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<SseEvent>) -> Result<(), FrameError> {
        let line = std::str::from_utf8(line).map_err(|_| FrameError::NotUtf8)?;
        if line.is_empty() {
            self.dispatch(out);
            return Ok(());
        }
        if line.starts_with('{') {
            return Err(FrameError::NotSse);
        }
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "" => self.comments += 1,
            "event" => self.event = Some(value.to_owned()),
            "data" => {
                let held = self.data.as_ref().map_or(0, |data| data.len() + 1);
                if held + value.len() > self.max_event {
                    return Err(FrameError::EventTooLong);
                }
                match &mut self.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => self.data = Some(value.to_owned()),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, out: &mut Vec<SseEvent>) {
        let event = self.event.take().filter(|name| !name.is_empty());
        let Some(data) = self.data.take() else { return };
        let inner = data.trim();
        if inner.is_empty() || inner.starts_with(':') {
            self.comments += 1;
        } else {
            out.push(SseEvent { event, data });
        }
    }
}

impl std::fmt::Debug for SseFramer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SseFramer")
            .field("lines", &self.lines)
            .field("comments", &self.comments)
            .finish_non_exhaustive()
    }
}
