//! The gate's side of consent: evidence, never a verdict.

use async_trait::async_trait;

use super::StoreError;
use crate::{
    base_url::Origin,
    consent::ReceiptEvidence,
    digest::{Digest, KeyedHash},
    ids::{Principal, ProviderId, ReceiptId, SessionId},
    seal::{ContactGrant, Seal},
    time::UtcTime,
};

/// Which receipts may matter for a call.
#[derive(Clone, Debug)]
pub struct ReceiptQuery {
    /// Who asks.
    pub principal: Principal,
    /// In which consent session.
    pub session_id: SessionId,
    /// Where the call goes.
    pub provider_id: ProviderId,
    /// The origin.
    pub origin: Origin,
    /// The envelope.
    pub envelope_sha256: Digest,
    /// The blocks that the body holds.
    pub blocks: Vec<KeyedHash>,
}

/// Stored receipts.
///
/// # Contract
/// Returns every receipt that may match, with its uses as committed, in any order; the gate verifies each
/// signature itself. A receipt with several open uses is returned once for each of them. A row whose bytes
/// are no receipt is returned too, for the gate to find out; a row that cannot be read at all is an error,
/// not an absence.
#[async_trait]
pub trait ConsentStore: Send + Sync {
    /// The receipts that may matter.
    ///
    /// # Errors
    /// [`StoreError`]; the gate denies then.
    async fn find(&self, query: &ReceiptQuery) -> Result<Vec<ReceiptEvidence>, StoreError>;

    /// Receipts that were revoked after a time: their streams are aborted.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoked_since(&self, since: UtcTime) -> Result<Vec<ReceiptId>, StoreError>;
}

/// Contact grants: a person allowed payload-free calls to a cloud origin.
///
/// # Contract
/// A grant is bound to the provider's revision; a newer revision has none.
#[async_trait]
pub trait ContactGrants: Send + Sync {
    /// Whether contact is granted.
    ///
    /// # Errors
    /// [`StoreError`]; the gate denies then.
    async fn granted(&self, provider: &ProviderId, revision: u64) -> Result<bool, StoreError>;

    /// Grants contact, under the seal of the person who does.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn grant(&self, grant: &ContactGrant, seal: Seal) -> Result<(), StoreError>;
}
