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
    tier::{ModelTier, is_forwarded_name},
};
use handshake_transport::adapter::{Factory, Protocol};

use crate::{control, decode, encode, failure, profile};

/// The native API of Ollama.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ollama;

/// Makes adapters of the kind `ollama`.
pub type OllamaFactory = Factory<Ollama>;

/// Renders an admitted request for a provider, as the provider's client does. Pure.
///
/// # Errors
/// [`PrepareError`], as [`LlmClient::prepare`](handshake_core::ports::LlmClient::prepare);
/// `HSK-403-TIER-MISMATCH` for a name that the daemon forwards towards a Local provider.
pub fn prepare(record: &ProviderRecord, admitted: &Admitted) -> Result<Prepared, PrepareError> {
    encode::prepare(record, admitted)
}

/// A decoder for one answer, as the adapter itself uses it.
#[must_use]
pub fn decoder(reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
    decode::decoder(reply, head)
}

impl Protocol for Ollama {
    const KIND: &'static str = "ollama";
    const STREAMS: &'static [&'static str] = decode::STREAMS;
    /// `/api/show` repeats whole licences and templates.
    const MAX_REPORT: usize = 8 << 20;

    fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider> {
        let invalid = |field, reason| InvalidProvider {
            code: ErrorCode::InvalidConfig,
            field,
            reason,
        };
        if record.dialect.is_some() {
            return Err(invalid("dialect", "the kind ollama has no dialects"));
        }
        let path = record.base_url.path();
        if ["/api", "/v1", "/api/chat", "/v1/chat/completions"]
            .iter()
            .any(|end| path.ends_with(end))
        {
            return Err(invalid("base_url", "must end before /api"));
        }
        let forwarded = record
            .default_model
            .as_ref()
            .is_some_and(|model| is_forwarded_name(model.as_str()));
        if forwarded && record.tier == ModelTier::Local {
            return Err(InvalidProvider {
                code: ErrorCode::TierMismatch,
                field: "default_model",
                reason: "the daemon forwards a model of this name; declare `reach: relay`",
            });
        }
        Ok(())
    }

    fn profile(&self, record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims) {
        profile::profile(record, model)
    }

    fn prepare(
        &self,
        record: &ProviderRecord,
        admitted: &Admitted,
    ) -> Result<Prepared, PrepareError> {
        encode::prepare(record, admitted)
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
        control::prepare(record, call)
    }

    fn report(
        &self,
        _: &ProviderRecord,
        call: &ControlCall,
        body: &[u8],
    ) -> Result<ControlReport, CallError> {
        control::report(call, body)
    }
}
