//! The first passphrase of a home that has none, the recovery code, and a key file that is gone.

use std::fs;

use handshake_simulator::{Model, Reply, Rule, Script};

use super::{PASSPHRASE, THEIRS, chooses, doctor, list, listed, made, refusal, talk, untrusted};
use crate::it::{
    machine::Machine,
    mission::{runtime, simulator},
    provider::add_local,
    terminal::Terminal,
};

const CLOUD: [&str; 7] = [
    "provider",
    "add",
    "far",
    "--kind",
    "openai_compat",
    "--base-url",
    "https://api.example.org/v1",
];

fn add(machine: &Machine, passphrase: &str) -> i32 {
    let mut terminal = Terminal::run(machine, &CLOUD);
    terminal.see("Approval passphrase");
    terminal.type_line(passphrase);
    while terminal.asks("Try again") {
        terminal.type_line(passphrase);
    }
    let (exit, screen) = terminal.end();
    assert!(
        exit == 0 || screen.contains("HSK-403-FACTOR-REQUIRED"),
        "{screen}"
    );
    exit
}

#[test]
fn n2_a_home_that_was_made_without_a_terminal_gets_a_passphrase_at_one() {
    let runtime = runtime();
    let script = Script::new()
        .model(
            Model::new("tiny:latest")
                .capabilities(&["completion"])
                .context_length(8192),
        )
        .rule(Rule::new(Reply::text("forty-two")));
    let local = simulator(&runtime, script);
    let ask = ["chat", "--model", "here/tiny:latest", "6 x 7?"];
    // By the command for it, and by `init`, which offers it.
    for command in [&["home", "passphrase"][..], &["init"]] {
        let machine = Machine::new();
        add_local(&machine, "here", &local.url());
        assert_eq!(machine.json(&ask).0, 0);
        let before = listed(&machine);
        let (exit, code, _) = refusal(&machine, &CLOUD);
        assert_eq!((exit, code.as_str()), (3, "HSK-403-FACTOR-REQUIRED"));
        assert!(doctor(&machine).1.contains("handshake home passphrase"));
        let offered = [("Type `set`", "set")];
        let first = if command == ["init"] {
            &offered[..]
        } else {
            &[]
        };
        chooses(&machine, command, first, PASSPHRASE);

        assert_ne!(listed(&machine), before, "the list knows its key");
        assert!(
            list(&machine)[0]["held"]["key"].is_object(),
            "and who holds it"
        );
        assert!(machine.events().contains(&"widened".to_owned()));
        assert_eq!(add(&machine, THEIRS), 3);
        assert_eq!(add(&machine, PASSPHRASE), 0);
        let (exit, lines) = machine.json(&ask);
        assert_eq!(exit, 0, "what was local still is: {lines:?}");
        let (wrong, _) = doctor(&machine);
        assert_eq!(wrong, "");
        assert_eq!(machine.json(&["init"]).1[0]["recovery_code"], true);
    }
}

#[test]
fn n2_without_a_terminal_nobody_sets_a_passphrase_or_sees_a_code() {
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    for command in ["passphrase", "recovery-code"] {
        let (exit, code, message) = refusal(&machine, &["home", command]);
        assert_eq!((exit, code.as_str()), (3, "HSK-403-FACTOR-REQUIRED"));
        assert!(message.contains("at a terminal"), "{message}");
        // Nor with JSON at one, where a program reads.
        let (exit, screen) = talk(&machine, &["--json", "home", command], &[]);
        assert!(exit == 3 && !screen.contains("Choose"), "{screen}");
    }
    assert_eq!(machine.json(&["init"]).1[0]["can_approve"], false);
    let (exit, screen) = talk(&machine, &["home", "recovery-code"], &[]);
    assert!(
        exit == 3 && screen.contains("no approval passphrase"),
        "{screen}"
    );

    // A home that is made in JSON at a terminal has a passphrase and no code.
    let machine = Machine::new();
    let lines = [("Choose", PASSPHRASE), ("Repeat it", PASSPHRASE)];
    let (exit, screen) = talk(&machine, &["--json", "init"], &lines);
    assert!(exit == 0 && !screen.contains("Recovery code"), "{screen}");
    assert_eq!(machine.json(&["init"]).1[0]["recovery_code"], false);
    assert!(doctor(&machine).1.contains("handshake home recovery-code"));
}

