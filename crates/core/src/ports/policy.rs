//! The operator's rules.

use std::sync::Arc;

use crate::{artifact::LabelVerdict, ids::ArtifactRef, label::Label, policy::Posture};

/// What policy allows.
///
/// # Contract
/// `posture` is a consistent snapshot; anything that cannot be read is its strictest value. `labels` is pure.
pub trait EgressPolicy: Send + Sync {
    /// The rules at this moment. Asked for every call: an implementation keeps them made.
    fn posture(&self) -> Arc<Posture>;

    /// Judges the labels of everything that a call refers to. `None` is a label that is missing or could
    /// not be resolved, and blocks.
    fn labels(&self, context: Label, items: &[(ArtifactRef, Option<Label>)]) -> LabelVerdict;
}
