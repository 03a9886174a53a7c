//! Values to columns and back. What does not read back is damage, never a default.

use std::str::FromStr;

use handshake_core::{
    digest::Digest,
    ports::{SealError, StoreError},
    time::UtcTime,
};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Failed)
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged)
}

pub(crate) fn id<T: FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Damaged)
}

/// SQLite's integers are signed; a value that does not fit is not stored as another one.
pub(crate) fn int(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Failed)
}

pub(crate) fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Damaged)
}

pub(crate) fn small(value: i64) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| StoreError::Damaged)
}

pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes
        .try_into()
        .map(Digest::from_bytes)
        .map_err(|_| StoreError::Damaged)
}

pub(crate) fn time(millis: i64) -> UtcTime {
    UtcTime::from_unix_millis(millis)
}

/// The store's word for a failure of the sealer.
pub(crate) fn seal_error(error: SealError) -> StoreError {
    match error {
        SealError::Locked => StoreError::Locked,
        SealError::Damaged => StoreError::Damaged,
    }
}
