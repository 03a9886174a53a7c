//! The gateway, as OpenAI clients use it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use handshake_simulator::{Model, Reply, Rule, Script};
use serde_json::{Value, json};

use crate::it::{
    machine::{Machine, Running},
    mission::{runtime, simulator, with_factor},
};

pub struct Gateway {
    pub machine: Machine,
    pub address: String,
    pub token: String,
    pub running: Running,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }
}

pub fn gateway(setup: &[Vec<String>]) -> Gateway {
    let machine = Machine::new();
    for args in setup {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, lines) = machine.json(&args);
        assert_eq!(code, 0, "{lines:?}");
    }
    serving(machine)
}

/// A client's token, and the gateway that takes it.
pub fn serving(machine: Machine) -> Gateway {
    let (code, lines) = machine.json(&["token", "create", "editor"]);
    assert_eq!(code, 0, "{lines:?}");
    let token = lines[0]["token"].as_str().expect("shown once").to_owned();
    serve(machine, token)
}

/// The same over a home with an approval passphrase, which a token is not made without.
pub fn serving_with_factor(machine: Machine) -> Gateway {
    let token = token_with_factor(&machine, "editor");
    serve(machine, token)
}

/// A client's token in a home with an approval passphrase, read off the screen.
pub fn token_with_factor(machine: &Machine, name: &str) -> String {
    let (code, screen) = with_factor(machine, &["--json", "token", "create", name]);
    assert_eq!(code, 0, "{screen}");
    let at = screen.find("hsk_").expect("shown once");
    screen[at..at + 47].to_owned()
}

/// Serves a home that is there.
pub fn serve(machine: Machine, token: String) -> Gateway {
    let running = machine.start(&["--json", "serve", "--listen", "127.0.0.1:0"]);
    listening(machine, token, running)
}

/// A gateway that was started just now, once it says where it listens.
pub fn listening(machine: Machine, token: String, mut running: Running) -> Gateway {
    let mut line = String::new();
    let stdout = running.0.stdout.take().expect("piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it says where");
    let said: Value = serde_json::from_str(&line).expect("JSON");
    let address = said["listening"].as_str().expect("an address").to_owned();
    Gateway {
        machine,
        address,
        token,
        running,
    }
}

impl Gateway {
    /// Ends it; its home stays.
    pub fn end(self) -> (Machine, String) {
        drop(self.running);
        (self.machine, self.token)
    }

    pub fn raw(&self, request: &str) -> Answer {
        let mut socket = TcpStream::connect(&self.address).expect("connected");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("answered");
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .expect("a status");
        let chunked = head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked");
        let body = if chunked {
            dechunk(body)
        } else {
            body.to_owned()
        };
        Answer {
            status,
            head: head.to_owned(),
            body,
        }
    }

    pub fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        ))
    }

    pub fn post(&self, body: &str, more: &str) -> Answer {
        let headers = format!("authorization: Bearer {}\r\n{more}", self.token);
        self.request("POST", "/v1/chat/completions", &headers, body)
    }
}

fn dechunk(body: &str) -> String {
    let (mut rest, mut text) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        text.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    text
}

pub fn add(id: &str, kind: &str, url: &str) -> Vec<String> {
    ["provider", "add", id, "--kind", kind, "--base-url", url]
        .map(str::to_owned)
        .to_vec()
}

pub fn models(id: &str) -> Vec<String> {
    ["provider", "models", id].map(str::to_owned).to_vec()
}

pub fn script() -> Script {
    Script::new()
        .model(
            Model::new("small")
                .capabilities(&["completion", "tools"])
                .context_length(8192),
        )
        .rule(Rule::new(Reply::chunks(["one ", "two"])))
}

