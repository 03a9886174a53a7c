//! Who may knock: exact `Host`, no foreign `Origin`, and a client token on the model routes.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use handshake_core::{
    client::ClientToken,
    code::{ErrorCode, Phase},
    digest::Digest,
    error::CallError,
    ids::{ModelRef, Principal, PrincipalKind},
    profile::RegistryView,
};

use crate::{gateway::Shared, metrics, shape::chat_completions::errors};

/// An authenticated client, and the registry as it stood when the token was looked up.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) token: Arc<ClientToken>,
    pub(crate) view: Arc<RegistryView>,
}

impl Client {
    /// Whether the token opens this model.
    pub(crate) fn opens(&self, model: &ModelRef) -> bool {
        self.token
            .models
            .as_ref()
            .is_none_or(|models| models.contains(model))
    }

    /// A token that was made for a work profile opens nothing while another one, or none, is active: calls run
    /// under the active profile, and a client must not get what its token was never meant for.
    pub(crate) fn under_its_profile(&self) -> Result<(), CallError> {
        let active = self.view.profile.as_ref().map(|active| &active.profile_id);
        match &self.token.profile {
            Some(wanted) if active != Some(wanted) => {
                Err(CallError::new(ErrorCode::Profile404, Phase::Resolve)
                    .about("work profile of the token is not active"))
            }
            _ => Ok(()),
        }
    }

    /// Who asks.
    pub(crate) fn principal(&self) -> Principal {
        Principal {
            kind: PrincipalKind::Client,
            name: self.token.name.clone(),
        }
    }
}

/// A client with any token that is not revoked, whatever it opens.
pub(crate) struct Known(pub(crate) Client);

/// On every answer, so that whoever registers a gateway as a provider is told that it forwards.
const GATEWAY: HeaderName = HeaderName::from_static("x-handshake-gateway");

/// Every request: a web page's cannot pass, wherever its script came from.
pub(crate) async fn front(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = passed(&shared, request, next).await;
    let mark = HeaderValue::from_static("1");
    response.headers_mut().insert(GATEWAY, mark);
    response
}

async fn passed(shared: &Shared, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // Which of two is meant would be the reader's choice, and another reader's choice another one.
    if headers.get_all(header::HOST).iter().count() > 1 {
        return errors::plain(StatusCode::BAD_REQUEST, "more than one Host header");
    }
    let host = text(headers, header::HOST).unwrap_or_default();
    let serves = |host: &str| {
        let mut all = shared.hosts.iter();
        all.any(|allowed| allowed.eq_ignore_ascii_case(host))
    };
    // A target in absolute form names a host too, and a proxy would go by that one.
    let named = request.uri().authority().map(|named| named.as_str());
    if !serves(host) || !named.is_none_or(serves) {
        return errors::plain(StatusCode::FORBIDDEN, "host not allowed");
    }
    if headers.contains_key(header::ORIGIN) {
        return errors::plain(
            StatusCode::FORBIDDEN,
            "browser requests are not allowed (Origin header present)",
        );
    }
    if text(headers, header::UPGRADE).is_some_and(|to| to.eq_ignore_ascii_case("websocket")) {
        return errors::no_websocket();
    }
    next.run(request).await
}

/// Model routes: a token, in the places where clients put one; the one for metrics opens none of them.
impl FromRequestParts<Arc<Shared>> for Client {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let Known(client) = Known::from_request_parts(parts, shared).await?;
        match client.token.name.as_str() {
            metrics::TOKEN => Err(errors::unauthorised()),
            _ => Ok(client),
        }
    }
}

impl FromRequestParts<Arc<Shared>> for Known {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let digest = match in_headers(&parts.headers) {
            Some(token) => Some(Digest::of(&[token.as_bytes()])),
            None => in_path(parts).await,
        };
        let digest = digest.ok_or_else(errors::unauthorised)?;
        let view = shared.ports.feed().current().map_err(|_| {
            errors::plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot read the registry",
            )
        })?;
        let found = view.tokens.get(&digest);
        match found {
            Some(token) if token.revoked_at.is_none() => Ok(Self(Client {
                token: Arc::clone(token),
                view: Arc::clone(&view),
            })),
            _ => Err(errors::unauthorised()),
        }
    }
}

fn in_headers(headers: &HeaderMap) -> Option<&str> {
    let bearer = text(headers, header::AUTHORIZATION).and_then(|value| {
        value
            .strip_prefix("Bearer ")
            .or_else(|| value.strip_prefix("bearer "))
    });
    let key = || {
        headers
            .get("x-api-key")
            .and_then(|value| value.to_str().ok())
    };
    bearer.or_else(key).filter(|token| plausible(token))
}

/// `/t/TOKEN/…`: plugins that set a base URL and nothing else.
async fn in_path(parts: &mut Parts) -> Option<Digest> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let (_, token) = params.iter().find(|(name, _)| *name == "token")?;
    plausible(token).then(|| Digest::of(&[token.as_bytes()]))
}

fn plausible(token: &str) -> bool {
    !token.is_empty() && token.len() <= 256
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
