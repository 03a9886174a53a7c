//! Leakage validators.

use crate::{
    digest::Digest,
    envelope::EnvelopeView,
    finding::{Findings, ValidatorError, WorkBudget},
};

/// Looks at the exact bytes of an envelope.
///
/// # Contract
/// Synchronous and pure: the same bytes, rules and enrolment give the same findings. Never holds a matched
/// text. An error, a panic or an exhausted budget blocks the call.
pub trait LeakageValidator: Send + Sync {
    /// The digest of the rules and the generation of the enrolled set. A scan is reused only while both
    /// stay the same.
    fn epoch(&self) -> (Digest, u64);

    /// Looks.
    ///
    /// # Errors
    /// [`ValidatorError`] when there is no verdict.
    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError>;
}
