//! What the gate would say, with no network: the same `decide`, on the facts that need none.

use std::sync::Arc;

use super::{
    Decision, EgressRequest, Gate, Outcome, StepName,
    facts::{LedgerFact, PeerFact, Purpose, ReceiptFact},
    judged::Judged,
    locate::Subject,
};
use crate::{
    base_url::Host,
    consent::{AskReason, Destination},
    digest::Digest,
    finding::Findings,
    net::AddressClass,
};

/// What the gate would say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// With the peer unresolved.
    pub decision: Decision,
    /// If the host's addresses are of the expected class (a literal's own, the public internet for a name) and the
    /// ledger takes the spend.
    pub expected: Decision,
    /// The class that was assumed, where the host is a name.
    pub assumed: Option<AddressClass>,
    /// Where it would go.
    pub destination: Destination,
    /// The envelope's hash under the request's salt.
    pub envelope_sha256: Digest,
    /// What the validators found, if they gave a verdict.
    pub findings: Option<Findings>,
    /// Why a person would be asked.
    pub ask: Vec<AskReason>,
}

impl Gate {
    /// Explains. Nothing is dialled, looked up in DNS, spent, or recorded.
    pub async fn explain(&self, request: EgressRequest) -> Explanation {
        let envelope = Arc::clone(request.prepared.envelope());
        let (facts, epochs) = self
            .early_facts(&Subject {
                purpose: Purpose::Content,
                envelope: &envelope,
                record: &request.record,
                governance: request.context.governance,
                job: request.job_bound(),
                model: envelope.model_id.as_ref(),
                residence: request.context.residence,
                waits: request.context.waits_for_resume,
                identifies: false,
            })
            .await;
        let mut judged = Judged::new(facts);
        let decision = judged.decision().clone();
        let (class, assumed) = match envelope.base_url.host() {
            Host::Ip(ip) => (AddressClass::of(*ip), None),
            Host::Localhost => (AddressClass::Loopback, None),
            Host::Name(_) => (AddressClass::Global, Some(AddressClass::Global)),
        };
        judged.learn(|facts| facts.peer = PeerFact::Classes(vec![class]));
        let destination = super::plan::destination(&request, judged.effective());
        let salt = request.salt(&self.ports.commitments);
        let envelope_sha256 = request.prepared.envelope_sha256(&salt);
        let labels = self.labels_of(&request.context.artifacts).await;
        let declassified = self.declassified_for(&request.record).await;
        let mut inspected = self.inspect(
            super::Located {
                request,
                judged,
                peers: [].into(),
                epochs,
                labels,
                declassified,
            },
            None,
        );
        if inspected.located.judged.outcome() == Outcome::NeedsFact(StepName::Receipt) {
            let looked = self.look_for_receipt(&inspected).await;
            inspected.located.judged.learn(|facts| {
                facts.receipt = looked.fact;
                // As with the peer: what would come of it if the ledger takes what nothing else speaks against.
                facts.ledger = Some(LedgerFact::Committed);
            });
        }
        let facts = inspected.located.judged.facts();
        let ask = match (&facts.receipt, inspected.located.judged.outcome()) {
            (ReceiptFact::Uncovered(reasons), Outcome::AskPerson) => {
                reasons.iter().copied().collect()
            }
            _ => Vec::new(),
        };
        Explanation {
            decision,
            expected: inspected.located.judged.decision().clone(),
            assumed,
            destination,
            envelope_sha256,
            findings: inspected.findings().cloned(),
            ask,
        }
    }
}
