//! Chat requests from the command line and from files.

use std::{io::Read, path::Path};

use handshake_core::{
    chat::{ChatRequest, Message, Params, Role, Target},
    code::{ErrorCode, Phase},
    ids::{MessageId, SessionId, ToolId, TraceId},
    ports::{Clock, Entropy, EntropyExt},
    tool::ToolRegistry,
};
use handshake_llm::parts::{account, builtins};
use serde::Deserialize;

use crate::error::{AppError, Result};

/// The largest file that a command reads.
const MAX_FILE: u64 = 16 << 20;

/// `--request FILE`: the parts of a chat request that a person writes. Ids, times and the principal are ours.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestFile {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    session_id: Option<SessionId>,
    #[serde(default)]
    messages: Vec<MessageFile>,
    #[serde(default)]
    tools: Vec<ToolId>,
    #[serde(default)]
    tool_choice: Option<handshake_core::chat::ToolChoice>,
    #[serde(default)]
    structured_output_schema: Option<serde_json::Value>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    params: Params,
    #[serde(default)]
    artifacts: Vec<handshake_core::ids::ArtifactRef>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFile {
    role: MessageRole,
    content: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MessageRole {
    #[serde(alias = "SYSTEM")]
    System,
    #[serde(alias = "USER")]
    User,
    #[serde(alias = "ASSISTANT")]
    Assistant,
}

/// What the command line says about a request.
#[derive(Debug, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) role: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) request: Option<&'a Path>,
    pub(crate) tools: Option<&'a Path>,
    pub(crate) schema: Option<&'a Path>,
    pub(crate) prompt: Option<&'a str>,
}

/// A request, and the tools that the runtime may run for it.
pub(crate) struct Composed {
    pub(crate) request: ChatRequest,
    pub(crate) tools: ToolRegistry,
    /// Whether the caller named the session, so that it is kept.
    pub(crate) kept: bool,
    /// Whether the model was left to the session.
    pub(crate) model_given: bool,
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |_| {
        AppError::usage(
            ErrorCode::InvalidRequest,
            format!("cannot read {}", path.display()),
        )
    };
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    source
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(AppError::usage(
            ErrorCode::MaxBytes,
            format!("file larger than 16 MiB: {}", path.display()),
        ));
    }
    Ok(bytes)
}

/// The longest path of members that an error names.
const MAX_NAMED: usize = 120;

/// Reads a JSON file. The error names the member at fault and its place, never a value.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path, expected: &str) -> Result<T> {
    let bytes = read(path)?;
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let refused = |what: String, error: &serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        let name = path.display();
        AppError::usage(
            ErrorCode::InvalidRequest,
            format!("{name} is not {expected}: {what}line {line}, column {column}"),
        )
        .next("correct the file at that place")
    };
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let member: String = error.path().to_string().chars().take(MAX_NAMED).collect();
        let error = error.into_inner();
        // What serde says may repeat a value; of its kind only the beginning is.
        let what = match error.to_string() {
            said if said.starts_with("duplicate field") => "a member stands twice, ".to_owned(),
            _ if !error.is_data() || member == "." => String::new(),
            said if said.starts_with("unknown field") => format!("unknown member `{member}`, "),
            said if said.starts_with("missing field") => {
                format!("a member is missing in `{member}`, ")
            }
            _ => format!("wrong type or value of `{member}`, "),
        };
        refused(what, &error)
    })?;
    reader
        .end()
        .map_err(|error| refused(String::new(), &error))?;
    Ok(value)
}

