//! Clearances from the real gate, and a transport over memory.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use handshake_core::{
    base_url::Host,
    digest::CommitmentKey,
    envelope::{Envelope, HeaderValue, Method, Prepared},
    gate::{Authorization, Cleared, Gate, GatePorts},
    ids::{ModelId, Token},
    ports::{PeerResolver, ResolveError},
    provider::ProviderRecord,
    reply::ReplySpec,
    tier::Reach,
};
use handshake_testkit::{
    fixture,
    gate::{Needle, World},
};
use handshake_transport::{Limits, Transport};

pub(crate) fn transport(world: &World, limits: Limits) -> Transport {
    Transport::new(
        Arc::new(world.memory.clone()),
        Arc::new(world.memory.clone()),
        limits,
    )
    .expect("a transport")
}

pub(crate) fn record(base_url: &str) -> Arc<ProviderRecord> {
    fixture::record("unit", "unit", base_url, Reach::Direct)
}

pub(crate) fn prepared(record: &ProviderRecord) -> Prepared {
    let plain = |text: &str| HeaderValue::Plain(text.to_owned());
    let envelope = Envelope {
        method: Method::Post,
        base_url: record.base_url.clone(),
        path: format!("{}/api/chat", record.base_url.path()),
        headers: BTreeMap::from([
            ("accept".to_owned(), plain("application/x-ndjson")),
            ("accept-encoding".to_owned(), plain("identity")),
            ("content-type".to_owned(), plain("application/json")),
        ]),
        provider_id: record.provider_id.clone(),
        revision: record.revision,
        model_id: Some(ModelId::new("m").expect("valid")),
        body: Bytes::from_static(b"{\"model\":\"m\"}"),
    };
    Prepared::new(
        envelope,
        ReplySpec::offline(Token::new("unit").expect("valid"), true),
        Vec::new(),
    )
}

pub(crate) async fn cleared(world: &World, record: &Arc<ProviderRecord>) -> Cleared {
    world.clear(world.egress(record, prepared(record))).await
}

/// The same, from a gate whose resolver says what it is told to.
pub(crate) async fn cleared_for(
    world: &World,
    record: &Arc<ProviderRecord>,
    peers: &[SocketAddr],
) -> Cleared {
    let home = Arc::new(world.memory.clone());
    let mut ports = GatePorts::new(
        &home,
        Arc::new(world.policy.clone()),
        Arc::new(Told(peers.to_vec())),
        Arc::clone(&home) as _,
        Arc::clone(&home) as _,
        Arc::clone(&home) as _,
        CommitmentKey::new([5; 32]).expect("a key"),
    );
    ports.validators = vec![Arc::new(Needle::default())];
    ports.work_budget = 1 << 20;
    ports.seal_keys = Some(world.memory.seal_keys());
    let gate = Gate::new(ports);
    match gate.clear(world.egress(record, prepared(record))).await {
        Authorization::Cleared(cleared) => *cleared,
        other => panic!("not cleared: {other:?}"),
    }
}

struct Told(Vec<SocketAddr>);

#[async_trait]
impl PeerResolver for Told {
    async fn resolve(&self, _: &Host, _: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        Ok(self.0.clone())
    }
}
