//! Pauses and floods at the gate: what holds a call, and what a denial leaves in the log.

use std::time::Duration;

use handshake_core::{
    code::ErrorCode,
    consent::AskReason,
    event::Body,
    gate::{Authorization, StepName},
    ids::UseId,
    ports::EntropyExt,
};
use handshake_testkit::gate::World;

use super::gate_world::{awaiting, call, cleared, denied, named, recorded, relay};

#[tokio::test]
async fn a8_a_pause_holds_who_waits_denies_who_does_not_and_asks_about_older_leases() {
    let world = World::new(1);
    let request = call(&world, &named(), "hello").await;
    let asked = awaiting(world.gate.clear(request.clone()).await);
    let lease = world.lease(&asked);
    let signed = world.sign(&lease);
    world.memory.put_receipt(lease.consent_receipt_id, signed);
    let again = || {
        let use_id = UseId::from_entropy(world.memory.bytes());
        request.clone().of_call(use_id)
    };
    let _covered = cleared(world.gate.clear(again()).await);
    let (lookups, events) = (world.memory.lookups(), world.memory.events().len());

    world.memory.set_paused(true);
    let mut waits = again();
    std::sync::Arc::make_mut(&mut waits.context).waits_for_resume = true;
    let Authorization::Denied(held) = world.gate.clear(waits.clone()).await else {
        panic!("it goes on in a pause");
    };
    assert!(held.is_held());
    assert_eq!(
        held.decision.steps.last().map(|it| it.step),
        Some(StepName::Pause)
    );
    assert_eq!(world.memory.events().len(), events, "nobody said no");
    let refused = denied(world.gate.clear(again()).await, ErrorCode::GovernanceLocked);
    assert!(!refused.is_held());
    assert_eq!(world.memory.lookups(), lookups, "and no name was looked up");
    assert_eq!(
        world.memory.event_ids()[events..],
        ["FR-EVT-EGRESS-001", "FR-EVT-CLOUD-003"]
    );

    world.memory.set_paused(false);
    let asked = awaiting(world.gate.clear(waits).await);
    assert_eq!(asked.plan.ext.asked_because, [AskReason::AfterPause]);
}

#[tokio::test]
async fn s64_denials_of_one_kind_are_counted_after_the_first_few_and_none_is_lost() {
    let world = World::new(1);
    world.memory.set_locked(true);
    let request = call(&world, &relay(), "hello").await;
    let locked = || world.gate.clear(request.clone());
    let sum = || -> u64 {
        let events = world.memory.events();
        let counts = events.iter().map(|event| match event.body {
            Body::GateDenied { count, .. } => count.unwrap_or(1),
            _ => 0,
        });
        counts.sum()
    };
    for n in 0..300 {
        let refused = denied(locked().await, ErrorCode::GovernanceLocked);
        assert_eq!(refused.counted, n >= 5, "{n}");
    }
    assert_eq!(recorded(&world, "FR-EVT-EGRESS").len(), 5);
    assert_eq!(recorded(&world, "FR-EVT-CLOUD-003").len(), 5);
    // A log that cannot be written keeps them for later.
    world.memory.set_storage_failing(true);
    world.gate.record_floods().await.expect_err("it fails");
    world.memory.set_storage_failing(false);
    world.gate.record_floods().await.expect("recorded");
    world.gate.record_floods().await.expect("nothing to record");
    assert_eq!(recorded(&world, "FR-EVT-EGRESS").len(), 6);
    assert_eq!(sum(), 300);
    // Another reason is recorded by itself, and so is the same one a minute later.
    world.memory.set_locked(false);
    world.memory.set_paused(true);
    let other = denied(locked().await, ErrorCode::GovernanceLocked);
    assert!(other.counted, "the same step and code");
    world.memory.advance(Duration::from_secs(60));
    let later = denied(locked().await, ErrorCode::GovernanceLocked);
    assert!(!later.counted);
    world.gate.record_floods().await.expect("recorded");
    assert_eq!(sum(), 302);
}
