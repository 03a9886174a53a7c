//! Stored work profiles.

use async_trait::async_trait;

use super::StoreError;
use crate::{ids::ProfileId, profile::WorkProfile};

/// Work profiles. Immutable once used.
///
/// # Contract
/// `put` never replaces: a profile with a known id and other content is `Conflict`. Exactly one profile, or
/// none, is active.
#[async_trait]
pub trait ProfileStore: Send + Sync {
    /// All profiles, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(&self) -> Result<Vec<WorkProfile>, StoreError>;

    /// Stores a profile.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a known id with other content.
    async fn put(&self, profile: WorkProfile) -> Result<(), StoreError>;

    /// The active profile.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn active(&self) -> Result<Option<WorkProfile>, StoreError>;

    /// Activates a profile.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for an unknown id.
    async fn activate(&self, profile: &ProfileId) -> Result<(), StoreError>;
}
