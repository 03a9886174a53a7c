//! SHA-256 values.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::hex::{self, InvalidHex, hex_text};

/// A SHA-256 value, written as 64 lower-case hex digits.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogHash([u8; 32]);

hex_text!(LogHash);

impl LogHash {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hex digits: what a person is shown after a send and can note down.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }

    /// SHA-256 over the concatenation. Callers frame the parts, so that no two inputs run together.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

impl std::str::FromStr for LogHash {
    type Err = InvalidHex;
    fn from_str(text: &str) -> Result<Self, InvalidHex> {
        hex::read(text).map(Self)
    }
}

impl TryFrom<String> for LogHash {
    type Error = InvalidHex;
    fn try_from(text: String) -> Result<Self, InvalidHex> {
        text.parse()
    }
}
