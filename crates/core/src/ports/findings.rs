//! What was blocked, and what a person declassified.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::{
    base_url::Origin,
    digest::{Digest, KeyedHash},
    finding::FindingClass,
    ids::{ModelId, Principal, ProviderId, RuleId, TraceId},
    seal::{Declassified, Seal},
    time::UtcTime,
};

/// A finding that blocked a call, for a person to name. Nothing of what was found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockedFinding {
    /// The call: what its client was told.
    pub trace_id: Option<TraceId>,
    /// Who asked.
    pub principal: Principal,
    /// Where it would have gone.
    pub provider_id: ProviderId,
    /// The provider's revision.
    pub provider_revision: u64,
    /// The origin.
    pub origin: Origin,
    /// The model.
    pub model_id: Option<ModelId>,
    /// The rule.
    pub rule: RuleId,
    /// The class.
    pub class: FindingClass,
    /// Commitment to the whole text that holds it; absent where no single text does.
    pub leaf: Option<KeyedHash>,
    /// Where that text stands, without a name that the body chose.
    pub place: Option<String>,
    /// How long that text is.
    pub bytes: Option<u64>,
    /// How often the rule found something in that text.
    pub count: u32,
    /// When.
    pub at: UtcTime,
}

impl BlockedFinding {
    /// How many are kept: the newest, and so many of one client.
    pub const KEPT: usize = 64;
    /// So many of one client, so that none of them pushes out what another's call was blocked for.
    pub const KEPT_OF_ONE: usize = 24;
    /// How long they are kept, in seconds.
    pub const KEPT_SECONDS: u64 = 24 * 60 * 60;

    /// What a person calls it by. The same finding in the same text has the same one.
    #[must_use]
    pub fn handle(&self) -> String {
        match &self.leaf {
            Some(leaf) => crate::seal::declassified_handle(&self.provider_id, &self.rule, leaf),
            None => {
                let (provider, rule) = (self.provider_id.as_str(), self.rule.as_str());
                let trace = self.trace_id.map(|it| it.to_string()).unwrap_or_default();
                let parts = [provider, "/", rule, "//", &trace].map(str::as_bytes);
                Digest::of(&parts).to_string()[..12].to_owned()
            }
        }
    }
}

/// A row that says of a text that it was declassified. Evidence: what it says counts where its seal is good for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredDeclassified {
    /// The provider.
    pub provider_id: ProviderId,
    /// Its revision.
    pub revision: u64,
    /// Commitment to the text.
    pub leaf: KeyedHash,
    /// The rule.
    pub rule: RuleId,
    /// The class.
    pub class: FindingClass,
    /// What stands beside it; `None` where nothing does, or nothing that is a seal.
    pub seal: Option<Seal>,
}

/// What was blocked, and what a person declassified.
///
/// # Contract
/// Declassified is evidence, never a verdict: the gate makes the record anew from the bytes and the provider at hand, and
/// takes nothing but the seal from here. Declassifying and taking it back is for the next judgement of every process: a
/// verdict that was reached before is stale when it is committed. What ends with a provider's revision ends here too.
///
/// Blocked findings are for a person to read. [`BlockedFinding::KEPT`] are kept, the newest, and none for longer than
/// [`BlockedFinding::KEPT_SECONDS`]; the same finding in the same text is kept once.
#[async_trait]
pub trait FindingStore: Send + Sync {
    /// What is declassified for a provider in this revision; for all of them where none is named.
    ///
    /// # Errors
    /// [`StoreError`]; the gate lowers nothing then.
    async fn declassified(
        &self,
        provider: Option<(&ProviderId, u64)>,
    ) -> Result<Vec<StoredDeclassified>, StoreError>;

    /// Declassifies, under the seal of the person who does.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for another provider, or another revision of it, than is stored.
    async fn declassify(&self, what: &Declassified, seal: Seal) -> Result<(), StoreError>;

    /// Takes it back. Narrows, so it needs nobody.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where there is no such row.
    async fn classify_again(
        &self,
        provider: &ProviderId,
        rule: &RuleId,
        leaf: &KeyedHash,
    ) -> Result<(), StoreError>;

    /// Keeps what blocked a call.
    ///
    /// # Errors
    /// [`StoreError`]; the call is blocked all the same.
    async fn keep_blocked(&self, blocked: Vec<BlockedFinding>) -> Result<(), StoreError>;

    /// What is kept, newest first. A row that this program did not write is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn blocked(&self) -> Result<Vec<BlockedFinding>, StoreError>;
}