#[test]
fn rt_b03_a_recovery_code_sets_a_passphrase_and_the_one_before_is_void() {
    let machine = Machine::new();
    let first = made(&machine, &["init"], PASSPHRASE);
    let held = list(&machine)[0]["held"].clone();
    let asked = "Approval passphrase (leave empty to give the recovery code)";
    // A new code, with the passphrase.
    let mut terminal = Terminal::run(&machine, &["home", "recovery-code"]);
    terminal.see(asked);
    terminal.type_line(PASSPHRASE);
    let second = crate::it::mission::recovery_code(&mut terminal);
    let (exit, screen) = terminal.end();
    assert_eq!(exit, 0, "{screen}");
    assert_ne!(first, second);
    assert_ne!(list(&machine)[0]["held"], held, "the list has the new one");

    let (exit, screen) = talk(
        &machine,
        &["home", "passphrase"],
        &[
            (asked, ""),
            ("Recovery code: ", &first),
            ("Try again", THEIRS),
            ("Try again", ""),
            (
                "Recovery code: ",
                &second.to_lowercase().replace('-', " ")[1..],
            ),
        ],
    );
    assert!(exit == 3 && screen.contains("three times"), "{screen}");
    // However it is written.
    let typed = second.to_lowercase().replace('-', " ");
    let code = [(asked, ""), ("Recovery code: ", typed.as_str())];
    let third = chooses(&machine, &["home", "passphrase"], &code, THEIRS);
    assert!(![first, second.clone()].contains(&third));
    assert_eq!(
        add(&machine, PASSPHRASE),
        3,
        "the old passphrase is none any more"
    );
    assert_eq!(add(&machine, THEIRS), 0);
    let code = [
        (asked, ""),
        ("Recovery code: ", second.as_str()),
        ("Try again", ""),
        ("Recovery code: ", ""),
    ];
    let (exit, screen) = talk(&machine, &["home", "passphrase"], &code);
    assert!(
        exit == 3 && screen.contains("nothing was entered"),
        "{screen}"
    );
    // Whoever has the last code speaks for the home's place too.
    fs::rename(machine.path("home"), machine.path("home.old")).expect("moved");
    untrusted(&machine, &["provider", "list"]);
    let old = "enter the approval passphrase of the home that was trusted here";
    chooses(
        &machine,
        &["init"],
        &[(old, ""), ("Recovery code: ", &third)],
        PASSPHRASE,
    );
}

#[test]
fn s02_a_recovery_code_stands_on_a_screen_of_its_own() {
    let machine = Machine::new();
    made(&machine, &["init"], PASSPHRASE);
    let mut command = machine.command(&["home", "recovery-code"]);
    command.env("TERM", "xterm-256color");
    let mut terminal = Terminal::run_command(&machine, &command);
    terminal.see("Approval passphrase");
    terminal.type_line(PASSPHRASE);
    let code = crate::it::mission::recovery_code(&mut terminal);
    let (exit, screen) = terminal.end();
    assert_eq!(exit, 0, "{screen}");
    let at = |text: &str| screen.find(text).expect(text);
    let (begins, shown, ends) = (at("\u{1b}[?1049h"), at(&code), at("\u{1b}[?1049l"));
    assert!(
        begins < shown && shown < ends,
        "what was there is no scrollback"
    );
    assert_eq!(screen.matches(code.as_str()).count(), 1);
}

#[test]
fn n8_a_missing_key_file_is_named_and_no_passphrase_is_asked_for() {
    for with_factor in [true, false] {
        let machine = Machine::new();
        let code = match with_factor {
            true => made(&machine, &["init"], PASSPHRASE),
            false => {
                assert_eq!(machine.json(&["init"]).0, 0);
                String::new()
            }
        };
        let install = listed(&machine)[0][1]
            .as_str()
            .expect("an install")
            .to_owned();
        let key = machine.trust_dir().join(format!("keys/{install}.key"));
        let lost = fs::read(&key).expect("a key");
        fs::remove_file(&key).expect("removed");
        for args in [
            &["provider", "list"][..],
            &["chat", "hello"],
            &["init"],
            &["log", "verify"],
        ] {
            let (exit, code, message) = refusal(&machine, args);
            assert_eq!(
                (exit, code.as_str()),
                (3, "HSK-423-VAULT-LOCKED"),
                "{args:?}: {message}"
            );
            assert!(message.contains(super::text(&key)), "{message}");
            let output = machine.run(args);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("copy it there from a backup"), "{said}");
        }
        let (exit, screen) = talk(&machine, &["provider", "list"], &[]);
        assert!(exit == 3 && !screen.contains("assphrase"), "{screen}");
        let (wrong, _) = doctor(&machine);
        assert!(
            wrong.contains(super::text(&key)) && wrong.contains("from a backup"),
            "{wrong}"
        );
        if !with_factor {
            continue;
        }
        // The recovery code makes a new one, and the lost one opens nothing any more.
        let ask = "Recovery code, to make a new key file";
        let (exit, screen) = talk(&machine, &["init"], &[(ask, "0000-0000")]);
        assert!(
            exit == 3 && screen.contains("wrong recovery code") && !key.exists(),
            "{screen}"
        );
        let (exit, screen) = talk(&machine, &["init"], &[(ask, &code)]);
        assert_eq!(exit, 0, "{screen}");
        assert_eq!(machine.json(&["provider", "list"]).0, 0);
        assert_eq!(machine.json(&["doctor"]).1[0]["ok"], true);
        fs::write(&key, lost).expect("written");
        let (_, code, message) = refusal(&machine, &["provider", "list"]);
        assert_eq!(code, "HSK-423-VAULT-LOCKED", "{message}");
    }
}
