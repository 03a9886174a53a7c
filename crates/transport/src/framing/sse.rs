//! Event streams, as WHATWG has them, with the few extensions that real servers need.

use super::{FrameError, FrameLimits, Framer, LineEnds, LineFramer, line::Line};

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

/// One event, where it lies.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct SseFrame<'a> {
    /// Its type; empty where none is given.
    pub event: &'a str,
    /// Its data; several `data` lines are joined by LF.
    pub data: &'a str,
}

impl std::fmt::Debug for SseFrame<'_> {
    /// The data is payload: only its length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SseFrame({} bytes)", self.data.len())
    }
}

/// Cuts an event stream into events.
///
/// Differences from WHATWG: a line that begins with `{` is [`FrameError::NotSse`] instead of an unknown
/// field, because that is how proxies put a bare error into a stream; an event whose data is blank or looks
/// like a comment (`data: : keepalive`) is skipped and counted; the last event may lack its blank line when
/// its data is `[DONE]` or a whole JSON object; bytes that are not UTF-8 are an error. `id` and `retry` are
/// ignored: nothing here ever reconnects.
///
/// An event of one `data` line that lies within one push, blank line included, is handed out without a copy.
#[derive(Clone)]
pub struct SseFramer {
    lines: LineFramer,
    max_event: usize,
    event: String,
    data: String,
    /// Whether a `data` line of the event was read.
    has_data: bool,
    /// Whether `event` and `data` were handed out and are to be forgotten.
    spent: bool,
    /// Whether an event has begun and its blank line has not come.
    open: bool,
    complete: usize,
    comments: u64,
}

/// What a line turned out to be.
enum Said<'l> {
    /// The event is over.
    Blank,
    Data(&'l str),
    /// Nothing that is passed on now.
    Other,
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
            max_event: limits.event,
            event: String::new(),
            data: String::new(),
            has_data: false,
            spent: false,
            open: false,
            complete: 0,
            comments: 0,
        }
    }

    /// Takes the next bytes and appends the events that they complete.
    ///
    /// # Errors
    /// [`FrameError`]; events completed before stand. The framer is not to be used afterwards.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<SseEvent>) -> Result<(), FrameError> {
        while let Some(frame) = self.next_frame(&mut bytes)? {
            out.push(frame.into());
        }
        Ok(())
    }

    /// The stream ended. Appends an unterminated last event if it is evidently whole.
    ///
    /// # Errors
    /// [`FrameError::NotSse`] when the last, unterminated line is bare JSON.
    pub fn finish(&mut self, out: &mut Vec<SseEvent>) -> Result<(), FrameError> {
        out.extend(self.last_frame()?.map(SseEvent::from));
        Ok(())
    }

    /// Whether nothing is held: the bytes pushed so far are whole events and comments.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lines.is_idle() && !self.open
    }

    /// How many comments, and events that are none, were skipped so far.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.comments
    }

    fn forget(&mut self) {
        if self.spent {
            self.spent = false;
            self.has_data = false;
            self.event.clear();
            self.data.clear();
        }
    }

    /// Reads a line. A free function of its parts, because the line may lie in the framer itself.
    fn read<'l>(
        line: &'l [u8],
        event: &mut String,
        comments: &mut u64,
        open: &mut bool,
    ) -> Result<Said<'l>, FrameError> {
        let line = std::str::from_utf8(line).map_err(|_| FrameError::NotUtf8)?;
        if line.is_empty() {
            return Ok(Said::Blank);
        }
        if line.starts_with('{') {
            return Err(FrameError::NotSse);
        }
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        *open |= !field.is_empty();
        match field {
            "" => *comments += 1,
            "event" => {
                event.clear();
                event.push_str(value);
            }
            "data" => return Ok(Said::Data(value)),
            _ => {}
        }
        Ok(Said::Other)
    }

    /// Keeps a `data` line until its event is over.
    fn keep(
        value: &str,
        data: &mut String,
        has_data: &mut bool,
        max_event: usize,
    ) -> Result<(), FrameError> {
        let held = if *has_data { data.len() + 1 } else { 0 };
        if held + value.len() > max_event {
            return Err(FrameError::EventTooLong);
        }
        if *has_data {
            data.push('\n');
        }
        *has_data = true;
        data.push_str(value);
        Ok(())
    }

    /// The event is over; whether there was one. Its parts are forgotten with the next call.
    fn over(&mut self) -> bool {
        self.open = false;
        self.spent = true;
        self.complete = self.lines.total();
        if !self.has_data {
            return false;
        }
        let real = !is_comment(&self.data);
        self.comments += u64::from(!real);
        real
    }
}

