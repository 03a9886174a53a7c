//! B3: a home that is put in the place of another one, at a path that is trusted.

use std::fs;

use serde_json::json;

use super::{
    PASSPHRASE, THEIRS, chooses, doctor, list, listed, made, refusal, talk, text, untrusted,
};
use crate::it::{
    gateway::{serve, serving_with_factor},
    machine::Machine,
    mission::{cloud_script, enrol_cloud, runtime, simulator},
};

const OLD: &str = "enter the approval passphrase of the home that was trusted here";

/// The agent's own home, with a relay of the same name and model, and the hash of the user's token in it.
fn prepared(machine: &Machine, relay: &str) {
    let other = machine.path("other");
    let home = ["--home", text(&other)];
    made(machine, &[&home[..], &["init"]].concat(), THEIRS);
    let add = [
        "provider",
        "add",
        "cloud",
        "--kind",
        "openai_compat",
        "--dialect",
        "generic",
        "--base-url",
        relay,
        "--reach",
        "relay",
    ];
    let enable = [
        "provider",
        "enable",
        "cloud",
        "sim-large:latest",
        "--capability",
        "supports_streaming=yes",
        "--capability",
        "supports_multi_turn=yes",
    ];
    for args in [&add[..], &enable] {
        let (exit, screen) = talk(
            machine,
            &[&home[..], args].concat(),
            &[("assphrase", THEIRS)],
        );
        assert_eq!(exit, 0, "{screen}");
    }
    let database = rusqlite::Connection::open(other.join("handshake.db")).expect("opens");
    let copy = format!(
        "ATTACH '{}' AS theirs; INSERT INTO tokens SELECT * FROM theirs.tokens;",
        machine.path("home/handshake.db").display()
    );
    database.execute_batch(&copy).expect("copied");
}

