//! Leakage rules that a person switched off: the gate, `explain`, `leak` and `doctor` say the same.

use handshake_leakage::Engine;
use handshake_simulator::{Model, Script};
use handshake_testkit::canary::Canary;
use serde_json::{Value, json};

use crate::it::{
    machine::Machine,
    mission::{enrol_cloud, init, runtime, simulator, with_factor},
};

const MODEL: &str = "cloud/sim-large:latest";

/// What every way of asking says about a text.
#[derive(Debug, PartialEq)]
struct Said {
    /// Exit code and error of a call that nobody waits for.
    call: (i32, Value),
    /// The outcome that `explain` expects.
    explain: Value,
    /// Exit code and verdict of `leak scan`.
    scan: (i32, Value),
}

fn said(machine: &Machine, text: &str) -> Said {
    let file = machine.write("text.txt", text);
    let file = file.to_str().expect("a path");
    let call = machine.chat(MODEL, text);
    let (_, lines) = machine.json(&["explain", "--model", MODEL, text]);
    let explain = lines[0]["gate"]["expected"]["outcome"].clone();
    let (code, lines) = machine.json(&["leak", "scan", file]);
    let scan = (code, lines[0]["verdict"].clone());
    Said {
        call,
        explain,
        scan,
    }
}

fn blocked() -> Said {
    Said {
        call: (3, json!("HSK-403-LEAKAGE-BLOCKED")),
        explain: json!({ "deny": ["findings", "HSK-403-LEAKAGE-BLOCKED"] }),
        scan: (3, json!("block")),
    }
}

fn passes() -> Said {
    Said {
        call: (4, json!("HSK-403-CLOUD-CONSENT-REQUIRED")),
        explain: json!("ask_person"),
        scan: (0, json!("clean")),
    }
}

