//! Stored providers and what is known about their models.

use async_trait::async_trait;

use crate::{
    capability::CapabilitySnapshot,
    code::ErrorCode,
    ids::{ModelRef, ProviderId},
    provider::ProviderRecord,
};

/// A store that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// It does not exist.
    #[error("not found")]
    Missing,
    /// It already exists, or changed in the meantime.
    #[error("changed in the meantime, or already exists")]
    Conflict,
    /// What is stored is damaged, or of another version.
    #[error("stored data is damaged or from another version")]
    Damaged,
    /// The storage itself failed: full, read-only, gone.
    #[error("storage failure")]
    Failed,
    /// What is stored is not as it was sealed.
    #[error("stored data was changed after it was sealed")]
    Untrusted,
    /// Stored content is sealed and the vault is closed.
    #[error("the vault is locked")]
    Locked,
}

impl StoreError {
    /// The code to report.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Missing => ErrorCode::InvalidConfig,
            Self::Conflict => ErrorCode::Revision,
            Self::Damaged | Self::Failed => ErrorCode::Storage,
            Self::Untrusted => ErrorCode::HomeUntrusted,
            Self::Locked => ErrorCode::VaultLocked,
        }
    }
}

/// Providers, and snapshots of what their models can do.
///
/// # Contract
/// Durable when a call returns. `put` compares revisions, so that two writers cannot overwrite each other.
/// Removing a provider removes its snapshots.
#[async_trait]
pub trait ProviderStore: Send + Sync {
    /// All providers, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(&self) -> Result<Vec<ProviderRecord>, StoreError>;

    /// Stores a record. `expected` is the revision that it replaces, `None` for a new one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another revision is stored.
    async fn put(&self, record: ProviderRecord, expected: Option<u64>) -> Result<(), StoreError>;

    /// Removes a provider.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    async fn remove(&self, provider: &ProviderId) -> Result<(), StoreError>;

    /// What is known about the models of a provider, by model.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn snapshots(&self, provider: &ProviderId)
    -> Result<Vec<CapabilitySnapshot>, StoreError>;

    /// Stores what is known about a model. Enabling a model goes through here too, after its factor.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for an unknown provider.
    async fn put_snapshot(
        &self,
        model: &ModelRef,
        snapshot: CapabilitySnapshot,
    ) -> Result<(), StoreError>;
}
