//! What the gate costs a call under a lease, with the store, the vault and the rules of a home: `cargo bench -p
//! handshake-llm --bench lease [-- CALLS [BYTES]]`. Prints microseconds, the median over the calls; asserts nothing. With
//! `TMPDIR` on a file system in memory it is the time without the disk.
#![expect(clippy::print_stdout, reason = "what it measures is its result")]

use std::time::Duration;

use handshake_core::ids::SessionId;
use handshake_llm::{Handshake, LeaseLimits, TurnEvent, parts::runtime::CallStep};

use self::world::{MODEL, PASSPHRASE, World, secret};

#[allow(dead_code, unreachable_pub, reason = "the tests need more of it")]
#[path = "../tests/it/world.rs"]
mod world;

const CALLS: usize = 1000;
/// As many as a lease is for, with this much new text in each where nothing else is said.
const PER_LEASE: usize = 100;
const TEXT: usize = 16 * 1024;

/// What the steps of the gate took: everything before the call is judged by what a person signed, and the rest, with the
/// transaction.
struct Took {
    before: Duration,
    authorize: Duration,
}

async fn call(handshake: &Handshake, session: &str, (number, bytes): (usize, usize)) -> Took {
    let mut text = format!("question {number}: ");
    while text.len() < bytes {
        text.push_str("what does this function return, and who calls it? ");
    }
    let mut request = handshake.ask(MODEL, text).expect("a request");
    request.session_id = SessionId::new(session).expect("valid");
    let mut call = handshake.chat(request);
    while let Some(event) = call.next().await {
        if let TurnEvent::AwaitingConsent { request_id, .. } = event.expect("no failure") {
            let preview = handshake.approver().open(request_id).await.expect("opened");
            let factor = secret(PASSPHRASE);
            let approved = preview.approve_lease(&factor, LeaseLimits::default());
            approved.await.expect("approved");
        }
    }
    let step = |step| call.timings().step(step);
    Took {
        before: step(CallStep::Locate) + step(CallStep::Inspect),
        authorize: step(CallStep::Authorize),
    }
}

fn median(mut times: Vec<Duration>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2].as_micros()
}

fn main() {
    let mut given = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let (calls, bytes) = (given.next().unwrap_or(CALLS), given.next().unwrap_or(TEXT));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let took = runtime.block_on(async {
        let world = World::new(Some(PASSPHRASE)).await;
        let mut took = Vec::with_capacity(calls);
        for number in 0..calls {
            let session = format!("s{}", number / PER_LEASE);
            let one = call(&world.handshake, &session, (number, bytes)).await;
            // The one that a person was asked about goes through the gate twice.
            if number % PER_LEASE > 0 {
                took.push(one);
            }
        }
        took
    });
    let all = |of: fn(&Took) -> Duration| median(took.iter().map(of).collect());
    println!(
        "{} calls under leases, {bytes} bytes each, median µs:",
        took.len()
    );
    println!("  locate and inspect   {}", all(|it| it.before));
    println!("  authorize and commit {}", all(|it| it.authorize));
    println!(
        "  the gate in all      {}",
        all(|it| it.before + it.authorize)
    );
}
