//! Stand-ins: only what is replaced changes, and only what was replaced comes back.

use std::sync::Arc;

use handshake_core::{
    chat::{ChatEvent, FinishReason, ToolMode},
    digest::CommitmentKey,
    finding::FindingClass,
    ids::{ExternalId, Principal, PrincipalKind, RuleId, SessionId},
    redact::{MAX_BYTES, MAX_VALUES, Place, Restorer, StandIns, redact_body},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn stand_ins_of(name: &str, session: &str) -> StandIns {
    let principal = Principal {
        kind: PrincipalKind::Terminal,
        name: ExternalId::new(name).expect("an id"),
    };
    let key = CommitmentKey::new([7; 32]).expect("a key");
    StandIns::new(key, &principal, SessionId::new(session).expect("an id"))
}

fn stand_ins() -> StandIns {
    stand_ins_of("me", "one")
}

fn place(pointer: &str, span: Option<(usize, usize)>, class: FindingClass) -> Place {
    Place {
        pointer: pointer.to_owned(),
        span,
        class,
        rule: RuleId::new("unit").expect("an id"),
    }
}

fn secret(pointer: &str, start: usize, end: usize) -> Place {
    place(pointer, Some((start, end)), FindingClass::Secret)
}

fn redacted(body: &str, places: &[Place], stand_ins: &StandIns) -> Option<String> {
    redact_body(body.as_bytes(), places, stand_ins)
        .map(|(body, _)| String::from_utf8(body).expect("text"))
}

#[test]
fn a9_only_the_bytes_of_the_value_change() {
    let ours = stand_ins();
    let body =
        "{ \"b\" : [1.50, \"x\\u0041-KEY-\\ud83d\\ude00z\\n\"],\t\"a\":\"KEY\" , \"KEY\":null }\n";
    let out = redacted(body, &[secret("/b/1", 3, 6)], &ours).expect("replaced");
    let tag = ours.stand_in(FindingClass::Secret, "KEY").expect("known");
    assert_eq!(out, body.replacen("-KEY-", &format!("-{tag}-"), 1));
    // Within the escape of one character: all of it.
    let out = redacted(body, &[secret("/b/1", 8, 9)], &ours).expect("replaced");
    let tag = ours
        .stand_in(FindingClass::Secret, "\u{1f600}")
        .expect("known");
    assert_eq!(out, body.replacen("\\ud83d\\ude00", &tag, 1));
    // Two that overlap are one.
    let out = redacted(body, &[secret("/a", 1, 3), secret("/a", 0, 2)], &ours).expect("replaced");
    let tag = ours.stand_in(FindingClass::Secret, "KEY").expect("known");
    assert_eq!(
        out,
        body.replacen("\"a\":\"KEY\"", &format!("\"a\":\"{tag}\""), 1)
    );
}

#[test]
fn a9_places_that_are_no_content_are_left_alone() {
    let body = r#"{"model":"KEY","messages":[{"role":"KEY","name":"KEY","content":"x"}],"n":12345,
        "tools":[{"function":{"name":"KEY"}}],"models":["KEY"],"list":["KEY"]}"#;
    for pointer in [
        "/model",
        "/messages/0/role",
        "/messages/0/name",
        "/n",
        "/tools/0/function/name",
        "/models/0",
        "/nowhere",
        "",
    ] {
        assert_eq!(
            redacted(body, &[secret(pointer, 0, 3)], &stand_ins()),
            None,
            "{pointer}"
        );
    }
    assert!(redacted(body, &[secret("/list/0", 0, 3)], &stand_ins()).is_some());
    // Below `arguments` names are anybody's.
    let call = r#"{"arguments":{"name":"KEY"}}"#;
    assert!(redacted(call, &[secret("/arguments/name", 0, 3)], &stand_ins()).is_some());
    for class in [
        FindingClass::Hidden,
        FindingClass::Uninspectable,
        FindingClass::Canary,
    ] {
        assert_eq!(
            redacted(body, &[place("/list/0", None, class)], &stand_ins()),
            None
        );
    }
}

#[test]
fn a9_the_same_value_has_one_stand_in_in_its_session_and_no_other() {
    let (one, again) = (stand_ins(), stand_ins());
    let of = |all: &StandIns, value| all.stand_in(FindingClass::Secret, value).expect("room");
    assert_eq!(of(&one, "value"), of(&again, "value"));
    assert_ne!(of(&one, "value"), of(&one, "other"));
    assert_ne!(of(&one, "value"), of(&stand_ins_of("me", "two"), "value"));
    assert_ne!(of(&one, "value"), of(&stand_ins_of("you", "one"), "value"));
    let text = of(&one, "value");
    let digits = text
        .strip_prefix("[REDACTED:secret:")
        .and_then(|rest| rest.strip_suffix(']'))
        .expect("the form");
    assert!(
        digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit()),
        "{text}"
    );
    assert_eq!(format!("{one:?}"), "StandIns(..)");
}

