//! Stored artefacts.

use async_trait::async_trait;
use bytes::Bytes;

use super::StoreError;
use crate::{
    artifact::{Artifact, ArtifactMeta},
    ids::ArtifactRef,
    label::Label,
};

/// Content by reference, with labels. Sealed at rest.
///
/// # Contract
/// Content is immutable under its reference. A reference that is not there is `Ok(None)`; callers towards
/// Cloud block on it.
#[async_trait]
pub trait ArtifactStore: Send + Sync {
    /// What is known about an artefact.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot say; callers block.
    async fn meta(&self, artifact: &ArtifactRef) -> Result<Option<ArtifactMeta>, StoreError>;

    /// An artefact with its bytes, checked against its hash.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the bytes are not what was stored.
    async fn get(&self, artifact: &ArtifactRef) -> Result<Option<Artifact>, StoreError>;

    /// Stores content and returns its reference, `sha256:<hex>` over content, label and members.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn put(
        &self,
        content: Bytes,
        label: Option<Label>,
        members: Vec<ArtifactRef>,
    ) -> Result<ArtifactMeta, StoreError>;
}
