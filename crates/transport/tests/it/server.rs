//! A raw server: it reads one request per connection and answers with exactly these bytes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// One step of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Bytes.
    Send(&'static [u8]),
    /// Nothing, for a while.
    Wait(Duration),
    /// Waits until the client is gone, and notes it.
    Gone,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    gone: Arc<tokio::sync::Semaphore>,
}

impl Server {
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            requests: Arc::default(),
            gone: Arc::new(tokio::sync::Semaphore::new(0)),
        };
        let seen = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(seen.clone().serve(socket, acts.clone()));
            }
        });
        server
    }

    pub(crate) async fn answering(bytes: &'static [u8]) -> Self {
        Self::start(vec![Act::Send(bytes)]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, heads and bodies; an empty one is a connection that said nothing.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("unpoisoned").clone()
    }

    /// Waits until a connection was seen to be closed by the client.
    pub(crate) async fn seen_gone(&self) {
        let gone = tokio::time::timeout(Duration::from_secs(5), self.gone.acquire()).await;
        gone.expect("the client never closed")
            .expect("open")
            .forget();
    }

    async fn serve(self, mut socket: TcpStream, acts: Vec<Act>) {
        let at = {
            let mut requests = self.requests.lock().expect("unpoisoned");
            requests.push(String::new());
            requests.len() - 1
        };
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !complete(&request) {
            match socket.read(&mut buffer).await {
                Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                _ => return,
            }
        }
        self.requests.lock().expect("unpoisoned")[at] = String::from_utf8(request).expect("text");
        for act in acts {
            match act {
                Act::Send(bytes) => {
                    if socket.write_all(bytes).await.is_err() {
                        return;
                    }
                }
                Act::Wait(time) => tokio::time::sleep(time).await,
                Act::Gone => {
                    while matches!(socket.read(&mut buffer).await, Ok(n) if n > 0) {}
                    self.gone.add_permits(1);
                }
            }
        }
        let _closed = socket.shutdown().await;
    }
}

pub(crate) fn complete(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |text| text.parse().expect("a length"));
    request.len() >= end + 4 + length
}
