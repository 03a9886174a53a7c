//! Qualifying the names of a profile, once.

use std::collections::BTreeSet;

use super::{
    ModelAssignment, ModelName, RegistryView, ResolveError, RoleExtension, WorkProfile,
    bounds::tier,
};
use crate::{
    code::ErrorCode,
    ids::{ModelId, ModelRef},
    tier::ModelTier,
};

/// Qualifies every id of a profile: `provider/model` where the provider is registered stays as it is, any
/// other name is a model that exactly one provider must offer. Done once; the result is what is stored.
///
/// # Errors
/// `HSK-400-INVALID-CONFIG` with the name and what it could mean.
pub fn apply(profile: &WorkProfile, view: &RegistryView) -> Result<WorkProfile, ResolveError> {
    let name = |name: &ModelName| qualify(name, view);
    let names = |names: &BTreeSet<ModelName>| names.iter().map(name).collect::<Result<_, _>>();
    let assignment = |old: &ModelAssignment| {
        Ok(ModelAssignment {
            primary_model_id: name(&old.primary_model_id)?,
            fallback_model_id: old.fallback_model_id.as_ref().map(name).transpose()?,
            local_only: old.local_only,
            allowed_models: old.allowed_models.as_ref().map(names).transpose()?,
            compute: old.compute,
        })
    };
    let extension = |old: &RoleExtension| {
        Ok(RoleExtension {
            inherits: old.inherits,
            primary_model_id: old.primary_model_id.as_ref().map(name).transpose()?,
            fallback_model_id: old.fallback_model_id.as_ref().map(name).transpose()?,
            local_only: old.local_only,
            allowed_models: old.allowed_models.as_ref().map(names).transpose()?,
            compute: old.compute,
        })
    };
    let mut applied = profile.clone();
    let roles = &mut applied.model_assignments;
    for base in [
        &mut roles.frontend,
        &mut roles.orchestrator,
        &mut roles.worker,
        &mut roles.validator,
    ] {
        *base = assignment(base)?;
    }
    for own in roles.extensions.values_mut() {
        *own = extension(own)?;
    }
    if let Some(candidates) = applied
        .routing
        .as_mut()
        .and_then(|routing| routing.candidate_models.as_mut())
    {
        *candidates = candidates.iter().map(name).collect::<Result<_, _>>()?;
    }
    Ok(applied)
}

fn qualify(name: &ModelName, view: &RegistryView) -> Result<ModelName, ResolveError> {
    if name
        .qualified()
        .is_some_and(|model| view.providers.contains_key(&model.provider))
    {
        return Ok(name.clone());
    }
    let offered = |model: &ModelRef| {
        let local = view
            .providers
            .get(&model.provider)
            .map(|record| tier(view, record, model));
        match local {
            Some(ModelTier::Local) => true,
            Some(ModelTier::Cloud) => view.snapshots.get(model).is_some_and(|known| known.enabled),
            None => false,
        }
    };
    let wanted = ModelId::new(name.as_str()).ok();
    let mut candidates: Vec<ModelRef> = view
        .snapshots
        .keys()
        .filter(|model| wanted.as_ref() == Some(&model.model) && offered(model))
        .cloned()
        .collect();
    match candidates.pop() {
        Some(only) if candidates.is_empty() => Ok(only.into()),
        last => {
            candidates.extend(last);
            Err(ResolveError {
                candidates,
                ..ResolveError::new(ErrorCode::InvalidConfig, name)
            })
        }
    }
}
