//! Places that stand-ins replace: the validator says where, what is left is looked at again.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose as b64};
use bytes::Bytes;
use handshake_core::{
    base_url::BaseUrl,
    digest::CommitmentKey,
    envelope::{Envelope, EnvelopeView, Method, Prepared},
    finding::{FindingClass, FindingLevel, LeakageFinding, WorkBudget},
    ids::{ExternalId, ModelId, Principal, PrincipalKind, ProviderId, SessionId, Token},
    ports::LeakageValidator,
    redact::{StandIns, is_redactable, redact_body},
    reply::ReplySpec,
    secret::Secret,
};
use handshake_leakage::{Engine, Enrolment, SecretValidator, SharedEnrolment};
use proptest::prelude::*;
use serde_json::{Value, json};

const VALUE: &str = "vK7-mQ2x.Lp9Rw4Tz8Yb3Nc6Hd";

fn validator() -> SecretValidator {
    let mut set = Enrolment::new(1);
    set.add(&Secret::new(VALUE.as_bytes().to_vec()))
        .expect("enrolled");
    SecretValidator::new(Engine::builtin(), SharedEnrolment::new(set))
}

fn prepared(body: &[u8]) -> Prepared {
    let envelope = Envelope {
        method: Method::Post,
        base_url: BaseUrl::parse("https://api.example.com").expect("a base url"),
        path: "/v1/chat/completions".to_owned(),
        headers: BTreeMap::new(),
        provider_id: ProviderId::new("example").expect("an id"),
        revision: 1,
        model_id: Some(ModelId::new("m").expect("an id")),
        body: Bytes::copy_from_slice(body),
    };
    let reply = ReplySpec::offline(Token::new("unit").expect("a token"), true);
    Prepared::new(envelope, reply, Vec::new())
}

fn stand_ins(kind: PrincipalKind) -> StandIns {
    let principal = Principal {
        kind,
        name: ExternalId::new("somebody").expect("an id"),
    };
    let key = CommitmentKey::new([9; 32]).expect("a key");
    StandIns::new(key, &principal, SessionId::new("s").expect("an id"))
}

/// The body as it is sent, and what would be found in it.
struct Sent {
    body: String,
    left: Vec<LeakageFinding>,
}

fn sent(body: &str, kind: PrincipalKind) -> Sent {
    let validator = validator();
    let prepared_body = prepared(body.as_bytes());
    let stand_ins = stand_ins(kind);
    let mut budget = WorkBudget::new(256 << 20);
    let places = validator
        .places(
            &EnvelopeView::new(&prepared_body),
            stand_ins.enrolled(),
            &mut budget,
        )
        .expect("places");
    let redacted = redact_body(body.as_bytes(), &places, &stand_ins);
    let body = redacted.map_or_else(
        || body.to_owned(),
        |(body, _)| String::from_utf8(body).expect("text"),
    );
    let after = prepared(body.as_bytes());
    let mut budget = WorkBudget::new(256 << 20);
    let left = validator
        .inspect(&EnvelopeView::new(&after), &mut budget)
        .expect("a verdict")
        .items
        .into_iter()
        .filter(|item| item.level >= FindingLevel::Ask && is_redactable(item.class))
        .collect();
    Sent { body, left }
}

fn chat(text: &str) -> String {
    json!({ "model": "m", "messages": [{ "role": "user", "content": text }] }).to_string()
}

