//! Laws of decoding: chunking never shows, and every truncation is an error.

use handshake_core::{chat::ChatEvent, code::ErrorCode, reply::ReasoningPolicy, reply::ReplySpec};
use proptest::prelude::*;

use crate::wire::{decode_cut, head, ndjson, spec, with_tools};

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z<>/ é🦀]{0,8}".prop_map(|text| {
            serde_json::json!({"message": {"content": text}, "done": false}).to_string()
        }),
        Just(r#"{"message":{"content":"<think>a</think>b"},"done":false}"#.to_owned()),
        Just(r#"{"message":{"content":"","thinking":"hm"},"done":false}"#.to_owned()),
        Just(r#"{"message":{"tool_calls":[{"function":{"name":"t","arguments":{"a":[1]}}}]},"done":false}"#.to_owned()),
        Just(r#"{"message":{"tool_calls":[{"function":{"name":"u","arguments":{}}}]},"done":false}"#.to_owned()),
        Just(r#"{"error":"x"}"#.to_owned()),
        Just(r#"{"message":{"content":"#.to_owned()),
        Just(r#"{"message":{"content":"z"},"done":true,"done_reason":"stop","eval_count":1}"#.to_owned()),
        Just(r#"{"message":{"content":""},"done":true,"done_reason":"length"}"#.to_owned()),
        Just(String::new()),
        Just("\u{feff}".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn b5_any_chunking_gives_the_same_events(
        lines in prop::collection::vec(line(), 0..10),
        cuts in prop::collection::vec(any::<usize>(), 0..16),
        json in any::<bool>(),
        leading in any::<bool>(),
    ) {
        let spec = ReplySpec {
            reasoning: if leading { ReasoningPolicy::LeadingBlock } else { ReasoningPolicy::Channel },
            ..with_tools(&["t"])
        };
        let body = lines.join("\n");
        let head = if json { head(200, "application/json") } else { ndjson() };
        let every: Vec<usize> = (0..body.len()).collect();
        let whole = decode_cut(&spec, &head, body.as_bytes(), &[]);
        prop_assert_eq!(&decode_cut(&spec, &head, body.as_bytes(), &cuts), &whole);
        prop_assert_eq!(&decode_cut(&spec, &head, body.as_bytes(), &every), &whole);
        // Exactly one terminal, and `Started` first and once wherever anything came.
        let (events, end) = whole;
        let finished = events.iter().filter(|e| matches!(e, ChatEvent::Finished { .. })).count();
        prop_assert_eq!(finished, usize::from(end.is_ok()));
        let started = events.iter().filter(|e| matches!(e, ChatEvent::Started)).count();
        prop_assert_eq!(started, usize::from(!events.is_empty()));
        prop_assert!(events.is_empty() || matches!(events[0], ChatEvent::Started));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_at_all_end_in_an_event_or_an_error(
        noise in prop::collection::vec(any::<u8>(), 0..80),
        json in "\\PC{0,40}",
        status in prop_oneof![Just(200_u16), 100..600_u16],
    ) {
        let value = serde_json::json!({"message": json, "done": [], "error": {"x": json}});
        for body in [noise, json.into_bytes(), value.to_string().into_bytes()] {
            for kind in ["application/x-ndjson", "application/json", "text/html"] {
                let (events, end) = decode_cut(&spec(), &head(status, kind), &body, &[7]);
                prop_assert!(end.is_err(), "nothing here is an answer: {events:?}");
            }
        }
    }
}

#[test]
fn b5_truncation_at_every_byte_is_an_error() {
    let body = concat!(
        r#"{"model":"m","message":{"content":"é🦀","thinking":"hm"},"done":false}"#,
        "\n",
        r#"{"message":{"tool_calls":[{"id":"c","function":{"name":"t","arguments":{"a":{"b":1}}}}]},"done":false}"#,
        "\n",
        r#"{"message":{"content":""},"done":true,"done_reason":"stop","eval_count":3}"#,
        "\n",
    )
    .as_bytes();
    let (whole, end) = decode_cut(&with_tools(&["t"]), &ndjson(), body, &[]);
    assert_eq!(end, Ok(()));
    for length in 0..body.len() - 1 {
        let (events, end) = decode_cut(&with_tools(&["t"]), &ndjson(), &body[..length], &[]);
        assert_eq!(
            end.expect_err("a cut").code,
            ErrorCode::StreamTruncated,
            "at {length}"
        );
        assert!(whole.starts_with(&events), "at {length}");
        assert!(
            !events.iter().any(|e| matches!(e, ChatEvent::ToolCall(_))),
            "at {length}"
        );
    }
    let json = br#"{"message":{"content":"a"},"done":true,"done_reason":"stop"}"#;
    for length in 0..json.len() {
        let (events, end) = decode_cut(
            &spec(),
            &head(200, "application/json"),
            &json[..length],
            &[],
        );
        assert_eq!(
            end.expect_err("a cut").code,
            ErrorCode::StreamTruncated,
            "at {length}"
        );
        assert!(events.is_empty());
    }
}
