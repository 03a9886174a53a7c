//! Phrases with which models decline in plain text, as data. Off unless the operator wants it, and it marks answers and
//! does nothing else: text, finish and events stay as they are. Refusals in a field of their own need no table.
//!
//! A phrase counts only where an answer begins with it. Families have their own; those without a family are everybody's.
//! They were written after refusals as the model cards and public evaluations of the families quote them.

use std::sync::LazyLock;

use handshake_core::ids::Token;
use serde::Deserialize;

/// As much of an answer as is looked at, in bytes.
const HEAD: usize = 256;

/// The table: `data/refusals.json`, families and phrases in lower case, with plain apostrophes and single spaces. Without
/// families a row is everybody's.
static PHRASES: LazyLock<Vec<Row>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../data/refusals.json"))
        .expect("the table of this crate is checked by its tests")
});

#[derive(Deserialize)]
struct Row {
    families: Vec<String>,
    phrases: Vec<String>,
}

/// Looks at the beginning of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Suspicion {
    head: String,
}

impl Suspicion {
    /// Takes text of the answer.
    pub(crate) fn text(&mut self, text: &str) {
        for c in text.chars() {
            if self.head.len() >= HEAD {
                return;
            }
            self.head.push(c);
        }
    }

    /// Whether the answer begins like a refusal of its family.
    pub(crate) fn is_raised(&self, family: Option<&Token>) -> bool {
        let head = plain(&self.head);
        PHRASES
            .iter()
            .filter(|row| {
                let of = |family: &Token| row.families.iter().any(|it| it == family.as_str());
                row.families.is_empty() || family.is_some_and(of)
            })
            .flat_map(|row| &row.phrases)
            .any(|phrase| head.starts_with(phrase.as_str()))
    }
}

/// Lower case, plain apostrophes, single spaces, no marks of emphasis before it.
fn plain(text: &str) -> String {
    let text = text.to_lowercase().replace(['\u{2019}', '\u{2018}'], "'");
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .trim_start_matches(['*', '_', '"', '\'', '#', '>', ' '])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspected(family: Option<&str>, pieces: &[&str]) -> bool {
        let mut suspicion = Suspicion::default();
        for piece in pieces {
            suspicion.text(piece);
        }
        let family = family.map(|family| Token::new(family).expect("a token"));
        suspicion.is_raised(family.as_ref())
    }

    #[test]
    fn b10_a_refusal_is_suspected_where_an_answer_begins_like_one() {
        assert!(suspected(
            None,
            &["I’m sorry, ", "but I  can't assist", " with that."]
        ));
        assert!(suspected(
            Some("llama"),
            &["**I cannot create** content that"]
        ));
        assert!(suspected(Some("qwen"), &["很抱歉，我无法提供"]));
        for (family, text) in [
            (
                None,
                "Of course. Some models say \"I can't help with that\".",
            ),
            (None, "I can help with that."),
            (None, ""),
            (Some("llama"), "抱歉，我无法"),
            (None, "I cannot create"),
        ] {
            assert!(!suspected(family, &[text]), "{text}");
        }
    }

    #[test]
    fn b10_what_is_looked_at_is_bounded() {
        let mut suspicion = Suspicion::default();
        suspicion.text(&" ".repeat(10_000));
        suspicion.text("I can't help with that");
        assert!(suspicion.head.len() <= HEAD && !suspicion.is_raised(None));
    }

    #[test]
    fn b10_the_table_is_written_as_it_is_compared() {
        assert!(PHRASES.len() >= 5);
        for phrase in PHRASES.iter().flat_map(|row| &row.phrases) {
            assert_eq!(plain(phrase), *phrase);
        }
    }
}
