//! Follows the chain of the leaves, and says in which way it is broken when it is.

use crate::{
    hash::LogHash,
    leaf::{Leaf, leaf_hash},
    verdict::{Evidence, TamperKind, Tampering},
};

/// The state of the chain so far.
#[derive(Debug)]
pub(super) struct Chain {
    size: u64,
    /// The hash of the last leaf that held; `None` before the first when the log's identity is unknown.
    head: Option<LogHash>,
    /// The `prev` of the last leaf that held.
    before: Option<LogHash>,
    fault: Option<Fault>,
}

/// The first leaf that did not hold, and what the leaves after it tell about it.
#[derive(Debug)]
struct Fault {
    cause: Cause,
    hash: Option<LogHash>,
    seq: u64,
    /// The leaf that should have stood here comes later.
    expected_later: bool,
    /// This very leaf comes again.
    again: bool,
    /// The next leaf continues from this one, so the break lies before it.
    continued: Option<bool>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    Malformed,
    /// Its bytes do not give its hash, but would at the place where it stands.
    Moved,
    /// Its bytes do not give its hash.
    Altered,
    /// It is sound, but its number is too high.
    Gap,
    /// It is sound, but its number was already there.
    Repeat,
    /// It is a second leaf with the number and predecessor of the last one.
    Fork,
    /// It is sound and has the right number, but names another predecessor.
    Unlinked,
}

impl Chain {
    /// Begins after `size` leaves.
    pub(super) fn new(size: u64, head: Option<LogHash>) -> Self {
        Self {
            size,
            head,
            before: None,
            fault: None,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn head(&self) -> Option<LogHash> {
        self.head
    }

    pub(super) fn is_broken(&self) -> bool {
        self.fault.is_some()
    }

    /// Takes the next leaf. True when it holds.
    pub(super) fn push(&mut self, leaf: &Leaf) -> bool {
        let sound = leaf_hash(leaf.seq, &leaf.prev, &leaf.payload) == leaf.hash;
        let expected = self.size.saturating_add(1);
        let linked = self.head.is_none_or(|head| head == leaf.prev);
        if let Some(fault) = &mut self.fault {
            fault.expected_later |= sound && leaf.seq == expected && linked;
            fault.again |= fault.hash == Some(leaf.hash);
            let continues = sound
                && fault.hash == Some(leaf.prev)
                && Some(leaf.seq) == fault.seq.checked_add(1);
            fault.continued.get_or_insert(continues);
            return false;
        }
        if sound && leaf.seq == expected && linked {
            (self.size, self.before, self.head) = (leaf.seq, Some(leaf.prev), Some(leaf.hash));
            return true;
        }
        let fork =
            leaf.seq == self.size && self.before == Some(leaf.prev) && self.head != Some(leaf.hash);
        let cause = match leaf.seq.cmp(&expected) {
            _ if !sound && self.belongs_here(leaf, expected) => Cause::Moved,
            _ if !sound => Cause::Altered,
            std::cmp::Ordering::Greater => Cause::Gap,
            std::cmp::Ordering::Less if fork => Cause::Fork,
            std::cmp::Ordering::Less => Cause::Repeat,
            std::cmp::Ordering::Equal => Cause::Unlinked,
        };
        self.break_at(cause, Some(leaf.hash), leaf.seq);
        false
    }

    /// Takes a line that could not be read as a leaf.
    pub(super) fn push_malformed(&mut self) {
        if let Some(fault) = &mut self.fault {
            fault.continued.get_or_insert(false);
        } else {
            self.break_at(Cause::Malformed, None, 0);
        }
    }

    /// What broke the chain, if anything did.
    pub(super) fn tampering(&self) -> Option<Tampering> {
        let fault = self.fault.as_ref()?;
        let here = self.size.saturating_add(1);
        let exact = |kind| Tampering::exact(kind, here, Evidence::Chain);
        Some(match fault.cause {
            Cause::Malformed => exact(TamperKind::Malformed),
            Cause::Moved => exact(TamperKind::Modified),
            Cause::Altered if fault.expected_later => exact(TamperKind::Inserted),
            Cause::Altered => exact(TamperKind::Modified),
            Cause::Gap if fault.expected_later && fault.again => exact(TamperKind::Inserted),
            Cause::Gap if fault.expected_later => exact(TamperKind::Reordered),
            Cause::Gap => exact(TamperKind::Removed),
            Cause::Repeat => exact(TamperKind::Inserted),
            // Either of the two may be the one that was put in.
            Cause::Fork => Tampering::vague(TamperKind::Inserted, self.size, Evidence::Chain),
            Cause::Unlinked if fault.expected_later => exact(TamperKind::Inserted),
            // The leaves after this one agree with it, so the one before it was replaced. At the end of
            // the log nobody can tell, and the earlier of the two is named.
            Cause::Unlinked if fault.continued != Some(false) && self.size > 0 => {
                Tampering::vague(TamperKind::Modified, self.size, Evidence::Chain)
            }
            Cause::Unlinked => exact(TamperKind::Modified),
        })
    }

    fn belongs_here(&self, leaf: &Leaf, expected: u64) -> bool {
        self.head
            .is_some_and(|head| leaf_hash(expected, &head, &leaf.payload) == leaf.hash)
    }

    fn break_at(&mut self, cause: Cause, hash: Option<LogHash>, seq: u64) {
        let (expected_later, again, continued) = (false, false, None);
        self.fault = Some(Fault {
            cause,
            hash,
            seq,
            expected_later,
            again,
            continued,
        });
    }
}
