//! The approval factor: what widens needs it, what narrows does not, and nothing changes without it (S08).

use std::{
    io::Write,
    process::{Output, Stdio},
};

use handshake_simulator::{Model, Script};
use serde_json::{Value, json};

use crate::it::{
    machine::Machine,
    mission::{init, recovery_code, runtime, simulator},
    provider::listed,
    terminal::Terminal,
};

const PASSPHRASE: &str = "correct horse battery staple 7";

fn with_input(machine: &Machine, args: &[&str], input: &str) -> Output {
    let mut command = machine.command(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // A command that refuses before it reads closes its end.
    let _closed = child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn factor(machine: &Machine, args: &[&str], passphrase: &str) -> (i32, String) {
    let mut terminal = Terminal::run(machine, args);
    terminal.see("Approval passphrase");
    terminal.type_line(passphrase);
    terminal.end()
}

fn profile(machine: &Machine, id: &str, level: &str) {
    let role = json!({ "primary_model_id": "here/m", "local_only": false });
    let text = json!({
        "schema": "hsk.work_profile@0.6", "profile_id": id, "name": "Test",
        "model_assignments": { "frontend": role, "orchestrator": role, "worker": role, "validator": role },
        "governance": { "automation_level": level, "allow_cloud_escalation": level != "LOCKED" },
    });
    let file = machine.write("profile.json", &text.to_string());
    let (code, lines) = machine.json(&["profile", "apply", file.to_str().expect("a path")]);
    assert_eq!(code, 0, "{lines:?}");
}

/// Everything that a person could have been asked about, as it is stored.
fn state(machine: &Machine) -> Vec<Value> {
    let commands: [&[&str]; 4] = [
        &["provider", "list"],
        &["secret", "list"],
        &["profile", "list"],
        &["token", "list"],
    ];
    commands
        .iter()
        .flat_map(|args| machine.json(args).1)
        .collect()
}

#[test]
fn s08_every_widening_without_the_factor_is_refused_and_changes_nothing() {
    let machine = Machine::new();
    init(&machine);
    let cloud = [
        "--kind",
        "openai_compat",
        "--base-url",
        "https://api.example.org/v1",
        "--secret-ref",
        "env:SOME_KEY",
    ];
    let local = ["--kind", "ollama", "--base-url", "http://127.0.0.1:9"];
    let add = |id: &'static str, more: &[&'static str]| [&["provider", "add", id], more].concat();
    assert_eq!(
        machine.json(&add("here", &local)).0,
        0,
        "what stays on this machine needs nobody"
    );
    let (code, screen) = factor(&machine, &add("far", &cloud), PASSPHRASE);
    assert_eq!(code, 0, "{screen}");
    profile(&machine, "locked", "LOCKED");
    profile(&machine, "free", "AUTONOMOUS");
    assert_eq!(
        machine.json(&["profile", "activate", "locked"]).0,
        0,
        "narrowing needs nobody"
    );
    let drafts = machine.write(
        "drafts.json",
        r#"[{"provider_id":"more","provider_kind":"openai_compat","base_url":"https://more.example.org/v1"}]"#,
    );
    let before = state(&machine);
    let widened = |machine: &Machine| {
        machine
            .events()
            .iter()
            .filter(|event| *event == "widened")
            .count()
    };
    let count = widened(&machine);

    let table: Vec<Vec<&str>> = vec![
        add("other", &cloud),
        [&add("near", &local)[..], &["--secret-ref", "env:SOME_KEY"]].concat(),
        [
            &["provider", "add", "relay", "--reach", "relay"],
            &local[..],
        ]
        .concat(),
        vec!["provider", "edit", "here", "--secret-ref", "env:SOME_KEY"],
        vec!["provider", "edit", "far", "--default-model", "m"],
        vec![
            "provider", "edit", "here", "--reach", "relay", "--tier", "cloud",
        ],
        vec![
            "provider",
            "edit",
            "far",
            "--base-url",
            "https://api.example.net/v1",
        ],
        vec!["provider", "edit", "far", "--secret-ref", "vault:other"],
        vec!["provider", "import", drafts.to_str().expect("a path")],
        vec!["provider", "check", "far", "--grant"],
        vec![
            "provider",
            "enable",
            "far",
            "big-model",
            "--capability",
            "tool_calling=yes",
        ],
        vec![
            "secret",
            "set",
            "key",
            "--origin",
            "https://api.example.org",
        ],
        vec!["secret", "set", "key", "--origin", "http://127.0.0.1:9"],
        vec![
            "secret",
            "bind",
            "env:SOME_KEY",
            "--origin",
            "https://api.example.org",
        ],
        vec!["profile", "activate", "free"],
        vec!["token", "create", "agent", "--profile", "free"],
        vec!["token", "create", "agent"],
    ];
    for args in &table {
        let output = with_input(
            &machine,
            &[&["--json"], &args[..]].concat(),
            "sk-live-4f9Qz7LwX2mN8vB1\n",
        );
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let said: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{args:?}: {text}"));
        assert_eq!(
            said["error"]["code"], "HSK-403-FACTOR-REQUIRED",
            "{args:?}: {said}"
        );
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert_eq!(state(&machine), before, "{args:?}");
    }
    assert_eq!(widened(&machine), count, "and no event says otherwise");

    // A wrong passphrase is none, nor are three.
    let mut terminal = Terminal::run(&machine, &["profile", "activate", "free"]);
    terminal.see("Approval passphrase");
    for _ in 0..2 {
        terminal.type_line("wrong horse battery staple");
        terminal.see("Wrong passphrase. Try again");
    }
    terminal.type_line("wrong horse battery staple");
    let (code, screen) = terminal.end();
    assert_eq!(code, 3, "{screen}");
    assert!(screen.contains("wrong passphrase, three times"), "{screen}");
    assert_eq!(state(&machine), before);

    // With it: the profile, and an event with hashes of before and after.
    let (code, screen) = factor(&machine, &["profile", "activate", "free"], PASSPHRASE);
    assert_eq!(code, 0, "{screen}");
    assert_eq!(widened(&machine), count + 1);
    assert_eq!(
        machine.json(&["profile", "activate", "locked"]).0,
        0,
        "narrowing again needs nobody"
    );
    assert_eq!(machine.json(&["provider", "remove", "far"]).0, 0);
}

#[test]
fn s08_a_home_without_an_approval_passphrase_takes_what_stays_on_this_machine_and_nothing_else() {
    let machine = Machine::new();
    let (code, lines) = machine.json(&["init"]);
    assert_eq!(
        (code, &lines[0]["can_approve"], &lines[0]["made"]),
        (0, &json!(false), &json!(true))
    );
    let (_, again) = machine.json(&["init"]);
    assert_eq!(again[0]["made"], false, "it can be run again");
    assert_eq!(again[0]["install_id"], lines[0]["install_id"]);
    let (code, _) = machine.json(&[
        "provider",
        "add",
        "here",
        "--kind",
        "ollama",
        "--base-url",
        "http://127.0.0.1:9",
    ]);
    assert_eq!(code, 0);
    let before = listed(&machine);
    for args in [
        &[
            "provider",
            "add",
            "far",
            "--kind",
            "openai_compat",
            "--base-url",
            "https://api.example.org/v1",
        ][..],
        &[
            "provider",
            "add",
            "r",
            "--kind",
            "ollama",
            "--base-url",
            "http://127.0.0.1:8",
            "--reach",
            "relay",
        ],
        &[
            "secret",
            "bind",
            "env:HOME",
            "--origin",
            "https://api.example.org",
        ],
    ] {
        let (code, lines) = machine.json(args);
        assert_eq!(
            (code, &lines[0]["error"]["code"]),
            (3, &json!("HSK-403-FACTOR-REQUIRED")),
            "{args:?}"
        );
        assert!(
            lines[0]["error"]["next_step"]
                .as_str()
                .expect("a step")
                .contains("handshake home passphrase")
        );
    }
    assert_eq!(listed(&machine), before);
}

#[test]
fn s08_a_weak_passphrase_is_asked_for_again_and_the_new_one_counts_for_the_first_provider() {
    let machine = Machine::new();
    let args = [
        "provider",
        "add",
        "far",
        "--kind",
        "openai_compat",
        "--base-url",
        "https://api.example.org/v1",
    ];
    let mut terminal = Terminal::run(&machine, &args);
    terminal.see("Choose");
    terminal.type_line("password1234");
    terminal.see("Too weak");
    terminal.type_line(PASSPHRASE);
    terminal.see("Repeat it");
    terminal.type_line(PASSPHRASE);
    recovery_code(&mut terminal);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(
        !screen.contains(PASSPHRASE),
        "nothing that is typed is shown"
    );
    assert_eq!(listed(&machine).len(), 1);
    // The next command asks.
    let (code, lines) = machine.json(&["provider", "check", "far", "--grant"]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (3, &json!("HSK-403-FACTOR-REQUIRED"))
    );
}

#[test]
fn s08_a_person_confirms_a_policy_and_trusts_a_home_at_a_terminal() {
    let machine = Machine::new();
    init(&machine);
    machine.write("home/policy.toml", "max_body_bytes = 99999999\n");
    let (code, screen) = factor(&machine, &["init"], PASSPHRASE);
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("max_body_bytes = 99999999"), "{screen}");
    let (_, lines) = machine.json(&["init"]);
    assert_eq!(lines[0]["policy"], "confirmed");
    assert!(machine.events().contains(&"widened".to_owned()));

    // Moved by its owner: trusted again with its passphrase. What stands on the screen does not do.
    std::fs::rename(machine.path("home"), machine.path("moved")).expect("moved");
    let moved = machine.path("moved");
    let moved = moved.to_str().expect("a path");
    for (typed, expected) in [("trust", 3), (PASSPHRASE, 0)] {
        let mut terminal = Terminal::run(&machine, &["--home", moved, "init"]);
        terminal.see("Its approval passphrase, to trust it");
        terminal.type_line(typed);
        while expected != 0 && terminal.asks("Try again") {
            terminal.type_line(typed);
        }
        let (code, screen) = terminal.end();
        assert_eq!(code, expected, "{screen}");
    }
    assert_eq!(machine.json(&["--home", moved, "provider", "list"]).0, 0);
}

