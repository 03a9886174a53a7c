//! Bytes to lines.

use super::{FrameError, FrameLimits};

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What ends a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LineEnds {
    /// LF only.
    Lf,
    /// LF, CRLF or a single CR, as event streams have it.
    Any,
}

/// Cuts bytes into lines, without their terminators. One leading byte order mark is dropped.
///
/// Memory: one line at most. A line that lies within one push is not copied.
#[derive(Clone)]
pub struct LineFramer {
    ends: LineEnds,
    max_line: usize,
    max_total: usize,
    line: Vec<u8>,
    /// Whether `line` was handed out and is to be forgotten.
    spent: bool,
    /// How many bytes were taken.
    total: usize,
    /// How many bytes of the mark were seen; `None` once the question is settled.
    bom: Option<usize>,
    /// Whether the last byte was a CR that already ended its line.
    after_cr: bool,
}

/// Where a line lies.
pub(super) enum Line<'b> {
    /// Within the bytes that were pushed.
    Pushed(&'b [u8]),
    /// In the framer, because more than one push holds it: [`LineFramer::held`].
    Held,
}

impl LineFramer {
    /// An empty framer.
    #[must_use]
    pub fn new(ends: LineEnds, limits: FrameLimits) -> Self {
        Self {
            ends,
            max_line: limits.line,
            max_total: limits.total,
            line: Vec::new(),
            spent: false,
            total: 0,
            bom: Some(0),
            after_cr: false,
        }
    }

    /// Takes the next bytes and appends the lines that they complete.
    ///
    /// # Errors
    /// [`FrameError::LineTooLong`] and [`FrameError::TotalTooLong`]; lines completed before stand. The
    /// framer is not to be used afterwards.
    pub fn push(&mut self, mut bytes: &[u8], lines: &mut Vec<Vec<u8>>) -> Result<(), FrameError> {
        while let Some(line) = self.take(&mut bytes)? {
            lines.push(match line {
                Line::Pushed(line) => line.to_owned(),
                Line::Held => self.held().to_owned(),
            });
        }
        Ok(())
    }

    /// The bytes after the last terminator, if there are any.
    #[must_use]
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.rest().then(|| std::mem::take(&mut self.line))
    }

    /// Whether nothing is held: everything that was pushed was handed out.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        (self.spent || self.line.is_empty()) && !matches!(self.bom, Some(seen) if seen > 0)
    }

    /// How many bytes were taken so far.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// The line that [`Line::Held`] says is here, until the next call.
    pub(super) fn held(&self) -> &[u8] {
        &self.line
    }

    /// Takes bytes off the front, up to the end of the next line; all of them where no line ends.
    pub(super) fn take<'b>(
        &mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<Line<'b>>, FrameError> {
        self.forget();
        let room = self.max_total - self.total;
        let (mut rest, over) = match bytes.split_at_checked(room) {
            Some((within, over)) => (within, !over.is_empty()),
            None => (*bytes, false),
        };
        let before = rest.len();
        let line = self.cut(&mut rest)?;
        let taken = before - rest.len();
        *bytes = &bytes[taken..];
        self.total += taken;
        if line.is_none() && over {
            return Err(FrameError::TotalTooLong);
        }
        Ok(line)
    }

    /// Takes an empty line off the front, if one stands there whole.
    pub(super) fn take_blank(&mut self, bytes: &mut &[u8]) -> bool {
        let taken = match bytes {
            [b'\r', b'\n', ..] if self.ends == LineEnds::Any => 2,
            [b'\r', ..] if self.ends == LineEnds::Any => 1,
            [b'\n', ..] => 1,
            _ => return false,
        };
        // An LF right after a CR is the rest of that line's end.
        if self.after_cr || taken > self.max_total - self.total {
            return false;
        }
        self.after_cr = taken == 1 && bytes.len() == 1 && bytes[0] == b'\r';
        self.total += taken;
        *bytes = &bytes[taken..];
        true
    }

    /// Whether bytes without a terminator are left, which are then the line that is held.
    pub(super) fn rest(&mut self) -> bool {
        self.forget();
        if let Some(seen) = self.bom.take() {
            self.line.extend_from_slice(&BOM[..seen]);
        }
        !self.line.is_empty()
    }

    fn forget(&mut self) {
        if self.spent {
            self.spent = false;
            self.line.clear();
        }
    }

    fn cut<'b>(&mut self, bytes: &mut &'b [u8]) -> Result<Option<Line<'b>>, FrameError> {
        while let (Some(seen), Some((&first, rest))) = (self.bom, bytes.split_first()) {
            if first != BOM[seen] {
                // Not a mark after all: what looked like one is the beginning of the first line.
                self.bom = None;
                self.extend(&BOM[..seen])?;
                break;
            }
            *bytes = rest;
            self.bom = (seen + 1 < BOM.len()).then_some(seen + 1);
        }
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            *bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        let end = match self.ends {
            LineEnds::Lf => memchr::memchr(b'\n', bytes),
            LineEnds::Any => memchr::memchr2(b'\n', b'\r', bytes),
        };
        let Some(at) = end else {
            self.extend(bytes)?;
            *bytes = &[];
            return Ok(None);
        };
        let (line, rest) = bytes.split_at(at);
        *bytes = &rest[1..];
        if rest[0] == b'\r' {
            // The LF of a CRLF belongs to this line where it is there already.
            self.after_cr = bytes.is_empty();
            *bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        if self.line.is_empty() && line.len() <= self.max_line {
            return Ok(Some(Line::Pushed(line)));
        }
        self.extend(line)?;
        self.spent = true;
        Ok(Some(Line::Held))
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        if bytes.len() > self.max_line - self.line.len() {
            return Err(FrameError::LineTooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

impl std::fmt::Debug for LineFramer {
    /// What is held is payload: only its length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LineFramer({} bytes)", self.line.len())
    }
}
