//! Promises held: the same events, and an error where the answer is not what was asked for.

use std::{collections::BTreeSet, sync::Arc};

use handshake_core::{
    chat::{ChatEvent, FinishReason, TokenUsage, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ModelId, Token, ToolCallId},
};

use crate::refusal::Suspicion;

/// Bytes of text for one token, where the provider reports nothing: a low estimate, so that a bound is not
/// called exceeded by estimate alone too easily.
const BYTES_PER_TOKEN: u64 = 8;
/// No tokenizer makes longer tokens on average: text beyond this many bytes per allowed token stops the call.
const BYTES_PER_TOKEN_AT_MOST: u64 = 64;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    /// The bound on the answer, in tokens.
    pub max_tokens: Option<u64>,
    /// The schema that the answer must match.
    pub schema: Option<Arc<jsonschema::Validator>>,
    /// Whether a call was required.
    pub tool_choice: Option<ToolChoice>,
    /// Other models than the one that was asked for, that a person expects to answer.
    pub answers_as: BTreeSet<ModelId>,
    /// Whether answers that begin like a refusal are marked, and the family whose phrases count beside everybody's.
    pub suspect_refusals: Option<Option<Token>>,
}

/// Checks the events of one call as they pass.
#[derive(Debug)]
pub struct Check {
    promises: Promises,
    text: String,
    suspicion: Suspicion,
    text_bytes: u64,
    refused: bool,
    calls: BTreeSet<ToolCallId>,
    named_seen: bool,
    usage: TokenUsage,
    started: bool,
    finished: bool,
}

/// Compiles a schema with bounds: no network, no file, linear regular expressions.
///
/// # Errors
/// `HSK-422-SCHEMA-KEYWORD` for a schema that is too large, too deep, refers elsewhere or does not compile.
pub fn compile_schema(schema: &serde_json::Value) -> Result<jsonschema::Validator, CallError> {
    let refused = |what| CallError::new(ErrorCode::SchemaKeyword, Phase::Admit).about(what);
    let mut nodes = 0;
    bounded(schema, 0, &mut nodes).map_err(refused)?;
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .should_validate_formats(false)
        .build(schema)
        .map_err(|_| refused("schema"))
}

fn bounded(value: &serde_json::Value, depth: usize, nodes: &mut usize) -> Result<(), &'static str> {
    *nodes += 1;
    if depth > 32 || *nodes > 2_000 {
        return Err("schema size");
    }
    match value {
        serde_json::Value::Array(items) => items
            .iter()
            .try_for_each(|item| bounded(item, depth + 1, nodes)),
        serde_json::Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            let elsewhere = name.ends_with("$ref")
                || name.ends_with("$dynamicRef")
                || name.ends_with("$recursiveRef");
            match member.as_str() {
                Some(target) if elsewhere && !target.starts_with('#') => Err("$ref"),
                _ => bounded(member, depth + 1, nodes),
            }
        }),
        _ => Ok(()),
    }
}

impl Check {
    /// Begins one call.
    #[must_use]
    pub fn new(promises: Promises) -> Self {
        Self {
            promises,
            text: String::new(),
            suspicion: Suspicion::default(),
            text_bytes: 0,
            refused: false,
            calls: BTreeSet::new(),
            named_seen: false,
            usage: TokenUsage::default(),
            started: false,
            finished: false,
        }
    }

    /// Whether an event tells of another model than one that was asked for or is expected.
    #[must_use]
    pub fn is_unexpected(&self, event: &ChatEvent) -> bool {
        match event {
            ChatEvent::ModelAnswered { model_id } => !model_id
                .as_ref()
                .is_some_and(|model| self.promises.answers_as.contains(model)),
            _ => false,
        }
    }

    /// The usage so far; estimated when the provider reported nothing.
    #[must_use]
    pub fn usage(&self) -> TokenUsage {
        match self.usage.completion_tokens {
            Some(_) => self.usage,
            None => TokenUsage {
                completion_tokens: Some(self.text_bytes.div_ceil(BYTES_PER_TOKEN)),
                estimated: true,
                ..self.usage
            },
        }
    }

