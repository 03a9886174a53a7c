//! Target to route: a look-up in the registry view, and reading a model again when what is known about it is old.

use std::sync::Arc;

use handshake_core::{
    admit::Route,
    capability::{CapabilitySnapshot, SharedSnapshot},
    chat::Target,
    code::{ErrorCode, Phase},
    error::CallError,
    event::EventScope,
    ids::ModelRef,
    policy::Governance,
    profile::{RegistryView, Resolution, resolve},
    provider::ProviderRecord,
    seal::SealKind,
    tier::{ModelTier, is_forwarded_name},
};

use crate::{
    config::Config,
    ports::Ports,
    registry::reading::{self, Wanted},
};

/// A route and the rules of the profile that led to it.
#[derive(Clone, Debug)]
pub(crate) struct Routed {
    pub(crate) route: Route,
    pub(crate) governance: Governance,
    /// The role's limit on the context, in tokens.
    pub(crate) context_limit: Option<u64>,
    /// What to use when its model fails.
    pub(crate) fallback: Option<ModelRef>,
}

/// The registry as it stands.
pub(crate) fn current(ports: &Ports) -> Result<Arc<RegistryView>, CallError> {
    let view = ports.feed.current();
    view.map_err(|error| CallError::new(error.code(), Phase::Resolve))
}

/// Resolves a target.
pub(crate) fn resolved(ports: &Ports, target: &Target) -> Result<Resolution, CallError> {
    resolve(target, &*current(ports)?).map_err(CallError::from)
}

/// Resolves a target and makes sure that what is known about its model may be relied on.
pub(crate) async fn route(
    ports: &Ports,
    config: &Config,
    target: &Target,
) -> Result<Routed, CallError> {
    let view = current(ports)?;
    let resolution = resolve(target, &view)?;
    let record = resolution.record;
    let governance = resolution.governance;
    let context_limit = resolution.context_limit;
    let fallback = resolution.fallback;
    if record.tier == ModelTier::Local && is_forwarded_name(resolution.model.model.as_str()) {
        // Its server would ask elsewhere, about the model too: it is not asked anything.
        return Err(CallError::new(ErrorCode::TierMismatch, Phase::Resolve).about("model"));
    }
    let known = match resolution.snapshot {
        Some(known) => believed(ports, &view, &record, known).await?,
        None => None,
    };
    let not_enabled = || CallError::new(ErrorCode::Model404, Phase::Resolve).about("model");
    let wanted = Wanted {
        record: &record,
        model: &resolution.model,
        governance,
    };
    let snapshot = match (known, record.tier) {
        // Reading a cloud provider's list is a contact of its own; a call never causes it.
        (None, ModelTier::Cloud) => return Err(not_enabled()),
        (Some(known), _) if !stale(&record, &known, ports, config) => known,
        (Some(known), _) if serves(&record, &known, ports) => {
            reading::beside(ports, config, &wanted);
            known
        }
        _ => reading::awaited(ports, config, &wanted).await?,
    };
    if snapshot.provider_revision != record.revision && record.tier == ModelTier::Cloud {
        // What a person enabled was another destination.
        return Err(not_enabled());
    }
    let route = Route {
        model: snapshot.model_id.clone(),
        record,
        snapshot,
    };
    Ok(Routed {
        route,
        governance,
        context_limit,
        fallback,
    })
}

/// What is known about a model, as far as it is as this program wrote it down: where the model runs is part of it.
/// Where it is not, a local server is asked again, and a cloud model is refused until a person enables it again.
async fn believed(
    ports: &Ports,
    view: &RegistryView,
    record: &ProviderRecord,
    known: SharedSnapshot,
) -> Result<Option<SharedSnapshot>, CallError> {
    if view.seals.snapshot(&known).is_ok() {
        return Ok(Some(known));
    }
    let scope = EventScope {
        provider_id: Some(record.provider_id.clone()),
        model_id: Some(known.model_id.clone()),
        ..EventScope::default()
    };
    ports
        .gate
        .report_broken_seal(SealKind::Snapshot, &scope)
        .await?;
    match record.tier {
        ModelTier::Local => Ok(None),
        ModelTier::Cloud => {
            Err(CallError::new(ErrorCode::HomeUntrusted, Phase::Resolve).about("model"))
        }
    }
}

/// Whether what is known about a local model is to be read again.
pub(crate) fn stale(
    record: &ProviderRecord,
    known: &CapabilitySnapshot,
    ports: &Ports,
    config: &Config,
) -> bool {
    let age = ports.clock.now().since(known.fetched_at);
    record.tier == ModelTier::Local
        && (age > config.residence_max_age || known.provider_revision != record.revision)
}

/// Whether what is known, though old, serves while it is read again: where the model runs follows from the record, so
/// that no answer of the server could move the call off the machine, and the record is the one it was read from.
fn serves(record: &ProviderRecord, known: &CapabilitySnapshot, ports: &Ports) -> bool {
    let factory = ports.adapters.get(&record.provider_kind);
    let by_record = factory.and_then(|factory| factory.residence(record));
    by_record == Some(known.residence) && known.provider_revision == record.revision
}
