//! What can go wrong with a vault. No message holds a name, a path or a value.

use std::io;

use handshake_core::{
    code::ErrorCode,
    ports::{SealError, SecretError, SignError},
};

/// A vault that cannot be made, opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// No slot opens with what was given.
    #[error("the vault does not open with this passphrase or key file")]
    Locked,
    /// The file is not a vault, or its bytes were changed.
    #[error("the vault is damaged")]
    Damaged,
    /// The file is older than what this process has already seen of it.
    #[error("the vault was put back to an older state")]
    RolledBack,
    /// The file was made by a newer version.
    #[error("the vault was made by a newer version of this program")]
    NewerFormat,
    /// A file is not owned by this user alone, or is a link.
    #[error("the file must be a regular file that only its owner can read, and no link")]
    NotPrivate,
    /// There is a vault already.
    #[error("there is a vault already")]
    Exists,
    /// The file cannot be read or written.
    #[error("the vault file cannot be read or written")]
    Io(#[source] io::Error),
    /// What was written could not be read back.
    #[error("the vault could not be read back after writing")]
    ReadBack,
    /// A name is not 1 to 128 characters of `A-Z a-z 0-9 . _ -`.
    #[error("a secret's name is 1 to 128 characters of A-Z a-z 0-9 . _ -")]
    InvalidName,
    /// A value is not 8 to 8192 visible ASCII characters.
    #[error("a secret is 8 to 8192 visible ASCII characters without spaces")]
    InvalidValue,
    /// No such secret.
    #[error("no such secret")]
    UnknownSecret,
    /// No such slot, or it is the last one.
    #[error("no such slot, or the only one left")]
    UnknownSlot,
    /// A passphrase that is too easy to guess.
    #[error("a passphrase needs 8 characters or more, and not the same few")]
    WeakPassphrase,
    /// Key derivation parameters out of range.
    #[error("the key derivation parameters are out of range")]
    InvalidKdf,
    /// The approval factor is missing or wrong.
    #[error("the approval factor is missing or wrong")]
    Factor,
    /// Too many wrong approval factors.
    #[error("too many wrong tries; wait a minute")]
    LockedOut,
    /// The named successor is not the prepared one.
    #[error("no such recorder key is prepared")]
    UnknownEpoch,
    /// The reference cannot be bound: its place is not usable.
    #[error("the secret's place is not usable")]
    Unusable,
    /// This build has no keychain.
    #[error("this build has no keychain; use vault:, env: or file:")]
    NoKeychain,
}

impl VaultError {
    /// The code to report.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Locked => ErrorCode::VaultLocked,
            Self::Factor | Self::LockedOut => ErrorCode::FactorRequired,
            Self::InvalidName
            | Self::InvalidValue
            | Self::UnknownSecret
            | Self::UnknownSlot
            | Self::WeakPassphrase
            | Self::InvalidKdf
            | Self::Unusable
            | Self::NoKeychain => ErrorCode::InvalidConfig,
            _ => ErrorCode::Storage,
        }
    }
}

impl From<VaultError> for SecretError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Locked => Self::Locked,
            VaultError::UnknownSecret | VaultError::InvalidName => Self::Missing,
            _ => Self::Unusable,
        }
    }
}

impl From<VaultError> for SignError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Locked => Self::Locked,
            VaultError::Factor => Self::Factor,
            VaultError::LockedOut => Self::LockedOut,
            _ => Self::Damaged,
        }
    }
}

impl From<VaultError> for SealError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Locked => Self::Locked,
            _ => Self::Damaged,
        }
    }
}
