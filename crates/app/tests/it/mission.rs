//! The mission, end to end, through the built binary and a real terminal.

use std::time::{Duration, Instant};

use handshake_simulator::{Model, Reply, Rule, Script, SimConfig, Simulator};
use handshake_testkit::canary::Canary;
use serde_json::Value;

use crate::it::{machine::Machine, terminal::Terminal};

const PASSPHRASE: &str = "correct horse battery staple 7";

/// A runtime for simulators in a test that is otherwise synchronous.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

pub fn simulator(runtime: &tokio::runtime::Runtime, script: Script) -> Simulator {
    runtime
        .block_on(Simulator::start(SimConfig::with_script(script)))
        .expect("started")
}

/// Answers the passphrase question of one command at a terminal.
pub fn with_factor(machine: &Machine, args: &[&str]) -> (i32, String) {
    let mut terminal = Terminal::run(machine, args);
    if args.contains(&"approve") && !args.contains(&"--lease") {
        terminal.see("q leave it: ");
        terminal.press("y");
    }
    terminal.see("assphrase");
    terminal.type_line(PASSPHRASE);
    terminal.end()
}

/// A home that a person made at a terminal.
pub fn init(machine: &Machine) {
    let mut terminal = Terminal::run(machine, &["init"]);
    terminal.see("Choose");
    terminal.type_line(PASSPHRASE);
    terminal.see("Repeat it");
    terminal.type_line(PASSPHRASE);
    recovery_code(&mut terminal);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
}

/// Reads the recovery code off the screen, and says that it was written down.
pub fn recovery_code(terminal: &mut Terminal) -> String {
    terminal.see("Recovery code of this home:");
    terminal.see("Press Enter");
    let screen = terminal.screen();
    let (_, shown) = screen
        .rsplit_once("Recovery code of this home:")
        .expect("shown");
    let code = shown.split_whitespace().next().expect("a code").to_owned();
    assert_eq!(code.split('-').count(), 8, "{code}");
    terminal.type_line("");
    code
}

/// Enrols a simulator that plays the cloud, with its key.
pub fn enrol_cloud(machine: &Machine, cloud: &Simulator, key: &str) {
    let origin = format!("http://{}", cloud.addr());
    enrol_relay(machine, &origin, &cloud.openai_url(), key);
}

/// Enrols what listens at this URL as the cloud, with its key.
pub fn enrol_relay(machine: &Machine, origin: &str, url: &str, key: &str) {
    let (code, screen) = with_factor(
        machine,
        &[
            "provider",
            "add",
            "cloud",
            "--kind",
            "openai_compat",
            "--dialect",
            "generic",
            "--base-url",
            url,
            "--reach",
            "relay",
            "--secret-ref",
            "vault:cloud-key",
        ],
    );
    assert_eq!(code, 0, "{screen}");
    let mut terminal = Terminal::run(machine, &["secret", "set", "cloud-key", "--origin", origin]);
    // The value and the factor are asked for in whatever order; the value once more is not echoed.
    let until = Instant::now() + Duration::from_secs(60);
    let mut answered = 0;
    while answered < 2 && Instant::now() < until {
        let screen = terminal.screen().to_lowercase();
        let questions = screen.matches(": ").count();
        if questions > answered {
            let last = screen.rsplit('\n').next().unwrap_or("").to_owned();
            terminal.type_line(if last.contains("passphrase") {
                PASSPHRASE
            } else {
                key
            });
            answered = questions;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    enable_cloud(machine, &[]);
}

/// Enables the model of the simulator that plays the cloud, with these capabilities beside streams and conversations.
pub fn enable_cloud(machine: &Machine, more: &[&str]) {
    let mut args = vec!["provider", "enable", "cloud", "sim-large:latest"];
    let plain = ["supports_streaming=yes", "supports_multi_turn=yes"];
    for capability in plain.iter().chain(more) {
        args.extend(["--capability", capability]);
    }
    let (code, screen) = with_factor(machine, &args);
    assert_eq!(code, 0, "{screen}");
}

pub fn cloud_script() -> Script {
    Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::text("forty-two")))
}

fn pending(machine: &Machine) -> Option<String> {
    let (_, lines) = machine.json(&["consent", "list"]);
    let waits = lines.iter().find(|line| line["kind"] == "pending")?;
    waits["request"]["request_id"].as_str().map(str::to_owned)
}

