//! What can go wrong outside an answer.

use std::net::SocketAddr;

/// Why the simulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The loopback port could not be bound.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address that was asked for.
        addr: SocketAddr,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The listener has no local address, which only a broken host shows.
    #[error("cannot read the listener's local address")]
    LocalAddr(#[source] std::io::Error),
    /// The script cannot be served.
    #[error(transparent)]
    Script(#[from] ScriptError),
}

/// Why a script was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// Not the JSON of a script; holds the place, never the text.
    #[error("invalid script: line {line}, column {column}: {reason}")]
    Json {
        /// Line, from one.
        line: usize,
        /// Column, from one.
        column: usize,
        /// The parser's reason.
        reason: String,
    },
    /// Two models have one name.
    #[error("duplicate model: {0:?}")]
    DuplicateModel(String),
    /// A status outside 200..=599, a bad header or content type.
    #[error("invalid rule {rule}: {reason}")]
    Rule {
        /// Index of the rule, from zero.
        rule: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl From<serde_json::Error> for ScriptError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json {
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        }
    }
}
