//! A server that records every byte it is sent. Its purpose is to have received none.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// The server. Stops when dropped.
#[derive(Debug)]
pub struct Capture {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: Mutex<Vec<u8>>,
    connections: AtomicUsize,
}

impl Shared {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Capture {
    /// Listens on a free loopback port and answers every connection with `response`, once it has sent
    /// something.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(response: &'static [u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&shared), response));
        Self {
            address,
            shared,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made, whether or not they sent anything.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Everything that was received.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.bytes().clone()
    }

    /// Asserts that nobody connected and nothing was received.
    ///
    /// # Panics
    /// When a connection was made or a byte was received.
    pub fn assert_untouched(&self) {
        assert_eq!(self.connections(), 0, "somebody connected");
        assert_eq!(self.shared.bytes().len(), 0, "something was sent");
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, response: &'static [u8]) {
    while let Ok((mut socket, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            let mut answered = false;
            while let Ok(n @ 1..) = socket.read(&mut buffer).await {
                shared.bytes().extend_from_slice(&buffer[..n]);
                if !answered && !response.is_empty() && complete(&shared.bytes()) {
                    answered = true;
                    if socket.write_all(response).await.is_err() || socket.shutdown().await.is_err()
                    {
                        return;
                    }
                }
            }
        });
    }
}

/// Whether the bytes end in a whole request, as far as `content-length` tells.
fn complete(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).rposition(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head
        .rsplit("content-length:")
        .next()
        .filter(|_| head.contains("content-length:"))
        .and_then(|rest| rest.lines().next())
        .and_then(|text| text.trim().parse::<usize>().ok())
        .unwrap_or(0);
    bytes.len() - end - 4 >= length
}
