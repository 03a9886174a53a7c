//! What a leakage validator sees.

use serde_json::Value;

use super::{HeaderValue, Prepared};
use crate::json::NotStrict;

/// The envelope of a call, read-only, with what was already made of it.
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeView<'a> {
    prepared: &'a Prepared,
}

impl<'a> EnvelopeView<'a> {
    /// Views an envelope.
    #[must_use]
    pub fn new(prepared: &'a Prepared) -> Self {
        Self { prepared }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &'a str {
        &self.prepared.envelope().path
    }

    /// The plain headers, in order of name.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let headers = &self.prepared.envelope().headers;
        headers.iter().filter_map(|(name, value)| match value {
            HeaderValue::Plain(text) => Some((name.as_str(), text.as_str())),
            HeaderValue::Secret { .. } => None,
        })
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.prepared.envelope().body
    }

    /// The body as one strict JSON value: read once for a call, whoever asks. A validator that must also see what
    /// a strict reader refuses reads [`body`](Self::body) itself.
    ///
    /// # Errors
    /// [`NotStrict`] for a body that is not one JSON value without duplicate keys.
    pub fn json(&self) -> Result<&'a Value, NotStrict> {
        self.prepared.json()
    }
}
