//! Ed25519 verification. Signing is a port: core holds no private key.

use ed25519_dalek::{Signature, VerifyingKey};

use crate::{digest::Digest, ids::KeyId};

/// A public key and its short name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

/// A key or signature that is malformed or does not verify.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid signature or key")]
pub struct BadSignature;

impl PublicKey {
    /// Reads 32 bytes.
    ///
    /// # Errors
    /// [`BadSignature`] for bytes that are not a curve point, or a weak one.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadSignature> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| BadSignature)?;
        if key.is_weak() {
            return Err(BadSignature);
        }
        let digest = Digest::of(&[b"hsk.key.v1\0", bytes]).to_string();
        let id = KeyId::new(&digest[..16]).map_err(|_| BadSignature)?;
        Ok(Self { key, id })
    }

    /// The short name.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Verifies strictly: no malleable and no small-order signature passes. The domain keeps a signature
    /// made for one purpose from passing for another.
    ///
    /// # Errors
    /// [`BadSignature`] when it does not verify.
    pub fn verify(
        &self,
        domain: &str,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), BadSignature> {
        self.key
            .verify_strict(
                &signed_bytes(domain, message),
                &Signature::from_bytes(signature),
            )
            .map_err(|_| BadSignature)
    }
}

/// The bytes that are signed: `domain ‖ 0x00 ‖ message`.
#[must_use]
pub fn signed_bytes(domain: &str, message: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), b"\0", message].concat()
}

/// The domain of consent receipts.
pub const RECEIPT_DOMAIN: &str = "hsk.consent_receipt.v1";
