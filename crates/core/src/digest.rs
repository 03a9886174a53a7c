//! Canonical JSON (RFC 8785) and the hashes over it.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 value, written in lower-case hex.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Digest([u8; 32]);

/// A text that is not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid digest: expected 64 lower-case hex digits")]
pub struct InvalidDigest;

impl Digest {
    /// SHA-256 over the concatenation of the parts. Callers that need injectivity frame the parts.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Wraps 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hands out the hex digits without an allocation: events hold several of them.
    fn with_hex<T>(&self, take: impl FnOnce(&str) -> T) -> T {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        take(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_hex(|hex| f.write_str(hex))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_hex(|hex| serializer.serialize_str(hex))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let hex = text.as_bytes();
        if hex.len() != 64 {
            return Err(InvalidDigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(hex: u8) -> Result<u8, InvalidDigest> {
    match hex {
        b'0'..=b'9' => Ok(hex - b'0'),
        b'a'..=b'f' => Ok(hex - b'a' + 10),
        _ => Err(InvalidDigest),
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// A key for commitments to content. Events hold HMACs under such a key, never a plain hash: a plain
/// hash of a short prompt is a dictionary oracle.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct CommitmentKey {
    bytes: [u8; 32],
    /// What tells the key from another one, and nothing about it.
    #[zeroize(skip)]
    id: KeyedHash,
}

impl CommitmentKey {
    /// Takes 32 bytes of key.
    ///
    /// # Errors
    /// [`InvalidDigest`] for the all-zero key, which is what a missing key looks like.
    pub fn new(bytes: [u8; 32]) -> Result<Self, InvalidDigest> {
        if bytes == [0; 32] {
            Err(InvalidDigest)
        } else {
            let id = commit(&bytes, "hsk.commitment_key.v1", &[]);
            Ok(Self { bytes, id })
        }
    }

    pub(crate) fn id(&self) -> &KeyedHash {
        &self.id
    }

    /// HMAC-SHA256 over the framed parts: each part is preceded by its length, so parts cannot shift.
    #[must_use]
    pub fn commit(&self, domain: &str, parts: &[&[u8]]) -> KeyedHash {
        commit(&self.bytes, domain, parts)
    }
}

fn commit(key: &[u8; 32], domain: &str, parts: &[&[u8]]) -> KeyedHash {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in std::iter::once(&domain.as_bytes()).chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    KeyedHash(Digest(mac.finalize().into_bytes().into()))
}

impl fmt::Debug for CommitmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommitmentKey(..)")
    }
}

/// An HMAC-SHA256 commitment to content, safe to record.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct KeyedHash(Digest);

impl KeyedHash {
    /// Compares in constant time: how far two of them agree tells nobody anything.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(&self.0.0[..], &other.0.0[..]).into()
    }

    /// Wraps a stored value.
    #[must_use]
    pub fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The value.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A value that has no canonical JSON form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotCanonical {
    /// A float, or an integer beyond 2^53 that RFC 8785 would alter silently.
    #[error("canonical JSON cannot hold floats or integers beyond 2^53: use a decimal string")]
    Number,
    /// A value that serde cannot serialise.
    #[error("cannot write the value as JSON")]
    Unserialisable,
}

/// RFC 8785 canonical JSON of a governance artefact.
///
/// # Errors
/// [`NotCanonical::Number`] for floats and for integers that a double cannot hold: RFC 8785 would
/// round them, and two values could then share a digest.
pub fn canonical_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    let mut out = Vec::with_capacity(512);
    canonical_json_into(value, &mut out)?;
    Ok(out)
}

/// Appends the canonical form to `out`, which is as it was after a refusal.
///
/// # Errors
/// As [`canonical_json`].
pub fn canonical_json_into<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), NotCanonical> {
    crate::json::canonical::write(value, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_refuses_numbers_that_rfc_8785_would_alter() {
        assert_eq!(
            canonical_json(&serde_json::json!({"b":1,"a":"x"})).expect("ok"),
            br#"{"a":"x","b":1}"#
        );
        assert_eq!(canonical_json(&u64::MAX), Err(NotCanonical::Number));
        assert_eq!(canonical_json(&0.5), Err(NotCanonical::Number));
    }

    #[test]
    fn digests_round_trip_and_refuse_upper_case() {
        let d = Digest::of(&[b"abc"]);
        assert_eq!(
            d.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(d.to_string().parse(), Ok(d));
        assert!(d.to_string().to_uppercase().parse::<Digest>().is_err());
    }

    #[test]
    fn commitments_frame_their_parts() {
        let key = CommitmentKey::new([7; 32]).expect("key");
        assert_ne!(
            key.commit("d", &[b"ab", b"c"]),
            key.commit("d", &[b"a", b"bc"])
        );
        assert!(CommitmentKey::new([0; 32]).is_err());
    }
}
