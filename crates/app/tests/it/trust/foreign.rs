//! A home that somebody else made, or that was moved: its own factor makes it trusted, and a word does not.

use std::fs;

use super::{PASSPHRASE, THEIRS, listed, made, talk, text, untrusted};
use crate::it::machine::Machine;

const OWN: &str = "Its approval passphrase, to trust it";

/// A home of another machine, put beside this one's.
fn brought(machine: &Machine, args: &[&str], passphrase: Option<&str>) -> (Machine, String) {
    let theirs = Machine::new();
    match passphrase {
        Some(passphrase) => drop(made(&theirs, args, passphrase)),
        None => assert_eq!(theirs.json(args).0, 0),
    }
    let install = listed(&theirs)[0][1]
        .as_str()
        .expect("an install")
        .to_owned();
    fs::rename(theirs.path("home"), machine.path("theirs")).expect("moved");
    (theirs, format!("keys/{install}.key"))
}

fn bring_the_key(machine: &Machine, theirs: &Machine, key: &str) {
    let to = machine.trust_dir().join(key);
    fs::create_dir_all(to.parent().expect("a folder")).expect("made");
    fs::copy(theirs.trust_dir().join(key), to).expect("copied");
}

#[test]
fn s04_a_foreign_home_is_trusted_with_its_own_factor_and_not_with_a_word() {
    let machine = Machine::new();
    made(&machine, &["init"], PASSPHRASE);
    let (theirs, key) = brought(&machine, &["init"], Some(THEIRS));
    let before = listed(&machine);
    let path = machine.path("theirs");
    let home = ["--home", text(&path)];
    let init = [&home[..], &["init"]].concat();
    untrusted(&machine, &[&home[..], &["provider", "list"]].concat());
    untrusted(&machine, &init);

    // N8: its key did not come with it, which is said before anything is asked or trusted.
    let (exit, screen) = talk(
        &machine,
        &init,
        &[("Recovery code, to make a new key file", "")],
    );
    assert_eq!(exit, 3, "{screen}");
    assert!(
        screen.contains("HSK-423-VAULT-LOCKED") && screen.contains(&key),
        "{screen}"
    );
    assert!(!screen.contains("assphrase"), "{screen}");
    assert_eq!(listed(&machine), before);

    bring_the_key(&machine, &theirs, &key);
    let typed = [
        (OWN, "trust"),
        ("Try again", PASSPHRASE),
        ("Try again", "yes"),
    ];
    let (exit, screen) = talk(&machine, &init, &typed);
    assert_eq!(exit, 3, "{screen}");
    assert_eq!(
        listed(&machine),
        before,
        "the word is on the screen for anybody to type"
    );

    // What does not open is not trusted, whatever was given.
    let (database, kept) = (path.join("handshake.db"), path.join("kept"));
    fs::copy(&database, &kept).expect("copied");
    fs::write(
        &database,
        b"no database at all, and longer than a header is: ".repeat(9),
    )
    .expect("written");
    let (exit, screen) = talk(&machine, &init, &[(OWN, THEIRS)]);
    assert_ne!(exit, 0, "{screen}");
    assert_eq!(listed(&machine), before, "it did not open");
    fs::rename(&kept, &database).expect("put back");
    untrusted(&machine, &[&home[..], &["provider", "list"]].concat());

    let (exit, screen) = talk(&machine, &init, &[(OWN, THEIRS)]);
    assert_eq!(exit, 0, "{screen}");
    assert_eq!(listed(&machine).len(), 2);
    assert_eq!(
        machine.json(&[&home[..], &["provider", "list"]].concat()).0,
        0
    );
    let (_, lines) = machine.json(&[&home[..], &["log", "tail", "-n", "100"]].concat());
    assert!(
        lines.iter().any(|line| line["type"] == "widened"),
        "{lines:?}"
    );
}

#[test]
fn s04_a_foreign_home_in_the_place_of_a_trusted_one_needs_both_factors() {
    let machine = Machine::new();
    made(&machine, &["init"], PASSPHRASE);
    let (theirs, key) = brought(&machine, &["init"], Some(THEIRS));
    bring_the_key(&machine, &theirs, &key);
    fs::rename(machine.path("home"), machine.path("home.old")).expect("moved");
    fs::rename(machine.path("theirs"), machine.path("home")).expect("moved");
    let old = "enter the approval passphrase of the home that was trusted here";
    let before = listed(&machine);
    let (exit, screen) = talk(
        &machine,
        &["init"],
        &[
            (old, PASSPHRASE),
            (OWN, PASSPHRASE),
            ("Try again", "trust"),
            ("Try again", "trust"),
        ],
    );
    assert_eq!(exit, 3, "{screen}");
    assert_eq!(listed(&machine), before);
    let (exit, screen) = talk(&machine, &["init"], &[(old, PASSPHRASE), (OWN, THEIRS)]);
    assert_eq!(exit, 0, "{screen}");
    assert_ne!(listed(&machine), before);
    assert_eq!(machine.json(&["provider", "list"]).0, 0);
    assert!(machine.events().contains(&"integrity_alarm".to_owned()));
}

#[test]
fn s04_a_foreign_home_without_a_factor_takes_a_word_and_only_at_a_terminal() {
    let machine = Machine::new();
    let (theirs, key) = brought(&machine, &["init"], None);
    bring_the_key(&machine, &theirs, &key);
    let path = machine.path("theirs");
    let init = ["--home", text(&path), "init"];
    untrusted(&machine, &init);
    let (exit, screen) = talk(&machine, &init, &[("Type `trust`", "yes")]);
    assert!(
        exit == 3 && screen.contains("HSK-403-HOME-UNTRUSTED"),
        "{screen}"
    );
    let (exit, screen) = talk(&machine, &init, &[("Type `trust`", "trust")]);
    assert_eq!(exit, 0, "{screen}");
    assert_eq!(listed(&machine).len(), 1);
}

#[test]
fn s04_the_list_lies_outside_of_homes_and_only_its_owner_writes_there() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    let inside = machine.path("home/config");
    let mut init = machine.command_with(&inside, &["--json", "init"]);
    let output = init.output().expect("it runs");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an object");
    assert_eq!(said["error"]["code"], "HSK-400-INVALID-CONFIG");
    assert_eq!(output.status.code(), Some(2));
    assert!(!machine.path("home").exists());
    assert_eq!(machine.json(&["init"]).0, 0);
    for mode in [0o770, 0o707] {
        let open = fs::Permissions::from_mode(mode);
        fs::set_permissions(machine.trust_dir(), open).expect("mode");
        untrusted(&machine, &["provider", "list"]);
    }
    fs::set_permissions(machine.trust_dir(), fs::Permissions::from_mode(0o755)).expect("mode");
    assert_eq!(machine.json(&["provider", "list"]).0, 0, "others may look");
}
