//! The driver: fills facts from ports, has [`decide`](super::decide()) judge them, and acts on its word. The steps
//! of the call path; what each needs is in the files beside this one.

use std::{convert::Infallible, future::ready, sync::Arc};

use super::{
    Authorization, ClearedControl, ControlRequest, Denied, EgressRequest, Gate, Inspected, Located,
    Outcome, Scan, StepName,
    commit::AttemptId,
    facts::{FindingsFact, LedgerFact, Purpose},
    locate::{Found, Subject},
    spend::Stale,
    steps::Seen,
};
use crate::{
    control::ControlCall,
    finding::{FindingLevel, ValidatorError},
    tier::{ModelTier, Residence},
};

/// How often a call is judged because the rules changed before its commit.
const TRIES: u32 = 3;

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
            envelope: request.prepared.envelope(),
            record: &request.record,
            governance: request.context.governance,
            job: request.job_bound().filter(|_| request.attempt == 1),
            model: request.prepared.envelope().model_id.as_ref(),
            residence: request.context.residence,
            waits: request.context.waits_for_resume,
            identifies: false,
        };
        let Found {
            judged,
            peers,
            epochs,
        } = self.find_peers(&subject, &request.context.scope).await?;
        let (mut labels, mut declassified) = (Vec::new(), Vec::new());
        if judged.effective() == ModelTier::Cloud {
            labels = self.labels_of(&request.context.artifacts).await;
            // After the epochs: what changes later makes them stale.
            declassified = self.declassified_for(&request.record).await;
        }
        Ok(Located {
            request,
            judged,
            peers,
            epochs,
            labels,
            declassified,
        })
    }

    /// Looks at the exact bytes, and makes every fact that grows with the body: what comes after reads them from
    /// [`crate::envelope::Prepared`]. Pure computation; run it off the reactor for large bodies. Local calls are
    /// hashed and not looked at. `earlier` is the scan of an earlier attempt: it counts while envelope, rules and
    /// enrolment are the same.
    #[must_use]
    pub fn inspect(&self, mut located: Located, earlier: Option<Scan>) -> Inspected {
        let request = &located.request;
        let _hashed = request.prepared.body_commitment(&self.ports.commitments);
        if located.effective_tier() == ModelTier::Local {
            return Inspected {
                located,
                seen: None,
            };
        }
        let salt = request.salt(&self.ports.commitments);
        let envelope_sha256 = request.prepared.envelope_sha256(&salt);
        let _hashed = request.prepared.payload_sha256(&salt);
        let outline = request.prepared.outline(&self.ports.commitments);
        let labels = self
            .ports
            .policy
            .labels(request.context.context_label, &located.labels);
        let scan = match earlier {
            Some(scan) if scan.is_of(&envelope_sha256, &self.validator_epochs()) => scan,
            _ => self.scan(&request.prepared, envelope_sha256),
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
        let lowered = self.lowered(scan.findings(), request, &located.declassified);
        let findings = match (&scan.findings, &lowered.findings) {
            _ if self.ports.validators.is_empty() => FindingsFact::NoValidator,
            _ if behind => FindingsFact::NoVerdict(ValidatorError::Failed),
            (Ok(_), Some(findings)) => match (findings.worst(), scan.failed) {
                // What blocked was declassified, and somebody did not look at the rest.
                (worst, Some(error)) if worst != Some(FindingLevel::Block) => {
                    FindingsFact::NoVerdict(error)
                }
                (worst, _) => FindingsFact::Worst(worst),
            },
            (Ok(_), None) => FindingsFact::NoVerdict(ValidatorError::Failed),
            (Err(error), _) => FindingsFact::NoVerdict(*error),
        };
        located.judged.learn(|facts| {
            facts.labels = Some(labels);
            facts.findings = findings;
        });
        Inspected {
            located,
            seen: Some(Seen {
                scan,
                lowered,
                outline,
            }),
        }
    }

    /// Finds a receipt, commits the spend, and clears. Never waits for a person. Starts again at `locate` when
    /// the rules changed between judging and committing, and inspects on the spot then: for callers with small
    /// bodies.
    pub async fn authorize(&self, inspected: Inspected) -> Authorization {
        let here = |located, earlier| ready(Ok::<_, Infallible>(self.inspect(located, earlier)));
        match self.authorize_with(inspected, here).await {
            Ok(authorization) => authorization,
            Err(never) => match never {},
        }
    }

    /// The same, for callers who decide where bytes are looked at: what has to be inspected again is given to
    /// `look`, which has [`Gate::inspect`] do it.
    ///
    /// # Errors
    /// Those of `look`: nothing was looked at, so nothing is cleared.
    pub async fn authorize_with<L, F, E>(
        &self,
        mut inspected: Inspected,
        mut look: L,
    ) -> Result<Authorization, E>
    where
        L: FnMut(Located, Option<Scan>) -> F,
        F: Future<Output = Result<Inspected, E>>,
    {
        let mut tries = TRIES;
        loop {
            let stale = match self.judge_receipts(inspected).await {
                Ok(authorization) => return Ok(authorization),
                Err(stale) => stale,
            };
            let Stale {
                inspected: old,
                refusal,
            } = *stale;
            tries -= 1;
            if tries == 0 {
                return Ok(self.refuse(&old, refusal).await);
            }
            let Inspected { located, seen } = old;
            // On the heap: this is rare, and no other call should carry the room for it.
            inspected = match Box::pin(self.locate(located.request)).await {
                Ok(located) => Box::pin(look(located, seen.map(|seen| seen.scan))).await?,
                Err(denied) => return Ok(Authorization::Denied(denied)),
            };
        }
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
            job: None,
            model: request.call.model(),
            residence: Residence::Local,
            waits: false,
            identifies: matches!(request.call, ControlCall::Identify(_))
                && request.envelope.is_bare(),
        };
        let id = AttemptId {
            use_id: request.use_id,
            attempt: 1,
        };
        let mut tries = TRIES;
        loop {
            let Found {
                mut judged,
                peers,
                epochs,
            } = self.find_peers(&subject, &request.scope).await?;
            let mut intent = None;
            if judged.outcome() == Outcome::NeedsFact(StepName::Ledger) {
                let body = self.control_attempt(&request, id, judged.effective());
                let committed = self.commit_control(&request, body, epochs.as_ref()).await;
                judged.learn(|facts| {
                    facts.ledger = Some(match &committed {
                        Ok(_) => LedgerFact::Committed,
                        Err(error) => error.into(),
                    });
                });
                tries -= 1;
                let again = matches!(
                    judged.facts().ledger,
                    Some(LedgerFact::Stale | LedgerFact::Contended)
                );
                if again && tries > 0 {
                    continue;
                }
                intent = committed.ok();
            }
            if let Some(refusal) = judged.refusal() {
                return Err(self
                    .deny(&request.scope, &judged, refusal, None, None)
                    .await);
            }
            let effective = judged.effective();
            if effective == ModelTier::Local {
                let body = self.control_attempt(&request, id, effective);
                self.queue(&request.scope, body);
            }
            let grant = self.grant(request.record, peers, effective, id, intent, epochs);
            return Ok(ClearedControl {
                grant,
                envelope: Arc::new(request.envelope),
                call: request.call,
            });
        }
    }
}
