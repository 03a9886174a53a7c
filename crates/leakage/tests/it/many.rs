//! How much a scan lists, and that what it does not list counts all the same: a finding that is let pass by its place must
//! not hide another one.

use handshake_core::finding::{FindingLevel, LeakageFinding, WorkBudget};
use handshake_leakage::{Engine, Enrolment, default_budget};
use serde_json::json;

fn found(texts: &[String], rule: &str) -> Vec<LeakageFinding> {
    let messages: Vec<_> = texts
        .iter()
        .map(|text| json!({ "role": "user", "content": text }))
        .collect();
    let body = json!({ "model": "m", "messages": messages })
        .to_string()
        .into_bytes();
    let mut budget = WorkBudget::new(default_budget(body.len()));
    let all = Engine::builtin().scan(&body, &Enrolment::new(0), true, &mut budget);
    let mut all = all.expect("a verdict");
    all.retain(|it| it.rule.as_str() == rule);
    all
}

fn token(seed: u64) -> String {
    Engine::builtin()
        .sample("github-token", seed)
        .expect("a sample")
}

/// An account number of Germany with its check digits.
fn iban(n: u128) -> String {
    let account = format!("{:018}", 370_400_440_532_013_000 + n);
    let check = 98 - format!("{account}131400").parse::<u128>().expect("digits") % 97;
    format!("DE{check:02}{account}")
}

#[test]
fn a9_more_than_is_listed_is_one_finding_without_a_place() {
    let texts: Vec<String> = (0..40).map(|n| format!("use {} here", token(n))).collect();
    let all = found(&texts, "github-token");
    let (placed, more): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.pointer.is_some());
    assert_eq!((placed.len(), more.len()), (16, 1));
    assert_eq!(more[0].views, ["more"]);
    assert!(more[0].blocks());
    // As many as are listed need no such finding.
    let all = found(&texts[..16], "github-token");
    assert!(all.len() == 16 && all.iter().all(|it| it.pointer.is_some()));
}

#[test]
fn a9_a_text_that_is_listed_stands_for_all_that_blocks_in_it() {
    let tokens: Vec<String> = (0..40).map(token).collect();
    let all = found(&[tokens.join(" and ")], "github-token");
    assert!(!all.is_empty() && all.iter().all(|it| it.pointer.is_some()));
    // With one more in another text.
    let all = found(&[tokens.join(" and "), token(99)], "github-token");
    assert!(all.iter().any(|it| it.pointer.is_none()), "{all:?}");
}

#[test]
fn a9_of_what_is_asked_about_each_value_counts() {
    let all: Vec<String> = (0..40).map(|n| format!("IBAN {}", iban(n))).collect();
    let found = found(&[all.join("\n")], "iban");
    assert!(found.iter().all(|it| it.level == FindingLevel::Ask));
    let more = found.iter().filter(|it| it.pointer.is_none());
    assert_eq!((found.len(), more.count()), (17, 1));
}
