//! The `EgressPolicy` port over the rules of the moment.

use std::sync::{PoisonError, RwLock};

use handshake_core::{
    artifact::LabelVerdict,
    ids::ArtifactRef,
    label::{Label, LabelBlock},
    policy::Posture,
    ports::EgressPolicy,
};

use crate::rules::Rules;

/// The rules in force. Shared by everything that asks.
#[derive(Debug)]
pub struct RulesPolicy {
    rules: RwLock<Rules>,
}

impl RulesPolicy {
    /// Starts with these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules: RwLock::new(rules),
        }
    }

    /// Replaces the rules, after they were confirmed or narrowed.
    pub fn set(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl EgressPolicy for RulesPolicy {
    fn posture(&self) -> Posture {
        self.rules().posture()
    }

    fn labels(&self, context: Label, items: &[(ArtifactRef, Option<Label>)]) -> LabelVerdict {
        judge(context, items)
    }
}

/// The verdict on the labels of a call: the join of all of them, and each item that blocks by itself.
#[must_use]
pub fn judge(context: Label, items: &[(ArtifactRef, Option<Label>)]) -> LabelVerdict {
    let mut verdict = LabelVerdict {
        label: context,
        blocked: Vec::new(),
    };
    for (artifact, label) in items {
        verdict.label = verdict.label.join(label.unwrap_or(Label::UNKNOWN));
        let why = label.map_or(Some(LabelBlock::Unknown), Label::blocks);
        verdict
            .blocked
            .extend(why.map(|why| (artifact.clone(), why)));
    }
    verdict
}

#[cfg(test)]
mod tests {
    use handshake_core::label::Sensitivity;

    use super::*;

    fn label(sensitivity: Sensitivity, exportable: bool) -> Option<Label> {
        Some(Label {
            sensitivity,
            exportable,
        })
    }

    #[test]
    fn a9_unknown_high_or_not_exportable_each_block_alone() {
        let item = |label| vec![(ArtifactRef::new("a").expect("ref"), label)];
        for (blocks, label) in [
            (true, None),
            (true, label(Sensitivity::High, true)),
            (true, label(Sensitivity::Low, false)),
            (true, label(Sensitivity::Unknown, true)),
            (false, label(Sensitivity::Low, true)),
            (false, label(Sensitivity::Medium, true)),
        ] {
            let verdict = judge(Label::INLINE, &item(label));
            assert_eq!(!verdict.passes(), blocks, "{label:?}");
        }
        assert!(judge(Label::INLINE, &[]).passes());
        assert!(
            !judge(Label::UNKNOWN, &[]).passes(),
            "stored context that nobody labelled"
        );
    }
}
