//! Fields that reach beyond the destination: a corpus over the published APIs, in every spelling.

use std::sync::Arc;

use handshake_core::{
    code::ErrorCode,
    envelope::EnvelopeView,
    finding::{FindingClass, FindingLevel, Findings, ValidatorError, WorkBudget},
    gate::Authorization,
    policy::SecondHand,
    ports::LeakageValidator,
};
use handshake_policy::second_hand::SecondHandValidator;
use handshake_testkit::{fixture, gate::World};
use proptest::prelude::*;
use serde_json::{Value, json};

fn inspect_bytes(mode: SecondHand, body: &[u8]) -> Result<Findings, ValidatorError> {
    let record = fixture::relay();
    let prepared = fixture::prepared_body(&record, "m", body.to_vec());
    let mut budget = WorkBudget::new(1 << 20);
    SecondHandValidator::new(mode).inspect(&EnvelopeView::new(&prepared), &mut budget)
}

fn inspect(body: &Value) -> Findings {
    inspect_bytes(SecondHand::Refuse, body.to_string().as_bytes()).expect("a verdict")
}

/// A plain chat with one more member.
fn chat(edit: impl FnOnce(&mut Value)) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    edit(&mut body);
    body
}

fn with_field(name: &str, value: Value) -> Value {
    chat(|body| body[name] = value)
}

/// A user message with one part.
fn with_part(part: Value) -> Value {
    chat(|body| body["messages"][0]["content"] = json!([part]))
}

/// Top-level fields and values that do something, of the APIs that exist.
fn second_hand_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("agent_id", json!("a-1")),
        ("assistant", json!("asst_1")),
        ("assistant_id", json!("asst_1")),
        ("async", json!(true)),
        ("background", json!(true)),
        ("batch", json!({ "window": "24h" })),
        ("browser_settings", json!({ "country": "se" })),
        ("cached_content", json!("cachedContents/1")),
        ("callback_url", json!("https://evil.example.org/")),
        ("collection_ids", json!(["c"])),
        ("compound_custom", json!({ "tools": {} })),
        ("connectors", json!([{ "id": "web-search" }])),
        ("container", json!("cntr_1")),
        ("context_management", json!({ "edits": [1] })),
        ("conversation", json!("conv_1")),
        ("conversation_id", json!("conv_1")),
        ("data_sources", json!([{ "type": "azure_search" }])),
        ("deferred", json!(true)),
        ("enable_search", json!(true)),
        ("fallback_models", json!(["other"])),
        ("fallbacks", json!([{ "model": "other" }])),
        ("file_ids", json!(["file-1"])),
        ("file_search", json!({ "ids": ["v"] })),
        ("include", json!(["file_search_call.results"])),
        ("knowledge_bases", json!(["k"])),
        ("mcp", json!({ "server_url": "https://evil.example.org" })),
        (
            "mcp_servers",
            json!([{ "url": "https://evil.example.org" }]),
        ),
        ("metadata", json!({ "exfil": "data" })),
        ("metadata", json!({ "user_id": "u", "more": "data" })),
        ("metadata", json!({ "user_id": { "nested": "data" } })),
        ("models", json!(["a", "b"])),
        ("notification_url", json!("https://evil.example.org/")),
        ("parent_id", json!("p")),
        ("plugins", json!([{ "id": "web" }])),
        ("previous_message_id", json!("m")),
        ("previous_response_id", json!("resp_1")),
        ("prompt", json!({ "id": "pmpt_1", "version": "2" })),
        ("prompt_cache_retention", json!("24h")),
        ("prompt_id", json!("pmpt_1")),
        ("retrieval", json!({ "on": true })),
        ("route", json!("fallback")),
        ("search_domain_filter", json!(["example.org"])),
        ("search_options", json!({ "depth": 1 })),
        ("search_parameters", json!({ "mode": "on" })),
        ("search_settings", json!({ "country": "se" })),
        ("service", json!("other")),
        ("skills", json!(["s"])),
        ("source_url", json!("https://evil.example.org/")),
        ("store", json!(true)),
        ("thread", json!({ "messages": [1] })),
        ("thread_id", json!("thread_1")),
        ("tool_choice", json!({ "type": "web_search_preview" })),
        ("tool_choice", json!({ "type": "mcp", "server_label": "x" })),
        ("tool_resources", json!({ "file_search": {} })),
        ("transforms", json!(["middle-out"])),
        ("vector_store_ids", json!(["vs_1"])),
        ("web_search", json!(true)),
        (
            "web_search_options",
            json!({ "search_context_size": "low" }),
        ),
        ("webhook", json!("https://evil.example.org/")),
        ("webhook_url", json!("https://evil.example.org/")),
        ("tools", json!([{ "type": "web_search" }])),
        (
            "tools",
            json!([{ "type": "web_search_preview_2025_03_11" }]),
        ),
        (
            "tools",
            json!([{ "type": "web_search_20250305", "name": "web_search" }]),
        ),
        (
            "tools",
            json!([{ "type": "web_fetch_20250910", "name": "web_fetch" }]),
        ),
        (
            "tools",
            json!([{ "type": "code_interpreter", "container": { "type": "auto" } }]),
        ),
        (
            "tools",
            json!([{ "type": "code_execution_20250825", "name": "x" }]),
        ),
        (
            "tools",
            json!([{ "type": "file_search", "vector_store_ids": ["vs_1"] }]),
        ),
        ("tools", json!([{ "type": "computer_use_preview" }])),
        ("tools", json!([{ "type": "image_generation" }])),
        (
            "tools",
            json!([{ "type": "mcp", "server_url": "https://evil.example.org" }]),
        ),
        (
            "tools",
            json!([{ "type": "function", "function": { "name": "f" } }, { "type": "mcp" }]),
        ),
        ("tools", json!([{ "type": ["function"] }])),
        ("tools", json!([{ "google_search": {} }])),
        ("tools", json!([{ "url_context": {} }])),
        ("tools", json!([{ "name": "no schema" }])),
    ]
}

