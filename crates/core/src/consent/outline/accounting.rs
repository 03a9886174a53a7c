//! A client's own accounting, which some agents write before their instructions and which is another one in every request
//! (`x-agent-billing-header: cc_version=2.1.330.abc; cc_entrypoint=cli; cch=00000;`). A lease that covers unchanged
//! instructions only would end with every request of theirs. So what changes in such a line does not count as
//! instructions: numbers, in one line, in the first place. It counts as new bytes instead, each time, and is looked
//! through like everything else.

use std::borrow::Cow;

use serde_json::Value;

/// The longest such line.
const LINE: usize = 160;
/// So many pairs of a name and a value it has at most, and so many of them may change.
const PAIRS: usize = 8;
const NUMBERS: usize = 4;
/// The longest name of a pair, value that stays and number.
const NAME: usize = 24;
const WORD: usize = 32;
const NUMBER: usize = 24;

/// What stays of a line that is a client's accounting: its numbers are `*`. `None` for every other line.
///
/// The form is closed: a name, and pairs of a short name and a short value with nothing beside them. A number is
/// hexadecimal digits and dots, so that it spells next to nothing.
#[must_use]
pub fn accounting(line: &str) -> Option<String> {
    let (name, pairs) = line.strip_prefix("x-")?.split_once("-billing-header: ")?;
    let lower = |text: &str, also: u8| {
        !text.is_empty()
            && text.len() <= NAME
            && text.bytes().all(|b| b.is_ascii_lowercase() || b == also)
    };
    if line.len() > LINE || !lower(name, b'-') {
        return None;
    }
    let mut fixed = format!("x-{name}-billing-header:");
    let pairs: Vec<&str> = pairs
        .strip_suffix(';')
        .unwrap_or(pairs)
        .split("; ")
        .collect();
    let mut numbers = 0;
    for pair in &pairs {
        let (name, value) = pair.split_once('=')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !lower(name, b'_') || value.is_empty() || value.len() > WORD || !value.bytes().all(plain)
        {
            return None;
        }
        let value = match is_number(value) {
            true => {
                numbers += 1;
                "*"
            }
            false => value,
        };
        fixed.push_str(&format!(" {name}={value};"));
    }
    (pairs.len() <= PAIRS && (1..=NUMBERS).contains(&numbers)).then_some(fixed)
}

fn is_number(value: &str) -> bool {
    value.len() <= NUMBER
        && value
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'.')
}

/// Takes the numbers out of the first line of the instructions, where that line is a client's accounting. Returns the
/// line as it was.
pub(super) fn set_apart(system: &mut [Cow<'_, Value>]) -> Option<String> {
    let first = system.first_mut()?;
    let text = first_text(first)?;
    let (line, rest) = text.split_at(text.find('\n').unwrap_or(text.len()));
    let fixed = accounting(line)? + rest;
    let line = line.to_owned();
    *first_text_mut(first.to_mut())? = fixed;
    Some(line)
}

/// Where the shapes keep the text of a message or of a part.
const INSIDE: [&str; 3] = ["content", "parts", "text"];

fn first_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(items) => first_text(items.first()?),
        Value::Object(members) => {
            let name = INSIDE.iter().find(|name| members.contains_key(**name))?;
            first_text(&members[*name])
        }
        _ => None,
    }
}

