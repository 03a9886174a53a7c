//! Targets by role.

use std::sync::Arc;

use handshake_core::{
    chat::{Target, TurnEvent},
    code::ErrorCode,
    event::Body,
    gate::Outcome,
    ids::RoleId,
    policy::AutomationLevel,
    ports::ProfileStore,
    profile::WorkProfile,
};
use handshake_runtime::CallOptions;
use handshake_testkit::fixture;
use serde_json::json;

use super::{
    fake::{refuses, says},
    home::Home,
};

fn role(home: &Home, name: &str) -> handshake_core::chat::ChatRequest {
    let mut request = home.ask_local("hi");
    request.target = Target::Role(RoleId::new(name).expect("a role"));
    request
}

#[tokio::test(start_paused = true)]
async fn a10_a_role_resolves_to_the_model_of_the_active_profile() {
    let home = Home::new().await;
    home.run(role(&home, "worker"))
        .await
        .failed_with(ErrorCode::Profile404);
    for (profile, provider) in [("one", "local"), ("two", "cloud")] {
        let profile = fixture::profile(profile, &format!("{provider}/m"));
        home.world
            .memory
            .put(profile.clone())
            .await
            .expect("stored");
        home.world
            .memory
            .activate(&profile.profile_id)
            .await
            .expect("active");
        home.fake.will([says("hello")]);
        let whole = match provider {
            "cloud" => home.run_approved(role(&home, "worker")).await,
            _ => home.run(role(&home, "worker")).await,
        };
        whole.succeeded();
        let by = whole.events.iter().find_map(|event| match event {
            TurnEvent::TurnStarted {
                provider_id,
                model_id,
                ..
            } => Some((
                provider_id.as_str().to_owned(),
                model_id.as_str().to_owned(),
            )),
            _ => None,
        });
        assert_eq!(by, Some((provider.to_owned(), "m".to_owned())));
    }
}

#[tokio::test(start_paused = true)]
async fn a8_a_profile_that_is_locked_or_forbids_cloud_denies_without_a_question() {
    for (level, allow, code) in [
        (AutomationLevel::Locked, true, ErrorCode::GovernanceLocked),
        (
            AutomationLevel::Autonomous,
            false,
            ErrorCode::CloudEscalationDenied,
        ),
    ] {
        let home = Home::new().await;
        let mut profile = fixture::profile("strict", "cloud/m");
        profile.governance.automation_level = level;
        profile.governance.allow_cloud_escalation = allow;
        home.world
            .memory
            .put(profile.clone())
            .await
            .expect("stored");
        home.world
            .memory
            .activate(&profile.profile_id)
            .await
            .expect("active");
        for request in [role(&home, "worker"), home.ask_cloud("hi")] {
            home.run(request).await.failed_with(code);
        }
        assert!(home.fake.sent().is_empty());
        assert!(
            home.ids_of("FR-EVT-CLOUD-001").is_empty(),
            "nobody is asked"
        );
        assert_eq!(home.ids_of("FR-EVT-EGRESS").len(), 2);
        assert_eq!(home.ids_of("FR-EVT-CLOUD-003").len(), 2);
        // Local is untouched.
        home.fake.will([says("hello")]);
        home.run(home.ask_local("hi")).await.succeeded();
    }
}

