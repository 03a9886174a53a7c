//! What the tests of the gate share: records, requests, assertions about what was recorded, ports that fail.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use handshake_core::{
    artifact::{Artifact, ArtifactMeta},
    base_url::Host,
    code::ErrorCode,
    digest::Digest,
    envelope::{EnvelopeView, Prepared},
    finding::{
        Confidence, FindingClass, FindingLevel, Findings, LeakageFinding, ValidatorError,
        WorkBudget,
    },
    gate::{Authorization, Awaiting, CallContext, Cleared, Denied, EgressRequest},
    ids::{ArtifactRef, ProviderId, RuleId, UseId},
    label::Label,
    ports::{
        ArtifactStore, Committed, EgressLedger, Epochs, Intent, LeakageValidator, LedgerError,
        PeerResolver, ResolveError, StoreError,
    },
    provider::ProviderRecord,
    tier::Reach,
};
use handshake_testkit::{fixture, gate::World, memory::Memory};

/// A relay on this machine: what plays the cloud.
pub(crate) fn relay() -> Arc<ProviderRecord> {
    Arc::new(fixture::relay())
}

/// A cloud provider with a name.
pub(crate) fn named() -> Arc<ProviderRecord> {
    fixture::record(
        "named",
        "simulated",
        "https://api.example.com/v1",
        Reach::Direct,
    )
}

/// A server on this machine.
pub(crate) fn local() -> Arc<ProviderRecord> {
    fixture::record("local", "simulated", "http://127.0.0.1:4000", Reach::Direct)
}

/// A registered provider and a call to it that holds a text.
pub(crate) async fn call(world: &World, record: &Arc<ProviderRecord>, text: &str) -> EgressRequest {
    world.register(record).await;
    world.egress(record, fixture::prepared(record, "m", text))
}

/// The same call with something else about it.
pub(crate) fn with(
    mut request: EgressRequest,
    edit: impl FnOnce(&mut CallContext),
) -> EgressRequest {
    edit(Arc::make_mut(&mut request.context));
    request
}

/// A body with messages of these roles and texts.
pub(crate) fn body(messages: &[(&str, &str)]) -> Vec<u8> {
    let messages: Vec<_> = messages
        .iter()
        .map(|(role, content)| serde_json::json!({ "role": role, "content": content }))
        .collect();
    serde_json::json!({ "model": "m", "messages": messages, "stream": true })
        .to_string()
        .into_bytes()
}

/// A new logical call of the same session with another body.
pub(crate) fn next_call(
    world: &World,
    record: &Arc<ProviderRecord>,
    body: Vec<u8>,
) -> EgressRequest {
    world.egress(record, fixture::prepared_body(record, "m", body))
}

pub(crate) fn prepared_with(
    record: &ProviderRecord,
    edit: impl FnOnce(&mut serde_json::Value),
) -> Prepared {
    let mut value = serde_json::json!({
        "model": "m", "messages": [{ "role": "user", "content": "hello" }], "stream": true,
    });
    edit(&mut value);
    fixture::prepared_body(record, "m", value.to_string().into_bytes())
}

