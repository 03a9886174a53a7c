//! Why a model was chosen, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::BaseRole;
use crate::{
    ids::{ModelRef, ProfileId, RoleId},
    tier::ModelTier,
};

/// One step of a resolution.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The caller named the model.
    NamedByCaller {
        /// The model.
        model: ModelRef,
    },
    /// The profile assigns a model to the role.
    AssignedByProfile {
        /// The profile.
        profile_id: ProfileId,
        /// The role.
        role: RoleId,
        /// The model.
        model: ModelRef,
    },
    /// The role extends one of the four.
    Inherited {
        /// The role.
        role: RoleId,
        /// What it extends.
        from: BaseRole,
    },
    /// The role never uses a cloud model.
    LocalOnly,
    /// The role uses the models of a list only.
    Allowed {
        /// How many there are.
        models: u32,
    },
    /// A candidate was skipped.
    CandidateLeftOut {
        /// The candidate.
        model: ModelRef,
        /// Why.
        because: Unfit,
    },
    /// The largest candidate was chosen.
    Largest {
        /// The model.
        model: ModelRef,
        /// Its context window in tokens; absent if unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        context_window: Option<u64>,
        /// How many candidates were fit.
        candidates: u32,
    },
    /// The fallback is available.
    FallbackKept {
        /// The fallback.
        model: ModelRef,
    },
    /// The fallback was skipped.
    FallbackLeftOut {
        /// The fallback.
        model: ModelRef,
        /// Why.
        because: Unfit,
    },
    /// The tier that the call is declared for.
    Tier {
        /// The tier.
        tier: ModelTier,
    },
}

/// Why a candidate or a fallback was skipped.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// Its provider is not registered.
    NoProvider,
    /// Its capabilities are not known.
    NotListed,
    /// It is not enabled.
    NotEnabled,
    /// It is not among the allowed models.
    NotAllowed,
    /// The role is local only.
    LocalOnly,
    /// It would cross from Local to Cloud: that is an escalation, with consent.
    CrossesToCloud,
    /// Governance forbids Cloud.
    CloudForbidden,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoProvider => "its provider is not registered",
            Self::NotListed => "its capabilities are not known",
            Self::NotEnabled => "it is not enabled",
            Self::NotAllowed => "it is not in the role's allowed_models",
            Self::LocalOnly => "the role is restricted to local models",
            Self::CrossesToCloud => "it would cross from local to cloud",
            Self::CloudForbidden => "the profile does not allow cloud models",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamedByCaller { model } => write!(f, "the caller named {model}"),
            Self::AssignedByProfile {
                profile_id,
                role,
                model,
            } => {
                write!(f, "profile {profile_id} assigns {model} to {role}")
            }
            Self::Inherited { role, from } => write!(f, "{role} inherits {}", from.as_str()),
            Self::LocalOnly => f.write_str("the role is restricted to local models"),
            Self::Allowed { models } => write!(f, "the role is limited to {models} listed models"),
            Self::CandidateLeftOut { model, because } => {
                write!(f, "skipped {model}: {because}")
            }
            Self::Largest {
                model,
                context_window: Some(tokens),
                candidates,
            } => {
                write!(
                    f,
                    "{model} has the largest context window ({tokens}) among {candidates} candidates"
                )
            }
            Self::Largest {
                model,
                context_window: None,
                candidates,
            } => {
                write!(
                    f,
                    "{model} is the first of {candidates} candidates; no context window is known"
                )
            }
            Self::FallbackKept { model } => write!(f, "{model} is the fallback"),
            Self::FallbackLeftOut { model, because } => {
                write!(f, "skipped the fallback {model}: {because}")
            }
            Self::Tier {
                tier: ModelTier::Local,
            } => f.write_str("the model is local"),
            Self::Tier {
                tier: ModelTier::Cloud,
            } => f.write_str("the model is in the cloud: calls need consent"),
        }
    }
}
