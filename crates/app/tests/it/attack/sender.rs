//! A client that writes what it is given, and keeps its connection while the gateway does.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::body::Attempt;

pub struct Sender {
    address: String,
    socket: Option<TcpStream>,
}

impl Sender {
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            socket: None,
        }
    }

    /// The status of the answer, or its code where it has one; none where the gateway answered nothing.
    pub fn send(&mut self, attempt: &Attempt, wait: &str) -> Option<String> {
        let head = attempt.head(&self.address, wait);
        let kept = self.socket.take();
        let fresh = kept.is_none();
        let answer = self.once(kept, &head, &attempt.body);
        // A kept connection may have been closed in the meantime.
        if answer.is_none() && !fresh {
            return self.once(None, &head, &attempt.body);
        }
        answer
    }

    fn once(&mut self, socket: Option<TcpStream>, head: &str, body: &[u8]) -> Option<String> {
        let mut socket = match socket {
            Some(socket) => socket,
            None => TcpStream::connect(&self.address).ok()?,
        };
        socket
            .set_read_timeout(Some(Duration::from_secs(120)))
            .ok()?;
        socket.set_nodelay(true).ok()?;
        socket.write_all(&[head.as_bytes(), body].concat()).ok()?;
        let (mut seen, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        loop {
            if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
                let status = head.split(' ').nth(1)?.to_owned();
                let length = head.lines().find_map(|line| {
                    line.strip_prefix("content-length:")?
                        .trim()
                        .parse::<usize>()
                        .ok()
                });
                let whole = match length {
                    Some(length) => seen.len() >= end + 4 + length,
                    None => {
                        seen.ends_with(b"0\r\n\r\n")
                            || head.contains("trailer") && seen.ends_with(b"\r\n\r\n")
                    }
                };
                if whole {
                    if !head.contains("connection: close") {
                        self.socket = Some(socket);
                    }
                    return Some(code(&seen[end..]).unwrap_or(status));
                }
                if length.is_none() && !head.contains("chunked") {
                    return Some(code(&seen[end..]).unwrap_or(status));
                }
            }
            match socket.read(&mut buffer) {
                Ok(n @ 1..) => seen.extend_from_slice(&buffer[..n]),
                _ => return None,
            }
        }
    }
}

fn code(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let at = text.find("HSK-")?;
    let is_code = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    text[at..].split(|c| !is_code(c)).next().map(str::to_owned)
}