fn doctor(machine: &Machine) -> String {
    let output = machine.run(&["doctor"]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn n3_a_rule_that_a_person_switched_off_is_off_everywhere_and_enrolled_secrets_never_are() {
    let runtime = runtime();
    let cloud = simulator(
        &runtime,
        Script::new().model(Model::new("sim-large:latest")),
    );
    let machine = Machine::new();
    let key = Canary::new("sk-test-", 31);
    init(&machine);
    enrol_cloud(&machine, &cloud, key.text());
    let sample = |rule| Engine::builtin().sample(rule, 1).expect("a rule");
    let token = format!("deploy with {}", sample("github-token"));
    let other = format!("deploy with {}", sample("gitlab-token"));
    assert_eq!(said(&machine, &token), blocked());

    // Written and not confirmed: nothing is off.
    machine.write("home/policy.toml", "disabled_rules = [\"github-token\"]\n");
    assert_eq!(said(&machine, &token), blocked());
    let seen = doctor(&machine);
    assert!(
        seen.contains("not confirmed, so not in force: disabled_rules"),
        "{seen}"
    );

    let (code, screen) = with_factor(&machine, &["init"]);
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("github-token"), "{screen}");
    assert_eq!(said(&machine, &token), passes());
    assert_eq!(said(&machine, &other), blocked());
    let seen = doctor(&machine);
    assert!(
        seen.contains("leakage rules switched off: github-token"),
        "{seen}"
    );
    let (_, rules) = machine.json(&["leak", "rules"]);
    let off: Vec<_> = rules
        .iter()
        .filter(|rule| rule["enabled"] == false)
        .collect();
    assert_eq!((off.len(), &off[0]["id"]), (1, &json!("github-token")));
    let (_, lines) = machine.json(&["leak", "explain", "github-token"]);
    assert_eq!(lines[0]["enabled"], json!(false));

    // The enrolled key is not found by a rule.
    let prompt = format!("my key is {}", key.text());
    assert_eq!(
        machine.chat(MODEL, &prompt),
        (3, json!("HSK-403-LEAKAGE-BLOCKED"))
    );

    // Taken back: that only narrows, so nobody is asked.
    machine.write("home/policy.toml", "disabled_rules = []\n");
    assert_eq!(said(&machine, &token), blocked());
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn n3_what_is_no_rule_is_refused_by_its_name() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    let token = Engine::builtin().sample("github-token", 1).expect("a rule");
    let file = machine.write("text.txt", &format!("see {token}"));
    for (written, named) in [
        ("github-tokens", "github-tokens"),
        ("enrolled", "enrolled"),
        ("Not An Id 0123456789", "not the id of a rule"),
    ] {
        machine.write(
            "home/policy.toml",
            &format!("disabled_rules = [\"github-token\", \"{written}\"]\n"),
        );
        let (code, lines) = machine.json(&["provider", "list"]);
        let error = &lines[0]["error"];
        assert_eq!(
            (code, &error["code"]),
            (2, &json!("HSK-400-INVALID-CONFIG"))
        );
        let message = error["message"].as_str().expect("a message");
        assert!(
            message.contains("disabled_rules") && message.contains(named),
            "{message}"
        );
        assert!(!message.contains("0123456789"), "{message}");
        // Rules that cannot be read switch nothing off.
        let scan = machine.run(&["leak", "scan", file.to_str().expect("a path")]);
        assert_eq!(scan.status.code(), Some(3));
        let note = String::from_utf8_lossy(&scan.stderr).into_owned();
        assert!(note.contains("every rule is on"), "{note}");
    }
}

/// A limit of `policy.toml` reaches the bytes that are sent, and what does not fit under it is not sent.
#[test]
fn a13_the_context_limit_of_policy_toml_reaches_the_local_server() {
    let runtime = runtime();
    let script = Script::new().model(Model::new("sim-small:latest").context_length(32_768));
    let local = simulator(&runtime, script);
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    let url = local.url();
    let add = [
        "provider",
        "add",
        "ollama",
        "--kind",
        "ollama",
        "--base-url",
        &url,
    ];
    assert_eq!(machine.json(&add).0, 0);
    let sized = || {
        let bodies = local.received();
        let last = bodies.iter().filter_map(|seen| seen.json()).next_back();
        last.expect("a chat")["options"]["num_ctx"].clone()
    };
    const MODEL: &str = "ollama/sim-small:latest";
    assert_eq!(machine.chat(MODEL, "hello"), (0, Value::Null));
    assert_eq!(sized(), json!(2048));
    // Narrower: that counts as soon as it is written.
    machine.write("home/policy.toml", "max_context_tokens = 1500\n");
    assert_eq!(machine.chat(MODEL, "hello"), (0, Value::Null));
    assert_eq!(sized(), json!(1500));
    let chats = || {
        local
            .received()
            .iter()
            .filter(|seen| seen.path == "/api/chat")
            .count()
    };
    let before = chats();
    let long = "x".repeat(8000);
    assert_eq!(
        machine.chat(MODEL, &long).1,
        json!("HSK-413-CONTEXT-WINDOW")
    );
    assert_eq!(chats(), before, "nothing was sent");
    // A role's own, where it is the smaller one.
    for (own, effective) in [(1200, 1200), (9000, 1500)] {
        let role = json!({
            "primary_model_id": MODEL, "local_only": true, "compute": { "max_context_tokens": own },
        });
        let profile = json!({
            "schema": "hsk.work_profile@0.6", "profile_id": format!("p{own}"), "name": "bounded",
            "model_assignments": {
                "frontend": role, "orchestrator": role, "worker": role, "validator": role,
            },
            "governance": { "automation_level": "HYBRID", "allow_cloud_escalation": false },
        });
        let file = machine.write("profile.json", &profile.to_string());
        let file = file.to_str().expect("a path");
        for step in [
            &["profile", "apply", file][..],
            &["profile", "activate", &format!("p{own}")],
            &["chat", "--role", "worker", "hello"],
        ] {
            let (code, lines) = machine.json(step);
            assert_eq!(code, 0, "{step:?} {lines:?}");
        }
        assert_eq!(sized(), json!(effective));
    }
}
