//! A home with a provider, and what it takes to spend there.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use handshake_core::{
    attest::RECEIPT_DOMAIN,
    base_url::BaseUrl,
    consent::{
        Assurance, Block, CloudEscalationRequest, ConsentReceipt, Destination, EGRESS_EXT,
        EscalationReason, LeaseTerms, PlanExt, ProjectionPlan, ReceiptExt, ReceiptScope,
        SignedReceipt,
    },
    digest::{CommitmentKey, Digest},
    envelope::Salt,
    event::{Actor, Body, Event, EventScope},
    ids::{
        EventId, ExternalId, ModelId, ModelRef, PlanId, Principal, PrincipalKind, ProviderId,
        ReceiptId, RequestId, SessionId, Token, UseId,
    },
    ports::{
        ApprovalQueue, Clock, Committed, EgressLedger, Intent, LedgerError, PendingContent,
        ProviderStore, ReceiptQuery, SignedDecision, Signer, Spend, SpendReach, StoreError,
        Submission,
    },
    provider::{ProviderDraft, ProviderRecord},
    tier::{ModelTier, Reach},
    time::UtcTime,
};
use handshake_registry_store::{Epoch, Store};

use crate::fakes::Fakes;

pub(crate) const ORIGIN: &str = "https://api.example.com";

pub(crate) struct World {
    pub(crate) fakes: Fakes,
    pub(crate) home: tempfile::TempDir,
    pub(crate) store: Store,
}

pub(crate) fn provider_id() -> ProviderId {
    ProviderId::new("cloud").expect("id")
}

pub(crate) fn model(name: &str) -> ModelRef {
    ModelRef {
        provider: provider_id(),
        model: ModelId::new(name).expect("id"),
    }
}

pub(crate) fn principal(name: &str) -> Principal {
    Principal {
        kind: PrincipalKind::Client,
        name: ExternalId::new(name).expect("id"),
    }
}

pub(crate) fn session() -> SessionId {
    SessionId::new("session-1").expect("id")
}

pub(crate) fn record(id: &str) -> ProviderRecord {
    let draft = ProviderDraft {
        provider_id: ProviderId::new(id).expect("id"),
        provider_kind: Token::new("openai_compat").expect("kind"),
        tier: None,
        base_url: BaseUrl::parse(ORIGIN).expect("url"),
        reach: Reach::Direct,
        dialect: None,
        default_model: None,
        secret_ref: None,
    };
    draft
        .into_record(UtcTime::from_unix_millis(crate::fakes::EPOCH))
        .expect("record")
}

pub(crate) fn use_id(n: u32) -> UseId {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    UseId::from_entropy(bytes)
}

