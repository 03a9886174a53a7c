//! The registry service: what models there are, whether they are there, what they can do.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use handshake_core::{
    capability::{Capabilities, CapabilitySnapshot, Claims, Provenance},
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport, ModelListing, ServerSeen},
    error::{CallError, SendError},
    event::{Body, CallOutcome, EventScope, HealthState},
    gate::ControlRequest,
    ids::{ModelId, UseId},
    policy::Governance,
    ports::EntropyExt,
    provider::ProviderRecord,
    tier::{ModelTier, Residence},
};
use serde::Serialize;

use crate::{emit::Log, ports::Ports};

pub(crate) mod identity;
pub(crate) mod reading;
mod snapshots;

pub use self::identity::identify;
use self::{
    identity::recognised,
    snapshots::{Server, claims_of, detail, known, put, snapshot, store},
};

/// One payload-free call, through the gate.
pub(crate) async fn control(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    call: ControlCall,
    governance: Governance,
) -> Result<ControlReport, CallError> {
    let adapter = ports.adapters.of(record)?;
    let envelope = adapter.control.prepare(&call).map_err(|error| error.0)?;
    let mut log = log_of(ports, record);
    log.scope.model_id = envelope.model_id.clone();
    let use_id = UseId::from_entropy(ports.entropy.bytes());
    let began = ports.clock.monotonic();
    let secret = envelope.secret_ref().is_some();
    let record = Arc::clone(record);
    let identifies = matches!(call, ControlCall::Identify(_));
    let request = ControlRequest::new(envelope, call, Arc::clone(&record), governance, use_id);
    let cleared = ports.gate.clear_control(request).await.map_err(|denied| {
        if denied.counted {
            ports.counted();
        }
        denied.error
    })?;
    let sent = adapter.control.send(cleared).await;
    if secret && sent.as_ref().err().is_none_or(|error| error.in_doubt) {
        log.submit(Body::SecretUsed { use_id });
    }
    if let Ok(report) = &sent
        && !identifies
        && report.identity.admits(&record).is_err()
    {
        let seen = ServerSeen::first(report.identity.clone());
        identity::distrust(ports, &record, seen).await?;
        return Err(CallError::new(ErrorCode::TierMismatch, Phase::Decode).about("server"));
    }
    sent.map_err(|SendError { error, in_doubt }| {
        let took = ports.clock.monotonic().saturating_sub(began);
        log.submit(Body::CallFailed {
            use_id,
            outcome: if in_doubt {
                CallOutcome::InDoubt
            } else {
                CallOutcome::Failed
            },
            code: error.code,
            class: error.class,
            phase: error.phase,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
        error
    })
}

/// Events about a provider.
fn log_of(ports: &Ports, record: &ProviderRecord) -> Log {
    Log {
        recorder: Arc::clone(&ports.recorder),
        clock: Arc::clone(&ports.clock),
        entropy: Arc::clone(&ports.entropy),
        scope: EventScope {
            provider_id: Some(record.provider_id.clone()),
            ..EventScope::default()
        },
    }
}

/// The listing of a provider and how old it is.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// What is known, by model.
    pub models: Vec<CapabilitySnapshot>,
    /// How old the oldest entry is, in milliseconds.
    pub age_ms: u64,
    /// Whether the server had more to say than was read.
    pub partial: bool,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `configured`, `reachable`, `ready` or `unreachable`.
    pub state: HealthState,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
    /// The server's version.
    pub version: Option<String>,
    /// Models found.
    pub models: usize,
    /// Why it is no better.
    pub code: Option<ErrorCode>,
}

/// Checks a provider with payload-free calls: configured, reachable, ready. Never a completion.
pub async fn check(ports: &Ports, record: &Arc<ProviderRecord>, governance: Governance) -> Health {
    let began = ports.clock.monotonic();
    let elapsed = || {
        let took: Duration = ports.clock.monotonic().saturating_sub(began);
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
    };
    let mut health = Health {
        state: HealthState::Configured,
        latency_ms: 0,
        version: None,
        models: 0,
        code: None,
    };
    let listed = match recognised(ports, record, governance).await {
        Ok(_) => control(ports, record, ControlCall::ListModels, governance).await,
        Err(error) => Err(error),
    };
    match listed {
        Err(error) => {
            health.code = Some(error.code);
            if error.subject == Some("server") {
                health.state = HealthState::Reachable;
            } else if !error.code.is_denial() {
                health.state = HealthState::Unreachable;
            }
        }
        Ok(report) => {
            health.state = HealthState::Reachable;
            health.models = report.models.len();
            let version = control(ports, record, ControlCall::Version, governance).await;
            health.version = version
                .ok()
                .and_then(|report| report.version)
                .or(report.version.clone());
            if ready(ports, record, governance, &report).await {
                health.state = HealthState::Ready;
            }
        }
    }
    health.latency_ms = elapsed();
    log_of(ports, record).submit(Body::ProviderHealth {
        state: health.state,
        latency_ms: health.latency_ms,
    });
    health
}

/// Ready: a model is loaded. Servers that cannot say load on demand; theirs is ready when it lists one.
async fn ready(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    governance: Governance,
    listed: &ControlReport,
) -> bool {
    let wanted = |models: &[ModelListing]| match &record.default_model {
        Some(model) => models.iter().any(|listing| listing.model_id == *model),
        None => !models.is_empty(),
    };
    match control(ports, record, ControlCall::Running, governance).await {
        Ok(running) => wanted(&running.models),
        Err(_) => wanted(&listed.models),
    }
}

/// Reads a provider's models and stores what they can do. A failure leaves what is stored as it is.
///
/// # Errors
/// The failure of the listing; `HSK-403-TIER-MISMATCH` about `server` for a server that may not stand behind the
/// provider, or is another one than at first.
pub async fn refresh(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    governance: Governance,
) -> Result<Listing, CallError> {
    let server = recognised(ports, record, governance).await?;
    let report = control(ports, record, ControlCall::ListModels, governance).await?;
    let version = control(ports, record, ControlCall::Version, governance).await;
    let version = version.ok().and_then(|report| report.version);
    let known = known(ports, record).await?;
    let mut models = Vec::new();
    for listing in &report.models {
        let detailed = detail(ports, record, listing, governance).await;
        let of_server = Server {
            version: version.clone(),
            seen: server.clone(),
        };
        let before = known.get(&listing.model_id);
        models.push(store(ports, record, &detailed, before, of_server).await?);
    }
    Ok(Listing {
        models,
        age_ms: 0,
        partial: report.partial,
    })
}

/// Reads one model of a local provider again.
///
/// # Errors
/// `HSK-404-MODEL` when the server does not list it; as [`refresh`] otherwise.
pub(crate) async fn refresh_model(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    model: &ModelId,
    governance: Governance,
) -> Result<CapabilitySnapshot, CallError> {
    let seen = recognised(ports, record, governance).await?;
    let report = match control(
        ports,
        record,
        ControlCall::ShowModel(model.clone()),
        governance,
    )
    .await
    {
        Err(error) if error.code == ErrorCode::ParameterUnsupported => {
            control(ports, record, ControlCall::ListModels, governance).await?
        }
        other => other?,
    };
    let listing = report
        .models
        .iter()
        .find(|listing| listing.model_id == *model)
        .ok_or_else(|| CallError::new(ErrorCode::Model404, Phase::Resolve))?;
    let known = known(ports, record).await?;
    let version = match known
        .get(model)
        .and_then(|before| before.server_version.clone())
    {
        Some(version) => Some(version),
        None => control(ports, record, ControlCall::Version, governance)
            .await
            .ok()
            .and_then(|report| report.version),
    };
    let server = Server { version, seen };
    store(ports, record, listing, known.get(model), server).await
}

/// What a person says about a model.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// What it can do.
    pub claims: Claims,
    /// Names under which the provider may answer for it.
    pub answers_as: BTreeSet<ModelId>,
}

