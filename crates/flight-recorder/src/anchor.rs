//! Anchors: log heads written down outside the machine that holds the log.

use std::str::FromStr;

use crate::{checkpoint::Checkpoint, hash::LogHash, hex, leaf::LogHead};

/// The fewest hex digits of a head hash that count as an anchor.
pub const SHORT_ANCHOR_DIGITS: usize = 12;

/// A head that was remembered elsewhere.
///
/// A short anchor has 48 bits. It shows accidents and casual edits; somebody who holds the signing key
/// and can compute 2^48 hashes could make another log that ends in the same twelve digits. Where that
/// matters, keep the full hash or a whole checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Anchor {
    /// A size and the full hash of the head.
    Head(LogHead),
    /// A size and the first hex digits of the hash of the head.
    Short {
        /// The size.
        size: u64,
        /// 12 to 63 lower-case hex digits.
        prefix: String,
    },
    /// A checkpoint that was kept elsewhere, such as in a receipt. Its signature is checked too.
    Checkpoint(Checkpoint),
}

/// A text that is not an anchor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid anchor: expected SIZE:HASH with 12 to 64 lower-case hex digits of the head hash")]
pub struct InvalidAnchor;

impl Anchor {
    /// The size that it speaks about.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Head(head) => head.size,
            Self::Short { size, .. } => *size,
            Self::Checkpoint(checkpoint) => checkpoint.size,
        }
    }

    /// How many bits of the head hash it holds.
    #[must_use]
    pub fn bits(&self) -> u32 {
        match self {
            Self::Head(_) | Self::Checkpoint(_) => 256,
            Self::Short { prefix, .. } => u32::try_from(prefix.len() * 4).unwrap_or(256),
        }
    }

    pub(crate) fn matches(&self, hash: &LogHash) -> bool {
        match self {
            Self::Head(head) => head.hash == *hash,
            Self::Short { prefix, .. } => hash.to_string().starts_with(prefix.as_str()),
            Self::Checkpoint(checkpoint) => checkpoint.head == *hash,
        }
    }
}

impl FromStr for Anchor {
    type Err = InvalidAnchor;
    fn from_str(text: &str) -> Result<Self, InvalidAnchor> {
        let (size, digits) = text.split_once(':').ok_or(InvalidAnchor)?;
        let canonical =
            size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size
            .parse()
            .ok()
            .filter(|_| canonical)
            .ok_or(InvalidAnchor)?;
        if let Ok(hash) = digits.parse() {
            return Ok(Self::Head(LogHead { size, hash }));
        }
        let is_hex = digits.bytes().all(|b| hex::nibble(b).is_some());
        if is_hex && (SHORT_ANCHOR_DIGITS..64).contains(&digits.len()) {
            Ok(Self::Short {
                size,
                prefix: digits.to_owned(),
            })
        } else {
            Err(InvalidAnchor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_twelve_characters_are_an_anchor_and_eleven_are_not() {
        assert_eq!(
            "7:abcdef012345".parse(),
            Ok(Anchor::Short {
                size: 7,
                prefix: "abcdef012345".to_owned()
            })
        );
        assert!(matches!(
            format!("7:{}", "0a".repeat(32)).parse(),
            Ok(Anchor::Head(_))
        ));
        for bad in [
            "",
            "7",
            "7:",
            ":abcdef012345",
            "7:abcdef01234",
            "7:ABCDEF012345",
            "-7:abcdef012345",
            "+7:abcdef012345",
            "07:abcdef012345",
            "7:abcdef01234g",
            "7:abcdef012345 ",
        ] {
            assert_eq!(bad.parse::<Anchor>(), Err(InvalidAnchor), "{bad}");
        }
        assert!(format!("7:{}", "0a".repeat(33)).parse::<Anchor>().is_err());
    }
}
