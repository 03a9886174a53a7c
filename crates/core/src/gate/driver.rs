//! The driver: fills facts from ports, asks [`decide`] after each, and acts on its word. The steps of the call
//! path; what each needs is in the files beside this one.

use std::sync::Arc;

use super::{
    Authorization, ClearedControl, ControlRequest, Decision, Denied, EgressRequest, Gate,
    Inspected, Located, Outcome, Scan, StepName,
    decide::decide,
    facts::{FindingsFact, Purpose},
    locate::Subject,
};
use crate::{
    code::ErrorCode,
    consent::Outline,
    finding::ValidatorError,
    ports::LedgerError,
    tier::{ModelTier, Residence},
};

/// How often a call is judged anew because the rules changed before its commit.
const RESTARTS: u32 = 3;

impl Gate {
    /// Chains the three steps, for callers with small bodies.
    pub async fn clear(&self, request: EgressRequest) -> Authorization {
        match self.locate(request).await {
            Ok(located) => self.authorize(self.inspect(located, None)).await,
            Err(denied) => Authorization::Denied(denied),
        }
    }

    /// Judges everything that needs no network, then finds the peers and judges them.
    ///
    /// # Errors
    /// [`Denied`], with its events recorded. No name is looked up after a denial.
    pub async fn locate(&self, request: EgressRequest) -> Result<Located, Box<Denied>> {
        let subject = Subject {
            purpose: Purpose::Content,
            envelope: &request.prepared.envelope,
            record: &request.record,
            governance: request.context.governance,
            residence: request.context.residence,
        };
        let scope = &request.context.scope;
        let (facts, peers, epochs) = self.find_peers(&subject, scope).await?;
        let mut labels = Vec::new();
        if decide(&facts).effective == Some(ModelTier::Cloud) {
            labels = self.labels_of(&request.context.artifacts).await;
        }
        Ok(Located {
            request,
            facts,
            peers,
            epochs,
            labels,
        })
    }

    /// Looks at the exact bytes. Pure computation; run it off the reactor for large bodies. Local calls are
    /// not looked at. `earlier` is the scan of an earlier attempt.
    #[must_use]
    pub fn inspect(&self, located: Located, earlier: Option<Scan>) -> Inspected {
        let (mut located, earlier) = located.reuse(earlier);
        if located.effective_tier() == ModelTier::Local {
            return Inspected {
                located,
                scan: None,
                outline: None,
            };
        }
        let envelope = Arc::clone(&located.request.prepared.envelope);
        let context = located.request.context.context_label;
        located.facts.labels = Some(self.ports.policy.labels(context, &located.labels));
        let scan = match earlier {
            Some(scan) if scan.epochs == self.validator_epochs() => scan,
            _ => self.scan(&envelope, envelope.envelope_sha256(&located.request.salt)),
        };
        // Another process enrolled a secret that our validators do not know yet: theirs is no verdict.
        let newest = scan
            .epochs
            .iter()
            .map(|(_, enrolment)| *enrolment)
            .max()
            .unwrap_or(0);
        let behind = located
            .epochs
            .as_ref()
            .is_some_and(|epochs| epochs.enrolled > newest);
        located.facts.findings = match &scan.findings {
            _ if self.ports.validators.is_empty() => FindingsFact::NoValidator,
            _ if behind => FindingsFact::NoVerdict(ValidatorError::Failed),
            Ok(findings) => FindingsFact::Worst(findings.worst()),
            Err(error) => FindingsFact::NoVerdict(*error),
        };
        let outline = Outline::of(&envelope.body, &self.ports.commitments);
        Inspected {
            located,
            scan: Some(scan),
            outline,
        }
    }

    /// Finds a receipt, commits the spend, and clears. Never waits for a person. Starts again at `locate` when
    /// the rules changed between judging and committing.
    pub async fn authorize(&self, mut inspected: Inspected) -> Authorization {
        for _ in 0..RESTARTS {
            let facts = &inspected.located.facts;
            let decision = decide(facts);
            let stale = match decision.outcome {
                Outcome::Allow => return self.clear_local(inspected).await,
                Outcome::NeedsFact(StepName::Receipt) => {
                    match self.authorize_cloud(inspected).await {
                        Ok(authorization) => return authorization,
                        Err(stale) => stale,
                    }
                }
                _ => {
                    let findings = inspected.scan.as_ref().and_then(Scan::findings).cloned();
                    let scope = &inspected.located.request.context.scope;
                    let denied = self.deny(scope, facts, decision, findings, None).await;
                    return Authorization::Denied(Box::new(denied));
                }
            };
            let Inspected { located, scan, .. } = *stale;
            inspected = match self.locate(located.request).await {
                Ok(located) => self.inspect(located, scan),
                Err(denied) => return Authorization::Denied(denied),
            };
        }
        self.deny_spend(&inspected, ErrorCode::Revision).await
    }

    /// Clears a payload-free call.
    ///
    /// # Errors
    /// [`Denied`], with its events recorded.
    pub async fn clear_control(
        &self,
        request: ControlRequest,
    ) -> Result<ClearedControl, Box<Denied>> {
        let subject = Subject {
            purpose: Purpose::Control,
            envelope: &request.envelope,
            record: &request.record,
            governance: request.governance,
            residence: Residence::Local,
        };
        let mut last = None;
        for _ in 0..RESTARTS {
            let (facts, peers, epochs) = self.find_peers(&subject, &request.scope).await?;
            let decision = decide(&facts);
            let Decision {
                outcome: Outcome::Allow,
                effective: Some(effective),
                ..
            } = decision
            else {
                return Err(Box::new(
                    self.deny(&request.scope, &facts, decision, None, None)
                        .await,
                ));
            };
            let what = (request.use_id, 1);
            let kind = Some(request.call.kind());
            let body = self.attempt(&request.envelope, what, effective, kind);
            match self
                .commit(&request.scope, body, &request.record, epochs.as_ref())
                .await
            {
                Ok(intent) => {
                    let grant = self.grant(request.record, peers, effective, what, intent, epochs);
                    let envelope = Arc::new(request.envelope);
                    return Ok(ClearedControl {
                        grant,
                        envelope,
                        call: request.call,
                    });
                }
                Err(LedgerError::Store(error)) => {
                    return Err(self.deny_late(&request.scope, &facts, error.code()).await);
                }
                Err(LedgerError::Stale | LedgerError::Contended) => last = Some(facts),
            }
        }
        let facts = match last {
            Some(facts) => facts,
            None => self.early_facts(&subject).await.0,
        };
        Err(self
            .deny_late(&request.scope, &facts, ErrorCode::Revision)
            .await)
    }
}
