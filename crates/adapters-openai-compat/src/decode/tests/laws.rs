//! What holds for every answer.

use handshake_core::chat::{ChatResponse, Fold};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A turn as a model might have meant it.
#[derive(Clone, Debug)]
struct Meant {
    thinking: String,
    pieces: Vec<String>,
    calls: Vec<(String, String)>,
    usage: bool,
    dialect: &'static str,
}

fn meant() -> impl Strategy<Value = Meant> {
    let word = "[a-zA-Zäß🦀 \n\"\\\\<>/]{1,8}";
    let arguments = prop_oneof![
        Just("{}".to_owned()),
        "[a-z]{1,4}".prop_map(|word| json!({ "k": word, "n": 7, "é": null }).to_string()),
    ];
    (
        prop_oneof![Just(String::new()), Just("let me think".to_owned())],
        proptest::collection::vec(word, 0..5),
        proptest::collection::vec(("[a-z_]{1,6}", arguments), 0..3),
        any::<bool>(),
        prop_oneof![
            Just("generic"),
            Just("openai"),
            Just("mistral"),
            Just("openrouter"),
            Just("groq")
        ],
    )
        .prop_map(|(thinking, pieces, calls, usage, dialect)| Meant {
            thinking,
            pieces,
            calls,
            usage,
            dialect,
        })
}

impl Meant {
    fn word(&self) -> &'static str {
        if self.calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        }
    }

    fn usage(&self) -> Value {
        if self.usage {
            json!({ "prompt_tokens": 3, "completion_tokens": 4 })
        } else {
            Value::Null
        }
    }

    /// The turn as a stream; arguments come in two pieces.
    fn streamed(&self) -> String {
        let chunk =
            |delta: Value| json!({ "choices": [{ "index": 0, "delta": delta }] }).to_string();
        let mut chunks = vec![chunk(json!({ "role": "assistant", "content": "" }))];
        if !self.thinking.is_empty() {
            chunks.push(chunk(json!({ "reasoning_content": self.thinking })));
        }
        chunks.extend(
            self.pieces
                .iter()
                .map(|piece| chunk(json!({ "content": piece }))),
        );
        for (index, (name, arguments)) in self.calls.iter().enumerate() {
            let (one, two) = arguments.split_at(1);
            let function = json!({ "name": name, "arguments": one });
            let begun = json!({ "index": index, "id": format!("call_{index}"), "type": "function", "function": function });
            chunks.push(chunk(json!({ "tool_calls": [begun] })));
            chunks.push(chunk(
                json!({ "tool_calls": [{ "index": index, "function": { "arguments": two } }] }),
            ));
        }
        let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": self.word() }], "usage": self.usage() });
        chunks.push(end.to_string());
        sse(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The turn as one answer.
    fn whole(&self) -> String {
        let calls: Vec<Value> = self.calls.iter().enumerate().map(|(index, (name, arguments))| {
            json!({ "id": format!("call_{index}"), "type": "function", "function": { "name": name, "arguments": arguments } })
        }).collect();
        let message = json!({ "role": "assistant", "content": self.pieces.concat(), "reasoning_content": self.thinking, "tool_calls": calls });
        json!({ "choices": [{ "index": 0, "message": message, "finish_reason": self.word() }], "usage": self.usage() }).to_string()
    }
}

fn fold(got: &Got) -> Option<ChatResponse> {
    if got.error.is_some() {
        return None;
    }
    let mut fold = Fold::default();
    for event in got.events.clone() {
        fold.push(event).expect("a lawful order");
    }
    Some(fold.finish().expect("an end"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn b5_any_chunking_gives_the_same_events(meant in meant(), chunk in 1usize..40) {
        let body = meant.streamed();
        let head = head(200, "text/event-stream");
        let at_once = decode(&spec(meant.dialect, true), &head, body.as_bytes(), usize::MAX);
        prop_assert_eq!(&at_once.error, &None);
        prop_assert_eq!(decode(&spec(meant.dialect, true), &head, body.as_bytes(), chunk), at_once);
    }

    #[test]
    fn b5_a_whole_answer_is_the_fold_of_the_streamed_one(meant in meant()) {
        let streamed = decode(
            &spec(meant.dialect, true), &head(200, "text/event-stream"), meant.streamed().as_bytes(), usize::MAX);
        let whole = decode(
            &spec(meant.dialect, false), &head(200, "application/json"), meant.whole().as_bytes(), 11);
        let (streamed, whole) = (fold(&streamed), fold(&whole));
        prop_assert!(streamed.is_some());
        prop_assert!(streamed == whole);
    }

    #[test]
    fn b5_noise_never_panics_and_never_succeeds_without_a_finish(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), stream in any::<bool>(),
    ) {
        let kind = if stream { "text/event-stream" } else { "application/json" };
        let got = decode(&spec("generic", stream), &head(200, kind), &bytes, 7);
        prop_assert!(got.error.is_some());
    }
}

/// Cut anywhere, an answer fails, or is what it would have been: text and calls never half.
#[test]
fn b5_an_answer_cut_at_any_byte_is_never_a_lesser_success() {
    let meant = Meant {
        thinking: "hm".to_owned(),
        pieces: vec!["Grüße".to_owned(), " 🦀".to_owned()],
        calls: vec![
            ("a".to_owned(), r#"{"k":1}"#.to_owned()),
            ("b".to_owned(), "{}".to_owned()),
        ],
        usage: true,
        dialect: "generic",
    };
    for (body, kind, stream) in [
        (meant.streamed(), "text/event-stream", true),
        (meant.whole(), "application/json", false),
    ] {
        let full = fold(&decode(
            &spec("generic", stream),
            &head(200, kind),
            body.as_bytes(),
            usize::MAX,
        ))
        .expect("whole");
        let mut successes = 0;
        for cut in 0..body.len() {
            let got = decode(
                &spec("generic", stream),
                &head(200, kind),
                &body.as_bytes()[..cut],
                usize::MAX,
            );
            let terminals = got
                .events
                .iter()
                .filter(|e| matches!(e, ChatEvent::Finished { .. }))
                .count();
            assert_eq!(
                terminals + usize::from(got.error.is_some()),
                1,
                "one terminal at {cut}"
            );
            if let Some(cut) = fold(&got) {
                successes += 1;
                assert_eq!(
                    (&cut.message, &cut.tool_calls),
                    (&full.message, &full.tool_calls)
                );
            } else {
                assert!(
                    got.calls().is_empty(),
                    "no call before the turn is known to be complete"
                );
            }
        }
        // Only what follows the finish may be missing: the sentinel.
        assert!(successes < 40, "{successes}");
    }
}

#[test]
fn b5_ids_are_the_same_for_the_same_seed_and_differ_for_another() {
    let body = sse(&[
        &delta(r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"a","arguments":"{}"}}]}"#),
        &finish("stop"),
    ]);
    let id = |seed| {
        let spec = ReplySpec {
            call_seed: [seed; 16],
            ..spec("generic", true)
        };
        decode(
            &spec,
            &head(200, "text/event-stream"),
            body.as_bytes(),
            usize::MAX,
        )
        .calls()[0]
            .tool_call_id
    };
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}
