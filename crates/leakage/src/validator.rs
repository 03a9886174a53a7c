//! The validator that the gate runs: rules and enrolled secrets over the exact bytes of an envelope.

use std::sync::Arc;

use handshake_core::{
    digest::Digest,
    envelope::EnvelopeView,
    finding::{Findings, LeakageFinding, ValidatorError, WorkBudget},
    ports::LeakageValidator,
    redact::Place,
};

use crate::{engine::Engine, enroll::SharedEnrolment, places::places, scan::Scan};

/// Looks for secrets in path, plain headers and body.
#[derive(Clone)]
pub struct SecretValidator {
    engine: Arc<Engine>,
    enrolment: SharedEnrolment,
}

impl SecretValidator {
    /// A validator over an engine and the enrolled set, which may be replaced while it runs.
    #[must_use]
    pub fn new(engine: Arc<Engine>, enrolment: SharedEnrolment) -> Self {
        Self { engine, enrolment }
    }
}

impl LeakageValidator for SecretValidator {
    fn epoch(&self) -> (Digest, u64) {
        (self.engine.digest(), self.enrolment.current().generation())
    }

    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        let enrolment = self.enrolment.current();
        let mut items = Vec::new();
        let mut beside = |place: String, text: &str, budget: &mut WorkBudget| {
            let mut scan = Scan::new(self.engine.matcher(), &enrolment, budget);
            scan.document(text.as_bytes(), false)?;
            items.extend(scan.finish().into_iter().map(|f| placed(f, &place)));
            Ok::<(), ValidatorError>(())
        };
        beside("#path".to_owned(), view.path(), budget)?;
        for (name, value) in view.headers() {
            beside(format!("#header/{name}"), name, budget)?;
            beside(format!("#header/{name}"), value, budget)?;
        }
        if !view.body().is_empty() {
            items.extend(self.engine.scan(view.body(), &enrolment, true, budget)?);
        }
        Ok(Findings {
            items,
            ruleset: self.engine.digest(),
            enrolment: enrolment.generation(),
        })
    }

    fn places(
        &self,
        view: &EnvelopeView<'_>,
        enrolled: bool,
        budget: &mut WorkBudget,
    ) -> Result<Vec<Place>, ValidatorError> {
        let enrolment = match enrolled {
            true => self.enrolment.current(),
            false => Arc::default(),
        };
        places(self.engine.matcher(), &enrolment, view.body(), budget)
    }
}

/// Findings outside the body say where; enrolled ones say nothing.
fn placed(mut finding: LeakageFinding, place: &str) -> LeakageFinding {
    if finding.class != handshake_core::finding::FindingClass::Enrolled {
        finding.pointer = Some(place.to_owned());
    }
    finding
}
