//! Fields that reach beyond the destination: they make a provider fetch, store, defer, contact a third
//! party, or use content that is not in the envelope; and fields that route or authenticate, which are
//! refused always. Names of published APIs; the walk is the same for every shape.

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

/// Fields whose presence, with a value that is not empty, false or null, reaches beyond the destination.
/// Top level only: the same words are ordinary content further down.
const TOP_LEVEL: &[&str] = &[
    "assistant",
    "assistant_id",
    "background",
    "batch",
    "callback_url",
    "container",
    "context_management",
    "conversation",
    "conversation_id",
    "data_sources",
    "documents_url",
    "file_ids",
    "include",
    "mcp_servers",
    "metadata",
    "mcp",
    "notification_url",
    "parent_id",
    "plugins",
    "previous_message_id",
    "previous_response_id",
    "prompt_id",
    "retrieval",
    "search_parameters",
    "service",
    "skills",
    "source_url",
    "store",
    "thread",
    "thread_id",
    "tool_resources",
    "transforms",
    "vector_store_ids",
    "web_search",
    "web_search_options",
    "webhook",
    "webhook_url",
];

/// Fields that choose another model or recipient, or authenticate. Never consentable.
const ROUTING: &[&str] = &[
    "allow_fallbacks",
    "api_base",
    "api_key",
    "api_keys",
    "api_version",
    "authorization",
    "aws_access_key_id",
    "aws_secret_access_key",
    "base_url",
    "credentials",
    "custom_llm_provider",
    "extra_body",
    "extra_headers",
    "fallbacks",
    "headers",
    "models",
    "organization",
    "preset",
    "project",
    "provider",
    "providers",
    "route",
    "router",
    "vertex_credentials",
];

/// Types of server-side tools: whatever is not a function that the caller runs.
const CLIENT_TOOLS: &[&str] = &["function", "custom"];

/// The validator.
#[derive(Clone, Copy, Debug)]
pub struct SecondHandValidator {
    mode: SecondHand,
}

impl SecondHandValidator {
    /// Refuses, or asks each time.
    #[must_use]
    pub fn new(mode: SecondHand) -> Self {
        Self { mode }
    }

    fn level(self) -> FindingLevel {
        match self.mode {
            SecondHand::Refuse => FindingLevel::Block,
            SecondHand::Ask => FindingLevel::Ask,
        }
    }
}

impl LeakageValidator for SecondHandValidator {
    fn epoch(&self) -> (Digest, u64) {
        let names = [
            TOP_LEVEL.join(","),
            ROUTING.join(","),
            CLIENT_TOOLS.join(","),
        ]
        .join(";");
        (
            Digest::of(&[
                b"hsk.second_hand.v1\0",
                &[self.level() as u8],
                names.as_bytes(),
            ]),
            0,
        )
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
        let body: Value =
            serde_json::from_slice(view.body()).map_err(|_| ValidatorError::Undecodable)?;
        let Value::Object(members) = &body else {
            return Err(ValidatorError::Undecodable);
        };
        for (name, value) in members {
            let plain = name.to_ascii_lowercase();
            if ROUTING.contains(&plain.as_str()) && says_something(value) {
                findings.items.push(finding(
                    "routing-field",
                    &pointer("", name),
                    FindingLevel::Block,
                )?);
            } else if TOP_LEVEL.contains(&plain.as_str()) && says_something(value) {
                findings.items.push(finding(
                    "second-hand-field",
                    &pointer("", name),
                    self.level(),
                )?);
            }
        }
        if let Some(Value::Array(tools)) = members.get("tools") {
            for (n, tool) in tools.iter().enumerate() {
                // A tool without a type is a function in every shape that has such tools.
                let kind = tool
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or("function");
                if !CLIENT_TOOLS.contains(&kind) {
                    let at = format!("/tools/{n}/type");
                    findings
                        .items
                        .push(finding("server-side-tool", &at, self.level())?);
                }
            }
        }
        for member in ["messages", "input", "system"] {
            if let Some(value) = members.get(member) {
                self.content(value, &pointer("", member), &mut findings)?;
            }
        }
        Ok(findings)
    }
}

impl SecondHandValidator {
    /// Content parts that a provider would fetch, or that name a file it already holds.
    fn content(
        self,
        value: &Value,
        at: &str,
        findings: &mut Findings,
    ) -> Result<(), ValidatorError> {
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(n, item)| self.content(item, &format!("{at}/{n}"), findings)),
            Value::Object(members) => {
                for (name, value) in members {
                    let here = pointer(at, name);
                    let remote = |text: &str| {
                        let text = text.trim_start().to_ascii_lowercase();
                        !text.is_empty() && !text.starts_with("data:")
                    };
                    let reaches = match (name.as_str(), value) {
                        (
                            "image_url" | "file_url" | "document_url" | "video_url" | "audio_url",
                            Value::String(text),
                        ) => remote(text),
                        ("url", Value::String(text)) if in_media(at) => remote(text),
                        ("file_id", Value::String(text)) => !text.is_empty(),
                        _ => false,
                    };
                    if reaches {
                        findings
                            .items
                            .push(finding("remote-content", &here, self.level())?);
                    } else if name != "arguments" && name != "tool_calls" {
                        self.content(value, &here, findings)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether a `url` member stands in a part that the provider would fetch.
fn in_media(at: &str) -> bool {
    [
        "/image_url",
        "/source",
        "/file",
        "/document",
        "/video_url",
        "/audio_url",
        "/input_audio",
    ]
    .iter()
    .any(|end| at.ends_with(end))
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn finding(
    rule: &str,
    pointer: &str,
    level: FindingLevel,
) -> Result<LeakageFinding, ValidatorError> {
    Ok(LeakageFinding {
        rule: RuleId::new(rule).map_err(|_| ValidatorError::Failed)?,
        class: FindingClass::SecondHandEgress,
        level,
        confidence: Confidence::High,
        pointer: Some(pointer.to_owned()),
        start: None,
        end: None,
        views: Vec::new(),
    })
}
