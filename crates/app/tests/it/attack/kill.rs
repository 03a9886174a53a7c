//! The gateway is killed at any time, and started again.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use serde_json::{Value, json};

use super::{
    Field, SYSTEM,
    body::{self, Attempt},
    draw::Draw,
    number,
    sender::Sender,
};
use crate::it::machine::Machine;

/// Requests after which what was received is looked at.
const PER_LOOK: u64 = 1500;
const KILLS: u64 = 10;
const CLIENTS: u64 = 4;
/// A lease is for 200 calls; it is given anew before it is used up.
const PER_LEASE: u64 = 120;

fn call(field: &Field, n: u64) -> Attempt {
    let model = if n.is_multiple_of(3) {
        "llama/small"
    } else {
        "cloud/sim-large:latest"
    };
    let body = json!({ "model": model, "stream": false, "messages": [
        { "role": "system", "content": SYSTEM }, { "role": "user", "content": format!("attempt {n}: go on") }] });
    Attempt::plain(&field.secrets.editor, body.to_string())
}

/// Every event of the log, of which `log tail` shows the last ten thousand at most.
fn all_events(machine: &Machine) -> Vec<Value> {
    let export = machine.path("export");
    let to = export.to_str().expect("UTF-8");
    assert_eq!(machine.json(&["log", "export", to]).0, 0);
    let log = std::fs::read_to_string(export.join("log.jsonl")).expect("reads");
    let lines = log.lines().map(|line| {
        let mut leaf: Value = serde_json::from_str(line).expect("JSON");
        leaf["event"].take()
    });
    lines.collect()
}

/// Adds the numbers of what was received since `looked_at` requests; the count now. Called where no client
/// sends.
fn newly_received(field: &Field, looked_at: u64, numbers: &mut Vec<u64>) -> u64 {
    loop {
        let before = field.cloud.requests();
        let kept = field.cloud.received();
        if field.cloud.requests() == before {
            let new = usize::try_from(before - looked_at).expect("small");
            assert!(new <= kept.len(), "{new} requests, {} are kept", kept.len());
            let new = &kept[kept.len() - new..];
            numbers.extend(new.iter().filter_map(|it| body::number_in(&it.body)));
            return before;
        }
    }
}

#[test]
fn s24_a_gateway_that_is_killed_at_any_time_loses_nothing_it_said_and_sends_nothing_twice() {
    let (kills, seed) = (
        number("HANDSHAKE_KILLS", KILLS),
        number("HANDSHAKE_SEED", super::SEED),
    );
    println!("kills {kills}, seed {seed}");
    let mut field = Field::new();
    field.lease();
    let (mut draw, mut next) = (Draw::new(seed, 0), 0);
    let acknowledged = Mutex::new(BTreeSet::new());
    // Counted, not looked at: what was received is copied when it is looked at, which for each kill is a copy of all of it.
    let mut leased_at = field.cloud.requests();
    // The server keeps the last 4,096 only.
    let (mut received, mut looked_at) = (Vec::new(), 0);
    for kill in 1..=kills {
        let stop = Duration::from_millis(20 + draw.next() % 300);
        let from = next;
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (field, acknowledged) = (&field, &acknowledged);
                scope.spawn(move || {
                    let mut sender = Sender::new(&field.gateway.address);
                    for n in (from + 1 + client..from + 10_000)
                        .step_by(usize::try_from(CLIENTS).expect("small"))
                    {
                        match sender.send(&call(field, n), "0").as_deref() {
                            Some("200") => {
                                acknowledged.lock().expect("lock").insert(n);
                            }
                            Some(_) => {}
                            // It is gone.
                            None => return,
                        }
                    }
                });
            }
            std::thread::sleep(stop);
            let serve = i32::try_from(field.gateway.running.0.id()).expect("an id");
            let serve = rustix::process::Pid::from_raw(serve).expect("an id");
            rustix::process::kill_process(serve, rustix::process::Signal::KILL).expect("killed");
        });
        next += 10_000;
        field = field.restart();
        if field.cloud.requests() - leased_at > PER_LEASE {
            field.revoke_all();
            field.lease();
            leased_at = field.cloud.requests();
        }
        if field.cloud.requests() - looked_at > PER_LOOK || kill == kills {
            looked_at = newly_received(&field, looked_at, &mut received);
        }
        if kill.is_multiple_of(100) {
            println!("{kill} kills, {} requests", field.cloud.requests());
        }
    }
    let acknowledged = acknowledged.into_inner().expect("lock");
    let once: BTreeSet<u64> = received.iter().copied().collect();
    assert_eq!(once.len(), received.len(), "nothing is sent twice");
    let of_cloud = acknowledged.iter().filter(|n| !n.is_multiple_of(3));
    assert!(
        of_cloud.clone().all(|n| once.contains(n)),
        "what was answered was sent"
    );
    let machine = field.machine();
    assert_eq!(machine.json(&["log", "verify"]).0, 0);
    let events = all_events(machine);
    let of_kind = |kind: &str| {
        events
            .iter()
            .filter(|event| event["type"] == kind && event["provider_id"] == "cloud")
            .count()
    };
    let (answered, attempts) = (of_cloud.count(), of_kind("call_attempt"));
    println!(
        "answered {answered}, sent {}, attempts in the log {attempts}",
        received.len()
    );
    assert!(answered > 0);
    assert!(
        of_kind("call_completed") >= answered,
        "every answer is in the log"
    );
    assert!(
        attempts >= received.len(),
        "nothing was sent that the log does not know"
    );
}
