//! A model as the simulator lists it.

use serde::{Deserialize, Serialize};

/// Where Ollama's own cloud names are forwarded to, as a daemon reports it. Nothing is dialled.
const CLOUD_HOST: &str = "https://ollama.com:443";

/// A model the simulator lists and answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name as listed, such as `sim-small:latest` or `vendor/model`. `x` finds `x:latest`.
    pub name: String,
    /// Ollama's capability words: `completion`, `tools`, `vision`, `thinking`, `embedding`.
    #[serde(default = "default_capabilities")]
    pub capabilities: Vec<String>,
    /// Context length in tokens of four bytes.
    #[serde(default = "default_context")]
    pub context_length: u64,
    /// Bytes on disk, as `/api/tags` reports it.
    #[serde(default = "default_size")]
    pub size: u64,
    /// Length of an embedding.
    #[serde(default = "default_embedding")]
    pub embedding_length: usize,
    /// Set where the daemon forwards this model off the machine, under whatever name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// Which tool call ids the OpenAI-compatible side accepts and mints.
    #[serde(default)]
    pub tool_ids: ToolIdRule,
}

/// Where a daemon forwards a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// `remote_host`.
    pub host: String,
    /// `remote_model`.
    pub model: String,
}

/// Which tool call ids a model accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolIdRule {
    /// Up to 40 characters, `call_…` minted, as OpenAI does.
    #[default]
    Short,
    /// Exactly nine letters or digits, as the Mistral family does; others are 400 code 3280.
    Strict9,
    /// Anything; `functions.NAME:N` minted, as Kimi K2 does.
    Kimi,
}

fn default_capabilities() -> Vec<String> {
    words(&["completion", "tools"])
}

fn default_context() -> u64 {
    8192
}

fn default_size() -> u64 {
    1_000_000_000
}

fn default_embedding() -> usize {
    8
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

impl Model {
    /// A model with `completion` and `tools`, 8192 tokens of context, not forwarded.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            capabilities: default_capabilities(),
            context_length: default_context(),
            size: default_size(),
            embedding_length: default_embedding(),
            remote: None,
            tool_ids: ToolIdRule::default(),
        }
    }

    /// Replaces the capabilities.
    #[must_use]
    pub fn capabilities(mut self, list: &[&str]) -> Self {
        self.capabilities = words(list);
        self
    }

    /// Sets the context length in tokens.
    #[must_use]
    pub fn context_length(mut self, tokens: u64) -> Self {
        self.context_length = tokens;
        self
    }

    /// Sets the size in bytes.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// Marks the model as forwarded off the machine.
    #[must_use]
    pub fn remote(mut self, host: impl Into<String>, model: impl Into<String>) -> Self {
        self.remote = Some(Remote {
            host: host.into(),
            model: model.into(),
        });
        self
    }

    /// Sets which tool call ids it accepts.
    #[must_use]
    pub fn tool_ids(mut self, rule: ToolIdRule) -> Self {
        self.tool_ids = rule;
        self
    }

    /// Whether it has the capability.
    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|word| word == capability)
    }

    /// Where it is forwarded, by its own record or by its name.
    pub(crate) fn forwarded(&self) -> Option<Remote> {
        self.remote.clone().or_else(|| remote_by_name(&self.name))
    }

    /// The models served where a script lists none.
    pub(crate) fn defaults() -> Vec<Self> {
        vec![
            Self::new("sim-small:latest"),
            Self::new("sim-large:latest")
                .capabilities(&["completion", "tools", "vision", "thinking"])
                .context_length(131_072)
                .size(20_000_000_000),
            Self::new("sim-embed:latest")
                .capabilities(&["embedding"])
                .size(100_000_000),
        ]
    }

    /// A model that answers to any name.
    pub(crate) fn anything(name: &str) -> Self {
        Self::new(name).capabilities(&["completion", "tools", "vision", "thinking", "embedding"])
    }

    /// The digest that `/api/tags` reports: a function of the name.
    pub(crate) fn digest(&self) -> String {
        use sha2::Digest as _;
        let mut hex = String::with_capacity(64);
        for byte in sha2::Sha256::digest(self.name.as_bytes()) {
            hex.push_str(&format!("{byte:02x}"));
        }
        hex
    }
}

/// The daemon's suffix rule: requests to these names leave the machine even if the model was never pulled.
pub(crate) fn remote_by_name(name: &str) -> Option<Remote> {
    let stem = name
        .strip_suffix(":cloud")
        .or_else(|| name.strip_suffix("-cloud"))?;
    Some(Remote {
        host: CLOUD_HOST.to_owned(),
        model: stem.to_owned(),
    })
}
