//! Resolution: target, profile and registry in, one model and the reasons out. Pure.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use super::{
    ModelAssignment, ModelName, Reason, SelectionPolicy, Unfit, WorkProfile,
    bounds::{Bounds, forbidden, qualified, tier},
};
use crate::{
    admit::Route,
    capability::{Limit, SharedSnapshot},
    chat::Target,
    client::ClientToken,
    code::{ErrorCode, Phase},
    digest::Digest,
    error::CallError,
    ids::{ModelRef, ProviderId, RoleId},
    policy::Governance,
    provider::ProviderRecord,
    seal::SealBook,
    tier::ModelTier,
};

/// What the registry holds at one moment.
#[derive(Clone, Debug, Default)]
pub struct RegistryView {
    /// Providers.
    pub providers: BTreeMap<ProviderId, Arc<ProviderRecord>>,
    /// What is known about their models.
    pub snapshots: BTreeMap<ModelRef, SharedSnapshot>,
    /// The active profile, or the one that the job pinned.
    pub profile: Option<Arc<WorkProfile>>,
    /// Model names of clients, or patterns with `*`, and ours.
    pub aliases: BTreeMap<String, ModelRef>,
    /// Whether an active profile is withheld because it is not as it was activated. Nothing goes to Cloud then, and no
    /// role leads anywhere.
    pub profile_withheld: bool,
    /// The seals of all this.
    pub seals: SealBook,
    /// Client tokens by the SHA-256 of the token, the revoked ones left out.
    pub tokens: BTreeMap<Digest, Arc<ClientToken>>,
    /// Whether a person paused Cloud. Who waits for the end of it looks here; the gate asks the ledger.
    pub paused: bool,
}

impl RegistryView {
    /// What the active profile says about how far work may go.
    #[must_use]
    pub fn governance(&self) -> Governance {
        match &self.profile {
            _ if self.profile_withheld => Governance::LOCKED,
            Some(profile) => profile.governance,
            None => Governance::NO_PROFILE,
        }
    }
}

/// Where a request goes, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resolution {
    /// The model.
    pub model: ModelRef,
    /// Its provider.
    pub record: Arc<ProviderRecord>,
    /// What is known about it; `None` means that its models must be listed first.
    pub snapshot: Option<SharedSnapshot>,
    /// Why, in order.
    pub because: Vec<Reason>,
    /// What to use when it fails. Never Cloud where the model is Local.
    pub fallback: Option<ModelRef>,
    /// Whether this request must stay on this machine whatever happens.
    pub local_only: bool,
    /// What the profile says about how far work may go.
    pub governance: Governance,
    /// The largest context that the role may have a server make, in tokens; `None` for a model that the caller names.
    pub context_limit: Option<u64>,
}

impl Resolution {
    /// The route, where something is known about the model.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        Some(Route {
            record: Arc::clone(&self.record),
            model: self.model.model.clone(),
            snapshot: self.snapshot.clone()?,
        })
    }
}

/// A target that leads nowhere, or not by the rules.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {subject} [{code}]", code.title())]
pub struct ResolveError {
    /// The stable code.
    pub code: ErrorCode,
    /// The provider, role or model at fault: an id of the configuration.
    pub subject: String,
    /// What an ambiguous name could mean; empty where it could mean nothing.
    pub candidates: Vec<ModelRef>,
}

impl ResolveError {
    pub(super) fn new(code: ErrorCode, subject: impl ToString) -> Self {
        Self {
            code,
            subject: subject.to_string(),
            candidates: Vec::new(),
        }
    }
}

impl From<ResolveError> for CallError {
    fn from(error: ResolveError) -> Self {
        Self::new(error.code, Phase::Resolve).about("target")
    }
}

/// Resolves a target. Needs no network; the same view gives the same answer.
///
/// A model that the caller names is bound by the profile's governance only: `local_only` and
/// `allowed_models` belong to roles.
///
/// # Errors
/// `HSK-404-PROVIDER` naming the provider that is not registered; `HSK-403-HOME-UNTRUSTED` for a role while the active
/// profile is withheld; `HSK-404-PROFILE` for a role without an
/// active profile; `HSK-400-INVALID-REQUEST` for a role that the profile lacks; `HSK-400-INVALID-CONFIG` for
/// a role whose model its own bounds exclude, and for an id that was never qualified; `HSK-404-MODEL` where
/// no candidate is fit; `HSK-403-GOVERNANCE-LOCKED` and `HSK-403-CLOUD-ESCALATION-DENIED` for a cloud model
/// that governance forbids.
pub fn resolve(target: &Target, view: &RegistryView) -> Result<Resolution, ResolveError> {
    match target {
        Target::Model(model) => {
            let governance = view.governance();
            let because = vec![Reason::NamedByCaller {
                model: model.clone(),
            }];
            finish(view, governance, model.clone(), because, None, false)
        }
        Target::Role(role) => resolve_role(role, view),
    }
}

