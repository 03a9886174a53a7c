//! Thousands of secrets go through every door, and everything that is kept or told is searched for them.
//!
//! Each stands in a request: in what a person wrote, a tool gave, a model said before, a name, a header, a path, a body
//! that is no JSON. Some requests wait for a person, some are blocked, some are answered, by a server that repeats what
//! it got or fails with it. Afterwards the home, what is noted outside it, its exports, the trace, the metrics and what
//! commands print are searched for each in ten encodings. `HANDSHAKE_CANARIES` says how many.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
};

use handshake_simulator::{Fault, Model, Reply, Rule, Script};
use handshake_testkit::canary::{Canary, Net};
use serde_json::json;

use super::{Field, SYSTEM, number};
use crate::it::{
    gateway::{Gateway, listening, models, token_with_factor},
    machine::{Machine, Running},
};

const CANARIES: u64 = 400;
const PREFIX: &str = "canary-";
/// So many in one request.
const EACH: usize = 5;

/// What is to come of a request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    /// It waits for a person, or is refused because too much waits.
    Waits,
    /// It holds a secret of a known shape beside.
    Blocked,
    /// The local server answers it.
    Answered,
    /// The local server answers it in pieces.
    Streamed,
    /// The local server fails, and repeats what it got.
    Fails,
    /// There is no such model.
    Unknown,
    /// It is no JSON.
    Broken,
    /// A member stands twice.
    Twice,
    /// There is no such route.
    Lost,
    /// Nobody knows who asks.
    Nobody,
}

const KINDS: [Kind; 10] = [
    Kind::Waits,
    Kind::Blocked,
    Kind::Answered,
    Kind::Streamed,
    Kind::Fails,
    Kind::Unknown,
    Kind::Broken,
    Kind::Twice,
    Kind::Lost,
    Kind::Nobody,
];

/// A request with these secrets in it.
struct Asked {
    path: String,
    token: String,
    headers: String,
    body: String,
}

