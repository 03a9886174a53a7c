//! Taking back, pausing, stopping, and asking again, as a person at a terminal and a client of the gateway see it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use handshake_simulator::{Fault, Model, Reply, Rule, Script, Simulator};
use serde_json::{Value, json};

use crate::it::{
    gateway::{Gateway, serve, serving_with_factor},
    machine::Machine,
    mission::{enrol_cloud, init, runtime, simulator, wait_for_pending, with_factor},
    terminal::Terminal,
};

const PASSPHRASE: &str = "correct horse battery staple 7";
const KEY: &str = "sk-live-4f9Qz7LwX2mN8vB1";
const SOON: Duration = Duration::from_secs(3);

fn endless() -> Script {
    Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::chunks(vec!["again and "; 40]).fault(
            Fault::StallAfter {
                bytes: 2000,
                ms: None,
            },
        )))
}

fn short() -> Script {
    Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::text("forty-two")))
}

/// A gateway whose one provider plays the cloud.
fn cloud_gateway(cloud: &Simulator) -> Gateway {
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, cloud, KEY);
    serving_with_factor(machine)
}

fn ask(text: &str, stream: bool) -> String {
    json!({ "model": "cloud/sim-large:latest", "stream": stream,
        "messages": [{ "role": "user", "content": text }] })
    .to_string()
}

/// One call that goes on beside the test, and what came of it so far.
struct Beside(Arc<Mutex<String>>);

