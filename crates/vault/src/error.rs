//! What can go wrong with a vault. No message holds a name, a path or a value.

use std::{io, time::Duration};

use handshake_core::{
    code::ErrorCode,
    error::whole_seconds,
    ports::{SealError, SecretError, SignError},
};

/// A vault that cannot be made, opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// No slot opens with what was given.
    #[error("cannot open the vault with this passphrase or key file")]
    Locked,
    /// The file is not a vault, or its bytes were changed.
    #[error("the vault is damaged")]
    Damaged,
    /// The file is older than what this process has already seen of it.
    #[error("the vault was restored to an older state")]
    RolledBack,
    /// The file was made by a newer version.
    #[error("the vault was written by a newer version of this program")]
    NewerFormat,
    /// A file is not owned by this user alone, or is a link.
    #[error("the file must be a regular file, not a link, that only its owner can read")]
    NotPrivate,
    /// The vault already exists.
    #[error("the vault already exists")]
    Exists,
    /// The file cannot be read or written.
    #[error("cannot read or write the vault file")]
    Io(#[source] io::Error),
    /// What was written could not be read back.
    #[error("cannot read the vault back after writing it")]
    ReadBack,
    /// A name is not 1 to 128 characters of `A-Z a-z 0-9 . _ -`.
    #[error("invalid name of a secret: expected 1 to 128 characters of A-Z a-z 0-9 . _ -")]
    InvalidName,
    /// A value is not 8 to 8192 visible ASCII characters.
    #[error("invalid secret: expected 8 to 8192 visible ASCII characters without spaces")]
    InvalidValue,
    /// No such secret.
    #[error("no such secret")]
    UnknownSecret,
    /// No such slot, or it is the last one.
    #[error("no such slot, or it is the only one left")]
    UnknownSlot,
    /// A passphrase that is too easy to guess.
    #[error("weak passphrase: expected at least 8 characters that do not repeat")]
    WeakPassphrase,
    /// Key derivation parameters out of range.
    #[error("key derivation parameters out of range")]
    InvalidKdf,
    /// The approval factor is missing or wrong.
    #[error("approval passphrase missing or incorrect")]
    Factor,
    /// Too many wrong approval factors.
    #[error("too many failed attempts; try again in {} s", whole_seconds(*.again_in))]
    LockedOut {
        /// How long no factor is tried any more.
        again_in: Duration,
    },
    /// The named successor is not the prepared one.
    #[error("no such recorder key has been prepared")]
    UnknownEpoch,
    /// The reference cannot be bound: its value cannot be read.
    #[error("the secret cannot be read from where its reference points")]
    Unusable,
    /// This build has no keychain.
    #[error("this build has no keychain: use vault:, env: or file:")]
    NoKeychain,
}

impl VaultError {
    /// The code to report.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Locked => ErrorCode::VaultLocked,
            Self::Factor | Self::LockedOut { .. } => ErrorCode::FactorRequired,
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
            VaultError::LockedOut { again_in } => Self::LockedOut { again_in },
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
