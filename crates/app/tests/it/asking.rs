//! A person is asked: what they see first, the keys they press, and that nothing but a key and the passphrase decides.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use handshake_simulator::{Model, Simulator};
use serde_json::{Value, json};

use crate::it::{
    gateway::{Gateway, serving_with_factor},
    machine::{Machine, Running},
    mission::{
        cloud_script, enable_cloud, enrol_cloud, init, runtime, simulator, wait_for_pending,
        with_factor,
    },
    terminal::Terminal,
};

const PASSPHRASE: &str = "correct horse battery staple 7";
const KEY: &str = "sk-live-4f9Qz7LwX2mN8vB1";
const MODEL: &str = "cloud/sim-large:latest";

pub fn enrolled(runtime: &tokio::runtime::Runtime) -> (Machine, Simulator) {
    let cloud = simulator(runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    (machine, cloud)
}

fn asks(machine: &Machine, prompt: &str) -> (Running, String) {
    let call = machine.start(&["--json", "chat", "--model", MODEL, "--session", "s", prompt]);
    let id = wait_for_pending(machine);
    (call, id)
}

/// Runs `approve`, waits for the question, presses, and gives what came of it.
fn pressing(machine: &Machine, keys: &str) -> (i32, String) {
    let mut terminal = Terminal::run(machine, &["approve"]);
    terminal.see("q leave it: ");
    terminal.press(keys);
    terminal.end()
}

fn waits(machine: &Machine) -> bool {
    let lines = machine.json(&["consent", "list"]).1;
    lines.iter().any(|line| line["kind"] == "pending")
}

#[test]
fn p3_one_key_decides_and_nothing_else_does() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    let (_call, _id) = asks(&machine, "what is the answer");
    let mut terminal = Terminal::run(&machine, &["approve"]);
    // Typed ahead of the question.
    terminal.type_ahead("yyyy");
    terminal.see("q leave it: ");
    // Pasted, capital, Enter, an arrow, another size of the window: none of them is an answer.
    for keys in ["yes", "Y", "\n", "\u{1b}[A", " ", "x", "é"] {
        terminal.press(keys);
    }
    terminal.resize(10, 40);
    std::thread::sleep(Duration::from_millis(500));
    assert!(terminal.runs());
    assert!(
        !terminal.screen().contains("assphrase ("),
        "{}",
        terminal.screen()
    );
    terminal.press("s");
    terminal.see("what is the answer");
    terminal.see("q leave it: ");
    terminal.press("q");
    let (code, screen) = terminal.end();
    assert_eq!(code, 4, "{screen}");
    assert!(screen.contains("The call is still pending."), "{screen}");
    // Ctrl-C and the end of the input leave it undecided, too.
    for keys in ["\u{3}", "\u{4}"] {
        let (code, screen) = pressing(&machine, keys);
        assert_eq!(code, 4, "{screen}");
        assert!(waits(&machine));
    }
    // And so does a terminal that goes away.
    let mut terminal = Terminal::run(&machine, &["approve"]);
    terminal.see("q leave it: ");
    drop(terminal);
    assert!(waits(&machine));
    // A yes needs the passphrase, and an empty one is none.
    let mut terminal = Terminal::run(&machine, &["approve"]);
    terminal.see("q leave it: ");
    terminal.press("y");
    terminal.see("Approval passphrase");
    terminal.type_line("");
    assert_eq!(terminal.end().0, 4);
    assert!(waits(&machine));
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));

    let (code, screen) = pressing(&machine, "n");
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Denied. Nothing was sent."), "{screen}");
    assert!(!waits(&machine));
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn p3_a_lease_says_its_limits_before_and_what_it_has_left_after() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    let (mut call, _id) = asks(&machine, "what is the answer");
    let mut terminal = Terminal::run(&machine, &["approve"]);
    terminal.see("a lease: up to 200 such calls, 64 KiB new each, 2 MiB in all, 30 min idle, 8 h");
    terminal.see("q leave it: ");
    terminal.press("l");
    terminal.see("Approval passphrase");
    terminal.type_line(PASSPHRASE);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(call.0.wait().expect("it ends").success());
    assert_eq!(machine.chat(MODEL, "and again").0, 0);
    assert_eq!(cloud.requests(), 2);
    let lines = machine.json(&["consent", "list"]).1;
    let receipt = lines
        .iter()
        .find(|line| line["kind"] == "receipt")
        .expect("one");
    let left = &receipt["left"];
    assert_eq!(
        (&left["uses"], &left["max_uses"]),
        (&json!(198), &json!(200))
    );
    let new = left["new_bytes"].as_u64().expect("bytes");
    assert!(new < 2 << 20 && new > (2 << 20) - 1000, "{left}");
    let seconds = left["seconds"].as_u64().expect("seconds");
    assert!((1700..=1800).contains(&seconds), "{left}");
    let text = String::from_utf8(machine.run(&["consent", "list"]).stdout).expect("text");
    assert!(text.contains("198 calls, 1.9 MiB new, 29 min"), "{text}");
    let id = receipt["receipt"]["consent_receipt_id"]
        .as_str()
        .expect("an id");
    let shown = machine.run(&["consent", "show", &id[..8]]);
    assert!(shown.status.success());
    let text = String::from_utf8(shown.stdout).expect("text");
    assert!(text.contains("198 calls, 1.9 MiB new, 29 min"), "{text}");
    assert_eq!(machine.json(&["consent", "revoke", id]).0, 0);
    let lines = machine.json(&["consent", "show", id]).1;
    assert_eq!(
        (&lines[0]["void"], &lines[0]["left"]),
        (&json!(true), &Value::Null)
    );
}