impl Asked<'_> {
    /// Composes the request. `session_model` is the model that a swap moved the session to.
    pub(crate) fn compose(&self, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Composed> {
        let file: RequestFile = match self.request {
            Some(path) => read_json(path, "a chat request")?,
            None => RequestFile::default(),
        };
        let bad = |text: &str| AppError::usage(ErrorCode::InvalidRequest, text);
        let model = self.model.map(str::to_owned).or(file.model);
        let role = self.role.map(str::to_owned).or(file.role);
        let model_given = model.is_some() || role.is_some();
        let target = match (model, role) {
            (Some(_), Some(_)) => return Err(bad("name a model or a role, not both")),
            (Some(model), None) => Target::Model(model.parse()?),
            (None, role) => Target::Role(role.as_deref().unwrap_or("frontend").parse()?),
        };
        let session = self
            .session
            .map(SessionId::new)
            .transpose()?
            .or(file.session_id);
        let kept = session.is_some();
        let id = || MessageId::from_entropy(entropy.bytes());
        let mut messages: Vec<Message> = file
            .messages
            .into_iter()
            .map(|m| {
                let role = match m.role {
                    MessageRole::System => Role::System,
                    MessageRole::User => Role::User,
                    MessageRole::Assistant => Role::Assistant,
                };
                Message::text(id(), role, m.content, clock.now())
            })
            .collect();
        if let Some(prompt) = self.prompt {
            messages.push(Message::text(id(), Role::User, prompt, clock.now()));
        }
        if messages.is_empty() {
            return Err(bad("no message: give a PROMPT or --request FILE"));
        }
        let tools = self.tools(&file.tools)?;
        let definitions = tools
            .iter()
            .map(handshake_core::tool::ToolEntry::definition)
            .collect();
        let schema = match self.schema {
            Some(path) => Some(read_json(path, "a JSON schema")?),
            None => file.structured_output_schema,
        };
        let session = match session {
            Some(session) => session,
            None => SessionId::new(format!("once-{}", TraceId::from_entropy(entropy.bytes())))?,
        };
        let trace = TraceId::from_entropy(entropy.bytes());
        let mut request = ChatRequest::new(session, trace, account(), target, messages);
        request.tools = definitions;
        request.tool_choice = file.tool_choice;
        request.structured_output_schema = schema;
        request.stream = file.stream.unwrap_or(true);
        request.params = file.params;
        request.artifacts = file.artifacts;
        Ok(Composed {
            request,
            tools,
            kept,
            model_given,
        })
    }

    /// `--tools FILE`: a JSON array of built-in tool ids, or of whole entries of tools that this binary runs.
    fn tools(&self, named: &[ToolId]) -> Result<ToolRegistry> {
        let builtins = builtins();
        let mut chosen = ToolRegistry::new();
        let bad = |text: String| AppError::usage(ErrorCode::InvalidConfig, text);
        let mut register = |entry: handshake_core::tool::ToolEntry| {
            if builtins.get(&entry.tool_id).is_none() {
                return Err(AppError::new(
                    ErrorCode::ToolDenied,
                    Phase::Input,
                    format!("this program cannot run the tool {}", entry.tool_id),
                ));
            }
            chosen
                .register(entry)
                .map_err(|error| bad(error.to_string()))
        };
        let by_id = |id: &ToolId, register: &mut dyn FnMut(_) -> Result<()>| match builtins.get(id)
        {
            Some(entry) => register(entry.clone()),
            None => Err(bad(format!("no such built-in tool: {id}"))),
        };
        for id in named {
            by_id(id, &mut register)?;
        }
        let Some(path) = self.tools else {
            return Ok(chosen);
        };
        let items: Vec<serde_json::Value> = read_json(path, "a JSON array of tools")?;
        for item in items {
            match item {
                serde_json::Value::String(id) => by_id(&ToolId::new(id)?, &mut register)?,
                entry => {
                    let one = serde_json::to_vec(&[entry]).unwrap_or_default();
                    let registry =
                        ToolRegistry::from_json(&one).map_err(|error| bad(error.to_string()))?;
                    for entry in registry.iter() {
                        register(entry.clone())?;
                    }
                }
            }
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let name = file.path().display().to_string();
        let error = read_json::<RequestFile>(file.path(), "a chat request").expect_err(text);
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        error.message.replace(&name, "FILE")
    }

    #[test]
    fn d3_a_member_at_fault_is_named_and_its_value_is_not() {
        let place = "FILE is not a chat request: ";
        for (text, what) in [
            (
                r#"{"temperatur":"s3cret"}"#,
                "unknown member `temperatur`, ",
            ),
            (
                r#"{"messages":[{"role":"user","content":"s3cret","name":"s3cret"}]}"#,
                "unknown member `messages[0].name`, ",
            ),
            (
                r#"{"params":{"temperature":"s3cret"}}"#,
                "wrong type or value of `params.temperature`, ",
            ),
            (
                r#"{"messages":[{"role":"user"}]}"#,
                "a member is missing in `messages[0]`, ",
            ),
            (
                r#"{"stream":true,"stream":"s3cret"}"#,
                "a member stands twice, ",
            ),
            (r#"{"stream":true} s3cret"#, "line 1, "),
            ("s3cret", "line 1, "),
            ("", "line 1, "),
        ] {
            let said = refused(text);
            assert!(
                said.starts_with(&format!("{place}{what}")),
                "{text}: {said}"
            );
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
