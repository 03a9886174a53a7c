//! Sending, and what comes back instead of an answer.

use std::sync::Arc;

use handshake_core::{
    code::{ErrorCode, Phase},
    control::{ControlCall, ControlReport},
    error::{CallError, SendError},
    gate::{Cleared, ClearedControl},
    ports::{Answer, AnswerHead},
    provider::ProviderRecord,
    reply::{ReplySpec, ResponseHead},
    tier::ModelTier,
    upstream::UpstreamAnswer,
};

use super::{BodyKind, Protocol, emulated, identity};
use crate::{
    http::{Response, Transport},
    stream::stream,
};

/// The most bytes of an error answer that are read; the rest is ignored.
pub const ERROR_CAP: usize = 64 * 1024;

/// Whether a clearance is for this very revision of this very provider.
///
/// # Errors
/// `HSK-409-REVISION`; no byte was sent.
pub fn ours(own: &ProviderRecord, cleared: &ProviderRecord) -> Result<(), SendError> {
    if own.provider_id == cleared.provider_id && own.revision == cleared.revision {
        Ok(())
    } else {
        Err(SendError::unsent(
            CallError::new(ErrorCode::Revision, Phase::Connect).about("provider"),
        ))
    }
}

/// The failure that an error status is, as `failure` reads it. The provider read the request and said no, so nothing is in
/// doubt, unless it was somebody on the way who grew tired of waiting.
///
/// Where the call asked for raw bytes, the provider's own answer is sealed in the error.
pub async fn refused(
    response: Response,
    reply: &ReplySpec,
    failure: impl FnOnce(&ResponseHead, &[u8], &ReplySpec) -> CallError,
) -> SendError {
    let head = response.head.clone();
    let forwarded = reply.raw.then(|| response.forwarded());
    // A body that breaks off still has a status.
    let body = response.prefix(ERROR_CAP).await;
    let mut error = failure(&head, &body, reply);
    let in_doubt = error.code == ErrorCode::Timeout;
    if let Some(forwarded) = forwarded {
        error = error.upstream(UpstreamAnswer::new(head.status, forwarded, body));
    }
    SendError { error, in_doubt }
}

/// The failure that an answer of another media type is.
#[must_use]
pub fn unexpected(head: &ResponseHead) -> CallError {
    CallError::new(ErrorCode::UnexpectedContent, Phase::Status)
        .about("content-type")
        .status(head.status)
}

/// Sends a cleared call and begins to read its answer.
pub(super) async fn chat<P: Protocol>(
    protocol: &P,
    transport: &Transport,
    own: &ProviderRecord,
    cleared: Cleared,
) -> Result<Answer, SendError> {
    ours(own, cleared.record())?;
    let reply = Arc::clone(&cleared.prepared().reply);
    let response = transport.send(&cleared).await?;
    if cleared.effective_tier() == ModelTier::Local && identity::hands_on(response.headers()) {
        // The prompt is gone; the answer says where. Nothing of it is passed on.
        let error = CallError::new(ErrorCode::TierMismatch, Phase::Status).about("server");
        return Err(SendError::in_doubt(error));
    }
    match BodyKind::of(&response.head, P::STREAMS) {
        BodyKind::Failure => Err(refused(response, &reply, |head, body, reply| {
            protocol.failure(head, body, reply)
        })
        .await),
        BodyKind::Unexpected => Err(SendError::in_doubt(unexpected(&response.head))),
        BodyKind::Stream | BodyKind::Json => {
            let decoder = emulated::decoder(protocol, &reply, &response.head);
            let head = AnswerHead {
                status: response.head.status,
                headers: response.forwarded(),
            };
            Ok(Answer {
                head,
                stream: stream(response, decoder, reply.raw),
            })
        }
    }
}

/// Sends a cleared payload-free call and reads its answer. Asking again does no harm, so nothing is ever in doubt.
pub(super) async fn control<P: Protocol>(
    protocol: &P,
    transport: &Transport,
    own: &ProviderRecord,
    cleared: ClearedControl,
) -> Result<ControlReport, SendError> {
    let failed = |error| SendError {
        error,
        in_doubt: false,
    };
    ours(own, cleared.record())?;
    let response = transport.send_control(&cleared).await?;
    if let ControlCall::Identify(number) = cleared.call() {
        return identity::answered(own, *number, response)
            .await
            .map_err(failed);
    }
    let shown = identity::of_headers(response.headers());
    match BodyKind::of(&response.head, P::STREAMS) {
        BodyKind::Json => {}
        BodyKind::Failure => {
            let asked = ReplySpec::offline(own.provider_kind.clone(), false);
            return Err(refused(response, &asked, |head, body, reply| {
                protocol.failure(head, body, reply)
            })
            .await);
        }
        BodyKind::Stream | BodyKind::Unexpected => return Err(failed(unexpected(&response.head))),
    }
    let body = response.whole(P::MAX_REPORT).await.map_err(failed)?;
    let report = protocol
        .report(own, cleared.call(), &body)
        .map_err(failed)?;
    Ok(ControlReport {
        identity: shown,
        ..report
    })
}
