//! Facts that need no network, and then the peers.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Denied, Gate, Outcome, StepName,
    facts::{
        EgressFacts, FindingsFact, JobFact, PauseFact, PeerFact, Purpose, ReceiptFact, RulesFact,
        SecretFact,
    },
    judged::Judged,
};
use crate::{
    artifact::{LabelWalk, WalkBudget},
    attest::PublicKey,
    envelope::Envelope,
    event::EventScope,
    ids::{ArtifactRef, ModelId},
    label::Label,
    net::AddressClass,
    policy::{Governance, Posture},
    ports::{Epochs, JobBound, SecretUse, StoreError},
    provider::ProviderRecord,
    tier::{ModelTier, Residence, is_forwarded_name},
};

/// How often rules are read because they changed while they were.
const TRIES: u32 = 3;

/// What one call is about, for both kinds of call.
pub(super) struct Subject<'a> {
    pub(super) purpose: Purpose,
    pub(super) envelope: &'a Envelope,
    pub(super) record: &'a Arc<ProviderRecord>,
    pub(super) governance: Governance,
    /// The job that it counts for, where that is bounded and this is its first attempt.
    pub(super) job: Option<JobBound>,
    /// The model that it is about.
    pub(super) model: Option<&'a ModelId>,
    /// Where that runs, as last read from its server.
    pub(super) residence: Residence,
    /// Whether the caller waits for the end of a pause.
    pub(super) waits: bool,
    /// Whether a server on this machine is asked what it is, before anything rests on the record.
    pub(super) identifies: bool,
}

impl Subject<'_> {
    /// Where the model runs. A name that a daemon forwards is forwarded, whatever its server said of it and whatever
    /// kind of server it is.
    fn residence(&self) -> Residence {
        match self.model {
            Some(model) if is_forwarded_name(model.as_str()) => Residence::Forwarded,
            _ => self.residence,
        }
    }
}

/// The facts so far, and where the call may go.
pub(super) struct Found {
    pub(super) judged: Judged,
    pub(super) peers: Arc<[SocketAddr]>,
    pub(super) epochs: Option<Epochs>,
}

impl Gate {
    pub(super) async fn find_peers(
        &self,
        subject: &Subject<'_>,
        scope: &EventScope,
    ) -> Result<Found, Box<Denied>> {
        let base_url = &subject.envelope.base_url;
        let (facts, epochs) = self.early_facts(subject).await;
        let mut judged = Judged::new(facts);
        if let Outcome::Hold(step) = judged.outcome() {
            return Err(Denied::held(&judged, step));
        }
        if judged.outcome() != Outcome::NeedsFact(StepName::Peer)
            && let Some(refusal) = judged.refusal()
        {
            return Err(self.deny(scope, &judged, refusal, None, None).await);
        }
        let resolved = self
            .ports
            .peers
            .resolve(base_url.host(), base_url.port())
            .await;
        let peers: Arc<[SocketAddr]> = resolved.unwrap_or_default().into();
        let fact = if peers.is_empty() {
            PeerFact::NoAddress
        } else if peers.iter().any(|peer| self.is_own_listener(*peer)) {
            PeerFact::OwnListener
        } else {
            PeerFact::Classes(
                peers
                    .iter()
                    .map(|peer| AddressClass::of(peer.ip()))
                    .collect(),
            )
        };
        judged.learn(|facts| facts.peer = fact);
        match (judged.outcome(), judged.refusal()) {
            (Outcome::Deny(..), Some(refusal)) => {
                Err(self.deny(scope, &judged, refusal, None, None).await)
            }
            _ => Ok(Found {
                judged,
                peers,
                epochs,
            }),
        }
    }

    /// Whether an address is one of our own listeners, in whatever form it is written. Every address of this machine
    /// counts as one: which of them reach a listener is for its system to say.
    pub(super) fn is_own_listener(&self, peer: SocketAddr) -> bool {
        let here = peer.ip().to_canonical();
        let on_this_machine = |ip| AddressClass::of(ip) == AddressClass::Loopback;
        self.ports.own_listeners.iter().any(|own| {
            let ip = own.ip().to_canonical();
            own.port() == peer.port()
                && (ip == here
                    || ((ip.is_unspecified() || on_this_machine(ip)) && on_this_machine(here)))
        })
    }

    async fn job_of(&self, subject: &Subject<'_>) -> JobFact {
        if subject.governance.max_cloud_escalations_per_job.is_none() {
            return JobFact::Unbounded;
        }
        match &subject.job {
            Some(bound) if subject.record.tier == ModelTier::Cloud => {
                match self.ports.ledger.uses_of_job(&bound.job).await {
                    Ok(used) if used < bound.most => JobFact::Within,
                    Ok(_) => JobFact::Spent,
                    Err(_) => JobFact::Unreadable,
                }
            }
            _ => JobFact::Within,
        }
    }

    /// The facts that need no network.
    pub(super) async fn early_facts(&self, subject: &Subject<'_>) -> (EgressFacts, Option<Epochs>) {
        let Subject {
            purpose,
            envelope,
            record,
            governance,
            waits,
            ..
        } = *subject;
        let job = self.job_of(subject).await;
        let seal = self.seal_of(subject).await;
        let (epochs, mut posture) = self.rules_now(record).await;
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
        let pause = match &epochs {
            None => PauseFact::NotRead,
            Some(now) if !now.paused => PauseFact::Running,
            Some(_) if waits => PauseFact::Held,
            Some(_) => PauseFact::Refused,
        };
        if !posture.locked && epochs.as_ref().is_some_and(|epochs| epochs.locked) {
            Arc::make_mut(&mut posture).locked = true;
        }
        // Contact is what a look-up of the name would already be.
        let contact = match (purpose, record.tier) {
            (Purpose::Control, ModelTier::Cloud) => self
                .ports
                .contacts
                .granted(&record.provider_id, record.revision)
                .await
                .ok(),
            _ => None,
        };
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
            seal,
            rules,
            pause,
            declared: record.tier,
            reach: record.reach,
            private_host_allowed: !posture.private_hosts.is_empty()
                && posture
                    .private_hosts
                    .contains(&envelope.base_url.host().to_string()),
            posture,
            governance,
            job,
            body_bytes: envelope.body.len() as u64,
            envelope_ok: envelope.check().is_ok()
                && envelope.base_url == record.base_url
                && envelope.provider_id == record.provider_id
                && envelope.revision == record.revision
                && (purpose == Purpose::Control || envelope.model_id.is_some()),
            peer: PeerFact::Unresolved,
            residence: subject.residence(),
            labels: None,
            findings: FindingsFact::NotInspected,
            secret,
            contact,
            receipt: ReceiptFact::NotLooked,
            person: None,
            ledger: None,
        };
        (facts, epochs)
    }

    /// Epochs, and the rules that go with them. Epochs are read before anything is judged by them; whatever changes later
    /// shows at the commit, and what changes between the two reads is read once more.
    async fn rules_now(
        &self,
        record: &ProviderRecord,
    ) -> (Option<Result<Epochs, StoreError>>, Arc<Posture>) {
        if record.tier == ModelTier::Local {
            return (None, self.ports.policy.posture());
        }
        let mut tries = TRIES;
        loop {
            let epochs = self.ports.ledger.epochs(&record.provider_id).await;
            let posture = self.ports.policy.posture();
            tries -= 1;
            let differ = epochs
                .as_ref()
                .is_ok_and(|now| now.policy != posture.digest);
            if !differ || tries == 0 {
                return (Some(epochs), posture);
            }
        }
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
