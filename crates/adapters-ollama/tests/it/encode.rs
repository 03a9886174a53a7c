//! The bytes that are sent, and what is refused instead.

use bytes::Bytes;
use handshake_adapters_ollama::prepare;
use handshake_core::{
    capability::{Feature, Limit},
    chat::{
        Attachment, AttachmentKind, Message, Reasoning, Role, Shape, ToolCall, ToolChoice, Verbatim,
    },
    code::ErrorCode,
    envelope::Adjustment,
    ids::{MessageId, ProviderCallId, ToolCallId, ToolName},
    reply::ReasoningPolicy,
    tier::Reach,
};
use handshake_testkit::fixture;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::case::{Case, calls, shown, tool};

const PNG: &[u8] = &[0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', 0];

#[test]
fn a13_a_plain_request_is_these_bytes() {
    insta::assert_snapshot!(shown(&Case::new("Hello").prepared()));
}

#[test]
fn b11_a_chat_goes_to_the_native_endpoint_streamed_or_not() {
    for stream in [true, false] {
        let prepared = Case::new("Hello")
            .with(|request| request.stream = stream)
            .prepared();
        assert_eq!(prepared.envelope().path, "/api/chat");
    }
}

#[test]
fn a13_a_tool_loop_is_these_bytes() {
    let case = Case::new("Read both.")
        .claim(Feature::SupportsThinking, Some(true))
        .with(|request| {
            request
                .messages
                .insert(0, fixture::message(9, Role::System, "Be brief."));
            calls(request);
            request.params.temperature = Some(0.7);
            request.params.top_p = Some(0.9);
            request.params.max_tokens = Some(256);
            request.params.stop = vec!["END".to_owned()];
            request.params.seed = Some(-7);
            request.stream = false;
        });
    let prepared = case.prepared();
    insta::assert_snapshot!(shown(&prepared));
    assert_eq!(
        prepared.reply.tool_names.as_ref().expect("names")["file__read"].as_str(),
        "file.read",
        "b8"
    );
}

#[test]
fn a13_an_image_and_a_schema_are_these_bytes() {
    let case = Case::new("What is this?").with(|request| {
        request.messages[0].attachments = vec![Attachment {
            kind: AttachmentKind::Image,
            media_type: "image/png".to_owned(),
            bytes: Bytes::from_static(PNG),
        }];
        request.structured_output_schema =
            Some(json!({"type": "object", "properties": {"what": {}}}));
    });
    let prepared = case.prepared();
    insta::assert_snapshot!(shown(&prepared));
    assert!(prepared.reply.structured);
}

#[test]
fn a13_the_same_request_is_the_same_bytes_and_ids() {
    let case = || Case::new("Read both.").with(calls);
    let (one, two) = (case().prepared(), case().prepared());
    assert_eq!(one.envelope().body, two.envelope().body);
    assert_eq!(one.reply, two.reply);
    assert_eq!(one.adjusted, two.adjusted);
    let other = case()
        .with(|request| request.trace_id = handshake_core::ids::TraceId::from_entropy([2; 16]));
    assert_ne!(other.prepared().reply.call_seed, one.reply.call_seed);
    assert_eq!(
        other.prepared().envelope().body,
        one.envelope().body,
        "no trace id is in the bytes"
    );
}

#[test]
fn q158_the_context_is_always_sized_and_never_shifted() {
    let sized = |text: &str, window: Option<u64>, max_tokens: Option<u64>| {
        let mut case = Case::new(text).with(|request| request.params.max_tokens = max_tokens);
        match window {
            Some(window) => case.claims.limits.insert(Limit::MaxContextWindow, window),
            None => case.claims.limits.remove(&Limit::MaxContextWindow),
        };
        case
    };
    for (bytes, window, max_tokens, num_ctx) in [
        (5, Some(32_768), None, 2048),
        (5, Some(32_768), Some(10), 1024),
        (12_000, Some(32_768), None, 5120),
        (12_000, Some(4096), None, 4096),
        (5, Some(32_768), Some(100_000), 32_768),
        (60_000, None, None, 21_504),
    ] {
        let case = sized(&"x".repeat(bytes), window, max_tokens);
        let body = case.body();
        assert_eq!(
            body["options"]["num_ctx"], num_ctx,
            "{bytes} {window:?} {max_tokens:?}"
        );
        assert_eq!(
            (&body["truncate"], &body["shift"]),
            (&json!(false), &json!(false))
        );
        let named = Adjustment {
            parameter: "num_ctx".to_owned(),
            requested: None,
            effective: Some(num_ctx),
        };
        assert!(case.prepared().adjusted.contains(&named));
    }
    for (bytes, window) in [(20_000, Some(4096)), (140_000, None)] {
        let refused = sized(&"x".repeat(bytes), window, None).refusal();
        assert_eq!(
            refused,
            (ErrorCode::ContextWindow, Some("max_context_window"))
        );
    }
}

#[test]
fn b12_a_bound_above_the_models_is_clamped_and_reported() {
    let mut case = Case::new("Hello").with(|request| request.params.max_tokens = Some(5000));
    case.claims.limits.insert(Limit::MaxOutputTokens, 100);
    assert_eq!(case.body()["options"]["num_predict"], 100);
    let clamped = Adjustment {
        parameter: "max_tokens".to_owned(),
        requested: Some(5000),
        effective: Some(100),
    };
    assert_eq!(case.prepared().adjusted[0], clamped);
}

#[test]
fn q69_a_model_that_thinks_is_told_to_and_off_is_refused() {
    use Reasoning::{High, Low, Off};
    let case = |model, thinks, asked| {
        Case::new("Hello")
            .model(model)
            .claim(Feature::SupportsThinking, thinks)
            .with(|request| request.params.reasoning = asked)
    };
    let sent = |model, thinks, asked| case(model, thinks, asked).body()["think"].clone();
    assert_eq!(sent("qwen3:4b", Some(true), None), json!(true));
    assert_eq!(sent("qwen3:4b", Some(true), Some(High)), json!(true));
    assert_eq!(sent("gpt-oss:20b", Some(true), Some(Low)), json!("low"));
    assert_eq!(sent("gpt-oss:20b", Some(true), None), json!(true));
    assert_eq!(sent("smollm2", Some(false), None), Value::Null);
    assert_eq!(sent("smollm2", Some(false), Some(Off)), Value::Null);
    assert_eq!(sent("mine", None, None), Value::Null);
    let refused = case("qwen3:4b", Some(true), Some(Off)).refusal();
    assert_eq!(
        refused,
        (ErrorCode::ParameterUnsupported, Some("reasoning"))
    );
    let refused = case("mine", None, Some(Off)).refusal();
    assert_eq!(
        refused,
        (ErrorCode::CapabilityUnknown, Some("supports_thinking"))
    );
    let level = case("qwen3:4b", Some(true), Some(High)).prepared();
    assert_eq!(level.adjusted[0].parameter, "reasoning");
}

#[test]
fn b9_thinking_in_the_text_is_told_apart_only_where_the_daemon_does_not() {
    let policy = |model, thinks, scrub| {
        Case::new("Hello")
            .model(model)
            .claim(Feature::SupportsThinking, thinks)
            .claim(Feature::RequiresThinkingBlockScrubbing, scrub)
            .prepared()
            .reply
            .reasoning
    };
    assert_eq!(
        policy("qwen3:4b", Some(true), Some(true)),
        ReasoningPolicy::Channel
    );
    assert_eq!(
        policy("qwen3:4b", Some(false), Some(true)),
        ReasoningPolicy::LeadingBlock
    );
    assert_eq!(
        policy("qwq:32b", None, Some(true)),
        ReasoningPolicy::Preopened
    );
    assert_eq!(
        policy("qwen3:4b", None, Some(false)),
        ReasoningPolicy::Channel
    );
    assert_eq!(policy("qwen3:4b", None, None), ReasoningPolicy::Channel);
}

#[test]
fn b9_thinking_of_earlier_turns_is_not_sent_again() {
    let case = Case::new("One.")
        .claim(Feature::SupportsThinking, Some(true))
        .with(|request| {
            let mut answer = fixture::message(2, Role::Assistant, "Two.");
            answer.reasoning = Some("private".into());
            request
                .messages
                .extend([answer, fixture::message(3, Role::User, "Three.")]);
        });
    assert!(!case.body().to_string().contains("private"));
}

#[test]
fn q134_a_choice_that_the_wire_does_not_have_is_kept_for_the_end() {
    let choose = |choice| {
        Case::new("Read both.")
            .with(calls)
            .with(|request| request.tool_choice = choice)
    };
    let named = Some(ToolChoice::Named(ToolName::new("math.add").expect("valid")));
    for choice in [
        None,
        Some(ToolChoice::Auto),
        Some(ToolChoice::Required),
        named,
    ] {
        let case = choose(choice.clone());
        assert_eq!(case.body()["tools"].as_array().map(Vec::len), Some(2));
        assert!(case.body().get("tool_choice").is_none());
        assert_eq!(case.prepared().reply.tool_choice, choice);
    }
    assert!(choose(Some(ToolChoice::None)).body().get("tools").is_none());
}

#[test]
fn q136_schema_and_tools_go_together_when_both_are_asked_for() {
    let case = Case::new("Read both.")
        .with(calls)
        .with(|request| request.structured_output_schema = Some(json!({"type": "object"})));
    let body = case.body();
    assert!(body["tools"].is_array() && body["format"].is_object());
}

#[test]
fn q138_a_tool_whose_shape_the_daemon_would_lose_is_refused_by_keyword() {
    let case = Case::new("Hello").with(|request| {
        request.tools = vec![tool(
            "a.b",
            json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/p"}}}),
        )];
    });
    assert_eq!(case.refusal(), (ErrorCode::SchemaKeyword, Some("$ref")));
}

#[test]
fn q156_attachments_that_cannot_be_carried_are_refused() {
    let attach = |kind, media_type: &str, bytes: &'static [u8]| {
        Case::new("Look.").with(|request| {
            request.messages[0].attachments = vec![Attachment {
                kind,
                media_type: media_type.to_owned(),
                bytes: Bytes::from_static(bytes),
            }];
        })
    };
    for (kind, media_type, bytes, want) in [
        (
            AttachmentKind::Document,
            "application/pdf",
            &b"%PDF"[..],
            (ErrorCode::ParameterUnsupported, "document attachments"),
        ),
        (
            AttachmentKind::Audio,
            "audio/wav",
            b"RIFF",
            (ErrorCode::ParameterUnsupported, "audio attachments"),
        ),
        (
            AttachmentKind::Image,
            "image/png",
            b"GIF89a",
            (ErrorCode::InvalidRequest, "attachments"),
        ),
        (
            AttachmentKind::Image,
            "image/svg+xml",
            b"<svg>",
            (ErrorCode::ParameterUnsupported, "image attachments"),
        ),
    ] {
        assert_eq!(
            attach(kind, media_type, bytes).refusal(),
            (want.0, Some(want.1))
        );
    }
}

