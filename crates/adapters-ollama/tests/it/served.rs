//! The whole adapter against the simulated daemon: real gate, real transport, real sockets.

use std::{sync::Arc, time::Duration};

use handshake_adapters_ollama::OllamaFactory;
use handshake_core::{
    admit::{Emulation, admit},
    capability::{Feature, Limit},
    code::{ErrorCode, Phase},
    control::ControlCall,
    ids::{ModelId, ToolName},
    ports::AdapterFactory,
    tier::{Reach, Residence},
    tool::{RiskLevel, ToolDefinition},
};
use handshake_simulator::{Fault, Model, Reply, Script};
use handshake_testkit::{fixture, gate::World};
use handshake_transport::{Limits, Transport};
use serde_json::json;

use crate::home::{Home, rule};

#[tokio::test]
async fn a6_text_arrives_streamed_or_not() {
    let home = Home::new(rule(Reply::chunks(["Hel", "lo"]))).await;
    let streamed = home.send(home.request("Hi")).await.expect("an answer");
    assert_eq!(streamed[..3], ["started", "text:Hel", "text:lo"]);
    assert_eq!(streamed.last().map(String::as_str), Some("end:Stop"));
    let mut request = home.request("Hi");
    request.stream = false;
    let whole = home.send(request).await.expect("an answer");
    assert_eq!(whole[..2], ["started", "text:Hello"]);
    let bodies: Vec<_> = home
        .simulator
        .received()
        .iter()
        .filter_map(|r| r.json())
        .collect();
    assert_eq!(bodies[0]["model"], "sim-small:latest:local", "s35");
    assert_eq!(bodies[0]["options"]["num_ctx"], 2048);
}

