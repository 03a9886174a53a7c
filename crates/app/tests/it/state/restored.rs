//! B6, P17, S33: a home, a file of it or what is noted of it outside, put back as it was once.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use handshake_simulator::Simulator;
use serde_json::{Value, json};

use super::{
    alarms, doctor, refusal,
    seals::enrolled,
    spends::{PROMPT, approved, asked_again, chat},
};
use crate::it::{
    gateway::serving_with_factor,
    machine::Machine,
    mission::{runtime, with_factor},
    terminal::Terminal,
};

const PASSPHRASE: &str = "correct horse battery staple 7";

/// The folder as it is, elsewhere.
fn copy(from: &Path, to: &Path) {
    let _gone = fs::remove_dir_all(to);
    fs::DirBuilder::new().mode(0o700).create(to).expect("made");
    for entry in fs::read_dir(from).expect("reads").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

/// What is noted of the only home.
fn note(machine: &Machine) -> PathBuf {
    let folder = fs::read_dir(machine.trust_dir().join("anchors")).expect("noted");
    let notes = folder.flatten().map(|entry| entry.path());
    let mut notes = notes.filter(|path| path.extension().is_some_and(|it| it == "json"));
    notes.next().expect("a note")
}

fn locked() -> (i32, Value) {
    (3, json!("HSK-403-GOVERNANCE-LOCKED"))
}

/// Nothing that was approved before counts, nothing leaves before a person says why, and all of it is said.
#[track_caller]
fn is_found_out(machine: &Machine, cloud: &Simulator, posts: u64, says: &str) {
    assert_eq!(chat(machine, PROMPT), locked());
    assert_eq!(chat(machine, PROMPT), locked());
    assert_eq!(alarms(machine), 1, "said once");
    let wrong = doctor(machine);
    assert!(
        wrong.contains("this home was put back to an older state") && wrong.contains(says),
        "{wrong}"
    );
    assert!(wrong.contains("cloud calls are locked"), "{wrong}");
    let receipts = machine.json(&["consent", "list"]).1;
    let receipts: Vec<_> = receipts
        .iter()
        .filter(|line| line["kind"] == "receipt")
        .map(|line| &line["void"])
        .collect();
    assert_eq!(receipts, [true], "a person sees that it is void");
    assert_eq!(cloud.requests(), posts, "nothing was sent");
}

/// The owner says that it was them.
#[track_caller]
fn says_why(machine: &Machine) {
    let mut terminal = Terminal::run(machine, &["init"]);
    terminal.see("to say that you put it back yourself");
    terminal.type_line(PASSPHRASE);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
}

#[test]
fn rt_b06_a_home_that_was_put_back_revives_no_lease() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    approved(&machine, true);
    assert_eq!(chat(&machine, PROMPT), (0, Value::Null), "more of the same");
    let (home, older) = (machine.path("home"), machine.path("older"));
    copy(&home, &older);
    let receipts = machine.json(&["consent", "list"]).1;
    let receipt = receipts[0]["receipt"]["consent_receipt_id"].clone();
    let receipt = receipt.as_str().expect("an id");
    assert_eq!(machine.json(&["consent", "revoke", receipt]).0, 0);
    assert_eq!(chat(&machine, PROMPT), asked_again());
    assert_eq!(cloud.requests(), 2);

    copy(&older, &home);
    is_found_out(&machine, &cloud, 2, "its log had reached event");
    let (_, screen) = Terminal::run(&machine, &["provider", "list"]).end();
    assert!(screen.contains("put back to an older state"), "{screen}");
    // A wrong word explains nothing.
    let mut terminal = Terminal::run(&machine, &["init"]);
    terminal.see("to say that you put it back yourself");
    terminal.type_line("wrong horse battery staple");
    assert_eq!(terminal.end().0, 3);
    assert_eq!(chat(&machine, PROMPT), locked());
    says_why(&machine);
    assert_eq!(chat(&machine, PROMPT), asked_again(), "the lease is gone");
    assert_eq!(cloud.requests(), 2);
    approved(&machine, true);
    assert_eq!(chat(&machine, PROMPT), (0, Value::Null));
    assert_eq!(cloud.requests(), 4);
    // The same again, in the same start of the machine: each time is another run.
    copy(&older, &home);
    assert_eq!(chat(&machine, PROMPT), locked());
    says_why(&machine);
    assert_eq!(chat(&machine, PROMPT), asked_again());
    assert_eq!(cloud.requests(), 4);
}

