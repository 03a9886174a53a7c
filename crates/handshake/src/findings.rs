//! What blocked a call, and what a person declassifies of it.

use handshake_core::{
    code::{ErrorCode, Phase},
    finding::FindingClass,
    ids::{ProviderId, RuleId},
    ports::{BlockedFinding, FindingStore, ProviderStore, StoredDeclassified},
    provider::ProviderRecord,
    seal::{BadSeal, Declassified, declassified_handle},
    time::UtcTime,
};
use handshake_vault::Approval;
use serde::Serialize;

use crate::{
    error::{Error, Result},
    wire::Parts,
};

/// A finding that a person declassified.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeclassifiedFinding {
    /// What it is called by.
    pub id: String,
    /// The rule.
    pub rule: RuleId,
    /// The class.
    pub class: FindingClass,
    /// For which provider.
    pub provider_id: ProviderId,
    /// In which revision of it.
    pub revision: u64,
    /// When; `None` where nobody did, or nobody can say.
    pub at: Option<UtcTime>,
    /// Whether it counts: whether its seal is good, and the provider as it stood.
    pub in_force: bool,
    #[serde(skip)]
    pub(crate) why: Option<BadSeal>,
    #[serde(skip)]
    pub(crate) row: StoredDeclassified,
}

impl Parts {
    /// What blocked calls lately, newest first. Nothing of what was found.
    ///
    /// # Errors
    /// The store's.
    pub async fn blocked(&self) -> Result<Vec<BlockedFinding>> {
        Ok(self.store.blocked().await?)
    }

    /// What declassifying a blocked finding would say, for a person to read before they do.
    ///
    /// # Errors
    /// `HSK-403-LEAKAGE-BLOCKED` for what nobody can declassify, `HSK-409-REVISION` where the provider is another one by
    /// now.
    pub async fn declassifies(&self, blocked: &BlockedFinding) -> Result<Declassified> {
        let cannot = |why: &str, next: &str| {
            let message = format!("this finding cannot be declassified: {why}");
            Error::new(ErrorCode::LeakageBlocked, Phase::Gate, message).next(next)
        };
        if !blocked.class.is_declassifiable() {
            return Err(match blocked.class {
                FindingClass::Enrolled => cannot(
                    "it is an enrolled secret",
                    "remove it from the request; if it is no secret, run `handshake secret remove NAME`",
                ),
                FindingClass::Canary => cannot(
                    "it is a canary, so content got where it must not be",
                    "find out how that content came into the request",
                ),
                _ => cannot(
                    "it is no question of what a text looks like",
                    "remove it from the request, or use a local model",
                ),
            });
        }
        let Some(leaf) = blocked.leaf else {
            return Err(cannot(
                "no single text of the request holds it",
                "remove it from the request, or use a local model",
            ));
        };
        let stored = ProviderStore::list(&self.store).await?;
        let record = stored
            .into_iter()
            .find(|it| it.provider_id == blocked.provider_id);
        let as_it_stood = |it: &ProviderRecord| {
            it.revision == blocked.provider_revision && it.base_url.origin() == blocked.origin
        };
        let Some(record) = record.filter(as_it_stood) else {
            let message = format!(
                "the provider {} was changed since this finding blocked a call",
                blocked.provider_id
            );
            return Err(Error::new(ErrorCode::Revision, Phase::Gate, message)
                .next("let the client send the request again, then run `handshake leak blocked`"));
        };
        Ok(Declassified::of(
            &record,
            leaf,
            blocked.rule.clone(),
            blocked.class,
        ))
    }

    /// Declassifies under the approval of a person. The caller records the widening first.
    ///
    /// # Errors
    /// `HSK-403-FACTOR-REQUIRED` without an approval, and the store's.
    pub async fn declassify(&self, what: &Declassified, approval: Option<&Approval>) -> Result<()> {
        let seal = self.sealed(what, approval)?.ok_or_else(|| {
            Error::new(
                ErrorCode::FactorRequired,
                Phase::Gate,
                "the approval passphrase is required",
            )
        })?;
        Ok(self.store.declassify(what, seal).await?)
    }

    /// What is declassified, and whether it counts.
    ///
    /// # Errors
    /// The store's.
    pub async fn declassified(&self) -> Result<Vec<DeclassifiedFinding>> {
        let providers = ProviderStore::list(&self.store).await?;
        let rows = self.store.declassified(None).await?;
        let told = rows.into_iter().map(|row| {
            let record = providers
                .iter()
                .find(|it| it.provider_id == row.provider_id);
            let why = match record {
                Some(record) if record.revision == row.revision => {
                    let (leaf, rule) = (row.leaf, row.rule.clone());
                    let said = Declassified::of(record, leaf, rule, row.class);
                    self.seals.check(&said, row.seal.as_ref()).err()
                }
                // It was said of another revision, and ended with it.
                _ => Some(BadSeal::Outdated),
            };
            DeclassifiedFinding {
                id: declassified_handle(&row.provider_id, &row.rule, &row.leaf),
                rule: row.rule.clone(),
                class: row.class,
                provider_id: row.provider_id.clone(),
                revision: row.revision,
                at: row.seal.filter(|_| why.is_none()).map(|seal| seal.made_at),
                in_force: why.is_none(),
                why,
                row,
            }
        });
        Ok(told.collect())
    }

    /// Takes back what was declassified. Needs nobody, and is for the next call of every process.
    ///
    /// # Errors
    /// `HSK-400-INVALID-CONFIG` where it is not there any more.
    pub async fn classify_again(&self, what: &DeclassifiedFinding) -> Result<()> {
        let row = &what.row;
        let back = self
            .store
            .classify_again(&row.provider_id, &row.rule, &row.leaf);
        Ok(back.await?)
    }
}
