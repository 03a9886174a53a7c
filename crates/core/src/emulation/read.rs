//! Reading an answer of the grammar as it comes.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::EmulatedTools;
use crate::{
    chat::{FinishReason, ToolChoice},
    code::{ErrorCode, Phase},
    error::CallError,
    ids::ToolName,
    json::{MAX_STRICT_BYTES, StrictJsonError, strict_object},
};

/// The most calls of one answer.
const MAX_CALLS: usize = 128;

/// Reads one answer, piece by piece. What it gives does not depend on how the text was cut.
#[derive(Clone)]
pub struct EmulatedReader {
    tools: EmulatedTools,
    /// The member that makes a block, in quotes.
    marker: String,
    state: State,
    /// What is not decided yet.
    held: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// It may yet be a block.
    Open,
    /// It is text.
    Text,
}

/// What a whole answer says beyond the text that was passed on before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EmulatedAnswer {
    /// The rest of its text, or what stands beside its calls.
    pub text: String,
    /// Its calls, in order.
    pub calls: Vec<(ToolName, Map<String, Value>)>,
}

impl EmulatedReader {
    /// A reader for the answer to one request.
    #[must_use]
    pub fn new(tools: EmulatedTools) -> Self {
        Self {
            marker: tools.calls(),
            tools,
            state: State::Open,
            held: String::new(),
        }
    }

    /// Takes text; gives what of it is text for certain.
    ///
    /// # Errors
    /// `HSK-422-TOOL-CALL-PARSE` for calls within text; `HSK-413-STREAM-LIMIT` for a block that is too long.
    pub fn push(&mut self, text: &str) -> Result<String, CallError> {
        self.held.push_str(text);
        if self.state == State::Open {
            if self.may_be_block() {
                return if self.held.len() > MAX_STRICT_BYTES {
                    Err(CallError::new(ErrorCode::StreamLimit, Phase::Decode).about("tool calls"))
                } else {
                    Ok(String::new())
                };
            }
            self.state = State::Text;
        }
        if self.held.contains(&self.marker) {
            return Err(malformed("text before the tool calls"));
        }
        // The longest end that may yet become the marker stays.
        let keep = (1..self.marker.len())
            .rev()
            .find(|len| self.held.ends_with(&self.marker[..*len]))
            .unwrap_or(0);
        let kept = self.held.split_off(self.held.len() - keep);
        Ok(std::mem::replace(&mut self.held, kept))
    }

    /// The answer is whole and ended for this reason. `refused`: the model declined in a field of its own, and owes no call.
    ///
    /// # Errors
    /// `HSK-422-TOOL-CALL-PARSE` for what holds the fence and is no block, or is not what was asked for;
    /// `HSK-422-TRUNCATED-TOOL-TURN` for a block that was cut.
    pub fn finish(
        &mut self,
        reason: FinishReason,
        refused: bool,
    ) -> Result<EmulatedAnswer, CallError> {
        let held = std::mem::take(&mut self.held);
        let answer = if held.contains(&self.marker) {
            let cut = reason != FinishReason::Stop && reason != FinishReason::ToolUse;
            match self.block(held.trim()) {
                // Half a batch is not what the model wanted, whole or not.
                _ if cut => {
                    return Err(CallError::new(ErrorCode::TruncatedToolTurn, Phase::Decode));
                }
                block => block?,
            }
        } else {
            EmulatedAnswer {
                text: held,
                calls: Vec::new(),
            }
        };
        if !refused && reason != FinishReason::ContentFilter {
            self.check_choice(&answer)?;
        }
        Ok(answer)
    }

    /// Whether what came so far is the beginning of a block, or of an object that may become one.
    fn may_be_block(&self) -> bool {
        let rest = self.held.trim_start();
        let Some(rest) = rest.strip_prefix('{') else {
            return rest.is_empty();
        };
        let Some(rest) = rest.trim_start().strip_prefix('"') else {
            return rest.trim_start().is_empty();
        };
        [self.marker.as_str(), "text\""]
            .iter()
            .any(|name| name.starts_with(rest) || rest.starts_with(name))
    }

    fn block(&self, text: &str) -> Result<EmulatedAnswer, CallError> {
        let mut members = strict_object(text).map_err(|error| match error {
            StrictJsonError::DuplicateKey => malformed("duplicate key"),
            StrictJsonError::TooLarge => {
                CallError::new(ErrorCode::StreamLimit, Phase::Decode).about("tool calls")
            }
            StrictJsonError::NotObject | StrictJsonError::NotJson => malformed(around(text)),
        })?;
        let Some(Value::Array(listed)) = members.remove(&self.marker) else {
            return Err(malformed("tool calls"));
        };
        let said = match members.remove("text") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => return Err(malformed("text")),
        };
        if !members.is_empty() {
            return Err(malformed("unknown member"));
        }
        if listed.is_empty() {
            return Err(malformed("no tool call"));
        }
        if listed.len() > MAX_CALLS {
            return Err(CallError::new(ErrorCode::StreamLimit, Phase::Decode).about("tool calls"));
        }
        let calls = listed
            .into_iter()
            .map(|call| self.call(call))
            .collect::<Result<_, _>>()?;
        Ok(EmulatedAnswer { text: said, calls })
    }

    fn call(&self, call: Value) -> Result<(ToolName, Map<String, Value>), CallError> {
        let Value::Object(mut members) = call else {
            return Err(malformed("tool call"));
        };
        let (tool, arguments) = (members.remove("tool"), members.remove("arguments"));
        if !members.is_empty() {
            return Err(malformed("unknown member"));
        }
        let Some(Value::String(name)) = tool else {
            return Err(malformed("tool name"));
        };
        // Exactly a declared name; never one that merely looks like it.
        let tool = self
            .tools
            .tools
            .iter()
            .find(|tool| tool.as_str() == name)
            .ok_or_else(|| malformed("unknown tool"))?;
        match arguments {
            // Nothing at all is no arguments, as everywhere.
            None | Some(Value::Null) => Ok((tool.clone(), Map::new())),
            Some(Value::Object(arguments)) => Ok((tool.clone(), arguments)),
            Some(_) => Err(malformed("tool arguments")),
        }
    }

    fn check_choice(&self, answer: &EmulatedAnswer) -> Result<(), CallError> {
        let calls = &answer.calls;
        match &self.tools.choice {
            Some(ToolChoice::Required) if calls.is_empty() => Err(broken("required tool call")),
            Some(ToolChoice::Named(tool))
                if calls.is_empty() || calls.iter().any(|(called, _)| called != tool) =>
            {
                Err(broken("required tool call"))
            }
            Some(ToolChoice::None) if !calls.is_empty() => Err(broken("forbidden tool call")),
            _ => Ok(()),
        }
    }
}

/// What stands around a block that is not alone.
fn around(text: &str) -> &'static str {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => match text[values.byte_offset()..].trim_start().chars().next() {
            Some('{') => "two tool call blocks",
            Some(_) => "text after the tool calls",
            None => "tool calls",
        },
        _ => "tool calls",
    }
}

fn malformed(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::ToolCallParse, Phase::Decode).about(subject)
}

/// A promise that was not kept.
fn broken(subject: &'static str) -> CallError {
    CallError::new(ErrorCode::ToolCallParse, Phase::Check).about(subject)
}

impl std::fmt::Debug for EmulatedReader {
    /// What is held is payload: only its length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "EmulatedReader({:?}, {} bytes)",
            self.state,
            self.held.len()
        )
    }
}

#[cfg(test)]
mod tests;
