//! Seals: what is stored of them, and which are in force.

use std::sync::Arc;

use async_trait::async_trait;

use super::{SealError, StoreError};
use crate::{
    ids::{ModelRef, ProviderId},
    provider::ProviderRecord,
    seal::{Evidence, Seal, Statement},
};

/// Stored seals.
///
/// # Contract
/// Evidence, never a verdict: what stands beside a record now, by this process or another one. The two that are asked
/// for with every call are answered without the database.
#[async_trait]
pub trait SealStore: Send + Sync {
    /// Beside a provider's record.
    ///
    /// # Errors
    /// [`StoreError`]; the call is refused then.
    fn provider_seal(
        &self,
        record: &Arc<ProviderRecord>,
    ) -> Result<Arc<Evidence<Arc<ProviderRecord>>>, StoreError>;

    /// Beside a cloud model that a person enabled; `None` where none stands there.
    ///
    /// # Errors
    /// [`StoreError`]; the call is refused then.
    fn model_seal(&self, model: &ModelRef) -> Result<Option<Seal>, StoreError>;

    /// Beside a contact grant.
    ///
    /// # Errors
    /// [`StoreError`]; the call is refused then.
    async fn contact_seal(
        &self,
        provider: &ProviderId,
        revision: u64,
    ) -> Result<Option<Seal>, StoreError>;
}

/// Which statements are in force. Kept where a database cannot be edited into another word.
///
/// # Contract
/// One statement at most is in force for a subject. One that was replaced or struck is not in force any more, whoever
/// puts it back beside its record. Durable when a call returns; whoever stores a record enters its statement first, so
/// that what a crash leaves between the two is refused and not believed.
pub trait SealRegister: Send + Sync {
    /// Whether this very statement is in force.
    ///
    /// # Errors
    /// [`SealError`]; nothing that stands in the register is believed then.
    fn is_in_force(&self, statement: &Statement) -> Result<bool, SealError>;

    /// Whether any statement is in force for a subject.
    ///
    /// # Errors
    /// As [`is_in_force`](Self::is_in_force).
    fn knows(&self, subject: &str) -> Result<bool, SealError>;

    /// Puts statements in force, each in the place of the one before it, and strikes what no statement is in force for
    /// any more.
    ///
    /// # Errors
    /// [`SealError`]; the records must not be stored then.
    fn change(&self, enter: &[Statement], strike: &[String]) -> Result<(), SealError>;
}
