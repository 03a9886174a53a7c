//! The gateway: a loopback port that speaks the OpenAI chat shape. Client tokens open the model routes and
//! nothing else.

mod auth;
mod chat;
mod failure;
mod models;
mod openai;
mod reply;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    routing::{get, post},
    serve::ListenerExt,
};
use handshake_core::{
    code::{ErrorCode, Phase},
    ports::RegistryFeed,
};
use serde_json::json;
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{
    context::Context,
    error::{AppError, Exit, Result},
    wire::{App, Wiring},
};

/// The largest body of a request.
const MAX_BODY: usize = 16 << 20;
/// Requests that may wait or run at once.
const MAX_REQUESTS: usize = 64;

/// What every handler sees.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) hosts: Vec<String>,
    pub(crate) slots: Arc<Semaphore>,
}

/// Listens until Ctrl-C.
pub(crate) async fn run(cx: &Context, listen: SocketAddr, allow_host: Vec<String>) -> Result<Exit> {
    if !listen.ip().is_loopback() {
        return Err(AppError::usage(
            ErrorCode::InvalidConfig,
            "the gateway listens on loopback only",
        ));
    }
    let listener = TcpListener::bind(listen).await.map_err(|_| {
        AppError::new(
            ErrorCode::Storage,
            Phase::Connect,
            format!("{listen} cannot be listened on"),
        )
        .next("another program uses the port; choose one with --listen")
    })?;
    let address = listener.local_addr().map_err(|_| {
        AppError::new(
            ErrorCode::Storage,
            Phase::Connect,
            "the listener has no address",
        )
    })?;
    let app = cx
        .app_with(Wiring {
            own_listeners: vec![address],
            ..Wiring::default()
        })
        .await?;
    // What every call needs is made ready before the first one comes.
    app.engine.warm();
    app.store.current()?;
    let hosts = hosts(address, allow_host);
    let shared = Arc::new(Shared {
        app,
        hosts,
        slots: Arc::new(Semaphore::new(MAX_REQUESTS)),
    });
    cx.out
        .object(&json!({ "listening": address, "base_url": format!("http://{address}/v1") }));
    cx.out.line(format!("Listening on http://{address}"));
    cx.out.line(format!(
        "  OpenAI clients: base URL http://{address}/v1, API key from `handshake token create NAME`"
    ));
    cx.out
        .line("  Cloud calls wait for a person: handshake consent list (in another terminal)");
    let router = router(Arc::clone(&shared));
    // axum leaves Nagle's algorithm on, which costs a kept-alive client 40 ms an answer.
    let listener = listener.tap_io(|socket| {
        let _slower = socket.set_nodelay(true);
    });
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async {
            let _stopped = tokio::signal::ctrl_c().await;
        })
        .await;
    shared.app.finish().await?;
    served
        .map(|()| Exit::Done)
        .map_err(|_| AppError::new(ErrorCode::Storage, Phase::Connect, "the listener failed"))
}

fn hosts(address: SocketAddr, allowed: Vec<String>) -> Vec<String> {
    let mut hosts = vec![address.to_string(), format!("localhost:{}", address.port())];
    hosts.extend(allowed.into_iter().map(|host| host.to_ascii_lowercase()));
    hosts
}

fn router(shared: Arc<Shared>) -> Router {
    let models = Router::new()
        .route("/chat/completions", post(chat::completions))
        .route("/models", get(models::list))
        .route("/models/{*id}", get(models::show));
    Router::new()
        .nest("/v1", models.clone())
        .nest("/t/{token}/v1", models)
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            auth::client,
        ))
        .route("/healthz", get(|| async { "ok" }))
        .fallback(|| async { failure::plain(StatusCode::NOT_FOUND, "there is no such route") })
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            auth::front,
        ))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .layer(tower_http::timeout::RequestBodyTimeoutLayer::new(
            Duration::from_secs(30),
        ))
        .with_state(shared)
}
