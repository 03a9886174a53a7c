//! Leaves, values and places of findings.

use serde_json::json;

use super::*;
use crate::{
    finding::{Confidence, FindingClass},
    ids::RuleId,
};

fn key() -> CommitmentKey {
    CommitmentKey::new([9; 32]).expect("a key")
}

fn finding(pointer: Option<&str>, range: Option<(u64, u64)>, views: &[&str]) -> LeakageFinding {
    LeakageFinding {
        rule: RuleId::new("rule").expect("an id"),
        class: FindingClass::Secret,
        level: FindingLevel::Block,
        confidence: Confidence::High,
        pointer: pointer.map(str::to_owned),
        start: range.map(|it| it.0),
        end: range.map(|it| it.1),
        views: views.iter().map(|it| (*it).to_owned()).collect(),
        declassified: None,
    }
}

fn at(body: &Value, pointer: &str) -> Option<KeyedHash> {
    leaf(Ok(body), &finding(Some(pointer), None, &[]), &key())
}

#[test]
fn a9_a_leaf_is_the_whole_text_and_one_byte_makes_another() {
    let one = json!({"messages": [{"role": "user", "content": "token abc"}]});
    let parts =
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "token abc"}]}]});
    let longer = json!({"messages": [{"role": "user", "content": "token abc "}]});
    let here = at(&one, "/messages/0/content").expect("a leaf");
    assert_eq!(at(&parts, "/messages/0/content/0/text"), Some(here));
    assert_ne!(at(&longer, "/messages/0/content"), Some(here));
}

#[test]
fn a9_a_name_that_a_body_chose_is_part_of_the_leaf() {
    let one = json!({"metadata": {"AKIA-one": "harmless"}});
    let other = json!({"metadata": {"AKIA-two": "harmless"}});
    let plain = json!({"metadata": {"text": "harmless"}});
    let all = [
        at(&one, "/metadata/AKIA-one"),
        at(&other, "/metadata/AKIA-two"),
        at(&plain, "/metadata/text"),
    ];
    assert!(all.iter().all(Option::is_some));
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
}

#[test]
fn a9_what_no_single_text_holds_has_no_leaf() {
    let body = json!({"messages": [{"content": "abc", "n": 5, "list": [1]}]});
    for (pointer, views) in [
        (None, &[][..]),
        (Some(""), &[]),
        (Some("#header/x-a"), &[]),
        (Some("/messages/0/n"), &[]),
        (Some("/messages/0/list"), &[]),
        (Some("/messages/0"), &[]),
        (Some("/messages/1/content"), &[]),
        (Some("/messages/0/content"), &["base64", "stitched"]),
        (Some("/messages/0/content"), &["partial"]),
        (Some("/messages/0/content"), &["document"]),
        (Some("/messages/0/content"), &["more"]),
    ] {
        let found = finding(pointer, None, views);
        assert_eq!(
            leaf(Ok(&body), &found, &key()),
            None,
            "{pointer:?} {views:?}"
        );
        assert_eq!(
            value(Ok(&body), &found, &key()),
            None,
            "{pointer:?} {views:?}"
        );
    }
    let found = finding(Some("/messages/0/content"), None, &[]);
    assert_eq!(
        leaf(Err(NotStrict { line: 1, column: 1 }), &found, &key()),
        None
    );
    assert!(leaf(Ok(&body), &found, &key()).is_some());
}

#[test]
fn a9_a_value_is_the_characters_that_were_found_wherever_they_stand() {
    let one = json!({"messages": [{"content": "mail a@b.example now"}]});
    let other = json!({"messages": [{"content": "a@b.example"}]});
    let of = |body: &Value, range, views: &[&str]| {
        value(
            Ok(body),
            &finding(Some("/messages/0/content"), range, views),
            &key(),
        )
    };
    let here = of(&one, Some((5, 16)), &[]);
    assert!(here.is_some());
    assert_eq!(of(&other, Some((0, 11)), &[]), here);
    assert_ne!(of(&other, Some((0, 10)), &[]), here);
    // Seen by decoding: the text as a whole, which is never the same as characters of it.
    let decoded = of(&other, Some((0, 11)), &["base64"]);
    assert_eq!(decoded, of(&other, None, &[]));
    assert_ne!(decoded, here);
    for outside in [(0, 12), (5, 5), (9, 2), (u64::MAX, u64::MAX)] {
        assert_eq!(of(&other, Some(outside), &[]), None, "{outside:?}");
    }
}

#[test]
fn a9_a_place_tells_nothing_that_a_body_chose() {
    let place = |pointer: &str| place_of(&finding(Some(pointer), None, &[]));
    assert_eq!(
        place("/messages/3/content/0/text").as_deref(),
        Some("/messages/3/content/0/text")
    );
    assert_eq!(
        place("/metadata/AKIA-one/12345678").as_deref(),
        Some("/metadata/…/…")
    );
    assert_eq!(
        place("#header/authorization").as_deref(),
        Some("headers or path")
    );
    let deep = place(&"/x".repeat(500)).expect("a place");
    assert!(deep.chars().count() < 40, "{deep}");
    assert_eq!(place_of(&finding(None, None, &[])), None);
}
