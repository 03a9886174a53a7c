//! Payload-free calls: the model listing. The API has no others.

mod listing;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use handshake_core::{
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport},
    envelope::{Envelope, Method},
    error::{CallError, PrepareError, SendError},
    gate::ClearedControl,
    ports::ProviderControl,
    provider::ProviderRecord,
    reply::ReplySpec,
    tier::{ModelTier, Reach, Residence},
};
use handshake_transport::Transport;

use crate::{
    client::{ours, refused, unexpected},
    decode::BodyKind,
    dialect::Dialect,
    encode::control_headers,
};

/// The path of the listing below the base URL.
const MODELS_PATH: &str = "/models";
/// The largest listing that is read.
const LISTING_CAP: usize = 8 << 20;

pub(crate) struct Control {
    record: Arc<ProviderRecord>,
    dialect: &'static Dialect,
    transport: Transport,
}

impl Control {
    pub(crate) fn new(
        record: Arc<ProviderRecord>,
        dialect: &'static Dialect,
        transport: Transport,
    ) -> Self {
        Self {
            record,
            dialect,
            transport,
        }
    }
}

/// Renders a call. One model is shown by the listing too: `/models/{id}` is rare, and ids hold slashes.
pub(crate) fn prepare(
    record: &ProviderRecord,
    dialect: &Dialect,
    call: &ControlCall,
) -> Result<Envelope, PrepareError> {
    let unsupported = |subject| Err(PrepareError::new(ErrorCode::ParameterUnsupported, subject));
    match call {
        ControlCall::ListModels | ControlCall::ShowModel(_) => Ok(Envelope {
            method: Method::Get,
            base_url: record.base_url.clone(),
            path: format!("{}{MODELS_PATH}", record.base_url.path()),
            headers: control_headers(record, dialect),
            provider_id: record.provider_id.clone(),
            revision: record.revision,
            model_id: None,
            body: Bytes::new(),
        }),
        ControlCall::Version => unsupported("version"),
        ControlCall::Running => unsupported("running"),
        ControlCall::Load(..) => unsupported("load"),
        ControlCall::Unload(_) => unsupported("unload"),
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

#[async_trait]
impl ProviderControl for Control {
    fn prepare(&self, call: &ControlCall) -> Result<Envelope, PrepareError> {
        prepare(&self.record, self.dialect, call)
    }

    async fn send(&self, cleared: ClearedControl) -> Result<ControlReport, SendError> {
        ours(&self.record, cleared.record())?;
        let response = self.transport.send_control(&cleared).await?;
        match BodyKind::of(&response.head) {
            BodyKind::Failure => {
                return Err(
                    refused(response, &ReplySpec::offline(self.dialect.token(), false)).await,
                );
            }
            BodyKind::Json => {}
            BodyKind::Stream | BodyKind::Unexpected => {
                return Err(SendError {
                    error: unexpected(&response.head),
                    in_doubt: false,
                });
            }
        }
        // Asking again does no harm, so nothing is in doubt.
        let failed = |error| SendError {
            error,
            in_doubt: false,
        };
        let body = response.whole(LISTING_CAP).await.map_err(failed)?;
        report(&self.record, cleared.call(), &body).map_err(failed)
    }
}

#[cfg(test)]
mod tests;
