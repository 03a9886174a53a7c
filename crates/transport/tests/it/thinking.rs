//! Thinking in the text: a leading block, and nothing else.

use handshake_core::{chat::ChatEvent, reply::ReasoningPolicy};
use handshake_transport::Scrubber;
use proptest::prelude::*;

/// (thinking, text), pushed piece by piece.
fn split(policy: ReasoningPolicy, pieces: &[&str]) -> (String, String) {
    let mut scrubber = Scrubber::new(policy);
    let mut events = Vec::new();
    for piece in pieces {
        scrubber.push(piece, &mut events);
    }
    scrubber.end(&mut events);
    let (mut thinking, mut text) = (String::new(), String::new());
    for event in events {
        match event {
            ChatEvent::ReasoningDelta { text: more } => thinking += &more,
            ChatEvent::TextDelta { text: more } => text += &more,
            other => panic!("{other:?}"),
        }
    }
    (thinking, text)
}

#[test]
fn q67_q68_only_a_leading_block_is_thinking() {
    use ReasoningPolicy::{Channel, LeadingBlock, Preopened};
    for (policy, whole, thinking, text) in [
        (LeadingBlock, "<think>a</think>\n\nb", "a", "b"),
        (LeadingBlock, " \n<thinking>a</thinking>b", "a", "b"),
        (LeadingBlock, "b <think>a</think>", "", "b <think>a</think>"),
        (
            LeadingBlock,
            "<think>a</think>b<think>c</think>",
            "a",
            "b<think>c</think>",
        ),
        (LeadingBlock, "<think>cut", "cut", ""),
        (LeadingBlock, "<thin", "", "<thin"),
        (LeadingBlock, "", "", ""),
        (Preopened, "a</think>b", "a", "b"),
        (Preopened, "<think>a</think>b", "a", "b"),
        (Preopened, "never closed", "never closed", ""),
        (Channel, "<think>a</think>b", "", "<think>a</think>b"),
    ] {
        assert_eq!(
            split(policy, &[whole]),
            (thinking.into(), text.into()),
            "{policy:?} {whole:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn q71_a_tag_may_be_cut_anywhere(
        parts in prop::collection::vec("<think>|</think>|</thin|<|[a-b \n]{0,3}", 0..8),
        preopened in any::<bool>(),
    ) {
        let policy = if preopened { ReasoningPolicy::Preopened } else { ReasoningPolicy::LeadingBlock };
        let whole = parts.concat();
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        prop_assert_eq!(split(policy, &letters), split(policy, &[&whole]));
    }

    #[test]
    fn q70_text_without_a_leading_block_is_untouched(text in "[a-c</>think `\n]{0,40}") {
        prop_assume!(!text.trim_start().starts_with("<think"));
        prop_assert_eq!(split(ReasoningPolicy::LeadingBlock, &[&text]), (String::new(), text));
    }
}
