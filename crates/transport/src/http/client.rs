//! How an HTTP client is built: one for one clearance set, and nothing that it could do beside.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use handshake_core::tier::ModelTier;
use reqwest::dns::{Name, Resolve, Resolving};
use rustls::{ClientConfig, crypto::ring};

use super::{TransportError, roots::PlatformRoots};
use crate::limits::Limits;

/// The TLS configuration that all calls share: roots are read once, at the first call that needs them.
#[derive(Clone)]
pub(super) struct Tls(ClientConfig);

impl Tls {
    pub(super) fn new() -> Result<Self, TransportError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| TransportError::Tls)?;
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PlatformRoots::new(provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(config))
    }
}

/// Whether a client keeps its connections.
#[derive(Clone, Copy)]
pub(super) enum Keep {
    /// For the next call, as long as the tier allows.
    For(ModelTier),
    /// Never: the connection ends with its call.
    Never,
}

/// Builds a client that can dial `peers` and nothing else.
pub(super) fn build(
    tls: &Tls,
    limits: &Limits,
    pinned_name: Option<&str>,
    peers: &[SocketAddr],
    keep: Keep,
) -> reqwest::Result<reqwest::Client> {
    let (idle, timeout) = match keep {
        Keep::For(tier) => (limits.max_idle_connections, idle_timeout(limits, tier)),
        Keep::Never => (0, Duration::ZERO),
    };
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .http1_max_headers(limits.max_headers)
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(timeout)
        .tcp_nodelay(true)
        .connect_timeout(limits.connect_timeout)
        .tls_backend_preconfigured(tls.0.clone())
        .dns_resolver(Arc::new(NoResolver));
    if let Some(name) = pinned_name {
        builder = builder.resolve_to_addrs(name, peers);
    }
    builder.build()
}

/// The library sweeps once per timeout, so a connection may live for two of them: half of ours, then.
fn idle_timeout(limits: &Limits, tier: ModelTier) -> Duration {
    let whole = match tier {
        ModelTier::Local => limits.keep_local,
        ModelTier::Cloud => limits.keep_cloud,
    };
    whole / 2
}

/// Pinned names never reach it, so whatever does is refused.
struct NoResolver;

impl Resolve for NoResolver {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::ready(Err(
            "the transport resolves nothing".into()
        )))
    }
}
