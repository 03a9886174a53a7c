//! The ledger: the only way to spend consent, in one transaction with the attempt's event.

use async_trait::async_trait;

use super::StoreError;
use crate::{
    consent::Block,
    digest::Digest,
    event::Event,
    ids::{KeyId, ProviderId, ReceiptId, UseId},
    time::UtcTime,
};

/// The versions of everything that a verdict rests on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Epochs {
    /// The confirmed policy.
    pub policy: Digest,
    /// The provider's revision; 0 when there is no such provider.
    pub provider_revision: u64,
    /// The generation of enabled models.
    pub enabled_models: u64,
    /// The leakage rules.
    pub rules: Digest,
    /// The generation of the enrolled set.
    pub enrolled: u64,
    /// Whether everything is locked.
    pub locked: bool,
    /// Whether a person paused Cloud.
    pub paused: bool,
    /// When somebody last did: what was granted before is asked about again.
    pub paused_at: Option<UtcTime>,
    /// The approval key.
    pub approval_key: Option<KeyId>,
}

/// What is about to happen.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The attempt's event, to be appended in the same transaction. The ledger writes into it which receipt it spends.
    pub event: Event,
    /// The provider.
    pub provider_id: ProviderId,
    /// The epochs that the verdict was reached under.
    pub epochs: Epochs,
    /// What it spends; `None` for payload-free calls.
    pub spend: Option<Spend>,
}

/// How far a receipt reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpendReach {
    /// The most uses that may begin under it.
    pub uses: u32,
    /// The most bytes that may be new under it, in all its uses; `None` where they are not counted.
    pub new_bytes: Option<u64>,
}

/// The job that a call belongs to, and how many cloud calls it may make: a work profile's bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobBound {
    /// The job, or the session of a call without one: `job:ID`, `session:ID`.
    pub job: String,
    /// The most uses that may begin for it.
    pub most: u32,
}

/// One attempt's share of a receipt.
#[derive(Clone, Debug)]
pub struct Spend {
    /// The receipt.
    pub receipt_id: ReceiptId,
    /// How far it reaches. The ledger holds it against what was spent when it commits, so that many may share a receipt
    /// at the same moment and none goes further than the receipt does.
    pub reach: SpendReach,
    /// The use.
    pub use_id: UseId,
    /// Which attempt, from 1. The first begins the use.
    pub attempt: u32,
    /// The most attempts.
    pub max_attempts: u32,
    /// The envelope.
    pub envelope_sha256: Digest,
    /// The size of the body.
    pub body_bytes: u64,
    /// Blocks that are new under the receipt.
    pub new_blocks: Vec<Block>,
    /// The job that it counts for, where its profile bounds it.
    pub job: Option<JobBound>,
}

/// A committed intent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Committed {
    /// The use.
    pub use_id: UseId,
    /// The event's place in the log.
    pub seq: u64,
}

/// An intent that was not committed. Nothing of it happened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LedgerError {
    /// Others spent what was left meanwhile, or the receipt was revoked or is gone: judge again.
    #[error("the receipt changed in the meantime")]
    Contended,
    /// The job has made as many cloud calls as its profile lets it.
    #[error("the job made as many cloud calls as its profile allows")]
    JobSpent,
    /// An epoch changed meanwhile: start again at `locate`.
    #[error("the rules changed in the meantime")]
    Stale,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The ledger.
///
/// # Contract
/// `commit` is durable when it returns: event, spend, new blocks and a signed checkpoint are in one
/// transaction, and either all or none of them is there, also after a crash. A use is begun once, whatever
/// number of processes try, and no more uses or new bytes than the receipt reaches to, and no more uses for a job than its
/// bound; the attempt's event names the receipt, so that the log says what the ledger says; a receipt for one call begins one use in its life. Attempts follow each other
/// without a gap, with the envelope that the use began with.
#[async_trait]
pub trait EgressLedger: Send + Sync {
    /// The current epochs, all processes' changes included.
    ///
    /// # Errors
    /// [`StoreError`]; the gate denies then.
    async fn epochs(&self, provider: &ProviderId) -> Result<Epochs, StoreError>;

    /// Commits an intent.
    ///
    /// # Errors
    /// [`LedgerError`]; the gate denies or starts again.
    async fn commit(&self, intent: Intent) -> Result<Committed, LedgerError>;

    /// How many uses began for a job, all processes' included. Those of calls whose profile did not bound them are not
    /// counted.
    ///
    /// # Errors
    /// [`StoreError`]; the gate denies then.
    async fn uses_of_job(&self, job: &str) -> Result<u32, StoreError>;

    /// Closes a use: no further attempt. At success, first content byte, in doubt, or after a crash.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn close(&self, use_id: UseId) -> Result<(), StoreError>;
}
