//! The `EgressPolicy` port over the rules of the moment.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

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
    in_force: RwLock<InForce>,
}

/// Rules, and what the gate judges by: made once for each set of them.
#[derive(Debug)]
struct InForce {
    rules: Rules,
    posture: Arc<Posture>,
}

impl From<Rules> for InForce {
    fn from(rules: Rules) -> Self {
        let posture = Arc::new(rules.posture());
        Self { rules, posture }
    }
}

impl RulesPolicy {
    /// Starts with these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            in_force: RwLock::new(rules.into()),
        }
    }

    /// Replaces the rules, after they were confirmed or narrowed.
    pub fn set(&self, rules: Rules) {
        let in_force = rules.into();
        *self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner) = in_force;
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.in_force().rules.clone()
    }

    fn in_force(&self) -> RwLockReadGuard<'_, InForce> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EgressPolicy for RulesPolicy {
    fn posture(&self) -> Arc<Posture> {
        Arc::clone(&self.in_force().posture)
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
