//! Canaries are found however they were written, and nothing else is.

use handshake_testkit::canary::Canary;
use proptest::prelude::*;

#[test]
fn a2_two_canaries_differ_and_one_is_always_the_same() {
    let canary = Canary::new("sk-", 7);
    assert_eq!(canary.text(), Canary::new("sk-", 7).text());
    assert_ne!(canary.text(), Canary::new("sk-", 8).text());
    assert!(
        canary
            .is_in(Canary::new("sk-", 8).text().as_bytes())
            .is_none()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a2_a_canary_is_found_wherever_it_lies(number: u64, before in ".{0,40}", after in ".{0,40}") {
        let canary = Canary::new("sk-test-", number);
        let text = format!("{before}{}{after}", canary.text());
        prop_assert!(canary.is_in(text.as_bytes()).is_some());
    }

    #[test]
    fn a2_other_text_holds_none(text in "[ -~]{0,400}") {
        prop_assert!(Canary::new("sk-test-", 1).is_in(text.as_bytes()).is_none());
    }
}
