//! Who may knock: exact `Host`, no foreign `Origin`, and a client token on the model routes.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};
use handshake_core::{
    client::ClientToken,
    digest::Digest,
    ids::{Principal, PrincipalKind},
    ports::RegistryFeed,
    profile::RegistryView,
};

use super::{Shared, failure};

/// An authenticated client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) principal: Principal,
    pub(super) token: Arc<ClientToken>,
    /// The registry that its token was found in.
    pub(super) view: Arc<RegistryView>,
}

/// Every request: a web page's cannot pass, wherever its script came from.
pub(super) async fn front(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let host = text(headers, header::HOST)
        .unwrap_or_default()
        .to_ascii_lowercase();
    if !shared.hosts.contains(&host) {
        return failure::plain(StatusCode::FORBIDDEN, "this Host is not served here");
    }
    if headers.contains_key(header::ORIGIN) {
        return failure::plain(StatusCode::FORBIDDEN, "web pages are not served here");
    }
    next.run(request).await
}

/// Model routes: a token, in the places where clients put one.
pub(super) async fn client(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = token(&request) else {
        return failure::unauthorised();
    };
    let Ok(view) = shared.app.store.current() else {
        return failure::plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the token cannot be checked",
        );
    };
    let known = view.tokens.get(&Digest::of(&[token.as_bytes()]));
    let Some(token) = known.filter(|token| token.revoked_at.is_none()) else {
        return failure::unauthorised();
    };
    let client = Client {
        principal: Principal {
            kind: PrincipalKind::Client,
            name: token.name.clone(),
        },
        token: Arc::clone(token),
        view: Arc::clone(&view),
    };
    let Ok(_slot) = Arc::clone(&shared.slots).try_acquire_owned() else {
        return failure::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests wait already",
        );
    };
    request.extensions_mut().insert(client);
    next.run(request).await
}

fn token(request: &Request) -> Option<String> {
    let headers = request.headers();
    let bearer = text(headers, header::AUTHORIZATION).and_then(|value| {
        value
            .strip_prefix("Bearer ")
            .or_else(|| value.strip_prefix("bearer "))
    });
    let in_path = || {
        let mut parts = request.uri().path().split('/').skip(1);
        (parts.next() == Some("t")).then(|| parts.next()).flatten()
    };
    bearer
        .or_else(|| {
            headers
                .get("x-api-key")
                .and_then(|value| value.to_str().ok())
        })
        .or_else(in_path)
        .map(str::to_owned)
        .filter(|token| !token.is_empty() && token.len() <= 256)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
