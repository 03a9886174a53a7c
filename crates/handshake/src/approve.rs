//! From a waiting call to a signed decision: what is rendered is what is hashed, and what is hashed is what is
//! signed.

mod left;
mod preview;

use std::{sync::Arc, time::Duration};

use handshake_core::{
    code::{ErrorCode, Phase},
    consent::LeaseTerms,
    digest::Digest,
    ids::{ExternalId, ReceiptId, RequestId},
    ports::{ApprovalQueue, PendingContent, PendingRecord, QueueError, SignedDecision},
};

pub use self::{
    left::LeaseLeft,
    preview::{Preview, Waivable},
};
use crate::{
    error::{Error, Result},
    wire::Parts,
};

/// The person's side of consent: what waits, what would leave, yes and no.
#[derive(Clone, Debug)]
pub struct Approver {
    parts: Arc<Parts>,
    surface: ExternalId,
}

/// The limits of a lease. Nothing here can be wider than the product's own limits, which are the default: a larger
/// value counts as that limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeaseLimits {
    /// Calls in all.
    pub max_uses: u32,
    /// New bytes that one call may hold. What the person sees now is the first use, whatever its size.
    pub max_new_bytes_per_call: u64,
    /// New bytes in all.
    pub max_new_bytes_total: u64,
    /// The lease ends after so long without use.
    pub idle: Duration,
    /// The lease ends after so long in any case.
    pub life: Duration,
}

impl Default for LeaseLimits {
    fn default() -> Self {
        Self {
            max_uses: LeaseTerms::MAX_USES,
            max_new_bytes_per_call: LeaseTerms::MAX_NEW_BYTES_PER_CALL,
            max_new_bytes_total: LeaseTerms::MAX_NEW_BYTES_TOTAL,
            idle: Duration::from_secs(LeaseTerms::MAX_IDLE_SECONDS),
            life: Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS),
        }
    }
}

impl Approver {
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        let surface = ExternalId::new("embedded").expect("a word");
        Self { parts, surface }
    }

    /// Names the surface on which the person is asked, for the receipt.
    #[must_use]
    pub fn on_surface(mut self, surface: ExternalId) -> Self {
        self.surface = surface;
        self
    }

    /// What waits, without its content.
    ///
    /// # Errors
    /// The store's.
    pub async fn pending(&self) -> Result<Vec<PendingRecord>> {
        Ok(self.parts.store.pending().await?)
    }

    /// Opens one waiting call: its plan, and the exact bytes that would leave.
    ///
    /// # Errors
    /// `HSK-400-INVALID-REQUEST` when nothing of that id waits; `HSK-403-CLOUD-CONSENT-MISMATCH` when the stored
    /// bytes are not those of the plan, and then nobody can approve it.
    pub async fn open(&self, id: RequestId) -> Result<Preview> {
        let pending = self.pending().await?;
        let found = pending
            .into_iter()
            .find(|record| record.request.request_id == id);
        let Some(record) = found else {
            return Err(self.not_pending(id).await);
        };
        let content = ApprovalQueue::open(&self.parts.store, id).await?;
        let plan = &record.plan;
        if digests(&content) != (plan.payload_sha256, plan.ext.envelope_sha256) {
            return Err(Error::new(
                ErrorCode::CloudConsentMismatch,
                Phase::Gate,
                "the stored content does not match the plan, so nothing was approved",
            ));
        }
        let (parts, surface) = (Arc::clone(&self.parts), self.surface.clone());
        Ok(Preview::new(parts, surface, record, content))
    }

    /// Why nothing of this id waits: it never did, or it was decided.
    async fn not_pending(&self, id: RequestId) -> Error {
        let why = match self.parts.store.decided(id).await {
            Ok(Some(decided)) => Error::from(QueueError::Decided(decided)).message,
            Ok(None) | Err(_) => format!("no such pending call: {id}"),
        };
        Error::usage(ErrorCode::InvalidRequest, why).next("run `handshake consent list`")
    }

    /// Withdraws a receipt. Needs no factor.
    ///
    /// # Errors
    /// The queue's.
    pub async fn revoke(&self, receipt: ReceiptId) -> Result<()> {
        let decision = SignedDecision::Revoke(receipt);
        Ok(self.parts.store.decide(decision).await?)
    }
}

/// The digests of a body and of its envelope, as the plan holds them. The plan is judged by the bytes, not the
/// other way round.
fn digests(content: &PendingContent) -> (Digest, Digest) {
    let len = u32::try_from(content.manifest.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let envelope = [
        b"hsk.envelope.v1\0",
        content.salt.as_bytes().as_slice(),
        &len,
        &content.manifest,
        &content.body,
    ];
    (
        Digest::of(&[content.salt.as_bytes(), &content.body]),
        Digest::of(&envelope),
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use handshake_core::{envelope::Salt, ports::PendingContent};

    use super::digests;

    #[test]
    fn a8_every_byte_that_would_leave_and_its_salt_are_in_the_digests() {
        let content = |manifest: &'static str, body: &'static str, salt: u8| PendingContent {
            manifest: Bytes::from_static(manifest.as_bytes()),
            body: Bytes::from_static(body.as_bytes()),
            salt: Salt::new([salt; 32]),
        };
        let shown = digests(&content("{\"a\":1}", "hello", 1));
        assert_eq!(shown, digests(&content("{\"a\":1}", "hello", 1)));
        for (other, both) in [
            (content("{\"a\":1}", "hallo", 1), true),
            (content("{\"a\":1}", "hello", 2), true),
            (content("{\"a\":2}", "hello", 1), false),
            // What moves from one part into the other is not the same envelope.
            (content("{\"a\":1}h", "ello", 1), true),
        ] {
            let other = digests(&other);
            assert_eq!(shown.0 != other.0, both);
            assert_ne!(shown.1, other.1);
        }
    }
}
