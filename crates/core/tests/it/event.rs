//! Events hold ids, enums, counts and hashes: no free text, and nothing that is not known.

use handshake_core::event::{Event, RecordedEvent};
use schemars::schema_for;
use serde_json::{Value, json};

/// Every string of a schema that is neither bounded by a form nor one of a list, by JSON pointer.
fn free_strings(schema: &Value, at: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            let is_string = match members.get("type") {
                Some(Value::String(name)) => name == "string",
                Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
                _ => false,
            };
            let bounded = ["enum", "const", "pattern", "format"]
                .iter()
                .any(|key| members.contains_key(*key));
            if is_string && !bounded {
                found.push(at.to_owned());
            }
            for (key, value) in members {
                free_strings(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                free_strings(value, &format!("{at}/{n}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a12_s60_no_event_holds_free_text() {
    let mut found = Vec::new();
    free_strings(schema_for!(RecordedEvent).as_value(), "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a12_the_search_for_free_text_finds_it() {
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Careless {
        note: Option<String>,
    }
    let mut found = Vec::new();
    free_strings(schema_for!(Careless).as_value(), "", &mut found);
    assert_eq!(found, ["/properties/note"]);
}

fn swap_failed() -> Value {
    json!({
        "event_id": "5e2f0a34-9f5b-4b35-8d0e-2f3a4b5c6d7e", "timestamp": "2026-01-02T03:04:05.678Z",
        "actor": "system", "model_id": "m", "type": "model_swap_failed",
        "swap_id": "0b2f0a34-9f5b-4b35-8d0e-2f3a4b5c6d7e", "code": "CX-MM-003",
    })
}

fn read(event: &Value) -> bool {
    Event::read(&serde_json::to_vec(event).expect("serialisable")).is_ok()
}

fn with(key: &str, value: Value) -> Value {
    let mut event = swap_failed();
    event[key] = value;
    event
}

#[test]
fn a12_events_are_read_as_they_are_written() {
    assert!(read(&swap_failed()));
    let mut recorded = swap_failed();
    recorded["seq"] = json!(7);
    let bytes = serde_json::to_vec(&recorded).expect("serialisable");
    let event = RecordedEvent::read(&bytes).expect("readable");
    assert_eq!(event.seq, 7);
    assert_eq!(event.event.body.family_id(), "FR-EVT-MODEL-003");
    assert_eq!(
        serde_json::to_value(&event).expect("serialisable"),
        recorded
    );
}

#[test]
fn a12_unknown_types_keys_and_spellings_are_rejected() {
    let bad = [
        ("type", json!("model_swap_paused")),
        ("note", json!("free text")),
        ("seq", json!(1)),
        ("provider_id", Value::Null),
        ("actor", json!("robot")),
        ("code", json!("HSK-999-NOPE")),
        ("code", json!("CX-MM-001")),
        ("swap_id", json!("00000000-0000-0000-0000-000000000000")),
        ("swap_id", json!("0B2F0A34-9F5B-4B35-8D0E-2F3A4B5C6D7E")),
        ("timestamp", json!("2026-01-02T03:04:05Z")),
        ("timestamp", json!("2026-01-02T04:04:05.678+01:00")),
        ("session_id", json!("white space")),
        ("timeout_ms", json!(1)),
    ];
    for (key, value) in bad {
        assert!(!read(&with(key, value.clone())), "{key}: {value}");
    }
    let text = serde_json::to_string(&swap_failed()).expect("serialisable");
    let twice = text.replacen('{', r#"{"actor":"human","#, 1);
    assert!(Event::read(twice.as_bytes()).is_err(), "a duplicate key");
    assert!(
        RecordedEvent::read(text.as_bytes()).is_err(),
        "no sequence number"
    );
    let mut nested = swap_failed();
    nested["principal"] = json!({ "kind": "terminal", "name": "someone", "note": "free text" });
    assert!(!read(&nested), "an unknown key inside");
}