impl From<Claims> for Declared {
    fn from(claims: Claims) -> Self {
        Self {
            claims,
            ..Self::default()
        }
    }
}

/// Enables a model and stores what is known about it then. That a person enables a cloud model is sealed beside it:
/// whoever seals it stores it, and takes it from [`enabled`].
///
/// # Errors
/// [`CallError`] when the store fails.
pub async fn enable(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    model: &ModelId,
    declared: impl Into<Declared>,
) -> Result<CapabilitySnapshot, CallError> {
    let snapshot = enabled(ports, record, model, declared).await?;
    put(ports, record, &snapshot).await?;
    Ok(snapshot)
}

/// Makes a snapshot from profiles and declarations alone, for a model that a person enables by name. Nothing is
/// stored.
///
/// # Errors
/// [`CallError`] when the store fails.
pub async fn enabled(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    model: &ModelId,
    declared: impl Into<Declared>,
) -> Result<CapabilitySnapshot, CallError> {
    let declared = declared.into();
    let known = known(ports, record).await?;
    let mut snapshot = match known.get(model) {
        Some(before) if before.provider_revision == record.revision => before.clone(),
        _ => {
            let listing = ModelListing {
                model_id: model.clone(),
                digest: None,
                size_bytes: None,
                residence: match record.tier {
                    ModelTier::Local => Residence::Unknown,
                    ModelTier::Cloud => Residence::Forwarded,
                },
                claims: Claims::default(),
                family: None,
            };
            snapshot(ports, record, &listing, None, Server::default())?
        }
    };
    snapshot.enabled = true;
    snapshot.answers_as.extend(declared.answers_as);
    if declared.claims != Claims::default() {
        let others = claims_of(&snapshot.capabilities, |from| from != Provenance::Operator);
        let mut sources = others;
        sources.push((Provenance::Operator, declared.claims));
        snapshot.capabilities = Capabilities::merge(&sources);
    }
    Ok(snapshot)
}
