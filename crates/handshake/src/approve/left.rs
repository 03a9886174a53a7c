//! What a lease has left.

use std::time::Duration;

use handshake_core::{consent::LeaseTerms, time::UtcTime};
use handshake_registry_store::ReceiptRecord;
use serde::Serialize;

/// What may still be sent under a lease before a person is asked again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeaseLeft {
    /// Calls.
    pub uses: u32,
    /// Of so many.
    pub max_uses: u32,
    /// New bytes.
    pub new_bytes: u64,
    /// Of so many.
    pub max_new_bytes: u64,
    /// When it ends, if it is not used before then.
    pub ends_at: UtcTime,
    /// How long that is from now, in seconds.
    pub seconds: u64,
}

impl LeaseLeft {
    /// `None` for what is no lease, and for one under which nothing can be sent any more.
    #[must_use]
    pub fn of(record: &ReceiptRecord, now: UtcTime) -> Option<Self> {
        let receipt = &record.receipt;
        let terms = receipt.ext.lease.as_ref()?;
        if record.void || !receipt.approved {
            return None;
        }
        // The limits are the gate's, which takes the narrower of what is written and what there is at most.
        let max_uses = terms.max_uses.min(LeaseTerms::MAX_USES);
        let max_new_bytes = terms
            .max_new_bytes_total
            .min(LeaseTerms::MAX_NEW_BYTES_TOTAL);
        let idle = Duration::from_secs(terms.idle_seconds.min(LeaseTerms::MAX_IDLE_SECONDS));
        let life = Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS);
        let approved = receipt.approved_at;
        let last = record.last_used.map_or(approved, |used| used.max(approved));
        let ends_at = receipt
            .ext
            .expires_at
            .min(approved.plus(life))
            .min(last.plus(idle));
        let left = Self {
            uses: max_uses.saturating_sub(record.uses),
            max_uses,
            new_bytes: max_new_bytes.saturating_sub(record.new_bytes),
            max_new_bytes,
            ends_at,
            seconds: ends_at.since(now).as_secs(),
        };
        (left.uses > 0 && ends_at > now && now >= last).then_some(left)
    }
}
