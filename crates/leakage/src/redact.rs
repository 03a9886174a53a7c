//! The matcher behind guarded sinks: what it finds does not reach a log, an event, a bundle.

use std::{borrow::Cow, sync::Arc};

use handshake_core::{
    finding::{FindingClass, FindingLevel, WorkBudget},
    ports::SinkFilter,
};

use crate::{
    engine::{Engine, default_budget},
    enroll::SharedEnrolment,
    matcher::Mode,
};

/// Replaces enrolled secrets and credentials by `[REDACTED:<category>:<detector_id>]`.
#[derive(Clone)]
pub struct Redactor {
    engine: Arc<Engine>,
    enrolment: SharedEnrolment,
}

impl Redactor {
    /// A redactor over an engine and the enrolled set.
    #[must_use]
    pub fn new(engine: Arc<Engine>, enrolment: SharedEnrolment) -> Self {
        Self { engine, enrolment }
    }

    /// The text without what must not be written. Where something is hidden in an encoding, or the text
    /// cannot be searched to its end, nothing of it is left.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let enrolment = self.enrolment.current();
        let mut budget = WorkBudget::new(default_budget(text.len()));
        let mut spans: Vec<(usize, usize, String)> = enrolment
            .spans(text.as_bytes())
            .into_iter()
            .map(|(start, end)| (start, end, tag(FindingClass::Enrolled, "enrolled")))
            .collect();
        let Ok(found) = self
            .engine
            .matcher()
            .find(text.as_bytes(), Mode::Written, &mut budget)
        else {
            return Cow::Owned(tag(FindingClass::Uninspectable, "budget"));
        };
        for hit in found
            .matches
            .iter()
            .filter(|hit| hit.level > FindingLevel::Warn)
        {
            let rule = &self.engine.matcher().rules[hit.rule];
            spans.push((hit.start, hit.end, tag(rule.spec.class, rule.id.as_str())));
        }
        let clean = splice(text, spans);
        match self
            .engine
            .scan(clean.as_bytes(), &enrolment, false, &mut budget)
        {
            Ok(remaining) => match remaining.iter().find(|f| f.level > FindingLevel::Warn) {
                Some(finding) => Cow::Owned(tag(finding.class, finding.rule.as_str())),
                None => clean,
            },
            Err(_) => Cow::Owned(tag(FindingClass::Uninspectable, "budget")),
        }
    }
}

impl SinkFilter for Redactor {
    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redact(text)
    }

    fn answer<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let enrolment = self.enrolment.current();
        if enrolment.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let mut spans = enrolment.spans(bytes);
        if spans.is_empty() {
            return Cow::Borrowed(bytes);
        }
        spans.sort_unstable();
        let tag = tag(FindingClass::Enrolled, "enrolled");
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for (start, end) in spans {
            if start >= at {
                out.extend_from_slice(&bytes[at..start]);
                out.extend_from_slice(tag.as_bytes());
            }
            at = at.max(end);
        }
        out.extend_from_slice(&bytes[at..]);
        Cow::Owned(out)
    }
}

fn tag(class: FindingClass, detector: &str) -> String {
    let category = match class {
        FindingClass::Enrolled => "enrolled",
        FindingClass::Canary => "canary",
        FindingClass::Secret => "secret",
        FindingClass::PrivateKey => "private_key",
        FindingClass::GenericSecret => "generic_secret",
        FindingClass::Personal => "personal",
        FindingClass::Hidden => "hidden",
        _ => "uninspectable",
    };
    format!("[REDACTED:{category}:{detector}]")
}

fn splice(text: &str, mut spans: Vec<(usize, usize, String)>) -> Cow<'_, str> {
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    spans.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end, tag) in spans {
        // Spans are bytes; a cut inside a character takes the whole character.
        let (start, end) = (floor(text, start), ceil(text, end));
        if start >= at {
            out.push_str(&text[at..start]);
            out.push_str(&tag);
        }
        at = at.max(end);
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
