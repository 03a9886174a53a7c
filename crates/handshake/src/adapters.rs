//! The adapters that are built in.

use std::{collections::BTreeMap, sync::Arc};

use handshake_adapters_ollama::OllamaFactory;
use handshake_adapters_openai_compat::OpenAiCompatFactory;
use handshake_core::{
    code::{ErrorCode, Phase},
    ids::Token,
    ports::{AdapterFactory, Clock, SecretStore},
};
use handshake_transport::{Limits, Transport};

use crate::error::{Error, Result};

/// The adapters that are built in, by kind.
///
/// # Errors
/// Where the platform's root certificates cannot be set up.
pub fn adapters(
    secrets: Arc<dyn SecretStore>,
    clock: Arc<dyn Clock>,
) -> Result<BTreeMap<Token, Arc<dyn AdapterFactory>>> {
    Ok(factories(transport(secrets, clock)?))
}

pub(crate) fn transport(secrets: Arc<dyn SecretStore>, clock: Arc<dyn Clock>) -> Result<Transport> {
    Transport::new(secrets, clock, Limits::default()).map_err(|_| {
        Error::new(
            ErrorCode::Storage,
            Phase::Connect,
            "cannot set up the transport",
        )
    })
}

pub(crate) fn factories(transport: Transport) -> BTreeMap<Token, Arc<dyn AdapterFactory>> {
    let all: [Arc<dyn AdapterFactory>; 2] = [
        Arc::new(OllamaFactory::new(transport.clone())),
        Arc::new(OpenAiCompatFactory::new(transport)),
    ];
    all.into_iter()
        .map(|factory| (factory.kind().clone(), factory))
        .collect()
}
