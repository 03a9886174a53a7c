//! B9, P16: what `policy.toml` narrowed stays narrow until a person says otherwise, whatever becomes of the file.

use handshake_simulator::Simulator;
use serde_json::{Value, json};

use super::{doctor_text, refusal, seals::enrolled};
use crate::it::{
    gateway::{Gateway, serving_with_factor},
    machine::Machine,
    mission::{init, runtime, with_factor},
};

const MODEL: &str = "cloud/sim-large:latest";

/// What `explain` expects and what a call comes to.
fn said(machine: &Machine) -> (Value, (i32, Value)) {
    let (_, lines) = machine.json(&["explain", "--model", MODEL, "hello"]);
    let explained = lines[0]["gate"]["expected"]["outcome"].clone();
    let call = ["chat", "--model", MODEL, "--wait", "0", "hello"];
    (explained, refusal(machine, &call))
}

fn locked() -> (Value, (i32, Value)) {
    let code = "HSK-403-GOVERNANCE-LOCKED";
    (
        json!({ "deny": ["declared_locked", code] }),
        (3, json!(code)),
    )
}

fn asks() -> (Value, (i32, Value)) {
    (
        json!("ask_person"),
        (4, json!("HSK-403-CLOUD-CONSENT-REQUIRED")),
    )
}

fn nothing_left(cloud: &Simulator) {
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

/// Events that say that the file was widened and nobody confirmed it.
fn refused_widenings(machine: &Machine) -> usize {
    let (_, events) = machine.json(&["log", "tail", "-n", "1000"]);
    events
        .iter()
        .filter(|event| event["type"] == "gate_denied")
        .filter(|event| event["code"] == "HSK-403-FACTOR-REQUIRED")
        .count()
}

fn remove(machine: &Machine, name: &str) {
    std::fs::remove_file(machine.path(name)).expect("removed");
}

#[test]
fn rt_b09_locked_is_not_lifted_by_deleting_loosening_or_forging_files() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    assert_eq!(said(&machine), asks());
    machine.write("home/policy.toml", "locked = true\n");
    assert_eq!(said(&machine), locked(), "narrowing counts at once");
    assert_eq!(refused_widenings(&machine), 0);

    // As the red team did.
    remove(&machine, "home/policy.toml");
    assert_eq!(said(&machine), locked());
    assert_eq!(said(&machine), locked());
    assert_eq!(refused_widenings(&machine), 1, "said once");
    let seen = doctor_text(&machine);
    for part in [
        "policy.toml is missing",
        "not confirmed, so not in force: locked = false (in force: true)",
        "run `handshake init` at a terminal to confirm it",
    ] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    let call = ["chat", "--model", MODEL, "--wait", "0", "hello"];
    let (_, lines) = machine.json(&call);
    let error = &lines.last().expect("a line")["error"];
    assert_eq!(
        error["message"],
        "cloud calls are locked: locked by policy.toml"
    );
    let step = error["next_step"].as_str().expect("a step");
    assert!(step.contains("handshake init"), "{step}");

    // Loosened instead of deleted.
    for text in ["locked = false\n", "", "max_body_bytes = 5\n"] {
        machine.write("home/policy.toml", text);
        assert_eq!(said(&machine), locked(), "{text}");
    }
    // What was confirmed, made by hand.
    for text in [
        "{}".to_owned(),
        json!({ "rules": { "locked": false }, "signature": "00".repeat(64) }).to_string(),
    ] {
        machine.write("home/policy.confirmed.json", &text);
        assert_eq!(said(&machine), locked(), "{text}");
    }
    remove(&machine, "home/policy.confirmed.json");
    nothing_left(&cloud);
    // What was narrowed in between stays too.
    machine.write("home/policy.toml", "locked = false\n");
    let (_, lines) = machine.json(&["init"]);
    assert_eq!(lines[0]["policy"], "unconfirmed");
    assert_eq!(
        lines[0]["unconfirmed"],
        json!([
            "locked = false (in force: true)",
            "max_body_bytes = 16777216 (in force: 5)"
        ])
    );

    // A wrong passphrase lifts nothing, the right one does.
    let mut terminal = crate::it::terminal::Terminal::run(&machine, &["init"]);
    terminal.see("assphrase");
    terminal.type_line("wrong horse battery staple");
    assert_eq!(terminal.end().0, 3);
    assert_eq!(said(&machine), locked());
    let (code, screen) = with_factor(&machine, &["init"]);
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("locked = false (in force: true)"),
        "{screen}"
    );
    assert_eq!(said(&machine), asks());
    assert!(machine.events().contains(&"widened".to_owned()));
    nothing_left(&cloud);
}

