//! What software answers at a provider's address on this machine, and whether it is still the one that was seen first.

use std::{collections::BTreeMap, sync::Arc};

use handshake_core::{
    capability::CapabilitySnapshot,
    code::{ErrorCode, Phase},
    control::{ControlCall, ServerIdentity, ServerSeen},
    error::CallError,
    event::Body,
    ids::ModelId,
    policy::Governance,
    provider::ProviderRecord,
    tier::{ModelTier, Residence},
};

use super::{
    control, log_of,
    snapshots::{known, put},
};
use crate::ports::Ports;

/// More questions than any kind has.
const QUESTIONS: u8 = 32;

/// Asks a server on this machine what it is, with payload-free calls. `None` for one elsewhere, and for a kind that
/// cannot tell.
///
/// # Errors
/// The failure of a call; a server that does not answer says nothing.
pub async fn identify(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    governance: Governance,
) -> Result<Option<ServerIdentity>, CallError> {
    if record.base_url.lexical_tier() != ModelTier::Local {
        return Ok(None);
    }
    // Whoever registers many at once goes no faster than the log.
    ports.recorder.ready().await;
    let mut told: Option<ServerIdentity> = None;
    for number in 0..QUESTIONS {
        let answer = control(ports, record, ControlCall::Identify(number), governance).await;
        match answer {
            Ok(report) => told = Some(told.unwrap_or_default().join(report.identity)),
            Err(error) if error.code == ErrorCode::ParameterUnsupported => break,
            Err(error) => return Err(error),
        }
    }
    Ok(told)
}

/// Makes sure that the server of a local provider is one that may stand behind it, and the one that was seen first. Where
/// it is not, that is recorded once, every model of the provider counts as forwarded, and so it stays for this revision
/// of the provider. Of a relay nothing is asked: whatever it is, what it is sent counts as leaving this machine.
///
/// # Errors
/// `HSK-403-TIER-MISMATCH` about `server`; the failure of a call.
pub(super) async fn recognised(
    ports: &Ports,
    record: &Arc<ProviderRecord>,
    governance: Governance,
) -> Result<Option<ServerSeen>, CallError> {
    let mismatch = || CallError::new(ErrorCode::TierMismatch, Phase::Resolve).about("server");
    if record.tier == ModelTier::Cloud {
        return Ok(None);
    }
    let snapshots = known(ports, record).await?;
    let earlier = seen(record, &snapshots);
    if earlier.is_some_and(|earlier| earlier.refused) {
        return Err(mismatch());
    }
    let Some(identity) = identify(ports, record, governance).await? else {
        return Ok(None);
    };
    let first = earlier.cloned();
    let same = first.as_ref().is_none_or(|first| first.is(&identity));
    let seen = first.unwrap_or_else(|| ServerSeen::first(identity.clone()));
    if same && identity.admits(record).is_ok() {
        return Ok(Some(seen));
    }
    distrust(ports, record, seen).await?;
    Err(mismatch())
}

/// What a server that may not stand behind its provider comes to: every model that is known of it counts as forwarded,
/// and that stays for this revision of the provider. An alarm, the first time.
///
/// # Errors
/// The store's.
pub(crate) async fn distrust(
    ports: &Ports,
    record: &ProviderRecord,
    seen: ServerSeen,
) -> Result<(), CallError> {
    let refused = ServerSeen {
        refused: true,
        ..seen
    };
    let mut news = false;
    for snapshot in known(ports, record).await?.into_values() {
        let is_known = snapshot.server.as_ref().is_some_and(|seen| seen.refused);
        if snapshot.provider_revision != record.revision || is_known {
            continue;
        }
        news = true;
        let snapshot = CapabilitySnapshot {
            residence: Residence::Forwarded,
            server: Some(refused.clone()),
            ..snapshot
        };
        put(ports, record, &snapshot).await?;
    }
    if news {
        log_of(ports, record).submit(Body::IntegrityAlarm {
            code: ErrorCode::TierMismatch,
        });
    }
    Ok(())
}

/// What an answer comes to that says that it was made elsewhere: an alarm, and what is known of where the model runs is
/// worth nothing. Where the server itself is another one, that is so for all its models.
///
/// # Errors
/// The store's.
pub(crate) async fn answered_elsewhere(
    ports: &Ports,
    record: &ProviderRecord,
    model: Option<&ModelId>,
    error: &CallError,
) -> Result<(), CallError> {
    if error.subject == Some("server") {
        return distrust(ports, record, ServerSeen::default()).await;
    }
    log_of(ports, record).submit(Body::IntegrityAlarm { code: error.code });
    let snapshots = known(ports, record).await?;
    let Some(snapshot) = model.and_then(|model| snapshots.get(model)) else {
        return Ok(());
    };
    let snapshot = CapabilitySnapshot {
        residence: Residence::Forwarded,
        ..snapshot.clone()
    };
    put(ports, record, &snapshot).await
}

/// What is stored about the server, at this revision of the provider.
fn seen<'a>(
    record: &ProviderRecord,
    snapshots: &'a BTreeMap<ModelId, CapabilitySnapshot>,
) -> Option<&'a ServerSeen> {
    let of_now = snapshots
        .values()
        .filter(|snapshot| snapshot.provider_revision == record.revision);
    of_now
        .filter_map(|snapshot| snapshot.server.as_ref())
        .max_by_key(|seen| seen.refused)
}
