//! What the gate would say, with no network: the same `decide`, on the facts that need none.

use super::{
    Decision, EgressRequest, Gate,
    decide::decide,
    facts::{PeerFact, Purpose},
    locate::Subject,
};
use crate::{
    base_url::Host,
    consent::{AskReason, Destination},
    digest::Digest,
    finding::Findings,
    net::AddressClass,
    tier::ModelTier,
};

/// What the gate would say.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// With the peer unresolved.
    pub decision: Decision,
    /// If the host's addresses are of the expected class: a literal's own, the public internet for a name.
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
        let (facts, epochs) = self
            .early_facts(&Subject {
                purpose: Purpose::Content,
                envelope: &request.prepared.envelope,
                record: &request.record,
                governance: request.context.governance,
                residence: request.context.residence,
            })
            .await;
        let decision = decide(&facts);
        let (class, assumed) = match request.prepared.envelope.base_url.host() {
            Host::Ip(ip) => (AddressClass::of(*ip), None),
            Host::Localhost => (AddressClass::Loopback, None),
            Host::Name(_) => (AddressClass::Global, Some(AddressClass::Global)),
        };
        let labels = self.labels_of(&request.context.artifacts).await;
        let mut facts = facts;
        facts.peer = PeerFact::Classes(vec![class]);
        let tier = decide(&facts).effective.unwrap_or(ModelTier::Cloud);
        let destination = super::plan::destination(&request, tier);
        let envelope_sha256 = request.prepared.envelope.envelope_sha256(&request.salt);
        let located = super::Located {
            request,
            facts,
            peers: [].into(),
            epochs,
            labels,
        };
        let mut inspected = self.inspect(located, None);
        let mut ask = std::collections::BTreeSet::new();
        let early = decide(&inspected.located.facts);
        if early.denied_with().is_none() && tier == ModelTier::Cloud {
            inspected.located.facts.receipt =
                self.look_for_receipt(&inspected, &mut ask, &mut None).await;
        }
        Explanation {
            decision,
            expected: decide(&inspected.located.facts),
            assumed,
            destination,
            envelope_sha256,
            findings: inspected
                .scan
                .as_ref()
                .and_then(super::Scan::findings)
                .cloned(),
            ask: ask.into_iter().collect(),
        }
    }
}
