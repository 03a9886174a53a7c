//! What a person sees without asking for it: the gateway's own terminal, a pane that watches, one line of status.

use std::{
    io::{BufRead, BufReader, Read},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::it::{
    asking::beside,
    gateway::{Gateway, serving_with_factor, token_with_factor},
    machine::{Machine, Running},
    mission::{cloud_script, enrol_cloud, init, runtime, simulator, wait_for_pending, with_factor},
    terminal::Terminal,
};

const PASSPHRASE: &str = "correct horse battery staple 7";
const KEY: &str = "sk-live-4f9Qz7LwX2mN8vB1";
const MODEL: &str = "cloud/sim-large:latest";

fn ask(text: &str) -> Value {
    json!({ "model": MODEL, "stream": false, "messages": [{ "role": "user", "content": text }] })
}

/// A gateway in a terminal of its own.
fn in_terminal(machine: Machine) -> (Gateway, Terminal) {
    let token = token_with_factor(&machine, "editor");
    let mut terminal = Terminal::run(&machine, &["serve", "--listen", "127.0.0.1:0"]);
    terminal.see("Listening on http://");
    terminal.see("another terminal");
    let screen = terminal.screen();
    let address = screen
        .split("Listening on http://")
        .nth(1)
        .expect("an address");
    let address = address.lines().next().expect("a line").trim().to_owned();
    // Nothing runs beside it.
    let idle = std::process::Command::new("true")
        .spawn()
        .expect("it starts");
    let gateway = Gateway {
        machine,
        address,
        token,
        running: Running(idle),
    };
    (gateway, terminal)
}

#[test]
fn s05_a_gateway_in_a_terminal_announces_each_question_once_and_says_nothing_of_its_content() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    let (gateway, mut terminal) = in_terminal(machine);
    let bells = |terminal: &Terminal| terminal.screen().matches('\u{7}').count();
    assert_eq!(bells(&terminal), 0);

    let _first = beside(&gateway, &ask("the content of the first"));
    terminal.see("client:editor asks to send");
    terminal.see("cloud/sim-large:latest: handshake approve ");
    // The same once more joins it, and is no new question.
    let _again = beside(&gateway, &ask("the content of the first"));
    let _second = beside(&gateway, &ask("the content of the second"));
    terminal.see("client:editor asks to send");
    std::thread::sleep(Duration::from_millis(1500));
    let screen = terminal.screen();
    assert_eq!(screen.matches("asks to send").count(), 2, "{screen}");
    assert_eq!(bells(&terminal), 1, "not again within ten seconds");
    assert!(!screen.contains("the content"), "{screen}");
    let pending = gateway.machine.json(&["consent", "list"]).1;
    for line in pending.iter().filter(|line| line["kind"] == "pending") {
        let id = line["request"]["request_id"].as_str().expect("an id");
        assert!(
            screen.contains(&id[..8]) && !screen.contains(id),
            "{screen}"
        );
        let (code, text) = with_factor(&gateway.machine, &["approve", &id[..8]]);
        assert_eq!(code, 0, "{text}");
    }
    std::thread::sleep(Duration::from_secs(9));
    let _third = beside(&gateway, &ask("the content of the third"));
    terminal.see("client:editor asks to send");
    let until = Instant::now() + Duration::from_secs(5);
    while bells(&terminal) < 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(bells(&terminal), 2);
}

#[test]
fn s05_a_gateway_without_a_terminal_announces_nothing() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    let token = token_with_factor(&machine, "editor");
    let mut running = machine.start(&["serve", "--listen", "127.0.0.1:0"]);
    let mut stdout = BufReader::new(running.0.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("it says where");
    let address = line.trim().rsplit("http://").next().expect("an address");
    let gateway = Gateway {
        address: address.to_owned(),
        token,
        machine,
        running,
    };
    let _call = beside(&gateway, &ask("the content of the first"));
    wait_for_pending(&gateway.machine);
    std::thread::sleep(Duration::from_millis(1500));
    let (_machine, _token) = gateway.end();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    assert!(!rest.contains("asks") && !rest.contains('\u{7}'), "{rest}");
}

