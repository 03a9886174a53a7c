//! One cleared call, one answer, over a connection that the clearance could have dialled itself.

mod client;
mod failure;
mod forwarded;
mod habit;
mod head;
mod pool;
mod response;
mod roots;
mod target;

use std::{sync::Arc, time::Duration};

use handshake_core::{
    code::{ErrorCode, Phase},
    envelope::{Envelope, HeaderValue, Method},
    error::{CallError, SendError},
    gate::{Cleared, ClearedControl},
    ports::{Clock, Epochs, SecretStore, SecretUse},
    provider::ProviderRecord,
    tier::ModelTier,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue as WireValue};
use zeroize::Zeroizing;

use self::{client::Tls, habit::Way, pool::Pool};
pub use self::{
    forwarded::{FORWARDED_HEADERS, FORWARDED_PREFIXES},
    head::{MAX_RETRY_AFTER, retry_after},
    pool::{Connections, Held},
    response::Response,
};
use crate::limits::Limits;

/// What is sent beside the manifest, `host`, `content-length` and the secret, where the manifest does not
/// name it itself: constants, so they say nothing about anybody. An adapter that names both has its whole
/// request in the manifest.
pub const FIXED_HEADERS: [(&str, &str); 2] = [("accept", "*/*"), ("accept-encoding", "identity")];

/// A transport that cannot be set up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TransportError {
    /// The TLS library refuses its own defaults.
    #[error("cannot set up TLS")]
    Tls,
}

