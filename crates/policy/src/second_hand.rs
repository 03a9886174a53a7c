//! Fields that reach beyond the destination: they make a provider fetch, store, defer, contact a third
//! party, or use content that is not in the envelope; and fields that route or authenticate, which are
//! refused always. Names of published APIs; the walk is the same for every shape.

mod content;
mod names;

use handshake_core::{
    digest::Digest,
    envelope::EnvelopeView,
    finding::{
        Confidence, FindingClass, FindingLevel, Findings, LeakageFinding, ValidatorError,
        WorkBudget,
    },
    ids::RuleId,
    policy::SecondHand,
    ports::LeakageValidator,
};
use serde_json::Value;

use self::names::{CLIENT_TOOLS, EMPTY_IS_NOTHING, ROUTING, TOOL_CHOICES, TOP_LEVEL, plain};

/// The validator.
#[derive(Clone, Copy, Debug)]
pub struct SecondHandValidator {
    mode: SecondHand,
    ruleset: Digest,
}

impl SecondHandValidator {
    /// Refuses, or asks each time.
    #[must_use]
    pub fn new(mode: SecondHand) -> Self {
        let (level, names) = ([level(mode) as u8], names::all());
        let ruleset = Digest::of(&[b"hsk.second_hand.v3\0", &level, names.as_bytes()]);
        Self { mode, ruleset }
    }
}

fn level(mode: SecondHand) -> FindingLevel {
    match mode {
        SecondHand::Refuse => FindingLevel::Block,
        SecondHand::Ask => FindingLevel::Ask,
    }
}

impl LeakageValidator for SecondHandValidator {
    fn epoch(&self) -> (Digest, u64) {
        (self.ruleset, 0)
    }

    fn inspect(
        &self,
        view: &EnvelopeView<'_>,
        budget: &mut WorkBudget,
    ) -> Result<Findings, ValidatorError> {
        budget.spend(view.body().len() as u64)?;
        let (ruleset, enrolment) = self.epoch();
        let mut findings = Findings::none(ruleset, enrolment);
        if view.body().is_empty() {
            return Ok(findings);
        }
        // Duplicate keys would let one reading be judged and another be obeyed.
        let body = view.json().map_err(|_| ValidatorError::Undecodable)?;
        let Value::Object(members) = body else {
            return Err(ValidatorError::Undecodable);
        };
        let level = level(self.mode);
        let mut found = |rule, at: String, level| -> Result<(), ValidatorError> {
            findings.items.push(finding(rule, at, level)?);
            Ok(())
        };
        for (name, value) in members {
            let word = plain(name);
            if ROUTING.contains(&word.as_str()) && !is_off(value) {
                found("routing-field", pointer("", name), FindingLevel::Block)?;
            } else if TOP_LEVEL.contains(&word.as_str()) && reaches(&word, value) {
                found("second-hand-field", pointer("", name), level)?;
            }
            match (word.as_str(), value) {
                ("tools", Value::Array(tools)) => {
                    for (n, tool) in tools.iter().enumerate().filter(|(_, t)| !is_clients(t)) {
                        let at = match tool.get("type") {
                            Some(_) => format!("/{name}/{n}/type"),
                            None => format!("/{name}/{n}"),
                        };
                        found("server-side-tool", at, level)?;
                    }
                }
                ("toolchoice", Value::Object(choice)) => {
                    let kind = choice.get("type").and_then(Value::as_str).map(plain);
                    if kind.is_some_and(|kind| !TOOL_CHOICES.contains(&kind.as_str())) {
                        found("server-side-tool", format!("/{name}/type"), level)?;
                    }
                }
                // A stored prompt by its id, instead of the prompt.
                ("prompt", Value::Object(_)) => {
                    found("second-hand-field", pointer("", name), level)?;
                }
                _ => {}
            }
        }
        for (name, value) in members {
            if content::MEMBERS.contains(&plain(name).as_str()) {
                content::walk(value, &pointer("", name), "", &mut |at| {
                    found("remote-content", at, level)
                })?;
            }
        }
        Ok(findings)
    }
}

/// Whether a field of this name does something. Being there decides: to one API or another an empty object, list or
/// text means its default, and that is to reach out (`web_search_options: {}` searches).
fn reaches(word: &str, value: &Value) -> bool {
    match (word, value) {
        // A client's own id for its user, which some clients always send, is shown with the request itself.
        ("metadata", Value::Object(members)) => members
            .iter()
            .any(|(name, value)| plain(name) != "userid" || !value.is_string()),
        // Keeping nothing beyond the answer is what is wanted.
        ("promptcacheretention", Value::String(text)) => {
            !matches!(text.as_str(), "" | "in_memory" | "in-memory")
        }
        (word, Value::Array(items)) if EMPTY_IS_NOTHING.contains(&word) => !items.is_empty(),
        _ => !is_off(value),
    }
}

/// Absent, in other words: `null` is how optional members are left out in writing, and `false` switches off.
fn is_off(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
}

/// Whether a tool is one that the caller runs: a function by its type, or, in shapes whose tools have none,
/// by its schema.
fn is_clients(tool: &Value) -> bool {
    match tool.get("type") {
        Some(kind) => kind
            .as_str()
            .is_some_and(|kind| CLIENT_TOOLS.contains(&kind)),
        None => {
            let has = |name| tool.get(name).is_some_and(Value::is_object);
            has("function")
                || (tool.get("name").is_some() && (has("input_schema") || has("parameters")))
        }
    }
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn finding(
    rule: &str,
    pointer: String,
    level: FindingLevel,
) -> Result<LeakageFinding, ValidatorError> {
    Ok(LeakageFinding {
        rule: RuleId::new(rule).map_err(|_| ValidatorError::Failed)?,
        class: FindingClass::SecondHandEgress,
        level,
        confidence: Confidence::High,
        pointer: Some(pointer),
        start: None,
        end: None,
        views: Vec::new(),
        declassified: None,
    })
}
