//! The public side of the keys that sign checkpoints. Private keys never come near this crate.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{
    hash::LogHash,
    hex::{self, InvalidHex, hex_text},
};

/// An Ed25519 public key, written as 64 lower-case hex digits. A point of small order is refused.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

hex_text!(PublicKey);

/// Bytes or a text that is not a usable public key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected an Ed25519 public key of 64 lower-case hex digits")]
pub struct InvalidKey;

impl PublicKey {
    /// Takes 32 bytes.
    ///
    /// # Errors
    /// [`InvalidKey`] when they are not a point of the curve, or one of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, InvalidKey> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(InvalidKey),
        }
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of this key: the first 8 bytes of `SHA-256("hsk.key.v1\0" ‖ key)`.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let hash = LogHash::of(&[b"hsk.key.v1\0", &self.0]);
        let mut id = [0; 8];
        id.copy_from_slice(&hash.as_bytes()[..8]);
        KeyId(id)
    }

    /// Whether `signature` is this key's over `message`, by the strict rules: no malleable encodings.
    pub(crate) fn verifies(&self, message: &[u8], signature: &SignatureText) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &Signature::from_bytes(&signature.0)))
            .is_ok()
    }
}

impl std::str::FromStr for PublicKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        hex::read(text)
            .map_err(|_| InvalidKey)
            .and_then(Self::from_bytes)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = InvalidKey;
    fn try_from(text: String) -> Result<Self, InvalidKey> {
        text.parse()
    }
}

/// The id of a public key, 16 lower-case hex digits.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 8]);

hex_text!(KeyId);

impl KeyId {
    /// The 8 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidHex;
    fn try_from(text: String) -> Result<Self, InvalidHex> {
        hex::read(&text).map(Self)
    }
}

/// An Ed25519 signature, 128 lower-case hex digits.
#[derive(Clone, Copy, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignatureText(pub(crate) [u8; 64]);

hex_text!(SignatureText);

impl TryFrom<String> for SignatureText {
    type Error = InvalidHex;
    fn try_from(text: String) -> Result<Self, InvalidHex> {
        hex::read(&text).map(Self)
    }
}

/// Signs `domain ‖ 0x00 ‖ message` ([`framed`]) and is handed the two apart, as signers frame them themselves.
/// The private key stays wherever it lives. A signer that cannot sign answers with anything: what does not
/// verify is refused.
pub type Sign<'a> = &'a dyn Fn(&'static str, &[u8]) -> [u8; 64];

/// The bytes under a signature: `domain ‖ 0x00 ‖ message`.
#[must_use]
pub fn framed(domain: &str, message: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), b"\0", message].concat()
}

/// The domain of checkpoints.
pub const CHECKPOINT_DOMAIN: &str = "hsk.checkpoint.v1";

/// The domain of consent receipts, which the approval key signs.
pub const RECEIPT_DOMAIN: &str = "hsk.consent_receipt.v1";

/// The domain of seams.
pub const SEAM_DOMAIN: &str = "hsk.log_seam.v1";

/// The domain of handovers between epoch keys.
pub const HANDOVER_DOMAIN: &str = "hsk.epoch_handover.v1";

/// What came back from the signer is not a signature of the named key, so it is not used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The signature does not verify under the public key it should belong to.
    #[error("the signer did not sign with the named key")]
    WrongSigner,
    /// The time is not RFC 3339 UTC, or a size or epoch is impossible.
    #[error("a signed record needs an RFC 3339 time in UTC and sizes that do not decrease")]
    Invalid,
}

pub(crate) fn sign(
    key: &PublicKey,
    domain: &'static str,
    message: &[u8],
    sign: Sign<'_>,
) -> Result<SignatureText, SignError> {
    let signature = SignatureText(sign(domain, message));
    if key.verifies(&framed(domain, message), &signature) {
        Ok(signature)
    } else {
        Err(SignError::WrongSigner)
    }
}

/// Reads a time in the one form that is written.
pub(crate) fn utc_time<'de, D: serde::Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text = String::deserialize(input)?;
    if is_utc_time(&text) {
        Ok(text)
    } else {
        Err(serde::de::Error::custom("not a time"))
    }
}

/// Whether a text has the form `YYYY-MM-DDThh:mm:ss[.fraction]Z`. Nothing is decided by these times, so
/// days per month are not checked.
pub(crate) fn is_utc_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((head, tail)) = bytes.split_at_checked(19) else {
        return false;
    };
    let shape = head
        .iter()
        .zip(b"0000-00-00T00:00:00")
        .all(|(&byte, &model)| {
            if model == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == model
            }
        });
    let fraction = match tail {
        [b'Z'] => true,
        [b'.', digits @ .., b'Z'] => {
            (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    shape && fraction
}