fn routing_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("access_token", json!("t")),
        ("allow_fallbacks", json!(true)),
        ("api_base", json!("https://evil.example.org")),
        ("api_key", json!("k")),
        ("api_keys", json!({ "openai": "k" })),
        ("api_version", json!("1")),
        ("auth", json!({ "token": "t" })),
        ("authorization", json!("Bearer t")),
        ("aws_access_key_id", json!("k")),
        ("aws_secret_access_key", json!("k")),
        ("base_url", json!("https://evil.example.org")),
        ("credentials", json!({ "k": "v" })),
        ("custom_llm_provider", json!("x")),
        ("deployment_id", json!("d")),
        ("endpoint", json!("https://evil.example.org")),
        ("extra_body", json!({ "store": true })),
        ("extra_headers", json!({ "x": "y" })),
        ("extra_query", json!({ "x": "y" })),
        ("headers", json!({ "x": "y" })),
        ("organization", json!("o")),
        ("preset", json!("p")),
        ("project", json!("p")),
        ("provider", json!({ "order": ["x"] })),
        ("providers", json!(["x"])),
        ("proxy", json!("http://evil.example.org")),
        ("router", json!("r")),
        ("vertex_credentials", json!("{}")),
    ]
}

fn remote_parts() -> Vec<Value> {
    let url = "https://evil.example.org/?d=1";
    vec![
        json!({ "type": "image_url", "image_url": { "url": url } }),
        json!({ "type": "image_url", "image_url": url }),
        json!({ "type": "image_url", "imageUrl": { "url": url } }),
        json!({ "type": "image_url", "image_url": { "url": "  HTTPS://evil.example.org" } }),
        json!({ "type": "image_url", "image_url": { "url": "//evil.example.org" } }),
        json!({ "type": "image_url", "image_url": { "url": "gs://bucket/o" } }),
        json!({ "type": "input_image", "image_url": url }),
        json!({ "type": "input_image", "file_id": "file-1" }),
        json!({ "type": "input_file", "file_url": url }),
        json!({ "type": "input_file", "file_id": "file-1" }),
        json!({ "type": "file", "file": { "file_id": "file-1" } }),
        json!({ "type": "image", "source": { "type": "url", "url": url } }),
        json!({ "type": "document", "source": { "type": "url", "url": url } }),
        json!({ "type": "document", "source": { "type": "file", "file_id": "file-1" } }),
        json!({ "type": "container_upload", "file_id": "file-1" }),
        json!({ "type": "video_url", "video_url": { "url": url } }),
        json!({ "type": "audio_url", "audio_url": { "url": url } }),
        json!({ "type": "input_audio", "input_audio": { "url": url } }),
        json!({ "fileData": { "fileUri": "gs://bucket/o" } }),
        json!({ "type": "video", "source": { "s3Location": { "uri": "s3://bucket/o" } } }),
        json!({ "type": "tool_result", "content": [
            { "type": "image", "source": { "type": "url", "url": url } },
        ] }),
        json!({ "type": "item_reference", "id": "msg_1" }),
    ]
}

