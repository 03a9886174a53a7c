//! One JSON text per line.

use super::{FrameError, FrameLimits, LineEnds, LineFramer};

/// Cuts newline-delimited JSON into its lines. Blank lines are dropped; a CR before the LF is too.
#[derive(Clone)]
pub struct NdjsonFramer {
    lines: LineFramer,
    scratch: Vec<Vec<u8>>,
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
            scratch: Vec::new(),
        }
    }

    /// Takes the next bytes and appends the lines that they complete.
    ///
    /// # Errors
    /// [`FrameError`] of a bound; lines completed before stand.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Vec<u8>>) -> Result<(), FrameError> {
        let pushed = self.lines.push(bytes, &mut self.scratch);
        out.extend(self.scratch.drain(..).filter_map(trimmed));
        pushed
    }

    /// Whether nothing is held: the bytes pushed so far are whole lines.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lines.is_idle()
    }

    /// The last line, where its terminator is missing. Whether it is complete is for its reader to say.
    #[must_use]
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.lines.finish().and_then(trimmed)
    }
}

impl std::fmt::Debug for NdjsonFramer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NdjsonFramer")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

fn trimmed(mut line: Vec<u8>) -> Option<Vec<u8>> {
    while line.last().is_some_and(u8::is_ascii_whitespace) {
        line.pop();
    }
    (!line.is_empty()).then_some(line)
}
