//! Replacing what may not leave, before anything is judged: the gate's validators say where it stands.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{EgressRequest, Gate, Scan};
use crate::{
    envelope::EnvelopeView,
    finding::{FindingLevel, WorkBudget},
    ids::{Principal, PrincipalKind},
    redact::{Place, StandIns, is_redactable, redact_body},
    tier::ModelTier,
};

/// A call after its redaction.
#[derive(Debug)]
pub struct Redacted {
    /// The call: another envelope where something was replaced.
    pub request: EgressRequest,
    /// What was found in it, where it is as it was: good for its inspection.
    pub scan: Option<Scan>,
}

impl Gate {
    /// Whether a person said that calls of this gateway client are redacted and go on.
    #[must_use]
    pub fn redacts_for(&self, client: &Principal) -> bool {
        client.kind == PrincipalKind::Client
            && self
                .ports
                .policy
                .posture()
                .redact_clients
                .contains(client.name.as_str())
    }

    /// Replaces what may not leave by stand-ins. What comes out is a call like any other: it is inspected in full, and
    /// whatever could not be replaced is found there. Calls that are declared Local are left alone.
    ///
    /// Pure computation; run it off the reactor for large bodies.
    #[must_use]
    pub fn redact(&self, mut request: EgressRequest, stand_ins: &StandIns) -> Redacted {
        let body = request.prepared.envelope().body.clone();
        let too_large = body.len() as u64 > self.ports.policy.posture().max_body_bytes;
        if request.record.tier == ModelTier::Local || too_large {
            return Redacted {
                request,
                scan: None,
            };
        }
        let salt = request.salt(&self.ports.commitments);
        let scan = self.scan(&request.prepared, request.prepared.envelope_sha256(&salt));
        let found = scan.findings().is_some_and(|findings| {
            let mut items = findings.items.iter();
            items.any(|item| item.level >= FindingLevel::Ask && is_redactable(item.class))
        });
        let unchanged = |request| Redacted {
            request,
            scan: Some(scan),
        };
        if !found || request.prepared.json().is_err() {
            return unchanged(request);
        }
        let places = self.places(&request, stand_ins);
        let Some((body, applied)) = redact_body(&body, &places, stand_ins) else {
            return unchanged(request);
        };
        request.prepared = request
            .prepared
            .edited(|envelope| envelope.body = body.into());
        Arc::make_mut(&mut request.context).redactions = applied;
        Redacted {
            request,
            scan: None,
        }
    }

    /// What every validator says. One that fails has said nothing: what it would have found, it finds again.
    fn places(&self, request: &EgressRequest, stand_ins: &StandIns) -> Vec<Place> {
        let view = EnvelopeView::new(&request.prepared);
        let mut budget = WorkBudget::new(self.ports.work_budget);
        let mut places = Vec::new();
        for validator in &self.ports.validators {
            let looked = catch_unwind(AssertUnwindSafe(|| {
                validator.places(&view, stand_ins.enrolled(), &mut budget)
            }));
            if let Ok(Ok(found)) = looked {
                places.extend(found);
            }
        }
        places
    }
}
