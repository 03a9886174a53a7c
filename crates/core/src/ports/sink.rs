//! The matcher that guards sinks.

use std::borrow::Cow;

/// What stands between text and whoever reads it: a log, a terminal, a bundle, a client.
///
/// # Contract
/// Pure and linear in the length of its input. A replaced secret reads `[REDACTED:<category>:<detector_id>]`.
pub trait SinkFilter: Send + Sync {
    /// For our own sinks: every enrolled secret, and whatever the rules are certain about, replaced.
    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str>;

    /// For a provider's answer on its way to the client that asked for it: enrolled secrets replaced, nothing else
    /// touched, so that bytes without a secret in them are the provider's own.
    fn answer<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]>;
}
