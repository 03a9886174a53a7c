//! What is asked, and what answers are taken for.

use handshake_core::{
    base_url::BaseUrl,
    capability::{Feature, Limit},
    ids::{ModelId, ProviderId, Token},
    provider::ProviderDraft,
    tier::{Reach, Residence},
    time::UtcTime,
};

use super::*;

fn record(reach: Reach) -> ProviderRecord {
    let draft = ProviderDraft {
        provider_id: ProviderId::new("unit").expect("valid"),
        provider_kind: Token::new("ollama").expect("valid"),
        tier: None,
        base_url: BaseUrl::parse("http://127.0.0.1:11434/proxy").expect("valid"),
        reach,
        dialect: None,
        default_model: None,
        secret_ref: None,
    };
    draft
        .into_record(UtcTime::from_unix_millis(0))
        .expect("valid")
}

fn model(name: &str) -> ModelId {
    ModelId::new(name).expect("valid")
}

fn body(call: &ControlCall) -> (String, String) {
    let envelope = prepare(&record(Reach::Direct), call).expect("rendered");
    assert_eq!(envelope.check(), Ok(()));
    (
        envelope.path,
        String::from_utf8(envelope.body.to_vec()).expect("text"),
    )
}

#[test]
fn a3_calls_go_to_listing_routes_and_hold_no_text() {
    for (call, path, text) in [
        (ControlCall::Version, "/proxy/api/version", ""),
        (ControlCall::ListModels, "/proxy/api/tags", ""),
        (ControlCall::Running, "/proxy/api/ps", ""),
        (
            ControlCall::ShowModel(model("m:1b")),
            "/proxy/api/show",
            r#"{"model":"m:1b"}"#,
        ),
        (
            ControlCall::Load(model("m"), Some(4096)),
            "/proxy/api/chat",
            r#"{"model":"m","messages":[],"options":{"num_ctx":4096},"stream":false}"#,
        ),
        (
            ControlCall::Unload(model("m")),
            "/proxy/api/chat",
            r#"{"model":"m","messages":[],"stream":false,"keep_alive":0}"#,
        ),
    ] {
        assert_eq!(body(&call), (path.to_owned(), text.to_owned()));
    }
}

#[test]
fn s36_a_local_daemon_is_never_asked_about_a_name_that_it_forwards() {
    let cloud = model("gpt-oss:20b-cloud");
    for call in [
        ControlCall::ShowModel(cloud.clone()),
        ControlCall::Load(cloud.clone(), None),
        ControlCall::Unload(cloud.clone()),
    ] {
        let error = prepare(&record(Reach::Direct), &call)
            .expect_err("refused")
            .0;
        assert_eq!(error.code, ErrorCode::TierMismatch);
        assert!(
            prepare(&record(Reach::Relay), &call).is_ok(),
            "a relay may be asked"
        );
    }
}

#[test]
fn a4_a_listing_keeps_what_it_understands_and_says_that_it_is_partial() {
    let listing = br#"{"models":[
        {"name":"a:latest","model":"a:latest","size":5,"digest":"abc","details":{"family":"qwen3"},
         "capabilities":["completion","tools"]},
        {"name":"b:20b-cloud","size":1},
        {"name":"c","remote_host":"https://ollama.com:443","remote_model":"c"},
        {"name":"has space"},
        {"name":7},
        {"digest":"nameless"}
    ]}"#;
    let report = report(&ControlCall::ListModels, listing).expect("a listing");
    assert!(report.partial);
    let names: Vec<(&str, Residence)> = report
        .models
        .iter()
        .map(|m| (m.model_id.as_str(), m.residence))
        .collect();
    assert_eq!(
        names,
        [
            ("a:latest", Residence::Local),
            ("b:20b-cloud", Residence::Forwarded),
            ("c", Residence::Forwarded),
        ]
    );
    let first = &report.models[0];
    assert_eq!(first.family.as_ref().map(Token::as_str), Some("qwen"));
    assert_eq!(
        (first.size_bytes, first.digest.as_deref()),
        (Some(5), Some("abc"))
    );
    assert_eq!(
        first.claims.features.get(&Feature::SupportsToolCalling),
        Some(&true)
    );
    assert_eq!(
        first.claims.features.get(&Feature::SupportsVision),
        Some(&false)
    );
    assert!(
        report.models[1].claims.features.is_empty(),
        "silence is no claim"
    );
}

#[test]
fn b1_show_claims_what_the_daemon_says_and_nothing_else() {
    let call = ControlCall::ShowModel(model("mine"));
    let shown = br#"{"details":{"family":"llama"},"capabilities":["completion","vision"],
        "model_info":{"general.architecture":"llama","llama.context_length":131072}}"#;
    let shown = report(&call, shown).expect("an answer");
    assert!(!shown.partial);
    let claims = &shown.models[0].claims;
    assert_eq!(claims.limits.get(&Limit::MaxContextWindow), Some(&131_072));
    for (feature, value) in [
        (Feature::SupportsStreaming, true),
        (Feature::SupportsVision, true),
        (Feature::SupportsToolCalling, false),
        (Feature::SupportsThinking, false),
    ] {
        assert_eq!(claims.features.get(&feature), Some(&value), "{feature:?}");
    }
    assert_eq!(shown.models[0].residence, Residence::Local);

    let old =
        report(&call, br#"{"details":{"family":"llama"},"model_info":{}}"#).expect("an answer");
    assert!(old.partial && old.models[0].claims.features.is_empty());

    let embedding = br#"{"details":{},"capabilities":["embedding"],"model_info":{}}"#;
    let embedding = report(&call, embedding).expect("an answer");
    let features = &embedding.models[0].claims.features;
    assert_eq!(features.get(&Feature::SupportsStreaming), Some(&false));

    let remote = br#"{"details":{},"remote_host":"https://ollama.com:443"}"#;
    let remote = report(&call, remote).expect("an answer");
    assert_eq!(remote.models[0].residence, Residence::Forwarded);
}

#[test]
fn answers_that_are_none_are_protocol_errors() {
    let show = ControlCall::ShowModel(model("m"));
    let load = ControlCall::Load(model("m"), None);
    for (call, body) in [
        (&ControlCall::Version, &br#"{"version":""}"#[..]),
        (&ControlCall::Version, br#"{"version":"a b"}"#),
        (&ControlCall::Version, b"[]"),
        (&ControlCall::ListModels, b"{}"),
        (&ControlCall::ListModels, br#"{"models":null}"#),
        (&ControlCall::Running, b"<html>"),
        (&show, b"{}"),
        (&load, br#"{"done":true,"done_reason":"stop"}"#),
        (&load, br#"{"done":false,"done_reason":"load"}"#),
    ] {
        let error = report(call, body).expect_err("refused");
        assert_eq!(
            error.code,
            ErrorCode::Protocol,
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}
