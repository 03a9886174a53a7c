//! Signing. Keys live in the vault, or behind a platform authenticator.

use std::time::Duration;

use crate::{
    attest::PublicKey, code::ErrorCode, consent::Assurance, error::whole_seconds, secret::Secret,
};

/// A signature that was not made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignError {
    /// The factor is missing or wrong.
    #[error("approval passphrase missing or incorrect")]
    Factor,
    /// Too many wrong tries.
    #[error("too many failed attempts; try again in {} s", whole_seconds(*.again_in))]
    LockedOut {
        /// How long no factor is tried any more.
        again_in: Duration,
    },
    /// The vault is closed.
    #[error("the vault is locked")]
    Locked,
    /// The key is damaged or not there.
    #[error("the key is damaged or missing")]
    Damaged,
}

impl SignError {
    /// The code to report.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Factor | Self::LockedOut { .. } => ErrorCode::FactorRequired,
            Self::Locked => ErrorCode::VaultLocked,
            Self::Damaged => ErrorCode::Storage,
        }
    }
}

/// Signs with one key.
///
/// # Contract
/// Ed25519 over [`crate::attest::signed_bytes`] of the domain and message. A key under a factor signs only
/// when the factor is given, each time; the factor is never kept.
pub trait Signer: Send + Sync {
    /// The public part.
    fn public_key(&self) -> PublicKey;

    /// What the factor of this key is worth.
    fn assurance(&self) -> Assurance;

    /// Signs.
    ///
    /// # Errors
    /// [`SignError`].
    fn sign(
        &self,
        domain: &str,
        message: &[u8],
        factor: Option<&Secret>,
    ) -> Result<[u8; 64], SignError>;
}
