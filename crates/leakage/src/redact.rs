//! The matcher behind guarded sinks: what it finds does not reach a log, an event, a bundle.

use std::{borrow::Cow, sync::Arc};

use handshake_core::finding::{FindingClass, FindingLevel, WorkBudget};

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

    pub(crate) fn enrolment(&self) -> &SharedEnrolment {
        &self.enrolment
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
        let clean = splice_text(text, spans);
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

pub(crate) fn tag(class: FindingClass, detector: &str) -> String {
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

fn splice_text(text: &str, spans: Vec<(usize, usize, String)>) -> Cow<'_, str> {
    match splice(text.as_bytes(), spans) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(clean) => Cow::Owned(match String::from_utf8(clean) {
            Ok(clean) => clean,
            // Whole characters are cut out, so what is left of a text is a text.
            Err(_) => tag(FindingClass::Uninspectable, "cut"),
        }),
    }
}

/// The bytes with each span replaced by its tag. Spans may overlap; a cut inside a character takes all of it.
pub(crate) fn splice(bytes: &[u8], mut spans: Vec<(usize, usize, String)>) -> Cow<'_, [u8]> {
    if spans.is_empty() {
        return Cow::Borrowed(bytes);
    }
    spans.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (start, end, tag) in spans {
        let (start, end) = (floor(bytes, start), ceil(bytes, end));
        if start >= at {
            out.extend_from_slice(&bytes[at..start]);
            out.extend_from_slice(tag.as_bytes());
        }
        at = at.max(end);
    }
    out.extend_from_slice(&bytes[at..]);
    Cow::Owned(out)
}

/// No character of UTF-8 is longer than this.
const CHARACTER: usize = 4;

pub(crate) fn floor(bytes: &[u8], at: usize) -> usize {
    let back = (0..CHARACTER).find(|n| *n >= at || !is_inside(bytes, at - n));
    at - back.unwrap_or(0)
}

pub(crate) fn ceil(bytes: &[u8], at: usize) -> usize {
    let on = (0..CHARACTER).find(|n| !is_inside(bytes, at + n));
    at + on.unwrap_or(0)
}

/// Whether a place lies within a character of UTF-8.
fn is_inside(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80)
}
