//! Facts and what the decision makes of them, kept together so that neither is older than the other.

use super::{
    Decision, Outcome, StepName,
    decide::decide,
    facts::{EgressFacts, ReceiptFact},
};
use crate::{code::ErrorCode, consent::Coverage, tier::ModelTier};

/// Facts, judged. Whoever adds one has them judged again.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    facts: EgressFacts,
    decision: Decision,
}

impl Judged {
    pub(super) fn new(facts: EgressFacts) -> Self {
        let decision = decide(&facts);
        Self { facts, decision }
    }

    /// Adds a fact.
    pub(super) fn learn(&mut self, fact: impl FnOnce(&mut EgressFacts)) {
        fact(&mut self.facts);
        self.decision = decide(&self.facts);
    }

    pub(super) fn facts(&self) -> &EgressFacts {
        &self.facts
    }

    pub(super) fn decision(&self) -> &Decision {
        &self.decision
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.decision.outcome
    }

    /// The effective tier; Cloud while nobody knows.
    pub(super) fn effective(&self) -> ModelTier {
        self.decision.effective.unwrap_or(ModelTier::Cloud)
    }

    /// The receipt that covers the call.
    pub(super) fn coverage(&self) -> Option<&Coverage> {
        match &self.facts.receipt {
            ReceiptFact::Covered(coverage) => Some(coverage),
            _ => None,
        }
    }

    /// Why the call does not go on; `None` for a yes. What still lacks a fact when it is asked for its last word
    /// is refused.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let (step, code) = match self.outcome() {
            Outcome::Allow => return None,
            Outcome::Deny(step, code) => (step, code),
            Outcome::Hold(step) => (step, ErrorCode::GovernanceLocked),
            Outcome::AskPerson => (StepName::Person, ErrorCode::CloudConsentRequired),
            Outcome::NeedsFact(step) => (step, ErrorCode::LeakageUndecided),
        };
        Some(Refusal { step, code })
    }
}

/// The step that refuses, and its code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) step: StepName,
    pub(super) code: ErrorCode,
}

impl Refusal {
    /// An envelope that breaks its rules.
    pub(super) const ENVELOPE: Self = Self {
        step: StepName::CanonicalUrl,
        code: ErrorCode::InvalidBaseUrl,
    };
}
