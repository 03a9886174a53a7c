//! The person's side of consent: what waits, what was decided.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::StoreError;
use crate::{
    consent::{CloudEscalationRequest, ProjectionPlan, SignedReceipt},
    envelope::Salt,
    ids::{ReceiptId, RequestId},
    time::UtcTime,
};

/// A call that waits for a person.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The request.
    pub request: CloudEscalationRequest,
    /// What the person is shown.
    pub plan: ProjectionPlan,
    /// The body to show, and the manifest. Sealed at rest.
    pub content: PendingContent,
    /// When waiting ends.
    pub deadline: UtcTime,
}

/// The bytes that a plan was rendered from.
#[derive(Clone)]
pub struct PendingContent {
    /// The envelope's manifest (canonical JSON).
    pub manifest: Bytes,
    /// The body.
    pub body: Bytes,
    /// The salt of the hashes.
    pub salt: Salt,
}

impl std::fmt::Debug for PendingContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingContent")
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Whether a submission waits on its own or joined an identical one of the same principal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Submitted {
    /// The request to wait for.
    pub request_id: RequestId,
    /// Whether an identical one waited already.
    pub joined: bool,
}

/// One waiting request as an operator sees it. No content.
#[derive(Clone, Debug)]
pub struct PendingRecord {
    /// The request.
    pub request: CloudEscalationRequest,
    /// The plan.
    pub plan: ProjectionPlan,
    /// Since when.
    pub submitted_at: UtcTime,
    /// Until when.
    pub deadline: UtcTime,
    /// Whether a caller is still waiting for it.
    pub live: bool,
}

/// A decision to store.
#[derive(Clone, Debug)]
pub enum SignedDecision {
    /// A signed receipt, which says yes or no.
    Receipt(SignedReceipt),
    /// A plain no. Denying needs no factor.
    Deny(RequestId),
    /// A receipt is withdrawn. Revoking needs no factor.
    Revoke(ReceiptId),
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decided {
    /// A receipt is there: start again at `locate`.
    Approved(ReceiptId),
    /// A person said no.
    Denied,
    /// No decision was made in time.
    Expired,
}

fn decided(what: Decided) -> &'static str {
    match what {
        Decided::Approved(_) => "this call was approved already",
        Decided::Denied => "this call was denied already",
        Decided::Expired => "nobody waits for this call any more",
    }
}

/// Why a submission was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueueError {
    /// Too much waits already: `HSK-429-CONSENT-FLOOD`.
    #[error("too many consent requests")]
    Flood,
    /// A person said no to this principal and provider: `HSK-429-CONSENT-FLOOD`.
    #[error("denied by a person")]
    Silenced {
        /// When it may ask again; `None` when only a person can let it.
        again_in: Option<Duration>,
    },
    /// No such request.
    #[error("no such request")]
    Unknown,
    /// It does not wait any more: this is what was decided.
    #[error("{}", decided(*.0))]
    Decided(Decided),
    /// The receipt is not for a waiting request, or its signature does not verify.
    #[error("the decision does not match a pending request")]
    Mismatch,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The queue of calls that wait for a person. Shared by all processes of a home.
///
/// # Contract
/// Limits: 3 pending per principal, 16 in all; after one denial of a (principal, provider) nothing is taken
/// for 60 s, after two until the person reopens it or says yes. Identical requests of one principal (same
/// destination, manifest and body) join while one is pending. Waiting ends at the deadline: the request is
/// `Expired` for everybody then. 60 s after its last waiter left (or after it was submitted, when nobody ever
/// waited) a pending request is withdrawn. Deciding what is not pending any more is `Decided`, which says what was
/// decided; what was withdrawn is `Expired` there. A receipt for
/// one call is void 60 s after the last waiter of its request left, or after the decision if that was later;
/// the gate is told that it is revoked. Content is sealed at rest and deleted when decided or expired.
///
/// Each fact is recorded once. The queue records FR-EVT-CLOUD-001 at `submit`, unless it joined, and
/// FR-EVT-CLOUD-002 with the approval, in its transaction. A denial, an expiry and a refused submission are
/// recorded by the one who waits ([`crate::gate::Gate::give_up`]); the queue itself records FR-EVT-CLOUD-003
/// for a denial only when nobody waits any more, and for a revocation.
#[async_trait]
pub trait ApprovalQueue: Send + Sync {
    /// Puts a call into the queue.
    ///
    /// # Errors
    /// [`QueueError::Flood`] at the limits, [`QueueError::Silenced`] after a denial.
    async fn submit(&self, submission: Submission) -> Result<Submitted, QueueError>;

    /// Waits for a decision, as one waiter; dropping the future is leaving. `Expired` after `at_most`, for
    /// this waiter alone.
    ///
    /// # Errors
    /// [`QueueError::Unknown`] for a request that never was, or was withdrawn.
    async fn wait(&self, request_id: RequestId, at_most: Duration) -> Result<Decided, QueueError>;

    /// What waits, oldest first.
    ///
    /// # Errors
    /// [`QueueError::Store`].
    async fn pending(&self) -> Result<Vec<PendingRecord>, QueueError>;

    /// The content of one waiting request, for showing it.
    ///
    /// # Errors
    /// [`QueueError::Unknown`] for one that is not pending.
    async fn open(&self, request_id: RequestId) -> Result<PendingContent, QueueError>;

    /// Stores a decision.
    ///
    /// # Errors
    /// [`QueueError::Mismatch`] for a receipt whose signature, request, plan, hashes, destination, principal
    /// or session do not match; [`QueueError::Decided`] for what is not pending any more; [`QueueError::Unknown`] for a
    /// plain no or a revocation of something that never was. Nothing is stored then.
    async fn decide(&self, decision: SignedDecision) -> Result<(), QueueError>;
}
