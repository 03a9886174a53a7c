//! The two wire formats, distinguished by path.

use serde::{Deserialize, Serialize};

/// A provider's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// Ollama's native API: `/api/…`, NDJSON.
    Ollama,
    /// OpenAI-compatible chat completions: JSON and server-sent events.
    #[serde(rename = "openai")]
    OpenAi,
}

impl Wire {
    /// The wire that answers for `path`. OpenRouter's base path is `/api/v1`, so that prefix is
    /// not Ollama's.
    pub(crate) fn of_path(path: &str) -> Self {
        if path.starts_with("/api/") && !path.starts_with("/api/v1/") {
            Self::Ollama
        } else {
            Self::OpenAi
        }
    }
}
