//! Payload-free calls: versions, listings, loading. They pass the gate like everything else.

mod identity;

use serde::{Deserialize, Serialize};

pub use self::identity::{ServerIdentity, ServerSeen};
use crate::{event::ControlKind, ids::ModelId, tier::Residence};

/// A payload-free call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ControlCall {
    /// The server's version.
    Version,
    /// Its models.
    ListModels,
    /// One model.
    ShowModel(ModelId),
    /// Loaded models.
    Running,
    /// Load a model, with so many tokens of context where the server takes that.
    Load(ModelId, Option<u64>),
    /// Unload a model.
    Unload(ModelId),
    /// One of the questions by which its software is told, counted from 0. They go to a server on this machine alone,
    /// without a secret. A kind that has no question of a number does not have the call.
    Identify(u8),
}

impl ControlCall {
    /// The model that it is about.
    #[must_use]
    pub fn model(&self) -> Option<&ModelId> {
        match self {
            Self::ShowModel(model) | Self::Load(model, _) | Self::Unload(model) => Some(model),
            Self::Version | Self::ListModels | Self::Running | Self::Identify(_) => None,
        }
    }

    /// The kind, as recorded.
    #[must_use]
    pub fn kind(&self) -> ControlKind {
        match self {
            Self::Version => ControlKind::Version,
            Self::ListModels => ControlKind::ListModels,
            Self::ShowModel(_) => ControlKind::ShowModel,
            Self::Running => ControlKind::Running,
            Self::Load(..) => ControlKind::Load,
            Self::Unload(_) => ControlKind::Unload,
            Self::Identify(_) => ControlKind::Identify,
        }
    }
}

/// What a server says about one of its models.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelListing {
    /// The model.
    pub model_id: ModelId,
    /// Its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Where it runs, as far as the server says.
    pub residence: Residence,
    /// What the server claims about it.
    #[serde(default)]
    pub claims: crate::capability::Claims,
    /// Its family, as far as the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<crate::ids::Token>,
}

/// The answer to a payload-free call.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlReport {
    /// The server's version: visible ASCII, at most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Models.
    #[serde(default)]
    pub models: Vec<ModelListing>,
    /// Whether the server had more to say than we read or understood.
    #[serde(default)]
    pub partial: bool,
    /// What this answer says about the server's software.
    #[serde(default)]
    pub identity: ServerIdentity,
}
