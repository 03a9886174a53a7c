//! The validator over an envelope: path, headers, body, binary parts, token ids.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose as b64};
use bytes::Bytes;
use handshake_core::{
    base_url::BaseUrl,
    envelope::{Envelope, EnvelopeView, HeaderValue, Method, Prepared},
    finding::{FindingClass, FindingLevel, Findings, ValidatorError, WorkBudget},
    ids::{ModelId, ProviderId, Token},
    ports::LeakageValidator,
    reply::ReplySpec,
    secret::Secret,
};
use handshake_leakage::{Engine, Enrolment, SecretValidator, SharedEnrolment};

const VALUE: &str = "vK7-mQ2x.Lp9Rw4Tz8Yb3Nc6Hd";

fn envelope(headers: &[(&str, &str)], body: &[u8]) -> Envelope {
    Envelope {
        method: Method::Post,
        base_url: BaseUrl::parse("https://api.example.com").expect("a base url"),
        path: "/v1/chat/completions".to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), HeaderValue::Plain((*value).to_owned())))
            .collect::<BTreeMap<_, _>>(),
        provider_id: ProviderId::new("example").expect("an id"),
        revision: 1,
        model_id: Some(ModelId::new("m").expect("an id")),
        body: Bytes::copy_from_slice(body),
    }
}

fn inspect(envelope: &Envelope) -> Result<Findings, ValidatorError> {
    let mut set = Enrolment::new(7);
    set.add(&Secret::new(VALUE.as_bytes().to_vec()))
        .expect("enrolled");
    let validator = SecretValidator::new(Engine::builtin(), SharedEnrolment::new(set));
    let prepared = prepared(envelope.clone());
    validator.inspect(
        &EnvelopeView::new(&prepared),
        &mut WorkBudget::new(64 << 20),
    )
}

fn prepared(envelope: Envelope) -> Prepared {
    let reply = ReplySpec::offline(Token::new("unit").expect("a token"), true);
    Prepared::new(envelope, reply, Vec::new())
}

fn worst(body: &str) -> Option<FindingLevel> {
    inspect(&envelope(&[], body.as_bytes()))
        .expect("a verdict")
        .worst()
}

fn token() -> String {
    Engine::builtin()
        .sample("openai-project-key", 5)
        .expect("a rule")
}

