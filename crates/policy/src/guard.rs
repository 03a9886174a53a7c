//! Text on its way to a sink, through the matcher that guards egress.

use std::sync::Arc;

use handshake_leakage::Redactor;

/// Cleans text before a log, a terminal or a bundle sees it.
#[derive(Clone)]
pub struct SinkGuard {
    redactor: Arc<Redactor>,
}

impl SinkGuard {
    /// Guards with this matcher.
    #[must_use]
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self { redactor }
    }

    /// The text with every enrolled or anchored secret replaced by `[REDACTED:<category>:<detector_id>]`.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }
}

impl std::fmt::Debug for SinkGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SinkGuard(..)")
    }
}
