//! What a verification found.

use serde::Serialize;

use crate::{hash::LogHash, key::PublicKey, leaf::LogId};

/// In which way a log was altered.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TamperKind {
    /// A leaf's own bytes do not give its hash, or the leaf after it names another one.
    Modified,
    /// A leaf is missing, or a checkpoint that has to be there.
    Removed,
    /// A leaf is there that does not belong, or is there twice.
    Inserted,
    /// The leaves are in another order.
    Reordered,
    /// The log ends before a size that an anchor, a receipt, a use, a checkpoint, a handover or the manifest names.
    Truncated,
    /// The leaves agree among themselves but not with an anchor, a receipt, a checkpoint, a handover or the manifest.
    Rewritten,
    /// A line is not in the one format that the writer produces.
    Malformed,
    /// A signature does not verify.
    BadSignature,
    /// A checkpoint or handover is not by a key that the roots lead to, or not by the one of its time.
    WrongKey,
    /// A checkpoint does not follow the one before, or is about another log.
    CheckpointChain,
    /// A seam does not follow the one before, or is about another log.
    SeamChain,
}

impl TamperKind {
    /// The word for it, as in the JSON form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::Removed => "removed",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Rewritten => "rewritten",
            Self::Malformed => "malformed",
            Self::BadSignature => "bad_signature",
            Self::WrongKey => "wrong_key",
            Self::CheckpointChain => "checkpoint_chain",
            Self::SeamChain => "seam_chain",
        }
    }
}

/// What showed the alteration.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// The chain of the leaves.
    Chain,
    /// The manifest of the export.
    Manifest,
    /// A signed seam.
    Seam,
    /// A signed checkpoint.
    Checkpoint,
    /// A handover between epoch keys.
    Handover,
    /// Something that was sent under a receipt.
    Use,
    /// A receipt of consent.
    Receipt,
    /// An anchor that the caller gave.
    Anchor,
}

impl Evidence {
    /// The word for it, as in the JSON form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Manifest => "manifest",
            Self::Seam => "seam",
            Self::Checkpoint => "checkpoint",
            Self::Handover => "handover",
            Self::Use => "use",
            Self::Receipt => "receipt",
            Self::Anchor => "anchor",
        }
    }
}

/// One alteration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Tampering {
    /// In which way.
    pub kind: TamperKind,
    /// The first `seq` at which the log does not hold; where `exact` is false, the first that can be bad.
    pub first_bad_seq: u64,
    /// Whether `first_bad_seq` is known to be the place.
    pub exact: bool,
    /// What showed it.
    pub shown_by: Evidence,
}

impl Tampering {
    pub(crate) fn exact(kind: TamperKind, first_bad_seq: u64, shown_by: Evidence) -> Self {
        Self {
            kind,
            first_bad_seq,
            exact: true,
            shown_by,
        }
    }

    pub(crate) fn vague(kind: TamperKind, first_bad_seq: u64, shown_by: Evidence) -> Self {
        Self {
            kind,
            first_bad_seq,
            exact: false,
            shown_by,
        }
    }
}

/// The outcome in one word.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing contradicts anything, and an outside anchor confirms the leaves up to
    /// [`Verdict::anchored_size`]. What comes after is unanchored.
    Intact,
    /// Nothing contradicts anything, but nothing external confirms it: anyone who could write the files
    /// and held the current key could have made all of it.
    SelfConsistentOnly,
    /// Something was altered.
    Tampered,
}

/// The outcome of a verification.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// The outcome in one word.
    #[serde(rename = "verdict")]
    pub status: Status,
    /// The caller's root with which the log began, as far as that is known.
    pub root: Option<PublicKey>,
    /// The log's identity; `None` when leaves alone were checked.
    pub log_id: Option<LogId>,
    /// How many leaves hold, from the first on; those that were pruned count.
    pub size: u64,
    /// The last leaf that was removed on purpose, which a seam signs. What came before it is not there to check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned: Option<u64>,
    /// The hash of the last leaf that holds. `None` only when leaves alone were checked and there is none.
    pub head: Option<LogHash>,
    /// The largest size that an outside anchor, or a receipt of the caller's approver, confirms.
    #[serde(rename = "anchored_at")]
    pub anchored_size: Option<u64>,
    /// Which of the two it was.
    pub anchored_by: Option<Evidence>,
    /// How many bits of the hash that anchor holds.
    pub anchor_bits: Option<u32>,
    /// The largest size that a checkpoint signed by a key of the roots confirms.
    pub checkpointed_size: Option<u64>,
    /// How many leaves after the last anchored one nothing outside confirms.
    pub unanchored: u64,
    /// How many epoch keys the roots lead to.
    pub epoch_keys: usize,
    /// What is wrong: at most a few, the exact ones first. Empty unless the status is `Tampered`.
    pub tampering: Vec<Tampering>,
}

impl Verdict {
    /// The exit code of `handshake-verify` and of `handshake log verify`: 0 intact and anchored, 4 self-consistent only,
    /// 5 tampered.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.status {
            Status::Intact => 0,
            Status::SelfConsistentOnly => 4,
            Status::Tampered => 5,
        }
    }
}