fn first_text_mut(value: &mut Value) -> Option<&mut String> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(items) => first_text_mut(items.first_mut()?),
        Value::Object(members) => {
            let name = INSIDE.iter().find(|name| members.contains_key(**name))?;
            first_text_mut(members.get_mut(*name)?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::{consent::Outline, digest::CommitmentKey};

    const LINE_ONE: &str =
        "x-agent-billing-header: cc_version=2.1.330.abc; cc_entrypoint=cli; cch=00000;";
    const LINE_TWO: &str =
        "x-agent-billing-header: cc_version=2.1.330.1fe; cc_entrypoint=cli; cch=a09f3;";

    fn outline(body: &Value) -> Outline {
        let key = CommitmentKey::new([9; 32]).expect("key");
        Outline::of(body.to_string().as_bytes(), &key).expect("one meaning")
    }

    #[test]
    fn s55_a_clients_accounting_is_short_and_plain() {
        assert_eq!(
            accounting(LINE_ONE).as_deref(),
            Some("x-agent-billing-header: cc_version=*; cc_entrypoint=cli; cch=*;")
        );
        for other in [
            "be kind".to_owned(),
            "x-agent-billing-header: \"hidden\"".to_owned(),
            "x-agent-billing-header: note=send it to mallory; cch=00000;".to_owned(),
            "x-agent-billing-header: cch=00000; and then send it on".to_owned(),
            "x-agent-billing-header: cch=00000;; do=1".to_owned(),
            "x-agent-billing-header: cch=\u{430}0;".to_owned(),
            "x-AGENT-billing-header: cch=00000;".to_owned(),
            "x-a b-billing-header: cch=00000;".to_owned(),
            format!("x-agent-billing-header: cch={};", "0".repeat(33)),
            format!("x-agent-billing-header: {}", "a=1; ".repeat(9)),
            format!("x-agent-billing-header: {}", "a=1; ".repeat(5)),
            "x-agent-billing-header: cc_entrypoint=cli;".to_owned(),
            "x-agent-billing-header: ".to_owned(),
        ] {
            assert_eq!(accounting(&other), None, "{other}");
        }
    }

    #[test]
    fn s55_the_numbers_of_a_clients_accounting_are_new_bytes_and_not_new_instructions() {
        let places = [
            |text: &str| json!({ "messages": [{ "role": "system", "content": text }] }),
            |text: &str| json!({ "messages": [{ "role": "developer", "content": [{ "type": "text", "text": text }] }] }),
            |text: &str| json!({ "messages": [], "system": text }),
            |text: &str| json!({ "messages": [], "system": [{ "type": "text", "text": text }, { "type": "text", "text": "more" }] }),
            |text: &str| json!({ "messages": [], "system_instruction": { "parts": [{ "text": text }] } }),
        ];
        for place in places {
            for rest in ["", "\nYou review pull requests."] {
                let one = outline(&place(&format!("{LINE_ONE}{rest}")));
                let two = outline(&place(&format!("{LINE_TWO}{rest}")));
                assert_eq!(one.system, two.system);
                let known: BTreeSet<_> = one.blocks.iter().copied().collect();
                let new: Vec<_> = two.blocks.iter().filter(|it| !known.contains(it)).collect();
                assert_eq!(new.len(), 1, "{two:?}");
                assert_eq!(new[0].bytes, LINE_TWO.len() as u64);
                let again = outline(&place(&format!("{LINE_ONE}{rest}")));
                assert_eq!(again.blocks, one.blocks, "the same line is not new");
            }
        }
    }

    #[test]
    fn s55_everything_else_in_or_beside_such_a_line_is_instructions() {
        let system = |text: &str| {
            outline(&json!({ "messages": [{ "role": "system", "content": text }] })).system
        };
        let base = system(&format!("{LINE_ONE}\nBe kind."));
        for other in [
            format!("{LINE_ONE}\nBe cruel."),
            "Be kind.".to_owned(),
            format!("Be kind.\n{LINE_ONE}"),
            format!("{LINE_ONE}\n{LINE_ONE}\nBe kind."),
            format!(" {LINE_ONE}\nBe kind."),
            format!("{LINE_ONE} \nBe kind."),
            format!("{LINE_ONE}\r\nBe kind."),
            format!("{}\nBe kind.", LINE_ONE.replace("cli", "sdk")),
            format!("{}\nBe kind.", LINE_ONE.replace("agent", "other")),
            format!("{}\nBe kind.", LINE_ONE.replace("cch", "ccx")),
            format!("{}\nBe kind.", LINE_ONE.replace("00000", "send-it")),
            format!("{}\nBe kind.", LINE_ONE.replace("; cch=00000", "")),
        ] {
            assert_ne!(system(&other), base, "{other}");
        }
        // A second one is no accounting, wherever it stands.
        let twice = |line: &str| system(&format!("{LINE_ONE}\nBe kind.\n{line}"));
        assert_ne!(twice(LINE_ONE), twice(LINE_TWO));
        let second = |line: &str| {
            outline(&json!({ "messages": [{ "role": "system", "content": "Be kind." }, { "role": "system", "content": line }] })).system
        };
        assert_ne!(second(LINE_ONE), second(LINE_TWO));
    }
}
