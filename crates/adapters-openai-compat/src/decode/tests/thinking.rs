//! Thinking, in all the places where it comes.

use handshake_core::{chat::FinishReason, code::ErrorCode, reply::ReasoningPolicy};
use handshake_transport::Scrubber;
use proptest::prelude::*;

use super::*;

/// Text and thinking of a text that comes in these pieces.
fn scrub(policy: ReasoningPolicy, pieces: &[&str]) -> (String, String) {
    let mut events = Vec::new();
    let mut scrubber = Scrubber::new(policy);
    for piece in pieces {
        scrubber.push(piece, &mut events);
    }
    scrubber.end(&mut events);
    let got = Got {
        events,
        error: None,
    };
    (got.text(), got.thinking())
}

fn pair(text: &str, thinking: &str) -> (String, String) {
    (text.to_owned(), thinking.to_owned())
}

#[test]
fn q60_thinking_by_any_of_its_names() {
    for member in [
        r#"{"reasoning_content":"hm"}"#,
        r#"{"reasoning":"hm"}"#,
        r#"{"reasoning_text":"hm"}"#,
        r#"{"reasoning":{"text":"hm"}}"#,
        r#"{"reasoning":{"content":"hm"}}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","text":"hm"}]}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#,
    ] {
        let got = stream(
            "generic",
            &[
                &delta(member),
                &delta(r#"{"content":"x"}"#),
                &finish("stop"),
            ],
        );
        assert_eq!(
            (got.text().as_str(), got.thinking().as_str()),
            ("x", "hm"),
            "{member}"
        );
    }
}

#[test]
fn q61_two_members_with_the_same_thinking_are_one() {
    let both = r#"{"reasoning":"hm","reasoning_content":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]}"#;
    for dialect in ["generic", "openrouter"] {
        assert_eq!(
            stream(dialect, &[&delta(both), &finish("stop")]).thinking(),
            "hm"
        );
    }
}

#[test]
fn q62_content_may_be_a_list_of_parts() {
    let body = r#"{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"x"},{"type":"reference","reference_ids":[1]},{"type":"text","text":"y"}]}}]}"#;
    let got = whole("mistral", body);
    assert_eq!((got.text().as_str(), got.thinking().as_str()), ("xy", "hm"));
    let odd = body.replace(r#""type":"reference""#, r#""type":"hologram""#);
    assert_eq!(
        whole("mistral", &odd).code(),
        Some(ErrorCode::Protocol),
        "nothing is left out"
    );
}

#[test]
fn q63_q64_opaque_state_is_kept_for_those_who_want_it_back() {
    let chunks = [
        delta(
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"h","index":0,"format":"f"}]}"#,
        ),
        delta(
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"m","index":0,"signature":null}]}"#,
        ),
        delta(r#"{"reasoning_details":[{"type":"reasoning.text","signature":"s==","index":0}]}"#),
        delta(
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"AA/+==","index":1}]}"#,
        ),
        delta(
            r#"{"tool_calls":[{"index":0,"id":"c","extra_content":{"google":{"thought_signature":"z"}},"function":{"name":"a","arguments":"{}"}}]}"#,
        ),
        finish("tool_calls"),
    ];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let state = |dialect: &str| {
        stream(dialect, &chunks)
            .events
            .iter()
            .find_map(|event| match event {
                ChatEvent::ProviderState { bytes } => {
                    Some(String::from_utf8(bytes.to_vec()).expect("utf-8"))
                }
                _ => None,
            })
    };
    insta::assert_snapshot!(state("openrouter").expect("kept"), @r#"{"extra_content":[[0,{"google":{"thought_signature":"z"}}]],"reasoning_details":[{"format":"f","index":0,"signature":"s==","text":"hm","type":"reasoning.text"},{"data":"AA/+==","index":1,"type":"reasoning.encrypted"}]}"#);
    assert_eq!(state("generic"), None);
    assert_eq!(stream("openrouter", &chunks).thinking(), "hm");
}

