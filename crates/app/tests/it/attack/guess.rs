//! An agent at a terminal of its own types everything that it sees there.

use std::collections::BTreeSet;

use handshake_testkit::canary::Canary;

use super::number;
use crate::it::{
    machine::Machine,
    mission::{cloud_script, enrol_cloud, init, runtime, simulator, wait_for_pending},
    terminal::Terminal,
};

const APPROVALS: u64 = 4;

#[test]
fn s02_s05_an_agent_that_types_what_it_sees_approves_nothing() {
    let approvals = number("HANDSHAKE_APPROVALS", APPROVALS);
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, Canary::new("sk-test-", 44).text());
    let ask = [
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "--wait",
        "0",
        "what is the answer",
    ];
    let mut known = BTreeSet::from(["yes".to_owned(), "y".to_owned()]);
    let mut tried = BTreeSet::new();
    for _ in 0..approvals {
        let _asked = machine.json(&ask);
        let id = wait_for_pending(&machine);
        let mut terminal = Terminal::run(&machine, &["approve", &id]);
        // One key, which the screen names, and then what no screen says.
        if terminal.asks("q leave it: ") {
            terminal.press(["y", "l"][tried.len() % 2]);
        }
        while terminal.asks("assphrase") {
            let screen = terminal.screen();
            known.extend(screen.lines().map(|line| line.trim().to_owned()));
            known.extend(screen.split_whitespace().map(str::to_owned));
            known.insert(id.clone());
            let word = known
                .iter()
                .find(|word| !tried.contains(*word))
                .cloned()
                .unwrap_or_default();
            terminal.type_line(&word);
            tried.insert(word);
        }
        let (code, screen) = terminal.end();
        assert_ne!(code, 0, "{screen}");
    }
    println!(
        "{approvals} approvals tried with {} words of the screen",
        tried.len()
    );
    assert!(!tried.is_empty());
    let (_, lines) = machine.json(&["consent", "list"]);
    assert!(
        lines.iter().all(|line| line["kind"] != "receipt"),
        "{lines:?}"
    );
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}