/// Whether data is blank, or what some servers send to keep a connection alive.
fn is_comment(data: &str) -> bool {
    let inner = data.trim();
    inner.is_empty() || inner.starts_with(':')
}

impl Framer for SseFramer {
    type Frame<'a> = SseFrame<'a>;

    fn next_frame<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<SseFrame<'a>>, FrameError> {
        loop {
            self.forget();
            let Some(taken) = self.lines.take(bytes)? else {
                if self.is_idle() {
                    self.complete = self.lines.total();
                }
                return Ok(None);
            };
            let (event, comments) = (&mut self.event, &mut self.comments);
            let over = match taken {
                Line::Pushed(line) => match Self::read(line, event, comments, &mut self.open)? {
                    Said::Blank => true,
                    Said::Data(value) if !self.has_data && self.lines.take_blank(bytes) => {
                        if value.len() > self.max_event {
                            return Err(FrameError::EventTooLong);
                        }
                        self.over();
                        if is_comment(value) {
                            self.comments += 1;
                            continue;
                        }
                        return Ok(Some(SseFrame {
                            event: &self.event,
                            data: value,
                        }));
                    }
                    Said::Data(value) => {
                        Self::keep(value, &mut self.data, &mut self.has_data, self.max_event)?;
                        false
                    }
                    Said::Other => false,
                },
                Line::Held => {
                    match Self::read(self.lines.held(), event, comments, &mut self.open)? {
                        Said::Blank => true,
                        Said::Data(value) => {
                            Self::keep(value, &mut self.data, &mut self.has_data, self.max_event)?;
                            false
                        }
                        Said::Other => false,
                    }
                }
            };
            if over {
                if self.over() {
                    return Ok(Some(SseFrame {
                        event: &self.event,
                        data: &self.data,
                    }));
                }
            } else if !self.open {
                self.complete = self.lines.total();
            }
        }
    }

    /// An unterminated last event counts when it is evidently whole.
    fn last_frame(&mut self) -> Result<Option<SseFrame<'_>>, FrameError> {
        self.forget();
        if self.lines.rest() {
            let (event, comments) = (&mut self.event, &mut self.comments);
            match Self::read(self.lines.held(), event, comments, &mut self.open) {
                Ok(Said::Data(value)) => {
                    Self::keep(value, &mut self.data, &mut self.has_data, self.max_event)?;
                }
                Ok(Said::Blank | Said::Other) => {}
                // A cut in the middle of a character is a truncation like any other: the event is dropped.
                Err(FrameError::NotUtf8) => self.has_data = false,
                Err(error) => return Err(error),
            }
        }
        let whole = self.has_data
            && (self.data.trim_end() == "[DONE]"
                || (self.data.trim_start().starts_with('{')
                    && serde_json::from_str::<serde::de::IgnoredAny>(&self.data).is_ok()));
        if !whole {
            self.open = false;
            self.spent = true;
            return Ok(None);
        }
        let real = self.over();
        Ok(real.then_some(SseFrame {
            event: &self.event,
            data: &self.data,
        }))
    }

    fn complete(&self) -> usize {
        self.complete
    }
}

impl From<SseFrame<'_>> for SseEvent {
    fn from(frame: SseFrame<'_>) -> Self {
        Self {
            event: (!frame.event.is_empty()).then(|| frame.event.to_owned()),
            data: frame.data.to_owned(),
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
