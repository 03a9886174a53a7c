//! Starting and stopping the server.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::connection::{Counters, CountingListener, Peer};
use crate::dispatch;
use crate::engine::Engine;
use crate::record::{Log, Received};
use crate::{Script, ScriptError, SimError};

/// How long [`Simulator::shutdown`] waits for connections to go.
const LINGER: Duration = Duration::from_secs(5);

/// How a simulator is started. The default is a free port, no token, no rules.
#[derive(Clone, Default)]
pub struct SimConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Models and rules.
    pub script: Script,
    /// Bearer token that every request needs; `authorization: Bearer` or `api-key`.
    pub required_token: Option<String>,
}

impl fmt::Debug for SimConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimConfig")
            .field("port", &self.port)
            .field("rules", &self.script.rules.len())
            .field("required_token", &self.required_token.is_some())
            .finish_non_exhaustive()
    }
}

impl SimConfig {
    /// A free port with this script.
    #[must_use]
    pub fn with_script(script: Script) -> Self {
        Self {
            script,
            ..Self::default()
        }
    }

    /// Asks every request for this bearer token.
    #[must_use]
    pub fn require_token(mut self, token: impl Into<String>) -> Self {
        self.required_token = Some(token.into());
        self
    }
}

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) required_token: Option<String>,
    pub(crate) engine: Mutex<Engine>,
    pub(crate) log: Log,
}

/// A running simulator. Dropping it stops it and cuts its connections.
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl Simulator {
    /// Listens on 127.0.0.1 and serves until it is shut down or dropped.
    ///
    /// # Errors
    /// [`SimError`] where the script cannot be served or the port cannot be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        config.script.check()?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port));
        let inner = TcpListener::bind(addr)
            .await
            .map_err(|source| SimError::Bind { addr, source })?;
        let addr = inner.local_addr().map_err(SimError::LocalAddr)?;

        let counters = Arc::new(Counters::default());
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            required_token: config.required_token,
            engine: Mutex::new(Engine::new(config.script)),
            log: Log::default(),
        });
        let listener = CountingListener {
            inner,
            counters: Arc::clone(&counters),
            stop: stop.clone(),
        };
        let router = Router::new()
            .fallback(dispatch::handle)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Peer>();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                _ = async { axum::serve(listener, router).await } => {}
            }
        });
        Ok(Self {
            addr,
            shared,
            counters,
            stop,
            task: Some(task),
        })
    }

    /// The address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, the base URL of an Ollama daemon.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `http://127.0.0.1:PORT/v1`, the base URL of an OpenAI-compatible server.
    #[must_use]
    pub fn openai_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// The requests received, oldest first: the last 4096 within 64 MiB of bodies. A request is
    /// here before its answer begins, and also where it was refused.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.log.all()
    }

    /// Total number of requests received.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.log.total()
    }

    /// Bytes read from all connections: request lines, headers and bodies, also of requests that
    /// never became whole.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.counters.bytes.load(Ordering::Acquire)
    }

    /// Total number of connections accepted, including those that sent nothing.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counters.accepted.load(Ordering::Acquire)
    }

    /// Connections that are open.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        *self.counters.open.borrow()
    }

    /// Waits until `count` requests have been received in total. Bound it with a timeout.
    pub async fn wait_for_requests(&self, count: u64) {
        self.shared.log.reached(count).await;
    }

    /// Waits until no connection is open, as after a client hung up. Bound it with a timeout.
    pub async fn wait_idle(&self) {
        idle(&self.counters).await;
    }

    /// Replaces the script; what rules have counted and what is loaded starts anew.
    ///
    /// # Errors
    /// [`ScriptError`] where it cannot be served; the old one stays.
    pub fn set_script(&self, script: Script) -> Result<(), ScriptError> {
        script.check()?;
        let mut engine = self
            .shared
            .engine
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *engine = Engine::new(script);
        Ok(())
    }

    /// Stops listening, cuts every connection and waits until they are gone, five seconds at
    /// most.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // Where it panicked the listener is gone all the same.
            task.await.ok();
        }
        // Past this a connection task is stuck, and the runtime ends it.
        tokio::time::timeout(LINGER, idle(&self.counters))
            .await
            .ok();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn idle(counters: &Counters) {
    let mut open = counters.open.subscribe();
    // The sender lives as long as the counters, so waiting does not fail.
    open.wait_for(|open| *open == 0).await.ok();
}