/// The same field as clients of other languages, and attackers, would write it.
fn spellings(name: &str) -> Vec<String> {
    let camel: String = name
        .split('_')
        .enumerate()
        .map(|(n, word)| match n {
            0 => word.to_owned(),
            _ => word[..1].to_ascii_uppercase() + &word[1..],
        })
        .collect();
    vec![
        name.to_owned(),
        name.to_ascii_uppercase(),
        camel,
        name.replace('_', "-"),
    ]
}

#[test]
fn s29_the_corpus_is_large_enough() {
    let all = second_hand_fields().len() + routing_fields().len() + remote_parts().len();
    assert!(all >= 80, "{all}");
}

#[test]
fn s29_every_field_that_reaches_further_is_found_in_every_spelling() {
    for (name, value) in second_hand_fields() {
        for name in spellings(name) {
            let findings = inspect(&with_field(&name, value.clone()));
            let first = findings
                .items
                .first()
                .unwrap_or_else(|| panic!("{name}: {value}"));
            assert_eq!(
                (first.class, first.level),
                (FindingClass::SecondHandEgress, FindingLevel::Block)
            );
            let pointer = first.pointer.as_deref().expect("a pointer");
            assert!(
                pointer.starts_with(&format!("/{name}")),
                "{pointer} is not {name}"
            );
        }
    }
}

#[test]
fn s29_routing_and_credentials_are_refused_whatever_policy_says() {
    for (name, value) in routing_fields() {
        for name in spellings(name) {
            let body = with_field(&name, value.clone()).to_string();
            for mode in [SecondHand::Refuse, SecondHand::Ask] {
                let findings = inspect_bytes(mode, body.as_bytes()).expect("a verdict");
                assert_eq!(findings.worst(), Some(FindingLevel::Block), "{name}");
            }
        }
    }
}

#[test]
fn s29_content_that_is_somewhere_else_is_found_in_every_shape() {
    for part in remote_parts() {
        let bodies = [
            with_part(part.clone()),
            json!({ "model": "m", "input": [{ "role": "user", "content": [part.clone()] }] }),
            json!({ "model": "m", "input": [part.clone()] }),
            json!({ "model": "m", "system": [part.clone()], "messages": [] }),
            json!({ "model": "m", "contents": [{ "parts": [part.clone()] }] }),
            json!({ "model": "m", "messages": [{ "role": "user", "content": {
                "type": "tool_result", "content": [{ "content": [part.clone()] }],
            } }] }),
        ];
        for body in bodies {
            let findings = inspect(&body);
            assert_eq!(findings.worst(), Some(FindingLevel::Block), "{body}");
            assert!(
                findings
                    .items
                    .iter()
                    .all(|item| item.rule.as_str() == "remote-content"),
                "{body}"
            );
        }
    }
}

#[test]
fn s29_policy_may_ask_instead() {
    for (name, value) in second_hand_fields() {
        let body = with_field(name, value).to_string();
        let findings = inspect_bytes(SecondHand::Ask, body.as_bytes()).expect("a verdict");
        assert_eq!(findings.worst(), Some(FindingLevel::Ask), "{name}");
    }
}

#[test]
fn s29_what_is_left_out_in_writing_is_fine() {
    for (name, _) in second_hand_fields().into_iter().chain(routing_fields()) {
        for nothing in [json!(null), json!(false)] {
            let findings = inspect(&with_field(name, nothing.clone()));
            assert!(findings.items.is_empty(), "{name}: {nothing}");
        }
    }
    for (name, nothing) in [
        ("include", json!([])),
        ("mcp_servers", json!([])),
        ("metadata", json!({})),
        ("metadata", json!([])),
        ("prompt_cache_retention", json!("")),
        ("prompt_cache_retention", json!("in_memory")),
        ("tools", json!([])),
        ("transforms", json!([])),
    ] {
        let findings = inspect(&with_field(name, nothing.clone()));
        assert!(findings.items.is_empty(), "{name}: {nothing}");
    }
}

/// An empty object switches a search on; what an empty list or text does is the provider's to say.
#[test]
fn rt_b11_being_there_decides() {
    let fields = second_hand_fields().into_iter().chain(routing_fields());
    for (name, _) in fields.filter(|(name, _)| !matches!(*name, "tools" | "tool_choice" | "prompt"))
    {
        for empty in [json!({}), json!([]), json!("")] {
            let fine = match name {
                "include" | "mcp_servers" | "transforms" => empty == json!([]),
                "metadata" => empty != json!(""),
                "prompt_cache_retention" => empty == json!(""),
                _ => false,
            };
            let findings = inspect(&with_field(name, empty.clone()));
            let worst = (!fine).then_some(FindingLevel::Block);
            assert_eq!(findings.worst(), worst, "{name}: {empty}");
        }
    }
    let found = inspect(&with_field("web_search_options", json!({})));
    assert_eq!(
        found.items[0].pointer.as_deref(),
        Some("/web_search_options")
    );
    assert_eq!(found.items[0].class, FindingClass::SecondHandEgress);
}