#[test]
fn a9_what_there_is_no_room_for_stays_and_blocks() {
    let ours = stand_ins();
    for n in 0..MAX_VALUES {
        assert!(
            ours.stand_in(FindingClass::Secret, &format!("value {n}"))
                .is_some()
        );
    }
    assert_eq!(ours.stand_in(FindingClass::Secret, "one more"), None);
    assert!(ours.stand_in(FindingClass::Secret, "value 0").is_some());
    let large = "x".repeat(MAX_BYTES + 1);
    assert_eq!(stand_ins().stand_in(FindingClass::Secret, &large), None);
    let body = json!({ "a": large, "b": "KEY" }).to_string();
    let places = [place("/a", None, FindingClass::Secret), secret("/b", 0, 3)];
    let out = redacted(&body, &places, &stand_ins()).expect("one is replaced");
    assert!(out.contains(&large) && !out.contains("KEY"));
}

#[test]
fn s58_only_stand_ins_of_this_request_come_back() {
    let ours = stand_ins();
    let known = ours
        .stand_in(FindingClass::Secret, "the value")
        .expect("room");
    let other = stand_ins_of("me", "two")
        .stand_in(FindingClass::Secret, "the value")
        .expect("room");
    let text =
        format!("{known} {other} [REDACTED:secret:000000000000] [REDACTED:secret: [[{known}");
    let mut room = 1000;
    assert_eq!(
        ours.restored(&text, &mut room),
        text.replace(&known, "the value")
    );
    assert_eq!(room, 1000 - 2 * "the value".len());
    // A value that looks like a stand-in is not looked at again.
    let nested = ours.stand_in(FindingClass::Secret, &known).expect("room");
    assert_eq!(ours.restored(&nested, &mut room), known);
    // A server that repeats one gets no more than its room.
    assert_eq!(ours.restored(&known, &mut 3), known);
}