/// Sends cleared calls over HTTP/1.1.
///
/// # Contract
/// A call goes to the addresses of its clearance and to no other: no resolver, no proxy, no redirect, no retry, no
/// cookie, no referer, no decompression, no upgrade. No environment variable is read when a call is made. Nothing
/// of a peer's or library's error text is kept.
///
/// Connections are kept for calls with the same provider, revision, epochs, effective tier and exact set of cleared
/// addresses, and for no others: a clearance rides only on a connection that it could have dialled itself. They
/// close when they were idle for [`Limits::keep_local`] or [`Limits::keep_cloud`], when a call under another
/// revision of their provider or under other epochs is made, when they are retired
/// ([`Transport::connections`]), and with the transport. Nothing is sent twice: a
/// request goes to a new connection only where none of its bytes were written to the old one. Connections
/// belong to the tokio runtime that dialled them.
///
/// TLS roots are the platform's, read once, when the first certificate is to be verified. On Unix the root loader obeys
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`: a composition root removes them (and `SSLKEYLOGFILE`) before. Where the
/// platform has no roots at all, every `https` peer is refused and loopback still works.
///
/// # Cancellation
/// Dropping a future, or a [`Response`] or a stream made of one before its end, closes the connection.
#[derive(Clone)]
pub struct Transport {
    inner: Arc<Inner>,
}

struct Inner {
    secrets: Arc<dyn SecretStore>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    tls: Tls,
    pool: Arc<Pool>,
}

/// The parts of either kind of clearance that sending needs.
struct Permit<'a> {
    record: &'a ProviderRecord,
    envelope: &'a Envelope,
    peers: &'a [std::net::SocketAddr],
    tier: ModelTier,
    epochs: Option<&'a Epochs>,
    valid_until: Duration,
}

impl Transport {
    /// Sets a transport up. No IO.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn new(
        secrets: Arc<dyn SecretStore>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, TransportError> {
        let tls = Tls::new()?;
        Ok(Self {
            inner: Arc::new(Inner {
                secrets,
                clock,
                limits,
                tls,
                pool: Arc::default(),
            }),
        })
    }

    /// The bounds of every call.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Sends a cleared chat envelope. Resolves at the head; statuses are for the caller to judge, all of
    /// them, redirects included. To be called within a tokio runtime that has IO and time.
    ///
    /// # Errors
    /// [`SendError`]: not in doubt when no byte of the request can have left.
    pub async fn send(&self, cleared: &Cleared) -> Result<Response, SendError> {
        let permit = Permit {
            record: cleared.record(),
            envelope: cleared.envelope(),
            peers: cleared.peers(),
            tier: cleared.effective_tier(),
            epochs: cleared.epochs(),
            valid_until: cleared.valid_until(),
        };
        if permit.envelope.model_id.is_none() {
            return Err(refused(ErrorCode::InvalidRequest, "model"));
        }
        self.inner.execute(&permit).await
    }

    /// Sends a cleared payload-free envelope, as [`Transport::send`] does.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_control(&self, cleared: &ClearedControl) -> Result<Response, SendError> {
        let permit = Permit {
            record: cleared.record(),
            envelope: cleared.envelope(),
            peers: cleared.peers(),
            tier: cleared.effective_tier(),
            epochs: cleared.epochs(),
            valid_until: cleared.valid_until(),
        };
        self.inner.execute(&permit).await
    }

    /// The kept connections: for a new revision, a revocation, a narrowing, a pause or a stop.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections::new(&self.inner.pool, &self.inner.limits)
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport(..)")
    }
}

impl Inner {
    async fn execute(&self, permit: &Permit<'_>) -> Result<Response, SendError> {
        permit.check()?;
        let kept = self.pool.client(&self.tls, &self.limits, permit)?;
        let url = kept.url(&permit.envelope.path)?;
        let headers = self.headers(permit.envelope)?;
        let (client, tries) = match kept.habit.way() {
            Way::Kept { from, tries } => {
                if let Some(from) = from {
                    tokio::time::sleep_until(from).await;
                }
                (kept.client(), Some(tries))
            }
            Way::Once => (kept.once(&self.tls, &self.limits)?, None),
        };
        let method = match permit.envelope.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        if permit.envelope.method == Method::Post {
            *request.body_mut() = Some(permit.envelope.body.clone().into());
        }
        // Last, so that nothing that takes time stands between the check and the connection.
        if self.clock.monotonic() >= permit.valid_until {
            return Err(refused(ErrorCode::Timeout, "clearance"));
        }
        let answered =
            tokio::time::timeout(self.limits.head_timeout, client.execute(request)).await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let failed = failure::before_head(&error);
                if tries.is_some() && failed.in_doubt {
                    kept.habit.lost();
                }
                return Err(failed);
            }
            // The connection has its own, shorter bound: by now the request is on its way.
            Err(_) => {
                let error = CallError::new(ErrorCode::Timeout, Phase::Status).about("head");
                return Err(SendError::in_doubt(error));
            }
        };
        if let Some(tries) = tries {
            kept.habit.answered(response::local(&response), tries);
        }
        Response::new(
            response,
            permit.peers,
            self.clock.now(),
            &self.limits,
            kept,
            tries.is_some(),
        )
        .map_err(SendError::in_doubt)
    }

    /// The manifest's headers, the secret filled in, and the fixed ones.
    fn headers(&self, envelope: &Envelope) -> Result<HeaderMap, SendError> {
        let bad = || refused(ErrorCode::InvalidRequest, "header");
        let mut headers = HeaderMap::with_capacity(envelope.headers.len() + FIXED_HEADERS.len());
        for (name, value) in FIXED_HEADERS {
            headers.insert(HeaderName::from_static(name), WireValue::from_static(value));
        }
        for (name, value) in &envelope.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let value = match value {
                HeaderValue::Plain(text) => WireValue::from_str(text).map_err(|_| bad())?,
                HeaderValue::Secret { secret_ref, prefix } => {
                    let wanted = SecretUse {
                        secret_ref: secret_ref.clone(),
                        origin: envelope.origin(),
                    };
                    let secret = self
                        .secrets
                        .fetch(&wanted)
                        .map_err(|error| refused(error.code(), "secret_ref"))?;
                    let bytes = secret.expose_secret();
                    if bytes.is_empty() || !bytes.iter().all(|b| (0x21..=0x7e).contains(b)) {
                        return Err(refused(ErrorCode::InvalidConfig, "secret_ref"));
                    }
                    let mut whole = Zeroizing::new(Vec::with_capacity(prefix.len() + bytes.len()));
                    whole.extend_from_slice(prefix.as_bytes());
                    whole.extend_from_slice(bytes);
                    let mut value = WireValue::from_bytes(&whole).map_err(|_| bad())?;
                    value.set_sensitive(true);
                    value
                }
            };
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

impl Permit<'_> {
    /// The clearance's own consistency. The gate made sure of it; a transport does not take its word.
    fn check(&self) -> Result<(), SendError> {
        let Self {
            record, envelope, ..
        } = self;
        if record.provider_id != envelope.provider_id
            || record.revision != envelope.revision
            || record.base_url != envelope.base_url
        {
            return Err(refused(ErrorCode::InvalidRequest, "provider"));
        }
        envelope
            .check()
            .map_err(|_| refused(ErrorCode::InvalidRequest, "envelope"))
    }
}

/// A refusal before anything was dialled.
fn refused(code: ErrorCode, subject: &'static str) -> SendError {
    SendError::unsent(CallError::new(code, Phase::Connect).about(subject))
}
