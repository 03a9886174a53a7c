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
/// Memory: one line at most beyond what [`LineFramer::push`] hands out.
#[derive(Clone)]
pub struct LineFramer {
    ends: LineEnds,
    max_line: usize,
    max_total: usize,
    line: Vec<u8>,
    total: usize,
    /// How many bytes of the mark were seen; `None` once the question is settled.
    bom: Option<usize>,
    /// Whether the last byte was a CR that already ended its line.
    after_cr: bool,
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
    pub fn push(&mut self, bytes: &[u8], lines: &mut Vec<Vec<u8>>) -> Result<(), FrameError> {
        let room = self.max_total - self.total;
        let (bytes, over) = if bytes.len() > room {
            (&bytes[..room], true)
        } else {
            (bytes, false)
        };
        self.total += bytes.len();
        self.split(bytes, lines)?;
        if over {
            Err(FrameError::TotalTooLong)
        } else {
            Ok(())
        }
    }

    /// The bytes after the last terminator, if there are any.
    #[must_use]
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        if let Some(seen) = self.bom.take() {
            self.line.extend_from_slice(&BOM[..seen]);
        }
        let rest = std::mem::take(&mut self.line);
        (!rest.is_empty()).then_some(rest)
    }

    /// Whether nothing is held: everything that was pushed was handed out.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.line.is_empty() && !matches!(self.bom, Some(seen) if seen > 0)
    }

    fn split(&mut self, mut bytes: &[u8], lines: &mut Vec<Vec<u8>>) -> Result<(), FrameError> {
        while let (Some(seen), Some((&first, rest))) = (self.bom, bytes.split_first()) {
            if first != BOM[seen] {
                // Not a mark after all: what looked like one is the beginning of the first line.
                self.bom = None;
                self.extend(&BOM[..seen])?;
                break;
            }
            bytes = rest;
            self.bom = (seen + 1 < BOM.len()).then_some(seen + 1);
        }
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if bytes[0] == b'\n' {
                    bytes = &bytes[1..];
                    continue;
                }
            }
            let any = self.ends == LineEnds::Any;
            match bytes
                .iter()
                .position(|&b| b == b'\n' || (any && b == b'\r'))
            {
                Some(at) => {
                    self.extend(&bytes[..at])?;
                    lines.push(std::mem::take(&mut self.line));
                    self.after_cr = bytes[at] == b'\r';
                    bytes = &bytes[at + 1..];
                }
                None => {
                    self.extend(bytes)?;
                    break;
                }
            }
        }
        Ok(())
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
