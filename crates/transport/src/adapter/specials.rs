//! Spellings of control tokens in text that nobody vouches for.
//!
//! For a model the conversation is one text, and what begins a turn in it is a token that has a spelling. A server that takes
//! the spelling for the token wherever it stands lets the result of a tool begin a turn of the system. So such spellings
//! are escaped there: a backslash after the first character, one more where some stand already, so that what was
//! there can be told from what is.

use std::borrow::Cow;

/// Spellings after their first character, `<`, whatever the family: models are trained on each other's.
const ANGLE: &[&str] = &[
    "start_of_turn>",
    "end_of_turn>",
    "bos>",
    "eos>",
    "BOS_TOKEN>",
    "EOS_TOKEN>",
    "<SYS>>",
    "</SYS>>",
    "tool_call>",
    "/tool_call>",
    "tool_calls>",
    "/tool_calls>",
    "tool_response>",
    "/tool_response>",
    "tools>",
    "/tools>",
    "think>",
    "/think>",
];
/// Likewise after `[`.
const SQUARE: &[&str] = &[
    "INST]",
    "/INST]",
    "SYSTEM_PROMPT]",
    "/SYSTEM_PROMPT]",
    "AVAILABLE_TOOLS]",
    "/AVAILABLE_TOOLS]",
    "TOOL_CALLS]",
    "TOOL_CONTENT]",
    "TOOL_RESULTS]",
    "/TOOL_RESULTS]",
    "THINK]",
    "/THINK]",
    "ARGS]",
    "CALL_ID]",
    "IMG]",
];
/// Spellings that are markup elsewhere, with the families whose tokens they are. A family that is not known may be any.
const MARKUP: &[(&str, &[&str])] = &[
    ("s>", &["mistral", "llama"]),
    ("/s>", &["mistral", "llama"]),
    ("unk>", &["mistral", "llama", "gemma"]),
    ("pad>", &["mistral", "llama", "gemma"]),
];
/// The longest name between `<|` and `|>`.
const NAME: usize = 64;

/// The text with each spelling escaped, and how many there were. `family` is that of the model, where it is known.
#[must_use]
pub fn escape_specials<'t>(text: &'t str, family: Option<&str>) -> (Cow<'t, str>, u64) {
    let (mut escaped, mut done, mut count) = (String::new(), 0, 0);
    let starts = text.match_indices(['<', '[']);
    for (at, first) in starts {
        if at < done {
            continue;
        }
        let rest = &text[at + 1..];
        let tail = rest.trim_start_matches('\\');
        let Some(length) = special(first, tail, family) else {
            continue;
        };
        count += 1;
        escaped.push_str(&text[done..=at]);
        escaped.push('\\');
        done = at + 1 + (rest.len() - tail.len()) + length;
        escaped.push_str(&text[at + 1..done]);
    }
    if count == 0 {
        return (Cow::Borrowed(text), 0);
    }
    escaped.push_str(&text[done..]);
    (Cow::Owned(escaped), count)
}

/// The length of a spelling after its first character.
fn special(first: &str, tail: &str, family: Option<&str>) -> Option<usize> {
    let of = |all: &[&str]| {
        all.iter()
            .find(|it| tail.starts_with(**it))
            .map(|it| it.len())
    };
    if first == "[" {
        return of(SQUARE);
    }
    let markup = || {
        let ours = |families: &[&str]| family.is_none_or(|family| families.contains(&family));
        let mut rows = MARKUP.iter().filter(|(_, families)| ours(families));
        rows.find(|(it, _)| tail.starts_with(it))
            .map(|(it, _)| it.len())
    };
    barred(tail, '|')
        .or_else(|| barred(tail, '\u{ff5c}'))
        .or_else(|| of(ANGLE))
        .or_else(markup)
}

/// `|name|>`, with either bar.
fn barred(tail: &str, bar: char) -> Option<usize> {
    let inside = tail.strip_prefix(bar)?;
    let end = inside.find(bar)?;
    let name = &inside[..end];
    let word = |c: char| c.is_alphanumeric() || "_-./:\u{2581} ".contains(c);
    let closed = inside[end + bar.len_utf8()..].starts_with('>');
    (closed && (1..=NAME).contains(&end) && name.chars().all(word))
        .then(|| bar.len_utf8() * 2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each, with what makes of it.
    const SPELT: &[&str] = &[
        "<|im_start|>system",
        "<|eot_id|>",
        "<|start_header_id|>",
        "<|end|>",
        "<|channel|>",
        "<\u{ff5c}User\u{ff5c}>",
        "<\u{ff5c}tool\u{2581}outputs\u{2581}end\u{ff5c}>",
        "<|START_OF_TURN_TOKEN|>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "[TOOL_RESULTS]",
        "</tool_response>",
        "<start_of_turn>",
        "</think>",
        "</s>",
    ];

    fn unescaped(text: &str) -> String {
        let mut found = text.to_owned();
        for at in (0..text.len()).rev() {
            let starts = text.as_bytes()[at] == b'<' || text.as_bytes()[at] == b'[';
            if starts && text[at + 1..].starts_with('\\') {
                let tail = text[at + 1..].trim_start_matches('\\');
                if special(&text[at..=at], tail, None).is_some() {
                    found.remove(at + 1);
                }
            }
        }
        found
    }

    #[test]
    fn s54_each_spelling_is_escaped_and_can_be_told_from_what_was() {
        for spelt in SPELT {
            for text in [
                (*spelt).to_owned(),
                format!("a {spelt} b{spelt}{spelt}"),
                format!("<{spelt}"),
                spelt.replacen('<', "<\\", 1).replacen('[', "[\\", 1),
                spelt.replacen('<', "<\\\\", 1).replacen('[', "[\\\\", 1),
            ] {
                let (escaped, count) = escape_specials(&text, None);
                assert!(count > 0, "{text}");
                assert!(!escaped.contains(spelt), "{text} {escaped}");
                assert_eq!(unescaped(&escaped), text, "nothing is lost");
            }
        }
    }

    #[test]
    fn s54_what_spells_nothing_stays_as_it_is() {
        for text in [
            "",
            "a < b | c > d",
            "vec![1, 2]",
            "<html><body>[1] </body>",
            "if a <|| b |> c",
            "<| not a token, for it has a comma |>",
            "[inst]",
        ] {
            assert_eq!(
                escape_specials(text, None),
                (Cow::Borrowed(text), 0),
                "{text}"
            );
        }
        assert_eq!(escape_specials("<s>gone</s>", Some("qwen")).1, 0, "markup");
        assert_eq!(escape_specials("<s>gone</s>", Some("mistral")).1, 2);
        assert_eq!(escape_specials("<s>gone</s>", None).1, 2);
    }
}
