#![doc = include_str!("../README.md")]

mod anchor;
mod checkpoint;
mod export;
mod format;
mod handover;
mod hash;
mod hex;
mod key;
mod leaf;
mod lines;
mod offline;
mod receipt;
mod seam;
mod verdict;
mod verify;

pub use anchor::{Anchor, InvalidAnchor, SHORT_ANCHOR_DIGITS};
pub use checkpoint::Checkpoint;
pub use export::{ExportError, ExportWriter, Manifest};
pub use format::{MAX_LINE, MalformedLine};
pub use handover::EpochHandover;
pub use hash::LogHash;
pub use hex::InvalidHex;
pub use key::{
    CHECKPOINT_DOMAIN, HANDOVER_DOMAIN, InvalidKey, KeyId, PublicKey, RECEIPT_DOMAIN, SEAM_DOMAIN,
    Sign, SignError, SignatureText, framed,
};
pub use leaf::{
    AppendError, InvalidLogId, Leaf, LogHead, LogId, MAX_DEPTH, MAX_PAYLOAD, advance, append,
    leaf_hash,
};
pub use offline::{
    ExportParts, VerifyError, verify_export, verify_leaves, verify_parts, verify_path,
};
pub use receipt::Receipt;
pub use seam::Seam;
pub use verdict::{Evidence, Status, TamperKind, Tampering, Verdict};
pub use verify::{Records, Trust, Verifier};
