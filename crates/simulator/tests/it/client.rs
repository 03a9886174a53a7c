//! A hand-written HTTP/1.1 client that reports what arrived and whether it was whole.

use std::time::Duration;

use handshake_simulator::{Reply, Rule, Script, SimConfig, Simulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest that any exchange of these tests takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// HTTP chunks, where the body was chunked.
    pub(crate) chunks: Vec<Vec<u8>>,
    /// The body ended as HTTP says.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (have, value) = line.split_once(": ")?;
            (have == name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// A simulator with one rule for every chat call.
pub(crate) async fn replying(reply: impl Into<Reply>) -> Simulator {
    scripted(Script::new().rule(Rule::new(reply))).await
}

/// A simulator with a script.
pub(crate) async fn scripted(script: Script) -> Simulator {
    Simulator::start(SimConfig::with_script(script))
        .await
        .expect("the simulator starts")
}

/// Writes a request and leaves the connection open.
pub(crate) async fn begin(
    sim: &Simulator,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> TcpStream {
    let mut stream = TcpStream::connect(sim.addr()).await.expect("connects");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n{head}\r\n{body}",
        sim.addr(),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("writes");
    stream
}

/// One exchange with further header lines; `None` where no head came.
pub(crate) async fn exchange(
    sim: &Simulator,
    method: &str,
    path: &str,
    head: &str,
    body: &str,
) -> Option<Answer> {
    let mut stream = begin(sim, method, path, head, body).await;
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset ends a body as an end of file does; what came before it stays in `bytes`.
    read.expect("the connection ends in time").ok();
    parse(&bytes)
}

/// One GET.
pub(crate) async fn get(sim: &Simulator, path: &str) -> Answer {
    exchange(sim, "GET", path, "", "").await.expect("answers")
}

/// One POST.
pub(crate) async fn post(sim: &Simulator, path: &str, body: &serde_json::Value) -> Answer {
    exchange(sim, "POST", path, "", &body.to_string())
        .await
        .expect("answers")
}

/// What `bytes` hold of an answer.
pub(crate) fn parse(bytes: &[u8]) -> Option<Answer> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..at].to_vec()).expect("the head is text");
    let status = head[9..12].parse().expect("a status");
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
        chunks: Vec::new(),
        whole: false,
    };
    let mut rest = &bytes[at + 4..];
    if answer.header("transfer-encoding") == Some("chunked") {
        while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&rest[..line]).expect("a chunk size");
            let size = usize::from_str_radix(size, 16).expect("a chunk size");
            rest = &rest[line + 2..];
            if size == 0 {
                answer.whole = true;
                break;
            }
            let chunk = &rest[..size.min(rest.len())];
            answer.body.extend_from_slice(chunk);
            answer.chunks.push(chunk.to_vec());
            rest = rest.get(size + 2..).unwrap_or_default();
        }
    } else {
        let length: usize = answer
            .header("content-length")
            .map_or(0, |value| value.parse().expect("a length"));
        answer.body = rest.to_vec();
        answer.whole = rest.len() == length;
    }
    Some(answer)
}

/// The data of every server-sent event, comments left out.
pub(crate) fn events(answer: &Answer) -> Vec<String> {
    answer
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
        .collect()
}

/// The JSON of every line or event that is JSON.
pub(crate) fn frames(answer: &Answer) -> Vec<serde_json::Value> {
    answer
        .text()
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap_or(line)).ok())
        .collect()
}

/// A minimal chat request on either wire.
pub(crate) fn chat(stream: bool) -> serde_json::Value {
    serde_json::json!({
        "model": "sim-small:latest",
        "messages": [{"role": "user", "content": "hello there"}],
        "stream": stream,
    })
}

pub(crate) const OLLAMA: &str = "/api/chat";
pub(crate) const OPENAI: &str = "/v1/chat/completions";
