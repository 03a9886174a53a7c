//! P5: wrong passphrases are counted, whichever process asked for them, and the answer says how long that lasts.

use serde_json::json;

use super::{init, refusal};
use crate::it::{machine::Machine, terminal::Terminal};

const PASSPHRASE: &str = "correct horse battery staple 7";
const WRONG: &str = "wrong horse battery staple 7";
const WIDENS: [&str; 5] = [
    "secret",
    "bind",
    "env:HOME",
    "--origin",
    "http://127.0.0.1:9",
];

/// Gives these at one terminal, one after the other, and what came of it.
fn gives(machine: &Machine, passphrases: &[&str]) -> (i32, String) {
    let mut terminal = Terminal::run(machine, &WIDENS);
    terminal.see("Approval passphrase");
    for (number, passphrase) in passphrases.iter().enumerate() {
        if number > 0 {
            terminal.see("Wrong passphrase. Try again");
        }
        terminal.type_line(passphrase);
    }
    terminal.end()
}

/// The seconds that an answer names.
fn seconds(screen: &str) -> u64 {
    let left = screen.split("try again in ").nth(1).expect("a time");
    let left = left.split(' ').next().expect("a number");
    left.parse().expect("a number")
}

#[test]
fn p5_wrong_passphrases_are_counted_over_processes_and_the_answer_names_the_time_left() {
    let machine = Machine::new();
    init(&machine);
    let (code, screen) = gives(&machine, &[WRONG, WRONG, WRONG]);
    assert_eq!(code, 3, "{screen}");
    assert!(screen.contains("wrong passphrase, three times"), "{screen}");
    // Another process, and the fifth in a row. The next one is not tried, right as it is.
    let (code, screen) = gives(&machine, &[WRONG, WRONG, PASSPHRASE]);
    assert_eq!(code, 3, "{screen}");
    assert!(screen.contains("too many failed attempts"), "{screen}");
    assert!((50..=60).contains(&seconds(&screen)), "{screen}");
    assert!(
        !screen.contains("enter the approval passphrase"),
        "{screen}"
    );
    assert!(screen.contains("wait until then"), "{screen}");
    // Nor by a third one, nor by another command.
    let (code, screen) = gives(&machine, &[PASSPHRASE]);
    assert_eq!(code, 3, "{screen}");
    let left = seconds(&screen);
    let mut terminal = Terminal::run(&machine, &["token", "create", "editor"]);
    terminal.see("Approval passphrase");
    terminal.type_line(PASSPHRASE);
    let (code, screen) = terminal.end();
    assert_eq!(code, 3, "{screen}");
    assert!(seconds(&screen) <= left, "it runs out: {screen}");
    assert!(machine.json(&["secret", "list"]).1.is_empty());
    assert!(machine.json(&["token", "list"]).1.is_empty());
    // What needs nobody goes on.
    let needed = (3, json!("HSK-403-FACTOR-REQUIRED"));
    assert_eq!(refusal(&machine, &WIDENS), needed);
    assert_eq!(machine.json(&["doctor"]).0, 0);
}
