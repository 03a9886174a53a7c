//! What listens on this machine is told by its marks: at enrolment, before its first use, and ever after.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::{Value, json};

use crate::it::machine::{Machine, Running};

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;
const MODELS: &str = r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#;

#[derive(Clone, Default)]
struct Says {
    headers: &'static str,
    pages: BTreeMap<&'static str, &'static str>,
}

/// A model server whose marks a test chooses. Keeps the heads of what it was sent.
struct Server {
    address: SocketAddr,
    shared: Arc<(Mutex<Says>, Mutex<Vec<String>>)>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("not poisoned")
}

impl Server {
    fn start(headers: &'static str, pages: &[(&'static str, &'static str)]) -> Self {
        Self::start_at(0, headers, pages)
    }

    fn start_at(port: u16, headers: &'static str, pages: &[(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared: Arc<(Mutex<Says>, Mutex<Vec<String>>)> = Arc::default();
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                std::thread::spawn(move || serve(socket, &served));
            }
        });
        let server = Self { address, shared };
        server.becomes(headers, pages);
        server
    }

    fn becomes(&self, headers: &'static str, pages: &[(&'static str, &'static str)]) {
        *lock(&self.shared.0) = Says {
            headers,
            pages: pages.iter().copied().collect(),
        };
    }

    fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The heads of all requests so far.
    fn heads(&self) -> Vec<String> {
        lock(&self.shared.1).clone()
    }

    fn posts(&self) -> usize {
        let heads = self.heads();
        heads.iter().filter(|head| head.starts_with("POST")).count()
    }
}

fn serve(socket: TcpStream, shared: &(Mutex<Says>, Mutex<Vec<String>>)) {
    let mut reader = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if matches!(reader.read_line(&mut head), Ok(0) | Err(_)) {
                return;
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        lock(&shared.1).push(head);
        let says = lock(&shared.0).clone();
        let known = match &*path {
            "/v1/chat/completions" => Some(ANSWER),
            "/v1/models" => Some(MODELS),
            path => says.pages.get(path).copied(),
        };
        let status = if known.is_some() {
            "200 OK"
        } else {
            "404 Not Found"
        };
        let body = known.unwrap_or("{}");
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}\r\n{body}",
            body.len(),
            says.headers,
        );
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

