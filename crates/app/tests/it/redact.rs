//! `chat --redact`, at a terminal and through the built binary.

use handshake_simulator::{Model, Script};
use handshake_testkit::canary::Canary;
use serde_json::json;

use crate::it::{
    machine::Machine,
    mission::{enrol_cloud, init, runtime, simulator, wait_for_pending, with_factor},
    terminal::Terminal,
};

#[test]
fn a9_a_secret_is_replaced_on_the_way_out_and_is_back_at_the_terminal() {
    let runtime = runtime();
    // It says what it is told.
    let script = Script::new().model(Model::new("sim-large:latest").context_length(32_768));
    let cloud = simulator(&runtime, script);
    let machine = Machine::new();
    let key = Canary::new("sk-test-", 21);
    init(&machine);
    enrol_cloud(&machine, &cloud, key.text());

    let prompt = format!("my key is {}", key.text());
    let model = "cloud/sim-large:latest";
    let mut call = Terminal::run(&machine, &["chat", "--redact", "--model", model, &prompt]);
    let id = wait_for_pending(&machine);
    let (code, screen) = with_factor(&machine, &["approve", &id]);
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("replaced by stand-ins: 1 value"),
        "{screen}"
    );
    assert!(screen.contains("my key is [REDACTED:secret:"), "{screen}");
    assert!(screen.contains(", 1 stand-in"), "{screen}");
    assert_eq!(key.is_in(screen.as_bytes()), None, "{screen}");

    call.see(&format!("You said: {prompt}"));
    let (code, screen) = call.end();
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("1 value was replaced by a stand-in"),
        "{screen}"
    );
    let received = cloud.received();
    assert_eq!(received.len(), 1);
    assert_eq!(key.is_in(&received[0].body), None);

    let (_, lines) = machine.json(&["status"]);
    assert_eq!(lines[0]["redacted"], json!({ "calls": 1, "values": 1 }));
    let (_, lines) = machine.json(&["log", "tail", "-n", "100"]);
    let redacted: Vec<_> = lines
        .iter()
        .filter(|line| line["type"] == "content_redacted")
        .collect();
    assert_eq!(redacted.len(), 1, "{lines:?}");
    assert_eq!(redacted[0]["values"], 1);
    for folder in ["home", "config"] {
        let found = key.in_folder(&machine.path(folder)).expect("readable");
        assert_eq!(found, Vec::new());
    }

    // Without a word of the person it is as it was: nobody is asked, and nothing is sent.
    let before = cloud.bytes_received();
    let (code, lines) = machine.json(&["chat", "--model", model, &prompt]);
    assert_eq!(code, 3, "{lines:?}");
    let last = lines.last().expect("a line");
    assert_eq!(last["error"]["code"], "HSK-403-LEAKAGE-BLOCKED");
    assert_eq!(cloud.bytes_received(), before);
}
