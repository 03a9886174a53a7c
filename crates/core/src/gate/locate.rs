//! Facts that need no network, and then the peers.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Denied, Gate, Outcome, StepName,
    decide::decide,
    facts::{EgressFacts, FindingsFact, PeerFact, Purpose, ReceiptFact, RulesFact, SecretFact},
};
use crate::{
    artifact::{LabelWalk, WalkBudget},
    attest::PublicKey,
    envelope::Envelope,
    event::EventScope,
    ids::ArtifactRef,
    label::Label,
    net::AddressClass,
    policy::Governance,
    ports::{Epochs, SecretUse},
    provider::ProviderRecord,
    tier::{ModelTier, Residence},
};

/// What one call is about, for both kinds of call.
pub(super) struct Subject<'a> {
    pub(super) purpose: Purpose,
    pub(super) envelope: &'a Envelope,
    pub(super) record: &'a ProviderRecord,
    pub(super) governance: Governance,
    pub(super) residence: Residence,
}

impl Gate {
    pub(super) async fn find_peers(
        &self,
        subject: &Subject<'_>,
        scope: &EventScope,
    ) -> Result<(EgressFacts, Arc<[SocketAddr]>, Option<Epochs>), Box<Denied>> {
        let (envelope, record) = (subject.envelope, subject.record);
        let host = envelope.base_url.host();
        let (mut facts, epochs) = self.early_facts(subject).await;
        if subject.purpose == Purpose::Control && record.tier == ModelTier::Cloud {
            let granted = self
                .ports
                .contacts
                .granted(&record.provider_id, record.revision)
                .await;
            facts.contact = granted.ok();
            // Contact is what a lookup of the name would already be.
            if facts.contact != Some(true) {
                let decision = decide(&EgressFacts {
                    peer: PeerFact::Classes(vec![AddressClass::Global]),
                    ..facts.clone()
                });
                return Err(Box::new(
                    self.deny(scope, &facts, decision, None, None).await,
                ));
            }
        }
        let early = decide(&facts);
        if early.outcome != Outcome::NeedsFact(StepName::Peer) {
            return Err(Box::new(self.deny(scope, &facts, early, None, None).await));
        }
        let resolved = self
            .ports
            .peers
            .resolve(host, envelope.base_url.port())
            .await;
        let peers: Arc<[SocketAddr]> = resolved.unwrap_or_default().into();
        facts.peer = if peers.is_empty() {
            PeerFact::NoAddress
        } else if peers.iter().any(|peer| self.is_own(*peer)) {
            PeerFact::OwnListener
        } else {
            PeerFact::Classes(
                peers
                    .iter()
                    .map(|peer| AddressClass::of(peer.ip()))
                    .collect(),
            )
        };
        let decision = decide(&facts);
        match decision.outcome {
            Outcome::Deny(..) => Err(Box::new(
                self.deny(scope, &facts, decision, None, None).await,
            )),
            _ => Ok((facts, peers, epochs)),
        }
    }

    /// Whether an address is one of our own listeners, in whatever form it is written.
    pub(super) fn is_own(&self, peer: SocketAddr) -> bool {
        let here = peer.ip().to_canonical();
        self.ports.own_listeners.iter().any(|own| {
            let ip = own.ip().to_canonical();
            own.port() == peer.port()
                && (ip == here
                    || (ip.is_unspecified() && AddressClass::of(here) == AddressClass::Loopback))
        })
    }

    /// The facts that need no network.
    pub(super) async fn early_facts(&self, subject: &Subject<'_>) -> (EgressFacts, Option<Epochs>) {
        let Subject {
            purpose,
            envelope,
            record,
            governance,
            residence,
        } = *subject;
        // Epochs are read before anything is judged by them; whatever changes later shows at the commit.
        let epochs = match record.tier {
            ModelTier::Local => None,
            ModelTier::Cloud => Some(self.ports.ledger.epochs(&record.provider_id).await),
        };
        let mut posture = self.ports.policy.posture();
        let key = self.ports.approval_key.as_ref().map(PublicKey::id);
        let rules = match &epochs {
            None => RulesFact::NotRead,
            Some(Err(_)) => RulesFact::Unreadable,
            Some(Ok(now))
                if now.policy != posture.digest
                    || now.approval_key.as_ref() != key
                    || now.provider_revision != record.revision =>
            {
                RulesFact::Outdated
            }
            Some(Ok(_)) => RulesFact::Current,
        };
        let epochs = epochs.and_then(Result::ok);
        posture.locked |= epochs.as_ref().is_some_and(|epochs| epochs.locked);
        let secret = match envelope.secret_ref() {
            None => SecretFact::NotNeeded,
            Some(secret_ref) => {
                let wanted = SecretUse {
                    secret_ref: secret_ref.clone(),
                    origin: envelope.origin(),
                };
                match self.ports.secrets.check(&wanted) {
                    Ok(()) => SecretFact::Bound,
                    Err(error) => SecretFact::Refused(error),
                }
            }
        };
        let facts = EgressFacts {
            purpose,
            rules,
            declared: record.tier,
            reach: record.reach,
            private_host_allowed: posture
                .private_hosts
                .contains(&envelope.base_url.host().to_string()),
            posture,
            governance,
            body_bytes: envelope.body.len() as u64,
            envelope_ok: envelope.check().is_ok()
                && envelope.base_url == record.base_url
                && envelope.provider_id == record.provider_id
                && envelope.revision == record.revision
                && (purpose == Purpose::Control || envelope.model_id.is_some()),
            peer: PeerFact::Unresolved,
            residence,
            labels: None,
            findings: FindingsFact::NotInspected,
            secret,
            contact: None,
            receipt: ReceiptFact::NotLooked,
        };
        (facts, epochs)
    }

    /// Resolves what a call refers to, member by member.
    pub(super) async fn labels_of(
        &self,
        artifacts: &[ArtifactRef],
    ) -> Vec<(ArtifactRef, Option<Label>)> {
        let mut walk = LabelWalk::new(artifacts.to_vec(), WalkBudget::default());
        while let Some(artifact) = walk.next() {
            // A store that fails has not resolved anything: the walk reports it as unknown.
            let meta = self.ports.artifacts.meta(&artifact).await.unwrap_or(None);
            walk.resolved(artifact, meta);
        }
        walk.finish()
    }
}
