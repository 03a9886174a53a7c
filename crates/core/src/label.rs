//! Labels: what may leave the machine. A join semilattice; unknown is the top.

use serde::{Deserialize, Serialize};

/// How sensitive content is.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
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
    /// Unknown. Blocks.
    Unknown,
}

/// The label of a piece of content.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
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
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LabelBlock {
    /// It is not labelled, or it could not be resolved.
    Unknown,
    /// It is classified high.
    High,
    /// It is not exportable.
    NotExportable,
}

impl Label {
    /// Text of this request itself: the byte scan and consent govern it.
    pub const INLINE: Self = Self {
        sensitivity: Sensitivity::Low,
        exportable: true,
    };
    /// Content without a label.
    pub const UNKNOWN: Self = Self {
        sensitivity: Sensitivity::Unknown,
        exportable: false,
    };

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

#[cfg(test)]
mod tests {
    use super::*;

    fn every_label() -> Vec<Label> {
        use Sensitivity::{High, Low, Medium, Unknown};
        [Low, Medium, High, Unknown]
            .into_iter()
            .flat_map(|sensitivity| {
                [true, false].map(|exportable| Label {
                    sensitivity,
                    exportable,
                })
            })
            .collect()
    }

    /// The labels are few enough to try every triple.
    #[test]
    fn a9_the_join_is_a_semilattice_with_inline_below_and_unknown_above() {
        let all = every_label();
        for a in &all {
            assert_eq!(a.join(*a), *a, "idempotent");
            assert_eq!(a.join(Label::INLINE), *a, "inline adds nothing");
            assert_eq!(
                a.join(Label::UNKNOWN),
                Label::UNKNOWN,
                "unknown takes everything"
            );
            for b in &all {
                assert_eq!(a.join(*b), b.join(*a), "commutative");
                for c in &all {
                    assert_eq!(a.join(*b).join(*c), a.join(b.join(*c)), "associative");
                }
            }
        }
    }

    #[test]
    fn a9_what_blocks_in_a_part_blocks_in_the_whole() {
        for a in every_label() {
            for b in every_label() {
                if a.blocks().is_some() || b.blocks().is_some() {
                    assert!(a.join(b).blocks().is_some(), "{a:?} {b:?}");
                } else {
                    assert_eq!(a.join(b).blocks(), None, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn a9_either_condition_alone_blocks() {
        let label = |sensitivity, exportable| {
            Label {
                sensitivity,
                exportable,
            }
            .blocks()
        };
        assert_eq!(label(Sensitivity::Low, true), None);
        assert_eq!(label(Sensitivity::Medium, true), None);
        assert_eq!(
            label(Sensitivity::Low, false),
            Some(LabelBlock::NotExportable)
        );
        assert_eq!(label(Sensitivity::High, true), Some(LabelBlock::High));
        assert_eq!(label(Sensitivity::Unknown, true), Some(LabelBlock::Unknown));
        assert_eq!(Label::INLINE.blocks(), None);
        assert_eq!(Label::UNKNOWN.blocks(), Some(LabelBlock::Unknown));
    }
}