#[track_caller]
pub(crate) fn denied(authorization: Authorization, code: ErrorCode) -> Box<Denied> {
    match authorization {
        Authorization::Denied(denied) => {
            assert_eq!(denied.error.code, code, "at {:?}", denied.decision.outcome);
            denied
        }
        other => panic!("not denied with {code}: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn awaiting(authorization: Authorization) -> Box<Awaiting> {
    match authorization {
        Authorization::AwaitingConsent(awaiting) => awaiting,
        Authorization::Denied(denied) => panic!("denied: {}", denied.error),
        Authorization::Cleared(_) => panic!("cleared without being asked"),
    }
}

#[track_caller]
pub(crate) fn cleared(authorization: Authorization) -> Cleared {
    match authorization {
        Authorization::Cleared(cleared) => *cleared,
        Authorization::Denied(denied) => panic!("denied: {}", denied.error),
        Authorization::AwaitingConsent(awaiting) => {
            panic!("asks: {:?}", awaiting.plan.ext.asked_because)
        }
    }
}

/// The published ids of a family, as recorded so far.
pub(crate) fn recorded(world: &World, family: &str) -> Vec<&'static str> {
    world
        .memory
        .event_ids()
        .into_iter()
        .filter(|id| id.starts_with(family))
        .collect()
}

/// One event of the egress family, FR-EVT-CLOUD-003 iff Cloud is involved, and nothing that was spent.
#[track_caller]
pub(crate) fn assert_denial_recorded(world: &World, cloud: bool) {
    assert_eq!(
        recorded(world, "FR-EVT-EGRESS").len(),
        1,
        "{:?}",
        world.memory.event_ids()
    );
    let escalation: &[&str] = if cloud { &["FR-EVT-CLOUD-003"] } else { &[] };
    assert_eq!(recorded(world, "FR-EVT-CLOUD"), escalation);
    assert_nothing_spent(world);
}

#[track_caller]
pub(crate) fn assert_nothing_spent(world: &World) {
    assert!(
        recorded(world, "FR-EVT-PROVIDER").is_empty(),
        "{:?}",
        world.memory.event_ids()
    );
}

/// A validator that gives this verdict.
pub(crate) struct Says(pub(crate) Result<Vec<(FindingClass, FindingLevel)>, ValidatorError>);

impl LeakageValidator for Says {
    fn epoch(&self) -> (Digest, u64) {
        (Digest::of(&[b"says"]), 0)
    }

    fn inspect(
        &self,
        _: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        budget.spend(1)?;
        let mut findings = Findings::none(self.epoch().0, 0);
        for (class, level) in self.0.clone()? {
            findings.items.push(LeakageFinding {
                rule: RuleId::new("says").expect("valid"),
                class,
                level,
                confidence: Confidence::High,
                pointer: Some("/messages/0/content".to_owned()),
                start: None,
                end: None,
                views: Vec::new(),
                declassified: None,
            });
        }
        Ok(findings)
    }
}

/// A validator that falls over.
pub(crate) struct Panics;

impl LeakageValidator for Panics {
    fn epoch(&self) -> (Digest, u64) {
        (Digest::of(&[b"panics"]), 0)
    }

    fn inspect(
        &self,
        _: &EnvelopeView<'_>,
        _: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        panic!("a bug in a validator")
    }
}

/// A resolver with one answer.
pub(crate) struct Resolves(pub(crate) Result<Vec<SocketAddr>, ResolveError>);

#[async_trait]
impl PeerResolver for Resolves {
    async fn resolve(&self, _: &Host, _: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        self.0.clone()
    }
}

/// An artefact store that cannot answer.
pub(crate) struct NoArtifacts;

#[async_trait]
impl ArtifactStore for NoArtifacts {
    async fn meta(&self, _: &ArtifactRef) -> Result<Option<ArtifactMeta>, StoreError> {
        Err(StoreError::Failed)
    }
    async fn get(&self, _: &ArtifactRef) -> Result<Option<Artifact>, StoreError> {
        Err(StoreError::Failed)
    }
    async fn put(
        &self,
        _: bytes::Bytes,
        _: Option<Label>,
        _: Vec<ArtifactRef>,
    ) -> Result<ArtifactMeta, StoreError> {
        Err(StoreError::Failed)
    }
}

/// A ledger that refuses with these errors first, and does something else meanwhile.
pub(crate) struct Refuses {
    inner: Memory,
    errors: Mutex<VecDeque<LedgerError>>,
    meanwhile: fn(&Memory),
}

impl Refuses {
    pub(crate) fn meanwhile(
        inner: &Memory,
        errors: impl IntoIterator<Item = LedgerError>,
        meanwhile: fn(&Memory),
    ) -> Arc<Self> {
        let errors = Mutex::new(errors.into_iter().collect());
        Arc::new(Self {
            inner: inner.clone(),
            errors,
            meanwhile,
        })
    }
}

#[async_trait]
impl EgressLedger for Refuses {
    async fn epochs(&self, provider: &ProviderId) -> Result<Epochs, StoreError> {
        self.inner.epochs(provider).await
    }

    async fn commit(&self, intent: Intent) -> Result<Committed, LedgerError> {
        (self.meanwhile)(&self.inner);
        let refused = self.errors.lock().expect("not poisoned").pop_front();
        match refused {
            Some(error) => Err(error),
            None => self.inner.commit(intent).await,
        }
    }

    async fn uses_of_job(&self, job: &str) -> Result<u32, StoreError> {
        self.inner.uses_of_job(job).await
    }

    async fn close(&self, use_id: UseId) -> Result<(), StoreError> {
        self.inner.close(use_id).await
    }
}
