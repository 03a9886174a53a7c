//! Recorded exchanges, where they are at hand.

use crate::recording;

#[test]
fn a5_recorded_answers_decode_as_their_facts_say() {
    let path = recording::path();
    if !path.exists() {
        return;
    }
    let exchanges = recording::load(&path).expect("a corpus");
    assert!(!exchanges.is_empty());
    let wrong: Vec<String> = exchanges
        .iter()
        .filter_map(|exchange| {
            exchange
                .judge()
                .err()
                .map(|why| format!("{}: {why}", exchange.id))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn b5_recorded_answers_decode_the_same_in_any_pieces() {
    let path = recording::path();
    if !path.exists() {
        return;
    }
    for exchange in recording::load(&path).expect("a corpus").iter().step_by(5) {
        let at_once = exchange.decode(usize::MAX);
        for chunk in [1, 13, 1400] {
            assert_eq!(
                exchange.decode(chunk),
                at_once,
                "{} by {chunk}",
                exchange.id
            );
        }
    }
}