    /// Bytes of text and thinking so far.
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Whether the answer so far is suspected to be a refusal. Never, unless that was asked for; nor where calls or a
    /// refusal in a field of its own say what it is.
    #[must_use]
    pub fn suspects_refusal(&self) -> bool {
        let family = self.promises.suspect_refusals.as_ref();
        family.is_some_and(|family| {
            self.calls.is_empty() && !self.refused && self.suspicion.is_raised(family.as_ref())
        })
    }

    /// Looks at the next event before it is passed on.
    ///
    /// # Errors
    /// The call's terminal failure.
    pub fn event(&mut self, event: &ChatEvent) -> Result<(), CallError> {
        let failed = |code| CallError::new(code, Phase::Check);
        let in_order = !self.finished && (self.started != matches!(event, ChatEvent::Started));
        if !in_order {
            return Err(failed(ErrorCode::Protocol).about("event order"));
        }
        match event {
            ChatEvent::Started => self.started = true,
            ChatEvent::TextDelta { text } => {
                self.text_bytes += text.len() as u64;
                if self.promises.schema.is_some() {
                    self.text.push_str(text);
                }
                if self.promises.suspect_refusals.is_some() {
                    self.suspicion.text(text);
                }
                self.bound()?;
            }
            ChatEvent::ReasoningDelta { text } => {
                self.text_bytes += text.len() as u64;
                self.bound()?;
            }
            ChatEvent::Refusal { .. } => self.refused = true,
            ChatEvent::ToolCall(call) => {
                if !self.calls.insert(call.tool_call_id) {
                    return Err(failed(ErrorCode::Protocol).about("tool call id"));
                }
                self.named_seen |= matches!(&self.promises.tool_choice, Some(ToolChoice::Named(name)) if *name == call.tool_id);
            }
            ChatEvent::Usage(usage) => self.usage = *usage,
            ChatEvent::Finished { finish_reason, .. } => {
                self.finished = true;
                self.at_the_end(*finish_reason)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn bound(&self) -> Result<(), CallError> {
        match self.promises.max_tokens {
            Some(max) if self.text_bytes > max.saturating_mul(BYTES_PER_TOKEN_AT_MOST) => {
                Err(CallError::new(ErrorCode::BudgetExceeded, Phase::Check).about("max_tokens"))
            }
            _ => Ok(()),
        }
    }

    fn at_the_end(&self, finish: FinishReason) -> Result<(), CallError> {
        let failed = |code| CallError::new(code, Phase::Check);
        if finish == FinishReason::Error {
            // A live stream that fails ends in an `Err`; a finish that says so is no answer.
            return Err(failed(ErrorCode::Protocol).about("finish reason"));
        }
        if let (Some(max), Some(used)) = (self.promises.max_tokens, self.usage().completion_tokens)
            && used > max
        {
            return Err(failed(ErrorCode::BudgetExceeded).about("max_tokens"));
        }
        if self.refused {
            return Ok(());
        }
        let required = match &self.promises.tool_choice {
            Some(ToolChoice::Required) => self.calls.is_empty(),
            Some(ToolChoice::Named(_)) => !self.named_seen,
            _ => false,
        };
        // A cut or filtered answer says so itself; the promise was not silently broken.
        let whole = matches!(finish, FinishReason::Stop | FinishReason::ToolUse);
        if required && whole {
            return Err(failed(ErrorCode::ToolCallParse).about("required tool call"));
        }
        if let Some(schema) = &self.promises.schema
            && self.calls.is_empty()
        {
            if !whole {
                return Err(failed(ErrorCode::StructuredOutputInvalid).about("cut answer"));
            }
            let value = serde_json::from_str(self.text.trim())
                .map_err(|_| failed(ErrorCode::StructuredOutputInvalid).about("not JSON"))?;
            if !schema.is_valid(&value) {
                return Err(failed(ErrorCode::StructuredOutputInvalid).about("schema"));
            }
        }
        Ok(())
    }
}
