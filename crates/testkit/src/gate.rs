//! The real gate on ports in memory, receipts signed by a key in memory, and clearances from that gate.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use handshake_core::{
    attest::RECEIPT_DOMAIN,
    consent::{ConsentReceipt, LeaseTerms, Outline, ReceiptScope, SignedReceipt},
    control::ControlCall,
    digest::{CommitmentKey, Digest},
    envelope::{Envelope, EnvelopeView, Prepared},
    event::EventScope,
    finding::{Findings, ValidatorError, WorkBudget},
    gate::{
        Authorization, Awaiting, CallContext, Cleared, ClearedControl, ControlRequest,
        EgressRequest, Gate, GatePorts,
    },
    ids::{SessionId, TraceId, UseId},
    label::Label,
    policy::Governance,
    ports::{Clock, EntropyExt, LeakageValidator, ProviderStore, Signer},
    provider::ProviderRecord,
    seal::ContactGrant,
    secret::Secret,
    tier::{ModelTier, Reach, Residence},
};

use crate::{
    fixture,
    memory::{Memory, MemoryPolicy, MemorySigner},
};

/// The approval passphrase of every test home.
pub const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// A validator that looks for one text and blocks on it. An empty text finds nothing.
#[derive(Debug, Default)]
pub struct Needle(pub String);

impl LeakageValidator for Needle {
    fn epoch(&self) -> (Digest, u64) {
        (Digest::of(&[b"needle", self.0.as_bytes()]), 0)
    }

    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        use handshake_core::finding::{Confidence, FindingClass, FindingLevel, LeakageFinding};
        budget.spend(view.body().len() as u64)?;
        let (digest, generation) = self.epoch();
        let mut findings = Findings::none(digest, generation);
        let needle = self.0.as_bytes();
        if !needle.is_empty() && view.body().windows(needle.len()).any(|w| w == needle) {
            findings.items.push(LeakageFinding {
                rule: handshake_core::ids::RuleId::new("needle").expect("valid"),
                class: FindingClass::Secret,
                level: FindingLevel::Block,
                confidence: Confidence::High,
                pointer: None,
                start: None,
                end: None,
                views: Vec::new(),
                declassified: None,
            });
        }
        Ok(findings)
    }
}

/// A home in memory with its real gate.
pub struct World {
    /// The stores, the log, the clock.
    pub memory: Memory,
    /// The rules.
    pub policy: MemoryPolicy,
    /// The approval key.
    pub signer: Arc<MemorySigner>,
    /// The gate.
    pub gate: Arc<Gate>,
}