fn resolve_role(role: &RoleId, view: &RegistryView) -> Result<Resolution, ResolveError> {
    if view.profile_withheld {
        return Err(ResolveError::new(ErrorCode::HomeUntrusted, role));
    }
    let profile = view
        .profile
        .as_ref()
        .ok_or_else(|| ResolveError::new(ErrorCode::Profile404, role))?;
    let assignment = profile
        .model_assignments
        .of(role)
        .ok_or_else(|| ResolveError::new(ErrorCode::InvalidRequest, role))?;
    let bounds = Bounds::new(&assignment, profile.governance)?;
    let primary = qualified(&assignment.primary_model_id)?;
    let mut because = vec![Reason::AssignedByProfile {
        profile_id: profile.profile_id.clone(),
        role: role.clone(),
        model: primary.clone(),
    }];
    if let Some(extension) = profile.model_assignments.extensions.get(role) {
        because.push(Reason::Inherited {
            role: role.clone(),
            from: extension.inherits,
        });
    }
    if bounds.local_only {
        because.push(Reason::LocalOnly);
    }
    if let Some(allowed) = &bounds.allowed {
        because.push(Reason::Allowed {
            models: u32::try_from(allowed.len()).unwrap_or(u32::MAX),
        });
    }
    let routing = profile.routing.as_ref();
    let model = match routing
        .map(|routing| routing.selection_policy)
        .unwrap_or_default()
    {
        SelectionPolicy::Explicit => primary,
        SelectionPolicy::LargestAvailable => {
            let candidates = routing.and_then(|routing| routing.candidate_models.as_deref());
            largest(
                view,
                &assignment,
                &primary,
                candidates,
                &bounds,
                &mut because,
            )?
        }
    };
    bounds.hold(view, &model)?;
    let fallback = fallback(view, &assignment, &model, &bounds, &mut because)?;
    let resolution = finish(
        view,
        profile.governance,
        model,
        because,
        fallback,
        bounds.local_only,
    )?;
    Ok(Resolution {
        context_limit: assignment
            .compute
            .and_then(|compute| compute.max_context_tokens),
        ..resolution
    })
}

fn largest(
    view: &RegistryView,
    assignment: &ModelAssignment,
    primary: &ModelRef,
    candidates: Option<&[ModelName]>,
    bounds: &Bounds,
    because: &mut Vec<Reason>,
) -> Result<ModelRef, ResolveError> {
    let mut names: Vec<ModelRef> = match (candidates, &bounds.allowed) {
        (Some(names), _) => names.iter().map(qualified).collect::<Result<_, _>>()?,
        (None, Some(allowed)) => allowed.clone(),
        (None, None) => {
            let named = [
                Some(&assignment.primary_model_id),
                assignment.fallback_model_id.as_ref(),
            ];
            named
                .into_iter()
                .flatten()
                .map(qualified)
                .collect::<Result<_, _>>()?
        }
    };
    names.sort();
    names.dedup();
    // The assignment says how far the role goes: a role that was given a local model does not wander off.
    let beside = match view.providers.get(&primary.provider) {
        Some(record) => tier(view, record, primary),
        None => ModelTier::Local,
    };
    let mut fit: Vec<(Reverse<u64>, ModelRef, Option<u64>)> = Vec::new();
    for model in names {
        let known = view.snapshots.get(&model);
        match (bounds.unfit(view, &model, beside), known) {
            (Some(unfit), _) => because.push(Reason::CandidateLeftOut {
                model,
                because: unfit,
            }),
            (None, None) => because.push(Reason::CandidateLeftOut {
                model,
                because: Unfit::NotListed,
            }),
            (None, Some(known)) => {
                let window = known.capabilities.limit(Limit::MaxContextWindow);
                fit.push((Reverse(window.unwrap_or(0)), model, window));
            }
        }
    }
    fit.sort();
    let candidates = u32::try_from(fit.len()).unwrap_or(u32::MAX);
    let (_, model, context_window) = fit
        .into_iter()
        .next()
        .ok_or_else(|| ResolveError::new(ErrorCode::Model404, primary))?;
    because.push(Reason::Largest {
        model: model.clone(),
        context_window,
        candidates,
    });
    Ok(model)
}

fn fallback(
    view: &RegistryView,
    assignment: &ModelAssignment,
    model: &ModelRef,
    bounds: &Bounds,
    because: &mut Vec<Reason>,
) -> Result<Option<ModelRef>, ResolveError> {
    let named = assignment
        .fallback_model_id
        .as_ref()
        .map(qualified)
        .transpose()?;
    let Some(fallback) = named.filter(|fallback| fallback != model) else {
        return Ok(None);
    };
    let beside = match view.providers.get(&model.provider) {
        Some(record) => tier(view, record, model),
        None => ModelTier::Local,
    };
    Ok(match bounds.unfit(view, &fallback, beside) {
        Some(unfit) => {
            because.push(Reason::FallbackLeftOut {
                model: fallback,
                because: unfit,
            });
            None
        }
        None => {
            because.push(Reason::FallbackKept {
                model: fallback.clone(),
            });
            Some(fallback)
        }
    })
}

fn finish(
    view: &RegistryView,
    governance: Governance,
    model: ModelRef,
    mut because: Vec<Reason>,
    fallback: Option<ModelRef>,
    local_only: bool,
) -> Result<Resolution, ResolveError> {
    let record = view
        .providers
        .get(&model.provider)
        .ok_or_else(|| ResolveError::new(ErrorCode::Provider404, &model.provider))?;
    let tier = tier(view, record, &model);
    if tier == ModelTier::Cloud
        && let Some(code) = forbidden(governance)
    {
        return Err(ResolveError::new(code, &model));
    }
    because.push(Reason::Tier { tier });
    Ok(Resolution {
        record: Arc::clone(record),
        snapshot: view.snapshots.get(&model).cloned(),
        model,
        because,
        fallback,
        local_only,
        governance,
        context_limit: None,
    })
}