pub fn wait_for_pending(machine: &Machine) -> String {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(id) = pending(machine) {
            return id;
        }
        assert!(Instant::now() < until, "nothing waits");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn last(lines: &[Value]) -> &Value {
    lines.last().expect("a line")
}

#[test]
fn a16_the_demo_holds_every_check_without_a_terminal() {
    let machine = Machine::new();
    let (code, lines) = machine.json(&["demo"]);
    assert_eq!(code, 0, "{lines:#?}");
    let checks: Vec<&Value> = lines
        .iter()
        .filter(|line| line["type"] == "check")
        .collect();
    assert!(checks.len() >= 15, "{}", checks.len());
    assert!(
        checks.iter().all(|check| check["ok"] == true),
        "{checks:#?}"
    );
    assert!(
        !machine.path("home").exists(),
        "the demo leaves the real home alone (s06)"
    );
    assert!(
        !machine.path("config").exists(),
        "and the real configuration"
    );
}

#[test]
fn a15_rt_cloud_001_and_002_without_a_receipt_or_with_a_secret_no_byte_is_sent() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    let key = Canary::new("sk-test-", 11);
    init(&machine);
    enrol_cloud(&machine, &cloud, key.text());
    assert_eq!(cloud.connections(), 0, "enrolling contacts nobody");

    // Without anybody: blocked, and not a byte.
    let (code, lines) = machine.json(&[
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "--wait",
        "0",
        "hello",
    ]);
    assert_eq!(code, 4);
    assert_eq!(
        last(&lines)["error"]["code"],
        "HSK-403-CLOUD-CONSENT-REQUIRED"
    );
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));

    // The enrolled key in a prompt: blocked, and nobody is asked (RT-CLOUD-002).
    let prompt = format!("my key is {}", key.text());
    let (code, lines) = machine.json(&["chat", "--model", "cloud/sim-large:latest", &prompt]);
    assert_eq!(code, 3, "{lines:?}");
    assert_eq!(last(&lines)["error"]["code"], "HSK-403-LEAKAGE-BLOCKED");
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn a16_a_person_approves_and_the_call_is_sent_once_with_its_key() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    let key = Canary::new("sk-test-", 12);
    init(&machine);
    enrol_cloud(&machine, &cloud, key.text());
    let mut call = machine.start(&[
        "--json",
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "what is the answer",
    ]);
    let id = wait_for_pending(&machine);

    let (code, screen) = with_factor(&machine, &["approve", &id]);
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("what is the answer"),
        "the content was shown:\n{screen}"
    );
    let status = call.0.wait().expect("it ends");
    let mut text = String::new();
    std::io::Read::read_to_string(call.0.stdout.as_mut().expect("piped"), &mut text).expect("read");
    assert!(status.success(), "{text}");
    assert!(text.contains("forty-two"), "{text}");
    assert_eq!(cloud.requests(), 1);
    let received = cloud.received();
    assert_eq!(
        received[0].header("authorization"),
        Some(format!("Bearer {}", key.text()).as_str())
    );
    let events = machine.events();
    for wanted in [
        "cloud_escalation_requested",
        "cloud_escalation_approved",
        "cloud_escalation_executed",
        "call_completed",
    ] {
        assert!(
            events.iter().any(|event| event == wanted),
            "{wanted} in {events:?}"
        );
    }
    // What was approved was one call.
    let (code, _) = machine.json(&[
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "--wait",
        "0",
        "what is the answer",
    ]);
    assert_eq!((code, cloud.requests()), (4, 1));
    let (code, lines) = machine.json(&["log", "verify"]);
    assert_eq!(code, 0, "{lines:?}");
    assert_eq!(
        lines[0]["anchored_by"], "anchor",
        "what is noted outside reaches further than what was approved"
    );

    // RT-SECRETS-001: the key and the prompt are in no file of the home or the configuration, and no output.
    for folder in ["home", "config"] {
        assert_eq!(
            key.in_folder(&machine.path(folder)).expect("readable"),
            Vec::new()
        );
    }
    let export = machine.path("export");
    let (code, _) = machine.json(&["log", "export", export.to_str().expect("UTF-8")]);
    assert_eq!(code, 0);
    assert_eq!(key.in_folder(&export).expect("readable"), Vec::new());
    for file in std::fs::read_dir(&export).expect("there").flatten() {
        let bytes = std::fs::read(file.path()).expect("readable");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("what is the answer") && !text.contains("forty-two"));
    }
}

