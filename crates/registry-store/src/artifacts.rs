//! Content by reference. The reference is a hash over all that is known about it, the label included, so a
//! label that is altered in the database is damage and not a lower label.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use handshake_core::{
    artifact::{Artifact, ArtifactMeta},
    digest::{Digest, canonical_json},
    ids::ArtifactRef,
    label::Label,
    ports::{ArtifactStore, Sealer, StoreError},
};
use rusqlite::{OptionalExtension, params};

use crate::{codec, store::Store};

fn context(artifact: &ArtifactRef) -> String {
    format!("hsk.artifact.v1/{artifact}")
}

/// `sha256:<hex>` over the content's own hash, its size, label and members.
fn reference(
    content_hash: &Digest,
    bytes: u64,
    label: Option<Label>,
    members: &[ArtifactRef],
) -> Result<ArtifactRef, StoreError> {
    let described = canonical_json(&(label, members)).map_err(|_| StoreError::Failed)?;
    let hash = Digest::of(&[
        b"hsk.artifact.v1\0",
        content_hash.as_bytes(),
        &bytes.to_be_bytes(),
        &described,
    ]);
    ArtifactRef::new(format!("sha256:{hash}")).map_err(|_| StoreError::Failed)
}

/// Reads what is known about an artefact, and checks that it is what the reference names.
fn checked(artifact: &ArtifactRef, meta: &str) -> Result<ArtifactMeta, StoreError> {
    let meta: ArtifactMeta = codec::from_json(meta)?;
    let named = reference(&meta.content_hash, meta.bytes, meta.label, &meta.members)?;
    if meta.artifact == *artifact && named == *artifact {
        Ok(meta)
    } else {
        Err(StoreError::Damaged)
    }
}

/// The content of an artefact whose description was checked.
fn opened(sealer: &dyn Sealer, meta: &ArtifactMeta, sealed: &[u8]) -> Result<Bytes, StoreError> {
    let opened = sealer.open(&context(&meta.artifact), sealed);
    let content = opened.map_err(codec::seal_error)?;
    if Digest::of(&[&content]) == meta.content_hash {
        Ok(content.into())
    } else {
        Err(StoreError::Damaged)
    }
}

#[async_trait]
impl ArtifactStore for Store {
    async fn meta(&self, artifact: &ArtifactRef) -> Result<Option<ArtifactMeta>, StoreError> {
        let artifact = artifact.clone();
        self.read(move |conn| {
            let meta: Option<String> = conn
                .prepare_cached("SELECT meta FROM artifacts WHERE artifact = ?1")?
                .query_row(params![artifact.as_str()], |row| row.get(0))
                .optional()?;
            Ok(meta.map(|meta| checked(&artifact, &meta)).transpose()?)
        })
        .await
    }

    async fn get(&self, artifact: &ArtifactRef) -> Result<Option<Artifact>, StoreError> {
        let (artifact, shared) = (artifact.clone(), Arc::clone(self.shared()));
        self.read(move |conn| {
            let found: Option<(String, Vec<u8>)> = conn
                .prepare_cached("SELECT meta, sealed FROM artifacts WHERE artifact = ?1")?
                .query_row(params![artifact.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let Some((meta, sealed)) = found else {
                return Ok(None);
            };
            let meta = checked(&artifact, &meta)?;
            let content = opened(&*shared.options.sealer, &meta, &sealed)?;
            Ok(Some(Artifact { meta, content }))
        })
        .await
    }

    async fn put(
        &self,
        content: Bytes,
        label: Option<Label>,
        members: Vec<ArtifactRef>,
    ) -> Result<ArtifactMeta, StoreError> {
        let sealer = Arc::clone(&self.shared().options.sealer);
        let task = tokio::task::spawn_blocking(move || {
            let (content_hash, bytes) = (Digest::of(&[&content]), content.len() as u64);
            let artifact = reference(&content_hash, bytes, label, &members)?;
            let sealed = sealer
                .seal(&context(&artifact), &content)
                .map_err(codec::seal_error)?;
            Ok::<_, StoreError>((
                ArtifactMeta {
                    artifact,
                    content_hash,
                    bytes,
                    label,
                    members,
                },
                sealed,
            ))
        });
        let (meta, sealed) = task.await.map_err(|_| StoreError::Failed)??;
        self.write(move |tx| {
            // What is there already under this reference is the same.
            tx.conn.execute(
                "INSERT INTO artifacts VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![meta.artifact.as_str(), codec::json(&meta)?, sealed],
            )?;
            Ok(meta)
        })
        .await
    }
}

/// Artefacts that are read at once.
const PAGE: u32 = 64;

/// Stored content that may not leave, from a place on.
#[derive(Debug, Default)]
pub struct Withheld {
    /// Up to where was read.
    pub last: i64,
    /// What of it is not labelled, high or not exportable.
    pub contents: Vec<Bytes>,
    /// Whether there is more.
    pub more: bool,
}

impl Store {
    /// The artefacts after this place that may not leave, a page at a time. What was stored by whichever process.
    ///
    /// # Errors
    /// [`StoreError`]; of one that is damaged nobody can say what it held.
    pub async fn withheld_after(&self, last: i64) -> Result<Withheld, StoreError> {
        let shared = Arc::clone(self.shared());
        self.read(move |conn| {
            let mut found = Withheld {
                last,
                ..Withheld::default()
            };
            let mut rows = conn.prepare_cached(
                "SELECT rowid, artifact, meta, sealed FROM artifacts WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
            )?;
            let rows = rows.query_map(params![last, PAGE], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, Vec<u8>>(3)?,
                ))
            })?;
            let mut read = 0;
            for row in rows {
                let (place, artifact, meta, sealed) = row?;
                read += 1;
                found.last = place;
                let artifact = ArtifactRef::new(artifact).map_err(|_| StoreError::Damaged)?;
                let meta = checked(&artifact, &meta)?;
                if meta.label.is_some_and(|label| label.blocks().is_none()) {
                    continue;
                }
                let content = opened(&*shared.options.sealer, &meta, &sealed)?;
                found.contents.push(content);
            }
            found.more = read == PAGE;
            Ok(found)
        })
        .await
    }
}
