//! A provider's own error answer, sealed: what a provider says is no text of ours, and reaches nobody but a client of
//! the same shape.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;

use crate::ports::SinkFilter;

/// An error answer as the provider gave it. Has no accessor for its bytes: [`UpstreamAnswer::open`] hands them out
/// through the matcher. `Debug` and `Display` of everything that holds one show nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct UpstreamAnswer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Bytes,
}

/// An error answer on its way to the client whose call it answers.
#[derive(Clone)]
pub struct OpenedAnswer {
    /// The provider's status.
    pub status: u16,
    /// Headers from the transport's allow-list, through the matcher.
    pub headers: BTreeMap<String, String>,
    /// The body, through the matcher.
    pub body: Bytes,
}

impl UpstreamAnswer {
    /// Seals an answer.
    #[must_use]
    pub fn new(status: u16, headers: BTreeMap<String, String>, body: Bytes) -> Self {
        Self {
            status,
            headers,
            body,
        }
    }

    /// Opens it for the client whose call it answers. Only a sink of the same shape calls this.
    #[must_use]
    pub fn open(&self, filter: &dyn SinkFilter) -> OpenedAnswer {
        let clean = |bytes: &Bytes| match filter.answer(bytes) {
            std::borrow::Cow::Borrowed(_) => bytes.clone(),
            std::borrow::Cow::Owned(cleaned) => cleaned.into(),
        };
        let headers = self.headers.iter().map(|(name, value)| {
            let value = filter.answer(value.as_bytes());
            (name.clone(), String::from_utf8_lossy(&value).into_owned())
        });
        OpenedAnswer {
            status: self.status,
            headers: headers.collect(),
            body: clean(&self.body),
        }
    }
}

impl fmt::Debug for UpstreamAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamAnswer(..)")
    }
}

impl fmt::Debug for OpenedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenedAnswer(..)")
    }
}
