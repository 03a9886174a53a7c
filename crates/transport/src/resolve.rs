//! Names to addresses, through the system.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use async_trait::async_trait;
use handshake_core::{
    base_url::Host,
    ports::{PeerResolver, ResolveError},
};

/// Resolves through the system's resolver. Literals and `localhost` are answered without any query; names
/// are asked for as absolute ones, so that no search domain is ever appended.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl PeerResolver for SystemResolver {
    async fn resolve(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        match host {
            Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, port)]),
            Host::Localhost => Ok(vec![
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
                SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port),
            ]),
            Host::Name(name) => {
                let absolute = format!("{name}.");
                let found = tokio::net::lookup_host((absolute, port))
                    .await
                    .map_err(|_| ResolveError)?;
                let mut peers: Vec<SocketAddr> = Vec::new();
                for peer in found {
                    if !peers.contains(&peer) {
                        peers.push(peer);
                    }
                }
                if peers.is_empty() {
                    Err(ResolveError)
                } else {
                    Ok(peers)
                }
            }
        }
    }
}