#[test]
fn s36_s37_a_name_that_the_daemon_forwards_is_refused_before_any_byte() {
    for model in [
        "gpt-oss:20b-cloud",
        "x:cloud",
        "x:CLOUD",
        "x:1b-Cloud:local",
    ] {
        assert_eq!(
            Case::new("Hello").model(model).refusal(),
            (ErrorCode::TierMismatch, Some("model"))
        );
    }
    let mut relay = Case::new("Hello").model("gpt-oss:20b-cloud");
    relay.record = fixture::record("relay", "ollama", "http://127.0.0.1:11434", Reach::Relay);
    assert_eq!(
        relay.body()["model"],
        "gpt-oss:20b-cloud",
        "a person attested that it forwards"
    );
}

#[test]
fn s35_a_local_model_is_called_by_its_local_form_where_the_daemon_knows_it() {
    for (version, sent) in [
        (None, "qwen3:4b"),
        (Some("0.17.0"), "qwen3:4b"),
        (Some("0.20.5"), "qwen3:4b:local"),
    ] {
        let mut case = Case::new("Hello");
        case.version = version;
        assert_eq!(case.body()["model"], sent, "{version:?}");
        let asked = case.prepared().reply.requested_model.clone();
        assert_eq!(asked.expect("a model").as_str(), "qwen3:4b");
    }
}

