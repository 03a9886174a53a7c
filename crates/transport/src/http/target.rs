//! Where a call goes: the name to pin, and the URL.

use std::net::SocketAddr;

use handshake_core::{
    base_url::{BaseUrl, Host},
    code::ErrorCode,
    error::SendError,
};

use super::refused;

fn blocked(subject: &'static str) -> SendError {
    refused(ErrorCode::SsrfBlocked, subject)
}

/// Compares the cleared addresses with the base URL, and says which name has to be pinned to them. `None` for
/// literals, which HTTP clients dial without asking any resolver: those are compared here instead.
///
/// Done for each call, whether or not a client for it is kept already.
pub(super) fn pinned_name<'a>(
    base: &'a BaseUrl,
    peers: &[SocketAddr],
) -> Result<Option<&'a str>, SendError> {
    if peers.is_empty() {
        return Err(blocked("peers"));
    }
    if peers.iter().any(|peer| peer.port() != base.port()) {
        return Err(blocked("port"));
    }
    match base.host() {
        Host::Ip(ip) => {
            if peers.iter().any(|peer| peer.ip() != *ip) {
                return Err(blocked("address"));
            }
            Ok(None)
        }
        Host::Localhost => {
            if peers.iter().any(|peer| !peer.ip().is_loopback()) {
                return Err(blocked("address"));
            }
            Ok(Some("localhost"))
        }
        Host::Name(name) => Ok(Some(name.as_str())),
    }
}

/// The URL of a path. The URL library must agree with what a person was shown, letter by letter.
pub(super) fn url(base: &BaseUrl, path: &str) -> Result<reqwest::Url, SendError> {
    let text = format!("{}{path}", base.origin());
    let url = reqwest::Url::parse(&text).map_err(|_| blocked("url"))?;
    if url.as_str() != text {
        return Err(blocked("url"));
    }
    Ok(url)
}
