//! What an error body says, in any of the shapes that are in use.

use handshake_core::code::ErrorCode;
use serde_json::Value;

use super::words;
use crate::dialect::Dialect;

/// The machine-readable parts of an error body, and its text for the phrases that refine them.
#[derive(Default)]
pub(super) struct Facts {
    /// Codes and types, the most exact first, lower case.
    words: Vec<String>,
    /// A status inside the body.
    pub(super) status: Option<u16>,
    /// What it says, lower case. Looked at here, never kept.
    text: String,
}

impl Facts {
    /// The code that the body makes of a status, where it is more exact than the status. The dialect's own numbers say
    /// most; another vendor's may mean something else.
    pub(super) fn code(
        &self,
        status: u16,
        dialect: &Dialect,
    ) -> Option<(ErrorCode, Option<&'static str>)> {
        let own = self.words.iter().find_map(|word| dialect.code(word));
        let word = || self.words.iter().find_map(|word| words::word(word));
        // A phrase only refines what the status leaves open.
        let phrase =
            || words::phrase(&self.text).filter(|_| matches!(status, 400 | 413 | 422 | 500 | 501));
        own.map(|code| (code, None)).or_else(word).or_else(phrase)
    }
}

impl Facts {
    /// The status that its types stand for.
    pub(super) fn implied(&self) -> Option<u16> {
        self.words.iter().find_map(|word| words::implied(word))
    }
}

/// Reads an error body; `None` for bytes that are not JSON.
pub(super) fn read(body: &[u8]) -> Option<Facts> {
    let value: Value = serde_json::from_slice(body.trim_ascii()).ok()?;
    let mut facts = Facts::default();
    collect(&value, &mut facts, 0);
    Some(facts)
}

/// Nested so deep that every known shape is reached.
const DEPTH: usize = 3;

fn collect(value: &Value, facts: &mut Facts, depth: usize) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Array(items) => {
            if let Some(first) = items.first() {
                collect(first, facts, depth + 1);
            }
        }
        Value::Object(members) => {
            for inner in ["error", "innererror", "base_resp", "errors"] {
                if let Some(error) = members.get(inner) {
                    collect(error, facts, depth + 1);
                }
            }
            for name in [
                "code",
                "type",
                "status",
                "error_type",
                "raw_status_code",
                "statusCode",
                "status_code",
                "reason",
            ] {
                match members.get(name) {
                    Some(Value::String(word)) => facts.word(word),
                    Some(Value::Number(number)) => facts.number(number.as_u64()),
                    _ => {}
                }
            }
            for name in ["message", "detail", "status_msg", "title"] {
                match members.get(name) {
                    Some(Value::String(text)) => facts.text(text),
                    Some(nested) => collect(nested, facts, depth + 1),
                    None => {}
                }
            }
        }
        Value::String(text) => facts.text(text),
        _ => {}
    }
}

impl Facts {
    fn word(&mut self, word: &str) {
        match word.parse::<u64>() {
            Ok(number) => self.number(Some(number)),
            Err(_) => self.words.push(word.to_ascii_lowercase()),
        }
    }

    fn number(&mut self, number: Option<u64>) {
        // What is no status is a vendor's own number.
        if let Some(own) = number.filter(|number| *number >= 600) {
            self.words.push(own.to_string());
        }
        let status = number
            .and_then(|n| u16::try_from(n).ok())
            .filter(|n| (300..600).contains(n));
        self.status = self.status.or(status);
    }

    fn text(&mut self, text: &str) {
        self.text.push_str(&text.to_ascii_lowercase());
        self.text.push('\n');
    }
}