#[test]
fn a9_an_enrolled_value_is_gone_in_each_encoding() {
    let (a, b) = VALUE.split_at(VALUE.len() / 2);
    for (name, text) in [
        ("plain", format!("it is {VALUE}.")),
        ("twice", format!("{VALUE} and ünïcode {VALUE}")),
        ("base64", b64::STANDARD.encode(VALUE)),
        (
            "base64 within",
            format!("see {} there", b64::STANDARD.encode(format!("ab{VALUE}yz"))),
        ),
        (
            "base64 of base64",
            b64::URL_SAFE_NO_PAD.encode(b64::STANDARD.encode(VALUE)),
        ),
        ("reversed", VALUE.chars().rev().collect()),
        ("hex", VALUE.bytes().map(|b| format!("{b:02x}")).collect()),
        (
            "percent",
            VALUE.bytes().map(|b| format!("%{b:02X}")).collect(),
        ),
        (
            "entities",
            VALUE.bytes().map(|b| format!("&#{b};")).collect(),
        ),
        ("spaced", VALUE.chars().map(|c| format!("{c} ")).collect()),
        (
            "invisible",
            VALUE.chars().map(|c| format!("{c}\u{200b}")).collect(),
        ),
        ("pieces", format!("\"{a}\" + \"{b}\"")),
        ("nested", json!({ "q": { "k": VALUE } }).to_string()),
        (
            "escaped in nested",
            format!(r#"{{"q":"{}"}}"#, VALUE.replace('-', "\\u002d")),
        ),
    ] {
        let sent = sent(&chat(&text), PrincipalKind::Terminal);
        assert!(
            sent.left.is_empty(),
            "{name}: {:?} in {}",
            sent.left,
            sent.body
        );
        assert!(
            sent.body.contains("[REDACTED:secret:"),
            "{name}: {}",
            sent.body
        );
        assert!(!sent.body.contains(&text), "{name}");
        assert!(!sent.body.contains(a) && !sent.body.contains(b), "{name}");
        let again = self::sent(&sent.body, PrincipalKind::Terminal);
        assert_eq!(again.body, sent.body, "{name}: twice is once");
    }
}

#[test]
fn a9_text_around_a_value_stays() {
    let sent = sent(
        &chat(&format!("before «{VALUE}» after")),
        PrincipalKind::Terminal,
    );
    let (before, after) = (r#""content":"before «[REDACTED:secret:"#, "]» after\"");
    assert!(sent.body.contains(before), "{}", sent.body);
    assert!(sent.body.contains(after), "{}", sent.body);
}

#[test]
fn a9_every_rule_s_samples_are_replaced() {
    let engine = Engine::builtin();
    let (mut missed, mut tried) = (Vec::new(), 0);
    for rule in engine.rules() {
        for seed in 0..4 {
            let sample = engine.sample(rule.id.as_str(), seed).expect("a rule");
            let text = chat(&format!("see:\n{sample}\nand go on"));
            let found = engine.scan_text(&text).expect("within budget");
            let at_stake =
                |f: &LeakageFinding| f.level >= FindingLevel::Ask && is_redactable(f.class);
            if !found.iter().any(at_stake) {
                continue;
            }
            tried += 1;
            let sent = sent(&text, PrincipalKind::Client);
            if !sent.left.is_empty() || !sent.body.contains("[REDACTED:") {
                missed.push(format!("{} {seed}: {:?}", rule.id, sent.left));
            }
        }
    }
    assert!(tried > 400, "{tried}");
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a9_what_has_no_place_of_its_own_still_blocks() {
    let token = Engine::builtin()
        .sample("openai-project-key", 5)
        .expect("a rule");
    let (a, b) = token.split_at(token.len() / 2);
    let codes: Vec<u32> = token.bytes().map(u32::from).collect();
    for (name, body) in [
        ("a name", json!({ "metadata": { token.clone(): 1 } })),
        ("the model", json!({ "model": token })),
        (
            "a tool",
            json!({ "tools": [{ "function": { "name": token } }] }),
        ),
        (
            "a url",
            json!({ "messages": [{ "content": [{ "image_url": { "url": token } }] }] }),
        ),
        ("an id", json!({ "messages": [{ "tool_call_id": token }] })),
        ("codes", json!({ "metadata": { "k": codes } })),
        (
            "two texts",
            json!({ "messages": [{ "content": format!("x {a}") }, { "content": format!("{b} y") }] }),
        ),
        (
            "an enrolled value in two texts",
            json!({ "messages": [{ "content": VALUE[..16] }, { "content": VALUE[16..] }] }),
        ),
        (
            "a part of one",
            json!({ "messages": [{ "content": format!("x {} y", &VALUE[..16]) }] }),
        ),
        (
            "a whole one that goes on",
            json!({ "messages": [{ "content": format!("x {}", &token[..100]) }, { "content": &token[100..] }] }),
        ),
        (
            "data",
            json!({ "messages": [{ "content": [{ "data": b64::STANDARD.encode(&token) }] }] }),
        ),
    ] {
        let body = body.to_string();
        let sent = sent(&body, PrincipalKind::Terminal);
        let blocks = |f: &LeakageFinding| f.level == FindingLevel::Block;
        assert!(sent.left.iter().any(blocks), "{name}: {}", sent.body);
    }
}

#[test]
fn a9_a_private_key_takes_its_text_with_it() {
    let key = Engine::builtin().rules().into_iter().find_map(|rule| {
        (rule.class == FindingClass::PrivateKey)
            .then(|| Engine::builtin().sample(rule.id.as_str(), 1))
            .flatten()
    });
    let text = format!("my key\n{}\nand my name", key.expect("a rule"));
    let sent = sent(&chat(&text), PrincipalKind::Terminal);
    assert!(sent.left.is_empty(), "{:?}", sent.left);
    assert!(!sent.body.contains("my name"), "{}", sent.body);
}

#[test]
fn s49_a_client_gets_no_stand_in_for_an_enrolled_value() {
    let token = Engine::builtin().sample("github-token", 3).expect("a rule");
    // By itself, beside something that a rule finds, in an encoding: what it blocks today it blocks.
    for text in [
        VALUE.to_owned(),
        format!("{VALUE} {token}"),
        b64::STANDARD.encode(VALUE),
    ] {
        let sent = sent(&chat(&text), PrincipalKind::Client);
        let enrolled = |f: &LeakageFinding| f.class == FindingClass::Enrolled;
        assert!(sent.left.iter().any(enrolled), "{text}");
    }
    // What a rule finds is replaced whether or not it is enrolled: its sender cannot tell.
    let mut set = Enrolment::new(1);
    set.add(&Secret::new(token.as_bytes().to_vec()))
        .expect("enrolled");
    let enrolled = SecretValidator::new(Engine::builtin(), SharedEnrolment::new(set));
    let body = chat(&format!("it is {token}."));
    let mut said = Vec::new();
    for validator in [enrolled, validator()] {
        let mut budget = WorkBudget::new(256 << 20);
        let prepared_body = prepared(body.as_bytes());
        let view = EnvelopeView::new(&prepared_body);
        let places = validator.places(&view, false, &mut budget).expect("places");
        let stand_ins = stand_ins(PrincipalKind::Client);
        let (redacted, _) =
            redact_body(body.as_bytes(), &places, &stand_ins).expect("something is replaced");
        let after = prepared(&redacted);
        let found = validator
            .inspect(&EnvelopeView::new(&after), &mut budget)
            .expect("a verdict");
        said.push((redacted, found.worst()));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0].1, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a9_whatever_is_replaced_can_be_put_back(
        pieces in proptest::collection::vec(0usize..14, 1..16), cut in 0usize..64,
    ) {
        let token = Engine::builtin().sample("github-token", 7).expect("a rule");
        let all = [
            VALUE, &VALUE[..cut.min(VALUE.len())], &token, &token[..cut.min(token.len())],
            "password = \"aX9-kk2!qWe71\"", "\"", "\\", "\n", "é漢😀", "{\"k\":\"", "\"}", " ", "%2D", "data:image/png;base64,",
        ];
        let text: String = pieces.iter().map(|at| all[*at]).collect();
        let body = json!({ "messages": [{ "content": text }, { "content": [{ "text": VALUE }] }] });
        let written = body.to_string();
        let before = prepared(written.as_bytes());
        let stand_ins = stand_ins(PrincipalKind::Terminal);
        let mut budget = WorkBudget::new(256 << 20);
        let places = validator().places(&EnvelopeView::new(&before), true, &mut budget).expect("places");
        let (out, applied) = redact_body(written.as_bytes(), &places, &stand_ins).expect("one at least");
        let mut back: Value = serde_json::from_slice(&out).expect("JSON");
        for pointer in ["/messages/0/content", "/messages/1/content/0/text"] {
            let Some(Value::String(text)) = back.pointer_mut(pointer) else { continue };
            *text = stand_ins.restored(text, &mut 1_000_000).into_owned();
        }
        prop_assert_eq!(back, body);
        let sent = String::from_utf8(out).expect("text");
        for one in applied {
            prop_assert_eq!(sent.matches(&one.stand_in).count(), one.count as usize);
        }
    }
}
