//! Phrases with which models decline in plain text, as data. Off unless the operator wants it, and it marks answers and
//! does nothing else: text, finish and events stay as they are. Refusals in a field of their own need no table.
//!
//! A phrase counts only where an answer begins with it. Families have their own; those without a family are everybody's.
//! They were written after refusals as the model cards and public evaluations of the families quote them.

use handshake_core::ids::Token;

/// As much of an answer as is looked at, in bytes.
const HEAD: usize = 256;

/// Phrases of families; of all, where none is named. Lower case, plain apostrophes, single spaces.
const PHRASES: &[(&[&str], &[&str])] = &[
    (
        &[],
        &[
            "i can't help with",
            "i cannot help with",
            "i can't assist with",
            "i cannot assist with",
            "i can't provide",
            "i cannot provide",
            "i can't fulfill",
            "i cannot fulfill",
            "i can't do that",
            "i won't help with",
            "i won't provide",
            "i'm not able to help with",
            "i am not able to help with",
            "i'm unable to assist",
            "i am unable to assist",
            "i'm sorry, but i can't",
            "i'm sorry, but i cannot",
            "i'm sorry, i can't",
            "i'm sorry, i cannot",
            "i am sorry, but i cannot",
            "sorry, but i can't",
            "sorry, i can't",
            "i must decline",
            "i have to decline",
        ],
    ),
    (
        &["gpt", "gpt_oss", "openai_reasoning"],
        &["i'm sorry, but i can't assist with that"],
    ),
    (
        &["claude"],
        &[
            "i don't feel comfortable",
            "i'm not comfortable",
            "i apologize, but i",
        ],
    ),
    (
        &["llama", "gemma", "phi", "granite"],
        &[
            "i can not",
            "as a responsible ai",
            "i cannot create",
            "i can't create",
        ],
    ),
    (
        &[
            "qwen",
            "qwen_thinking",
            "deepseek",
            "deepseek_r1",
            "glm",
            "kimi",
            "minimax",
        ],
        &[
            "抱歉，我无法",
            "抱歉，我不能",
            "对不起，我无法",
            "对不起，我不能",
            "很抱歉，我无法",
            "很抱歉，我不能",
            "作为一个人工智能",
        ],
    ),
    (
        &["mistral"],
        &[
            "je suis désolé, mais je ne peux pas",
            "désolé, je ne peux pas",
        ],
    ),
];

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
            .filter(|(families, _)| {
                families.is_empty()
                    || family.is_some_and(|family| families.contains(&family.as_str()))
            })
            .flat_map(|(_, phrases)| *phrases)
            .any(|phrase| head.starts_with(phrase))
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
        for (_, phrases) in PHRASES {
            for phrase in *phrases {
                assert_eq!(plain(phrase), *phrase);
            }
        }
    }
}
