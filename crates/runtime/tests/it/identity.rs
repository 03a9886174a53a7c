//! What software a provider's server is: asked before it is relied on, and held against what was seen first.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    code::{ErrorCode, Phase},
    control::ControlCall,
    error::{CallError, SendError},
    event::{Body, HealthState},
    policy::Governance,
    ports::ProviderStore,
    provider::ProviderRecord,
    tier::{Reach, Residence},
};
use handshake_runtime::registry::{check, identify, refresh};
use handshake_testkit::fixture;

use super::{
    fake::{Answer, says},
    home::Home,
};

const NO_PROFILE: Governance = Governance::NO_PROFILE;
/// Longer than what is known of a model is relied on.
const A_WHILE: Duration = Duration::from_secs(61);

impl Home {
    /// A local provider of whose models nothing is known yet.
    async fn fresh(&self) -> Arc<ProviderRecord> {
        let record = fixture::record("fresh", "simulated", "http://127.0.0.1:4001", Reach::Direct);
        self.world.register(&record).await;
        record
    }

    fn alarms(&self) -> usize {
        self.ids_of("FR-EVT-EGRESS-006").len()
    }
}

#[tokio::test(start_paused = true)]
async fn s38_a_server_is_told_before_it_is_used_for_the_first_time() {
    for (software, kind, forwards) in [("daemon", Some("native"), false), ("proxy", None, true)] {
        let home = Home::new().await;
        let record = home.fresh().await;
        home.fake.is(software, kind, forwards);
        let request = fixture::request(&record.provider_id, "m", "hi");
        let seen = home.run(request).await;
        let error = seen.failed_with(ErrorCode::TierMismatch);
        assert_eq!(error.subject, Some("server"));
        assert!(home.fake.sent().is_empty());
        assert_eq!(home.ids_of("FR-EVT-EGRESS-003").len(), 1);
        assert_eq!(home.ids_of("FR-EVT-CLOUD-003").len(), 1);
        let asked = home.fake.controls();
        assert_eq!(
            asked,
            [ControlCall::Identify(0)],
            "it is not asked for its models"
        );
        let health = check(&home.ports, &record, NO_PROFILE).await;
        assert_eq!(
            (health.state, health.code),
            (HealthState::Reachable, Some(ErrorCode::TierMismatch))
        );
    }
    // One that may stand there is used.
    let home = Home::new().await;
    let record = home.fresh().await;
    home.fake.is("engine", None, false);
    home.fake.will([says("hello")]);
    let request = fixture::request(&record.provider_id, "m", "hi");
    home.run(request).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn s38_a_server_that_does_not_answer_is_not_used_unseen() {
    let home = Home::new().await;
    let record = home.fresh().await;
    home.fake.is("engine", None, false);
    home.fake.breaks("identify");
    let request = || fixture::request(&record.provider_id, "m", "hi");
    home.run(request()).await.failed_with(ErrorCode::Provider);
    assert!(home.fake.sent().is_empty());
    home.fake.mends("identify");
    home.fake.will([says("hello")]);
    home.run(request()).await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn s39_another_server_behind_the_same_url_is_refused_until_a_person_says_otherwise() {
    let home = Home::new().await;
    let local = Arc::clone(&home.local);
    home.fake.is("engine", None, false);
    refresh(&home.ports, &local, NO_PROFILE)
        .await
        .expect("listed");
    home.fake.will([says("one")]);
    home.run(home.ask_local("hi")).await.succeeded();
    for (software, kind, forwards) in [
        ("engine_two", None, false),
        // The first one again: nobody knows what happened meanwhile.
        ("engine", None, false),
    ] {
        home.fake.is(software, kind, forwards);
        home.world.memory.advance(A_WHILE);
        home.run(home.ask_local("hi"))
            .await
            .failed_with(ErrorCode::TierMismatch);
        assert_eq!(home.alarms(), 1, "once");
    }
    assert_eq!(home.fake.sent().len(), 1);
    let known = home.world.memory.snapshots(&local.provider_id).await;
    assert!(
        known
            .expect("stored")
            .iter()
            .all(|known| known.residence == Residence::Forwarded)
    );
    let contacts = home.fake.controls().len();
    refresh(&home.ports, &local, NO_PROFILE)
        .await
        .expect_err("refused");
    assert_eq!(
        home.fake.controls().len(),
        contacts,
        "nor is it asked again"
    );

    // A person changed the provider: what is there now is what is seen first.
    let mut again = (*local).clone();
    again.revision += 1;
    ProviderStore::put(&home.world.memory, again, Some(local.revision))
        .await
        .expect("changed");
    home.fake.will([says("two")]);
    home.run(home.ask_local("hi")).await.succeeded();
    assert_eq!(home.fake.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn s39_a_server_that_turns_into_a_forwarder_stops_every_model_at_once() {
    let home = Home::new().await;
    home.fake.is("engine", None, false);
    refresh(&home.ports, &home.local, NO_PROFILE)
        .await
        .expect("listed");
    home.fake.is("proxy", None, true);
    home.world.memory.advance(A_WHILE);
    home.run(home.ask_local("hi"))
        .await
        .failed_with(ErrorCode::TierMismatch);
    let other = fixture::request(&home.local.provider_id, "n", "hi");
    home.run(other).await.failed_with(ErrorCode::TierMismatch);
    assert!(home.fake.sent().is_empty());
    assert_eq!(home.alarms(), 1);
}

/// What only shows when it is too late for one call must not be so for the next.
#[tokio::test(start_paused = true)]
async fn s38_an_answer_that_was_made_elsewhere_is_an_alarm_and_the_last_one() {
    for (subject, others_too) in [("server", true), ("remote_host", false)] {
        let home = Home::new().await;
        home.enable(&home.local, "n", fixture::claims_all()).await;
        let error = CallError::new(ErrorCode::TierMismatch, Phase::Decode).about(subject);
        home.fake.will([Answer::Refuse(SendError::in_doubt(error))]);
        home.run(home.ask_local("hi"))
            .await
            .failed_with(ErrorCode::TierMismatch);
        assert_eq!(home.alarms(), 1);
        home.run(home.ask_local("again"))
            .await
            .failed_with(ErrorCode::TierMismatch);
        assert_eq!(home.fake.sent().len(), 1, "{subject}");
        let other = fixture::request(&home.local.provider_id, "n", "hi");
        home.fake.will([says("hello")]);
        let seen = home.run(other).await;
        assert_eq!(seen.end.is_err(), others_too, "{subject}");
    }
}

#[tokio::test(start_paused = true)]
async fn s38_questions_go_through_the_gate_and_to_this_machine_alone() {
    let home = Home::new().await;
    home.fake.is("engine", None, false);
    let told = identify(&home.ports, &home.local, NO_PROFILE).await;
    assert!(told.expect("told").is_some());
    let attempts = home.world.memory.events().into_iter();
    let kinds: Vec<_> = attempts
        .filter_map(|event| match event.body {
            Body::CallAttempt { control, .. } => Some(control),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [Some(ControlCall::Identify(0).kind())]);
    // A relay is Cloud: it is not contacted before a person granted that.
    let refused = identify(&home.ports, &home.cloud, NO_PROFILE).await;
    assert_eq!(
        refused.expect_err("refused").code,
        ErrorCode::ContactNotGranted
    );
    let elsewhere = fixture::record("far", "simulated", "https://api.example.com", Reach::Direct);
    let told = identify(&home.ports, &elsewhere, NO_PROFILE).await;
    assert_eq!(told, Ok(None));
    assert_eq!(home.fake.controls().len(), 1);
}
