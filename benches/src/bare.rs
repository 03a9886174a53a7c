//! A proxy that passes bytes on and does nothing else: axum in, reqwest out, connections kept. What it costs is what
//! the same libraries cost at the least.

use std::io::Write as _;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    serve::ListenerExt as _,
};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    base: String,
}

/// Serves until it is killed. As many threads as the gateway has.
pub(crate) fn serve(upstream: &str) -> Result<(), String> {
    // The client asks for a provider of TLS even where it never speaks it.
    let _second = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .build()
        .map_err(|error| error.to_string())?;
    let upstream = Upstream {
        client,
        base: upstream.to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(listen(upstream))
        .map_err(|error| error.to_string())
}

async fn listen(upstream: Upstream) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let listener = listener.tap_io(|socket| {
        let _slower = socket.set_nodelay(true);
    });
    let router = Router::new().fallback(pass).with_state(upstream);
    axum::serve(listener, router).await
}

async fn pass(State(upstream): State<Upstream>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    // A small request is sent as one piece, as a gateway that looks at it would.
    let Ok(body) = axum::body::to_bytes(body, 16 << 20).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let url = format!("{}{}", upstream.base, head.uri);
    let mut headers = head.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let sent = upstream
        .client
        .request(head.method, url)
        .headers(headers)
        .body(body)
        .send()
        .await;
    let Ok(answer) = sent else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let status = answer.status();
    let mut headers = answer.headers().clone();
    headers.remove(header::TRANSFER_ENCODING);
    (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
}