#[test]
fn rt_b11_a_long_s_hides_no_field() {
    for name in [
        "\u{17f}tore",
        "route\u{200b}r",
        "web_\u{17f}earch_options",
        "fallback\u{17f}",
    ] {
        let found = inspect(&with_field(name, json!({ "x": 1 })));
        // What folds to a name is that name; what only looks like one is not.
        assert_eq!(
            found.items.is_empty(),
            name.contains('\u{200b}'),
            "{name:?}"
        );
    }
}

/// What clients send all day, and words that only look like fields.
#[test]
fn s29_ordinary_requests_are_not_touched() {
    let inline = "data:image/png;base64,iVBORw0KGgo=";
    let ordinary = [
        chat(|_| {}),
        chat(|b| b["metadata"] = json!({ "user_id": "user_1_account_2" })),
        chat(|b| b["store"] = json!(false)),
        chat(|b| b["prompt_cache_retention"] = json!("in_memory")),
        chat(|b| b["tool_choice"] = json!("required")),
        chat(|b| b["tool_choice"] = json!({ "type": "function", "function": { "name": "f" } })),
        chat(|b| b["tool_choice"] = json!({ "type": "tool", "name": "f" })),
        chat(|b| {
            b["tools"] = json!([{ "type": "function", "function": { "name": "f", "parameters": {
            "type": "object",
            "properties": { "webhook_url": { "type": "string" }, "store": {}, "file_id": {}, "image_url": {} },
        } } }])
        }),
        chat(|b| {
            b["tools"] =
                json!([{ "name": "f", "description": "d", "input_schema": { "type": "object" } }])
        }),
        chat(|b| b["tools"] = json!([{ "type": "custom", "name": "f" }])),
        chat(|b| {
            b["response_format"] =
                json!({ "type": "json_schema", "json_schema": { "store": true } })
        }),
        chat(|b| {
            b["messages"] = json!([
                { "role": "assistant", "content": null, "tool_calls": [{ "id": "1", "type": "function", "function": {
                    "name": "f", "arguments": "{\"file_id\":\"x\",\"image_url\":\"https://example.org\"}" } }] },
                { "role": "tool", "tool_call_id": "1", "content": "store: see https://example.org/image_url" },
            ])
        }),
        with_part(
            json!({ "type": "text", "text": "image_url: https://example.org file_id store webhook" }),
        ),
        with_part(json!({ "type": "image_url", "image_url": { "url": inline } })),
        with_part(json!({ "type": "image_url", "image_url": { "url": inline.to_uppercase() } })),
        with_part(
            json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "QQ==" } }),
        ),
        with_part(
            json!({ "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ==" } }),
        ),
        with_part(
            json!({ "type": "tool_use", "name": "open", "input": { "url": "https://example.org" } }),
        ),
        json!({ "model": "m", "prompt": "complete: store", "suffix": "x" }),
        json!({ "model": "m", "messages": [{ "role": "user", "content": "hi", "images": ["QQ=="] }], "options": { "num_ctx": 1 } }),
        json!({ "model": "m", "input": ["a", "b"] }),
    ];
    for body in ordinary {
        let findings = inspect(&body);
        assert!(findings.items.is_empty(), "{body}: {:?}", findings.items);
    }
}

#[test]
fn s29_what_has_two_readings_has_no_verdict() {
    for unreadable in [
        &br#"{"store":true,"store":false,"messages":[]}"#[..],
        br#"{"messages":[],"metadata":{"a":1,"a":2}}"#,
        b"[]",
        b"\"text\"",
        b"not json",
        b"{} {}",
        b"\xff\xfe",
    ] {
        let verdict = inspect_bytes(SecondHand::Refuse, unreadable);
        assert_eq!(verdict, Err(ValidatorError::Undecodable));
    }
    assert!(
        inspect_bytes(SecondHand::Refuse, b"")
            .expect("a verdict")
            .items
            .is_empty()
    );
}