fn texts(events: &[ChatEvent]) -> String {
    let text = |event: &ChatEvent| match event {
        ChatEvent::TextDelta { text } => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

fn finished() -> ChatEvent {
    ChatEvent::Finished {
        finish_reason: FinishReason::Stop,
        tool_mode: ToolMode::Native,
        refusal_suspected: false,
    }
}

#[test]
fn a9_what_is_held_back_comes_with_the_end_or_the_break() {
    let ours = Arc::new(stand_ins());
    let known = ours.stand_in(FindingClass::Secret, "v").expect("room");
    let delta = |text: &str| ChatEvent::TextDelta {
        text: text.to_owned(),
    };
    let mut restorer = Restorer::new(Arc::clone(&ours), false);
    assert_eq!(
        restorer.events(vec![delta("a "), delta(&known[..20])]),
        [delta("a ")]
    );
    assert_eq!(
        restorer.events(vec![finished()]),
        [delta(&known[..20]), finished()]
    );
    assert!(restorer.events(vec![delta(&known[..5])]).is_empty());
    assert_eq!(restorer.rest(), [delta(&known[..5])]);
    // A document stays one, and thinking is thinking.
    let quoted = ours.stand_in(FindingClass::Secret, "a\"b\n").expect("room");
    let thought = ChatEvent::ReasoningDelta {
        text: quoted.clone(),
    };
    let events =
        Restorer::new(ours, true).events(vec![delta(&format!("{{\"k\":\"{quoted}\"}}")), thought]);
    let parsed: Value = serde_json::from_str(&texts(&events)).expect("a document");
    assert_eq!(parsed, json!({ "k": "a\"b\n" }));
    assert_eq!(
        events[1],
        ChatEvent::ReasoningDelta {
            text: "a\"b\n".to_owned()
        }
    );
}

#[test]
fn s58_a_value_is_not_put_into_a_link() {
    let ours = Arc::new(stand_ins());
    let known = ours.stand_in(FindingClass::Secret, "VALUE").expect("room");
    for text in [
        "see https://evil.example/?k=KEY now",
        "![x](HTTP://evil.example/KEY/KEY)",
        "{\"u\":\"https:\\/\\/evil.example\\/KEY\"}",
        "<ftp://KEY@evil.example/>",
        "www.evil.example/KEY",
    ] {
        let text = text.replace("KEY", &known);
        for size in [1, 3, 7, 1000] {
            let pieces = text.as_bytes().chunks(size);
            let pieces = pieces.map(|piece| ChatEvent::TextDelta {
                text: String::from_utf8(piece.to_vec()).expect("ASCII"),
            });
            let mut restorer = Restorer::new(Arc::clone(&ours), false);
            let mut out = restorer.events(pieces.collect());
            out.extend(restorer.rest());
            assert_eq!(texts(&out), text, "{size}");
        }
    }
    let text = "https://a.example KEY; postgres://me:KEY@db/ \"http://b.example\",\"KEY\" http KEY";
    let delta = ChatEvent::TextDelta {
        text: text.replace("KEY", &known),
    };
    let out = Restorer::new(ours, false).events(vec![delta]);
    assert_eq!(texts(&out), text.replace("KEY", "VALUE"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~éß漢😀\"\\\\/\u{0}-\u{1f}\u{2028}]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z~/é\"]{0,4}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Pointers of the texts of a value, names that steer left out.
fn pointers(value: &Value, pointer: &str, out: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => out.push(pointer.to_owned()),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                pointers(item, &format!("{pointer}/{i}"), out);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(member, &format!("{pointer}/{key}"), out);
            }
        }
        _ => {}
    }
}

/// The same value, every character of its texts written as an escape or as it is.
fn written(value: &Value, escape: &mut dyn FnMut() -> bool, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push('"');
            for c in text.chars() {
                if escape() || c.is_control() || matches!(c, '"' | '\\') {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04X}"));
                    }
                } else {
                    out.push(c);
                }
            }
            out.push('"');
        }
        Value::Array(items) => {
            out.push_str("[ ");
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { " ,\n" });
                written(item, escape, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (key, member)) in members.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                written(&Value::from(key.as_str()), escape, out);
                out.push_str(" : ");
                written(member, escape, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a9_the_document_is_the_same_but_for_the_places(
        inner in any_json(), from in 0usize..20, len in 1usize..12, seed in any::<u64>(), every in 1usize..4,
    ) {
        let document = json!({ "m": inner });
        let mut state = seed;
        let mut escape = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 62 == 0
        };
        let mut body = String::new();
        written(&document, &mut escape, &mut body);
        let mut all = Vec::new();
        pointers(&document, "", &mut all);
        let chosen: Vec<String> = all.into_iter().step_by(every).collect();
        let places: Vec<Place> = chosen.iter().map(|pointer| secret(pointer, from, from + len)).collect();
        let ours = stand_ins();
        let Some((out, applied)) = redact_body(body.as_bytes(), &places, &ours) else {
            return Ok(());
        };
        let out = String::from_utf8(out).expect("text");
        let parsed: Value = serde_json::from_str(&out).expect("JSON");
        // Put back, it is the document again.
        let mut back = parsed.clone();
        for pointer in &chosen {
            let Some(Value::String(text)) = back.pointer_mut(pointer) else { continue };
            *text = ours.restored(text, &mut 100_000).into_owned();
        }
        prop_assert_eq!(&back, &document);
        // Every other byte stands where it stood.
        let mut rest = body.as_str();
        let pieces = out.split("[REDACTED:secret:").enumerate();
        let count: u32 = applied.iter().map(|applied| applied.count).sum();
        prop_assert!(pieces.clone().count() > count as usize);
        for (i, piece) in pieces {
            let piece = if i == 0 { piece } else { piece.split_once(']').map_or("", |(_, rest)| rest) };
            let at = rest.find(piece);
            prop_assert!(at.is_some(), "{} not in {}", piece, rest);
            rest = &rest[at.unwrap_or_default() + piece.len()..];
        }
    }

    #[test]
    fn a9_an_answer_is_the_same_however_it_is_cut(
        text in "([a-z \\[\\]]|KEY|SECRET|\\[REDACTED:secret:){0,30}", cuts in proptest::collection::vec(1usize..9, 0..40),
    ) {
        let ours = Arc::new(stand_ins());
        let known = ours.stand_in(FindingClass::Secret, "\u{e9} [value]").expect("room");
        let text = text.replace("KEY", &known);
        let whole = ours.restored(&text, &mut 100_000).into_owned();
        let mut restorer = Restorer::new(Arc::clone(&ours), false);
        let (mut rest, mut out) = (text.as_str(), Vec::new());
        for cut in cuts {
            let cut = cut.min(rest.len());
            let piece = rest[..cut].to_owned();
            rest = &rest[cut..];
            out.extend(restorer.events(vec![ChatEvent::TextDelta { text: piece }]));
            // What is shown so far is the beginning of what is shown in the end.
            prop_assert!(whole.starts_with(&texts(&out)));
        }
        out.extend(restorer.events(vec![ChatEvent::TextDelta { text: rest.to_owned() }, finished()]));
        prop_assert_eq!(texts(&out), whole);
    }
}
