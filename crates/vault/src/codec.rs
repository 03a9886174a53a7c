//! Bytes as text inside the vault's JSON, and the frame of the file around it.
//!
//! `"HSKV" ‖ u16be format ‖ vault_id (16) ‖ u32be len ‖ header JSON ‖ sealed index`. Everything before the
//! index is its associated data: nobody without the data key can change a slot or the approval key unseen.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::VaultError;

/// The largest vault file.
pub(crate) const MAX_FILE: u64 = 16 << 20;

const MAGIC: &[u8; 4] = b"HSKV";
/// Written. 2 says that nobody holds the approval key, where that is so; 1 could not.
const FORMAT: u16 = 2;
const FIXED: usize = 4 + 2 + 16 + 4;

/// The parts of a vault file.
pub(crate) struct Frame<'a> {
    pub(crate) vault_id: [u8; 16],
    pub(crate) header: &'a [u8],
    /// Everything before the index.
    pub(crate) prefix: &'a [u8],
    pub(crate) sealed_index: &'a [u8],
}

pub(crate) fn prefix(vault_id: &[u8; 16], header: &[u8]) -> Result<Vec<u8>, VaultError> {
    let length = u32::try_from(header.len()).map_err(|_| VaultError::Damaged)?;
    Ok([
        MAGIC,
        &FORMAT.to_be_bytes()[..],
        vault_id,
        &length.to_be_bytes(),
        header,
    ]
    .concat())
}

pub(crate) fn unframe(bytes: &[u8]) -> Result<Frame<'_>, VaultError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(VaultError::Damaged)?;
    let (format, rest) = rest.split_first_chunk::<2>().ok_or(VaultError::Damaged)?;
    match u16::from_be_bytes(*format) {
        1..=FORMAT => {}
        0 => return Err(VaultError::Damaged),
        _ => return Err(VaultError::NewerFormat),
    }
    let (vault_id, rest) = rest.split_first_chunk::<16>().ok_or(VaultError::Damaged)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(VaultError::Damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| VaultError::Damaged)?;
    let (header, sealed_index) = rest.split_at_checked(length).ok_or(VaultError::Damaged)?;
    let prefix = bytes.get(..FIXED + length).ok_or(VaultError::Damaged)?;
    Ok(Frame {
        vault_id: *vault_id,
        header,
        prefix,
        sealed_index,
    })
}

/// Ciphertext or public bytes, written as lower-case hex.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

/// Public bytes of a fixed length, written as lower-case hex.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FixedHex<const N: usize>(pub(crate) [u8; N]);

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hex({} bytes)", self.0.len())
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text)
            .map(Self)
            .ok_or_else(|| de::Error::custom("not hex"))
    }
}

impl<const N: usize> Serialize for FixedHex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for FixedHex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Hex::deserialize(deserializer)?.0;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| de::Error::custom("wrong length"))
    }
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}
