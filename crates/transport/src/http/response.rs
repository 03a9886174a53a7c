//! An answer that is being read.

use std::{
    collections::BTreeMap,
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use handshake_core::{
    code::{ErrorCode, Phase},
    error::CallError,
    reply::ResponseHead,
    time::UtcTime,
};
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::{
    Version,
    header::{CONNECTION, HeaderMap},
};
use tokio::time::{Instant, Sleep};

use super::{failure, forwarded::forwarded, head, pool::PooledClient};
use crate::limits::Limits;

/// How long, and for how many bytes, the end of an answer is waited for that nobody reads any more.
const RELEASE: (Duration, usize) = (Duration::from_secs(1), 64 << 10);

/// An answer: its head, and its body piece by piece.
///
/// A connection whose answer was read to its end is kept for the next call by itself. Dropping an answer before
/// its end closes the connection; [`Response::release`] is for an answer that said all before its end.
pub struct Response {
    /// The head.
    pub head: ResponseHead,
    body: reqwest::Response,
    read: usize,
    max_body: usize,
    idle: Duration,
    progress: Duration,
    /// Made when a read first has to wait, then reset.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether its connection becomes idle at its end.
    keeps: bool,
    /// What its connection belongs to, for as long as it is in use.
    kept: Arc<PooledClient>,
}

/// The local address of an answer's connection.
pub(super) fn local(response: &reqwest::Response) -> Option<SocketAddr> {
    let info = response.extensions().get::<HttpInfo>();
    info.map(HttpInfo::local_addr)
}

/// Whether the server means to keep the connection.
fn keeps(response: &reqwest::Response) -> bool {
    let close = |value: &reqwest::header::HeaderValue| {
        let mut tokens = value.as_bytes().split(|b| *b == b',');
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    response.version() == Version::HTTP_11
        && !response
            .headers()
            .get_all(CONNECTION)
            .into_iter()
            .any(close)
}

fn fault(code: ErrorCode, subject: &'static str) -> CallError {
    CallError::new(code, Phase::Stream).about(subject)
}

impl Response {
    pub(super) fn new(
        response: reqwest::Response,
        peers: &[SocketAddr],
        now: UtcTime,
        limits: &Limits,
        kept: Arc<PooledClient>,
        keep: bool,
    ) -> Result<Self, CallError> {
        // A tripwire, not the guard: the guard is that nothing else could be dialled.
        if !response
            .remote_addr()
            .is_some_and(|peer| peers.contains(&peer))
        {
            return Err(CallError::new(ErrorCode::SsrfBlocked, Phase::Status).about("address"));
        }
        let head = head::read(response.status().as_u16(), response.headers(), now)?;
        let keeps = keep && keeps(&response);
        Ok(Self {
            head,
            body: response,
            read: 0,
            max_body: limits.max_body_bytes,
            idle: limits.idle_timeout,
            progress: limits.progress_timeout,
            timer: None,
            keeps,
            kept,
        })
    }

    /// Who answered.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.body.remote_addr()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.body.headers()
    }

    /// How long a stream may go without an event: [`Limits::progress_timeout`].
    #[must_use]
    pub fn progress_timeout(&self) -> Duration {
        self.progress
    }

    /// The headers that a client of the provider's own shape may see: those of
    /// [`FORWARDED_HEADERS`](crate::FORWARDED_HEADERS) and [`FORWARDED_PREFIXES`](crate::FORWARDED_PREFIXES) whose
    /// values are visible ASCII of at most 1 KiB, 32 at most.
    #[must_use]
    pub fn forwarded(&self) -> BTreeMap<String, String> {
        forwarded(self.body.headers())
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
        self.next(None).await
    }

    /// The next piece, as [`Response::chunk`], but not after `progress`. One timer serves both bounds, and only
    /// a read that has to wait sets it.
    ///
    /// # Errors
    /// As [`Response::chunk`]; `HSK-408-TIMEOUT` about `progress` when that deadline passes first.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped.
    pub async fn chunk_until(&mut self, progress: Instant) -> Result<Option<Bytes>, CallError> {
        self.next(Some(progress)).await
    }

    async fn next(&mut self, progress: Option<Instant>) -> Result<Option<Bytes>, CallError> {
        let Self {
            body, timer, idle, ..
        } = self;
        let mut deadline: Option<Deadline> = None;
        let read = {
            let mut piece = pin!(body.chunk());
            poll_fn(|cx| {
                if let Poll::Ready(read) = piece.as_mut().poll(cx) {
                    return Poll::Ready(Ok(read));
                }
                let set = || Deadline::set(timer, *idle, progress);
                deadline.get_or_insert_with(set).poll(timer, cx).map(Err)
            })
            .await
        };
        match read {
            Err(subject) => Err(fault(ErrorCode::Timeout, subject)),
            Ok(Err(error)) => Err(failure::within_body(&error)),
            Ok(Ok(None)) => {
                self.ended();
                Ok(None)
            }
            Ok(Ok(Some(bytes))) => {
                self.read = self.read.saturating_add(bytes.len());
                if self.read > self.max_body {
                    return Err(fault(ErrorCode::StreamLimit, "body"));
                }
                Ok(Some(bytes))
            }
        }
    }

    /// The connection is idle, or about to be.
    fn ended(&mut self) {
        if std::mem::take(&mut self.keeps) {
            self.kept.habit.idle();
        }
    }

    /// Gives the connection back after the answer's own terminal: what little may follow is read and thrown
    /// away, beside the caller and within a second and 64 KiB, beyond which the connection closes.
    ///
    /// Not for a call that was cancelled or failed: there the drop is what stops the server.
    pub fn release(mut self) {
        if !self.keeps {
            return;
        }
        let (wait, most) = RELEASE;
        self.max_body = self.read.saturating_add(most);
        // Most often the end has come with the terminal.
        loop {
            match self.chunk().now_or_never() {
                Some(Ok(Some(_))) => {}
                Some(Ok(None) | Err(_)) => return,
                None => break,
            }
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let rest = async { while let Ok(Some(_)) = self.chunk().await {} };
                // Whether it ended or not: it is dropped now.
                let _ended = tokio::time::timeout(wait, rest).await;
            });
        }
    }

    /// The whole body, of at most `cap` bytes.
    ///
    /// # Errors
    /// As [`Response::chunk`]; a body beyond `cap` is `HSK-413-STREAM-LIMIT`.
    pub async fn whole(mut self, cap: usize) -> Result<Bytes, CallError> {
        self.max_body = self.max_body.min(cap);
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut body = BytesMut::with_capacity(first.len() + second.len());
        body.extend_from_slice(&first);
        body.extend_from_slice(&second);
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

impl Drop for Response {
    fn drop(&mut self) {
        // A body of known length is complete with its last byte, though nobody asked for more.
        if self.body.content_length() == Some(0) {
            self.ended();
        }
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.head.status)
            .finish_non_exhaustive()
    }
}

/// When a read that waits gives up, and what it says then.
#[derive(Clone, Copy)]
struct Deadline(&'static str);

impl Deadline {
    fn set(timer: &mut Option<Pin<Box<Sleep>>>, idle: Duration, progress: Option<Instant>) -> Self {
        let idle = Instant::now() + idle;
        let (at, subject) = match progress {
            Some(progress) if progress < idle => (progress, "progress"),
            _ => (idle, "body"),
        };
        match timer {
            Some(timer) => timer.as_mut().reset(at),
            None => *timer = Some(Box::pin(tokio::time::sleep_until(at))),
        }
        Self(subject)
    }

    fn poll(self, timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<&'static str> {
        match timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| self.0),
            None => Poll::Pending,
        }
    }
}