#[test]
fn rt_cloud_002_a_secret_anywhere_in_the_envelope_blocks() {
    let t = token();
    for body in [
        format!(r#"{{"messages":[{{"role":"system","content":"{t}"}}]}}"#),
        format!(
            r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"a {t} b"}}]}}]}}"#
        ),
        format!(r#"{{"tools":[{{"function":{{"name":"f","description":"{t}"}}}}]}}"#),
        format!(r#"{{"tools":[{{"function":{{"parameters":{{"enum":["{t}"]}}}}}}]}}"#),
        format!(r#"{{"tools":[{{"function":{{"parameters":{{"default":"{t}"}}}}}}]}}"#),
        format!(r#"{{"stop":["{t}"]}}"#),
        format!(r#"{{"logit_bias":{{"{t}":1}}}}"#),
        format!(r#"{{"metadata":{{"k":"{t}"}},"user":"x"}}"#),
        format!(r#"{{"user":"{t}"}}"#),
        format!(r#"{{"model":"{t}"}}"#),
        format!(
            r#"{{"messages":[{{"tool_calls":[{{"function":{{"arguments":"{{\"q\":\"{t}\"}}"}}}}]}}]}}"#
        ),
        format!(r#"{{"a":"x","a":"{t}","a":"y"}}"#),
        format!("not json at all: {t}"),
    ] {
        assert_eq!(worst(&body), Some(FindingLevel::Block), "{body}");
    }
    let header = inspect(&envelope(&[("x-title", &t)], b"{}")).expect("a verdict");
    assert_eq!(header.items[0].pointer.as_deref(), Some("#header/x-title"));
    let mut path = envelope(&[], b"{}");
    path.path = format!("/v1/{t}");
    assert_eq!(
        inspect(&path).expect("a verdict").items[0]
            .pointer
            .as_deref(),
        Some("#path")
    );
}

#[test]
fn a9_a_finding_says_where_and_never_what() {
    let t = token();
    let body = format!(r#"{{"messages":[{{"content":"use {t}"}}]}}"#);
    let found = inspect(&envelope(&[], body.as_bytes())).expect("a verdict");
    let first = &found.items[0];
    assert_eq!(first.pointer.as_deref(), Some("/messages/0/content"));
    assert_eq!(
        (first.start, first.end),
        (Some(4), Some(4 + t.len() as u64))
    );
    let shown = format!("{found:?}");
    assert!(
        t.as_bytes()
            .windows(12)
            .skip(8)
            .all(|w| !shown.contains(&*String::from_utf8_lossy(w)))
    );
    assert_eq!(found.enrolment, 7);
}

#[test]
fn a9_an_ordinary_request_is_clean() {
    let body = r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"system","content":"You are helpful."},
        {"role":"user","content":"Write a function that checks a password's length."},
        {"role":"assistant","content":null,"tool_calls":[{"id":"call_9pw1qnYScqvGrCH58HWCvFH6","type":"function",
        "function":{"name":"read","arguments":"{\"path\":\"src/main.rs\"}"}}]},
        {"role":"tool","tool_call_id":"call_9pw1qnYScqvGrCH58HWCvFH6","content":"fn main() {}"}]}"#;
    assert_eq!(worst(body), None);
}

#[test]
fn s30_token_ids_are_refused_and_other_integers_are_text() {
    assert_eq!(
        worst(r#"{"input":[1212,318,257]}"#),
        Some(FindingLevel::Block)
    );
    assert_eq!(
        worst(r#"{"input":[[1212,318],[257]]}"#),
        Some(FindingLevel::Block)
    );
    assert_eq!(worst(r#"{"prompt":[1,2,3]}"#), Some(FindingLevel::Block));
    assert_eq!(worst(r#"{"input":["some text"],"dimensions":256}"#), None);
    let codes: Vec<String> = token().bytes().map(|b| b.to_string()).collect();
    assert_eq!(
        worst(&format!(r#"{{"x":[{}]}}"#, codes.join(","))),
        Some(FindingLevel::Block)
    );
}

#[test]
fn s30_binary_parts_are_sniffed() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
    let image = |bytes: &[u8], media: &str| {
        format!(
            r#"{{"image_url":{{"url":"data:{media};base64,{}"}}}}"#,
            b64::STANDARD.encode(bytes)
        )
    };
    assert_eq!(worst(&image(png, "image/png")), Some(FindingLevel::Ask));
    let with_text = [&png[..], b"\0\0\0\x30tEXtComment\0", token().as_bytes()].concat();
    assert_eq!(
        worst(&image(&with_text, "image/png")),
        Some(FindingLevel::Block)
    );
    for (bytes, media) in [
        (&b"%PDF-1.7\n1 0 obj"[..], "application/pdf"),
        (b"ID3\x04\0\0\0\0\0\0", "audio/mpeg"),
        (b"PK\x03\x04\x14\0\0\0", "application/zip"),
        (b"\x00\x01\x02\x03\x04\x05", "image/png"),
        (png, "text/plain"),
    ] {
        assert_eq!(
            worst(&image(bytes, media)),
            Some(FindingLevel::Block),
            "{media}"
        );
    }
    assert_eq!(worst(&image(b"just some words", "text/plain")), None);
    let audio = format!(
        r#"{{"input_audio":{{"data":"{}","format":"wav"}}}}"#,
        b64::STANDARD.encode([1u8; 90])
    );
    assert_eq!(worst(&audio), Some(FindingLevel::Block));
}

#[test]
fn a_provider_s_own_opaque_state_is_not_a_binary_part() {
    let blob = b64::STANDARD.encode(
        (0..900u32)
            .map(|i| (i * 7919 % 251) as u8)
            .collect::<Vec<_>>(),
    );
    let body = format!(
        r#"{{"messages":[{{"content":[{{"type":"thinking","thinking":"hm","signature":"{blob}"}},
        {{"type":"redacted_thinking","data":"{blob}"}}]}}]}}"#
    );
    assert_eq!(worst(&body), None);
}

#[test]
fn hidden_text_is_a_finding() {
    let tagged: String = "go"
        .chars()
        .filter_map(|c| char::from_u32(0xe0000 + c as u32))
        .collect();
    let found = inspect(&envelope(
        &[],
        format!(r#"{{"content":"hi{tagged}"}}"#).as_bytes(),
    ))
    .expect("a verdict");
    assert_eq!(found.items[0].class, FindingClass::Hidden);
    assert_eq!(found.items[0].level, FindingLevel::Block);
}

#[test]
fn s51_enrolled_values_block_in_headers_too_and_say_nothing() {
    let found = inspect(&envelope(&[("x-a", VALUE)], b"{}")).expect("a verdict");
    assert_eq!(found.items.len(), 1);
    assert_eq!(
        (found.items[0].class, &found.items[0].pointer),
        (FindingClass::Enrolled, &None)
    );
}

#[test]
fn a_body_that_is_not_text_has_no_verdict_and_the_budget_is_shared() {
    assert_eq!(
        inspect(&envelope(&[], &[0xff, 0x00])),
        Err(ValidatorError::Undecodable)
    );
    let validator = SecretValidator::new(Engine::builtin(), SharedEnrolment::default());
    let prepared = prepared(envelope(&[], &[b'a'; 5000]));
    let result = validator.inspect(&EnvelopeView::new(&prepared), &mut WorkBudget::new(1000));
    assert_eq!(result, Err(ValidatorError::Budget));
}

#[test]
fn the_epoch_follows_the_enrolled_set() {
    let shared = SharedEnrolment::new(Enrolment::new(1));
    let validator = SecretValidator::new(Engine::builtin(), shared.clone());
    let before = validator.epoch();
    shared.replace(Enrolment::new(2));
    assert_eq!(validator.epoch(), (before.0, 2));
}
