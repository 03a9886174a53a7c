//! Names to addresses.

use std::net::SocketAddr;

use async_trait::async_trait;

use crate::base_url::Host;

/// A host that has no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("host not found")]
pub struct ResolveError;

/// Resolves hosts.
///
/// # Contract
/// Returns every address, in the resolver's order. A literal address resolves to itself and `localhost`
/// to loopback, without any query. Called only for hosts of provider records, and never after a denial.
#[async_trait]
pub trait PeerResolver: Send + Sync {
    /// The addresses of a host, with the port.
    ///
    /// # Errors
    /// [`ResolveError`]; an empty list is never returned.
    async fn resolve(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, ResolveError>;
}