/// A client's call that goes on beside the test.
pub fn beside(gateway: &Gateway, body: &Value) -> TcpStream {
    let mut socket = TcpStream::connect(&gateway.address).expect("connected");
    let body = body.to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\nx-handshake-session: s\r\ncontent-length: {}\r\n\r\n{body}",
        gateway.address,
        gateway.token,
        body.len()
    );
    socket.write_all(request.as_bytes()).expect("sent");
    socket
}

/// What `consent show` prints of the one question that waits, with what differs from run to run taken out.
pub fn screen(machine: &Machine, more: &[&str]) -> String {
    let id = wait_for_pending(machine);
    let output = machine.run(&[&["consent", "show", &id], more].concat());
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

pub fn settled(text: &str, cloud: &Simulator) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut line = line.replace(&cloud.addr().to_string(), "127.0.0.1:PORT");
        if let Some(at) = line.find("fingerprint ") {
            line.replace_range(at + 12..at + 36, "FINGERPRINT");
        }
        if let Some(at) = line.find("your last yes (") {
            line.replace_range(at + 15..line.len() - 1, "TIME");
        }
        if line.starts_with("[sent before]")
            && let Some(at) = line.rfind('#')
        {
            line.replace_range(at.., "#HASH");
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// Says no, and lets the client ask again.
pub fn denied(machine: &Machine) {
    let id = wait_for_pending(machine);
    assert_eq!(machine.json(&["deny", &id]).0, 0);
    let mut terminal = Terminal::run(machine, &["consent", "reopen"]);
    assert_eq!(terminal.end().0, 0);
}

/// Whether the first screen is one: 15 lines of 80 columns at most, then the content.
pub fn fits(text: &str) {
    let first: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with('['))
        .collect();
    // The heading has an empty line before it, and there is one after the facts.
    assert!(
        first.len() <= 16 && first.last() == Some(&""),
        "{}:\n{text}",
        first.len()
    );
    for line in first {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

fn body(messages: &Value) -> Value {
    let tool = |name: &str, text: &str| {
        json!({ "type": "function", "function": {
            "name": name, "description": text,
            "parameters": { "type": "object", "properties": { "path": { "type": "string" } } },
        } })
    };
    json!({
        "model": MODEL, "stream": false, "messages": messages,
        "tools": [tool("Read", "Reads a file."), tool("Bash", "Runs a command.")],
    })
}

fn rules(n: usize) -> String {
    (1..=n)
        .map(|n| format!("Rule {n} of the agent.\n"))
        .collect()
}

#[test]
fn s13_each_kind_of_question_has_its_first_screen() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    enable_cloud(&machine, &["tool_calling=yes"]);
    let gateway = serving_with_factor(machine);
    let machine = &gateway.machine;
    let system = json!({ "role": "system", "content": rules(40) });
    let env = "<env>\nWorking directory: /home/ada/acme\nPlatform: linux\n</env>";
    let mut said = vec![
        system,
        json!({ "role": "user", "content": [
            { "type": "text", "text": env }, { "type": "text", "text": "What does src/main.rs do?" },
        ] }),
    ];
    let shown = |name: &str, more: &[&str]| {
        let text = screen(machine, more);
        fits(&text);
        insta::assert_snapshot!(name, settled(&text, &cloud));
    };

    // The first one of a client: everything is new.
    let mut call = beside(&gateway, &body(&json!(said)));
    wait_for_pending(machine);
    shown("first", &[]);
    let (code, text) = with_factor(machine, &["approve", "--lease"]);
    assert_eq!(code, 0, "{text}");
    let mut answer = String::new();
    call.read_to_string(&mut answer).expect("answered");
    assert!(answer.contains("forty-two"), "{answer}");

    // The system prompt changed: a diff, and what was sent before in a line each.
    said.push(json!({ "role": "assistant", "content": "Let me look." }));
    said.push(json!({ "role": "user", "content": "Yes, go on." }));
    said[0]["content"] = json!(rules(40).replace("Rule 20 of", "Rule 20, but not on Sundays, of"));
    let _call = beside(&gateway, &body(&json!(said)));
    wait_for_pending(machine);
    shown("system_changed", &[]);
    shown("system_changed_all", &["--all"]);
    denied(machine);
    said[0]["content"] = json!(rules(40));

    // A tool changed, one is new, and one is gone.
    let mut other = body(&json!(said));
    other["tools"][0]["function"]["description"] = json!("Reads a file, or a folder.");
    other["tools"][1]["function"]["name"] = json!("Shell");
    let _call = beside(&gateway, &other);
    wait_for_pending(machine);
    shown("tools_changed", &[]);
    denied(machine);

    // Another field.
    let mut other = body(&json!(said));
    other["user"] = json!("ada@acme.example");
    let _call = beside(&gateway, &other);
    wait_for_pending(machine);
    shown("fields_changed", &[]);
    denied(machine);

    // More new bytes than the lease allows at once, most of which say little.
    let data = format!(
        "see this:\n{}\nand tell me",
        "QUJDREVGR0hJSktM".repeat(5000)
    );
    said.push(json!({ "role": "user", "content": data }));
    let _call = beside(&gateway, &body(&json!(said)));
    wait_for_pending(machine);
    shown("limit", &[]);
    denied(machine);
    said.pop();

    // Something that needs attention: it is marked where it stands, and no lease covers it.
    said.push(
        json!({ "role": "user", "content": "Please pay it to IBAN DE89370400440532013000 today" }),
    );
    let _call = beside(&gateway, &body(&json!(said)));
    wait_for_pending(machine);
    shown("finding", &[]);
    let mut terminal = Terminal::run(machine, &["approve"]);
    terminal.see("this call only: something in it needs your attention each time; or a lease");
    terminal.see("y this call · w lease with what was found · n deny · s show everything");
    terminal.press("l");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press("q");
    let (code, text) = terminal.end();
    assert_eq!(code, 4, "{text}");
    assert!(!text.contains("3704004405"), "{text}");
    let (code, text) = with_factor(machine, &["approve", "--lease"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("no lease can cover this call"), "{text}");
    assert!(text.contains("add `--waive`"), "{text}");
    denied(machine);
    said.pop();

    // After a pause.
    assert_eq!(machine.json(&["pause"]).0, 0);
    let (code, text) = with_factor(machine, &["resume"]);
    assert_eq!(code, 0, "{text}");
    let _call = beside(&gateway, &body(&json!(said)));
    wait_for_pending(machine);
    shown("after_pause", &[]);
    denied(machine);
    assert_eq!(cloud.requests(), 1);
}

#[test]
fn s13_another_model_and_a_picture_have_their_first_screens() {
    let runtime = runtime();
    let script = cloud_script().model(Model::new("sim-other:latest").context_length(32_768));
    let cloud = simulator(&runtime, script);
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    for (model, capability) in [
        ("sim-other:latest", "supports_streaming=yes"),
        ("sim-large:latest", "supports_vision=yes"),
    ] {
        let (code, text) = with_factor(
            &machine,
            &[
                "provider",
                "enable",
                "cloud",
                model,
                "--capability",
                capability,
                "--capability",
                "supports_multi_turn=yes",
            ],
        );
        assert_eq!(code, 0, "{text}");
    }
    let gateway = serving_with_factor(machine);
    let machine = &gateway.machine;
    let ask = |model: &str, content: Value| {
        json!({ "model": format!("cloud/{model}"), "stream": false,
            "messages": [{ "role": "user", "content": content }] })
    };
    let mut call = beside(&gateway, &ask("sim-large:latest", json!("What is this?")));
    wait_for_pending(machine);
    let (code, text) = with_factor(machine, &["approve", "--lease"]);
    assert_eq!(code, 0, "{text}");
    let mut answer = String::new();
    call.read_to_string(&mut answer).expect("answered");
    let shown = |name: &str| {
        let text = screen(machine, &[]);
        fits(&text);
        insta::assert_snapshot!(name, settled(&text, &cloud));
        denied(machine);
    };
    let _call = beside(&gateway, &ask("sim-other:latest", json!("What is this?")));
    shown("model");
    let picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
    let content = json!([
        { "type": "text", "text": "What is this?" },
        { "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{picture}") } },
    ]);
    let _call = beside(&gateway, &ask("sim-large:latest", content));
    shown("picture");
    assert_eq!(cloud.requests(), 1);
}

#[test]
fn s10_s13_content_stays_behind_its_rule_and_raw_hides_no_byte() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    let prompt = "first\n[new] you, 3 B\n\u{1b}[2J\u{202e}q leave it: y\rforged\nla la";
    let (_call, id) = asks(&machine, prompt);
    let text = screen(&machine, &[]);
    for line in text
        .lines()
        .filter(|line| line.contains("forged") || line.contains("3 B"))
    {
        assert!(line.starts_with("  | "), "{line}");
    }
    assert!(text.contains("\\u{1b}[2J\\u{202e}q leave it"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{text}");
    let raw = machine.run(&["consent", "show", &id, "--raw"]).stdout;
    let plan = &machine.json(&["consent", "show", &id]).1[0];
    assert_eq!(Some(raw.len() as u64), plan["plan"]["max_bytes"].as_u64());
    let body: Value = serde_json::from_slice(&raw).expect("the body");
    assert_eq!(body["messages"][0]["content"], json!(prompt));
    assert_eq!(
        plan["shown"]["summary"]["new"]["parts"],
        json!(plan["shown"]["parts"].as_array().map(Vec::len))
    );
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}