#[test]
fn rt_b09_a_running_gateway_goes_by_what_is_in_force_and_a_person_lifts_it() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    let gateway = serving_with_factor(machine);
    let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hello" }] });
    let asked = |gateway: &Gateway| {
        let answer = gateway.post(&body.to_string(), "prefer: wait=0\r\n");
        let code = answer.json()["error"]["code"].clone();
        code.as_str().expect("a code").to_owned()
    };
    let (asks, locked) = (
        "HSK-403-CLOUD-CONSENT-REQUIRED",
        "HSK-403-GOVERNANCE-LOCKED",
    );
    assert_eq!(asked(&gateway), asks);
    let machine = &gateway.machine;
    // The very next call, and no other process looked.
    machine.write("home/policy.toml", "locked = true\n");
    assert_eq!(asked(&gateway), locked);
    remove(machine, "home/policy.toml");
    assert_eq!(asked(&gateway), locked);
    machine.write("home/policy.toml", "locked = [\n");
    assert_eq!(asked(&gateway), locked, "what cannot be read locks");
    machine.write("home/policy.toml", "locked = false\n");
    assert_eq!(asked(&gateway), locked);
    let (code, screen) = with_factor(machine, &["init"]);
    assert_eq!(code, 0, "{screen}");
    assert_eq!(asked(&gateway), asks, "without a restart");
    // A syntax error locks, and only while it is there.
    machine.write("home/policy.toml", "locked = [\n");
    assert_eq!(asked(&gateway), locked);
    machine.write("home/policy.toml", "locked = false\n");
    assert_eq!(asked(&gateway), asks);
    // Other limits: the next call, and then what is confirmed again.
    machine.write("home/policy.toml", "max_body_bytes = 10\n");
    assert_eq!(asked(&gateway), "HSK-413-MAX-BYTES");
    remove(machine, "home/policy.toml");
    assert_eq!(asked(&gateway), "HSK-413-MAX-BYTES");
    let (code, screen) = with_factor(machine, &["init"]);
    assert_eq!(code, 0, "{screen}");
    assert_eq!(asked(&gateway), asks);
    nothing_left(&cloud);
}

#[test]
fn p16_without_the_file_the_defaults_hold_and_not_what_was_confirmed_before() {
    let machine = Machine::new();
    init(&machine);
    let token = handshake_leakage::Engine::builtin()
        .sample("github-token", 1)
        .expect("a rule");
    let file = machine.write("text.txt", &format!("deploy with {token}"));
    let scan = || machine.run(&["leak", "scan", file.to_str().expect("a path")]);
    machine.write("home/policy.toml", "disabled_rules = [\"github-token\"]\n");
    let (code, screen) = with_factor(&machine, &["init"]);
    assert_eq!(code, 0, "{screen}");
    assert_eq!(scan().status.code(), Some(0));
    let seen = doctor_text(&machine);
    assert!(
        seen.contains("leakage rules switched off: github-token"),
        "{seen}"
    );

    remove(&machine, "home/policy.toml");
    let seen = doctor_text(&machine);
    assert!(!seen.contains("switched off"), "{seen}");
    assert!(
        seen.contains("no policy.toml, so the defaults hold"),
        "{seen}"
    );
    assert_eq!(scan().status.code(), Some(3), "the rule is on");
    // It was on: to switch it off again is for a person to say.
    machine.write("home/policy.toml", "disabled_rules = [\"github-token\"]\n");
    assert_eq!(scan().status.code(), Some(3));
    let seen = doctor_text(&machine);
    assert!(
        seen.contains("not confirmed, so not in force: disabled_rules"),
        "{seen}"
    );
    machine.write("home/policy.toml", "");
    assert!(doctor_text(&machine).contains("policy.toml is confirmed"));
}

#[test]
fn rt_b09_where_nobody_can_confirm_a_limit_can_be_raised_again_and_nothing_leaves() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    machine.write("home/policy.toml", "max_body_bytes = 10\n");
    assert_eq!(machine.json(&["init"]).1[0]["policy"], "confirmed");
    machine.write("home/policy.toml", "max_body_bytes = 20\n");
    assert_eq!(machine.json(&["init"]).1[0]["policy"], "confirmed");
    machine.write("home/policy.toml", "max_body_bytes = 99999999\n");
    let (_, lines) = machine.json(&["init"]);
    assert_eq!(lines[0]["policy"], "unconfirmed", "beyond the defaults");
}
