//! Answers from the field, where they are at hand.

use handshake_adapters_openai_compat::decoder;
use handshake_testkit::field;
use handshake_transport::closes_thinking;

#[test]
fn a5_answers_of_public_reports_decode_as_they_should() {
    let cases = field::cases(env!("CARGO_MANIFEST_DIR"), "openai_compat");
    let wrong = field::wrong(&cases, &|spec, head| decoder(spec, head), closes_thinking);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
