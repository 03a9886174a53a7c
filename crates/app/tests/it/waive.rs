//! A lease that lets values pass again which a person saw: those, and no others.

use handshake_simulator::Simulator;
use serde_json::{Value, json};

use crate::it::{
    machine::{Machine, Running},
    mission::{cloud_script, enrol_cloud, init, runtime, simulator, wait_for_pending, with_factor},
    terminal::Terminal,
};

const PASSPHRASE: &str = "correct horse battery staple 7";
const MODEL: &str = "cloud/sim-large:latest";
const ASKS: &str = "HSK-403-CLOUD-CONSENT-REQUIRED";
/// Two account numbers that the same rule asks about.
const ONE: &str = "DE89370400440532013000";
const TWO: &str = "GB82WEST12345698765432";

fn home(runtime: &tokio::runtime::Runtime) -> (Machine, Simulator) {
    let cloud = simulator(runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, "sk-live-4f9Qz7LwX2mN8vB1");
    (machine, cloud)
}

fn waits(machine: &Machine, prompt: &str) -> (Running, String) {
    let call = machine.start(&["--json", "chat", "--model", MODEL, "--session", "s", prompt]);
    (call, wait_for_pending(machine))
}

fn receipts(machine: &Machine) -> Vec<Value> {
    let lines = machine.json(&["consent", "list"]).1;
    lines
        .into_iter()
        .filter(|it| it["kind"] == "receipt")
        .collect()
}

#[test]
fn a9_s27_a_lease_lets_pass_again_what_a_person_saw_and_nothing_else() {
    let runtime = runtime();
    let (machine, cloud) = home(&runtime);
    let first = format!("pay to IBAN {ONE} today");
    let (mut call, id) = waits(&machine, &first);
    // Without saying so there is no lease, and nobody is asked for a passphrase for nothing.
    let mut terminal = Terminal::run(&machine, &["approve", "--lease", &id]);
    let (code, screen) = {
        terminal.see("no lease can cover this call");
        terminal.end()
    };
    assert_eq!(code, 3, "{screen}");
    assert!(
        screen.contains("--waive") && !screen.contains("Approval passphrase"),
        "{screen}"
    );
    assert!(receipts(&machine).is_empty());
    // `--waive` is of a lease.
    assert_eq!(
        machine.run(&["approve", "--waive", &id]).status.code(),
        Some(2)
    );

    let (code, screen) = with_factor(&machine, &["approve", "--lease", "--waive", &id]);
    assert_eq!(code, 0, "{screen}");
    assert!(
        screen.contains("these values pass again under it"),
        "{screen}"
    );
    assert!(screen.contains("/messages/0/content"), "{screen}");
    assert!(!screen.contains(&ONE[5..]), "masked: {screen}");
    assert!(call.0.wait().expect("it ends").success());
    assert_eq!(cloud.requests(), 1);
    let receipts = receipts(&machine);
    let waived = receipts[0]["receipt"]["ext"]["lease"]["waived"].as_array();
    assert_eq!(waived.map(Vec::len), Some(1), "{receipts:?}");

    let id = receipts[0]["receipt"]["consent_receipt_id"].as_str();
    let shown = machine.run(&["consent", "show", id.expect("an id")]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("1 value that was found"), "{shown}");

    // The same value in other words.
    assert_eq!(
        machine
            .chat(MODEL, &format!("and once more to IBAN {ONE} please"))
            .0,
        0
    );
    assert_eq!(cloud.requests(), 2);
    // Another value of the same rule, and another rule.
    let before = cloud.requests();
    for text in [
        format!("rather pay to IBAN {TWO} today"),
        format!("both IBAN {ONE} and IBAN {TWO} now"),
    ] {
        assert_eq!(machine.chat(MODEL, &text), (4, json!(ASKS)), "{text}");
    }
    assert_eq!(cloud.requests(), before);
    let tail = machine.json(&["log", "tail", "-n", "1000"]).1;
    let attempts = tail
        .iter()
        .filter(|it| it["type"] == "call_attempt" && it["waived"] == 1);
    assert_eq!(attempts.count(), 2, "the log says what was let pass");
}

#[test]
fn a9_s27_the_key_for_it_is_offered_where_it_means_something() {
    let runtime = runtime();
    let (machine, cloud) = home(&runtime);
    let (mut call, _) = waits(&machine, &format!("pay to IBAN {ONE} today"));
    let mut terminal = Terminal::run(&machine, &["approve"]);
    terminal.see("w lease with what was found");
    terminal.see("q leave it: ");
    terminal.press("w");
    terminal.see("these values pass again under it");
    terminal.see("Approval passphrase");
    terminal.type_line(PASSPHRASE);
    let (code, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(call.0.wait().expect("it ends").success());
    assert_eq!(
        machine
            .chat(MODEL, &format!("again to IBAN {ONE} please"))
            .0,
        0
    );
    assert_eq!(cloud.requests(), 2);
    // A call in which nothing was found offers a plain lease, and no other.
    let mut other = machine.command(&[
        "--json",
        "chat",
        "--model",
        MODEL,
        "--session",
        "other",
        "hello there",
    ]);
    let mut other = Running(
        other
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("starts"),
    );
    wait_for_pending(&machine);
    let mut terminal = Terminal::run(&machine, &["approve"]);
    terminal.see("y this call · l lease · n deny");
    terminal.see("q leave it: ");
    terminal.press("n");
    assert_eq!(terminal.end().0, 0);
    assert!(!other.0.wait().expect("it ends").success());
}