const OLLAMA: &[(&str, &str)] = &[
    ("/", "Ollama is running"),
    ("/api/version", r#"{"version":"0.20.5"}"#),
    ("/api/tags", r#"{"models":[]}"#),
];

fn add(machine: &Machine, id: &str, url: &str, more: &[&str]) -> (i32, Vec<Value>) {
    let plain = ["provider", "add", id, "--base-url", url];
    machine.json(&[&plain[..], more].concat())
}

#[track_caller]
fn refused((code, lines): &(i32, Vec<Value>), help: &str) {
    assert_eq!(*code, 2, "{lines:?}");
    let error = &lines[0]["error"];
    assert_eq!(error["code"], "HSK-400-INVALID-CONFIG", "{error}");
    let step = error["next_step"].as_str().unwrap_or_default();
    assert!(step.contains(help), "{error}");
}

fn providers(machine: &Machine) -> usize {
    machine.json(&["provider", "list"]).1.len()
}

fn chat(machine: &Machine, model: &str) -> (i32, Option<Value>) {
    let (code, lines) = machine.json(&["chat", "--model", model, "hi"]);
    let error = lines.iter().rev().find_map(|line| line.get("error"));
    (code, error.map(|error| error["code"].clone()))
}

const COMPAT: [&str; 2] = ["--kind", "openai_compat"];

#[test]
fn rt_b01_an_ollama_is_registered_as_one_and_as_nothing_else() {
    let machine = Machine::new();
    // Each of its marks is enough: a proxy before it may hide the others.
    for mark in OLLAMA {
        let server = Server::start("", &[*mark]);
        refused(
            &add(&machine, "loc", &server.url(), &COMPAT),
            "--kind ollama",
        );
        let file = json!([{ "provider_id": "loc", "provider_kind": "openai_compat", "base_url": server.url() }]);
        let file = machine.write("providers.json", &file.to_string());
        let import = ["provider", "import", file.to_str().expect("a path")];
        refused(&machine.json(&import), "--kind ollama");
        assert_eq!(providers(&machine), 0);
        assert_eq!(server.posts(), 0);
    }
    // Nor is another provider pointed there.
    let plain = Server::start("server: llama.cpp\r\n", &[]);
    let (code, lines) = add(&machine, "loc", &plain.url(), &COMPAT);
    assert_eq!(code, 0, "{lines:?}");
    let server = Server::start("", OLLAMA);
    let edit = ["provider", "edit", "loc", "--base-url", &server.url()];
    refused(&machine.json(&edit), "--kind ollama");
    let root = format!("http://{}", server.address);
    let (code, lines) = add(&machine, "daemon", &root, &["--kind", "ollama"]);
    assert_eq!(code, 0, "{lines:?}");
    let heads = server.heads();
    assert!(
        heads.iter().all(|head| head.starts_with("GET")),
        "{heads:?}"
    );
    assert!(
        !heads
            .concat()
            .to_ascii_lowercase()
            .contains("authorization")
    );
}

#[test]
fn s38_a_known_forwarder_is_registered_as_a_relay_or_not_at_all() {
    let machine = Machine::new();
    for (headers, page) in [
        ("x-litellm-version: 1.93.0\r\n", ("/x", "")),
        ("server: Kong/3.11\r\n", ("/x", "")),
        ("via: 1.1 Caddy\r\n", ("/x", "")),
        ("", ("/", "<html><title>Open WebUI</title>")),
        ("", ("/", "AI Gateway says hey!")),
        ("", ("/health/liveliness", "\"I'm alive!\"")),
        // What is forwarded to may leave its marks too.
        ("x-handshake-gateway: 1\r\n", ("/", "Ollama is running")),
    ] {
        let server = Server::start(headers, &[page]);
        for kind in [COMPAT, ["--kind", "ollama"]] {
            let url = server
                .url()
                .replace("/v1", if kind == COMPAT { "/v1" } else { "" });
            refused(&add(&machine, "loc", &url, &kind), "--reach relay");
        }
        assert_eq!(server.posts(), 0);
    }
    assert_eq!(providers(&machine), 0);
}

#[test]
fn s38_a_server_that_was_not_there_at_enrolment_is_told_before_its_first_use() {
    let machine = Machine::new();
    let port = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = port.local_addr().expect("an address");
    drop(port);
    let url = format!("http://{address}/v1");
    let mut plain = vec!["provider", "add", "loc", "--base-url", &url];
    plain.extend(COMPAT);
    let added = machine.run(&plain);
    assert!(added.status.success(), "{added:?}");
    let told = String::from_utf8_lossy(&added.stderr);
    assert!(told.contains("before its first use"), "{told}");

    let listener = TcpListener::bind(address).expect("the same port");
    let shared = Arc::new((Mutex::new(Says::default()), Mutex::default()));
    lock(&shared.0).pages = OLLAMA.iter().copied().collect();
    let served = Arc::clone(&shared);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            serve(socket, &served);
        }
    });
    let server = Server { address, shared };
    assert_eq!(
        chat(&machine, "loc/m"),
        (3, Some(json!("HSK-403-TIER-MISMATCH")))
    );
    assert_eq!(server.posts(), 0);
    assert!(
        machine
            .events()
            .iter()
            .any(|event| event == "tier_mismatch")
    );
}

