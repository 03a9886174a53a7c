//! Secrets for sending.

use crate::{
    base_url::Origin,
    code::ErrorCode,
    secret::{Secret, SecretRef},
};

/// What a secret is wanted for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretUse {
    /// The reference.
    pub secret_ref: SecretRef,
    /// The origin that would receive it.
    pub origin: Origin,
}

/// A secret that cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SecretError {
    /// It is not bound to this origin, or its value changed since.
    #[error("the secret is not bound to this origin")]
    Unbound,
    /// The secret does not exist.
    #[error("no such secret")]
    Missing,
    /// The vault is closed.
    #[error("the vault is locked")]
    Locked,
    /// Its place is unreadable, not private, or holds no usable value.
    #[error("the secret cannot be read from where its reference points")]
    Unusable,
}

impl SecretError {
    /// The code to report.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Unbound | Self::Missing => ErrorCode::SecretUnbound,
            Self::Locked => ErrorCode::VaultLocked,
            Self::Unusable => ErrorCode::InvalidConfig,
        }
    }
}

/// Gives secrets out, to the origin that they are bound to and nowhere else.
///
/// # Contract
/// Both calls check the binding: origin and keyed digest of the value as it is now. No network.
pub trait SecretStore: Send + Sync {
    /// Whether [`SecretStore::fetch`] would succeed.
    ///
    /// # Errors
    /// [`SecretError`].
    fn check(&self, wanted: &SecretUse) -> Result<(), SecretError>;

    /// The value. For the transport only.
    ///
    /// # Errors
    /// [`SecretError`].
    fn fetch(&self, wanted: &SecretUse) -> Result<Secret, SecretError>;
}