#[test]
fn same_shape_same_bytes() {
    let verbatim = |shape, body: &'static str| {
        let body = Bytes::from_static(body.as_bytes());
        let body = Verbatim::read(shape, body).expect("one meaning");
        let headers = [("x-whatever".to_owned(), "1".to_owned())].into();
        Case::new("Hello")
            .with(|request| request.verbatim = Some(body.clone().with_headers(headers)))
    };
    let body = r#"{ "messages":[{"role":"user","content":"hi"}], "model":"qwen3:4b" , "tools":[{"type":"function","function":{"name":"Bash"}}],"options":{"mirostat":1}}"#;
    let prepared = verbatim(Shape::OllamaChat, body).prepared();
    assert_eq!(prepared.envelope().body, body);
    assert!(!prepared.envelope().headers.contains_key("x-whatever"));
    let names = prepared.reply.tool_names.as_ref().expect("names");
    assert_eq!(names["Bash"].as_str(), "Bash");
    let body = r#"{"model":"qwen3:4b","messages":[{}],"tools":[{"function":{"name":"a b"}}]}"#;
    assert_eq!(
        verbatim(Shape::OllamaChat, body).refusal(),
        (ErrorCode::InvalidRequest, Some("tools"))
    );
    // Another shape is translated.
    let other = r#"{"model":"qwen3:4b","stream":true,"messages":[{"content":"other"}]}"#;
    let translated = verbatim(Shape::ChatCompletions, other).body();
    assert_eq!(translated["messages"][0]["content"], "Hello");
}