#[test]
fn s39_another_server_behind_the_same_url_waits_for_a_persons_word() {
    let machine = Machine::new();
    let server = Server::start("server: llama.cpp\r\n", &[]);
    assert_eq!(add(&machine, "loc", &server.url(), &COMPAT).0, 0);
    assert_eq!(chat(&machine, "loc/m").0, 0);
    assert_eq!(server.posts(), 1);

    server.becomes("server: SomethingElse\r\n", &[]);
    let models = machine.json(&["provider", "models", "loc"]);
    assert_eq!(models.1[0]["code"], "HSK-403-TIER-MISMATCH", "{models:?}");
    assert_eq!(
        chat(&machine, "loc/m"),
        (3, Some(json!("HSK-403-TIER-MISMATCH")))
    );
    assert_eq!(server.posts(), 1);
    assert!(
        machine
            .events()
            .iter()
            .any(|event| event == "integrity_alarm")
    );
    let (code, lines) = machine.json(&["provider", "check", "loc"]);
    assert_eq!(
        (code, &lines[0]["state"]),
        (3, &json!("reachable")),
        "{lines:?}"
    );
    let check = machine.run(&["provider", "check", "loc"]);
    let told = String::from_utf8_lossy(&check.stderr) + String::from_utf8_lossy(&check.stdout);
    assert!(told.contains("--accept-server"), "{told}");

    let (code, lines) = machine.json(&["provider", "edit", "loc", "--accept-server"]);
    assert_eq!((code, &lines[0]["revision"]), (0, &json!(2)), "{lines:?}");
    assert_eq!(chat(&machine, "loc/m").0, 0);
    assert_eq!(server.posts(), 2);
}

/// The prompt of one call cannot be taken back; the next one is not sent.
#[test]
fn s38_an_answer_with_a_forwarders_mark_is_the_last_one() {
    let machine = Machine::new();
    let server = Server::start("", &[]);
    assert_eq!(add(&machine, "loc", &server.url(), &COMPAT).0, 0);
    assert_eq!(chat(&machine, "loc/m").0, 0);
    server.becomes("openai-organization: somebody\r\ncf-ray: 8f-FRA\r\n", &[]);
    assert_eq!(
        chat(&machine, "loc/m"),
        (3, Some(json!("HSK-403-TIER-MISMATCH")))
    );
    assert_eq!(server.posts(), 2);
    assert_eq!(
        chat(&machine, "loc/m").1,
        Some(json!("HSK-403-TIER-MISMATCH"))
    );
    assert_eq!(server.posts(), 2);
    assert!(
        machine
            .events()
            .iter()
            .any(|event| event == "integrity_alarm")
    );
}

/// Another account takes the port, and answers as the server did that was there.
#[test]
fn s39_another_account_on_the_port_waits_for_a_persons_word() {
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        println!("only root can start a program of another account: left out");
        return;
    }
    let machine = Machine::new();
    let program = machine.path("handshake");
    let copied = std::process::Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_handshake"))
        .arg(&program)
        .status();
    assert!(copied.is_ok_and(|status| status.success()));
    let folder = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(machine.folder.path(), folder).expect("set");
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = free.local_addr().expect("an address").port().to_string();
    drop(free);
    let daemon = |account: u32| {
        let mut command = std::process::Command::new(&program);
        command
            .args(["--json", "simulate", "--port", &port])
            .env_clear()
            .current_dir("/")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .uid(account)
            .gid(account);
        let mut running = Running(command.spawn().expect("it starts"));
        let mut line = String::new();
        let stdout = running.0.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert!(line.contains(&port) && !line.contains("error"), "{line}");
        running
    };
    let url = format!("http://127.0.0.1:{port}");
    let first = daemon(0);
    assert_eq!(add(&machine, "loc", &url, &["--kind", "ollama"]).0, 0);
    let (_, models) = machine.json(&["provider", "models", "loc"]);
    let model = models[0]["model_id"].as_str();
    let model = format!("loc/{}", model.unwrap_or_else(|| panic!("{models:?}")));
    assert_eq!(chat(&machine, &model).0, 0);
    drop(first);
    let second = daemon(NOBODY);
    let models = machine.json(&["provider", "models", "loc"]);
    assert_eq!(models.1[0]["code"], "HSK-403-TIER-MISMATCH", "{models:?}");
    assert_eq!(
        chat(&machine, &model),
        (3, Some(json!("HSK-403-TIER-MISMATCH")))
    );
    assert_eq!(
        machine
            .json(&["provider", "edit", "loc", "--accept-server"])
            .0,
        0
    );
    assert_eq!(chat(&machine, &model).0, 0);
    drop(second);
}

