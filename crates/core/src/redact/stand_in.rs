//! The stand-ins of one request, and what they stand for.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use zeroize::Zeroizing;

use super::covers_enrolled;
use crate::{
    digest::CommitmentKey,
    finding::FindingClass,
    ids::{Principal, SessionId},
};

/// Values of one request that are replaced. What is beyond that stays where it is, and blocks.
pub const MAX_VALUES: usize = 256;
/// Bytes of all of them.
pub const MAX_BYTES: usize = 1 << 20;

/// How every stand-in begins.
const BEGIN: &str = "[REDACTED:";
/// Hex digits of the hash.
const DIGITS: usize = 12;
/// The longest stand-in, in bytes.
const LONGEST: usize = BEGIN.len() + "personal".len() + 1 + DIGITS + 1;

/// The stand-ins of one request.
///
/// Values are held while the request runs and are zeroed with it: each call carries the whole conversation, so each
/// finds them again. Nothing is written anywhere; what a later process does not find in its own request stays a
/// stand-in. Cannot be printed.
pub struct StandIns {
    key: CommitmentKey,
    principal: String,
    session: SessionId,
    enrolled: bool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    values: BTreeMap<String, Zeroizing<String>>,
    bytes: usize,
}

impl StandIns {
    /// Those of a request of this principal in this consent session.
    #[must_use]
    pub fn new(key: CommitmentKey, principal: &Principal, session: SessionId) -> Self {
        Self {
            key,
            principal: principal.to_string(),
            session,
            enrolled: covers_enrolled(principal),
            kept: Mutex::default(),
        }
    }

    /// Whether enrolled secrets are replaced too.
    #[must_use]
    pub fn enrolled(&self) -> bool {
        self.enrolled
    }

    /// The stand-in for a value. `None` where the request has no room for another one, or where two values would
    /// share it: neither is replaced then.
    #[must_use]
    pub fn stand_in(&self, class: FindingClass, value: &str) -> Option<String> {
        // A provider is not told which of its prompts held what a person had enrolled.
        let category = match class {
            FindingClass::Personal => "personal",
            _ => "secret",
        };
        let hash = self.key.commit(
            "hsk.stand_in.v1",
            &[
                self.principal.as_bytes(),
                self.session.as_str().as_bytes(),
                category.as_bytes(),
                value.as_bytes(),
            ],
        );
        let hash = hash.to_string();
        let stand_in = format!("{BEGIN}{category}:{}]", &hash[..DIGITS]);
        let mut kept = self.kept();
        if let Some(known) = kept.values.get(&stand_in) {
            return (known.as_str() == value).then_some(stand_in);
        }
        let bytes = kept.bytes.saturating_add(value.len());
        if kept.values.len() >= MAX_VALUES || bytes > MAX_BYTES {
            return None;
        }
        kept.bytes = bytes;
        let value = Zeroizing::new(value.to_owned());
        kept.values.insert(stand_in.clone(), value);
        Some(stand_in)
    }

    /// A text with the values in place of their stand-ins: of those of this request, and of no other. What a value
    /// itself holds is not looked at again. Once `room` bytes of values are put in, stand-ins stay: a server that
    /// repeats one a thousand times gets a thousand of them.
    #[must_use]
    pub fn restored<'t>(&self, text: &'t str, room: &mut usize) -> Cow<'t, str> {
        if !text.contains(BEGIN) {
            return Cow::Borrowed(text);
        }
        let (out, held) = self.restore(text, room, &mut |_| Some(Put::Plain));
        Cow::Owned(out + held)
    }

    /// The text so far, and the end of it that may be the beginning of a stand-in. `how` is asked with what stands
    /// before each stand-in and was not told before; `None` leaves it.
    pub(super) fn restore<'t>(
        &self,
        text: &'t str,
        room: &mut usize,
        how: &mut dyn FnMut(&str) -> Option<Put>,
    ) -> (String, &'t str) {
        let kept = self.kept();
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(at) = rest.find('[') {
            let before = &rest[..at];
            out.push_str(before);
            let put = how(before);
            rest = &rest[at..];
            let end = rest.bytes().take(LONGEST).position(|byte| byte == b']');
            let value = end.and_then(|end| kept.values.get(&rest[..=end]));
            match (end, value, put) {
                (Some(end), Some(value), Some(put)) if value.len() <= *room => {
                    *room -= value.len();
                    put.into(&mut out, value);
                    rest = &rest[end + 1..];
                }
                (None, ..) if kept.begins_with(rest) => return (out, rest),
                _ => {
                    out.push('[');
                    rest = &rest[1..];
                }
            }
        }
        let _last = how(rest);
        out.push_str(rest);
        (out, "")
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing is left half-done in it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Whether one of the stand-ins begins with this text and goes on.
    fn begins_with(&self, text: &str) -> bool {
        let from = (Bound::Included(text), Bound::Unbounded);
        let next = self.values.range::<str, _>(from).next();
        next.is_some_and(|(stand_in, _)| stand_in.len() > text.len() && stand_in.starts_with(text))
    }
}

/// How a value is put into a text.
#[derive(Clone, Copy)]
pub(super) enum Put {
    /// As it is.
    Plain,
    /// As a part of a text of a JSON document.
    Json,
}

impl Put {
    fn into(self, out: &mut String, value: &str) {
        match self {
            Self::Plain => out.push_str(value),
            Self::Json => {
                let quoted = Zeroizing::new(serde_json::Value::from(value).to_string());
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
    }
}

impl fmt::Debug for StandIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandIns(..)")
    }
}
