//! One JSON text per line.

use super::{FrameError, FrameLimits, Framer, LineEnds, LineFramer, line::Line};

/// Cuts newline-delimited JSON into its lines. Blank lines are dropped; a CR before the LF is too.
#[derive(Clone)]
pub struct NdjsonFramer {
    lines: LineFramer,
    complete: usize,
}

impl Default for NdjsonFramer {
    fn default() -> Self {
        Self::new(FrameLimits::default())
    }
}

impl NdjsonFramer {
    /// An empty framer. `limits.event` does not matter here: a line is an event.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            lines: LineFramer::new(LineEnds::Lf, limits),
            complete: 0,
        }
    }

    /// Takes the next bytes and appends the lines that they complete.
    ///
    /// # Errors
    /// [`FrameError`] of a bound; lines completed before stand.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Vec<u8>>) -> Result<(), FrameError> {
        while let Some(line) = self.next_frame(&mut bytes)? {
            out.push(line.to_owned());
        }
        Ok(())
    }

    /// Whether nothing is held: the bytes pushed so far are whole lines.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lines.is_idle()
    }

    /// The last line, where its terminator is missing. Whether it is complete is for its reader to say.
    #[must_use]
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.last_frame().ok().flatten().map(<[u8]>::to_owned)
    }
}

impl Framer for NdjsonFramer {
    type Frame<'a> = &'a [u8];

    fn next_frame<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<&'a [u8]>, FrameError> {
        loop {
            let Some(line) = self.lines.take(bytes)? else {
                if self.lines.is_idle() {
                    self.complete = self.lines.total();
                }
                return Ok(None);
            };
            self.complete = self.lines.total();
            match line {
                Line::Pushed(line) => {
                    let line = line.trim_ascii_end();
                    if !line.is_empty() {
                        return Ok(Some(line));
                    }
                }
                Line::Held => {
                    if !self.lines.held().trim_ascii_end().is_empty() {
                        return Ok(Some(self.lines.held().trim_ascii_end()));
                    }
                }
            }
        }
    }

    fn last_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if !self.lines.rest() {
            return Ok(None);
        }
        let line = self.lines.held().trim_ascii_end();
        Ok((!line.is_empty()).then_some(line))
    }

    fn complete(&self) -> usize {
        self.complete
    }
}

impl std::fmt::Debug for NdjsonFramer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NdjsonFramer")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}
