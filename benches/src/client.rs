//! A client that keeps its connection: HTTP/1.1 as far as three servers of known habits need it, so that what is
//! measured is not the client.

use std::{
    io::{BufRead as _, BufReader, Error, Read as _, Result, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// The longest wait for a byte.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer's status; its body is with the client until the next call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Status {
    /// The number.
    pub(crate) code: u16,
    /// Whether it says when to come again.
    pub(crate) retry_after: bool,
}

/// One kept connection.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    body: Vec<u8>,
    line: String,
}

/// The bytes of a request.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: &str,
) -> Vec<u8> {
    let bearer = if token.is_empty() {
        String::new()
    } else {
        format!("authorization: Bearer {token}\r\n")
    };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{bearer}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Client {
    /// Connects at the first call.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            body: Vec::new(),
            line: String::new(),
        }
    }

    /// Sends and reads the whole answer. After an error the next call connects again.
    pub(crate) fn call(&mut self, request: &[u8]) -> Result<Status> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        stream.get_mut().write_all(request)?;
        let (status, keep) = self.answer(&mut stream)?;
        if keep {
            self.stream = Some(stream);
        }
        Ok(status)
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(BufReader::with_capacity(16 << 10, stream))
    }

    fn answer(&mut self, stream: &mut BufReader<TcpStream>) -> Result<(Status, bool)> {
        let (mut length, mut chunked, mut keep, mut retry_after) = (None, false, true, false);
        let code = self
            .line(stream)?
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| Error::other("not HTTP"))?;
        loop {
            let line = self.line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse::<u64>().ok();
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                keep = !value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after = true;
            }
        }
        self.body.clear();
        if chunked {
            loop {
                let size = self.line(stream)?;
                let size =
                    u64::from_str_radix(size, 16).map_err(|_| Error::other("not a chunk"))?;
                stream.take(size).read_to_end(&mut self.body)?;
                self.line(stream)?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = length {
            stream.take(length).read_to_end(&mut self.body)?;
        } else {
            stream.read_to_end(&mut self.body)?;
            keep = false;
        }
        Ok((Status { code, retry_after }, keep))
    }

    /// A line without its end.
    fn line(&mut self, stream: &mut BufReader<TcpStream>) -> Result<&str> {
        self.line.clear();
        if stream.read_line(&mut self.line)? == 0 {
            return Err(Error::other("the connection closed"));
        }
        Ok(self.line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// A server that sends these bytes at each request.
    fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bound");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("accepted");
            for answer in answers {
                let _request = socket.read(&mut [0; 4096]);
                socket.write_all(answer.as_bytes()).expect("sent");
            }
        });
        address
    }

    #[test]
    fn answers_of_a_length_and_in_chunks_are_read_over_one_connection() {
        let address = server(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\nA\r\n 2 3 4 5 6\r\n0\r\n\r\n",
            "HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
        ]);
        let mut client = Client::new(address);
        let request = request(address, "GET", "/", "", "");
        assert_eq!(client.call(&request).expect("answered").code, 200);
        assert_eq!(client.body(), b"hello");
        assert_eq!(client.call(&request).expect("answered").code, 200);
        assert_eq!(client.body(), b"one 2 3 4 5 6");
        let limited = client.call(&request).expect("answered");
        assert_eq!((limited.code, limited.retry_after), (429, true));
        assert!(client.call(&request).is_err(), "it closed");
    }
}
