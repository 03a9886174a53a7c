//! The registry service: listings, health, what is read again and when.

use std::time::Duration;

use handshake_core::{
    capability::{Claims, Feature, Support},
    code::ErrorCode,
    control::ControlCall,
    event::HealthState,
    ids::ModelId,
    policy::Governance,
    ports::{ContactGrants, ProviderStore},
    seal::ContactGrant,
    tier::{Reach, Residence},
};
use handshake_runtime::{
    CallOptions,
    registry::{check, enable, refresh},
};
use handshake_testkit::fixture;
use tokio::task::JoinSet;

use super::{
    fake::says,
    home::{Home, Seen, in_session, seen},
};

const NO_PROFILE: Governance = Governance::NO_PROFILE;

#[tokio::test(start_paused = true)]
async fn a3_configured_reachable_and_ready_are_three_answers() {
    let home = Home::new().await;
    let ready = check(&home.ports, &home.local, NO_PROFILE).await;
    assert_eq!(
        (ready.state, ready.models, ready.version.as_deref()),
        (HealthState::Ready, 2, Some("1.2.3"))
    );
    // Without a person's grant a cloud origin is not contacted at all.
    let configured = check(&home.ports, &home.cloud, NO_PROFILE).await;
    assert_eq!(configured.state, HealthState::Configured);
    assert_eq!(configured.code, Some(ErrorCode::ContactNotGranted));
    let contacted = home.fake.controls().len();
    home.world
        .memory
        .grant(&ContactGrant::of(&home.cloud), fixture::seal())
        .await
        .expect("granted");
    assert_eq!(
        check(&home.ports, &home.cloud, NO_PROFILE).await.state,
        HealthState::Ready
    );
    assert!(home.fake.controls().len() > contacted);
    home.fake.breaks("list");
    let gone = check(&home.ports, &home.local, NO_PROFILE).await;
    assert_eq!(
        (gone.state, gone.code),
        (HealthState::Unreachable, Some(ErrorCode::Provider))
    );
    assert!(home.fake.sent().is_empty(), "never a completion");
    assert_eq!(home.ids_of("FR-EVT-PROVIDER-004").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a4_a_listing_is_stored_and_newly_found_cloud_models_are_disabled() {
    let home = Home::new().await;
    let listing = refresh(&home.ports, &home.local, NO_PROFILE)
        .await
        .expect("listed");
    assert_eq!((listing.models.len(), listing.partial), (2, false));
    assert!(listing.models.iter().all(|model| model.enabled));
    home.world
        .memory
        .grant(&ContactGrant::of(&home.cloud), fixture::seal())
        .await
        .expect("granted");
    let listing = refresh(&home.ports, &home.cloud, NO_PROFILE)
        .await
        .expect("listed");
    let enabled: Vec<_> = listing
        .models
        .iter()
        .map(|m| (m.model_id.as_str(), m.enabled))
        .collect();
    assert_eq!(
        enabled,
        [("m", true), ("n", false)],
        "`m` was enabled before"
    );
    let found = fixture::request(&home.cloud.provider_id, "n", "hi");
    home.run(found).await.failed_with(ErrorCode::Model404);
    // A failed listing leaves what is stored.
    home.fake.breaks("list");
    refresh(&home.ports, &home.cloud, NO_PROFILE)
        .await
        .expect_err("it failed");
    let kept = home
        .world
        .memory
        .snapshots(&home.cloud.provider_id)
        .await
        .expect("stored");
    assert_eq!(kept.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn b1_what_an_operator_declares_outlives_a_listing() {
    let home = Home::new().await;
    let mut declared = Claims::default();
    declared.features.insert(Feature::SupportsVision, true);
    let model = ModelId::new("m").expect("a model");
    enable(&home.ports, &home.local, &model, declared)
        .await
        .expect("enabled");
    let mut plain = fixture::claims_all();
    plain.features.remove(&Feature::SupportsVision);
    home.fake.claims(plain);
    let listing = refresh(&home.ports, &home.local, NO_PROFILE)
        .await
        .expect("listed");
    let m = listing
        .models
        .iter()
        .find(|known| known.model_id == model)
        .expect("listed");
    assert_eq!(
        m.capabilities.supports(Feature::SupportsVision),
        Support::Yes
    );
}

#[tokio::test(start_paused = true)]
async fn a7_what_is_known_about_a_local_model_is_read_again_when_it_is_old() {
    let home = Home::new().await;
    home.fake.will([says("one"), says("two"), says("three")]);
    let shown = || {
        let calls = home.fake.controls();
        calls
            .iter()
            .filter(|call| matches!(call, ControlCall::ShowModel(_)))
            .count()
    };
    home.run(home.ask_local("hi")).await.succeeded();
    home.world.memory.advance(Duration::from_secs(60));
    home.run(home.ask_local("hi")).await.succeeded();
    assert_eq!(shown(), 0, "a minute is fresh");
    home.world.memory.advance(Duration::from_secs(1));
    home.run(home.ask_local("hi")).await.succeeded();
    assert_eq!(shown(), 1);
    // A server that cannot say is not believed for longer.
    home.world.memory.advance(Duration::from_secs(61));
    home.fake.breaks("show");
    home.run(home.ask_local("hi"))
        .await
        .failed_with(ErrorCode::Provider);
    assert_eq!(home.fake.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a12_a_failed_contact_is_an_event() {
    let home = Home::new().await;
    home.fake.breaks("list");
    refresh(&home.ports, &home.local, NO_PROFILE)
        .await
        .expect_err("it failed");
    assert_eq!(home.ids(), ["FR-EVT-PROVIDER-006", "FR-EVT-PROVIDER-009"]);
}

/// How often a model was read again.
fn shown(home: &Home) -> usize {
    let controls = home.fake.controls();
    let shown = controls.iter();
    shown
        .filter(|call| matches!(call, ControlCall::ShowModel(_)))
        .count()
}

/// Ten calls, all of them begun and none of them further than it gets by itself.
async fn ten(home: &Home) -> JoinSet<Seen> {
    let mut calls = JoinSet::new();
    for n in 0..10 {
        let request = in_session(home.ask_local("hi"), &format!("session-{n}"));
        let handle = home.runtime.chat(request, CallOptions::default());
        calls.spawn(seen(handle));
    }
    // The clock moves on when nobody has anything to do.
    tokio::time::sleep(Duration::from_millis(1)).await;
    calls
}

#[tokio::test(start_paused = true)]
async fn d7_one_reading_serves_every_call_that_waits() {
    let home = Home::new().await;
    home.fake.will((0..10).map(|_| says("hello")));
    home.world.memory.advance(Duration::from_secs(61));
    let held = home.fake.hold();
    let calls = ten(&home).await;
    assert_eq!(shown(&home), 1, "one asks for all");
    assert!(
        home.fake.sent().is_empty(),
        "nothing is sent on what is old"
    );
    held.add_permits(100);
    for call in calls.join_all().await {
        call.succeeded();
    }
    assert_eq!(shown(&home), 1);
}

#[tokio::test(start_paused = true)]
async fn d7_a_failed_reading_fails_everybody_who_waited_and_nobody_else() {
    let home = Home::new().await;
    home.fake.will([says("hello")]);
    home.world.memory.advance(Duration::from_secs(61));
    home.fake.breaks("show");
    let held = home.fake.hold();
    let calls = ten(&home).await;
    held.add_permits(100);
    for call in calls.join_all().await {
        call.failed_with(ErrorCode::Provider);
    }
    assert_eq!(shown(&home), 1);
    home.fake.mends("show");
    home.run(home.ask_local("hi")).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn d7_a_caller_that_goes_takes_the_reading_from_nobody() {
    let home = Home::new().await;
    home.fake.will((0..2).map(|_| says("hello")));
    home.world.memory.advance(Duration::from_secs(61));
    let held = home.fake.hold();
    let first = home
        .runtime
        .chat(home.ask_local("hi"), CallOptions::default());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let request = in_session(home.ask_local("hi"), "session-2");
    let second = home.runtime.chat(request, CallOptions::default());
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(1)).await;
    held.add_permits(100);
    seen(second).await.succeeded();
    assert_eq!(shown(&home), 1);
}

#[tokio::test(start_paused = true)]
async fn d7_what_no_answer_can_change_serves_while_it_is_read_again() {
    let home = Home::new().await;
    home.fake.resides(Residence::Local);
    home.fake.will((0..30).map(|_| says("hello")));
    home.world.memory.advance(Duration::from_secs(61));
    let held = home.fake.hold();
    for call in ten(&home).await.join_all().await {
        call.succeeded();
    }
    assert_eq!(shown(&home), 1, "one, beside the calls");
    home.fake.breaks("show");
    held.add_permits(100);
    tokio::time::sleep(Duration::from_millis(1)).await;
    // After a failure nobody asks for a while, and the calls go on.
    for call in ten(&home).await.join_all().await {
        call.succeeded();
    }
    assert_eq!(shown(&home), 1);
    home.fake.mends("show");
    home.world.memory.advance(Duration::from_secs(10));
    for call in ten(&home).await.join_all().await {
        call.succeeded();
    }
    assert_eq!(shown(&home), 2);
}

#[tokio::test(start_paused = true)]
async fn s02_what_the_record_contradicts_does_not_serve() {
    let home = Home::new().await;
    // What is stored says local; the record, by now, says that nobody knows.
    home.fake.resides(Residence::Forwarded);
    home.world.memory.advance(Duration::from_secs(61));
    home.fake.breaks("show");
    home.run(home.ask_local("hi"))
        .await
        .failed_with(ErrorCode::Provider);
    assert!(home.fake.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a1_an_adapter_is_built_once_for_each_record() {
    let home = Home::new().await;
    home.fake.will((0..4).map(|_| says("hello")));
    for _ in 0..2 {
        home.run(home.ask_local("hi")).await.succeeded();
    }
    assert_eq!(home.fake.built(), 1);
    // Removed and registered again it has the same revision, and is another provider.
    let other = fixture::record("local", "simulated", "http://127.0.0.1:5000", Reach::Direct);
    assert_eq!(
        (&other.provider_id, other.revision),
        (&home.local.provider_id, home.local.revision)
    );
    home.world
        .memory
        .remove(&other.provider_id)
        .await
        .expect("removed");
    home.world.register(&other).await;
    home.enable(&other, "m", fixture::claims_all()).await;
    home.run(home.ask_local("hi")).await.succeeded();
    assert_eq!(home.fake.built(), 2);
}
