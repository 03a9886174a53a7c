//! What is known about a model: from its listing, its profile, and what a person declared before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use handshake_core::{
    capability::{Capabilities, CapabilitySnapshot, Claims, Provenance},
    code::{ErrorCode, Phase},
    control::{ControlCall, ModelListing, ServerSeen},
    error::CallError,
    ids::{ModelId, ModelRef},
    policy::Governance,
    provider::ProviderRecord,
    tier::{ModelTier, Residence, is_forwarded_name},
};

use super::control;
use crate::ports::Ports;

/// The version of the family profiles, as it stands in snapshots.
const PROFILE_VERSION: u32 = 1;

pub(super) async fn detail(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    listing: &ModelListing,
    governance: Governance,
) -> ModelListing {
    // A forwarded model is not asked about: its server would ask elsewhere.
    if record.tier == ModelTier::Cloud
        || listing.residence == Residence::Forwarded
        || is_forwarded_name(listing.model_id.as_str())
    {
        return listing.clone();
    }
    let shown = control(
        ports,
        record,
        ControlCall::ShowModel(listing.model_id.clone()),
        governance,
    )
    .await;
    shown
        .ok()
        .and_then(|report| {
            report
                .models
                .into_iter()
                .find(|m| m.model_id == listing.model_id)
        })
        .unwrap_or_else(|| listing.clone())
}

pub(super) async fn known(
    ports: &Ports,
    record: &ProviderRecord,
) -> Result<BTreeMap<ModelId, CapabilitySnapshot>, CallError> {
    let known = ports.providers.snapshots(&record.provider_id).await;
    let known = known.map_err(|e| CallError::new(e.code(), Phase::Resolve))?;
    let view = ports.feed.current();
    let view = view.map_err(|e| CallError::new(e.code(), Phase::Resolve))?;
    // What was changed behind this program's back is not carried on into what it seals next.
    let forged = |snapshot: &CapabilitySnapshot| {
        let model = ModelRef {
            provider: snapshot.provider_id.clone(),
            model: snapshot.model_id.clone(),
        };
        let seen = view.snapshots.get(&model);
        seen.is_some_and(|seen| **seen == *snapshot && view.seals.snapshot(seen).is_err())
    };
    Ok(known
        .into_iter()
        .filter(|snapshot| !forged(snapshot))
        .map(|snapshot| (snapshot.model_id.clone(), snapshot))
        .collect())
}

/// What is known about the server itself.
#[derive(Clone, Default)]
pub(super) struct Server {
    pub(super) version: Option<String>,
    pub(super) seen: Option<ServerSeen>,
}

pub(super) async fn store(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    listing: &ModelListing,
    before: Option<&CapabilitySnapshot>,
    server: Server,
) -> Result<CapabilitySnapshot, CallError> {
    let snapshot = snapshot(ports, record, listing, before, server)?;
    put(ports, record, &snapshot).await?;
    Ok(snapshot)
}

pub(super) async fn put(
    ports: &Ports,
    record: &ProviderRecord,
    snapshot: &CapabilitySnapshot,
) -> Result<(), CallError> {
    let model = ModelRef {
        provider: record.provider_id.clone(),
        model: snapshot.model_id.clone(),
    };
    let stored = ports.providers.put_snapshot(&model, snapshot.clone()).await;
    stored.map_err(|e| CallError::new(e.code(), Phase::Storage))
}

pub(super) fn snapshot(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    listing: &ModelListing,
    before: Option<&CapabilitySnapshot>,
    server: Server,
) -> Result<CapabilitySnapshot, CallError> {
    let factory = ports.adapters.get(&record.provider_kind).ok_or_else(|| {
        CallError::new(ErrorCode::InvalidConfig, Phase::Resolve).about("provider_kind")
    })?;
    let (family, profile) = factory.profile(record, &listing.model_id);
    let same = before.filter(|before| before.provider_revision == record.revision);
    let mut sources = same
        .map(|before| claims_of(&before.capabilities, |from| from == Provenance::Operator))
        .unwrap_or_default();
    sources.push((Provenance::Server, listing.claims.clone()));
    sources.push((Provenance::Family, profile));
    Ok(CapabilitySnapshot {
        provider_id: record.provider_id.clone(),
        provider_revision: record.revision,
        model_id: listing.model_id.clone(),
        family: listing.family.clone().or(family),
        digest: listing.digest.clone(),
        server_version: server.version,
        server: server.seen,
        profile_version: PROFILE_VERSION,
        capabilities: Capabilities::merge(&sources),
        residence: match is_forwarded_name(listing.model_id.as_str()) {
            true => Residence::Forwarded,
            false => listing.residence,
        },
        // A newly found cloud model is disabled until a person enables it; a local one needs no enabling.
        enabled: same.map_or(record.tier == ModelTier::Local, |before| before.enabled),
        answers_as: same.map_or_else(BTreeSet::new, |before| before.answers_as.clone()),
        fetched_at: ports.clock.now(),
    })
}

pub(super) fn claims_of(
    capabilities: &Capabilities,
    wanted: impl Fn(Provenance) -> bool,
) -> Vec<(Provenance, Claims)> {
    let mut by_source: BTreeMap<Provenance, Claims> = BTreeMap::new();
    for (feature, known) in capabilities
        .features
        .iter()
        .filter(|(_, known)| wanted(known.from))
    {
        by_source
            .entry(known.from)
            .or_default()
            .features
            .insert(*feature, known.value);
    }
    for (limit, known) in capabilities
        .limits
        .iter()
        .filter(|(_, known)| wanted(known.from))
    {
        by_source
            .entry(known.from)
            .or_default()
            .limits
            .insert(*limit, known.value);
    }
    by_source.into_iter().collect()
}
