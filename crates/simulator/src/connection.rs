//! Accepted connections: counted, with a switch that cuts them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What was counted over all connections.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) open: watch::Sender<u64>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            accepted: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            open: watch::Sender::new(0),
        }
    }
}

/// A handler's hold on its connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Cuts the connection.
    pub(crate) kill: CancellationToken,
    /// The last write could not go on.
    blocked: AtomicBool,
}

impl Connection {
    /// Waits until what was written has reached the socket, five seconds at most: a client that
    /// does not read must not keep a cut from happening.
    pub(crate) async fn flushed(&self) {
        for _ in 0..5_000 {
            if !self.blocked.load(Ordering::Acquire) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The listener behind `axum::serve`.
pub(crate) struct CountingListener {
    pub(crate) inner: TcpListener,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: CancellationToken,
}

impl Listener for CountingListener {
    type Io = CountingIo;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, addr) = Listener::accept(&mut self.inner).await;
        // axum leaves this off, and then kept-alive clients wait for delayed acknowledgements. A
        // failure means that the peer is gone already.
        stream.set_nodelay(true).ok();
        self.counters.accepted.fetch_add(1, Ordering::AcqRel);
        self.counters.open.send_modify(|open| *open += 1);
        let kill = self.stop.child_token();
        let cancelled = Box::pin(kill.clone().cancelled_owned());
        let connection = Arc::new(Connection {
            kill,
            blocked: AtomicBool::new(false),
        });
        let io = CountingIo {
            stream,
            connection,
            cancelled,
            counters: Arc::clone(&self.counters),
        };
        (io, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// A connection whose bytes are counted.
pub(crate) struct CountingIo {
    stream: TcpStream,
    connection: Arc<Connection>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    counters: Arc<Counters>,
}

impl CountingIo {
    fn killed(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.cancelled.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.connection
            .blocked
            .store(result.is_pending(), Ordering::Release);
        result
    }
}

impl Drop for CountingIo {
    fn drop(&mut self) {
        // The body may hold the connection longer than the socket lives.
        self.connection.kill.cancel();
        self.counters.open.send_modify(|open| *open -= 1);
    }
}

impl AsyncRead for CountingIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.killed(cx)?;
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        if read > 0 {
            self.counters.bytes.fetch_add(read, Ordering::AcqRel);
        }
        result
    }
}

impl AsyncWrite for CountingIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.killed(cx)?;
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.killed(cx)?;
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a handler gets with its request.
#[derive(Clone)]
pub(crate) struct Peer(pub(crate) Arc<Connection>);

impl Connected<IncomingStream<'_, CountingListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, CountingListener>) -> Self {
        Self(Arc::clone(&stream.io().connection))
    }
}
