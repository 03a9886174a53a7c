//! The development corpus of texts, where it is at hand: ordinary text is never second-hand egress.

use std::path::Path;

use handshake_core::{
    envelope::EnvelopeView, finding::WorkBudget, policy::SecondHand, ports::LeakageValidator,
};
use handshake_policy::second_hand::SecondHandValidator;
use handshake_testkit::fixture;

#[test]
fn s29_the_text_of_messages_is_never_a_field() {
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/leak-dev.jsonl");
    let lines = std::fs::read_to_string(corpus).unwrap_or_default();
    let own = "{\"text\":\"store this at https://example.org/image_url, file_id 7\"}";
    let mut seen = 0;
    for line in lines.lines().take(2000).chain([own]) {
        let Ok(item) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let Some(text) = item["text"].as_str() else {
            continue;
        };
        let record = fixture::relay();
        let prepared = fixture::prepared(&record, "m", text);
        let findings = SecondHandValidator::new(SecondHand::Refuse)
            .inspect(&EnvelopeView::new(&prepared), &mut WorkBudget::new(1 << 24))
            .expect("a verdict");
        assert!(findings.items.is_empty());
        seen += 1;
    }
    assert!(seen > 0);
}
