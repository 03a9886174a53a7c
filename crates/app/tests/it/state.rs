//! What lies in the home is believed only where this program, or a person, put it there: the attacks of the red
//! team, tried on the files and ending in a refusal, an event and a line of `doctor`.

use serde_json::Value;

use crate::it::{machine::Machine, mission::init};

mod home_file;
mod policy;
mod restored;
mod seals;
mod spends;
mod tries;

/// Runs `doctor` and gives what is wrong, as one text.
fn doctor(machine: &Machine) -> String {
    let (_, lines) = machine.json(&["doctor"]);
    let checks = lines[0]["checks"].as_array().expect("checks");
    let wrong = checks.iter().filter(|check| check["state"] == "wrong");
    wrong
        .map(|check| format!("{} {}\n", check["message"], check["next_step"]))
        .collect()
}

/// Runs `doctor` and gives all that it says.
fn doctor_text(machine: &Machine) -> String {
    let output = machine.run(&["doctor"]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many alarms the log holds.
fn alarms(machine: &Machine) -> usize {
    let events = machine.events();
    events
        .iter()
        .filter(|event| *event == "integrity_alarm")
        .count()
}

/// The code and exit status of a refusal.
fn refusal(machine: &Machine, args: &[&str]) -> (i32, Value) {
    let (code, lines) = machine.json(args);
    let last = lines.last().cloned().unwrap_or_default();
    (code, last["error"]["code"].clone())
}

/// The same under a gateway that runs.
fn sql(machine: &Machine, sql: &str) {
    machine.sql(sql);
    // A running gateway looks at the database when its view is 50 ms old.
    std::thread::sleep(std::time::Duration::from_millis(100));
}
