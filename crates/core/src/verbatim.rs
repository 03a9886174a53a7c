//! A client's own body, read once, with one meaning.
//!
//! Whoever checks a body and whoever acts on it must read the same thing. Readers differ: in which of two members of
//! one name they take, in whether they tell cases apart, in what they make of a number. So a body that another reader
//! may read otherwise is refused, by one rule, before anything is rendered and wherever it would go:
//!
//! - A member that stands twice is refused at every depth.
//! - Where the protocol has fixed names, a name that [folds](crate::json::folded) to a known one without being it is
//!   refused, and so are two names that fold to the same. Schemas, arguments, metadata and what nobody here knows are
//!   free positions: there only the first rule holds.
//! - A top-level member that [routes or authenticates](crate::routing) is refused.
//! - What is read here (`model`, `stream`, bounds of the answer) is of its own type and plainly written, or refused.

mod names;
mod place;
mod reading;
mod walk;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::reading::Reading;
use crate::{
    chat::{Needs, Shape, ToolChoice},
    error::CallError,
};

/// How far a body may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// How deeply it may nest.
    pub depth: usize,
    /// How many values it may hold.
    pub nodes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            depth: 64,
            nodes: 100_000,
        }
    }
}

/// A schema that an answer is to match.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedSchema {
    /// The schema.
    pub schema: Value,
    /// Whether the client wants a promise, and not a wish.
    pub strict: bool,
}

/// A client's own body. There is none that was not read: [`Verbatim::read`] and deserialising are the only ways to one.
#[derive(Clone, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Verbatim {
    shape: Shape,
    body: Bytes,
    headers: BTreeMap<String, String>,
    reading: Reading,
}

/// A client's own body, as it is written.
#[derive(Clone, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Verbatim")]
struct Parts {
    /// The shape it has. Only an adapter of the same shape may send it.
    shape: Shape,
    /// The bytes: one JSON object of that shape, with one meaning.
    #[schemars(with = "Vec<u8>")]
    body: Bytes,
    /// Request headers of the client that the shape's allow-list lets through.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl TryFrom<Parts> for Verbatim {
    type Error = CallError;
    fn try_from(parts: Parts) -> Result<Self, CallError> {
        Ok(Self::read(parts.shape, parts.body)?.with_headers(parts.headers))
    }
}

impl From<Verbatim> for Parts {
    fn from(verbatim: Verbatim) -> Self {
        Self {
            shape: verbatim.shape,
            body: verbatim.body,
            headers: verbatim.headers,
        }
    }
}

impl Verbatim {
    /// Reads a body.
    ///
    /// # Errors
    /// `HSK-400-INVALID-REQUEST`, naming the member: no JSON object, no `model` or `messages`, a member that stands
    /// twice or routes, a name that differs from a known one in its spelling alone, nesting or values beyond the bounds.
    pub fn read(shape: Shape, body: Bytes) -> Result<Self, CallError> {
        Self::read_within(shape, body, Bounds::default())
    }

    /// The same within other bounds.
    ///
    /// # Errors
    /// As [`Verbatim::read`].
    pub fn read_within(shape: Shape, body: Bytes, bounds: Bounds) -> Result<Self, CallError> {
        let reading = reading::read(shape, &body, bounds)?;
        Ok(Self {
            shape,
            body,
            headers: BTreeMap::new(),
            reading,
        })
    }

    /// The same body with headers of its client.
    #[must_use]
    pub fn with_headers(mut self, headers: BTreeMap<String, String>) -> Self {
        self.headers = headers;
        self
    }

    /// The same body with another value of its one top-level `model`, and no other byte changed: the client knows our
    /// name of it, and the provider its own.
    #[must_use]
    pub fn with_model(mut self, model: &str) -> Self {
        if self.reading.model != model {
            let value = Value::from(model).to_string();
            let span = self.reading.span.clone();
            let (before, after) = (&self.body[..span.start], &self.body[span.end..]);
            self.body = [before, value.as_bytes(), after].concat().into();
            self.reading.span = span.start..span.start + value.len();
            self.reading.model = model.to_owned();
        }
        self
    }

    /// The shape it has. Only an adapter of the same shape may send it.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Request headers of the client; the shape's adapter has the list of those that go along.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }

    /// The model that it names.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.reading.model
    }

    /// Whether it asks for a stream, by the shape's default where it does not say.
    #[must_use]
    pub fn stream(&self) -> bool {
        self.reading.stream
    }

    /// The bound on the answer; what is not above zero bounds nothing.
    #[must_use]
    pub fn max_tokens(&self) -> Option<u64> {
        self.reading.max_tokens
    }

    /// A call of a tool that it insists on.
    #[must_use]
    pub fn tool_choice(&self) -> Option<&ToolChoice> {
        self.reading.tool_choice.as_ref()
    }

    /// The schema that it asks for, as it stands there: whether it can be checked is for whoever checks answers.
    #[must_use]
    pub fn schema(&self) -> Option<&AskedSchema> {
        self.reading.schema.as_ref()
    }

    /// What it needs of its model.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.reading.needs
    }
}

impl std::fmt::Debug for Verbatim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verbatim")
            .field("shape", &self.shape)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
