//! Redact and continue: what may not leave is replaced by a stand-in before the gate judges the bytes, and the gate
//! judges what is left. A pure transform; who asks for it is the runtime's matter.
//!
//! A stand-in reads `[REDACTED:<category>:<12 hex digits>]`. The digits are of a keyed hash over the value, the
//! principal and the consent session: the same value has the same stand-in in every turn of a session, another one in
//! another session, and nobody without the key can try values against it.

mod body;
mod literal;
mod restore;
mod stand_in;

use std::{collections::BTreeMap, fmt};

pub use self::{
    body::redact_body,
    restore::Restorer,
    stand_in::{MAX_BYTES, MAX_VALUES, StandIns},
};
use crate::{
    finding::FindingClass,
    ids::{Principal, PrincipalKind, RuleId},
};

/// Where something stands that a stand-in may replace, enrolled secrets among it.
///
/// It never leaves the process and is never printed: for an enrolled secret it says what its finding withholds, and
/// whoever could read it could search for the value.
pub struct Place {
    /// JSON pointer of a text of the body. Of its value: the name of a member is no place.
    pub pointer: String,
    /// First byte and one past the last, in the decoded text; `None`: the whole of it.
    pub span: Option<(usize, usize)>,
    /// What was found there.
    pub class: FindingClass,
    /// By which rule.
    pub rule: RuleId,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

/// Whether something of this class may be replaced by a stand-in. Whatever else is found stays what it was.
#[must_use]
pub fn is_redactable(class: FindingClass) -> bool {
    matches!(
        class,
        FindingClass::Enrolled
            | FindingClass::Secret
            | FindingClass::PrivateKey
            | FindingClass::GenericSecret
            | FindingClass::Personal
    )
}

/// Whether enrolled secrets of this principal's calls are replaced too. Not those of a gateway's client: where its
/// guesses come back replaced, one call would tell it which of many is enrolled, and a denial tells only that one is.
#[must_use]
pub fn covers_enrolled(principal: &Principal) -> bool {
    principal.kind != PrincipalKind::Client
}

/// One stand-in of a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Applied {
    /// The stand-in, as it is sent.
    pub stand_in: String,
    /// What found the value.
    pub rule: RuleId,
    /// The class of what was found.
    pub class: FindingClass,
    /// How often it stands there.
    pub count: u32,
}

impl fmt::Display for Applied {
    /// As a plan lists it: stand-in, rule, count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.stand_in, self.rule, self.count)
    }
}

/// Counts what was replaced where.
#[derive(Default)]
struct Tally(BTreeMap<String, Applied>);

impl Tally {
    fn add(&mut self, stand_in: &str, rule: &RuleId, class: FindingClass) {
        let applied = self
            .0
            .entry(stand_in.to_owned())
            .or_insert_with(|| Applied {
                stand_in: stand_in.to_owned(),
                rule: rule.clone(),
                class,
                count: 0,
            });
        applied.count = applied.count.saturating_add(1);
    }

    fn finish(self) -> Vec<Applied> {
        self.0.into_values().collect()
    }
}
