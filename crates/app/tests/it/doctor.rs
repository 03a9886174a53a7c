//! `doctor`: what is wrong, by name, with a next step; exit 0 when nothing is.

use std::{fs, os::unix::fs::PermissionsExt};

use handshake_simulator::{Model, Script};
use serde_json::Value;

use crate::it::{
    machine::Machine,
    mission::{runtime, simulator},
    provider::add_local,
};

fn doctor(machine: &Machine) -> (i32, Value) {
    let (code, lines) = machine.json(&["doctor"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    (code, lines[0].clone())
}

fn wrong(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks");
    let wrong = checks.iter().filter(|check| check["state"] == "wrong");
    wrong
        .filter_map(|check| check["check"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn s48_doctor_says_what_is_wrong_and_makes_no_home() {
    let runtime = runtime();
    let server = simulator(&runtime, Script::new().model(Model::new("tiny:latest")));
    let machine = Machine::new();
    let (code, report) = doctor(&machine);
    assert_eq!((code, wrong(&report)), (1, vec!["home".to_owned()]));
    assert!(!machine.path("home").exists(), "looking makes nothing");

    assert_eq!(machine.json(&["init"]).0, 0);
    add_local(&machine, "sim", &server.url());
    let (code, report) = doctor(&machine);
    assert_eq!((code, wrong(&report)), (0, Vec::new()), "{report}");
    let text = report.to_string();
    assert!(text.contains("keys readable by this account"), "{text}");
    assert!(text.contains("no approval passphrase"), "{text}");

    runtime.block_on(server.shutdown());
    let (code, report) = doctor(&machine);
    assert_eq!(
        (code, wrong(&report)),
        (1, vec!["provider".to_owned()]),
        "{report}"
    );
    assert_eq!(machine.json(&["provider", "remove", "sim"]).0, 0);

    let policy = machine.write("home/policy.toml", "");
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).expect("mode");
    let (code, report) = doctor(&machine);
    assert_eq!(
        (code, wrong(&report)),
        (1, vec!["permissions".to_owned()]),
        "{report}"
    );
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o600)).expect("mode");
    assert_eq!(doctor(&machine).0, 0);
}

#[test]
fn s48_doctor_names_variables_that_bear_on_tls() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    let output = machine
        .command(&["doctor"])
        .env("SSL_CERT_FILE", "/nowhere/roots.pem")
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.contains("SSL_CERT_FILE is set: ignored"),
        "it was removed, and is told all the same: {text}"
    );
    assert!(!text.contains("roots.pem"), "names, not values: {text}");
}
