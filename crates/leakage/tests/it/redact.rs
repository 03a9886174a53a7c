//! What a guarded sink writes.

use base64::{Engine as _, engine::general_purpose as b64};
use handshake_core::secret::Secret;
use handshake_leakage::{Engine, Enrolment, Redactor, SharedEnrolment};

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
    assert!(matches!(redactor().redact(text), std::borrow::Cow::Borrowed(t) if t == text));
}
