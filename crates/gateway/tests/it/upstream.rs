//! A model server that answers byte for byte what a test wrote, in pieces, and waits where it says so.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// What it says.
#[derive(Clone, Debug)]
pub enum Piece {
    /// These bytes.
    Say(Vec<u8>),
    /// Nothing, until [`Upstream::go_on`].
    Wait,
}

/// The server.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    pieces: Vec<Piece>,
    gate: Semaphore,
    received: Mutex<Vec<Vec<u8>>>,
    hung_up: AtomicUsize,
}

pub fn say(bytes: impl AsRef<[u8]>) -> Piece {
    Piece::Say(bytes.as_ref().to_vec())
}

impl Upstream {
    pub async fn start(pieces: Vec<Piece>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            pieces,
            gate: Semaphore::new(0),
            received: Mutex::default(),
            hung_up: AtomicUsize::new(0),
        });
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&served)));
            }
        });
        Self { address, shared }
    }

    /// With a head and a body of a known length.
    pub async fn whole(head: &str, body: &str) -> Self {
        let head = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        Self::start(vec![say(head)]).await
    }

    /// A stream of server-sent events in these pieces.
    pub async fn stream(pieces: Vec<Piece>) -> Self {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req-7\r\n\r\n";
        let mut all = vec![say(head)];
        all.extend(pieces);
        Self::start(all).await
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Ends one wait.
    pub fn go_on(&self) {
        self.shared.gate.add_permits(1);
    }

    /// The bodies of the requests so far.
    pub fn bodies(&self) -> Vec<String> {
        let received = self.shared.received.lock().expect("not poisoned");
        received
            .iter()
            .map(|body| String::from_utf8_lossy(body).into_owned())
            .collect()
    }

    /// How many answers their readers left before the end.
    pub fn hung_up(&self) -> usize {
        self.shared.hung_up.load(Ordering::SeqCst)
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let Some(body) = request(&mut socket).await else {
        return;
    };
    shared.received.lock().expect("not poisoned").push(body);
    for piece in &shared.pieces {
        match piece {
            Piece::Say(bytes) => {
                if socket.write_all(bytes).await.is_err() {
                    shared.hung_up.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                let _flushed = socket.flush().await;
                tokio::task::yield_now().await;
            }
            Piece::Wait => {
                let mut byte = [0; 1];
                tokio::select! {
                    permit = shared.gate.acquire() => permit.expect("open").forget(),
                    // Nothing more is sent by a client that is still there.
                    _ = socket.read(&mut byte) => {
                        shared.hung_up.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                }
            }
        }
    }
    let _closed = socket.shutdown().await;
}

async fn request(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|length| length.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if seen.len() >= end + 4 + length {
                return Some(seen.split_off(end + 4));
            }
        }
        match socket.read(&mut buffer).await {
            Ok(n @ 1..) => seen.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}
