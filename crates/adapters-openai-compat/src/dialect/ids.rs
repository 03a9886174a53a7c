//! The forms of tool call ids.

use handshake_core::digest::Digest;

/// Which ids of tool calls a model's family takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdRule {
    /// Any, and its own must come back as they were, repetitions included (Kimi).
    Echo,
    /// Any.
    Verbatim,
    /// Exactly nine letters and digits (Mistral).
    Strict9,
    /// At most 40 characters (OpenAI).
    AtMost40,
    /// At most 64 of `[a-zA-Z0-9_-]` (Claude).
    Word64,
}

impl IdRule {
    /// Whether an id can go as it is.
    #[must_use]
    pub fn takes(self, id: &str) -> bool {
        match self {
            Self::Echo | Self::Verbatim => !id.is_empty(),
            Self::Strict9 => id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()),
            Self::AtMost40 => (1..=40).contains(&id.len()),
            Self::Word64 => {
                (1..=64).contains(&id.len())
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            }
        }
    }

    /// An id of the rule's form for `source`; another one for every `round`.
    pub(crate) fn derive(self, source: &str, round: u32) -> String {
        let digest = Digest::of(&[b"hsk.call_id.v1\0", &round.to_be_bytes(), source.as_bytes()]);
        match self {
            Self::Strict9 => base62(&digest.as_bytes()[..16], 9),
            _ => format!("call_{}", &digest.to_string()[..24]),
        }
    }
}

/// `len` letters and digits of a large number.
fn base62(bytes: &[u8], len: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = bytes.iter().fold(0u128, |n, b| (n << 8) | u128::from(*b));
    let mut text = String::with_capacity(len);
    for _ in 0..len {
        let digit = usize::try_from(number % 62).unwrap_or(0);
        text.push(char::from(ALPHABET[digit]));
        number /= 62;
    }
    text
}
