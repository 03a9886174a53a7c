//! Adapters: one factory per kind of provider.

use std::{collections::BTreeMap, fmt, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::{
    admit::Admitted,
    capability::Claims,
    chat::ChatEvent,
    control::{ControlCall, ControlReport},
    envelope::{Envelope, Prepared},
    error::{CallError, PrepareError, SendError},
    gate::{Cleared, ClearedControl},
    ids::{ModelId, ProviderId, Token},
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
    tier::Residence,
};

/// What one read of the connection decoded to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The events, in order. May be empty where `raw` is not: comments and pings keep a client alive.
    pub events: Vec<ChatEvent>,
    /// The very bytes of the frames that the events came from, where the call asked for them
    /// ([`ReplySpec::raw`]).
    pub raw: Option<Bytes>,
}

impl From<ChatEvent> for Batch {
    fn from(event: ChatEvent) -> Self {
        Self {
            events: vec![event],
            raw: None,
        }
    }
}

/// The batches of one call. Fused after the batch that holds [`ChatEvent::Finished`], or after the first
/// `Err`. Dropping it before its end closes the connection.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<Batch, CallError>> + Send>>;

/// The head of an answer, as far as a client of the same shape may see it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AnswerHead {
    /// The status.
    pub status: u16,
    /// Headers from the transport's allow-list, names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// A provider's answer, from its head on.
#[must_use]
pub struct Answer {
    /// The head.
    pub head: AnswerHead,
    /// What follows it.
    pub stream: ChatStream,
}

impl Answer {
    /// An answer with status 200 and no headers to pass on.
    pub fn ok(stream: ChatStream) -> Self {
        Self {
            head: AnswerHead {
                status: 200,
                headers: BTreeMap::new(),
            },
            stream,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.head.status)
            .finish_non_exhaustive()
    }
}

/// One provider's chat.
///
/// # Contract
/// `prepare` is pure: no IO, no clock, no randomness; the same `Admitted` gives the same bytes. `send`
/// sends exactly the envelope of its clearance, to the addresses of its clearance, and nothing else; it
/// opens no connection otherwise, never retries and never follows a redirect. It refuses a clearance of
/// another provider or revision.
///
/// # Cancellation
/// Dropping the future or the stream closes the connection; no byte is sent afterwards.
#[async_trait]
pub trait LlmClient: Send + Sync {
    /// Which provider this is.
    fn provider(&self) -> &ProviderId;

    /// Renders a request.
    ///
    /// # Errors
    /// A parameter, schema keyword or content that the provider's dialect cannot carry: by name, never
    /// dropped.
    fn prepare(&self, admitted: &Admitted) -> Result<Prepared, PrepareError>;

    /// Sends a cleared envelope. Resolves at the response head.
    ///
    /// # Errors
    /// [`SendError`], saying whether bytes of the request may have left, with the provider's own error
    /// answer sealed in it where the call asked for raw bytes.
    async fn send(&self, cleared: Cleared) -> Result<Answer, SendError>;
}

/// One provider's payload-free calls. Same contract as [`LlmClient`].
#[async_trait]
pub trait ProviderControl: Send + Sync {
    /// Renders a call. No caller's text is in it.
    ///
    /// # Errors
    /// [`PrepareError`] with `HSK-501-PARAMETER-UNSUPPORTED` for a call that this kind does not have.
    fn prepare(&self, call: &ControlCall) -> Result<Envelope, PrepareError>;

    /// Sends a cleared call and reads the whole, bounded answer.
    ///
    /// # Errors
    /// [`SendError`], as for chat.
    async fn send(&self, cleared: ClearedControl) -> Result<ControlReport, SendError>;
}

/// The two halves of an adapter for one provider revision.
#[derive(Clone)]
pub struct Adapter {
    /// Chat.
    pub client: Arc<dyn LlmClient>,
    /// Payload-free calls.
    pub control: Arc<dyn ProviderControl>,
}

/// A provider that cannot be built.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AdapterError {
    /// The record is not valid for this kind.
    #[error(transparent)]
    Invalid(#[from] InvalidProvider),
    /// The transport could not be set up.
    #[error("cannot set up the transport")]
    Transport,
}

/// Makes adapters of one kind. Registered at the composition root; no IO.
pub trait AdapterFactory: Send + Sync {
    /// The kind, `ollama` for example.
    fn kind(&self) -> &Token;

    /// Checks what is specific to the kind: dialect, path, secret.
    ///
    /// # Errors
    /// [`InvalidProvider`] with the field at fault.
    fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider>;

    /// Builds the adapter of one provider revision.
    ///
    /// # Errors
    /// [`AdapterError`].
    fn build(&self, record: Arc<ProviderRecord>) -> Result<Adapter, AdapterError>;

    /// What the built-in profiles say about a model: its family and the family's claims. Provider, dialect
    /// and name in, claims out; pure.
    fn profile(&self, record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims);

    /// A decoder for one answer, as the adapter itself uses it.
    fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder>;

    /// Where every model of this provider runs, if the record alone says so. `None`: only the server can say,
    /// model by model, so what it said is asked again before use once it is old.
    fn residence(&self, record: &ProviderRecord) -> Option<Residence> {
        let _unknown = record;
        None
    }
}
