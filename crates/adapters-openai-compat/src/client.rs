//! The factory and the client.

use std::sync::Arc;

use async_trait::async_trait;
use handshake_core::{
    admit::Admitted,
    capability::Claims,
    code::{ErrorCode, Phase},
    envelope::Prepared,
    error::{CallError, PrepareError, SendError},
    gate::Cleared,
    ids::{ModelId, ProviderId, Token},
    ports::{Adapter, AdapterError, AdapterFactory, Answer, AnswerHead, LlmClient},
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
    tier::Residence,
    upstream::UpstreamAnswer,
};
use handshake_transport::{Response, Transport};

use crate::{
    control::{self, Control},
    decode::{self, BodyKind, ERROR_CAP},
    dialect::Dialect,
    encode, failure, profile,
};

/// Makes adapters of the kind `openai_compat`.
pub struct OpenAiCompatFactory {
    kind: Token,
    transport: Transport,
}

impl OpenAiCompatFactory {
    /// A factory whose adapters send through `transport`.
    ///
    /// # Panics
    /// Never: the kind is a constant.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            kind: Token::new("openai_compat").expect("the kind is a token"),
            transport,
        }
    }
}

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

/// Renders an admitted request for a provider, as the provider's client does. Pure.
///
/// # Errors
/// [`PrepareError`]: `HSK-400-INVALID-CONFIG` for a dialect that does not exist, otherwise as
/// [`LlmClient::prepare`].
pub fn prepare(record: &ProviderRecord, admitted: &Admitted) -> Result<Prepared, PrepareError> {
    let dialect = dialect(record).map_err(|error| PrepareError::new(error.code, error.field))?;
    encode::prepare(record, dialect, admitted)
}

/// A decoder for one answer, as the adapter itself uses it. A dialect that does not exist is read as
/// `generic`.
#[must_use]
pub fn decoder(reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
    decode::decoder(reply, head)
}

impl AdapterFactory for OpenAiCompatFactory {
    fn kind(&self) -> &Token {
        &self.kind
    }

    fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider> {
        let invalid = |field, reason| InvalidProvider {
            code: ErrorCode::InvalidConfig,
            field,
            reason,
        };
        if record.provider_kind != self.kind {
            return Err(invalid(
                "provider_kind",
                "this adapter supports only the kind openai_compat",
            ));
        }
        dialect(record)?;
        let path = record.base_url.path();
        if ["/completions", "/models", "/embeddings"]
            .iter()
            .any(|end| path.ends_with(end))
        {
            return Err(invalid(
                "base_url",
                "must end before the route, usually with /v1",
            ));
        }
        Ok(())
    }

    fn build(&self, record: Arc<ProviderRecord>) -> Result<Adapter, AdapterError> {
        self.validate(&record)?;
        let dialect = dialect(&record)?;
        Ok(Adapter {
            client: Arc::new(Client {
                record: Arc::clone(&record),
                dialect,
                transport: self.transport.clone(),
            }),
            control: Arc::new(Control::new(record, dialect, self.transport.clone())),
        })
    }

    fn profile(&self, record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims) {
        profile::profile(
            record,
            dialect(record).unwrap_or_else(|_| Dialect::generic()),
            model,
        )
    }

    fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
        decode::decoder(reply, head)
    }

    fn residence(&self, record: &ProviderRecord) -> Option<Residence> {
        // These servers say nothing about where a model runs, now or later.
        Some(control::residence(record))
    }
}

struct Client {
    record: Arc<ProviderRecord>,
    dialect: &'static Dialect,
    transport: Transport,
}

#[async_trait]
impl LlmClient for Client {
    fn provider(&self) -> &ProviderId {
        &self.record.provider_id
    }

    fn prepare(&self, admitted: &Admitted) -> Result<Prepared, PrepareError> {
        encode::prepare(&self.record, self.dialect, admitted)
    }

    async fn send(&self, cleared: Cleared) -> Result<Answer, SendError> {
        ours(&self.record, cleared.record())?;
        let reply = Arc::clone(&cleared.prepared().reply);
        let response = self.transport.send(&cleared).await?;
        match BodyKind::of(&response.head) {
            BodyKind::Failure => Err(refused(response, &reply).await),
            BodyKind::Unexpected => Err(SendError::in_doubt(unexpected(&response.head))),
            BodyKind::Stream | BodyKind::Json => {
                let decoder = decode::decoder(&reply, &response.head);
                let head = AnswerHead {
                    status: response.head.status,
                    headers: response.forwarded(),
                };
                Ok(Answer {
                    head,
                    stream: handshake_transport::stream(response, decoder, reply.raw),
                })
            }
        }
    }
}

/// A clearance is for one revision of one provider.
pub(crate) fn ours(own: &ProviderRecord, cleared: &ProviderRecord) -> Result<(), SendError> {
    if own.provider_id == cleared.provider_id && own.revision == cleared.revision {
        Ok(())
    } else {
        Err(SendError::unsent(
            CallError::new(ErrorCode::Revision, Phase::Connect).about("provider"),
        ))
    }
}

/// The failure that an error status is. The provider read the request and said no, so nothing is in doubt,
/// unless it was somebody on the way who grew tired of waiting.
pub(crate) async fn refused(response: Response, reply: &ReplySpec) -> SendError {
    let (head, forwarded) = (response.head.clone(), response.forwarded());
    // A body that breaks off still has a status.
    let body = response.prefix(ERROR_CAP).await;
    let mut error = failure::answered(&head, &body, reply);
    let in_doubt = error.code == ErrorCode::Timeout;
    if reply.raw {
        error = error.upstream(UpstreamAnswer::new(head.status, forwarded, body));
    }
    SendError { error, in_doubt }
}

pub(crate) fn unexpected(head: &ResponseHead) -> CallError {
    CallError::new(ErrorCode::UnexpectedContent, Phase::Status)
        .about("content-type")
        .status(head.status)
}
