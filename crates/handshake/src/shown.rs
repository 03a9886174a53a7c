//! What a person is shown before they decide, as data: a summary that fits on one screen, then the parts of the body in
//! the order in which they are to be read. A terminal, a window and a console render the same thing.

mod boilerplate;
mod diff;
mod disclosed;
mod frame;
mod leaves;
mod low;
mod memory;
mod parts;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use handshake_core::{
    consent::{
        AskReason, Assurance, DeclassifiedCount, Destination, FindingCount, Outline, ProjectionPlan,
    },
    digest::{CommitmentKey, KeyedHash},
    finding::{FindingClass, FindingLevel},
    ids::{Principal, RuleId, SessionId},
    ports::PendingContent,
    time::UtcTime,
};
use handshake_leakage::Places;
use serde::Serialize;

pub(crate) use self::memory::Memory;
use self::{disclosed::disclosed, parts::Body, text::Marks};
use crate::approve::Waivable;

/// New text beyond this is more than a person reads at once.
const MUCH: u64 = 64 << 10;

/// What is shown. New parts come first, then what changed, then what was sent before.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Shown {
    /// The first screen.
    pub summary: Summary,
    /// The body, part by part. Nothing of it is left out but the name of the model.
    pub parts: Vec<Part>,
}

/// The first screen: what a person must know before they look at the content.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Where it goes.
    pub to: Destination,
    /// Who asks.
    pub principal: Principal,
    /// In which consent session.
    pub session_id: SessionId,
    /// Why it is asked now.
    pub asked_because: Vec<AskReason>,
    /// When a person last said yes to the same client for the same provider.
    pub last_yes: Option<UtcTime>,
    /// Size of the body.
    pub bytes: u64,
    /// Parts of the body.
    pub parts: u32,
    /// What of it was not sent under a yes of this session.
    pub new: Amount,
    /// The same by source.
    pub new_by_source: BTreeMap<Source, Amount>,
    /// What leaves with it and says something about the person or the machine.
    pub leaves_with: Vec<Disclosed>,
    /// Names of headers that the client added.
    pub headers: Vec<String>,
    /// Findings by class.
    pub findings: Vec<FindingCount>,
    /// Those of them that blocked until a person declassified them.
    pub declassified: Vec<DeclassifiedCount>,
    /// The values that a lease can let pass again; empty where nothing is asked about, and where it can let none pass.
    pub waivable: Vec<Waivable>,
    /// What was replaced by a stand-in: the stand-in, the rule that found the value, and how often it stands there.
    pub redactions: Vec<String>,
    /// Parts that could not be inspected.
    pub uninspectable: u32,
    /// Pointers of fields that reach beyond the destination.
    pub second_hand: Vec<String>,
    /// How strong an approval would be.
    pub assurance: Assurance,
    /// More new text than a person reads at once: the factor is to be asked for twice (S13). What an agent brings along
    /// (system prompt, tools, fields) does not count, for it is a diff or a name from the second time on.
    pub much_new: bool,
    /// Why no lease can cover this call; `None` where one can.
    pub no_lease: Option<&'static str>,
    /// The beginning of the envelope's hash, to be compared between two surfaces. It authorises nothing.
    pub fingerprint: String,
}

/// How much.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Amount {
    /// Parts.
    pub parts: u32,
    /// Bytes.
    pub bytes: u64,
}

/// Where a part comes from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// A person, or a file that their client put into their words.
    Person,
    /// A result of a tool.
    Tool,
    /// A model said it, or called a tool with it.
    Model,
    /// Another field of the request.
    Field,
    /// White space, escapes and long numbers: what a body is longer than its plain form.
    Form,
    /// A system prompt.
    System,
    /// The definition of a tool.
    Definition,
    /// A body that cannot be read as one JSON object.
    Unreadable,
}

/// Whether a part was sent before.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It was not.
    New,
    /// Another form of it was shown at the last yes.
    Changed,
    /// It was, under a yes.
    Known,
}

/// One part of the body.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Part {
    /// JSON pointer into the body.
    pub pointer: String,
    /// Where it comes from.
    pub source: Source,
    /// The tool, the field, or the known block of an agent. `None` for several tools in one part, and for the names of
    /// fields.
    pub name: Option<String>,
    /// Whether it was sent before.
    pub state: PartState,
    /// Its size.
    pub bytes: u64,
    /// What of it is new.
    pub new_bytes: u64,
    /// The beginning of a keyed hash: the same part has the same one.
    pub hash: String,
    /// What was found in it.
    pub findings: Vec<Found>,
    /// Stand-ins in it that this program put there. What only looks like one is not counted.
    pub stand_ins: u32,
    /// What it says, decoded.
    pub pieces: Vec<Piece>,
}

