//! What a role may use: the hard bounds of its assignment, and what governance forbids.

use super::{ModelAssignment, ModelName, RegistryView, ResolveError, Unfit};
use crate::{
    code::ErrorCode,
    ids::ModelRef,
    policy::{AutomationLevel, Governance},
    provider::ProviderRecord,
    tier::{ModelTier, Residence, is_forwarded_name},
};

/// What a role may use.
pub(super) struct Bounds {
    pub(super) local_only: bool,
    pub(super) allowed: Option<Vec<ModelRef>>,
    governance: Governance,
}

impl Bounds {
    pub(super) fn new(
        assignment: &ModelAssignment,
        governance: Governance,
    ) -> Result<Self, ResolveError> {
        let allowed = assignment.allowed_models.as_ref();
        let allowed = allowed
            .map(|names| names.iter().map(qualified).collect())
            .transpose()?;
        Ok(Self {
            local_only: assignment.local_only,
            allowed,
            governance,
        })
    }

    /// Whether the *chosen* model keeps the hard bounds. Governance comes later, with codes of its own.
    pub(super) fn hold(&self, view: &RegistryView, model: &ModelRef) -> Result<(), ResolveError> {
        let broken = match view.providers.get(&model.provider) {
            None => return Err(ResolveError::new(ErrorCode::Provider404, &model.provider)),
            Some(record) => {
                (self.local_only && tier(view, record, model) == ModelTier::Cloud)
                    || self
                        .allowed
                        .as_ref()
                        .is_some_and(|allowed| !allowed.contains(model))
            }
        };
        if broken {
            Err(ResolveError::new(ErrorCode::InvalidConfig, model))
        } else {
            Ok(())
        }
    }

    /// Why a model may not be chosen beside `beside`, if so.
    pub(super) fn unfit(
        &self,
        view: &RegistryView,
        model: &ModelRef,
        beside: ModelTier,
    ) -> Option<Unfit> {
        let Some(record) = view.providers.get(&model.provider) else {
            return Some(Unfit::NoProvider);
        };
        if self
            .allowed
            .as_ref()
            .is_some_and(|allowed| !allowed.contains(model))
        {
            return Some(Unfit::NotAllowed);
        }
        if tier(view, record, model) == ModelTier::Local {
            return None;
        }
        if self.local_only {
            return Some(Unfit::LocalOnly);
        }
        if beside == ModelTier::Local {
            return Some(Unfit::CrossesToCloud);
        }
        if forbidden(self.governance).is_some() {
            return Some(Unfit::CloudForbidden);
        }
        let enabled = view.snapshots.get(model).is_some_and(|known| known.enabled);
        if enabled {
            None
        } else {
            Some(Unfit::NotEnabled)
        }
    }
}

/// The code under which governance forbids Cloud, if it does.
pub(super) fn forbidden(governance: Governance) -> Option<ErrorCode> {
    match governance {
        Governance {
            automation_level: AutomationLevel::Locked,
            ..
        } => Some(ErrorCode::GovernanceLocked),
        Governance {
            allow_cloud_escalation: false,
            ..
        } => Some(ErrorCode::CloudEscalationDenied),
        _ => None,
    }
}

/// The tier as far as it is declared: by the provider, and by a server or a name that says that the model is forwarded.
/// The gate derives the effective one and refuses a difference.
pub(super) fn tier(view: &RegistryView, record: &ProviderRecord, model: &ModelRef) -> ModelTier {
    let forwarded = view
        .snapshots
        .get(model)
        .is_some_and(|known| known.residence == Residence::Forwarded);
    if forwarded || is_forwarded_name(model.model.as_str()) {
        ModelTier::Cloud
    } else {
        record.tier
    }
}

pub(super) fn qualified(name: &ModelName) -> Result<ModelRef, ResolveError> {
    name.qualified()
        .ok_or_else(|| ResolveError::new(ErrorCode::InvalidConfig, name))
}
