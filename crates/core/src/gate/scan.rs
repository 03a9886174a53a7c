//! Running the validators.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Gate, Scan};
use crate::{
    digest::Digest,
    envelope::{EnvelopeView, Prepared},
    finding::{FindingLevel, Findings, ValidatorError, WorkBudget},
};

impl Gate {
    pub(super) fn validator_epochs(&self) -> Vec<(Digest, u64)> {
        self.ports
            .validators
            .iter()
            .map(|validator| validator.epoch())
            .collect()
    }

    /// Runs every validator; all of them, so that what is reported does not depend on their order.
    pub(super) fn scan(&self, prepared: &Prepared, envelope_sha256: Digest) -> Scan {
        // Read before anybody looks: a secret enrolled meanwhile makes the scan old, never new.
        let epochs = self.validator_epochs();
        let view = EnvelopeView::new(prepared);
        let mut budget = WorkBudget::new(self.ports.work_budget);
        let mut all = Findings::none(Digest::of(&[]), 0);
        let mut failed = None;
        for validator in &self.ports.validators {
            // A panic of a validator is a missing verdict. Its state is not used again within this scan.
            let looked = catch_unwind(AssertUnwindSafe(|| validator.inspect(&view, &mut budget)));
            match looked {
                Ok(Ok(findings)) => all.items.extend(findings.items),
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(_) => failed = failed.or(Some(ValidatorError::Failed)),
            }
        }
        let blocked = all.worst() == Some(FindingLevel::Block);
        Scan {
            envelope: envelope_sha256,
            epochs,
            failed,
            // A certain leak is reported as such even when another validator gave no verdict.
            findings: match failed {
                Some(error) if !blocked => Err(error),
                _ => Ok(all),
            },
        }
    }
}