#[test]
fn b9_q67_q70_only_a_leading_block_is_told_apart() {
    let leading = |text: &str| scrub(ReasoningPolicy::LeadingBlock, &[text]);
    assert_eq!(leading("<think>hm</think>\n\nx"), pair("x", "hm"));
    assert_eq!(leading(" \n<think>hm</think>x"), pair("x", "hm"));
    assert_eq!(
        leading("<thinking>a</think>b</thinking>x"),
        pair("x", "a</think>b")
    );
    assert_eq!(leading("<think>hm"), pair("", "hm"), "cut while thinking");
    assert_eq!(leading("<think></think>x"), pair("x", ""));
    for text in [
        "x <think>y</think>",
        "```\n<think>\n```",
        "<thinker>",
        "<thi",
        "  \n x",
        "",
        " ",
        "</think>x",
    ] {
        assert_eq!(leading(text), pair(text, ""), "{text}");
    }
    // A second round is text (Q72).
    assert_eq!(
        leading("<think>a</think>b<think>c</think>"),
        pair("b<think>c</think>", "a")
    );
    // And nothing is touched where thinking has a channel.
    assert_eq!(
        scrub(ReasoningPolicy::Channel, &["<think>hm</think>x"]),
        pair("<think>hm</think>x", "")
    );
}

#[test]
fn b9_q68_a_block_that_the_template_opened() {
    let preopened = |text: &str| scrub(ReasoningPolicy::Preopened, &[text]);
    assert_eq!(preopened("hm</think>\nx"), pair("x", "hm"));
    assert_eq!(preopened("<think>hm</think>x"), pair("x", "hm"));
    assert_eq!(preopened("hm"), pair("", "hm"));
}

#[test]
fn q71_a_tag_over_two_chunks() {
    let body = [
        delta(r#"{"content":"<th"}"#),
        delta(r#"{"content":"ink>hm</thi"}"#),
        delta(r#"{"content":"nk> x"}"#),
        finish("stop"),
    ];
    let body = sse(&body.iter().map(String::as_str).collect::<Vec<_>>());
    let spec = ReplySpec {
        reasoning: ReasoningPolicy::LeadingBlock,
        ..spec("generic", true)
    };
    let got = decode(
        &spec,
        &head(200, "text/event-stream"),
        body.as_bytes(),
        usize::MAX,
    );
    assert_eq!((got.text().as_str(), got.thinking().as_str()), ("x", "hm"));
}

#[test]
fn q75_thinking_alone_until_the_bound_is_an_answer_of_length() {
    let got = stream(
        "deepseek",
        &[
            &delta(r#"{"content":null,"reasoning_content":"hm"}"#),
            &finish("length"),
        ],
    );
    assert_eq!(got.finish(), Some(FinishReason::Length));
    assert_eq!(got.text(), "");
}

#[test]
fn b10_q80_q81_refusals_come_from_structured_fields_only() {
    let streamed = stream(
        "openai",
        &[
            &delta(r#"{"content":null,"refusal":"I ca"}"#),
            &delta(r#"{"refusal":"n't."}"#),
            &finish("stop"),
        ],
    );
    assert_eq!(
        (streamed.refusal().as_str(), streamed.finish()),
        ("I can't.", Some(FinishReason::Stop))
    );
    let part = whole(
        "openai",
        r#"{"choices":[{"index":0,"finish_reason":"stop","message":{"content":[{"type":"refusal","refusal":"No."}]}}]}"#,
    );
    assert_eq!(part.refusal(), "No.");
    let words = stream(
        "openai",
        &[
            &delta(r#"{"content":"I'm sorry, I can't help with that."}"#),
            &finish("stop"),
        ],
    );
    assert_eq!(words.refusal(), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn b9_scrubbing_does_not_depend_on_the_pieces(
        parts in proptest::collection::vec(
            prop_oneof!["<think>", "</think>", "<thinking>", "</thinking>", "[<>/thinkg \n]{0,6}"], 0..6),
        cuts in proptest::collection::vec(0usize..64, 0..6),
        policy in 0u8..3,
    ) {
        let policy = [ReasoningPolicy::Channel, ReasoningPolicy::LeadingBlock, ReasoningPolicy::Preopened]
            [usize::from(policy)];
        let text = parts.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
        prop_assert_eq!(scrub(policy, &pieces), scrub(policy, &[&text]));
    }

    #[test]
    fn b9_a_text_without_a_leading_tag_is_untouched(text in "[a-z <>/\n]{0,40}") {
        prop_assume!(!text.trim_start().starts_with("<think"));
        prop_assert_eq!(scrub(ReasoningPolicy::LeadingBlock, &[&text]), (text, String::new()));
    }
}
