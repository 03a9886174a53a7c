//! Denials. Each records exactly one FR-EVT-EGRESS event, and FR-EVT-CLOUD-003 too when Cloud is involved.

use super::{
    Decision, EgressRequest, Gate, Outcome, StepName,
    facts::{EgressFacts, ReceiptFact},
};
use crate::{
    code::{ErrorCode, Phase},
    consent::{CloudEscalationRequest, ProjectionPlan},
    error::CallError,
    event::{Actor, Body, EgressCode, Event, EventScope},
    finding::Findings,
    ids::{EventId, RequestId},
    ports::{EntropyExt, FlightRecorderExt, PendingContent, Submission},
    tier::ModelTier,
    time::UtcTime,
};

/// A call that was denied. Its events are recorded already.
#[derive(Clone, Debug)]
pub struct Denied {
    /// What to report.
    pub error: CallError,
    /// The steps that led to it.
    pub decision: Decision,
    /// What was found, where findings denied.
    pub findings: Option<Findings>,
}

/// A call that waits for a person. Everything but the receipt passed.
#[derive(Debug)]
pub struct Awaiting {
    pub(super) request: EgressRequest,
    pub(super) facts: EgressFacts,
    /// What to submit to the queue.
    pub escalation: CloudEscalationRequest,
    /// What the person is shown.
    pub plan: ProjectionPlan,
}

impl Awaiting {
    /// What to put into the queue.
    #[must_use]
    pub fn submission(&self, deadline: UtcTime) -> Submission {
        let envelope = &self.request.prepared.envelope;
        Submission {
            request: self.escalation.clone(),
            plan: self.plan.clone(),
            content: PendingContent {
                manifest: envelope.manifest().into(),
                body: envelope.body.clone(),
                salt: self.request.salt,
            },
            deadline,
        }
    }
}

impl Gate {
    /// Ends a call that nobody approved: records the denial and makes the error.
    ///
    /// `code` is `HSK-403-CLOUD-CONSENT-REQUIRED` when nobody answered,
    /// `HSK-403-CLOUD-ESCALATION-DENIED` when a person said no, `HSK-429-CONSENT-FLOOD` when the queue did.
    pub async fn give_up(&self, awaiting: &Awaiting, code: ErrorCode) -> Denied {
        let mut decision = super::decide(&awaiting.facts);
        decision.outcome = Outcome::Deny(StepName::Receipt, code);
        let request_id = Some(awaiting.escalation.request_id);
        self.deny(
            &awaiting.request.context.scope,
            &awaiting.facts,
            decision,
            None,
            request_id,
        )
        .await
    }

    pub(super) async fn deny(
        &self,
        scope: &EventScope,
        facts: &EgressFacts,
        decision: Decision,
        findings: Option<Findings>,
        request_id: Option<RequestId>,
    ) -> Denied {
        let (step, code) = match decision.outcome {
            Outcome::Deny(step, code) => (step, code),
            // A decision that lacks a fact at its last asking is a denial, not a yes.
            Outcome::NeedsFact(step) => (step, ErrorCode::LeakageUndecided),
            Outcome::AskPerson => (StepName::Receipt, ErrorCode::CloudConsentRequired),
            Outcome::Allow => (StepName::Receipt, ErrorCode::CloudConsentMismatch),
        };
        let body = denial(step, code, facts, &decision, findings.as_ref());
        let mut recorded = self.record(scope, body).await;
        let cloud =
            facts.declared == ModelTier::Cloud || decision.effective == Some(ModelTier::Cloud);
        if cloud {
            recorded &= self
                .record(scope, Body::CloudEscalationDenied { request_id, code })
                .await;
        }
        // Nothing was sent, so a log that cannot be written changes the code and not the outcome.
        let code = if recorded { code } else { ErrorCode::Storage };
        Denied {
            error: CallError::new(code, Phase::Gate).about(subject(step)),
            decision,
            findings,
        }
    }

    async fn record(&self, scope: &EventScope, body: Body) -> bool {
        let event = self.event(scope, Actor::System, body);
        self.ports.recorder.append(event).await.is_ok()
    }

    pub(super) fn event(&self, scope: &EventScope, actor: Actor, body: Body) -> Event {
        let id = EventId::from_entropy(self.ports.entropy.bytes());
        scope.event(id, self.ports.clock.now(), actor, body)
    }
}

fn denial(
    step: StepName,
    code: ErrorCode,
    facts: &EgressFacts,
    decision: &Decision,
    findings: Option<&Findings>,
) -> Body {
    match step {
        StepName::Labels | StepName::Findings => {
            let worst = findings.and_then(|f| f.items.iter().max_by_key(|finding| finding.level));
            Body::LeakageBlocked {
                code,
                findings: findings.map_or(0, |f| u32::try_from(f.items.len()).unwrap_or(u32::MAX)),
                class: worst.map(|finding| finding.class),
                level: worst.map(|finding| finding.level),
                rule: worst.map(|finding| finding.rule.clone()),
            }
        }
        StepName::Tier => Body::TierMismatch {
            declared: facts.declared,
            effective: decision.effective.unwrap_or(ModelTier::Cloud),
        },
        StepName::Peer | StepName::CanonicalUrl => Body::DestinationRefused { code },
        // Somebody wrote a receipt that nobody signed: that is the event, and there is one for each denial.
        StepName::Receipt if facts.receipt == ReceiptFact::Forged => Body::IntegrityAlarm { code },
        other => Body::GateDenied {
            step: recorded_as(other),
            code,
        },
    }
}

fn recorded_as(step: StepName) -> EgressCode {
    match step {
        StepName::DeclaredLocked | StepName::DeclaredPolicy | StepName::EffectivePolicy => {
            EgressCode::Governance
        }
        StepName::SizeCaps | StepName::MaxBytes => EgressCode::Size,
        StepName::CanonicalUrl => EgressCode::Url,
        StepName::SecretBinding => EgressCode::Secret,
        StepName::Peer => EgressCode::Peer,
        StepName::Tier => EgressCode::Tier,
        StepName::Contact => EgressCode::Contact,
        StepName::Labels => EgressCode::Labels,
        StepName::Findings => EgressCode::Findings,
        StepName::Receipt => EgressCode::Receipt,
    }
}

fn subject(step: StepName) -> &'static str {
    match step {
        StepName::DeclaredLocked | StepName::DeclaredPolicy | StepName::EffectivePolicy => {
            "governance"
        }
        StepName::SizeCaps | StepName::MaxBytes => "body size",
        StepName::CanonicalUrl => "envelope",
        StepName::SecretBinding => "secret_ref",
        StepName::Peer => "address",
        StepName::Tier => "tier",
        StepName::Contact => "contact",
        StepName::Labels => "labels",
        StepName::Findings => "findings",
        StepName::Receipt => "receipt",
    }
}
