//! Payload-free calls: version, listings, loading.

mod listing;

use handshake_core::{
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport},
    envelope::Envelope,
    error::{CallError, PrepareError},
    provider::ProviderRecord,
};
use handshake_transport::adapter::{self, BEARER};
use serde::Serialize;

use crate::{
    encode::{CHAT_PATH, stays_local},
    wire::{
        control::{Loaded, Version},
        request::{LoadBody, LoadOptions, ShowBody},
    },
};

/// The longest version that is kept.
const VERSION_CAP: usize = 64;

/// Renders a call.
pub(crate) fn prepare(
    record: &ProviderRecord,
    call: &ControlCall,
) -> Result<Envelope, PrepareError> {
    match call {
        ControlCall::Version => Ok(adapter::get(record, "/api/version", BEARER)),
        ControlCall::ListModels => Ok(adapter::get(record, "/api/tags", BEARER)),
        ControlCall::Running => Ok(adapter::get(record, "/api/ps", BEARER)),
        ControlCall::ShowModel(model) => {
            stays_local(record, model)?;
            post(
                record,
                "/api/show",
                &ShowBody {
                    model: model.as_str(),
                },
            )
        }
        ControlCall::Load(model, num_ctx) => {
            stays_local(record, model)?;
            post(
                record,
                CHAT_PATH,
                &LoadBody {
                    model: model.as_str(),
                    messages: [],
                    options: num_ctx.map(|num_ctx| LoadOptions { num_ctx }),
                    stream: false,
                    keep_alive: None,
                },
            )
        }
        ControlCall::Identify(_) => Err(PrepareError::new(
            ErrorCode::ParameterUnsupported,
            "identify",
        )),
        ControlCall::Unload(model) => {
            stays_local(record, model)?;
            let body = LoadBody {
                model: model.as_str(),
                messages: [],
                options: None,
                stream: false,
                keep_alive: Some(0),
            };
            post(record, CHAT_PATH, &body)
        }
    }
}

fn post(
    record: &ProviderRecord,
    path: &str,
    body: &impl Serialize,
) -> Result<Envelope, PrepareError> {
    let bytes = serde_json::to_vec(body)
        .map_err(|_| PrepareError::new(ErrorCode::InvalidRequest, "body"))?;
    Ok(adapter::post(
        record,
        path,
        BEARER,
        "application/json",
        bytes,
    ))
}

/// Reads the answer to a call.
pub(crate) fn report(call: &ControlCall, body: &[u8]) -> Result<ControlReport, CallError> {
    let odd = |subject| CallError::new(ErrorCode::Protocol, Phase::Decode).about(subject);
    match call {
        ControlCall::Version => {
            let read: Version = serde_json::from_slice(body).map_err(|_| odd("version"))?;
            let plain = !read.version.is_empty()
                && read.version.len() <= VERSION_CAP
                && read.version.bytes().all(|b| (0x21..=0x7e).contains(&b));
            if !plain {
                return Err(odd("version"));
            }
            Ok(ControlReport {
                version: Some(read.version),
                ..ControlReport::default()
            })
        }
        ControlCall::ListModels | ControlCall::Running => {
            listing::models(body).ok_or_else(|| odd("models"))
        }
        ControlCall::ShowModel(model) => listing::show(model, body).ok_or_else(|| odd("model")),
        ControlCall::Identify(_) => Err(odd("identify")),
        ControlCall::Load(..) | ControlCall::Unload(_) => {
            let wanted = if matches!(call, ControlCall::Load(..)) {
                "load"
            } else {
                "unload"
            };
            let read: Loaded = serde_json::from_slice(body).map_err(|_| odd("done_reason"))?;
            if read.done && read.done_reason.as_deref() == Some(wanted) {
                Ok(ControlReport::default())
            } else {
                Err(odd("done_reason"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