/// Not a test: a server that is a process of its own, under whatever name. Says where it listens, and how often it was asked
/// for an answer of a model.
#[test]
fn s39_a_server_by_itself() {
    let Ok(port) = std::env::var("HANDSHAKE_TEST_PORT") else {
        return;
    };
    let server = Server::start_at(port.parse().expect("a port"), "", &[]);
    println!("\nlistens {}", server.address.port());
    let mut line = String::new();
    let stdin = std::io::stdin();
    while matches!(stdin.read_line(&mut line), Ok(1..)) {
        println!("\nposts {}", server.posts());
    }
}

/// One of those.
struct ByItself {
    port: u16,
    stdout: BufReader<std::process::ChildStdout>,
    running: Running,
}

impl ByItself {
    fn start(machine: &Machine, name: &str, port: u16) -> Self {
        let program = machine.path(name);
        let this = std::env::current_exe().expect("this program");
        if std::fs::hard_link(&this, &program).is_err() {
            std::fs::copy(&this, &program).expect("copied");
        }
        let mut child = std::process::Command::new(&program)
            .args([
                "--exact",
                "it::servers::s39_a_server_by_itself",
                "--nocapture",
            ])
            .env_clear()
            .env("HANDSHAKE_TEST_PORT", port.to_string())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut server = Self {
            port: 0,
            stdout,
            running: Running(child),
        };
        server.port = server.told("listens ").try_into().expect("a port");
        server
    }

    fn told(&mut self, what: &str) -> usize {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.stdout.read_line(&mut line).expect("a line"),
                0,
                "it ended"
            );
            if let Some(number) = line.trim().strip_prefix(what) {
                return number.parse().expect("a number");
            }
        }
    }

    fn posts(&mut self) -> usize {
        let stdin = self.running.0.stdin.as_mut().expect("piped");
        stdin.write_all(b"\n").expect("asked");
        self.told("posts ")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}

#[test]
#[cfg(target_os = "linux")]
fn s40_a_known_forwarder_in_front_of_a_local_server_is_told_and_named() {
    let machine = Machine::new();
    for name in ["socat", "ssh", "docker-proxy"] {
        let mut server = ByItself::start(&machine, name, 0);
        refused(
            &add(&machine, "loc", &server.url(), &COMPAT),
            &format!("{name} listens there"),
        );
        assert_eq!(providers(&machine), 0);
        assert_eq!(server.posts(), 0);
    }
    let server = ByItself::start(&machine, "engine", 0);
    assert_eq!(add(&machine, "loc", &server.url(), &COMPAT).0, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn s39_another_program_on_the_port_waits_for_a_persons_word() {
    let machine = Machine::new();
    let mut first = ByItself::start(&machine, "engine", 0);
    let port = first.port;
    assert_eq!(add(&machine, "loc", &first.url(), &COMPAT).0, 0);
    assert_eq!(machine.json(&["provider", "models", "loc"]).0, 0);
    assert_eq!(chat(&machine, "loc/m").0, 0);
    assert_eq!(first.posts(), 1);
    drop(first);
    // The same account, the same answers, another file.
    let mut second = ByItself::start(&machine, "other", port);
    let models = machine.json(&["provider", "models", "loc"]);
    assert_eq!(models.1[0]["code"], "HSK-403-TIER-MISMATCH", "{models:?}");
    assert_eq!(
        chat(&machine, "loc/m"),
        (3, Some(json!("HSK-403-TIER-MISMATCH")))
    );
    assert_eq!(second.posts(), 0, "nothing was sent");
    let accepted = machine.json(&["provider", "edit", "loc", "--accept-server"]);
    assert_eq!(accepted.0, 0, "{accepted:?}");
    assert_eq!(chat(&machine, "loc/m").0, 0);
    assert_eq!(second.posts(), 1);
}
