//! Waivers: values that a person saw and lets pass again, for the life of one lease.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    digest::{CommitmentKey, KeyedHash},
    finding::{self, FindingLevel, LeakageFinding},
    ids::RuleId,
    json::NotStrict,
};

/// One value that a rule asks about and a person lets pass again. Another value, and the same one under another rule, is
/// asked about.
#[derive(
    Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The rule.
    pub rule: RuleId,
    /// Commitment to what it found.
    pub value: KeyedHash,
}

impl Waiver {
    /// What would let this finding pass again. `None` where nothing does but a yes to the call itself.
    #[must_use]
    pub fn of(
        body: Result<&Value, NotStrict>,
        finding: &LeakageFinding,
        key: &CommitmentKey,
    ) -> Option<Self> {
        if finding.level != FindingLevel::Ask || !finding.class.is_waivable() {
            return None;
        }
        Some(Self {
            rule: finding.rule.clone(),
            value: finding::value(body, finding, key)?,
        })
    }
}

/// What was found in a call, as a receipt is held against it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Asked {
    /// Something that no receipt covers.
    pub blocks: bool,
    /// The values that rules ask about.
    pub values: BTreeSet<Waiver>,
    /// Something that rules ask about, and no waiver covers.
    pub each_time: bool,
}

impl Asked {
    /// Of what was found in a body.
    #[must_use]
    pub fn of(
        findings: &[LeakageFinding],
        body: Result<&Value, NotStrict>,
        key: &CommitmentKey,
    ) -> Self {
        let mut asked = Self::default();
        for finding in findings {
            match finding.level {
                FindingLevel::Warn => {}
                FindingLevel::Block => asked.blocks = true,
                FindingLevel::Ask => match Waiver::of(body, finding, key) {
                    Some(waiver) => {
                        asked.values.insert(waiver);
                    }
                    None => asked.each_time = true,
                },
            }
        }
        asked
    }

    /// Whether a lease that waives these lets all of it pass.
    #[must_use]
    pub fn is_waived_by(&self, waived: &BTreeSet<Waiver>) -> bool {
        !self.blocks && !self.each_time && self.values.is_subset(waived)
    }
}