#[test]
fn p3_status_says_in_one_line_what_is_going_on() {
    let machine = Machine::new();
    let (code, lines) = machine.json(&["status"]);
    assert_eq!((code, &lines[0]["home"]), (0, &Value::Null));
    assert!(!machine.path("home").exists(), "looking makes nothing");

    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    let status = |machine: &Machine| -> (String, Value) {
        let output = machine.run(&["status"]);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        let (code, lines) = machine.json(&["status"]);
        assert_eq!(code, 0);
        (text, lines[0].clone())
    };
    let (text, object) = status(&machine);
    assert!(
        text.starts_with("no gateway · 0 waiting · no lease · log "),
        "{text}"
    );
    assert_eq!(
        (&object["gateway"], &object["waiting"]),
        (&json!(false), &json!(0))
    );
    assert_eq!(
        (&object["paused"], &object["locked"]),
        (&json!(false), &json!(false))
    );

    let gateway = serving_with_factor(machine);
    let machine = &gateway.machine;
    let mut call = beside(&gateway, &ask("6 x 7?"));
    wait_for_pending(machine);
    let (text, object) = status(machine);
    assert!(
        text.starts_with("gateway running · 1 waiting · no lease"),
        "{text}"
    );
    assert_eq!(
        (&object["gateway"], &object["waiting"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(with_factor(machine, &["approve", "--lease"]).0, 0);
    let mut answer = String::new();
    call.read_to_string(&mut answer).expect("answered");
    assert_eq!(machine.json(&["pause"]).0, 0);
    let (text, object) = status(machine);
    for wanted in [
        "lease client:editor: 199 of 200 calls, 1.9 MiB new, ",
        "cloud PAUSED",
        "log verified",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    assert_eq!(object["leases"][0]["left"]["uses"], json!(199));
    assert_eq!(
        (&object["paused"], &object["log"]["status"]),
        (&json!(true), &json!("intact"))
    );
    assert!(!text.contains("6 x 7"));
}

#[test]
fn p3_a_pane_shows_what_waits_and_its_keys_decide_it() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    // No gateway runs, and it is watched all the same.
    let mut pane = Terminal::run(&machine, &["watch"]);
    pane.see("no gateway · 0 waiting");
    pane.see("q leave: ");
    let mut call = machine.start(&[
        "--json",
        "chat",
        "--model",
        MODEL,
        "--session",
        "s",
        "6 x 7?",
    ]);
    pane.see("1 waiting");
    pane.see("no approval covers it");
    pane.see("y this call · l lease · n deny · s show everything · q leave: ");
    pane.press("y");
    // What leaves is shown before the passphrase is asked for.
    pane.see("| 6 x 7?");
    pane.see("Approval passphrase");
    pane.type_line(PASSPHRASE);
    pane.see("Approved. Receipt");
    assert!(call.0.wait().expect("it ends").success());
    pane.see("approved (SINGLE_CALL)");
    assert_eq!(cloud.requests(), 1);

    let mut call = machine.start(&[
        "--json",
        "chat",
        "--model",
        MODEL,
        "--session",
        "s",
        "6 x 8?",
    ]);
    pane.see("1 waiting");
    pane.see("show everything · q leave: ");
    pane.press("n");
    pane.see("Denied. Nothing was sent.");
    assert_eq!(call.0.wait().expect("it ends").code(), Some(3));
    pane.see("denied (");
    pane.see("q leave: ");
    pane.press("q");
    let (code, screen) = pane.end();
    assert_eq!(code, 0, "{screen}");
    assert_eq!(cloud.requests(), 1);
}

#[test]
fn p3_a_program_that_watches_is_told_line_by_line() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    let mut watch = machine.start(&["--json", "watch"]);
    let (told, lines) = mpsc::channel();
    let stdout = BufReader::new(watch.0.stdout.take().expect("piped"));
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let value: Value = serde_json::from_str(&line).expect("JSON");
            if told.send((line, value)).is_err() {
                return;
            }
        }
    });
    let until = |wanted: &str| -> Value {
        loop {
            let (line, value) = lines.recv_timeout(Duration::from_secs(20)).expect("a line");
            assert!(!line.contains("6 x 7?"), "no content: {line}");
            if value["type"] == wanted {
                return value;
            }
        }
    };
    assert_eq!(until("status")["waiting"], json!(0));
    let _call = machine.start(&[
        "--json",
        "chat",
        "--model",
        MODEL,
        "--session",
        "s",
        "6 x 7?",
    ]);
    let waiting = until("waiting");
    let id = waiting["request"]["request_id"].as_str().expect("an id");
    assert_eq!(machine.json(&["deny", id]).0, 0);
    assert_eq!(until("cloud_escalation_denied")["request_id"], json!(id));
    assert_eq!(cloud.connections(), 0);
}