#[test]
fn c1_a_same_shape_body_reaches_a_local_server_untouched_but_for_the_model() {
    let runtime = runtime();
    let local = simulator(&runtime, script());
    let gateway = gateway(&[
        add("llama", "openai_compat", &local.openai_url()),
        models("llama"),
    ]);
    let body = "{ \"stream\":false, \"temperature\": 0.70,\n \"model\":\"llama/small\",\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00ef\"}] }";
    let answer = gateway.post(body, "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "one two");
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop");
    assert!(
        answer.head.contains("x-handshake-tier: local"),
        "{}",
        answer.head
    );
    let received = local.received();
    let sent = received
        .iter()
        .rfind(|r| r.path.ends_with("/chat/completions"))
        .expect("one");
    assert_eq!(
        String::from_utf8_lossy(&sent.body),
        body.replace("llama/small", "small")
    );
    assert_eq!(
        sent.header("authorization"),
        None,
        "the client's token stays here"
    );
}

#[test]
fn b5_streams_come_as_chunks_across_shapes() {
    let runtime = runtime();
    let local = simulator(&runtime, script());
    let gateway = gateway(&[add("ollama", "ollama", &local.url())]);
    let body = json!({ "model": "ollama/small", "stream": true, "stream_options": { "include_usage": true },
        "messages": [{ "role": "user", "content": "hi" }] });
    let answer = gateway.post(&body.to_string(), "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("text/event-stream"));
    let chunks: Vec<&str> = answer
        .body
        .split("\n\n")
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert_eq!(chunks.last(), Some(&"[DONE]"));
    let text: String = chunks
        .iter()
        .filter_map(|chunk| serde_json::from_str::<Value>(chunk).ok())
        .filter_map(|chunk| {
            chunk
                .pointer("/choices/0/delta/content")
                .and_then(Value::as_str)
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(text, "one two");
    let refused = gateway.post(
        &json!({ "model": "ollama/small", "logit_bias": { "1": 2 },
        "messages": [{ "role": "user", "content": "hi" }] })
        .to_string(),
        "",
    );
    assert_eq!(
        refused.status, 400,
        "a field that the other shape cannot carry is refused: {}",
        refused.body
    );
}

#[test]
fn s01_a_client_token_opens_model_routes_and_nothing_else() {
    let runtime = runtime();
    let local = simulator(&runtime, script());
    let gateway = gateway(&[
        add("llama", "openai_compat", &local.openai_url()),
        models("llama"),
    ]);
    let chat = r#"{"model":"llama/small","messages":[{"role":"user","content":"x"}]}"#;
    assert_eq!(
        gateway
            .request("POST", "/v1/chat/completions", "", chat)
            .status,
        401
    );
    assert_eq!(
        gateway
            .request(
                "POST",
                "/v1/chat/completions",
                "authorization: Bearer hsk_wrong\r\n",
                chat
            )
            .status,
        401
    );
    assert_eq!(
        gateway.post(chat, "origin: http://evil.example\r\n").status,
        403
    );
    let foreign = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{chat}",
        gateway.token,
        chat.len()
    );
    assert_eq!(gateway.raw(&foreign).status, 403);
    let headers = format!("authorization: Bearer {}\r\n", gateway.token);
    for path in [
        "/handshake/v1/consent",
        "/handshake/v1/providers",
        "/",
        "/metrics",
        "/v1/files",
        "/v1/assistants",
    ] {
        let status = gateway.request("GET", path, &headers, "").status;
        assert!(status == 404 || status == 405, "{path} answered {status}");
    }
    let listed = gateway.request("GET", "/v1/models", &headers, "");
    assert_eq!(listed.json()["data"][0]["id"], "llama/small");
    assert_eq!(
        gateway
            .request("GET", "/v1/models/llama/small", &headers, "")
            .status,
        200
    );
    let in_path = format!("/t/{}/v1/models", gateway.token);
    assert_eq!(gateway.request("GET", &in_path, "", "").status, 200);
    assert_eq!(gateway.request("GET", "/healthz", "", "").body, "ok");
    let (_, lines) = gateway.machine.json(&["token", "revoke", "editor"]);
    drop(lines);
    assert_eq!(
        gateway.post(chat, "").status,
        401,
        "a revoked token opens nothing"
    );
}

#[test]
fn a7_a_model_name_that_a_daemon_would_forward_is_refused_before_any_byte() {
    let runtime = runtime();
    let local = simulator(&runtime, script());
    let gateway = gateway(&[add("ollama", "ollama", &local.url())]);
    let before = local.bytes_received();
    let answer = gateway.post(r#"{"model":"ollama/gpt-oss:20b-cloud","messages":[{"role":"user","content":"secret plan"}]}"#, "");
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(
        answer.head.contains("x-should-retry: false"),
        "{}",
        answer.head
    );
    let text = answer.body.clone();
    assert!(text.contains("HSK-"), "{text}");
    assert!(!text.contains("secret plan"), "{text}");
    let leaked = local
        .received()
        .iter()
        .any(|r| String::from_utf8_lossy(&r.body).contains("secret plan"));
    assert!(!leaked);
    let asked = local.bytes_received() - before;
    assert_eq!(asked, 0, "the daemon was asked about the name");
}

#[test]
fn c1_a_service_manager_stops_the_gateway_in_order() {
    let mut gateway = gateway(&[]);
    let child = &mut gateway.running.0;
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("told");
    let ended = child.wait().expect("ended");
    assert_eq!(
        ended.code(),
        Some(0),
        "it ends by itself, and not by the signal"
    );
}
