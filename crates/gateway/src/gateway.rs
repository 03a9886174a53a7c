//! The gateway: what it is wired to, and the routes.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router, middleware,
    routing::{get, post},
};
use handshake_core::ports::{Clock, Entropy, RegistryFeed, SinkFilter};
use handshake_runtime::Runtime;

use crate::{
    auth,
    limits::{Limits, Slots},
    metrics::{self, Metrics},
    server::{self, Listener},
    shape::chat_completions::{self, errors, models},
};

/// What a gateway needs from the world.
#[derive(Clone)]
pub struct GatewayPorts {
    /// The call path. The gateway looks into the registry, at the clock and for randomness through its ports, so that
    /// a token of one registry opens no model of another.
    pub runtime: Runtime,
    /// What stands between a provider's bytes and the client.
    pub filter: Arc<dyn SinkFilter>,
}

impl GatewayPorts {
    /// Models, tokens, the active profile and aliases, in memory.
    pub(crate) fn feed(&self) -> &dyn RegistryFeed {
        &*self.runtime.ports().feed
    }

    /// The clocks.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.runtime.ports().clock
    }

    /// Randomness, for trace ids.
    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.runtime.ports().entropy
    }
}

impl std::fmt::Debug for GatewayPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GatewayPorts(..)")
    }
}

/// What every handler sees.
pub(crate) struct Shared {
    pub(crate) ports: GatewayPorts,
    pub(crate) hosts: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) slots: Slots,
    pub(crate) metrics: Metrics,
}

/// Builds a [`Gateway`].
#[derive(Debug)]
#[must_use]
pub struct GatewayBuilder {
    ports: GatewayPorts,
    hosts: Vec<String>,
    limits: Limits,
}

impl GatewayBuilder {
    /// Clients may name this `Host`, port included.
    pub fn allow_host(mut self, host: impl AsRef<str>) -> Self {
        self.hosts.push(host.as_ref().to_ascii_lowercase());
        self
    }

    /// Clients may name this address, or `localhost` with its port.
    pub fn listening_on(self, address: SocketAddr) -> Self {
        self.allow_host(address.to_string())
            .allow_host(format!("localhost:{}", address.port()))
    }

    /// Other bounds than the default ones.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The gateway. Without a host, it answers nobody.
    #[must_use]
    pub fn build(self) -> Gateway {
        Gateway {
            shared: Arc::new(Shared {
                slots: Slots::new(&self.limits),
                metrics: Metrics::new(),
                ports: self.ports,
                hosts: self.hosts,
                limits: self.limits,
            }),
        }
    }
}

/// The gateway. Cheap to clone; clones share their limits.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("hosts", &self.shared.hosts)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Begins with what the gateway is wired to.
    pub fn builder(ports: GatewayPorts) -> GatewayBuilder {
        GatewayBuilder {
            ports,
            hosts: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// The routes, to be served or mounted at the root of another router.
    ///
    /// # Contract
    /// Every request is checked for its `Host` and `Origin`, and on model routes for a client token; the bounds on
    /// calls and bodies hold. The bounds on connections and headers are the listener's business: [`Gateway::serve`]
    /// keeps them, and whoever listens by other means has to.
    pub fn router(&self) -> Router {
        let models = Router::new()
            .route("/chat/completions", post(chat_completions::completions))
            .route("/models", get(models::list))
            .route("/models/{*id}", get(models::show))
            .method_not_allowed_fallback(errors::wrong_method)
            .fallback(errors::unknown_route);
        Router::new()
            .nest("/v1", models.clone())
            .nest("/t/{token}/v1", models)
            .route("/healthz", get(|| async { "ok" }))
            .route("/metrics", get(metrics::page))
            .fallback(errors::unknown_route)
            .layer(middleware::from_fn_with_state(
                Arc::clone(&self.shared),
                auth::front,
            ))
            .layer(tower_http::catch_panic::CatchPanicLayer::custom(
                errors::crashed,
            ))
            .with_state(Arc::clone(&self.shared))
    }

    /// Serves until `stop` resolves; then no connection is taken any more, and calls have
    /// [`Limits::drain`] to end. Every bound of [`Limits`] holds.
    ///
    /// # Cancellation
    /// Dropping the future closes every connection, and so cancels every call.
    pub async fn serve(self, listener: Listener, stop: impl Future<Output = ()>) {
        server::serve(self, listener, stop).await;
    }
}