#[test]
fn a15_rt_self_001_whoever_asks_cannot_approve() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    let key = Canary::new("sk-test-", 13);
    init(&machine);
    enrol_cloud(&machine, &cloud, key.text());
    let _call = machine.start(&[
        "--json",
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "let me out",
    ]);
    let id = wait_for_pending(&machine);
    // Without a terminal nobody is asked, and so nobody can say yes.
    let (code, lines) = machine.json(&["approve", &id]);
    assert_eq!(code, 3, "{lines:?}");
    assert_eq!(last(&lines)["error"]["code"], "HSK-403-FACTOR-REQUIRED");
    // At a terminal: somebody who reads the whole screen and types what stands on it (s02).
    for line in 0..4 {
        let mut terminal = Terminal::run(&machine, &["approve", &id]);
        terminal.see("q leave it: ");
        terminal.press("y");
        // As often as it asks: wrong factors are counted, and after some of them nobody is asked.
        while terminal.asks("assphrase") {
            let screen = terminal.screen();
            let guess = screen
                .lines()
                .filter(|text| text.len() > 8)
                .nth(line)
                .unwrap_or("yes")
                .trim();
            terminal.type_line(guess);
        }
        let (code, screen) = terminal.end();
        assert_ne!(code, 0, "{screen}");
    }
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
    let (_, lines) = machine.json(&["consent", "list"]);
    assert!(
        lines.iter().all(|line| line["kind"] != "receipt"),
        "{lines:?}"
    );
}

/// RT-SECRETS-001 in the small: everything that a home and its commands wrote, with a negative control.
#[test]
fn a15_rt_secrets_001_a_key_is_in_no_file_and_no_output() {
    let runtime = runtime();
    let script = Script::new()
        .model(Model::new("sim-large:latest").context_length(32_768))
        .rule(Rule::new(Reply::text("never reached")));
    let config = SimConfig {
        script,
        ..SimConfig::default()
    }
    .require_token("another-key");
    let cloud = runtime.block_on(Simulator::start(config)).expect("started");
    let machine = Machine::new();
    let key = Canary::new("sk-test-", 14);
    init(&machine);
    enrol_cloud(&machine, &cloud, key.text());
    let mut call = machine.start(&[
        "--json",
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "hello",
    ]);
    let id = wait_for_pending(&machine);
    let (code, screen) = with_factor(&machine, &["approve", &id]);
    assert_eq!(code, 0, "{screen}");
    // The server refuses the key and echoes parts of it, as real ones do.
    let mut text = String::new();
    std::io::Read::read_to_string(call.0.stdout.as_mut().expect("piped"), &mut text).expect("read");
    assert!(text.contains("HSK-401-PROVIDER-AUTH"), "{text}");
    let mut written = vec![text.into_bytes(), screen.into_bytes()];
    for args in [
        &["provider", "show", "cloud"][..],
        &["provider", "export"],
        &["secret", "list"],
        &["consent", "list"],
        &["log", "tail", "-n", "1000"],
        &["doctor"],
        &["explain", "--model", "cloud/sim-large:latest", "hello"],
        &["chat", "--model", "cloud/nope", "hello"],
    ] {
        for json in [true, false] {
            let args: Vec<&str> = args
                .iter()
                .copied()
                .chain(json.then_some("--json"))
                .collect();
            let output = machine.run(&args);
            written.push([output.stdout, output.stderr].concat());
        }
    }
    for bytes in &written {
        assert_eq!(key.is_in(bytes), None, "{}", String::from_utf8_lossy(bytes));
    }
    for folder in ["home", "config"] {
        assert_eq!(
            key.in_folder(&machine.path(folder)).expect("readable"),
            Vec::new()
        );
    }
    // The scanner would have seen it.
    machine.write("home/planted.txt", &format!("x{}x", key.text()));
    assert_eq!(
        key.in_folder(&machine.path("home"))
            .expect("readable")
            .len(),
        1
    );
}
