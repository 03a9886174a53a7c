//! An answer that is being read.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
    reply::ResponseHead,
    time::UtcTime,
};

use super::{failure, head};
use crate::limits::Limits;

/// An answer: its head, and its body piece by piece. Dropping it closes the connection.
pub struct Response {
    /// The head.
    pub head: ResponseHead,
    body: reqwest::Response,
    read: usize,
    max_body: usize,
    idle: Duration,
    progress: Duration,
}

impl Response {
    pub(super) fn new(
        response: reqwest::Response,
        peers: &[SocketAddr],
        now: UtcTime,
        limits: &Limits,
    ) -> Result<Self, CallError> {
        // A tripwire, not the guard: the guard is that nothing else could be dialled.
        if !response
            .remote_addr()
            .is_some_and(|peer| peers.contains(&peer))
        {
            return Err(CallError::new(ErrorCode::SsrfBlocked, Phase::Status).about("address"));
        }
        let head = head::read(response.status().as_u16(), response.headers(), now)?;
        Ok(Self {
            head,
            body: response,
            read: 0,
            max_body: limits.max_body_bytes,
            idle: limits.idle_timeout,
            progress: limits.progress_timeout,
        })
    }

    /// The headers that a client of the provider's own shape may see, names in lower case.
    #[must_use]
    pub fn forwarded(&self) -> BTreeMap<String, String> {
        head::forwarded(self.body.headers())
    }

    pub(crate) fn progress_timeout(&self) -> Duration {
        self.progress
    }

    /// The next piece; `None` when the body is complete.
    ///
    /// # Errors
    /// `HSK-408-TIMEOUT` when nothing comes for the idle timeout, `HSK-413-STREAM-LIMIT` beyond the bound,
    /// `HSK-502-STREAM-TRUNCATED` for a body that breaks off. A body that is delimited by the connection's
    /// end cannot be told from a cut one here: its protocol's own terminal must.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        let fault = |code, subject| CallError::new(code, Phase::Stream).about(subject);
        match tokio::time::timeout(self.idle, self.body.chunk()).await {
            Err(_) => Err(fault(ErrorCode::Timeout, "body")),
            Ok(Err(error)) => Err(failure::within_body(&error)),
            Ok(Ok(None)) => Ok(None),
            Ok(Ok(Some(bytes))) => {
                self.read = self.read.saturating_add(bytes.len());
                if self.read > self.max_body {
                    return Err(fault(ErrorCode::StreamLimit, "body"));
                }
                Ok(Some(bytes))
            }
        }
    }

    /// The whole body, of at most `cap` bytes.
    ///
    /// # Errors
    /// As [`Response::chunk`]; a body beyond `cap` is `HSK-413-STREAM-LIMIT`.
    pub async fn whole(mut self, cap: usize) -> Result<Bytes, CallError> {
        self.max_body = self.max_body.min(cap);
        let mut body = BytesMut::new();
        while let Some(bytes) = self.chunk().await? {
            body.extend_from_slice(&bytes);
        }
        Ok(body.freeze())
    }

    /// The first `cap` bytes of the body, or less where it ends or fails before: for telling what an error
    /// status is about, where the status alone is an answer already.
    pub async fn prefix(mut self, cap: usize) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < cap {
            match self.chunk().await {
                Ok(Some(bytes)) => {
                    let room = cap - body.len();
                    body.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Ok(None) | Err(_) => break,
            }
        }
        body.freeze()
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.head.status)
            .finish_non_exhaustive()
    }
}
