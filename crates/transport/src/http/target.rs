//! Where a call goes: the URL, and the addresses that it may reach.

use std::net::SocketAddr;

use handshake_core::{
    base_url::Host, code::ErrorCode, envelope::Envelope, error::SendError, provider::ProviderRecord,
};

use super::refused;

/// A URL whose host is pinned to the cleared addresses.
pub(super) struct Target<'a> {
    pub(super) url: reqwest::Url,
    /// The name to pin. `None` for literals, which HTTP clients dial without asking any resolver: those are
    /// compared here instead.
    pub(super) pinned_name: Option<&'a str>,
    pub(super) peers: &'a [SocketAddr],
}

impl<'a> Target<'a> {
    pub(super) fn new(
        record: &'a ProviderRecord,
        envelope: &Envelope,
        peers: &'a [SocketAddr],
    ) -> Result<Self, SendError> {
        let base = &record.base_url;
        let blocked = |subject| refused(ErrorCode::SsrfBlocked, subject);
        if peers.is_empty() {
            return Err(blocked("peers"));
        }
        if peers.iter().any(|peer| peer.port() != base.port()) {
            return Err(blocked("port"));
        }
        let pinned_name = match base.host() {
            Host::Ip(ip) => {
                if peers.iter().any(|peer| peer.ip() != *ip) {
                    return Err(blocked("address"));
                }
                None
            }
            Host::Localhost => {
                if peers.iter().any(|peer| !peer.ip().is_loopback()) {
                    return Err(blocked("address"));
                }
                Some("localhost")
            }
            Host::Name(name) => Some(name.as_str()),
        };
        let text = format!("{}{}", base.origin(), envelope.path);
        let url = reqwest::Url::parse(&text).map_err(|_| blocked("url"))?;
        // The URL library must agree with what a person was shown, letter by letter.
        if url.as_str() != text {
            return Err(blocked("url"));
        }
        Ok(Self {
            url,
            pinned_name,
            peers,
        })
    }
}
