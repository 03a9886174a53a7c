//! Denials. Each records exactly one FR-EVT-EGRESS event, and FR-EVT-CLOUD-003 too when Cloud is involved.

use super::{
    Authorization, Decision, EgressRequest, Gate, Inspected, Located, Outcome, StepName,
    facts::{PersonFact, ReceiptFact, SealFact},
    judged::{Judged, Refusal},
};
use crate::{
    code::{ErrorCode, Phase},
    consent::{CloudEscalationRequest, ProjectionPlan},
    envelope::Salt,
    error::CallError,
    event::{Actor, Body, EgressCode, Event, EventScope},
    finding::Findings,
    ids::{EventId, RequestId},
    ports::{EntropyExt, PendingContent, Submission},
    seal::SealKind,
    tier::ModelTier,
    time::UtcTime,
};

/// A call that was denied. Its events are recorded already, unless it is only held: [`Denied::is_held`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Denied {
    /// What to report.
    pub error: CallError,
    /// The steps that led to it.
    pub decision: Decision,
    /// What was found, where findings denied.
    pub findings: Option<Findings>,
    /// Whether it is one of a flood: it was counted, and is recorded with the others by
    /// [`Gate::record_floods`](super::Gate::record_floods), which somebody has to call soon.
    pub counted: bool,
}

impl Denied {
    /// Whether nobody said no: Cloud is paused, and the call waits until a person resumes. Nothing was recorded, and the
    /// same request is to be judged again then, or when its caller waits no more: without
    /// [`CallContext::waits_for_resume`](super::CallContext::waits_for_resume), which denies.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.decision.outcome, Outcome::Hold(_))
    }

    pub(super) fn held(judged: &Judged, step: StepName) -> Box<Self> {
        let error = CallError::new(ErrorCode::GovernanceLocked, Phase::Gate).about(subject(step));
        Box::new(Self {
            error,
            decision: judged.decision().clone(),
            findings: None,
            counted: false,
        })
    }
}

/// A call that waits for a person. Everything up to the receipt passed.
#[derive(Debug)]
pub struct Awaiting {
    pub(super) request: EgressRequest,
    pub(super) judged: Judged,
    pub(super) salt: Salt,
    /// What to submit to the queue.
    pub escalation: CloudEscalationRequest,
    /// What the person is shown.
    pub plan: ProjectionPlan,
}

impl Awaiting {
    /// What to put into the queue.
    #[must_use]
    pub fn submission(&self, deadline: UtcTime) -> Submission {
        let prepared = &self.request.prepared;
        Submission {
            request: self.escalation.clone(),
            plan: self.plan.clone(),
            content: PendingContent {
                manifest: prepared.manifest().clone(),
                body: prepared.envelope().body.clone(),
                salt: self.salt,
            },
            deadline,
        }
    }
}

impl Gate {
    /// Ends a call that no receipt covers, by what the person or their queue said: records the denial and makes
    /// the error.
    pub async fn give_up(&self, awaiting: &Awaiting, said: PersonFact) -> Denied {
        let mut judged = awaiting.judged.clone();
        judged.learn(|facts| facts.person = Some(said));
        // Nothing that a person says here is a yes, and the decision knows that; whoever gives up is denied even so.
        let refusal = judged.refusal().unwrap_or(Refusal {
            step: StepName::Person,
            code: said.code(),
        });
        let request_id = Some(awaiting.escalation.request_id);
        let scope = &awaiting.request.context.scope;
        *self.deny(scope, &judged, refusal, None, request_id).await
    }

    /// Denies an inspected call by its own decision.
    pub(super) async fn refuse(&self, inspected: &Inspected, refusal: Refusal) -> Authorization {
        let Located {
            request, judged, ..
        } = &inspected.located;
        let findings = match refusal.step {
            StepName::Labels | StepName::Findings => inspected.findings().cloned(),
            _ => None,
        };
        let scope = &request.context.scope;
        let by_findings = refusal.step == StepName::Findings;
        let seen = inspected.seen.as_ref().filter(|_| by_findings);
        if seen.is_some_and(|seen| seen.lowered.broken) {
            // The call is denied whether that can be recorded or not.
            let _recorded = self.report_broken_seal(SealKind::Declassified, scope).await;
        }
        let denied = self.deny(scope, judged, refusal, findings, None).await;
        // One of a flood is one of those that are kept already.
        if by_findings && refusal.code == ErrorCode::LeakageBlocked && !denied.counted {
            self.keep_blocked(inspected).await;
        }
        Authorization::Denied(denied)
    }