/// A finding, without what was found.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Found {
    /// The rule.
    pub rule: RuleId,
    /// The class.
    pub class: FindingClass,
    /// What it means for the call.
    pub level: FindingLevel,
    /// How the text was decoded to see it.
    pub views: Vec<String>,
    /// When a person declassified it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declassified: Option<UtcTime>,
}

/// A piece of a part. Where something was found, four characters of it at most are repeated, and the rule stands beside
/// them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Piece {
    /// A line to be read.
    Line {
        /// The line.
        text: String,
        /// Whether it changed.
        mark: Mark,
    },
    /// Lines that need not be read, and can be.
    Fold {
        /// Why not.
        why: Fold,
        /// How long they are.
        bytes: u64,
        /// They.
        lines: Vec<String>,
    },
}

/// Whether a line changed since the last yes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Nothing is said about it.
    Plain,
    /// It is there now.
    Added,
    /// It was there then.
    Removed,
}

/// Why lines are folded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fold {
    /// It was sent before, under a yes.
    Unchanged,
    /// Each of these lines was shown at the last yes.
    Seen,
    /// More than 4 KiB that say little: data, repetitions, white space.
    LowInformation,
    /// The definition of a tool.
    Definition,
    /// A block that agents write, of a closed form.
    Named(&'static str),
}

/// Something about the person or the machine that leaves.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Disclosed {
    /// What it is.
    pub what: &'static str,
    /// How often.
    pub count: u32,
    /// One of them, where it is short enough to be shown.
    pub example: Option<String>,
}

/// What a preview is made of.
pub(crate) struct Look<'a> {
    pub(crate) plan: &'a ProjectionPlan,
    pub(crate) content: &'a PendingContent,
    pub(crate) key: &'a CommitmentKey,
    /// Blocks that were sent under a yes of this session.
    pub(crate) known: &'a BTreeSet<KeyedHash>,
    /// What was shown at the last yes, and when.
    pub(crate) before: Option<(UtcTime, Memory)>,
    pub(crate) findings: &'a Places,
    pub(crate) assurance: Assurance,
    pub(crate) no_lease: Option<&'static str>,
    pub(crate) waivable: Vec<Waivable>,
}

impl Shown {
    pub(crate) fn of(look: &Look<'_>) -> Self {
        let (ext, body) = (&look.plan.ext, &look.content.body);
        let marks = Marks::new(look.findings);
        let read = Outline::placed(body, look.key);
        let mut parts = match &read {
            Some((outline, placed, frame, whole)) => Body {
                look,
                marks: &marks,
                whole,
            }
            .parts(outline, placed, frame),
            None => vec![parts::unreadable(look, &marks)],
        };
        parts.sort_by_key(Part::rank);
        let mut new = Amount::default();
        let mut new_by_source: BTreeMap<Source, Amount> = BTreeMap::new();
        for part in parts.iter().filter(|part| part.state != PartState::Known) {
            for amount in [&mut new, new_by_source.entry(part.source).or_default()] {
                amount.parts += 1;
                amount.bytes = amount.bytes.saturating_add(part.new_bytes);
            }
        }
        let whole = read.as_ref().map(|(_, _, _, whole)| whole);
        let brought = [Source::System, Source::Definition, Source::Field];
        let text = new_by_source
            .iter()
            .filter(|(source, _)| !brought.contains(source));
        let text = text.fold(0u64, |sum, (_, amount)| sum.saturating_add(amount.bytes));
        let summary = Summary {
            to: ext.destination.clone(),
            principal: ext.principal.clone(),
            session_id: ext.session_id.clone(),
            asked_because: ext.asked_because.clone(),
            last_yes: look.before.as_ref().map(|(at, _)| *at),
            bytes: look.plan.max_bytes,
            parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            new,
            new_by_source,
            leaves_with: disclosed(whole, &look.content.manifest),
            headers: ext.client_metadata.clone(),
            findings: ext.findings.clone(),
            declassified: ext.declassified.clone(),
            waivable: look.waivable.clone(),
            redactions: look.plan.redactions_applied.clone(),
            uninspectable: ext.uninspectable,
            second_hand: ext.second_hand.clone(),
            assurance: look.assurance,
            much_new: text > MUCH,
            no_lease: look.no_lease,
            fingerprint: ext.envelope_sha256.to_string()[..24].to_owned(),
        };
        Self { summary, parts }
    }
}

impl Part {
    /// The order of reading: what a person must judge first, what agents write themselves after it, what was sent
    /// before last.
    fn rank(&self) -> (bool, bool, Source) {
        (
            self.state == PartState::Known,
            // Of what is not sent before, a named block is read after what has no name.
            self.state != PartState::Known && self.is_boilerplate(),
            self.source,
        )
    }

    fn is_boilerplate(&self) -> bool {
        self.source == Source::Person && self.name.is_some()
    }
}

#[cfg(test)]
mod tests;
