//! The one spelling of every line of an export. A line that is spelled otherwise is malformed, so a
//! change of a single bit shows even where JSON would not care.

use serde::{Serialize, de::DeserializeOwned};

use crate::leaf::{self, Leaf};

/// The longest line of an export, without its line break: 1 MiB.
pub const MAX_LINE: usize = 1 << 20;

/// A line that the writer would not have produced. Holds nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an export line")]
pub struct MalformedLine;

impl Leaf {
    /// The line of `log.jsonl`, without its line break:
    /// `{"seq":N,"prev":"HEX","hash":"HEX","event":PAYLOAD}` with the payload's exact bytes.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = format!(
            r#"{{"seq":{},"prev":"{}","hash":"{}","event":"#,
            self.seq, self.prev, self.hash
        )
        .into_bytes();
        line.extend_from_slice(&self.payload);
        line.push(b'}');
        line
    }

    /// Reads a line of `log.jsonl`. The hash is read, not checked.
    ///
    /// # Errors
    /// [`MalformedLine`] for everything that [`Leaf::to_line`] does not produce.
    pub fn from_line(line: &[u8]) -> Result<Self, MalformedLine> {
        let rest = line.strip_prefix(br#"{"seq":"#).ok_or(MalformedLine)?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = rest.split_at(digits);
        let number = std::str::from_utf8(number).map_err(|_| MalformedLine)?;
        let seq: u64 = number.parse().map_err(|_| MalformedLine)?;
        let (prev, rest) = quoted(rest, br#","prev":""#)?;
        let (hash, rest) = quoted(rest, br#","hash":""#)?;
        let rest = rest.strip_prefix(br#","event":"#).ok_or(MalformedLine)?;
        let payload = rest.strip_suffix(b"}").ok_or(MalformedLine)?;
        leaf::check_payload(payload).map_err(|_| MalformedLine)?;
        if seq == 0 || number.starts_with('0') {
            return Err(MalformedLine);
        }
        Ok(Self {
            seq,
            prev,
            hash,
            payload: payload.to_vec(),
        })
    }
}

/// Takes `label`, a hash in hex and the closing quote off the front.
fn quoted<'a>(rest: &'a [u8], label: &[u8]) -> Result<(crate::LogHash, &'a [u8]), MalformedLine> {
    let rest = rest.strip_prefix(label).ok_or(MalformedLine)?;
    let (digits, rest) = rest.split_at_checked(64).ok_or(MalformedLine)?;
    let text = std::str::from_utf8(digits).map_err(|_| MalformedLine)?;
    let hash = text.parse().map_err(|_| MalformedLine)?;
    Ok((hash, rest.strip_prefix(b"\"").ok_or(MalformedLine)?))
}

/// A record of fixed members as its one line, without the line break.
pub(crate) fn to_line<T: Serialize>(record: &T) -> Result<Vec<u8>, MalformedLine> {
    serde_json::to_vec(record).map_err(|_| MalformedLine)
}

/// Reads such a line, and only in the spelling that [`to_line`] gives it.
pub(crate) fn from_line<T: Serialize + DeserializeOwned>(line: &[u8]) -> Result<T, MalformedLine> {
    let record: T = serde_json::from_slice(line).map_err(|_| MalformedLine)?;
    if to_line(&record)? == line {
        Ok(record)
    } else {
        Err(MalformedLine)
    }
}
