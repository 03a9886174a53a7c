//! Artefacts in memory.

use async_trait::async_trait;
use bytes::Bytes;
use handshake_core::{
    artifact::{Artifact, ArtifactMeta},
    digest::Digest,
    ids::ArtifactRef,
    label::Label,
    ports::{ArtifactStore, StoreError},
};

use super::Memory;

#[async_trait]
impl ArtifactStore for Memory {
    async fn meta(&self, artifact: &ArtifactRef) -> Result<Option<ArtifactMeta>, StoreError> {
        Ok(self
            .store()?
            .artifacts
            .get(artifact)
            .map(|a| a.meta.clone()))
    }

    async fn get(&self, artifact: &ArtifactRef) -> Result<Option<Artifact>, StoreError> {
        Ok(self.store()?.artifacts.get(artifact).cloned())
    }

    async fn put(
        &self,
        content: Bytes,
        label: Option<Label>,
        members: Vec<ArtifactRef>,
    ) -> Result<ArtifactMeta, StoreError> {
        let described = serde_json::to_vec(&(&label, &members)).map_err(|_| StoreError::Failed)?;
        let content_hash = Digest::of(&[&content]);
        let name = Digest::of(&[&(content.len() as u64).to_be_bytes(), &content, &described]);
        let artifact =
            ArtifactRef::new(format!("sha256:{name}")).map_err(|_| StoreError::Failed)?;
        let meta = ArtifactMeta {
            artifact: artifact.clone(),
            content_hash,
            bytes: content.len() as u64,
            label,
            members,
        };
        self.store()?.artifacts.insert(
            artifact,
            Artifact {
                meta: meta.clone(),
                content,
            },
        );
        Ok(meta)
    }
}