pub(crate) fn event(n: u32) -> Event {
    let mut bytes = [9; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    let body = Body::CallAttempt {
        use_id: use_id(n),
        attempt: 1,
        effective_tier: ModelTier::Cloud,
        body_bytes: u64::from(n),
        envelope_hash: CommitmentKey::new([5; 32]).expect("key").commit("t", &[]),
        control: None,
        consent_receipt_id: None,
        declassified: None,
        waived: None,
    };
    let scope = EventScope {
        session_id: Some(session()),
        ..EventScope::default()
    };
    scope.event(
        EventId::from_entropy(bytes),
        UtcTime::from_unix_millis(crate::fakes::EPOCH),
        Actor::System,
        body,
    )
}

pub(crate) fn block(n: u8, bytes: u64) -> Block {
    Block {
        commitment: CommitmentKey::new([5; 32])
            .expect("key")
            .commit("b", &[&[n]]),
        bytes,
    }
}

fn destination() -> Destination {
    Destination {
        provider_id: provider_id(),
        revision: 1,
        tier: ModelTier::Cloud,
        reach: Reach::Direct,
        origin: BaseUrl::parse(ORIGIN).expect("url").origin(),
        path: "/v1/chat/completions".to_owned(),
        model_id: Some(model("m").model),
    }
}

/// What `n` makes different: the request, and the body.
pub(crate) fn submission(fakes: &Fakes, who: &str, n: u32) -> Submission {
    let mut bytes = [3; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    let body = format!(r#"{{"messages":[{{"role":"user","content":"text {n}"}}]}}"#);
    // As at the gate: salt and ids are drawn for each call, however alike the calls are.
    let salt = Salt::new(*Digest::of(&[b"salt", who.as_bytes(), &bytes]).as_bytes());
    let plan_id = PlanId::from_entropy(bytes);
    let now = fakes.clock.now();
    let payload_sha256 = Digest::of(&[salt.as_bytes(), body.as_bytes()]);
    Submission {
        request: CloudEscalationRequest {
            request_id: RequestId::from_entropy(*first_half(&Digest::of(&[
                who.as_bytes(),
                &bytes,
            ]))),
            wp_id: None,
            mt_id: None,
            session_id: session(),
            reason: EscalationReason::Requested,
            local_attempts: 0,
            requested_model_id: model("m"),
            projection_plan_id: plan_id,
            consent_receipt_id: None,
        },
        plan: ProjectionPlan {
            projection_plan_id: plan_id,
            include_artifact_refs: Vec::new(),
            include_fields: None,
            redactions_applied: Vec::new(),
            max_bytes: body.len() as u64,
            payload_sha256,
            created_at: now,
            job_id: None,
            wp_id: None,
            mt_id: None,
            ext: PlanExt {
                schema: EGRESS_EXT.to_owned(),
                destination: destination(),
                envelope_sha256: Digest::of(&[b"envelope", payload_sha256.as_bytes()]),
                principal: principal(who),
                session_id: session(),
                blocks: 1,
                new_blocks: 1,
                new_bytes: body.len() as u64,
                provenance: std::collections::BTreeMap::new(),
                client_metadata: Vec::new(),
                findings: Vec::new(),
                declassified: Vec::new(),
                uninspectable: 0,
                second_hand: Vec::new(),
                kinds: BTreeSet::new(),
                asked_because: Vec::new(),
            },
        },
        content: PendingContent {
            manifest: b"{}".to_vec().into(),
            body: body.into(),
            salt,
        },
        deadline: now.plus(Duration::from_secs(540)),
    }
}

fn first_half(digest: &Digest) -> &[u8; 16] {
    digest.as_bytes().first_chunk().expect("32 bytes")
}

/// The receipt that a person would sign for a submission.
pub(crate) fn receipt(fakes: &Fakes, submission: &Submission, approved: bool) -> ConsentReceipt {
    let plan = &submission.plan;
    let now = fakes.clock.now();
    let id = Digest::of(&[b"receipt", submission.request.request_id.uuid().as_bytes()]);
    ConsentReceipt {
        consent_receipt_id: ReceiptId::from_entropy(*first_half(&id)),
        projection_plan_id: plan.projection_plan_id,
        payload_sha256: plan.payload_sha256,
        approved,
        approved_at: now,
        user_id: ExternalId::new("tester").expect("id"),
        ui_surface: None,
        notes: None,
        ext: ReceiptExt {
            schema: EGRESS_EXT.to_owned(),
            envelope_sha256: plan.ext.envelope_sha256,
            destination: plan.ext.destination.clone(),
            principal: plan.ext.principal.clone(),
            request_id: submission.request.request_id,
            scope: ReceiptScope::SingleCall,
            session_ids: BTreeSet::from([plan.ext.session_id.clone()]),
            max_bytes: plan.max_bytes,
            max_attempts: 3,
            lease: None,
            not_before: now,
            expires_at: now.plus(Duration::from_secs(600)),
            nonce: "0".repeat(32),
            assurance: Assurance::A1,
            recorder_checkpoint: None,
            run: 1,
            demo: None,
            key_id: fakes.approver.public_key().id().clone(),
            signature: None,
        },
    }
}

/// The same as a lease.
pub(crate) fn lease(fakes: &Fakes, submission: &Submission) -> ConsentReceipt {
    let mut receipt = receipt(fakes, submission, true);
    receipt.ext.scope = ReceiptScope::SessionScoped;
    receipt.ext.lease = Some(LeaseTerms {
        models: BTreeSet::from([model("m").model]),
        system: None,
        tools: None,
        fields: BTreeSet::new(),
        kinds: BTreeSet::new(),
        max_new_bytes_per_call: LeaseTerms::MAX_NEW_BYTES_PER_CALL,
        max_new_bytes_total: LeaseTerms::MAX_NEW_BYTES_TOTAL,
        max_uses: LeaseTerms::MAX_USES,
        idle_seconds: LeaseTerms::MAX_IDLE_SECONDS,
        waived: Default::default(),
    });
    receipt
}

pub(crate) fn signed(fakes: &Fakes, receipt: &ConsentReceipt) -> SignedReceipt {
    let payload = receipt.signing_payload().expect("canonical");
    let signature = fakes
        .approver
        .sign(RECEIPT_DOMAIN, &payload, None)
        .expect("signs");
    SignedReceipt { payload, signature }
}

pub(crate) fn query(submission: &Submission, blocks: &[Block]) -> ReceiptQuery {
    let ext = &submission.plan.ext;
    ReceiptQuery {
        principal: ext.principal.clone(),
        session_id: ext.session_id.clone(),
        provider_id: ext.destination.provider_id.clone(),
        origin: ext.destination.origin.clone(),
        envelope_sha256: ext.envelope_sha256,
        blocks: blocks.iter().map(|block| block.commitment).collect(),
    }
}

fn reach(receipt: &ConsentReceipt) -> SpendReach {
    let lease = receipt.ext.lease.as_ref();
    SpendReach {
        uses: lease.map_or(1, |terms| terms.max_uses),
        new_bytes: lease.map(|terms| terms.max_new_bytes_total),
    }
}

/// One attempt under a receipt.
pub(crate) fn spend(receipt: &ConsentReceipt, use_number: u32, attempt: u32) -> Spend {
    Spend {
        receipt_id: receipt.consent_receipt_id,
        reach: reach(receipt),
        use_id: use_id(use_number),
        attempt,
        max_attempts: receipt.ext.max_attempts,
        envelope_sha256: receipt.ext.envelope_sha256,
        body_bytes: 10,
        new_blocks: Vec::new(),
        job: None,
    }
}

pub(crate) async fn commit(
    store: &Store,
    spend: Option<Spend>,
    n: u32,
) -> Result<Committed, LedgerError> {
    let epochs = store.epochs(&provider_id()).await?;
    let mut event = event(n);
    if let (
        Some(spend),
        Body::CallAttempt {
            use_id, attempt, ..
        },
    ) = (&spend, &mut event.body)
    {
        (*use_id, *attempt) = (spend.use_id, spend.attempt);
    }
    store
        .commit(Intent {
            event,
            provider_id: provider_id(),
            epochs,
            spend,
        })
        .await
}

/// The other ports of a store have a `put` of their own.
pub(crate) async fn put(
    store: &Store,
    record: ProviderRecord,
    expected: Option<u64>,
) -> Result<(), StoreError> {
    ProviderStore::put(store, record, expected).await
}

pub(crate) fn db(home: &Path) -> PathBuf {
    home.join("handshake.db")
}

/// What another process would see of the same file.
pub(crate) fn raw(home: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(db(home)).expect("opens")
}

impl World {
    /// With rules and an approval key.
    pub(crate) async fn empty() -> Self {
        Self::with(Fakes::new()).await
    }

    /// The same where seals need no person as far as they can do without.
    pub(crate) async fn headless() -> Self {
        Self::with(Fakes {
            headless: true,
            ..Fakes::new()
        })
        .await
    }

    async fn with(fakes: Fakes) -> Self {
        let home = crate::fakes::home_directory();
        let store = Store::open(&db(home.path()), fakes.options(1)).expect("opens");
        for epoch in [
            Epoch::Policy(Digest::of(&[b"policy"])),
            Epoch::Rules(Digest::of(&[b"rules"])),
            Epoch::ApprovalKey(Some(fakes.approver.public_key().id().clone())),
        ] {
            store.set_epoch(epoch).await.expect("sets");
        }
        Self { fakes, home, store }
    }

    /// With a provider too.
    pub(crate) async fn new() -> Self {
        let world = Self::empty().await;
        put(&world.store, record("cloud"), None)
            .await
            .expect("puts");
        world
    }

    /// Another store on the same database, as another process would have.
    pub(crate) fn another(&self, seed: u64) -> Store {
        Store::open(&db(self.home.path()), self.fakes.options(seed)).expect("opens")
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopened(self, seed: u64) -> Self {
        let Self { fakes, home, store } = self;
        drop(store);
        let store = Store::open(&db(home.path()), fakes.options(seed)).expect("opens");
        Self { fakes, home, store }
    }

    /// Submits, approves, and returns the receipt.
    pub(crate) async fn approve(&self, submission: &Submission, receipt: &ConsentReceipt) {
        self.store
            .submit(submission.clone())
            .await
            .expect("submits");
        let decision = SignedDecision::Receipt(signed(&self.fakes, receipt));
        self.store.decide(decision).await.expect("decides");
    }

    pub(crate) async fn approved(&self, n: u32) -> ConsentReceipt {
        let submission = submission(&self.fakes, "agent", n);
        let receipt = receipt(&self.fakes, &submission, true);
        self.approve(&submission, &receipt).await;
        receipt
    }

    pub(crate) async fn leased(&self, n: u32) -> ConsentReceipt {
        let submission = submission(&self.fakes, "agent", n);
        let lease = lease(&self.fakes, &submission);
        self.approve(&submission, &lease).await;
        lease
    }

    pub(crate) async fn families(&self) -> Vec<&'static str> {
        let events = self.store.log_tail(1000).await.expect("reads");
        events
            .iter()
            .map(|recorded| recorded.event.body.family_id())
            .collect()
    }
}