#[tokio::test]
async fn a6_a_tool_call_arrives_whole() {
    let home = Home::new(rule(Reply::tool_call("file__read", json!({"path": "a"})))).await;
    let mut request = home.request("Read it.");
    request.tools = vec![ToolDefinition {
        tool_id: ToolName::new("file.read").expect("valid"),
        name: "read".to_owned(),
        description: "Reads.".to_owned(),
        parameters: json!({"type": "object", "properties": {"path": {"type": "string"}}}),
        required_capabilities: [].into(),
        risk_level: RiskLevel::Low,
    }];
    let events = home.send(request).await.expect("an answer");
    assert_eq!(events[1], r#"call:file.read{"path":"a"}"#);
    assert_eq!(events.last().map(String::as_str), Some("end:ToolUse"));
}

#[tokio::test]
async fn b5_every_way_to_break_off_is_an_error() {
    for (fault, code) in [
        (Fault::DropAfter { bytes: 40 }, ErrorCode::StreamTruncated),
        (
            Fault::NoFinish { keep_done: false },
            ErrorCode::StreamTruncated,
        ),
        (Fault::Malformed { after: 1 }, ErrorCode::Protocol),
        (Fault::InvalidUtf8 { after: 1 }, ErrorCode::Protocol),
        (
            Fault::OversizeLine {
                after: 1,
                bytes: 2 << 20,
            },
            ErrorCode::StreamLimit,
        ),
        (
            Fault::StreamError {
                after: 1,
                message: "hunter2".to_owned(),
            },
            ErrorCode::Provider,
        ),
        (
            Fault::StallAfter {
                bytes: 40,
                ms: None,
            },
            ErrorCode::Timeout,
        ),
        (
            Fault::RemoteHost {
                host: "https://ollama.com:443".to_owned(),
            },
            ErrorCode::TierMismatch,
        ),
        (
            Fault::ModelName {
                name: "other".to_owned(),
            },
            ErrorCode::Protocol,
        ),
    ] {
        let home = Home::new(rule(Reply::chunks(["a", "b", "c"]).fault(fault.clone()))).await;
        let events = home.send(home.request("Hi")).await.expect("a head");
        let last = events.last().expect("a terminal");
        assert!(
            last.ends_with(&format!("[{}]", code.as_str())) && !last.contains("hunter2"),
            "{fault:?}: {last}"
        );
        assert!(
            !events.iter().any(|event| event.starts_with("end:")),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn q95_harmless_quirks_do_not_matter() {
    let faults = [
        Fault::Bom,
        Fault::Crlf,
        Fault::Comments { every: 1 },
        Fault::Rechunk { size: 1 },
        Fault::NoLastNewline,
        Fault::DuplicateFinish,
    ];
    let mut reply = Reply::chunks(["é", "🦀"]);
    for fault in faults {
        reply = reply.fault(fault);
    }
    let home = Home::new(rule(reply)).await;
    let events = home.send(home.request("Hi")).await.expect("an answer");
    assert_eq!(events[..3], ["started", "text:é", "text:🦀"]);
    assert_eq!(events.last().map(String::as_str), Some("end:Stop"));
}

#[tokio::test]
async fn a14_an_error_status_is_an_error_at_the_head_and_not_in_doubt() {
    for (fault, code, wait) in [
        (Fault::retry_after(503, "7"), ErrorCode::NotReady, Some(7)),
        (Fault::retry_after(429, "7"), ErrorCode::RateLimit, Some(7)),
        (
            Fault::Redirect {
                location: "http://127.0.0.1:1/".to_owned(),
            },
            ErrorCode::Protocol,
            None,
        ),
    ] {
        let home = Home::new(rule(fault)).await;
        let error = home.send(home.request("Hi")).await.expect_err("refused");
        assert_eq!(
            (error.error.code, error.error.phase, error.in_doubt),
            (code, Phase::Status, false)
        );
        assert_eq!(error.error.retry_after, wait.map(Duration::from_secs));
    }
    let home = Home::new(rule(Fault::Html)).await;
    let error = home.send(home.request("Hi")).await.expect_err("a page");
    assert_eq!(
        (error.error.code, error.in_doubt),
        (ErrorCode::UnexpectedContent, true)
    );
}

#[tokio::test]
async fn a3_a4_the_daemons_own_words_about_itself() {
    let script = Script::new()
        .model(
            Model::new("qwen3:4b")
                .capabilities(&["completion", "tools", "thinking"])
                .context_length(40_960),
        )
        .model(Model::new("stub").remote("https://ollama.com:443", "stub"));
    let home = Home::new(script).await;
    let version = home.control(ControlCall::Version).await.expect("a version");
    assert_eq!(version.version.as_deref(), Some("0.20.5"));

    let tags = home
        .control(ControlCall::ListModels)
        .await
        .expect("a listing");
    let seen: Vec<_> = tags
        .models
        .iter()
        .map(|m| (m.model_id.as_str(), m.residence))
        .collect();
    assert_eq!(
        seen,
        [
            ("qwen3:4b", Residence::Local),
            ("stub", Residence::Forwarded)
        ]
    );

    let qwen = ModelId::new("qwen3:4b").expect("valid");
    let shown = home
        .control(ControlCall::ShowModel(qwen.clone()))
        .await
        .expect("a model");
    let claims = &shown.models[0].claims;
    assert_eq!(claims.features.get(&Feature::SupportsThinking), Some(&true));
    assert_eq!(claims.limits.get(&Limit::MaxContextWindow), Some(&40_960));

    home.control(ControlCall::Load(qwen.clone(), Some(4096)))
        .await
        .expect("loaded");
    let running = home.control(ControlCall::Running).await.expect("a listing");
    assert_eq!(running.models.len(), 1);
    home.control(ControlCall::Unload(qwen))
        .await
        .expect("unloaded");
    assert!(
        home.control(ControlCall::Running)
            .await
            .expect("a listing")
            .models
            .is_empty()
    );

    let nope = ControlCall::ShowModel(ModelId::new("nope").expect("valid"));
    let error = home.control(nope).await.expect_err("no such model");
    assert_eq!(error.error.code, ErrorCode::Model404);
}

#[tokio::test]
async fn s35_a_relay_may_say_where_it_forwards_to() {
    let fault = Fault::RemoteHost {
        host: "https://ollama.com:443".to_owned(),
    };
    let home = Home::reaching(rule(Reply::text("far").fault(fault)), Reach::Relay).await;
    let events = home.send(home.request("Hi")).await.expect("an answer");
    assert_eq!(events[1], "text:far");
    let body = home.simulator.received()[0].json().expect("json");
    assert_eq!(
        body["model"], "sim-small:latest",
        "no local form towards a relay"
    );
}

#[tokio::test]
async fn b5_dropping_the_stream_hangs_up() {
    let stall = Fault::StallAfter {
        bytes: 40,
        ms: None,
    };
    let home = Home::new(rule(Reply::chunks(["a", "b", "c"]).fault(stall))).await;
    let route = home.route("sim-small:latest");
    let admitted = admit(Arc::new(home.request("Hi")), route, Emulation::Off).expect("admitted");
    let prepared = home.adapter.client.prepare(&admitted).expect("prepared");
    let cleared = home
        .world
        .clear(home.world.egress(&home.record, prepared))
        .await;
    let stream = home.adapter.client.send(cleared).await.expect("a head");
    assert_eq!(home.simulator.open_connections(), 1);
    drop(stream);
    tokio::time::timeout(Duration::from_secs(5), home.simulator.wait_idle())
        .await
        .expect("hung up");
}

#[tokio::test]
async fn a_clearance_of_another_revision_is_refused() {
    let home = Home::new(Script::new()).await;
    let admitted = admit(
        Arc::new(home.request("Hi")),
        home.route("sim-small:latest"),
        Emulation::Off,
    )
    .expect("admitted");
    let prepared = home.adapter.client.prepare(&admitted).expect("prepared");
    let cleared = home
        .world
        .clear(home.world.egress(&home.record, prepared))
        .await;
    let mut newer = (*home.record).clone();
    newer.revision += 1;
    let memory = || Arc::new(home.world.memory.clone());
    let transport = Transport::new(memory(), memory(), Limits::default()).expect("a transport");
    let other = OllamaFactory::new(transport)
        .build(Arc::new(newer))
        .expect("built");
    let error = other.client.send(cleared).await.expect_err("refused");
    assert_eq!(
        (error.error.code, error.in_doubt),
        (ErrorCode::Revision, false)
    );
    assert_eq!(home.simulator.requests(), 0);
}

#[test]
fn a_record_that_is_not_for_this_kind_is_refused_with_the_field() {
    let world = World::new(1);
    let memory = || Arc::new(world.memory.clone());
    let factory = OllamaFactory::new(
        Transport::new(memory(), memory(), Limits::default()).expect("a transport"),
    );
    let check = |kind: &str, url: &str, model: Option<&str>| {
        let mut record = (*fixture::record("p", kind, url, Reach::Direct)).clone();
        record.default_model = model.map(|model| ModelId::new(model).expect("valid"));
        factory.validate(&record).map_err(|invalid| invalid.field)
    };
    assert_eq!(
        check("ollama", "http://127.0.0.1:11434", Some("qwen3")),
        Ok(())
    );
    assert_eq!(
        check("openai_compat", "http://127.0.0.1:11434", None),
        Err("provider_kind")
    );
    assert_eq!(
        check("ollama", "http://127.0.0.1:11434/api", None),
        Err("base_url")
    );
    assert_eq!(
        check("ollama", "http://127.0.0.1:11434/v1", None),
        Err("base_url")
    );
    assert_eq!(
        check("ollama", "http://127.0.0.1:11434", Some("x:cloud")),
        Err("default_model")
    );
}
