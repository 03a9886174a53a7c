//! Enrolled values: found in any view, in halves, and never described.

use base64::{Engine as _, engine::general_purpose as b64};
use handshake_core::{
    finding::{FindingClass, FindingLevel, LeakageFinding, WorkBudget},
    secret::Secret,
};
use handshake_leakage::{Engine, Enrolment, Refused, default_budget};

const VALUE: &str = "vK7-mQ2x.Lp9Rw4Tz8Yb3Nc6Hd";

fn enrolled(values: &[&str]) -> Enrolment {
    let mut set = Enrolment::new(3);
    for value in values {
        set.add(&Secret::new(value.as_bytes().to_vec()))
            .expect("enrolled");
    }
    set
}

fn scan(text: &str, set: &Enrolment) -> Vec<LeakageFinding> {
    let mut budget = WorkBudget::new(default_budget(text.len()));
    Engine::builtin()
        .scan(text.as_bytes(), set, true, &mut budget)
        .expect("within budget")
}

#[test]
fn a9_enrolled_values_block_in_every_encoding() {
    let set = enrolled(&[VALUE]);
    let (a, b) = VALUE.split_at(VALUE.len() / 2);
    for text in [
        format!("it is {VALUE}."),
        format!("{{\"{VALUE}\":1}}"),
        b64::STANDARD.encode(VALUE),
        format!("x{}", b64::STANDARD.encode(format!("ab{VALUE}yz"))),
        b64::URL_SAFE_NO_PAD.encode(b64::STANDARD.encode(VALUE)),
        VALUE.chars().rev().collect(),
        VALUE.bytes().map(|b| format!("{b:02x}")).collect(),
        VALUE.bytes().map(|b| format!("%{b:02X}")).collect(),
        VALUE.bytes().map(|b| format!("&#{b};")).collect(),
        VALUE.chars().map(|c| format!("{c} ")).collect(),
        VALUE.chars().map(|c| format!("{c}\u{200b}")).collect(),
        format!("\"{a}\" + \"{b}\""),
        format!(r#"[{{"content":"{a}"}},{{"content":"{b}"}}]"#),
        a.to_owned(),
        b.to_owned(),
    ] {
        let found = scan(&text, &set);
        let hit = found.iter().find(|f| f.class == FindingClass::Enrolled);
        assert_eq!(hit.map(|f| f.level), Some(FindingLevel::Block), "{text}");
    }
}

#[test]
fn s49_a_finding_gives_no_place_count_or_name() {
    let set = enrolled(&[VALUE, "Zq8u-9981-zKqx-K4w7"]);
    let text = format!("{VALUE} and {VALUE} and Zq8u-9981-zKqx-K4w7");
    let found: Vec<_> = scan(&text, &set)
        .into_iter()
        .filter(|f| f.class == FindingClass::Enrolled)
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].pointer, found[0].start, found[0].end),
        (&None, None, None)
    );
    assert!(found[0].views.is_empty());
}

#[test]
fn s49_less_than_half_says_nothing() {
    let set = enrolled(&[VALUE]);
    for len in 1..12 {
        for start in 0..VALUE.len() - len {
            assert!(scan(&VALUE[start..start + len], &set).is_empty());
        }
    }
}

#[test]
fn values_that_would_match_ordinary_text_are_refused() {
    let mut set = Enrolment::new(1);
    for (value, why) in [
        ("hunter2", Refused::TooShort),
        ("11111111111111111", Refused::TooRegular),
        ("123412341234", Refused::TooRegular),
    ] {
        assert_eq!(
            set.add(&Secret::new(value.as_bytes().to_vec())),
            Err(why),
            "{value}"
        );
    }
    assert_eq!((set.len(), set.generation()), (0, 1));
}

#[test]
fn ordinary_text_does_not_match_an_enrolled_passphrase() {
    let set = enrolled(&["correct horse battery staple"]);
    assert!(scan("the correct horse is in the stable", &set).is_empty());
    assert!(!scan("it is correct horse battery staple!", &set).is_empty());
}
