//! Leakage validators.

use crate::{
    digest::Digest,
    envelope::EnvelopeView,
    finding::{Findings, ValidatorError, WorkBudget},
    redact::Place,
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

    /// Where what it finds in the body stands, for those who replace it; `enrolled`: enrolled secrets among it. This is
    /// no verdict: what is replaced is looked at again. What it cannot tell the place of it leaves out.
    ///
    /// # Errors
    /// [`ValidatorError`]: nothing is replaced then that only this one would find. A validator that knows no places
    /// says so.
    fn places(
        &self,
        view: &EnvelopeView<'_>,
        enrolled: bool,
        budget: &mut WorkBudget,
    ) -> Result<Vec<Place>, ValidatorError> {
        let _unknown = (view, enrolled, budget);
        Err(ValidatorError::Failed)
    }
}
