//! A client that says exactly what a test wants said.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    /// Without the framing of chunks.
    pub body: Vec<u8>,
    /// Header lines after the last chunk.
    pub trailers: String,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }

    fn parse(all: &[u8]) -> Self {
        let end = find(all, b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no answer: {:?}", String::from_utf8_lossy(all));
        });
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let raw = &all[end + 4..];
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        let chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        let (body, trailers) = match chunked {
            true => dechunk(raw),
            false => (raw.to_vec(), String::new()),
        };
        Self {
            status: status.expect("a status"),
            head,
            body,
            trailers,
        }
    }
}

fn find(all: &[u8], what: &[u8]) -> Option<usize> {
    all.windows(what.len()).position(|window| window == what)
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, String) {
    let mut body = Vec::new();
    while let Some(at) = find(rest, b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..at]).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        rest = &rest[at + 2..];
        if size == 0 {
            return (body, String::from_utf8_lossy(rest).into_owned());
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    (body, String::new())
}

/// A connection.
pub struct Client {
    pub socket: TcpStream,
    seen: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self {
            socket: TcpStream::connect(address).await.expect("connected"),
            seen: Vec::new(),
        }
    }

    /// Says something. A server that hung up is no failure here.
    pub async fn say(&mut self, text: impl AsRef<[u8]>) {
        let _closed = self.socket.write_all(text.as_ref()).await;
    }

    /// Reads until a text was seen; says whether it was.
    pub async fn see(&mut self, text: &str) -> bool {
        let mut buffer = [0; 4096];
        loop {
            if find(&self.seen, text.as_bytes()).is_some() {
                return true;
            }
            match self.socket.read(&mut buffer).await {
                Ok(n @ 1..) => self.seen.extend_from_slice(&buffer[..n]),
                _ => return false,
            }
        }
    }

    /// Everything until the server closes.
    pub async fn rest(mut self) -> Vec<u8> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = tokio::time::timeout(Duration::from_secs(60), self.socket.read(&mut buffer));
            match read.await.expect("the server closes") {
                Ok(n @ 1..) => self.seen.extend_from_slice(&buffer[..n]),
                // A server that cut the connection may have reset it.
                Ok(0) | Err(_) => return self.seen,
            }
        }
    }

    pub async fn answer(self) -> Answer {
        Answer::parse(&self.rest().await)
    }
}

/// One request on a connection of its own.
pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let mut client = Client::connect(address).await;
    client
        .say(head(address, method, path, headers, body.len()))
        .await;
    client.say(body).await;
    client.answer().await
}

pub fn head(address: SocketAddr, method: &str, path: &str, headers: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close, te\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n"
    )
}
