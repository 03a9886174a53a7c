//! Which homes are trusted: what takes the place of one, what comes from elsewhere, and who can say that it may.

use std::path::Path;

use serde_json::Value;

use crate::it::{machine::Machine, mission::recovery_code, terminal::Terminal};

mod environment;
mod factor;
mod foreign;
mod swap;

/// The person's, as in the rest of the tests.
const PASSPHRASE: &str = "correct horse battery staple 7";
/// One that somebody else chose.
const THEIRS: &str = "agents choose their own words 9";

/// Runs a command at a terminal: waits for each text and types the line after it.
fn talk(machine: &Machine, args: &[&str], lines: &[(&str, &str)]) -> (i32, String) {
    let mut terminal = Terminal::run(machine, args);
    for (text, line) in lines {
        terminal.see(text);
        terminal.type_line(line);
    }
    terminal.end()
}

/// Makes a home at a terminal and returns its recovery code.
fn made(machine: &Machine, args: &[&str], passphrase: &str) -> String {
    let mut terminal = Terminal::run(machine, args);
    for text in ["Choose", "Repeat it"] {
        terminal.see(text);
        terminal.type_line(passphrase);
    }
    let code = recovery_code(&mut terminal);
    let (exit, screen) = terminal.end();
    assert_eq!(exit, 0, "{screen}");
    code
}

/// Chooses a new passphrase at the terminal of a command that asks for one, after what it asks first.
fn chooses(machine: &Machine, args: &[&str], first: &[(&str, &str)], passphrase: &str) -> String {
    let mut terminal = Terminal::run(machine, args);
    let both = [("Choose", passphrase), ("Repeat it", passphrase)];
    for (text, line) in first.iter().chain(&both) {
        terminal.see(text);
        terminal.type_line(line);
    }
    let code = recovery_code(&mut terminal);
    let (exit, screen) = terminal.end();
    assert_eq!(exit, 0, "{screen}");
    code
}

/// The list of trusted homes, as it is stored.
fn list(machine: &Machine) -> Value {
    let text = std::fs::read(machine.trust_dir().join("homes.json")).expect("a list");
    serde_json::from_slice(&text).expect("JSON")
}

/// The path, install and approval key of every entry.
fn listed(machine: &Machine) -> Vec<Value> {
    let list = list(machine);
    let entries = list.as_array().expect("entries").iter();
    entries
        .map(|it| serde_json::json!([it["path"], it["install_id"], it["approval_key"]]))
        .collect()
}

fn refusal(machine: &Machine, args: &[&str]) -> (i32, String, String) {
    let (exit, lines) = machine.json(args);
    let error = lines.last().expect("a line")["error"].clone();
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (exit, text("code"), text("message"))
}

fn untrusted(machine: &Machine, args: &[&str]) -> String {
    let (exit, code, message) = refusal(machine, args);
    assert_eq!(
        (exit, code.as_str()),
        (3, "HSK-403-HOME-UNTRUSTED"),
        "{args:?}: {message}"
    );
    message
}

/// What `doctor` finds wrong, with its next steps, and what it remarks.
fn doctor(machine: &Machine) -> (String, String) {
    let (_, lines) = machine.json(&["doctor"]);
    let checks = lines[0]["checks"].as_array().expect("checks");
    let of = |state: &str| {
        let some = checks.iter().filter(|check| check["state"] == state);
        some.map(|check| {
            format!(
                "{}: {} {}\n",
                check["check"], check["message"], check["next_step"]
            )
        })
        .collect()
    };
    (of("wrong"), of("remark"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
