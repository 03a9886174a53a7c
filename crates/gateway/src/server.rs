//! The listener: connections, heads and silence within bounds. The one place of the gateway that has sockets.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

use crate::gateway::Gateway;

/// Between two tries where the system has no more descriptors.
const BREATH: Duration = Duration::from_millis(50);
/// More headers than any client sends.
const MAX_HEADERS: usize = 100;

/// A bound port of this machine.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// The address is no loopback address ([`io::ErrorKind::InvalidInput`]), or cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let inner = TcpListener::bind(address).await?;
        let address = inner.local_addr()?;
        Ok(Self { inner, address })
    }

    /// Where it listens, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until `stop`, then drains.
pub(crate) async fn serve(gateway: Gateway, listener: Listener, stop: impl Future<Output = ()>) {
    let shared = Arc::clone(&gateway.shared);
    let limits = shared.limits.clone();
    let router = TowerToHyperService::new(gateway.router());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_header_size(limits.header_bytes)
        .max_headers(MAX_HEADERS)
        .max_buf_size(limits.header_bytes.max(16 << 10))
        .half_close(false);
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        // At the bound nobody is taken: whoever waits waits in the system's queue, for a place that bounded heads,
        // bodies and answers give back.
        let slot = tokio::select! {
            () = &mut stop => break,
            slot = Arc::clone(&shared.slots.connections).acquire_owned() => slot,
        };
        let Ok(slot) = slot else { break };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.inner.accept() => accepted,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                if !gone(&error) {
                    tokio::time::sleep(BREATH).await;
                }
                continue;
            }
        };
        let connection =
            http.serve_connection(TokioIo::new(bounded(socket, limits.unread)), router.clone());
        let connection = graceful.watch(connection);
        let shared = Arc::clone(&shared);
        shared.metrics.connections.inc();
        tokio::spawn(async move {
            // Whatever ends a connection ends its calls; there is nobody left to tell.
            let _ended = connection.await;
            shared.metrics.connections.dec();
            drop(slot);
        });
    }
    drop(listener);
    let _slower = tokio::time::timeout(limits.drain, graceful.shutdown()).await;
}

/// The client left before it was taken: no reason to pause.
fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

fn bounded(socket: TcpStream, unread: Duration) -> std::pin::Pin<Box<TimeoutStream<TcpStream>>> {
    // Nagle's algorithm costs a kept-alive client 40 ms an answer.
    let _slower = socket.set_nodelay(true);
    let mut socket = TimeoutStream::new(socket);
    // A client that reads nothing would hold its call for ever.
    socket.set_write_timeout(Some(unread));
    Box::pin(socket)
}