impl World {
    /// A home whose validator finds nothing.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::wired(seed, |_, _| {})
    }

    /// A home with these validators.
    #[must_use]
    pub fn with_validators(seed: u64, validators: Vec<Arc<dyn LeakageValidator>>) -> Self {
        Self::wired(seed, |ports, _| ports.validators = validators)
    }

    /// A home whose gate is wired to other ports than those in memory, where `change` says so.
    #[must_use]
    pub fn wired(seed: u64, change: impl FnOnce(&mut GatePorts, &Memory)) -> Self {
        let memory = Memory::new(seed);
        let policy = MemoryPolicy::default();
        let signer = Arc::new(MemorySigner::new(7, PASSPHRASE));
        memory.trust(Some(signer.public_key()));
        let home = Arc::new(memory.clone());
        let mut ports = GatePorts::new(
            &home,
            Arc::new(policy.clone()),
            Arc::clone(&home) as _,
            Arc::clone(&home) as _,
            Arc::clone(&home) as _,
            Arc::clone(&home) as _,
            CommitmentKey::new([5; 32]).expect("a key"),
        );
        ports.validators = vec![Arc::new(Needle::default())];
        ports.approval_key = Some(signer.public_key());
        ports.seal_keys = Some(memory.seal_keys());
        change(&mut ports, &memory);
        let gate = Arc::new(Gate::new(ports));
        Self {
            memory,
            policy,
            signer,
            gate,
        }
    }

    /// Registers a provider.
    pub async fn register(&self, record: &Arc<ProviderRecord>) {
        ProviderStore::put(&self.memory, (**record).clone(), None)
            .await
            .expect("registered");
    }

    /// Asks for an envelope to leave, as the person of [`fixture::principal`].
    #[must_use]
    pub fn egress(&self, record: &Arc<ProviderRecord>, prepared: Prepared) -> EgressRequest {
        let session = SessionId::new("session-1").expect("valid");
        let scope = EventScope {
            principal: Some(fixture::principal()),
            session_id: Some(session.clone()),
            trace_id: Some(TraceId::from_entropy([1; 16])),
            provider_id: Some(record.provider_id.clone()),
            model_id: prepared.envelope().model_id.clone(),
            ..EventScope::default()
        };
        let mut context =
            CallContext::new(scope, fixture::principal(), session, Governance::NO_PROFILE);
        context.context_label = Label::INLINE;
        context.residence = match record.reach {
            Reach::Direct if record.tier == ModelTier::Local => Residence::Local,
            _ => Residence::Forwarded,
        };
        let use_id = UseId::from_entropy(self.memory.bytes());
        EgressRequest::new(prepared, Arc::clone(record), Arc::new(context), use_id)
    }

    /// What a person who read the plan and said yes to this one call signs.
    #[must_use]
    pub fn receipt(&self, awaiting: &Awaiting) -> ConsentReceipt {
        fixture::receipt(
            &awaiting.plan,
            awaiting.escalation.request_id,
            self.memory.bytes(),
            self.memory.now(),
            self.memory.run(),
            self.signer.public_key().id().clone(),
        )
    }

    /// The same yes as a lease: more of the same in this session, within the published limits.
    ///
    /// # Panics
    /// When the body has no outline: no lease covers it.
    #[must_use]
    pub fn lease(&self, awaiting: &Awaiting) -> ConsentReceipt {
        let submission = awaiting.submission(self.memory.now());
        let outline =
            Outline::of(&submission.content.body, self.gate.commitments()).expect("an outline");
        let mut receipt = self.receipt(awaiting);
        receipt.ext.scope = ReceiptScope::SessionScoped;
        receipt.ext.expires_at = receipt
            .approved_at
            .plus(Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS));
        receipt.ext.lease = Some(LeaseTerms {
            models: receipt.ext.destination.model_id.iter().cloned().collect(),
            system: outline.system,
            tools: outline.tools,
            fields: outline.fields,
            kinds: outline.kinds,
            max_new_bytes_per_call: LeaseTerms::MAX_NEW_BYTES_PER_CALL,
            max_new_bytes_total: LeaseTerms::MAX_NEW_BYTES_TOTAL,
            max_uses: LeaseTerms::MAX_USES,
            idle_seconds: LeaseTerms::MAX_IDLE_SECONDS,
            waived: BTreeSet::new(),
        });
        receipt
    }

    /// Signs a receipt with the factor.
    #[must_use]
    pub fn sign(&self, receipt: &ConsentReceipt) -> SignedReceipt {
        let payload = receipt.signing_payload().expect("canonical");
        let factor = Secret::new(PASSPHRASE.to_vec());
        let signature = self
            .signer
            .sign(RECEIPT_DOMAIN, &payload, Some(&factor))
            .expect("signed");
        SignedReceipt { payload, signature }
    }

    /// Reads, approves and stores.
    pub fn approve(&self, awaiting: &Awaiting) {
        let receipt = self.receipt(awaiting);
        self.memory
            .put_receipt(receipt.consent_receipt_id, self.sign(&receipt));
    }

    /// Clears a call through the gate; where a person is asked, they say yes.
    ///
    /// # Panics
    /// When the gate denies.
    pub async fn clear(&self, request: EgressRequest) -> Cleared {
        match self.gate.clear(request.clone()).await {
            Authorization::Cleared(cleared) => *cleared,
            Authorization::Denied(denied) => panic!("denied: {}", denied.error),
            Authorization::AwaitingConsent(awaiting) => {
                self.approve(&awaiting);
                match self.gate.clear(request).await {
                    Authorization::Cleared(cleared) => *cleared,
                    other => panic!("not cleared after consent: {other:?}"),
                }
            }
        }
    }

    /// Clears a payload-free call; contact is granted where it is needed.
    ///
    /// # Panics
    /// When the gate denies.
    pub async fn clear_control(
        &self,
        record: &Arc<ProviderRecord>,
        call: ControlCall,
        envelope: Envelope,
    ) -> ClearedControl {
        use handshake_core::ports::ContactGrants;
        self.memory
            .grant(&ContactGrant::of(record), fixture::seal())
            .await
            .expect("granted");
        let request = ControlRequest::new(
            envelope,
            call,
            Arc::clone(record),
            Governance::NO_PROFILE,
            UseId::from_entropy(self.memory.bytes()),
        );
        match self.gate.clear_control(request).await {
            Ok(cleared) => cleared,
            Err(denied) => panic!("denied: {}", denied.error),
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World(..)")
    }
}

/// A clearance for an envelope, from the real gate of a fresh home where everybody says yes.
///
/// # Panics
/// When the gate denies: the envelope or its record break a rule.
pub async fn cleared(record: &Arc<ProviderRecord>, prepared: Prepared) -> Cleared {
    let world = World::new(0);
    world.register(record).await;
    let request = world.egress(record, prepared);
    world.clear(request).await
}

/// The listening address of a record's base URL, for records on loopback.
///
/// # Panics
/// When the host is a name.
#[must_use]
pub fn address_of(record: &ProviderRecord) -> SocketAddr {
    use handshake_core::base_url::Host;
    let ip = match record.base_url.host() {
        Host::Ip(ip) => *ip,
        _ => panic!("not a literal address"),
    };
    SocketAddr::new(ip, record.base_url.port())
}
