//! Target to route: the registry view, what is known about the model, and reading it again when it is old.

use std::{collections::BTreeMap, sync::Arc};

use handshake_core::{
    admit::Route,
    capability::CapabilitySnapshot,
    chat::Target,
    code::{ErrorCode, Phase},
    error::CallError,
    ids::{ModelRef, ProviderId},
    policy::Governance,
    profile::{RegistryView, Resolution, resolve},
    provider::ProviderRecord,
    tier::ModelTier,
};

use crate::{config::Config, ports::Ports, registry};

/// A route and the rules of the profile that led to it.
#[derive(Clone, Debug)]
pub(crate) struct Routed {
    pub(crate) route: Route,
    pub(crate) governance: Governance,
}

/// Everything that resolving looks at, from the stores.
pub(crate) async fn view(ports: &Ports) -> Result<RegistryView, CallError> {
    let failed = |code| CallError::new(code, Phase::Resolve);
    let mut providers = BTreeMap::new();
    let mut snapshots = BTreeMap::new();
    for record in ports.providers.list().await.map_err(|e| failed(e.code()))? {
        let known = ports.providers.snapshots(&record.provider_id).await;
        for snapshot in known.map_err(|e| failed(e.code()))? {
            let model = ModelRef {
                provider: record.provider_id.clone(),
                model: snapshot.model_id.clone(),
            };
            snapshots.insert(model, Arc::new(snapshot));
        }
        providers.insert(record.provider_id.clone(), Arc::new(record));
    }
    let profile = ports
        .profiles
        .active()
        .await
        .map_err(|e| failed(e.code()))?
        .map(Arc::new);
    Ok(RegistryView {
        providers,
        snapshots,
        profile,
        ..RegistryView::default()
    })
}

/// Resolves a target.
pub(crate) async fn resolved(ports: &Ports, target: &Target) -> Result<Resolution, CallError> {
    let view = view(ports).await?;
    resolve(target, &view).map_err(CallError::from)
}

/// Resolves a target and makes sure that what is known about its model is fresh.
pub(crate) async fn route(
    ports: &Ports,
    config: &Config,
    target: &Target,
) -> Result<Routed, CallError> {
    let resolution = resolved(ports, target).await?;
    let record = resolution.record;
    let governance = resolution.governance;
    let snapshot = match resolution.snapshot {
        Some(known) if !stale(&record, &known, ports, config) => known,
        known => match record.tier {
            // Reading a cloud provider's list is a contact of its own; a call never causes it.
            ModelTier::Cloud => known.ok_or_else(|| {
                CallError::new(ErrorCode::Model404, Phase::Resolve).about("model is not enabled")
            })?,
            ModelTier::Local => Arc::new(
                registry::refresh_model(ports, &record, &resolution.model.model, governance)
                    .await?,
            ),
        },
    };
    if snapshot.provider_revision != record.revision && record.tier == ModelTier::Cloud {
        // What a person enabled was another destination.
        return Err(
            CallError::new(ErrorCode::Model404, Phase::Resolve).about("model is not enabled")
        );
    }
    let route = Route {
        model: snapshot.model_id.clone(),
        record,
        snapshot,
    };
    Ok(Routed { route, governance })
}

fn stale(
    record: &ProviderRecord,
    known: &CapabilitySnapshot,
    ports: &Ports,
    config: &Config,
) -> bool {
    let age = ports.clock.now().since(known.fetched_at);
    record.tier == ModelTier::Local
        && (age > config.residence_max_age || known.provider_revision != record.revision)
}

/// The record of one provider.
pub(crate) async fn record(
    ports: &Ports,
    provider: &ProviderId,
) -> Result<Arc<ProviderRecord>, CallError> {
    let all = ports.providers.list().await;
    let all = all.map_err(|e| CallError::new(e.code(), Phase::Resolve))?;
    all.into_iter()
        .find(|record| record.provider_id == *provider)
        .map(Arc::new)
        .ok_or_else(|| CallError::new(ErrorCode::Provider404, Phase::Resolve))
}