    pub(super) async fn deny(
        &self,
        scope: &EventScope,
        judged: &Judged,
        Refusal { step, code }: Refusal,
        findings: Option<Findings>,
        request_id: Option<RequestId>,
    ) -> Box<Denied> {
        let broken = match (step, judged.facts().seal) {
            (StepName::Seal, SealFact::Broken(kind)) => Some(kind),
            _ => None,
        };
        let denied = |counted| {
            let about = match code {
                ErrorCode::GovernanceLocked => locked_by(step, judged),
                _ => broken.map_or_else(|| subject(step), SealKind::record),
            };
            Box::new(Denied {
                error: CallError::new(code, Phase::Gate).about(about),
                decision: judged.decision().clone(),
                findings: findings.clone(),
                counted,
            })
        };
        let tiers = [Some(judged.facts().declared), judged.decision().effective];
        let cloud = tiers.contains(&Some(ModelTier::Cloud));
        let tier = if cloud {
            ModelTier::Cloud
        } else {
            ModelTier::Local
        };
        // The first time that a broken seal stands in the way it is an alarm; it is not made with every call.
        let first_seal = broken.is_some_and(|kind| self.alarms.is_first(kind, scope));
        // What a person was asked about is recorded with their request, and alarms are never folded.
        let about_request = request_id.is_some() && code != ErrorCode::ConsentFlood;
        let alarm = first_seal || judged.facts().receipt == ReceiptFact::Forged;
        if !about_request && !alarm && self.is_flood(scope, recorded_as(step), code, tier) {
            return denied(true);
        }
        let body = match first_seal {
            true => Body::IntegrityAlarm { code },
            false => denial(step, code, judged, findings.as_ref()),
        };
        let mut events = vec![self.event(scope, Actor::System, body)];
        if cloud {
            let body = Body::CloudEscalationDenied { request_id, code };
            events.push(self.event(scope, Actor::System, body));
        }
        // Both or neither: a denial is one fact.
        if self
            .ports
            .recorder
            .append_all(events.clone())
            .await
            .is_err()
        {
            // Nothing was sent, and a denial stays what it is where the log cannot be written. Queued events that are
            // lost are counted, and recorded as lost when it can be written again; an append that failed is not.
            for event in events {
                let _counted = self.ports.recorder.submit(event);
            }
        }
        denied(false)
    }

    pub(super) fn event(&self, scope: &EventScope, actor: Actor, body: Body) -> Event {
        let id = EventId::from_entropy(self.ports.entropy.bytes());
        scope.event(id, self.ports.clock.now(), actor, body)
    }
}

fn denial(step: StepName, code: ErrorCode, judged: &Judged, findings: Option<&Findings>) -> Body {
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
            declared: judged.facts().declared,
            effective: judged.effective(),
        },
        StepName::Peer | StepName::CanonicalUrl => Body::DestinationRefused { code },
        // Somebody wrote a receipt that nobody signed: that is the event, and there is one for each denial.
        StepName::Receipt if judged.facts().receipt == ReceiptFact::Forged => {
            Body::IntegrityAlarm { code }
        }
        other => Body::GateDenied {
            step: recorded_as(other),
            code,
            count: None,
        },
    }
}

fn recorded_as(step: StepName) -> EgressCode {
    match step {
        StepName::DeclaredLocked
        | StepName::DeclaredPolicy
        | StepName::Pause
        | StepName::EffectivePolicy => EgressCode::Governance,
        StepName::SizeCaps | StepName::MaxBytes => EgressCode::Size,
        StepName::CanonicalUrl => EgressCode::Url,
        StepName::SecretBinding => EgressCode::Secret,
        StepName::Peer => EgressCode::Peer,
        StepName::Tier => EgressCode::Tier,
        StepName::Contact => EgressCode::Contact,
        StepName::Labels => EgressCode::Labels,
        StepName::Findings => EgressCode::Findings,
        StepName::Receipt | StepName::Person | StepName::Ledger => EgressCode::Receipt,
        StepName::Seal => EgressCode::Seal,
    }
}

/// What locks Cloud: each is lifted in another way.
fn locked_by(step: StepName, judged: &Judged) -> &'static str {
    match step {
        StepName::DeclaredLocked | StepName::EffectivePolicy if judged.facts().posture.locked => {
            CallError::LOCKED_BY_POLICY
        }
        StepName::DeclaredLocked | StepName::EffectivePolicy => CallError::LOCKED_BY_PROFILE,
        _ => subject(step),
    }
}

fn subject(step: StepName) -> &'static str {
    match step {
        StepName::DeclaredLocked | StepName::DeclaredPolicy | StepName::EffectivePolicy => {
            "governance"
        }
        StepName::Pause => CallError::PAUSED,
        StepName::SizeCaps | StepName::MaxBytes => "body size",
        StepName::CanonicalUrl => "envelope",
        StepName::SecretBinding => "secret_ref",
        StepName::Peer => "address",
        StepName::Tier => "tier",
        StepName::Contact => "contact",
        StepName::Labels => "labels",
        StepName::Findings => "findings",
        StepName::Receipt | StepName::Person | StepName::Ledger => "receipt",
        StepName::Seal => "seal",
    }
}
