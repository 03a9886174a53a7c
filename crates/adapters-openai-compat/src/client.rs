//! The protocol: what is this adapter's own. Sending is the kit's.

use handshake_core::{
    admit::Admitted,
    capability::Claims,
    code::ErrorCode,
    control::{ControlCall, ControlReport},
    envelope::{Envelope, Prepared},
    error::{CallError, PrepareError},
    ids::{ModelId, Token},
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};
use handshake_transport::adapter::{Factory, Protocol};

use crate::{control, decode, dialect::Dialect, encode, failure, profile};

/// The chat completions API, in all its dialects.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAiCompat;

/// Makes adapters of the kind `openai_compat`.
pub type OpenAiCompatFactory = Factory<OpenAiCompat>;

/// The dialect that a record declares.
fn dialect(record: &ProviderRecord) -> Result<&'static Dialect, InvalidProvider> {
    match &record.dialect {
        None => Ok(Dialect::generic()),
        Some(name) => Dialect::find(name.as_str()).ok_or(InvalidProvider {
            code: ErrorCode::InvalidConfig,
            field: "dialect",
            reason: "unknown dialect of openai_compat",
        }),
    }
}

/// The same, where it is needed to render something.
fn rendered_in(record: &ProviderRecord) -> Result<&'static Dialect, PrepareError> {
    dialect(record).map_err(|error| PrepareError::new(error.code, error.field))
}

/// Renders an admitted request for a provider, as the provider's client does. Pure.
///
/// # Errors
/// [`PrepareError`]: `HSK-400-INVALID-CONFIG` for a dialect that does not exist, otherwise as
/// [`LlmClient::prepare`](handshake_core::ports::LlmClient::prepare).
pub fn prepare(record: &ProviderRecord, admitted: &Admitted) -> Result<Prepared, PrepareError> {
    encode::prepare(record, rendered_in(record)?, admitted)
}

/// A decoder for one answer, as the adapter itself uses it. A dialect that does not exist is read as
/// `generic`.
#[must_use]
pub fn decoder(reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
    decode::decoder(reply, head)
}

impl Protocol for OpenAiCompat {
    const KIND: &'static str = "openai_compat";
    const STREAMS: &'static [&'static str] = decode::STREAMS;

    fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider> {
        dialect(record)?;
        let path = record.base_url.path();
        if ["/completions", "/models", "/embeddings"]
            .iter()
            .any(|end| path.ends_with(end))
        {
            return Err(InvalidProvider {
                code: ErrorCode::InvalidConfig,
                field: "base_url",
                reason: "must end before the route, usually with /v1",
            });
        }
        Ok(())
    }

    fn profile(&self, record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims) {
        let dialect = dialect(record).unwrap_or_else(|_| Dialect::generic());
        profile::profile(record, dialect, model)
    }

    fn prepare(
        &self,
        record: &ProviderRecord,
        admitted: &Admitted,
    ) -> Result<Prepared, PrepareError> {
        prepare(record, admitted)
    }

    fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
        decode::decoder(reply, head)
    }

    fn failure(&self, head: &ResponseHead, body: &[u8], reply: &ReplySpec) -> CallError {
        failure::answered(head, body, reply)
    }

    fn prepare_control(
        &self,
        record: &ProviderRecord,
        call: &ControlCall,
    ) -> Result<Envelope, PrepareError> {
        control::prepare(record, rendered_in(record)?, call)
    }

    fn report(
        &self,
        record: &ProviderRecord,
        call: &ControlCall,
        body: &[u8],
    ) -> Result<ControlReport, CallError> {
        control::report(record, call, body)
    }
}