#[test]
fn s29_the_work_is_bounded() {
    let record = fixture::relay();
    let prepared = fixture::prepared(&record, "m", "hello");
    let verdict = SecondHandValidator::new(SecondHand::Refuse)
        .inspect(&EnvelopeView::new(&prepared), &mut WorkBudget::new(5));
    assert_eq!(verdict, Err(ValidatorError::Budget));
}

#[test]
fn s29_each_mode_is_a_ruleset_of_its_own() {
    let epoch = |mode| SecondHandValidator::new(mode).epoch();
    assert_ne!(epoch(SecondHand::Refuse), epoch(SecondHand::Ask));
    assert_eq!(epoch(SecondHand::Ask), epoch(SecondHand::Ask));
}

/// At the gate: refused by default; where policy asks, this very call and never a lease.
#[tokio::test]
async fn s29_at_the_gate_it_is_refused_or_asked_for_each_time() {
    let record = Arc::new(fixture::relay());
    let body = with_field("store", json!(true)).to_string().into_bytes();
    let world = |mode| World::with_validators(1, vec![Arc::new(SecondHandValidator::new(mode))]);
    let strict = world(SecondHand::Refuse);
    strict.register(&record).await;
    let request = strict.egress(&record, fixture::prepared_body(&record, "m", body.clone()));
    let Authorization::Denied(denied) = strict.gate.clear(request).await else {
        panic!("not denied")
    };
    assert_eq!(denied.error.code, ErrorCode::LeakageBlocked);
    let asking = world(SecondHand::Ask);
    asking.register(&record).await;
    let request = asking.egress(&record, fixture::prepared_body(&record, "m", body));
    let Authorization::AwaitingConsent(awaiting) = asking.gate.clear(request.clone()).await else {
        panic!("not asked")
    };
    assert_eq!(awaiting.plan.ext.second_hand, ["/store"]);
    let lease = asking.lease(&awaiting);
    asking
        .memory
        .put_receipt(lease.consent_receipt_id, asking.sign(&lease));
    let Authorization::AwaitingConsent(_) = asking.gate.clear(request.clone()).await else {
        panic!("a lease covered second-hand egress")
    };
    asking.approve(&awaiting);
    let Authorization::Cleared(_) = asking.gate.clear(request).await else {
        panic!("not cleared")
    };
}

/// An empty object switches a search on, and a list of models lets another one answer.
#[tokio::test]
async fn rt_b11_at_the_gate_what_is_there_is_refused() {
    let record = Arc::new(fixture::relay());
    for (name, value) in [
        ("web_search_options", json!({})),
        ("models", json!(["m", "other"])),
        ("models", json!([])),
        ("fallbacks", json!([])),
        ("route", json!("fallback")),
        ("plugins", json!([])),
        ("previous_response_id", json!("")),
    ] {
        let validator = SecondHandValidator::new(SecondHand::Refuse);
        let world = World::with_validators(1, vec![Arc::new(validator)]);
        world.register(&record).await;
        let body = with_field(name, value.clone()).to_string().into_bytes();
        let request = world.egress(&record, fixture::prepared_body(&record, "m", body));
        let Authorization::Denied(denied) = world.gate.clear(request).await else {
            panic!("not denied: {name} {value}")
        };
        assert_eq!(
            denied.error.code,
            ErrorCode::LeakageBlocked,
            "{name} {value}"
        );
        let events = world.memory.event_ids();
        assert_eq!(events, ["FR-EVT-EGRESS-002", "FR-EVT-CLOUD-003"]);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z:/.]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = proptest::sample::select(vec![
            "role",
            "content",
            "type",
            "text",
            "url",
            "source",
            "image_url",
            "file_id",
            "messages",
            "tools",
            "store",
            "x",
        ]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..4).prop_map(|members| members
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the body: a verdict or none, never a panic; every pointer leads somewhere; and a field that
    /// reaches further is found whatever else there is.
    #[test]
    fn s29_nothing_hides_a_field(body in json_value(), at in 0usize..71) {
        let verdict = inspect_bytes(SecondHand::Refuse, body.to_string().as_bytes());
        prop_assert_eq!(verdict.is_ok(), body.is_object());
        for item in verdict.iter().flat_map(|findings| &findings.items) {
            let pointer = item.pointer.as_deref().expect("a pointer");
            prop_assert!(body.pointer(pointer).is_some(), "{}", pointer);
        }
        if let Value::Object(mut members) = body {
            let fields = second_hand_fields();
            let (name, value) = &fields[at % fields.len()];
            members.insert((*name).to_owned(), value.clone());
            let findings = inspect(&Value::Object(members));
            prop_assert_eq!(findings.worst(), Some(FindingLevel::Block));
        }
    }
}
