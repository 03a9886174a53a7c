//! B7: `home.json` grants nothing.

use serde_json::{Value, json};

use super::{alarms, doctor, init, refusal};
use crate::it::machine::Machine;

fn say(machine: &Machine, can_approve: bool) {
    let path = machine.path("home/home.json");
    let text = std::fs::read_to_string(path).expect("a file");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    file["can_approve"] = json!(can_approve);
    machine.write("home/home.json", &file.to_string());
}

const LOCAL_SECRET: [&str; 5] = [
    "secret",
    "bind",
    "env:HOME",
    "--origin",
    "http://127.0.0.1:9",
];

#[test]
fn rt_b07_a_home_file_that_denies_the_passphrase_takes_no_factor_away() {
    let machine = Machine::new();
    init(&machine);
    let needed = (3, json!("HSK-403-FACTOR-REQUIRED"));
    assert_eq!(refusal(&machine, &LOCAL_SECRET), needed);
    assert_eq!(alarms(&machine), 0);
    say(&machine, false);
    assert_eq!(refusal(&machine, &LOCAL_SECRET), needed);
    assert!(machine.json(&["secret", "list"]).1.is_empty());
    assert!(alarms(&machine) > 0, "an event says so");
    let wrong = doctor(&machine);
    assert!(wrong.contains("home.json says"), "{wrong}");
}

#[test]
fn rt_b07_a_home_file_that_claims_a_passphrase_makes_none() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).1[0]["can_approve"], false);
    say(&machine, true);
    assert_eq!(machine.json(&["init"]).1[0]["can_approve"], false);
    let cloud = [
        "--kind",
        "openai_compat",
        "--base-url",
        "https://api.example.org",
    ];
    let add = [&["provider", "add", "far"][..], &cloud].concat();
    assert_eq!(
        refusal(&machine, &add),
        (3, json!("HSK-403-FACTOR-REQUIRED"))
    );
    assert_eq!(
        machine.json(&LOCAL_SECRET).0,
        0,
        "what stays on this machine needs none here"
    );
}
