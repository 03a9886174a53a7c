//! Many ask at once for what was approved once.

use std::time::Duration;

use handshake_testkit::canary::Canary;
use serde_json::json;

use super::{body::Attempt, sender::Sender};
use crate::it::{
    gateway::serving_with_factor,
    machine::Machine,
    mission::{cloud_script, enrol_cloud, init, runtime, simulator, wait_for_pending, with_factor},
};

const PROCESSES: usize = 8;
const CLIENTS: usize = 64;

fn approve(machine: &Machine) {
    let id = wait_for_pending(machine);
    // Those who start late join the one that waits.
    std::thread::sleep(Duration::from_secs(2));
    let (code, screen) = with_factor(machine, &["approve", &id]);
    assert_eq!(code, 0, "{screen}");
}

#[test]
fn s72_eight_processes_and_sixty_four_clients_send_what_was_approved_once() {
    let runtime = runtime();
    let cloud = simulator(&runtime, cloud_script());
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, Canary::new("sk-test-", 43).text());
    let args = [
        "--json",
        "chat",
        "--model",
        "cloud/sim-large:latest",
        "--session",
        "s",
        "--wait",
        "12",
        "what is the answer",
    ];
    let mut calls: Vec<_> = (0..PROCESSES).map(|_| machine.start(&args)).collect();
    approve(&machine);
    let ended = calls.iter_mut().map(|call| call.0.wait().expect("it ends"));
    assert_eq!(ended.filter(std::process::ExitStatus::success).count(), 1);
    assert_eq!(cloud.requests(), 1);

    let gateway = serving_with_factor(machine);
    let body = json!({ "model": "cloud/sim-large:latest", "stream": false,
        "messages": [{ "role": "user", "content": "what is the answer" }] });
    let answers = std::thread::scope(|scope| {
        let ask = || {
            let attempt = Attempt::plain(&gateway.token, body.to_string());
            Sender::new(&gateway.address).send(&attempt, "12")
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        approve(&gateway.machine);
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .collect::<Vec<_>>()
    });
    let good = answers
        .iter()
        .filter(|answer| answer.as_deref() == Some("200"));
    assert_eq!(good.count(), 1, "{answers:?}");
    assert!(
        answers.iter().all(Option::is_some),
        "everybody is answered: {answers:?}"
    );
    assert_eq!(cloud.requests(), 2);
}
