//! Payload-free calls: the model listing. The API has no others.

mod listing;

use handshake_core::{
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport},
    envelope::Envelope,
    error::{CallError, PrepareError},
    provider::ProviderRecord,
    tier::{ModelTier, Reach, Residence},
};
use handshake_transport::adapter;

use crate::dialect::Dialect;

/// The path of the listing below the base URL.
const MODELS_PATH: &str = "/models";

/// Renders a call. One model is shown by the listing too: `/models/{id}` is rare, and ids hold slashes.
pub(crate) fn prepare(
    record: &ProviderRecord,
    dialect: &Dialect,
    call: &ControlCall,
) -> Result<Envelope, PrepareError> {
    let unsupported = |subject| Err(PrepareError::new(ErrorCode::ParameterUnsupported, subject));
    match call {
        ControlCall::ListModels | ControlCall::ShowModel(_) => {
            Ok(adapter::get(record, MODELS_PATH, dialect.auth))
        }
        ControlCall::Version => unsupported("version"),
        ControlCall::Running => unsupported("running"),
        ControlCall::Load(..) => unsupported("load"),
        ControlCall::Unload(_) => unsupported("unload"),
        ControlCall::Identify(_) => unsupported("identify"),
    }
}

/// A server on this machine that forwards nothing runs what it lists; of every other one it is not known, which
/// counts as forwarded.
pub(crate) fn residence(record: &ProviderRecord) -> Residence {
    match (record.tier, record.reach) {
        (ModelTier::Local, Reach::Direct) => Residence::Local,
        _ => Residence::Forwarded,
    }
}

/// Reads the answer to a call.
pub(crate) fn report(
    record: &ProviderRecord,
    call: &ControlCall,
    body: &[u8],
) -> Result<ControlReport, CallError> {
    let mut report = listing::read(body, residence(record))
        .ok_or_else(|| CallError::new(ErrorCode::Protocol, Phase::Decode).about("models"))?;
    if let ControlCall::ShowModel(wanted) = call {
        report.models.retain(|model| model.model_id == *wanted);
        if report.models.is_empty() && !report.partial {
            return Err(CallError::new(ErrorCode::Model404, Phase::Decode));
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
