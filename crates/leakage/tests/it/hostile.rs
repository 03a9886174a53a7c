//! No input panics, and no input makes a scan run away.

use handshake_core::finding::{ValidatorError, WorkBudget};
use handshake_leakage::{Engine, Enrolment, default_budget};
use proptest::prelude::*;

fn scan(bytes: &[u8], budget: u64) -> Result<usize, ValidatorError> {
    let mut budget = WorkBudget::new(budget);
    Engine::builtin()
        .scan(bytes, &Enrolment::default(), true, &mut budget)
        .map(|f| f.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let answer = scan(&bytes, default_budget(600));
        std::hint::black_box(answer.is_ok());
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        prop_assert!(scan(text.as_bytes(), default_budget(1000)).is_ok());
    }

    #[test]
    fn texts_made_of_triggers_never_panic(
        parts in proptest::collection::vec(prop_oneof![
            Just("sk-"), Just("ghp_"), Just("AKIA"), Just("eyJ"), Just("-----BEGIN PRIVATE KEY-----"),
            Just("\\u"), Just("\\x6"), Just("%4"), Just("&#1"), Just("&#x"), Just("U+"), Just("data:a;base64,"),
            Just("\" + \""), Just("| a | b |\n"), Just("103, 104, "), Just("0x6"), Just("H4sIAAAA"), Just("eJz"),
            Just("\u{e0041}"), Just("\u{fe01}"), Just("\u{202e}"), Just("ﬁ"), Just("é"), Just("漢"), Just("{\"a\":["),
            Just("password=\""), Just("://a:b@"), Just("password: '"), Just("A"), Just("9"), Just(" "), Just("-"),
        ], 0..120)
    ) {
        let text = parts.concat();
        let answer = scan(text.as_bytes(), default_budget(text.len()));
        std::hint::black_box(answer.is_ok());
    }

    #[test]
    fn a_smaller_budget_never_gives_a_milder_answer(text in "[ -~]{0,200}", budget in 0u64..4000) {
        // Either the whole answer or none.
        let whole = scan(text.as_bytes(), default_budget(text.len())).expect("within budget");
        if let Ok(found) = scan(text.as_bytes(), budget) {
            prop_assert_eq!(found, whole);
        }
    }
}

#[test]
fn an_exhausted_budget_is_an_error() {
    assert_eq!(scan(&[b'a'; 4096], 100), Err(ValidatorError::Budget));
}

#[test]
fn bytes_that_are_not_text_are_undecodable() {
    assert_eq!(
        scan(&[0xff, 0xfe, 0x00], 10_000),
        Err(ValidatorError::Undecodable)
    );
}

#[test]
fn repetition_ends() {
    for unit in [
        "sk-",
        "AKIA",
        "eyJ",
        "\"+\"",
        "\\u0041",
        "%25",
        "&amp;",
        "1,",
        "a ",
        "xoxb-1-",
        "-----BEGIN ",
    ] {
        let text = unit.repeat(60_000 / unit.len());
        // An answer or a refusal, in bounded work.
        let answer = scan(text.as_bytes(), default_budget(text.len()));
        std::hint::black_box(answer.is_ok());
    }
}

#[test]
fn a_compression_bomb_is_bounded() {
    use std::io::Write;

    use base64::{Engine as _, engine::general_purpose as b64};
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..16 {
        encoder.write_all(&[b'a'; 1 << 20]).expect("in memory");
    }
    let text = b64::STANDARD.encode(encoder.finish().expect("in memory"));
    std::hint::black_box(scan(text.as_bytes(), default_budget(text.len())).is_ok());
}