fn asked(kind: Kind, field: &Field, hidden: &[&str]) -> Asked {
    let [user, tool, said, system, rest] = hidden else {
        panic!("five of them");
    };
    let model = match kind {
        Kind::Waits | Kind::Blocked => "cloud/sim-large:latest".to_owned(),
        Kind::Fails => "llama/broken".to_owned(),
        Kind::Unknown => format!("llama/{rest}"),
        _ => "llama/small".to_owned(),
    };
    let beside = match kind {
        Kind::Blocked => format!(" and {}", field.secrets.key),
        _ => String::new(),
    };
    let mut body = json!({
        "model": model,
        "stream": kind == Kind::Streamed,
        "user": rest,
        "stop": [rest],
        "messages": [
            { "role": "system", "content": format!("{SYSTEM} {system}") },
            { "role": "user", "content": format!("look at {user}{beside}") },
            { "role": "assistant", "content": said, "tool_calls": [{ "id": "call_1", "type": "function",
                "function": { "name": "read_file", "arguments": json!({ "path": tool, *rest: 1 }).to_string() } }] },
            { "role": "tool", "tool_call_id": "call_1", "content": tool },
        ],
        "tools": [{ "type": "function", "function": { "name": "read_file", "description": said,
            "parameters": { "type": "object", "properties": { "path": { "type": "string", "description": system } } } } }],
    })
    .to_string();
    match kind {
        Kind::Broken => body.truncate(body.len() - 1),
        Kind::Twice => body.insert_str(1, &format!(r#""user":"{user}","#)),
        _ => {}
    }
    let path = match kind {
        Kind::Lost => format!("/v1/files/{user}?purpose={rest}"),
        _ => "/v1/chat/completions".to_owned(),
    };
    let token = match kind {
        Kind::Nobody => format!("hsk_{rest}"),
        _ => field.secrets.editor.clone(),
    };
    let headers = format!(
        "x-request-id: {said}\r\nuser-agent: {tool}\r\nopenai-organization: {system}\r\nx-stainless-arch: {rest}\r\n"
    );
    Asked {
        path,
        token,
        headers,
        body,
    }
}

fn send(address: &str, asked: &Asked) -> String {
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\nprefer: wait=0\r\n{}content-length: {}\r\n\r\n{}",
        asked.path,
        asked.token,
        asked.headers,
        asked.body.len(),
        asked.body
    );
    let mut socket = TcpStream::connect(address).expect("connected");
    socket.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Serves the home, with the steps of each call written to a file.
fn traced(machine: Machine, token: String) -> Gateway {
    let trace = File::create(machine.path("trace")).expect("made");
    let mut command = machine.command(&[
        "--json",
        "--log-format",
        "json",
        "serve",
        "--listen",
        "127.0.0.1:0",
    ]);
    let command = command.stdout(Stdio::piped()).stderr(trace);
    let running = Running(command.spawn().expect("started"));
    listening(machine, token, running)
}

/// What the commands print that tell what there is, and what there was.
fn told(machine: &Machine) -> Vec<(String, Vec<u8>)> {
    let export = machine.path("export");
    let export = export.to_str().expect("UTF-8");
    let commands: [&[&str]; 10] = [
        &["log", "export", export],
        &["log", "tail", "-n", "100000"],
        &["--json", "log", "tail", "-n", "100000"],
        &["log", "verify"],
        &["--json", "log", "gaps"],
        &["--json", "consent", "list"],
        &["pending"],
        &["status"],
        &["--json", "doctor"],
        &["--json", "provider", "list"],
    ];
    let said = commands.iter().map(|args| {
        let output = machine.run(args);
        (args.join(" "), [output.stdout, output.stderr].concat())
    });
    said.collect()
}

/// A server that repeats in what it says, and in how it fails, what is secret.
fn repeating(said: &str, failed: &str) -> Script {
    let model = |name: &str| {
        Model::new(name)
            .capabilities(&["completion", "tools"])
            .context_length(1_000_000)
    };
    let failure = json!({ "error": { "message": failed, "type": failed, "code": failed } });
    let fault = Fault::status_body(400, "application/json", failure.to_string());
    Script::new()
        .model(model("small"))
        .model(model("broken"))
        .rule(Rule::new(Reply::text("").fault(fault)).model("broken"))
        .rule(Rule::new(Reply::text(said)))
}

#[test]
fn a15_rt_secrets_001_nothing_that_is_kept_or_told_holds_what_went_through() {
    let count = number("HANDSHAKE_CANARIES", CANARIES);
    let canaries: Vec<Canary> = (0..count + 2).map(|n| Canary::new(PREFIX, n)).collect();
    let net = Net::new(PREFIX, &canaries);
    let (said, failed) = (&canaries[0], &canaries[1]);
    let mut field = Field::new();
    let script = repeating(said.text(), failed.text());
    field.local.set_script(script).expect("a script");
    let (machine, token) = field.gateway.end();
    let refresh = models("llama");
    let refresh: Vec<&str> = refresh.iter().map(String::as_str).collect();
    let (code, lines) = machine.json(&refresh);
    assert_eq!(code, 0, "{lines:?}");
    for model in ["small", "broken"] {
        let mut args = vec!["provider", "enable", "llama", model];
        for can in [
            "supports_tool_calling=yes",
            "supports_streaming=yes",
            "supports_multi_turn=yes",
        ] {
            args.extend(["--capability", can]);
        }
        let (code, lines) = machine.json(&args);
        assert_eq!(code, 0, "{lines:?}");
    }
    let metrics = token_with_factor(&machine, "metrics");
    field.gateway = traced(machine, token);

    let mut answers = std::collections::BTreeMap::new();
    let mut refused = Vec::new();
    for (n, hidden) in canaries[2..].chunks_exact(EACH).enumerate() {
        let kind = KINDS[n % KINDS.len()];
        let hidden: Vec<&str> = hidden.iter().map(Canary::text).collect();
        let answer = send(&field.gateway.address, &asked(kind, &field, &hidden));
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        *answers.entry((kind, status)).or_insert(0) += 1;
        // What a server said is its client's; a refusal of ours repeats nothing but the name that was asked for.
        if matches!(
            kind,
            Kind::Waits | Kind::Blocked | Kind::Broken | Kind::Nobody
        ) {
            refused.push(answer);
        }
    }
    println!("{count} canaries, {net:?}: {answers:?}");
    for (kind, status) in answers.keys() {
        let good = matches!(kind, Kind::Answered | Kind::Streamed);
        assert_eq!(status == "200", good, "{kind:?}: {status}");
    }
    let headers = format!("authorization: Bearer {metrics}\r\n");
    let page = field.gateway.request("GET", "/metrics", &headers, "");
    assert_eq!(page.status, 200);
    // A conversation that is kept.
    let chat = [
        "chat",
        "--session",
        "kept",
        "--model",
        "llama/small",
        canaries[2].text(),
    ];
    let (code, lines) = field.machine().json(&chat);
    assert_eq!(code, 0, "{lines:?}");

    // While it runs, and after it ended.
    let mut found = Vec::new();
    for running in [true, false] {
        for (what, text) in told(field.machine()) {
            let hits = net.hits(&text);
            found.extend(hits.into_iter().map(|hit| format!("{what}: {hit:?}")));
        }
        for place in ["home", "config", "export", "trace"] {
            let folder = field.machine().path(place);
            let hits = match folder.is_dir() {
                true => net.in_folder(&folder).expect("reads"),
                false => {
                    let bytes = std::fs::read(&folder).expect("reads");
                    let hits = net.hits(&bytes);
                    found.extend(hits.into_iter().map(|hit| format!("{place}: {hit:?}")));
                    continue;
                }
            };
            found.extend(hits.into_iter().map(|hit| format!("{hit:?}")));
        }
        if running {
            std::fs::remove_dir_all(field.machine().path("export")).expect("removed");
            let running = std::mem::replace(
                &mut field.gateway.running,
                field.gateway.machine.start(&["--version"]),
            );
            drop(running);
        }
    }
    found.extend(
        net.hits(page.body.as_bytes())
            .into_iter()
            .map(|hit| format!("metrics: {hit:?}")),
    );
    for answer in &refused {
        found.extend(
            net.hits(answer.as_bytes())
                .into_iter()
                .map(|hit| format!("a refusal: {hit:?}")),
        );
    }
    assert!(
        found.is_empty(),
        "{} hits: {:?}",
        found.len(),
        &found[..found.len().min(20)]
    );
    assert_eq!(
        field.cloud.bytes_received(),
        0,
        "what waits or is blocked is not begun"
    );
    assert!(
        field
            .local
            .received()
            .iter()
            .any(|it| !net.hits(&it.body).is_empty()),
        "it did go through"
    );

    // What is written there is found.
    let planted = canaries.last().expect("many");
    field.machine().sql(&format!(
        "INSERT INTO meta VALUES ('planted', x'{}')",
        hex(planted.text())
    ));
    field.machine().write(
        "config/planted",
        &format!("{{\"note\":\"{}\"}}", planted.text()),
    );
    let at_rest = net.in_folder(&field.machine().path("home")).expect("reads");
    assert!(
        !at_rest.is_empty()
            && !net
                .in_folder(&field.machine().path("config"))
                .expect("reads")
                .is_empty()
    );
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
