//! What a guarded sink writes.

use std::{borrow::Cow, sync::Arc};

use base64::{Engine as _, engine::general_purpose as b64};
use handshake_core::{ports::SinkFilter, secret::Secret};
use handshake_leakage::{Engine, Enrolment, Redactor, SharedEnrolment, SinkGuard};

const VALUE: &str = "vK7-mQ2x.Lp9Rw4Tz8Yb3Nc6Hd";

fn redactor() -> Redactor {
    let mut set = Enrolment::new(1);
    set.add(&Secret::new(VALUE.as_bytes().to_vec()))
        .expect("enrolled");
    Redactor::new(Engine::builtin(), SharedEnrolment::new(set))
}

#[test]
fn a2_tokens_and_enrolled_values_are_cut_out_in_place() {
    let token = Engine::builtin().sample("github-token", 1).expect("a rule");
    let text = format!("401 from host: bad key {token}; also «{VALUE}» was sent");
    let out = redactor().redact(&text).into_owned();
    assert!(!out.contains(&token) && !out.contains(VALUE));
    assert_eq!(
        out,
        "401 from host: bad key [REDACTED:secret:github-token]; also «[REDACTED:enrolled:enrolled]» was sent"
    );
}

#[test]
fn a2_what_is_encoded_takes_the_whole_text_with_it() {
    let text = format!("body {}", b64::STANDARD.encode(VALUE));
    assert_eq!(redactor().redact(&text), "[REDACTED:enrolled:enrolled]");
}

#[test]
fn clean_text_is_borrowed_as_it_is() {
    let text = "connection refused after 3 attempts";
    assert!(matches!(redactor().redact(text), Cow::Borrowed(t) if t == text));
}

fn guard() -> SinkGuard {
    SinkGuard::new(Arc::new(redactor()))
}

#[test]
fn a2_a_sink_is_cleaned_by_rules_and_an_answer_of_enrolled_values_alone() {
    let token = Engine::builtin().sample("github-token", 1).expect("a rule");
    let text = format!("key {token} and {VALUE}");
    let sink = guard().clean(&text).into_owned();
    assert!(!sink.contains(&token) && !sink.contains(VALUE), "{sink}");
    let answer = guard().answer(text.as_bytes()).into_owned();
    assert_eq!(
        String::from_utf8(answer).as_deref(),
        Ok(format!("key {token} and [REDACTED:enrolled:enrolled]").as_str())
    );
}

#[test]
fn q37_an_answer_without_a_secret_is_the_provider_s_own_bytes() {
    let every: Vec<u8> = (0..=255).cycle().take(4096).collect();
    for bytes in [
        &b""[..],
        b"data: {\"a\":\"\\u0041\"}\n\n",
        b"\xff\xfe\0",
        &every,
    ] {
        let answer = guard().answer(bytes);
        assert!(matches!(answer, Cow::Borrowed(same) if same.as_ptr() == bytes.as_ptr()));
        assert_eq!(answer.len(), bytes.len());
    }
}

#[test]
fn a2_an_answer_keeps_everything_beside_the_secret_and_whole_characters() {
    let around: [(&[u8], &[u8]); 4] = [
        (b"", b""),
        ("\u{1f980}".as_bytes(), "\u{e9}".as_bytes()),
        (b"\xff\x80\x80", b"\x80\x80\x80\x80\x80\xff"),
        (b"{\"content\":\"", b"\"}"),
    ];
    for (before, after) in around {
        for secret in [VALUE, &VALUE[..16]] {
            let bytes = [before, secret.as_bytes(), after].concat();
            let answer = guard().answer(&bytes).into_owned();
            let tag = b"[REDACTED:enrolled:enrolled]";
            let kept = answer.windows(tag.len()).position(|window| window == tag);
            let at = kept.expect("replaced");
            assert!(before.starts_with(&answer[..at]) || answer[..at] == *before);
            assert!(after.ends_with(&answer[at + tag.len()..]));
            assert!(
                !answer
                    .windows(12)
                    .any(|w| secret.as_bytes().windows(12).any(|s| s == w))
            );
        }
    }
    let twice = format!("{VALUE} {VALUE}");
    assert_eq!(
        guard().answer(twice.as_bytes()).into_owned(),
        b"[REDACTED:enrolled:enrolled] [REDACTED:enrolled:enrolled]"
    );
}
