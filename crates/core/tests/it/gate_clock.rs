//! S32: clocks that are set, and what a receipt is worth then.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use handshake_core::{
    consent::AskReason,
    gate::{Authorization, EgressRequest},
    ports::Clock,
    time::UtcTime,
};
use handshake_testkit::{fixture, gate::World, memory::Memory};

use super::gate_world::{awaiting, call, cleared, named};

/// The clocks of the gate alone, set by hand.
#[derive(Default)]
struct Set(Mutex<Hands>);

#[derive(Default)]
struct Hands {
    wall_ms: i64,
    passed: Duration,
    runs: u64,
}

struct SetClock {
    inner: Memory,
    set: Arc<Set>,
}

impl Clock for SetClock {
    fn now(&self) -> UtcTime {
        let set = self.set.0.lock().expect("not poisoned").wall_ms;
        UtcTime::from_unix_millis(Clock::now(&self.inner).unix_millis() + set)
    }

    fn monotonic(&self) -> Duration {
        Clock::monotonic(&self.inner) + self.set.0.lock().expect("not poisoned").passed
    }

    fn run(&self) -> u64 {
        Clock::run(&self.inner) + self.set.0.lock().expect("not poisoned").runs
    }
}

fn world() -> (World, Arc<Set>) {
    let set = Arc::new(Set::default());
    let world = World::wired(1, |ports, memory| {
        ports.clock = Arc::new(SetClock {
            inner: memory.clone(),
            set: Arc::clone(&set),
        });
    });
    (world, set)
}

impl Set {
    fn change(&self, change: impl FnOnce(&mut Hands)) {
        change(&mut self.0.lock().expect("not poisoned"));
    }
}

const SECOND: i64 = 1000;
const YEAR: i64 = 365 * 24 * 3600 * SECOND;

/// A call that a person said yes to, once or for more of the same.
async fn approved(world: &World, lease: bool) -> EgressRequest {
    let request = call(world, &named(), "hello").await;
    let asked = awaiting(world.gate.clear(request.clone()).await);
    let receipt = match lease {
        true => world.lease(&asked),
        false => world.receipt(&asked),
    };
    let signed = world.sign(&receipt);
    world.memory.put_receipt(receipt.consent_receipt_id, signed);
    request
}

fn reasons(authorization: Authorization) -> Vec<AskReason> {
    let asked = awaiting(authorization);
    asked.plan.ext.asked_because.clone()
}

#[tokio::test]
async fn s32_a_receipt_is_worth_nothing_before_its_time_after_it_and_in_another_run() {
    type Setting = fn(&mut Hands);
    let settings: [(Setting, AskReason, AskReason); 4] = [
        (
            |set| set.wall_ms = -SECOND,
            AskReason::NoReceipt,
            AskReason::Expired,
        ),
        (
            |set| set.wall_ms = -YEAR,
            AskReason::NoReceipt,
            AskReason::Expired,
        ),
        (
            |set| set.wall_ms = 10 * YEAR,
            AskReason::NoReceipt,
            AskReason::Expired,
        ),
        (
            |set| set.runs = 1,
            AskReason::NoReceipt,
            AskReason::NoReceipt,
        ),
    ];
    for (number, (setting, single, leased)) in settings.into_iter().enumerate() {
        for (lease, reason) in [(false, single), (true, leased)] {
            let (world, set) = world();
            let request = approved(&world, lease).await;
            set.change(setting);
            let asked = reasons(world.gate.clear(request.clone()).await);
            assert_eq!(asked, [reason], "{number} {lease}");
            // As it was, it covers the call: that was all that stood in its way.
            set.change(|set| *set = Hands::default());
            let _cleared = cleared(world.gate.clear(request).await);
        }
    }
}

#[tokio::test]
async fn s32_a_clearance_is_good_for_five_seconds_whatever_the_wall_clock_says() {
    let (world, set) = world();
    let request = approved(&world, true).await;
    let began = Clock::monotonic(&world.memory);
    let one = cleared(world.gate.clear(request.clone()).await);
    assert_eq!(one.valid_until(), began + Duration::from_secs(5));
    // A minute passed, and the wall clock did not move.
    set.change(|set| {
        set.passed = Duration::from_secs(60);
    });
    let next = world.egress(&named(), fixture::prepared(&named(), "m", "hello"));
    let two = cleared(world.gate.clear(next).await);
    assert_eq!(two.valid_until(), began + Duration::from_secs(65));
}
