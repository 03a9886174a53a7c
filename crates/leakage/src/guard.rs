//! What stands between text and its reader, behind the matcher that guards egress.

use std::{borrow::Cow, sync::Arc};

use handshake_core::{finding::FindingClass, ports::SinkFilter};

use crate::redact::{Redactor, splice, tag};

/// Cleans text before a log, a terminal or a bundle sees it, and answers before a client does.
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
}

impl SinkFilter for SinkGuard {
    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redactor.clean(text)
    }

    fn answer<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.redactor.answer(bytes)
    }
}

impl SinkFilter for Redactor {
    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redact(text)
    }

    /// One pass of the enrolled set's own index, which holds no value in the clear; nothing is allocated where
    /// nothing is found. An enrolled value is found whole and in the halves that an enrolled value is always found
    /// in, as it is written: an answer is not decoded, and what is split over two calls is two texts.
    fn answer<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let spans = self.enrolment().current().spans(bytes);
        if spans.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let tag = tag(FindingClass::Enrolled, "enrolled");
        let spans = spans
            .into_iter()
            .map(|(start, end)| (start, end, tag.clone()))
            .collect();
        splice(bytes, spans)
    }
}

impl std::fmt::Debug for SinkGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SinkGuard(..)")
    }
}
