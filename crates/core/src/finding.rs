//! Leakage findings: class, rule, place, confidence. Never the matched text.

mod place;

use serde::{Deserialize, Serialize};

pub use self::place::{leaf, place_of, text_bytes, value};
use crate::{digest::Digest, ids::RuleId, time::UtcTime};

/// What kind of thing was found.
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
#[non_exhaustive]
pub enum FindingClass {
    /// A secret that a person enrolled, found exactly.
    Enrolled,
    /// A planted canary: proof that a label was bypassed.
    Canary,
    /// A credential by its published form.
    Secret,
    /// Private key material.
    PrivateKey,
    /// Something that looks like a credential.
    GenericSecret,
    /// Personal data.
    Personal,
    /// A field that makes the provider fetch, store, defer or contact a third party.
    SecondHandEgress,
    /// Text hidden from a reader: tag characters, invisible marks.
    Hidden,
    /// A part that cannot be inspected.
    Uninspectable,
    /// Text of a stored artefact that may not leave.
    StoredContent,
}

impl FindingClass {
    /// Whether a person can say of one text that it is no such thing. What a rule recognised by its form can be
    /// something else, a private key in a test among it. What a person enrolled, and a canary, is what it is; a part
    /// that nobody can look into, text that nobody sees, and a field that reaches further are no question of that.
    #[must_use]
    pub const fn is_declassifiable(self) -> bool {
        match self {
            Self::Secret | Self::PrivateKey | Self::GenericSecret | Self::Personal => true,
            Self::Enrolled
            | Self::Canary
            | Self::SecondHandEgress
            | Self::Hidden
            | Self::Uninspectable
            | Self::StoredContent => false,
        }
    }

    /// Whether a lease can let one value pass again that a person saw. They see hidden characters spelled out.
    #[must_use]
    pub const fn is_waivable(self) -> bool {
        match self {
            Self::Secret
            | Self::PrivateKey
            | Self::GenericSecret
            | Self::Personal
            | Self::Hidden => true,
            Self::Enrolled
            | Self::Canary
            | Self::SecondHandEgress
            | Self::Uninspectable
            | Self::StoredContent => false,
        }
    }
}

/// What a finding means for the call.
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
pub enum FindingLevel {
    /// Worth knowing.
    Warn,
    /// A person must approve this call itself.
    Ask,
    /// Cannot be approved.
    Block,
}

/// How certain the rule is.
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
pub enum Confidence {
    /// A guess.
    Low,
    /// Likely.
    Medium,
    /// Practically certain.
    High,
}

/// One finding.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakageFinding {
    /// The rule.
    pub rule: RuleId,
    /// The class.
    pub class: FindingClass,
    /// What it means for the call.
    pub level: FindingLevel,
    /// How certain the rule is.
    pub confidence: Confidence,
    /// Where: JSON pointer of the leaf or key. Absent for enrolled secrets, which give no position away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// First byte in the leaf, where it was found undecoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// One past the last byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// How the text was decoded to see it, outermost first: `base64`, `percent`, … Empty: not decoded.
    #[serde(default)]
    pub views: Vec<String>,
    /// When a person declassified it for where this call goes. It blocked until then, and warns since. The gate's word:
    /// a validator leaves it empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declassified: Option<UtcTime>,
}

/// Everything that the validators found on one envelope.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Findings {
    /// The findings, in order of place.
    pub items: Vec<LeakageFinding>,
    /// The digest of the rules that looked.
    pub ruleset: Digest,
    /// The generation of the enrolled set that looked.
    pub enrolment: u64,
}

impl Findings {
    /// Nothing found.
    #[must_use]
    pub fn none(ruleset: Digest, enrolment: u64) -> Self {
        Self {
            items: Vec::new(),
            ruleset,
            enrolment,
        }
    }

    /// The worst level, if anything was found.
    #[must_use]
    pub fn worst(&self) -> Option<FindingLevel> {
        self.items.iter().map(|finding| finding.level).max()
    }
}

/// Why a validator gave no verdict. Every case blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ValidatorError {
    /// The work budget ran out.
    #[error("leakage check exceeded its work budget")]
    Budget,
    /// Something could not be decoded or resolved.
    #[error("part of the request could not be inspected")]
    Undecodable,
    /// The validator itself failed.
    #[error("leakage validator failed")]
    Failed,
}

/// A budget of bytes that a validator may look at, decoded views included. Deterministic, unlike a timer.
#[derive(Debug)]
pub struct WorkBudget {
    left: u64,
}

impl WorkBudget {
    /// A budget of so many bytes of work.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self { left: bytes }
    }

    /// Takes work from the budget.
    ///
    /// # Errors
    /// [`ValidatorError::Budget`] when less is left; the rest is gone then.
    pub fn spend(&mut self, bytes: u64) -> Result<(), ValidatorError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(ValidatorError::Budget)
            }
        }
    }
}
