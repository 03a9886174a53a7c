//! Leaves and the chain they form. Pure: nothing is stored, nothing is signed here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::hash::LogHash;

/// The largest payload of a leaf, in bytes: a line of an export, with its other members, stays under
/// [`MAX_LINE`](crate::MAX_LINE).
pub const MAX_PAYLOAD: usize = crate::MAX_LINE - 1024;

/// The identity of one log, normally derived from the install id: `[A-Za-z0-9._:/-]{1,128}`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogId(String);

/// A text that is not a log id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid log id: expected 1 to 128 characters of A-Z a-z 0-9 . _ : / -")]
pub struct InvalidLogId;

impl LogId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogId {
    type Err = InvalidLogId;
    fn from_str(text: &str) -> Result<Self, InvalidLogId> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/-".contains(&b);
        if (1..=128).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidLogId)
        }
    }
}

impl TryFrom<String> for LogId {
    type Error = InvalidLogId;
    fn try_from(text: String) -> Result<Self, InvalidLogId> {
        text.parse()
    }
}

impl From<LogId> for String {
    fn from(id: LogId) -> Self {
        id.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of a log after `size` leaves. `size` is also the `seq` of the last leaf: the first is 1.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LogHead {
    /// How many leaves there are.
    pub size: u64,
    /// The hash of the last leaf; of an empty log, [`LogHead::genesis`].
    pub hash: LogHash,
}

impl LogHead {
    /// The head of an empty log: `SHA-256("hsk.log.v1\0" ‖ u32be len(log_id) ‖ log_id)`. The identity
    /// of the log is therefore in every later hash, and two logs cannot be spliced.
    #[must_use]
    pub fn genesis(log_id: &LogId) -> Self {
        let id = log_id.as_str().as_bytes();
        let hash = LogHash::of(&[b"hsk.log.v1\0", &length(id), id]);
        Self { size: 0, hash }
    }

    /// `SIZE:HASH12`, the short anchor that a person can note down.
    #[must_use]
    pub fn short_anchor(&self) -> String {
        format!("{}:{}", self.size, self.hash.short())
    }
}

/// One record of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaf {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// The hash of the leaf before it, or the genesis hash.
    pub prev: LogHash,
    /// [`leaf_hash`] of the other members.
    pub hash: LogHash,
    /// The exact bytes that were hashed: one JSON object on one line. Opaque to this crate.
    pub payload: Vec<u8>,
}

/// Why a payload cannot become a leaf.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Larger than [`MAX_PAYLOAD`].
    #[error("payload larger than {MAX_PAYLOAD} bytes")]
    TooLarge,
    /// Not one JSON object without raw line breaks, so an export could not hold its exact bytes.
    #[error("payload is not one JSON object on one line")]
    NotOneObject,
    /// The sequence numbers are used up.
    #[error("the log is full")]
    Full,
}

/// The hash of a leaf:
/// `SHA-256(0x00 ‖ "hsk.leaf.v1\0" ‖ u64be seq ‖ prev ‖ u32be len(payload) ‖ payload)`.
///
/// The leading zero byte is the leaf prefix of RFC 6962, so a Merkle tree (nodes with prefix `0x01`)
/// can be put over the same leaves without changing one of them.
#[must_use]
pub fn leaf_hash(seq: u64, prev: &LogHash, payload: &[u8]) -> LogHash {
    let seq = seq.to_be_bytes();
    LogHash::of(&[
        b"\0hsk.leaf.v1\0",
        &seq,
        prev.as_bytes(),
        &length(payload),
        payload,
    ])
}

/// The next leaf and the head after it. Pure: the caller stores both in one transaction.
///
/// # Errors
/// [`AppendError`] when the payload could not be exported byte for byte.
pub fn append(head: &LogHead, payload: Vec<u8>) -> Result<(Leaf, LogHead), AppendError> {
    check_payload(&payload)?;
    let next = advance(head, &payload)?;
    let leaf = Leaf {
        seq: next.size,
        prev: head.hash,
        hash: next.hash,
        payload,
    };
    Ok((leaf, next))
}

/// The head after a payload, for whoever keeps the payload elsewhere and made it with a JSON serializer: that it
/// stands on one line between braces is looked at, what stands there is not read again.
///
/// # Errors
/// As [`append`].
pub fn advance(head: &LogHead, payload: &[u8]) -> Result<LogHead, AppendError> {
    check_frame(payload)?;
    let size = head.size.checked_add(1).ok_or(AppendError::Full)?;
    let hash = leaf_hash(size, &head.hash, payload);
    Ok(LogHead { size, hash })
}

pub(crate) fn check_payload(payload: &[u8]) -> Result<(), AppendError> {
    check_frame(payload)?;
    let text = std::str::from_utf8(payload).map_err(|_| AppendError::NotOneObject)?;
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(AppendError::NotOneObject),
    }
}

fn check_frame(payload: &[u8]) -> Result<(), AppendError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(AppendError::TooLarge);
    }
    let framed = payload.first() == Some(&b'{') && payload.last() == Some(&b'}');
    if framed && !payload.contains(&b'\n') && !payload.contains(&b'\r') {
        Ok(())
    } else {
        Err(AppendError::NotOneObject)
    }
}

/// The length prefix of a variable part. Every caller bounds its parts far below 4 GiB.
pub(crate) fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_the_hash_formats_are_pinned() {
        let genesis = LogHead::genesis(&"install-1".parse().expect("id"));
        let (leaf, head) = append(&genesis, b"{\"a\":1}".to_vec()).expect("appends");
        // Computed independently with Python's hashlib from the formulas in the documentation.
        assert_eq!(
            genesis.hash.to_string(),
            "ad93094ec386e7db29faf934c0c683b70854f110e588ee08b667acbe4ded1e3e"
        );
        assert_eq!(
            leaf.hash.to_string(),
            "f1f7da2cd6b6d4ff59bea43b5469f55a7c26853e7366a094fb03a80f619af480"
        );
        assert_eq!(
            (leaf.seq, leaf.prev, head.size, head.hash),
            (1, genesis.hash, 1, leaf.hash)
        );
    }

    #[test]
    fn p9_a_payload_that_could_not_be_exported_exactly_is_refused() {
        let genesis = LogHead::genesis(&"i".parse().expect("id"));
        for bad in [
            &b""[..],
            b"1",
            b"{}\n",
            b"{\"a\":\n1}",
            b" {}",
            b"{}{}",
            b"{",
            b"{\"\xff\":1}",
        ] {
            assert_eq!(
                append(&genesis, bad.to_vec()).expect_err("refused"),
                AppendError::NotOneObject
            );
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_PAYLOAD)).into_bytes();
        assert_eq!(
            append(&genesis, large).expect_err("refused"),
            AppendError::TooLarge
        );
        let full = LogHead {
            size: u64::MAX,
            hash: genesis.hash,
        };
        assert_eq!(
            append(&full, b"{}".to_vec()).expect_err("refused"),
            AppendError::Full
        );
    }
}
