//! Clearances of the kit come from the real gate.

use std::sync::Arc;

use handshake_core::{
    code::ErrorCode, gate::Authorization, policy::AutomationLevel, tier::ModelTier, tier::Reach,
};
use handshake_testkit::{
    fixture,
    gate::{Needle, World, cleared},
};

#[tokio::test]
async fn a_clearance_is_cloud_for_a_relay_and_local_for_a_direct_server() {
    for (reach, tier, receipt) in [
        (Reach::Relay, ModelTier::Cloud, true),
        (Reach::Direct, ModelTier::Local, false),
    ] {
        let record = fixture::record("p", "simulated", "http://127.0.0.1:4000", reach);
        let cleared = cleared(&record, fixture::prepared(&record, "m", "hello")).await;
        assert_eq!(cleared.effective_tier(), tier);
        assert_eq!(cleared.receipt().is_some(), receipt);
    }
}

#[tokio::test]
async fn the_kit_has_no_way_around_the_gate() {
    let record = Arc::new(fixture::relay());
    let world = World::with_validators(1, vec![Arc::new(Needle("hello".to_owned()))]);
    world.register(&record).await;
    let request = world.egress(&record, fixture::prepared(&record, "m", "hello"));
    let Authorization::Denied(denied) = world.gate.clear(request).await else {
        panic!("a certain leak was cleared");
    };
    assert_eq!(denied.error.code, ErrorCode::LeakageBlocked);
    let mut locked = world.egress(&record, fixture::prepared(&record, "m", "fine"));
    Arc::make_mut(&mut locked.context)
        .governance
        .automation_level = AutomationLevel::Locked;
    let Authorization::Denied(denied) = world.gate.clear(locked).await else {
        panic!("LOCKED was cleared");
    };
    assert_eq!(denied.error.code, ErrorCode::GovernanceLocked);
}
