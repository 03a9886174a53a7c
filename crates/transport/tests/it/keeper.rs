//! A server that answers more than once on a connection, in a thread of its own, and counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::server::complete;

/// What the server does after an answer. None of it is announced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    /// Waits for the next request.
    Keep,
    /// Closes at once.
    Close,
    /// Closes when no request came for a while.
    CloseIdle(Duration),
    /// Closes when it is told to, in [`Keeper::close_idle`].
    CloseWhenTold,
    /// Resets the connection at once.
    Reset,
}

#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    pub(crate) address: SocketAddr,
    connects: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    gone: Arc<Semaphore>,
    pub(crate) go_on: Arc<Semaphore>,
    close: Arc<Semaphore>,
    closed: Arc<Semaphore>,
}

const HALF: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
const REST: &[u8] = b"1\r\n}\r\n0\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

impl Keeper {
    /// Answers every request at once.
    pub(crate) async fn start(after: After) -> Self {
        Self::at("127.0.0.1:0", vec![OK], after).await
    }

    /// Sends half of the answer, and the rest when `go_on` permits it.
    pub(crate) async fn halting() -> Self {
        Self::at("127.0.0.1:0", vec![HALF, REST], After::Keep).await
    }

    /// Sends the parts, each but the first when `go_on` permits it.
    pub(crate) async fn at(address: &str, parts: Vec<&'static [u8]>, after: After) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let keeper = Self {
            address: listener.local_addr().expect("an address"),
            connects: Arc::default(),
            requests: Arc::default(),
            gone: Arc::new(Semaphore::new(0)),
            go_on: Arc::new(Semaphore::new(0)),
            close: Arc::new(Semaphore::new(0)),
            closed: Arc::new(Semaphore::new(0)),
        };
        let seen = keeper.clone();
        let serve = async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((socket, _)) = listener.accept().await {
                seen.connects.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(seen.clone().serve(socket, parts.clone(), after));
            }
        };
        // Of its own, so that what it does races with the client as it does in life. Ends with the process.
        std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("a runtime");
            runtime.block_on(serve);
        });
        keeper
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connects(&self) -> usize {
        self.connects.load(Ordering::SeqCst)
    }

    /// The complete requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("unpoisoned").clone()
    }

    /// Waits until the client was seen to close `count` connections.
    pub(crate) async fn seen_gone(&self, count: u32) {
        let gone = self.gone.acquire_many(count);
        let gone = tokio::time::timeout(Duration::from_secs(10), gone).await;
        gone.expect("the client never closed")
            .expect("open")
            .forget();
    }

    /// Has the one idle connection closed by the server.
    pub(crate) async fn close_idle(&self) {
        self.close.add_permits(1);
        self.closed.acquire().await.expect("open").forget();
    }

    /// How many closed connections nobody has waited for.
    pub(crate) fn gone(&self) -> usize {
        self.gone.available_permits()
    }

    async fn serve(self, mut socket: TcpStream, parts: Vec<&'static [u8]>, after: After) {
        socket.set_nodelay(true).expect("a socket");
        loop {
            let next = self.request(&mut socket);
            let next = match after {
                After::CloseIdle(idle) => tokio::time::timeout(idle, next).await,
                After::CloseWhenTold => tokio::select! {
                    request = next => Ok(request),
                    permit = self.close.acquire() => {
                        permit.expect("open").forget();
                        drop(socket);
                        self.closed.add_permits(1);
                        return;
                    }
                },
                _ => Ok(next.await),
            };
            let request = match next {
                Ok(Some(request)) => request,
                Ok(None) => {
                    self.gone.add_permits(1);
                    return;
                }
                Err(_) => return,
            };
            self.requests.lock().expect("unpoisoned").push(request);
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    let mut rest = [0; 16];
                    tokio::select! {
                        permit = self.go_on.acquire() => permit.expect("open").forget(),
                        _ = socket.read(&mut rest) => {
                            self.gone.add_permits(1);
                            return;
                        }
                    }
                }
                socket.write_all(part).await.expect("written");
            }
            match after {
                After::Keep | After::CloseIdle(_) | After::CloseWhenTold => {}
                After::Close => return,
                After::Reset => {
                    socket.set_zero_linger().expect("a socket");
                    return;
                }
            }
        }
    }

    /// The next request; `None` at the end of the connection.
    async fn request(&self, socket: &mut TcpStream) -> Option<String> {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !complete(&request) {
            match socket.read(&mut buffer).await {
                Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                _ => return None,
            }
        }
        Some(String::from_utf8(request).expect("text"))
    }
}
