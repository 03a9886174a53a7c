//! One factory for every kind of provider.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use handshake_core::{
    admit::Admitted,
    capability::Claims,
    code::ErrorCode,
    control::{ControlCall, ControlReport},
    envelope::{Envelope, Prepared},
    error::{CallError, PrepareError, SendError},
    gate::{Cleared, ClearedControl},
    ids::{ModelId, ProviderId, Token},
    ports::{Adapter, AdapterError, AdapterFactory, Answer, LlmClient, ProviderControl},
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
};

use super::{emulated, identity, send};
use crate::http::Transport;

/// What one kind of provider is, apart from what all of them share.
///
/// # Contract
/// Everything here is pure: no clock, no randomness, no connection. What cannot be carried is refused by name and never left
/// out; no text of a provider is kept in an error.
pub trait Protocol: Send + Sync + 'static {
    /// The kind, as a provider's record names it.
    const KIND: &'static str;
    /// The media types of its streams, in lower case and without parameters.
    const STREAMS: &'static [&'static str];
    /// The most bytes of the answer to a payload-free call.
    const MAX_REPORT: usize = 8 << 20;

    /// Checks what only this kind knows of a record. The kind itself was checked.
    ///
    /// # Errors
    /// [`InvalidProvider`], naming the field.
    fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider>;

    /// The model's family and what is known of the model before its server is asked.
    fn profile(&self, record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims);

    /// Renders an admitted request.
    ///
    /// # Errors
    /// As [`LlmClient::prepare`].
    fn prepare(
        &self,
        record: &ProviderRecord,
        admitted: &Admitted,
    ) -> Result<Prepared, PrepareError>;

    /// A decoder for one answer; [`Decoder`](super::Decoder) around a [`Turn`](super::Turn) as a rule.
    fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder>;

    /// The failure that an answer with an error status is. `body` is its beginning.
    fn failure(&self, head: &ResponseHead, body: &[u8], reply: &ReplySpec) -> CallError;

    /// Renders a payload-free call. [`ControlCall::Identify`] is the kit's and never asked for here.
    ///
    /// # Errors
    /// As [`ProviderControl::prepare`].
    fn prepare_control(
        &self,
        record: &ProviderRecord,
        call: &ControlCall,
    ) -> Result<Envelope, PrepareError>;

    /// Reads the answer to a payload-free call.
    ///
    /// # Errors
    /// As [`ProviderControl::send`].
    fn report(
        &self,
        record: &ProviderRecord,
        call: &ControlCall,
        body: &[u8],
    ) -> Result<ControlReport, CallError>;
}

/// Makes adapters of the kind that `P` is.
pub struct Factory<P> {
    kind: Token,
    protocol: Arc<P>,
    transport: Transport,
}

impl<P: Protocol + Default> Factory<P> {
    /// A factory whose adapters send through `transport`.
    ///
    /// # Panics
    /// When [`Protocol::KIND`] is no token.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self::of(P::default(), transport)
    }
}

impl<P: Protocol> Factory<P> {
    /// A factory for a protocol that has a state of its own.
    ///
    /// # Panics
    /// When [`Protocol::KIND`] is no token.
    #[must_use]
    pub fn of(protocol: P, transport: Transport) -> Self {
        Self {
            kind: Token::new(P::KIND).expect("the kind is a token"),
            protocol: Arc::new(protocol),
            transport,
        }
    }
}

impl<P: Protocol> AdapterFactory for Factory<P> {
    fn kind(&self) -> &Token {
        &self.kind
    }

    fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider> {
        if record.provider_kind != self.kind {
            return Err(InvalidProvider {
                code: ErrorCode::InvalidConfig,
                field: "provider_kind",
                reason: "this adapter supports another kind of provider",
            });
        }
        self.protocol.validate(record)
    }

    fn build(&self, record: Arc<ProviderRecord>) -> Result<Adapter, AdapterError> {
        self.validate(&record)?;
        let bound = Arc::new(Bound {
            record,
            protocol: Arc::clone(&self.protocol),
            transport: self.transport.clone(),
        });
        Ok(Adapter {
            client: bound.clone(),
            control: bound,
        })
    }

    fn profile(&self, record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims) {
        self.protocol.profile(record, model)
    }

    fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
        emulated::decoder(&*self.protocol, reply, head)
    }
}

impl<P> fmt::Debug for Factory<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A protocol at one revision of one provider.
struct Bound<P> {
    record: Arc<ProviderRecord>,
    protocol: Arc<P>,
    transport: Transport,
}

#[async_trait]
impl<P: Protocol> LlmClient for Bound<P> {
    fn provider(&self) -> &ProviderId {
        &self.record.provider_id
    }

    fn prepare(&self, admitted: &Admitted) -> Result<Prepared, PrepareError> {
        self.protocol.prepare(&self.record, admitted)
    }

    async fn send(&self, cleared: Cleared) -> Result<Answer, SendError> {
        send::chat(&*self.protocol, &self.transport, &self.record, cleared).await
    }
}

#[async_trait]
impl<P: Protocol> ProviderControl for Bound<P> {
    fn prepare(&self, call: &ControlCall) -> Result<Envelope, PrepareError> {
        match call {
            // What listens at an address is the same question for every kind.
            ControlCall::Identify(number) => identity::question(&self.record, *number),
            call => self.protocol.prepare_control(&self.record, call),
        }
    }

    async fn send(&self, cleared: ClearedControl) -> Result<ControlReport, SendError> {
        send::control(&*self.protocol, &self.transport, &self.record, cleared).await
    }
}