impl Beside {
    fn post(gateway: &Gateway, body: &str) -> Self {
        let mut socket = TcpStream::connect(&gateway.address).expect("connected");
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
            gateway.address,
            gateway.token,
            body.len()
        );
        socket.write_all(request.as_bytes()).expect("sent");
        let text = Arc::new(Mutex::new(String::new()));
        let read = Arc::clone(&text);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = socket.read(&mut buffer) {
                let piece = String::from_utf8_lossy(&buffer[..n]).into_owned();
                read.lock().expect("lock").push_str(&piece);
            }
        });
        Self(text)
    }

    fn see(&self, wanted: &str, within: Duration) -> String {
        let until = Instant::now() + within;
        loop {
            let text = self.0.lock().expect("lock").clone();
            if text.contains(wanted) {
                return text;
            }
            assert!(Instant::now() < until, "{wanted} did not come: {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A client that reads a stream under a lease, and the lease's receipt.
fn streaming(gateway: &Gateway) -> (Beside, String) {
    let client = Beside::post(gateway, &ask("6 x 7?", true));
    let _pending = wait_for_pending(&gateway.machine);
    let receipt = approve_lease(&gateway.machine);
    client.see("again and", SOON);
    (client, receipt)
}

/// Approves the only pending call as a lease, without naming it, at the second try.
fn approve_lease(machine: &Machine) -> String {
    let mut terminal = Terminal::run(machine, &["approve", "--lease"]);
    terminal.see("Approval passphrase");
    terminal.type_line("not the passphrase at all");
    terminal.see("Wrong passphrase. Try again");
    terminal.type_line(PASSPHRASE);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    let receipts = machine.json(&["consent", "list"]).1;
    let live = |line: &&Value| line["kind"] == "receipt" && line["void"] == false;
    let receipt = receipts.iter().find(live).expect("a receipt");
    receipt["receipt"]["consent_receipt_id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

fn is_idle(runtime: &tokio::runtime::Runtime, cloud: &Simulator) {
    let idle = runtime.block_on(async { tokio::time::timeout(SOON, cloud.wait_idle()).await });
    idle.expect("the provider sees the end of the connection");
}

#[test]
fn rt_b08_p3_p4_a_revocation_from_another_terminal_ends_the_clients_stream_and_stop_ends_all() {
    let runtime = runtime();
    let cloud = simulator(&runtime, endless());
    let gateway = cloud_gateway(&cloud);
    let machine = &gateway.machine;
    let (client, receipt) = streaming(&gateway);
    let began = Instant::now();
    let (code, lines) = machine.json(&["consent", "revoke", &receipt[..8]]);
    assert_eq!((code, &lines[0]["revoked"]), (0, &json!(receipt)));
    let text = client.see("HSK-403-CLOUD-CONSENT-REQUIRED", SOON);
    assert!(text.contains("consent revoked"), "{text}");
    assert!(
        !text.contains("[DONE]"),
        "it does not look complete: {text}"
    );
    is_idle(&runtime, &cloud);
    assert!(began.elapsed() < SOON);
    let events = machine.json(&["log", "tail", "-n", "100"]).1;
    let revoked = |line: &&Value| line["type"] == "revoked" && line["what"] == "receipt";
    let revoked: Vec<_> = events.iter().filter(revoked).collect();
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0]["consent_receipt_id"], json!(receipt));

    // Stop: what streams ends, what comes waits, and only the factor lets it go on.
    let (client, _receipt) = streaming(&gateway);
    let (code, lines) = machine.json(&["stop"]);
    assert_eq!((code, &lines[0]["revoked"]), (0, &json!(1)));
    client.see("HSK-403-CLOUD-CONSENT-REQUIRED", SOON);
    is_idle(&runtime, &cloud);
    let checks = machine.json(&["doctor"]).1[0]["checks"].clone();
    let checks = checks.as_array().expect("checks");
    assert!(
        checks
            .iter()
            .any(|it| it["message"] == "cloud calls are paused")
    );
    let denied = gateway.post(&ask("6 x 7?", false), "prefer: wait=1\r\n");
    assert_eq!(denied.status, 400, "{}", denied.body);
    assert_eq!(denied.json()["error"]["code"], "HSK-403-GOVERNANCE-LOCKED");
    assert!(denied.body.contains("handshake resume"), "{}", denied.body);
    let (code, lines) = machine.json(&["resume"]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (3, &json!("HSK-403-FACTOR-REQUIRED"))
    );
    let (code, screen) = with_factor(machine, &["resume"]);
    assert_eq!(code, 0, "{screen}");
    let denied = gateway.post(&ask("6 x 7?", false), "prefer: wait=0\r\n");
    assert_eq!(
        denied.json()["error"]["code"],
        "HSK-403-CLOUD-CONSENT-REQUIRED"
    );
}

#[test]
fn p8_p9_s12_after_a_denial_the_answer_names_the_time_left_and_what_was_decided() {
    let runtime = runtime();
    let cloud = simulator(&runtime, short());
    let gateway = cloud_gateway(&cloud);
    let machine = &gateway.machine;
    let client = Beside::post(&gateway, &ask("6 x 7?", false));
    let id = wait_for_pending(machine);
    let short = machine.json(&["deny", "abc"]).1[0]["error"]["message"].clone();
    assert!(
        short.as_str().is_some_and(|it| it.contains("at least 4")),
        "{short}"
    );
    assert_eq!(machine.json(&["deny", &id[..4]]).0, 0);
    client.see("HSK-403-CLOUD-ESCALATION-DENIED", SOON);
    for args in [["deny", &id], ["approve", &id]] {
        let (code, lines) = machine.json(&args);
        assert_ne!(code, 0, "{args:?}");
        let said = lines[0]["error"]["message"].as_str().expect("a message");
        assert!(
            said.contains("this call was denied already"),
            "{args:?}: {said}"
        );
    }
    let again = gateway.post(&ask("please", false), "");
    assert_eq!(again.status, 400, "{}", again.body);
    let head = again.head.to_ascii_lowercase();
    let wait = head
        .split("retry-after: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next())
        .and_then(|wait| wait.parse::<u64>().ok())
        .expect("a time");
    assert!((1..=60).contains(&wait), "{wait}");
    let said = again.json()["error"]["message"]
        .as_str()
        .expect("text")
        .to_owned();
    assert!(said.contains("denied by a person"), "{said}");
    assert!(said.contains(&format!("ask again in {wait} s")), "{said}");
    assert!(!said.contains("pending"), "{said}");
    assert_eq!((cloud.requests(), cloud.bytes_received()), (0, 0));
    // A person lets it ask again; a script does not.
    assert_eq!(machine.json(&["consent", "reopen"]).0, 3);
    let (code, screen) = Terminal::run(machine, &["consent", "reopen"]).end();
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("editor may ask again for cloud"),
        "{screen}"
    );
    let waits = gateway.post(&ask("please", false), "prefer: wait=0\r\n");
    assert_eq!(
        waits.json()["error"]["code"],
        "HSK-403-CLOUD-CONSENT-REQUIRED"
    );
}

#[test]
fn rt_b13_rt_b16_s51_s64_a_flood_of_denials_is_counted_and_a_clients_own_token_stays_here() {
    const CALLS: u64 = 300;
    let runtime = runtime();
    let cloud = simulator(&runtime, short());
    let gateway = cloud_gateway(&cloud);
    let machine = &gateway.machine;
    let body = ask(&format!("my key is {}, use it", gateway.token), false);
    for _ in 0..CALLS {
        let denied = gateway.post(&body, "");
        assert_eq!(denied.status, 400);
        assert_eq!(denied.json()["error"]["code"], "HSK-403-LEAKAGE-BLOCKED");
        assert!(!denied.body.contains(&gateway.token));
    }
    assert_eq!((cloud.requests(), cloud.bytes_received()), (0, 0));
    // Counts are written a second later at most.
    std::thread::sleep(Duration::from_secs(2));
    let events = machine.json(&["log", "tail", "-n", "1000"]).1;
    let of_client = |line: &&Value| line["principal"]["name"] == "editor";
    let mine: Vec<_> = events.iter().filter(of_client).collect();
    assert!(mine.len() <= 60, "{} events", mine.len());
    let sum: u64 = mine
        .iter()
        .map(|line| match line["type"].as_str() {
            Some("leakage_blocked") => 1,
            Some("gate_denied") => line["count"].as_u64().unwrap_or(1),
            _ => 0,
        })
        .sum();
    assert_eq!(sum, CALLS, "{mine:?}");

    // One gateway for one home.
    let mut second = machine.command(&["--json", "serve", "--listen", "127.0.0.1:0"]);
    let second = second.output().expect("it ends");
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let said = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(
        said.contains("another gateway serves this home already"),
        "{said}"
    );
    // A foreign name in an absolute target, or in a second header, is no name of ours.
    let post = |target: &str, more: &str| {
        gateway.raw(&format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\n{more}connection: close\r\n\r\n",
            gateway.address
        ))
    };
    assert_eq!(post("http://evil.example/healthz", "").status, 403);
    let ours = format!("http://{}/healthz", gateway.address);
    assert_eq!(post(&ours, "").status, 200);
    assert_eq!(post("/healthz", "host: evil.example\r\n").status, 400);
    // The lock goes with the process, however it ended.
    let (machine, token) = gateway.end();
    let _again = serve(machine, token);
}

/// What is written into `policy.toml` counts for what is on its way too.
#[test]
fn rt_b08_a_policy_that_locks_cloud_ends_what_streams() {
    for rule in ["locked = true\n", "cloud = false\n"] {
        let runtime = runtime();
        let cloud = simulator(&runtime, endless());
        let gateway = cloud_gateway(&cloud);
        let machine = &gateway.machine;
        let (client, _receipt) = streaming(&gateway);
        machine.write("home/policy.toml", rule);
        let said = client.see("HSK-403-GOVERNANCE-LOCKED", SOON);
        assert!(said.contains("locked by policy"), "{said}");
        assert!(
            !said.contains("[DONE]"),
            "it does not look complete: {said}"
        );
        is_idle(&runtime, &cloud);
        assert_eq!(cloud.requests(), 1);
        let events = machine.json(&["log", "tail", "-n", "100"]).1;
        let ended = |line: &Value| line["type"] == "call_failed" && line["outcome"] == "cancelled";
        assert!(events.iter().any(ended), "{events:?}");
    }
}

/// For whoever has no command at hand: the process, or the folder. Neither asks, neither can be undone without the factor.
#[test]
fn rt_b08_a_signal_or_a_file_stops_as_the_command_does() {
    let runtime = runtime();
    let cloud = simulator(&runtime, endless());
    let gateway = cloud_gateway(&cloud);
    let machine = &gateway.machine;
    let signal = || {
        let id = rustix::process::Pid::from_child(&gateway.running.0);
        rustix::process::kill_process(id, rustix::process::Signal::USR1).expect("sent");
    };
    let file = || {
        machine.write("home/run/stop", "");
    };
    let ways: [&dyn Fn(); 2] = [&signal, &file];
    for stop in ways {
        let (client, _receipt) = streaming(&gateway);
        let sent = cloud.requests();
        stop();
        let said = client.see("HSK-403-CLOUD-CONSENT-REQUIRED", SOON);
        assert!(
            !said.contains("[DONE]"),
            "it does not look complete: {said}"
        );
        is_idle(&runtime, &cloud);
        let denied = gateway.post(&ask("6 x 7?", false), "prefer: wait=1\r\n");
        assert_eq!(denied.json()["error"]["code"], "HSK-403-GOVERNANCE-LOCKED");
        assert_eq!(cloud.requests(), sent, "nothing more leaves");
        let events = machine.json(&["log", "tail", "-n", "100"]).1;
        let revoked = |line: &&Value| line["type"] == "revoked" && line["what"] == "receipt";
        assert!(
            events.iter().any(|line| revoked(&line)),
            "its receipt is void"
        );
        assert!(!machine.path("home/run/stop").exists(), "taken once");
        assert_eq!(machine.json(&["resume"]).0, 3, "not without the factor");
        let (code, screen) = with_factor(machine, &["resume"]);
        assert_eq!(code, 0, "{screen}");
    }
    let alive = format!(
        "GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        gateway.address
    );
    assert_eq!(gateway.raw(&alive).status, 200, "the gateway goes on");
}
