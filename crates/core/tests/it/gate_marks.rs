//! A validator that finds words, each under a rule of its own, and says where.

use handshake_core::{
    digest::Digest,
    envelope::EnvelopeView,
    finding::{
        Confidence, FindingClass, FindingLevel, Findings, LeakageFinding, ValidatorError,
        WorkBudget,
    },
    ids::RuleId,
    ports::LeakageValidator,
};
use serde_json::Value;

/// One word: what finding it means.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    /// What a text holds.
    pub(crate) word: &'static str,
    /// Under which rule.
    pub(crate) rule: &'static str,
    pub(crate) class: FindingClass,
    pub(crate) level: FindingLevel,
    /// How it was decoded.
    pub(crate) views: &'static [&'static str],
}

/// A word that blocks.
pub(crate) const fn blocks(word: &'static str, rule: &'static str) -> Word {
    Word {
        word,
        rule,
        class: FindingClass::Secret,
        level: FindingLevel::Block,
        views: &[],
    }
}

/// A word that is asked about.
pub(crate) const fn asked(word: &'static str, rule: &'static str) -> Word {
    Word {
        level: FindingLevel::Ask,
        class: FindingClass::Personal,
        ..blocks(word, rule)
    }
}

/// Finds words in texts and in the names of members.
pub(crate) struct Marks(pub(crate) Vec<Word>);

impl LeakageValidator for Marks {
    fn epoch(&self) -> (Digest, u64) {
        (Digest::of(&[b"marks"]), 0)
    }

    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        budget.spend(1)?;
        let mut findings = Findings::none(self.epoch().0, 0);
        let body = view.json().map_err(|_| ValidatorError::Undecodable)?;
        self.walk(body, "", &mut findings.items);
        Ok(findings)
    }
}

impl Marks {
    fn walk(&self, value: &Value, at: &str, found: &mut Vec<LeakageFinding>) {
        match value {
            Value::String(text) => self.look(text, at, found),
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    self.walk(item, &format!("{at}/{n}"), found);
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    let at = format!("{at}/{name}");
                    self.look(name, &at, found);
                    self.walk(value, &at, found);
                }
            }
            _ => {}
        }
    }

    fn look(&self, text: &str, at: &str, found: &mut Vec<LeakageFinding>) {
        for word in &self.0 {
            for (start, _) in text.match_indices(word.word) {
                // As the engine does, the very token: to the next blank.
                let len = text[start..].find(' ').unwrap_or(text.len() - start);
                let range = word.views.is_empty();
                found.push(LeakageFinding {
                    rule: RuleId::new(word.rule).expect("an id"),
                    class: word.class,
                    level: word.level,
                    confidence: Confidence::High,
                    pointer: Some(at.to_owned()),
                    start: range.then_some(start as u64),
                    end: range.then_some((start + len) as u64),
                    views: word.views.iter().map(|it| (*it).to_owned()).collect(),
                    declassified: None,
                });
            }
        }
    }
}
