//! Remembering outside the home how far its log came.

use crate::digest::Digest;

/// Where a log head is noted down that the home itself cannot take back.
///
/// # Contract
/// Called after the head is durable, and before anything leaves the machine that rests on it; not for every batch of
/// local events. It takes a moment of its caller's time and never fails: a head that cannot be noted leaves the one
/// before it, which shows less.
pub trait LogAnchor: Send + Sync {
    /// Notes that the log had this head.
    fn note(&self, size: u64, hash: Digest);
}