#[test]
fn rt_b03_a_home_put_in_the_place_of_another_is_refused_and_sends_nothing() {
    let runtime = runtime();
    let (cloud, capture) = (
        simulator(&runtime, cloud_script()),
        simulator(&runtime, cloud_script()),
    );
    let machine = Machine::new();
    made(&machine, &["init"], PASSPHRASE);
    enrol_cloud(&machine, &cloud, "sk-test-4f9Qz7LwX2mN8vB1cD5e");
    let (machine, token) = serving_with_factor(machine).end();
    prepared(&machine, &capture.openai_url());
    let before = listed(&machine);

    fs::rename(machine.path("home"), machine.path("home.old")).expect("moved");
    fs::rename(machine.path("other"), machine.path("home")).expect("moved");
    let said = untrusted(&machine, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(
        said.contains("another home is in the place of the one that you trusted"),
        "{said}"
    );
    for args in [
        &["chat", "--model", "cloud/sim-large:latest", "hello"][..],
        &["init"],
        &["init", "--headless"],
        &["consent", "list"],
        &["log", "verify"],
        &["token", "list"],
    ] {
        untrusted(&machine, args);
    }
    let (wrong, _) = doctor(&machine);
    assert!(
        wrong.contains("another home is in the place")
            && wrong.contains("the recovery code of the home"),
        "{wrong}"
    );
    // At a terminal, with everything that the agent knows.
    let tries = [(OLD, THEIRS), ("Try again", "trust"), ("Try again", "yes")];
    let (exit, screen) = talk(&machine, &["init"], &tries);
    assert_eq!(exit, 3, "{screen}");
    assert_eq!(listed(&machine), before, "nothing else is trusted");
    untrusted(&machine, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((capture.connections(), capture.bytes_received()), (0, 0));

    // Whoever puts the home back is told, in the log too.
    fs::rename(machine.path("home"), machine.path("other")).expect("moved");
    fs::rename(machine.path("home.old"), machine.path("home")).expect("moved");
    let output = machine.run(&["provider", "list"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("in the place of a trusted one"),
        "{said}"
    );
    assert_eq!(
        machine
            .events()
            .iter()
            .filter(|it| *it == "integrity_alarm")
            .count(),
        1
    );
    let output = machine.run(&["provider", "list"]);
    assert!(output.stderr.is_empty(), "once");
    let (_, remarks) = doctor(&machine);
    assert!(remarks.contains("was not as it was left: 1"), "{remarks}");
    let gateway = serve(machine, token);
    let body = json!({ "model": "cloud/sim-large:latest", "messages": [{ "role": "user", "content": "hi" }] });
    let answer = gateway.post(&body.to_string(), "prefer: wait=0\r\n");
    let code = &answer.json()["error"]["code"];
    assert_eq!(
        code, "HSK-403-CLOUD-CONSENT-REQUIRED",
        "the person's own rules are back"
    );
    assert_eq!((cloud.connections(), capture.connections()), (0, 0));
}

#[test]
fn rt_b03_where_a_trusted_home_is_missing_none_is_made_without_its_holder() {
    let machine = Machine::new();
    let code = made(&machine, &["init"], PASSPHRASE);
    fs::rename(machine.path("home"), machine.path("home.old")).expect("moved");
    for args in [
        &["provider", "list"][..],
        &["serve", "--listen", "127.0.0.1:0"],
        &["init"],
        &["init", "--headless"],
    ] {
        let said = untrusted(&machine, args);
        assert!(said.contains("is not there"), "{said}");
    }
    assert!(doctor(&machine).0.contains("is not there"));
    let (exit, screen) = talk(
        &machine,
        &["init"],
        &[(OLD, THEIRS), ("Try again", THEIRS), ("Try again", THEIRS)],
    );
    assert!(
        exit == 3 && screen.contains("wrong passphrase, three times"),
        "{screen}"
    );
    assert!(
        !machine.path("home").exists(),
        "nothing was made for any of it"
    );

    // The passphrase of the home that is gone, or its recovery code.
    for (n, first) in [
        vec![(OLD, PASSPHRASE)],
        vec![(OLD, ""), ("Recovery code: ", code.as_str())],
    ]
    .into_iter()
    .enumerate()
    {
        let kept = list(&machine);
        chooses(&machine, &["init"], &first, THEIRS);
        let (_, remarks) = doctor(&machine);
        assert!(
            remarks.contains("it took the place of another home"),
            "{remarks}"
        );
        assert!(machine.events().contains(&"integrity_alarm".to_owned()));
        let now = list(&machine);
        assert_ne!(now[0]["approval_key"], kept[0]["approval_key"]);
        assert_eq!(
            now[0]["displaced"][0]["home"]["install_id"],
            kept[0]["install_id"]
        );
        if n == 0 {
            // As it was, for the other way.
            fs::remove_dir_all(machine.path("home")).expect("removed");
            let path = machine.trust_dir().join("homes.json");
            fs::write(path, kept.to_string()).expect("written");
        }
    }
}

#[test]
fn rt_b03_a_home_with_another_approval_key_is_another_home() {
    let machine = Machine::new();
    made(&machine, &["init"], PASSPHRASE);
    let other = machine.path("other");
    made(&machine, &["--home", text(&other), "init"], THEIRS);
    let (vault, kept) = (machine.path("home/vault.hskv"), machine.path("kept"));
    fs::rename(&vault, &kept).expect("kept");
    fs::copy(other.join("vault.hskv"), &vault).expect("copied");
    let said = untrusted(&machine, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("has another approval key"), "{said}");
    // Finding it there is enough for the one whose place it is to be told.
    fs::rename(&kept, &vault).expect("put back");
    assert_eq!(machine.json(&["provider", "list"]).0, 0);
    assert!(machine.events().contains(&"integrity_alarm".to_owned()));
}

#[test]
fn rt_b03_wrong_factors_for_a_place_are_counted_over_processes() {
    let machine = Machine::new();
    made(&machine, &["init"], PASSPHRASE);
    fs::rename(machine.path("home"), machine.path("home.old")).expect("moved");
    let wrong = |count: usize| {
        let mut lines = vec![(OLD, THEIRS)];
        lines.resize(count, ("Try again", THEIRS));
        talk(&machine, &["init"], &lines)
    };
    let (exit, screen) = wrong(3);
    assert_eq!(exit, 3, "{screen}");
    // Another process goes on where that one ended: five in all, and then none for a minute.
    let mut terminal = crate::it::terminal::Terminal::run(&machine, &["init"]);
    terminal.see(OLD);
    for _ in 0..2 {
        terminal.type_line(THEIRS);
        terminal.see("Try again");
    }
    terminal.type_line(PASSPHRASE);
    let (exit, screen) = terminal.end();
    assert!(
        exit == 3 && screen.contains("too many failed attempts"),
        "{screen}"
    );
    let (exit, screen) = talk(&machine, &["init"], &[(OLD, PASSPHRASE)]);
    assert!(
        exit == 3 && screen.contains("too many failed attempts"),
        "{screen}"
    );
    assert!(list(&machine)[0]["attempts"]["locked_until"].is_string());
    // The one whose place it is learns of it.
    fs::rename(machine.path("home.old"), machine.path("home")).expect("moved");
    assert_eq!(machine.json(&["provider", "list"]).0, 0);
    assert!(machine.events().contains(&"integrity_alarm".to_owned()));
    assert!(
        list(&machine)[0]["attempts"]["locked_until"].is_string(),
        "opening the home does not begin the count anew"
    );
}

#[test]
fn rt_b03_a_list_of_an_earlier_version_knows_the_holder_once_the_home_was_opened() {
    let machine = Machine::new();
    made(&machine, &["init"], PASSPHRASE);
    let path = machine.trust_dir().join("homes.json");
    let mut old = list(&machine);
    let entry = old[0].as_object_mut().expect("an entry");
    assert!(
        entry
            .remove("held")
            .is_some_and(|held| held["key"].is_object())
    );
    fs::write(&path, old.to_string()).expect("written");
    fs::rename(machine.path("home"), machine.path("home.old")).expect("moved");
    // Nobody can say who held it.
    let (exit, screen) = talk(&machine, &["init"], &[]);
    assert!(exit == 3 && screen.contains("open it once"), "{screen}");
    fs::rename(machine.path("home.old"), machine.path("home")).expect("moved");
    assert_eq!(machine.json(&["provider", "list"]).0, 0);
    assert!(list(&machine)[0]["held"]["key"].is_object());
}

#[test]
fn n2_a_home_that_nobody_held_is_made_anew_without_a_question_and_it_is_told() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    assert_eq!(list(&machine)[0]["held"], "nobody");
    fs::remove_dir_all(machine.path("home")).expect("removed");
    let output = machine.run(&["init"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains("in the place of a trusted one"),
        "{said}"
    );
    assert!(machine.events().contains(&"integrity_alarm".to_owned()));
    assert!(
        doctor(&machine)
            .1
            .contains("it took the place of another home")
    );
    // One that somebody else made is not taken for it.
    made(
        &machine,
        &["--home", text(&machine.path("other")), "init"],
        THEIRS,
    );
    fs::remove_dir_all(machine.path("home")).expect("removed");
    fs::rename(machine.path("other"), machine.path("home")).expect("moved");
    let (exit, code, _) = refusal(&machine, &["provider", "list"]);
    assert_eq!((exit, code.as_str()), (3, "HSK-403-HOME-UNTRUSTED"));
}