#[test]
fn a3_a_cloud_origin_is_contacted_after_a_grant_and_a_new_address_has_none() {
    let runtime = runtime();
    let script = || Script::new().model(Model::new("big:latest"));
    let (cloud, elsewhere) = (simulator(&runtime, script()), simulator(&runtime, script()));
    let machine = Machine::new();
    init(&machine);
    // It plays the cloud, and is enrolled as what it is then: a server on this machine that is not the end.
    let drafts = machine.write(
        "drafts.json",
        &json!([{ "provider_id": "far", "provider_kind": "openai_compat", "base_url": cloud.openai_url(),
                  "dialect": "generic", "reach": "relay", "secret_ref": "vault:far" }])
        .to_string(),
    );
    let import = ["provider", "import", drafts.to_str().expect("a path")];
    let (code, screen) = factor(&machine, &import, PASSPHRASE);
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("+ the cloud provider far (a relay) at"),
        "who is asked sees what for: {screen}"
    );

    // s53: imported, it can be neither called nor asked.
    let (code, lines) = machine.json(&["provider", "check", "far"]);
    assert_eq!(
        (code, &lines[0]["code"]),
        (3, &json!("HSK-403-SECRET-UNBOUND"))
    );
    let (code, lines) = machine.json(&["provider", "models", "far"]);
    assert_eq!(
        (code, &lines[0]["error"]["code"]),
        (3, &json!("HSK-403-CONTACT-NOT-GRANTED"))
    );
    let (code, _) = machine.json(&["chat", "--model", "far/big:latest", "--wait", "0", "hello"]);
    assert_ne!(code, 0);
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
    let (_, shown) = machine.json(&["provider", "show", "far"]);
    assert_eq!(
        (&shown[0]["secret"], &shown[0]["contact_granted"]),
        (&json!("missing"), &json!(false))
    );

    let origin = cloud.url();
    let mut terminal = Terminal::run(&machine, &["secret", "set", "far", "--origin", &origin]);
    terminal.see("Approval passphrase");
    terminal.type_line(PASSPHRASE);
    terminal.see("Value of far");
    terminal.type_line("sk-test-4f9Qz7LwX2mN8vB1cD5e");
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("4f9Qz7"), "what is typed is not shown");
    let (code, lines) = machine.json(&["provider", "check", "far"]);
    assert_eq!(
        (code, &lines[0]["code"]),
        (3, &json!("HSK-403-CONTACT-NOT-GRANTED"))
    );
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
    let (code, screen) = factor(
        &machine,
        &["provider", "check", "far", "--grant"],
        PASSPHRASE,
    );
    assert_eq!(code, 0, "{screen}");
    assert!(cloud.requests() > 0);
    assert!(
        cloud
            .received()
            .iter()
            .all(|request| !request.path.contains("chat")),
        "never a completion"
    );
    let (code, lines) = machine.json(&["provider", "models", "far"]);
    assert_eq!(
        (code, &lines[0]["model_id"], &lines[0]["enabled"]),
        (0, &json!("big:latest"), &json!(false))
    );
    let (code, screen) = factor(
        &machine,
        &["provider", "enable", "far", "big:latest"],
        PASSPHRASE,
    );
    assert_eq!(code, 0, "{screen}");
    assert_eq!(
        machine.json(&["provider", "models", "far"]).1[0]["enabled"],
        true
    );

    // Pointed elsewhere: no grant, no enabled model, and the secret stays with its origin.
    let edit = [
        "provider",
        "edit",
        "far",
        "--base-url",
        &elsewhere.openai_url(),
    ];
    let (code, screen) = factor(&machine, &edit, PASSPHRASE);
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("was bound to"), "{screen}");
    let (_, shown) = machine.json(&["provider", "show", "far"]);
    assert_eq!(
        (&shown[0]["secret"], &shown[0]["contact_granted"]),
        (&json!("unbound"), &json!(false))
    );
    let (code, lines) = machine.json(&["provider", "models", "far"]);
    assert_eq!(
        (code, &lines[0]["enabled"], &lines[0]["source"]),
        (0, &json!(false), &json!("stored"))
    );
    assert_eq!(elsewhere.connections(), 0);
    assert_eq!(
        machine
            .json(&["provider", "disable", "far", "big:latest"])
            .0,
        0,
        "narrowing needs nobody"
    );
}