/// The daemon reads names without regard to case, and another model by a tag.
#[test]
fn rt_b02_a_body_that_the_daemon_would_read_otherwise_is_none() {
    for (body, subject) in [
        (
            r#"{"model":"qwen3:4b","Model":"x:cloud","messages":[{}]}"#,
            "spelling",
        ),
        (
            "{\"model\":\"qwen3:4b\",\"MODE\u{4c}\":\"x:cloud\",\"messages\":[{}]}",
            "spelling",
        ),
        (
            r#"{"model":"qwen3:4b","model":"x:cloud","messages":[{}]}"#,
            "twice",
        ),
        (r#"{"model":"qwen3:4b","messages":[]}"#, "messages"),
        (r#"{"model":"qwen3:4b"}"#, "messages"),
        (r#"["qwen3:4b"]"#, "body"),
        ("{", "body"),
    ] {
        let read = Verbatim::read(Shape::OllamaChat, Bytes::from_static(body.as_bytes()));
        let error = read.expect_err(body);
        assert_eq!(
            (error.code, error.subject),
            (ErrorCode::InvalidRequest, Some(subject)),
            "{body}"
        );
    }
}

#[test]
fn s35_a_clients_own_body_names_the_local_form_too() {
    let body = br#"{"model" : "qwen3:4b","messages":[{"role":"user","content":"hi"}]}"#;
    let body = Verbatim::read(Shape::OllamaChat, Bytes::from_static(body)).expect("one meaning");
    let mut case = Case::new("Hello").with(|request| request.verbatim = Some(body.clone()));
    case.version = Some("0.20.5");
    assert_eq!(
        case.prepared().envelope().body,
        r#"{"model" : "qwen3:4b:local","messages":[{"role":"user","content":"hi"}]}"#
    );
}

#[test]
fn a_request_for_another_revision_is_refused() {
    let case = Case::new("Hello");
    let mut other = (*case.record).clone();
    other.revision += 1;
    let error = prepare(&other, &case.admitted()).expect_err("refused").0;
    assert_eq!(error.code, ErrorCode::Revision);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn b6_every_result_follows_the_message_that_holds_its_call(
        turns in prop::collection::vec((1..4_usize, any::<bool>(), any::<bool>()), 1..4),
    ) {
        let mut n = 0_u8;
        let case = Case::new("Go.").with(|request| {
            request.tools = vec![tool("a.b", json!({}))];
            for (count, spoken, with_id) in &turns {
                if *spoken {
                    n += 1;
                    request.messages.push(fixture::message(100 + n, Role::Assistant, "So."));
                }
                let ids: Vec<ToolCallId> = (0..*count)
                    .map(|_| {
                        n += 1;
                        ToolCallId::from_entropy([n; 16])
                    })
                    .collect();
                for (k, id) in ids.iter().enumerate() {
                    let call = ToolCall {
                        tool_call_id: *id,
                        provider_call_id: with_id.then(|| ProviderCallId::new(format!("c{k}")).expect("valid")),
                        tool_id: ToolName::new("a.b").expect("valid"),
                        arguments: serde_json::Map::new(),
                    };
                    request.messages.push(Message::call(MessageId::from_entropy([k as u8; 16]), call, fixture::epoch()));
                }
                for id in &ids {
                    request.messages.push(Message::result(MessageId::from_entropy([9; 16]), *id, "ok", fixture::epoch()));
                }
            }
        });
        let body = case.body();
        let mut open = 0;
        for message in body["messages"].as_array().expect("messages") {
            match message["role"].as_str() {
                Some("tool") => {
                    prop_assert!(open > 0);
                    prop_assert_eq!(&message["tool_name"], "a__b");
                    open -= 1;
                }
                _ => {
                    prop_assert_eq!(open, 0);
                    open = message["tool_calls"].as_array().map_or(0, Vec::len);
                }
            }
        }
        prop_assert_eq!(open, 0);
    }
}
