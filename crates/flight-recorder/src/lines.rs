//! Lines of an untrusted file: bounded, never more than one in memory.

use std::io::{self, BufRead};

use crate::format::MAX_LINE;

/// One line.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Line<'a> {
    /// Its bytes without the line break.
    Whole(&'a [u8]),
    /// Longer than [`MAX_LINE`], or without a line break at the end of the file. Skipped.
    Broken,
}

/// Reads lines into one buffer.
pub(crate) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
        }
    }

    /// The next line, `None` at the end.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let mut length = 0_usize;
        loop {
            let chunk = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if chunk.is_empty() {
                return Ok((length > 0).then_some(Line::Broken));
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let taken = end.unwrap_or(chunk.len());
            length = length.saturating_add(taken);
            if length <= MAX_LINE {
                self.buffer.extend_from_slice(&chunk[..taken]);
            }
            self.input.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                let whole = length <= MAX_LINE;
                return Ok(Some(if whole {
                    Line::Whole(&self.buffer)
                } else {
                    Line::Broken
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_a_line_without_end_costs_no_memory_and_is_broken() {
        let long = vec![b'x'; MAX_LINE + 1];
        let input = [&b"a\n\n"[..], &long, b"\nb\nc"].concat();
        let mut lines = Lines::new(io::BufReader::with_capacity(7, &input[..]));
        assert_eq!(lines.next_line().expect("reads"), Some(Line::Whole(b"a")));
        assert_eq!(lines.next_line().expect("reads"), Some(Line::Whole(b"")));
        assert_eq!(lines.next_line().expect("reads"), Some(Line::Broken));
        assert!(lines.buffer.len() <= MAX_LINE);
        assert_eq!(lines.next_line().expect("reads"), Some(Line::Whole(b"b")));
        assert_eq!(lines.next_line().expect("reads"), Some(Line::Broken));
        assert_eq!(lines.next_line().expect("reads"), None);
    }
}
