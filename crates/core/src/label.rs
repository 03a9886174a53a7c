//! Labels: what may leave the machine. A join semilattice; unknown is the top.

use serde::{Deserialize, Serialize};

/// How sensitive content is.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Anybody may know.
    Low,
    /// Ours, not secret.
    Medium,
    /// Must not leave.
    High,
    /// Nobody said. Blocks.
    Unknown,
}

/// The label of a piece of content.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
    schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// How sensitive.
    pub sensitivity: Sensitivity,
    /// Whether it may leave at all.
    pub exportable: bool,
}

/// Why a label blocks.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LabelBlock {
    /// Nobody labelled it, or it could not be resolved.
    Unknown,
    /// It is classified high.
    High,
    /// It is not exportable.
    NotExportable,
}

impl Label {
    /// Text of this request itself: the byte scan and consent govern it.
    pub const INLINE: Self = Self { sensitivity: Sensitivity::Low, exportable: true };
    /// Content that nobody labelled.
    pub const UNKNOWN: Self = Self { sensitivity: Sensitivity::Unknown, exportable: false };

    /// The label of content made of both: the higher sensitivity, exportable only if both are.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            sensitivity: self.sensitivity.max(other.sensitivity),
            exportable: self.exportable && other.exportable,
        }
    }

    /// Why this label may not leave the machine, if so. Either condition alone blocks.
    #[must_use]
    pub fn blocks(self) -> Option<LabelBlock> {
        match (self.sensitivity, self.exportable) {
            (Sensitivity::Unknown, _) => Some(LabelBlock::Unknown),
            (Sensitivity::High, _) => Some(LabelBlock::High),
            (_, false) => Some(LabelBlock::NotExportable),
            _ => None,
        }
    }
}