/// A role's model and its fallback are names like any other.
#[tokio::test(start_paused = true)]
async fn rt_b01_a_role_leads_to_no_model_that_a_daemon_forwards() {
    let home = Home::new().await;
    home.enable(&home.local, "m:120b-cloud", fixture::claims_all())
        .await;
    let use_profile = async |json: serde_json::Value| {
        let profile = WorkProfile::read(json.to_string().as_bytes()).expect("a profile");
        let memory = &home.world.memory;
        memory.put(profile.clone()).await.expect("stored");
        memory.activate(&profile.profile_id).await.expect("active");
    };
    let profile = |id: &str, assignment: serde_json::Value| {
        json!({
            "schema": "hsk.work_profile@0.6", "profile_id": id, "name": id,
            "model_assignments": {
                "frontend": assignment, "orchestrator": assignment, "worker": assignment,
                "validator": assignment,
            },
            "governance": { "automation_level": "HYBRID", "allow_cloud_escalation": true },
        })
    };
    let forwarded = "local/m:120b-cloud";
    use_profile(profile(
        "a",
        json!({ "primary_model_id": forwarded, "local_only": false }),
    ))
    .await;
    home.run(role(&home, "worker"))
        .await
        .failed_with(ErrorCode::TierMismatch);
    assert_eq!(home.ids_of("FR-EVT-EGRESS-003").len(), 1);
    use_profile(profile(
        "b",
        json!({ "primary_model_id": forwarded, "local_only": true }),
    ))
    .await;
    home.run(role(&home, "worker"))
        .await
        .failed_with(ErrorCode::InvalidConfig);
    let beside = json!({
        "primary_model_id": "local/m", "fallback_model_id": forwarded, "local_only": false,
    });
    use_profile(profile("c", beside)).await;
    let explained = home
        .runtime
        .explain(role(&home, "worker"), &CallOptions::default())
        .await
        .expect("explained");
    assert_eq!(
        explained.resolution.fallback, None,
        "it would cross to Cloud"
    );
    assert!(home.fake.sent().is_empty() && home.fake.controls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a10_s74_explain_says_why_and_touches_nothing() {
    let home = Home::new().await;
    let profile = fixture::profile("one", "cloud/m");
    home.world
        .memory
        .put(profile.clone())
        .await
        .expect("stored");
    home.world
        .memory
        .activate(&profile.profile_id)
        .await
        .expect("active");
    let request = role(&home, "worker");
    let explained = home
        .runtime
        .explain(request.clone(), &CallOptions::default())
        .await
        .expect("explained");
    assert_eq!(explained.resolution.model.to_string(), "cloud/m");
    assert!(!explained.resolution.because.is_empty());
    assert_eq!(explained.gate.expected.outcome, Outcome::AskPerson);
    let again = home
        .runtime
        .explain(request.clone(), &CallOptions::default())
        .await
        .expect("explained");
    assert_eq!(explained.envelope, again.envelope);
    assert_eq!(explained.gate.envelope_sha256, again.gate.envelope_sha256);
    assert!(
        home.ids().is_empty() && home.fake.sent().is_empty() && home.fake.controls().is_empty()
    );
    // What was explained is what is sent.
    home.fake.will([says("hello")]);
    home.run_approved(request).await.succeeded();
    assert_eq!(
        home.fake.sent()[0].body,
        Arc::unwrap_or_clone(explained.envelope).body
    );
}

/// A profile whose worker has a fallback.
async fn with_fallback(home: &Home, primary: &str, fallback: &str) {
    let assignment = json!({
        "primary_model_id": primary, "fallback_model_id": fallback, "local_only": false,
    });
    let profile = json!({
        "schema": "hsk.work_profile@0.6", "profile_id": "spare", "name": "spare",
        "model_assignments": {
            "frontend": assignment, "orchestrator": assignment, "worker": assignment,
            "validator": assignment,
        },
        "governance": { "automation_level": "HYBRID", "allow_cloud_escalation": true },
    });
    let profile = WorkProfile::read(profile.to_string().as_bytes()).expect("a profile");
    let memory = &home.world.memory;
    memory.put(profile.clone()).await.expect("stored");
    memory.activate(&profile.profile_id).await.expect("active");
}

fn resolved(home: &Home) -> Vec<(String, Option<ErrorCode>)> {
    let events = home.world.memory.events();
    let told = events.iter().filter_map(|event| match &event.body {
        Body::WorkProfileResolved { fallback_for, .. } => {
            let model = event.model_id.as_ref().map(ToString::to_string);
            Some((model.unwrap_or_default(), *fallback_for))
        }
        _ => None,
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn a10_a_roles_fallback_answers_where_its_model_does_not_and_the_record_says_why() {
    let home = Home::new().await;
    home.enable(&home.local, "n", fixture::claims_all()).await;
    with_fallback(&home, "local/m", "local/n").await;
    home.fake.will([says("as usual")]);
    home.run(role(&home, "worker")).await.succeeded();
    assert_eq!(resolved(&home), [("m".to_owned(), None)]);

    home.fake
        .will([refuses(ErrorCode::Model404, false), says("instead")]);
    let whole = home.run(role(&home, "worker")).await;
    whole.succeeded();
    let models: Vec<&str> = whole
        .events
        .iter()
        .filter_map(|event| match event {
            TurnEvent::TurnStarted { model_id, .. } => Some(model_id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(models.last(), Some(&"n"));
    assert_eq!(
        resolved(&home)[1..],
        [
            ("m".to_owned(), None),
            ("n".to_owned(), Some(ErrorCode::Model404))
        ]
    );
    // Each has its own outcome.
    assert_eq!(home.ids_of("FR-EVT-PROVIDER-009").len(), 1);

    // One fallback, not a chain.
    home.fake.will([
        refuses(ErrorCode::Model404, false),
        refuses(ErrorCode::Model404, false),
    ]);
    home.run(role(&home, "worker"))
        .await
        .failed_with(ErrorCode::Model404);
}

#[tokio::test(start_paused = true)]
async fn a10_s31_what_a_rule_or_a_person_refused_and_what_may_have_been_answered_takes_no_fallback()
{
    let home = Home::new().await;
    home.enable(&home.local, "n", fixture::claims_all()).await;
    with_fallback(&home, "local/m", "local/n").await;
    for (code, in_doubt) in [
        (ErrorCode::ProviderRejected, false),
        (ErrorCode::ProviderAuth, false),
        (ErrorCode::Timeout, true),
    ] {
        // What is transient is tried as often as the policy has it, at the same model.
        let tries = if in_doubt { 3 } else { 1 };
        home.fake.will((0..tries).map(|_| refuses(code, in_doubt)));
        home.run(role(&home, "worker")).await.failed_with(code);
    }
    // A model that is named has none.
    home.fake.will([refuses(ErrorCode::Model404, false)]);
    home.run(home.ask_local("hi"))
        .await
        .failed_with(ErrorCode::Model404);
    assert!(resolved(&home).iter().all(|(_, why)| why.is_none()));
}

/// What is known of the model is old, and its server does not answer: nothing was sent, and the fallback is there.
#[tokio::test(start_paused = true)]
async fn a10_a_roles_fallback_answers_where_the_server_of_its_model_is_gone() {
    let home = Home::new().await;
    home.enable(&home.local, "n", fixture::claims_all()).await;
    with_fallback(&home, "local/m", "local/n").await;
    let past = std::time::Duration::from_secs(61);
    home.world.memory.advance(past);
    // What is known of the other one is read again.
    let mut other = home.ask_local("hi");
    other.target = Target::Model("local/n".parse().expect("a model"));
    home.fake.will([says("here")]);
    home.run(other).await.succeeded();
    for what in ["show", "list"] {
        home.fake.breaks(what);
    }
    home.fake.will([says("instead")]);
    home.run(role(&home, "worker")).await.succeeded();
    let told = resolved(&home);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 == "n" && told[0].1.is_some(), "{told:?}");
}
