//! A chat request, independent of the wire format.

use serde_json::Value;
use sha2::Digest as _;

/// A chat request, independent of the wire format.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The model's name as the request spells it.
    pub(crate) model: String,
    /// Text of the last user or tool message.
    pub(crate) last: String,
    /// The last message is a tool result.
    pub(crate) after_tool: bool,
    pub(crate) has_tools: bool,
    /// The schema the answer must follow.
    pub(crate) schema: Option<Value>,
    /// Any JSON object will do.
    pub(crate) json_mode: bool,
    pub(crate) stream: bool,
    /// The stream ends with a usage chunk; OpenAI wire.
    pub(crate) include_usage: bool,
    /// Reasoning is asked for.
    pub(crate) think: bool,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) prompt_tokens: u64,
    /// The fence of emulated tool calls, where the prompt teaches them.
    pub(crate) fence: String,
    /// Tool calls earlier in the conversation.
    pub(crate) prior_calls: usize,
    /// Digest of the request: the same request gives the same ids.
    pub(crate) seed: Seed,
}

/// What stands behind the first `calls-` of a request: the twelve hex digits that make a call of a text.
pub(crate) fn fence(body: &[u8]) -> String {
    let marker = b"calls-";
    let hex = |from: usize| {
        let digits = body.get(from..from + 12)?;
        digits
            .iter()
            .all(u8::is_ascii_hexdigit)
            .then(|| String::from_utf8_lossy(digits).into_owned())
    };
    (0..body.len().saturating_sub(marker.len()))
        .filter(|at| body[*at..].starts_with(marker))
        .find_map(|at| hex(at + marker.len()))
        .unwrap_or_default()
}

/// Digest of a request, from which ids are derived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed([u8; 32]);

impl Seed {
    /// The seed of a request body.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self(sha2::Sha256::digest(body).into())
    }

    /// `length` lower-case hex digits for `purpose`, 64 at most.
    pub(crate) fn hex(&self, purpose: &str, length: usize) -> String {
        let digest = sha2::Sha256::new()
            .chain_update(self.0)
            .chain_update(purpose.as_bytes())
            .finalize();
        let mut hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hex.truncate(length);
        hex
    }
}
