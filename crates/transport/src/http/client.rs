//! The throw-away HTTP client of one call.

use std::sync::Arc;

use reqwest::dns::{Name, Resolve, Resolving};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::Verifier;

use super::{TransportError, target::Target};
use crate::limits::Limits;

/// The TLS configuration that all calls share: roots are read once, not per call.
#[derive(Clone)]
pub(super) struct Tls(ClientConfig);

impl Tls {
    pub(super) fn new() -> Result<Self, TransportError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| TransportError::Tls)?;
        let mut config = match Verifier::new(provider) {
            Ok(verifier) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth(),
            // A machine without any root trusts nobody; its own loopback needs no TLS.
            Err(_) => builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(config))
    }
}

/// Builds the client. With a shared TLS configuration this costs microseconds; a shared client would hand
/// one call's connection to another call's addresses.
pub(super) fn build(
    tls: &Tls,
    limits: &Limits,
    target: &Target<'_>,
) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .http1_max_headers(limits.max_headers)
        .pool_max_idle_per_host(0)
        .tcp_nodelay(true)
        .connect_timeout(limits.connect_timeout)
        .tls_backend_preconfigured(tls.0.clone())
        .dns_resolver(Arc::new(NoResolver));
    if let Some(name) = target.pinned_name {
        builder = builder.resolve_to_addrs(name, target.peers);
    }
    builder.build()
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
