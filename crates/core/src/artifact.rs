//! Stored artefacts: content with a label, possibly made of others.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    ids::ArtifactRef,
    label::{Label, LabelBlock},
};

mod walk;

pub use self::walk::{LabelWalk, WalkBudget};

/// What is known about a stored artefact without its bytes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactMeta {
    /// Its reference.
    pub artifact: ArtifactRef,
    /// SHA-256 of its bytes.
    pub content_hash: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its label; `None` means that it is not labelled.
    pub label: Option<Label>,
    /// What it is made of: members of a bundle, rows of a dataset slice.
    #[serde(default)]
    pub members: Vec<ArtifactRef>,
}

/// An artefact with its bytes.
#[derive(Clone)]
pub struct Artifact {
    /// What is known about it.
    pub meta: ArtifactMeta,
    /// The bytes.
    pub content: Bytes,
}

impl std::fmt::Debug for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifact")
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

/// The verdict of the labels on everything that a call refers to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LabelVerdict {
    /// The join of all labels; [`Label::INLINE`] when nothing is referred to.
    pub label: Label,
    /// What blocks, and why. Empty lets the call pass.
    pub blocked: Vec<(ArtifactRef, LabelBlock)>,
}

impl LabelVerdict {
    /// Nothing is referred to: the request holds inline text only.
    #[must_use]
    pub fn inline() -> Self {
        Self {
            label: Label::INLINE,
            blocked: Vec::new(),
        }
    }

    /// Whether a call with these labels may leave.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.blocked.is_empty() && self.label.blocks().is_none()
    }
}
