//! Provider records: what is configured, never what is secret.

use serde::{Deserialize, Serialize};

use crate::{
    base_url::BaseUrl,
    code::ErrorCode,
    ids::{ModelId, ProviderId, Token},
    secret::SecretRef,
    tier::{ModelTier, Reach},
    time::UtcTime,
};

/// A configured endpoint. Field names are a published contract.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderRecord {
    /// The stable id.
    pub provider_id: ProviderId,
    /// Which adapter speaks to it: `ollama`, `openai_compat`, or a kind that an application registers.
    pub provider_kind: Token,
    /// The declared tier. Checked against the effective one, never believed.
    pub tier: ModelTier,
    /// The URL of its API.
    pub base_url: BaseUrl,
    /// Whether it forwards.
    #[serde(default)]
    pub reach: Reach,
    /// The dialect of its kind, where the kind has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Token>,
    /// The model to use when a request names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<ModelId>,
    /// The reference to its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// When it was registered.
    pub created_at: UtcTime,
    /// When it was last changed.
    pub updated_at: UtcTime,
    /// Rises with every change that alters bytes or destination; receipts and grants bound to an older
    /// revision are void.
    pub revision: u64,
}

/// What a person writes to register a provider, from the command line or a file. Unknown fields, an
/// inline key among them, are refused by name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderDraft {
    /// The stable id.
    pub provider_id: ProviderId,
    /// The adapter that serves it.
    pub provider_kind: Token,
    /// The declared tier; derived from the URL and the reach when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ModelTier>,
    /// The URL of its API.
    pub base_url: BaseUrl,
    /// Whether it forwards.
    #[serde(default)]
    pub reach: Reach,
    /// The dialect of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Token>,
    /// The model to use when a request names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<ModelId>,
    /// The reference to its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// A provider that may not be registered, with the field at fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidProvider {
    /// The code to report.
    pub code: ErrorCode,
    /// The field.
    pub field: &'static str,
    /// The rule.
    pub reason: &'static str,
}

impl ProviderDraft {
    /// The tier that URL and reach give: loopback and direct is Local, everything else Cloud.
    #[must_use]
    pub fn derived_tier(&self) -> ModelTier {
        match (self.base_url.lexical_tier(), self.reach) {
            (ModelTier::Local, Reach::Direct) => ModelTier::Local,
            _ => ModelTier::Cloud,
        }
    }

    /// Checks what can be checked without a network and makes the first revision.
    ///
    /// # Errors
    /// [`InvalidProvider`] with `HSK-403-TIER-MISMATCH` when the declared tier is not the derived one
    /// (both ways), and with `HSK-400-INVALID-CONFIG` for a relay that is not on this machine.
    pub fn into_record(self, now: UtcTime) -> Result<ProviderRecord, InvalidProvider> {
        let derived = self.derived_tier();
        if self.reach == Reach::Relay && self.base_url.lexical_tier() != ModelTier::Local {
            return Err(InvalidProvider {
                code: ErrorCode::InvalidConfig,
                field: "reach",
                reason: "a relay must run on this machine; register a remote server as cloud and direct",
            });
        }
        if self.tier.is_some_and(|declared| declared != derived) {
            return Err(InvalidProvider {
                code: ErrorCode::TierMismatch,
                field: "tier",
                reason: match derived {
                    ModelTier::Local => {
                        "a direct server on loopback is local; declare `reach: relay` if it forwards requests"
                    }
                    ModelTier::Cloud => "only a direct server on loopback is local",
                },
            });
        }
        Ok(ProviderRecord {
            provider_id: self.provider_id,
            provider_kind: self.provider_kind,
            tier: derived,
            base_url: self.base_url,
            reach: self.reach,
            dialect: self.dialect,
            default_model: self.default_model,
            secret_ref: self.secret_ref,
            created_at: now,
            updated_at: now,
            revision: 1,
        })
    }
}

impl ProviderRecord {
    /// The draft that this record came from.
    #[must_use]
    pub fn draft(&self) -> ProviderDraft {
        ProviderDraft {
            provider_id: self.provider_id.clone(),
            provider_kind: self.provider_kind.clone(),
            tier: Some(self.tier),
            base_url: self.base_url.clone(),
            reach: self.reach,
            dialect: self.dialect.clone(),
            default_model: self.default_model.clone(),
            secret_ref: self.secret_ref.clone(),
        }
    }

    /// This record changed to `draft`: the revision rises iff bytes or destination may differ.
    ///
    /// # Errors
    /// As [`ProviderDraft::into_record`]; the id may not change.
    pub fn changed(&self, draft: ProviderDraft, now: UtcTime) -> Result<Self, InvalidProvider> {
        if draft.provider_id != self.provider_id {
            return Err(InvalidProvider {
                code: ErrorCode::InvalidConfig,
                field: "provider_id",
                reason: "an id cannot change; add a new provider and remove this one",
            });
        }
        let mut next = draft.into_record(now)?;
        next.created_at = self.created_at;
        next.revision = self.revision + u64::from(next.draft() != self.draft());
        Ok(next)
    }

    /// Whether changing to `next` lets more happen: a new destination, reach, kind or secret.
    #[must_use]
    pub fn is_widened_by(&self, next: &Self) -> bool {
        self.base_url != next.base_url
            || self.provider_kind != next.provider_kind
            || (self.reach != next.reach && next.reach == Reach::Direct)
            || (self.secret_ref != next.secret_ref && next.secret_ref.is_some())
    }
}