#[test]
fn rt_b06_a_note_that_was_taken_away_or_edited_is_an_alarm_and_ends_what_was_approved() {
    type Attack = fn(&Path);
    let attacks: [Attack; 5] = [
        |note| fs::remove_file(note).expect("removed"),
        |note| fs::write(note, "").expect("written"),
        // The home would be as far as this says, if whoever wrote it had the key of the vault.
        |note| {
            let text = fs::read_to_string(note).expect("reads");
            let mut noted: Value = serde_json::from_str(&text).expect("JSON");
            noted["size"] = json!(1);
            fs::write(note, noted.to_string()).expect("written");
        },
        |note| {
            let text = fs::read_to_string(note).expect("reads");
            let mut noted: Value = serde_json::from_str(&text).expect("JSON");
            noted["run"] = json!(0);
            fs::write(note, noted.to_string()).expect("written");
        },
        // Whoever else can write it could have.
        |note| {
            fs::set_permissions(note, fs::Permissions::from_mode(0o666)).expect("changed");
        },
    ];
    let runtime = runtime();
    for attack in attacks {
        let (machine, cloud) = enrolled(&runtime);
        approved(&machine, true);
        attack(&note(&machine));
        let says = "what was noted of it outside is missing or was changed";
        is_found_out(&machine, &cloud, 1, says);
        says_why(&machine);
        assert_eq!(chat(&machine, PROMPT), asked_again());
        assert_eq!(cloud.requests(), 1);
    }
}

#[test]
fn rt_b06_rt_b09_an_older_vault_alone_revives_nothing_and_lifts_no_lock() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    approved(&machine, true);
    let (vault, older) = (machine.path("home/vault.hskv"), machine.path("older"));
    fs::copy(&vault, &older).expect("copied");
    // What stands in the vault alone: that Cloud was locked.
    machine.write("home/policy.toml", "locked = true\n");
    assert_eq!(chat(&machine, PROMPT), locked());
    fs::remove_file(machine.path("home/policy.toml")).expect("removed");
    fs::copy(&older, &vault).expect("put back");
    is_found_out(
        &machine,
        &cloud,
        1,
        "its vault, or its log, is an older or another one",
    );
    says_why(&machine);
    assert_eq!(chat(&machine, PROMPT), asked_again());
    assert_eq!(cloud.requests(), 1);
}

#[test]
fn rt_b06_a_running_gateway_goes_by_no_vault_that_was_put_back() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    fs::copy(machine.path("home/vault.hskv"), machine.path("older")).expect("copied");
    machine.write("home/policy.toml", "locked = true\n");
    assert_eq!(chat(&machine, PROMPT), locked());
    let gateway = serving_with_factor(machine);
    let machine = &gateway.machine;
    fs::copy(machine.path("older"), machine.path("home/vault.hskv")).expect("put back");
    fs::remove_file(machine.path("home/policy.toml")).expect("removed");
    let body = json!({
        "model": "cloud/sim-large:latest",
        "messages": [{ "role": "user", "content": PROMPT }],
    });
    let answer = gateway.post(&body.to_string(), "prefer: wait=0\r\n");
    let code = answer.json()["error"]["code"].clone();
    assert!(
        ["HSK-500-STORAGE", "HSK-403-GOVERNANCE-LOCKED"].contains(&code.as_str().expect("a code")),
        "{}",
        answer.body
    );
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn p17_a_copy_on_the_same_machine_is_another_run_and_only_one_of_the_two_is_trusted() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    approved(&machine, true);
    let copied = machine.path("copy");
    copy(&machine.path("home"), &copied);
    let at = ["--home", copied.to_str().expect("UTF-8")];
    let list = [&at[..], &["provider", "list"]].concat();
    let untrusted = (3, json!("HSK-403-HOME-UNTRUSTED"));
    assert_eq!(refusal(&machine, &list), untrusted);
    let (code, screen) = with_factor(&machine, &[&at[..], &["init"]].concat());
    assert_eq!(code, 0, "{screen}");
    let call = [
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "--session",
        "s",
        "--wait",
        "0",
        PROMPT,
    ];
    assert_eq!(
        refusal(&machine, &[&at[..], &call].concat()),
        asked_again(),
        "what was approved in the other one is void"
    );
    // Two that go on from one log would be two logs under one name.
    assert_eq!(refusal(&machine, &["provider", "list"]), untrusted);
    assert_eq!(chat(&machine, PROMPT), untrusted);
    assert_eq!(cloud.requests(), 1);
}

#[test]
fn n9_a_database_that_was_deleted_is_missed_and_not_remade_without_a_word() {
    let runtime = runtime();
    let (machine, cloud) = enrolled(&runtime);
    approved(&machine, true);
    for name in ["handshake.db", "handshake.db-wal", "handshake.db-shm"] {
        let _gone = fs::remove_file(machine.path("home").join(name));
    }
    assert_eq!(machine.json(&["log", "verify"]).0, 5, "it is gone");
    // A command that opens the home makes another one, and says what is missing.
    let (_, screen) = Terminal::run(&machine, &["provider", "list"]).end();
    assert!(
        screen.contains("put back to an older state") && screen.contains("its log had reached"),
        "{screen}"
    );
    let (code, lines) = machine.json(&["log", "verify"]);
    let line = lines.last().expect("a line");
    assert_eq!((code, &line["verdict"]), (5, &json!("tampered")), "{line}");
    let wrong = doctor(&machine);
    assert!(wrong.contains("its log had reached event"), "{wrong}");
    assert!(alarms(&machine) > 0);
    assert_eq!(cloud.requests(), 1);
}
