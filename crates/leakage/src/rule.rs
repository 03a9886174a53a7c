//! Rules: what a credential looks like, and what is published about it.

use handshake_core::{
    finding::{Confidence, FindingClass, FindingLevel},
    ids::RuleId,
};
use regex_automata::{meta, util::syntax};
use serde::Deserialize;

use crate::{checksum::Checksum, error::PackError};

/// The longest stretch of text that one rule may look at, in bytes.
pub(crate) const WINDOW: usize = 4096;

/// What a rule pack file holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackFile {
    #[serde(default)]
    pub(crate) rule: Vec<RuleSpec>,
}

/// One rule as it is written in a pack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSpec {
    /// Stable id; it appears in findings, receipts and waivers.
    pub(crate) id: String,
    /// Whose credential it is.
    pub(crate) service: String,
    #[serde(default = "secret")]
    pub(crate) class: FindingClass,
    #[serde(default = "block")]
    pub(crate) level: FindingLevel,
    #[serde(default = "high")]
    pub(crate) confidence: Confidence,
    /// Literals of three bytes or more; the pattern is tried only where one stands.
    pub(crate) anchors: Vec<String>,
    /// Anchors in any ASCII case.
    #[serde(default)]
    pub(crate) ci: bool,
    /// A linear regular expression over bytes. Group 1, if any, is the secret itself.
    pub(crate) pattern: String,
    /// How many bytes before the anchor the match may begin. 0: it begins at the anchor.
    #[serde(default)]
    pub(crate) before: usize,
    /// No ASCII letter or digit may stand right before the match.
    #[serde(default)]
    pub(crate) left_word: bool,
    /// No ASCII letter, digit, `_` or `-` may stand right after the match.
    #[serde(default)]
    pub(crate) right_word: bool,
    #[serde(default)]
    pub(crate) checksum: Option<Checksum>,
    /// Least Shannon entropy of the secret, in bits per byte.
    #[serde(default = "entropy")]
    pub(crate) min_entropy: f32,
    /// The token can be put together from pieces: compact, interleaved and stitched views apply.
    #[serde(default = "yes")]
    pub(crate) pieces: bool,
    /// Values that the vendor's documentation prints as examples.
    #[serde(default)]
    pub(crate) negatives: Vec<String>,
    /// How to make a synthetic value; see [`crate::sample`].
    pub(crate) sample: String,
}

fn secret() -> FindingClass {
    FindingClass::Secret
}
fn block() -> FindingLevel {
    FindingLevel::Block
}
fn high() -> Confidence {
    Confidence::High
}
fn entropy() -> f32 {
    2.8
}
fn yes() -> bool {
    true
}

/// A rule, ready to use.
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) spec: RuleSpec,
    pub(crate) regex: meta::Regex,
    pub(crate) groups: usize,
}

impl Rule {
    pub(crate) fn compile(spec: RuleSpec) -> Result<Self, PackError> {
        let id = RuleId::new(&spec.id).map_err(|_| PackError::Id(spec.id.clone()))?;
        if spec.anchors.is_empty() || spec.anchors.iter().any(|a| a.len() < 3 || !a.is_ascii()) {
            return Err(PackError::Anchor(spec.id));
        }
        let regex = compile(&spec.pattern).ok_or_else(|| PackError::Pattern(spec.id.clone()))?;
        let groups = regex
            .group_info()
            .group_len(regex_automata::PatternID::ZERO);
        Ok(Self {
            id,
            spec,
            regex,
            groups,
        })
    }
}

/// Compiles a byte regex under a size limit; never backtracks.
fn compile(pattern: &str) -> Option<meta::Regex> {
    meta::Regex::builder()
        .configure(
            meta::Config::new()
                .utf8_empty(false)
                .nfa_size_limit(Some(2 << 20))
                .hybrid_cache_capacity(512 << 10),
        )
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(pattern)
        .ok()
}

/// What a rule is, for listings and `explain`. Holds no value that a rule would match.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RuleInfo {
    /// The rule's id.
    pub id: RuleId,
    /// Whose credential it is.
    pub service: String,
    /// The class of its findings.
    pub class: FindingClass,
    /// Their level.
    pub level: FindingLevel,
    /// Their confidence, where no checksum says more.
    pub confidence: Confidence,
    /// The literals that it starts from.
    pub anchors: Vec<String>,
    /// The pattern.
    pub pattern: String,
    /// The checksum or structure that is verified, if any.
    pub checksum: Option<Checksum>,
    /// Least entropy of the secret, in bits per byte.
    pub min_entropy: f32,
    /// How many documented example values are excused.
    pub negatives: usize,
}

impl From<&Rule> for RuleInfo {
    fn from(rule: &Rule) -> Self {
        Self {
            id: rule.id.clone(),
            service: rule.spec.service.clone(),
            class: rule.spec.class,
            level: rule.spec.level,
            confidence: rule.spec.confidence,
            anchors: rule.spec.anchors.clone(),
            pattern: rule.spec.pattern.clone(),
            checksum: rule.spec.checksum,
            min_entropy: rule.spec.min_entropy,
            negatives: rule.spec.negatives.len(),
        }
    }
}
