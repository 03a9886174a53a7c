//! What looks at bytes by the rules of the moment.

use std::sync::Arc;

use handshake_core::{
    digest::Digest,
    envelope::EnvelopeView,
    finding::{Findings, ValidatorError, WorkBudget},
    ports::LeakageValidator,
    redact::Place,
};
use handshake_leakage::{Engine, SecretValidator, SharedEnrolment};
use handshake_policy::{rules::Rules, second_hand::SecondHandValidator};

use super::LivePolicy;
use crate::error::Result;

/// The validators of one set of rules.
pub(super) struct Checks {
    pub(super) engine: Arc<Engine>,
    pub(super) secrets: SecretValidator,
    pub(super) second: SecondHandValidator,
}

impl Checks {
    pub(super) fn of(rules: &Rules, enrolment: &SharedEnrolment) -> Result<Self> {
        let engine = super::engine(rules)?;
        Ok(Self {
            secrets: SecretValidator::new(Arc::clone(&engine), enrolment.clone()),
            engine,
            second: SecondHandValidator::new(rules.second_hand),
        })
    }
}

/// Secrets, by the rules of the moment. What it finds under others than its epoch said is judged again: the commit
/// compares the epochs of policy and rules.
pub(crate) struct Secrets(pub(crate) Arc<LivePolicy>);

/// Second-hand egress, likewise.
pub(crate) struct Second(pub(crate) Arc<LivePolicy>);

impl LeakageValidator for Secrets {
    fn epoch(&self) -> (Digest, u64) {
        self.0.checks().secrets.epoch()
    }

    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> std::result::Result<Findings, ValidatorError> {
        self.0.checks().secrets.inspect(view, budget)
    }

    fn places(
        &self,
        view: &EnvelopeView<'_>,
        enrolled: bool,
        budget: &mut WorkBudget,
    ) -> std::result::Result<Vec<Place>, ValidatorError> {
        self.0.checks().secrets.places(view, enrolled, budget)
    }
}

impl LeakageValidator for Second {
    fn epoch(&self) -> (Digest, u64) {
        self.0.checks().second.epoch()
    }

    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> std::result::Result<Findings, ValidatorError> {
        self.0.checks().second.inspect(view, budget)
    }
}
