//! State is believed only under a seal: what is not as it was sealed is refused before anything else is judged.

use std::sync::Arc;

use bytes::Bytes;
use handshake_core::{
    code::ErrorCode,
    control::ControlCall,
    envelope::Method,
    gate::{ControlRequest, Outcome, StepName},
    ids::UseId,
    policy::Governance,
    ports::EntropyExt,
    provider::ProviderRecord,
    seal::{ContactGrant, SealKind},
    tier::{ModelTier, Reach},
};
use handshake_testkit::{fixture, gate::World};

use super::gate_world::{assert_denial_recorded, call, cleared, denied, local, recorded, relay};

const ALARM: &str = "FR-EVT-EGRESS-006";

fn alarms(world: &World) -> usize {
    let recorded = recorded(world, "FR-EVT-EGRESS");
    recorded.iter().filter(|id| **id == ALARM).count()
}

#[tokio::test]
async fn rt_b04_a_provider_without_its_seal_is_not_believed_in_either_tier() {
    for (record, cloud) in [(local(), false), (relay(), true)] {
        let world = World::new(1);
        let request = call(&world, &record, "hello").await;
        world
            .memory
            .unseal(SealKind::Provider, record.provider_id.as_str());
        let refused = denied(
            world.gate.clear(request.clone()).await,
            ErrorCode::HomeUntrusted,
        );
        assert_eq!(
            refused.decision.outcome,
            Outcome::Deny(StepName::Seal, ErrorCode::HomeUntrusted)
        );
        assert_denial_recorded(&world, cloud);
        assert_eq!(recorded(&world, "FR-EVT-EGRESS"), [ALARM]);
        assert_eq!(world.memory.lookups(), 0, "and no name is looked up");
        // Every refusal is recorded; the alarm is given once.
        for _ in 0..3 {
            denied(
                world.gate.clear(request.clone()).await,
                ErrorCode::HomeUntrusted,
            );
        }
        assert_eq!(alarms(&world), 1);
        assert_eq!(recorded(&world, "FR-EVT-EGRESS").len(), 4);
    }
}

#[tokio::test]
async fn rt_b04_a_gate_without_keys_of_seals_believes_nothing() {
    let world = World::wired(1, |ports, _| ports.seal_keys = None);
    let request = call(&world, &local(), "hello").await;
    denied(world.gate.clear(request).await, ErrorCode::HomeUntrusted);
}

#[tokio::test]
async fn rt_b04_a_cloud_model_that_nobody_enabled_under_a_seal_is_refused() {
    let world = World::new(1);
    let record = relay();
    let request = call(&world, &record, "hello").await;
    let model = format!("{}/m", record.provider_id);
    world.memory.unseal(SealKind::Model, &model);
    denied(world.gate.clear(request).await, ErrorCode::HomeUntrusted);
    assert_eq!(recorded(&world, "FR-EVT-EGRESS"), [ALARM]);
    // A local model needs nobody.
    let local = local();
    world
        .memory
        .unseal(SealKind::Model, &format!("{}/m", local.provider_id));
    let request = call(&world, &local, "hello").await;
    drop(cleared(world.gate.clear(request).await));
}

#[tokio::test]
async fn rt_b04_a_contact_grant_without_its_seal_is_none() {
    use handshake_core::ports::ContactGrants;
    let world = World::new(1);
    let record = relay();
    world.register(&record).await;
    let listing = || {
        ControlRequest::new(
            fixture::prepared(&record, "m", "")
                .envelope()
                .as_ref()
                .clone(),
            ControlCall::ListModels,
            Arc::clone(&record),
            Governance::NO_PROFILE,
            UseId::from_entropy(world.memory.bytes()),
        )
    };
    let code = |refused: Result<_, Box<handshake_core::gate::Denied>>| {
        refused.map(drop).expect_err("refused").error.code
    };
    let never = world.gate.clear_control(listing()).await;
    assert_eq!(code(never), ErrorCode::ContactNotGranted);
    world
        .memory
        .grant(&ContactGrant::of(&record), fixture::seal())
        .await
        .expect("granted");
    drop(world.gate.clear_control(listing()).await.expect("granted"));
    world
        .memory
        .unseal(SealKind::Contact, record.provider_id.as_str());
    let forged = world.gate.clear_control(listing()).await;
    assert_eq!(code(forged), ErrorCode::HomeUntrusted);
    assert_eq!(alarms(&world), 1);
}

#[tokio::test]
async fn rt_b04_a_record_that_was_changed_meanwhile_is_outdated_and_no_alarm() {
    let world = World::new(1);
    let record = local();
    world.register(&record).await;
    let older = Arc::new(ProviderRecord {
        revision: record.revision + 1,
        ..(*record).clone()
    });
    let request = world.egress(&older, fixture::prepared(&older, "m", "hello"));
    denied(world.gate.clear(request).await, ErrorCode::Revision);
    assert_eq!(alarms(&world), 0);
    assert_eq!((older.tier, older.reach), (ModelTier::Local, Reach::Direct));
}

/// What is about to be registered is stored nowhere yet. Its server may be asked what it is, and nothing else.
#[tokio::test]
async fn s38_a_server_is_identified_before_its_provider_is_stored_and_nothing_else_is_asked() {
    let world = World::new(1);
    let record = local();
    world.register(&record).await;
    let next = Arc::new(ProviderRecord {
        revision: record.revision + 1,
        ..(*record).clone()
    });
    let full = |record: &Arc<ProviderRecord>, call| {
        let envelope = fixture::prepared(record, "m", "")
            .envelope()
            .as_ref()
            .clone();
        let use_id = UseId::from_entropy(world.memory.bytes());
        let record = Arc::clone(record);
        ControlRequest::new(envelope, call, record, Governance::NO_PROFILE, use_id)
    };
    let asks = |record: &Arc<ProviderRecord>, call| {
        let mut asked = full(record, call);
        asked.envelope.method = Method::Get;
        asked.envelope.body = Bytes::new();
        asked.envelope.model_id = None;
        asked
    };
    let identify = || ControlCall::Identify(0);
    // A question that holds anything is none.
    let filled = world.gate.clear_control(full(&next, identify())).await;
    assert_eq!(filled.expect_err("denied").error.code, ErrorCode::Revision);
    let asked = world.gate.clear_control(asks(&next, identify())).await;
    assert!(asked.is_ok(), "it is asked");
    let listing = world
        .gate
        .clear_control(asks(&next, ControlCall::ListModels))
        .await;
    assert_eq!(listing.expect_err("denied").error.code, ErrorCode::Revision);
    // One that is stored, and not as it was sealed, is not asked that either.
    let id = record.provider_id.to_string();
    world.memory.unseal(SealKind::Provider, &id);
    let broken = world.gate.clear_control(asks(&record, identify())).await;
    assert_eq!(
        broken.expect_err("denied").error.code,
        ErrorCode::HomeUntrusted
    );
}
