//! S32: what a person approved lives no longer because somebody sets the clock.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    chat::ChatEvent,
    event::{Body, Withdrawn},
    ids::SessionId,
};
use handshake_llm::{CallHandle, Handshake, LeaseLimits, TurnEvent};

use super::world::{MODEL, PASSPHRASE, TestClock, World, secret};

const HOUR: i64 = 60 * 60;

/// What came of a call in the session of the lease.
#[derive(Debug, Eq, PartialEq)]
enum Came {
    /// It was answered, and nobody was asked.
    Answer,
    /// A person is asked.
    Question,
}

/// The events of a call up to the question or the end; a question is answered with a lease where it is to be.
async fn came(handshake: &Handshake, approve: bool) -> Came {
    let mut request = handshake.ask(MODEL, "6 x 7?").expect("a request");
    request.session_id = SessionId::new("clocks").expect("valid");
    let mut call: CallHandle = handshake.chat(request);
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), call.next()).await;
        match next.expect("soon").expect("an event").expect("no failure") {
            TurnEvent::AwaitingConsent { request_id, .. } if approve => {
                let approver = handshake.approver();
                tokio::spawn(async move {
                    let preview = approver.open(request_id).await.expect("opened");
                    let factor = secret(PASSPHRASE);
                    let approved = preview.approve_lease(&factor, LeaseLimits::default());
                    approved.await.expect("approved");
                });
            }
            TurnEvent::AwaitingConsent { .. } => return Came::Question,
            TurnEvent::Chat(ChatEvent::Finished { .. }) => return Came::Answer,
            _ => {}
        }
    }
}

/// A home with a lease that was used once.
async fn leased(clock: &Arc<TestClock>) -> World {
    let world = World::at(clock).await;
    assert_eq!(came(&world.handshake, true).await, Came::Answer);
    assert_eq!(came(&world.handshake, false).await, Came::Answer);
    assert_eq!(world.cloud.requests(), 2);
    world
}

/// How often the log says that the clock was set back.
async fn said(handshake: &Handshake) -> usize {
    handshake.finish().await.expect("written");
    let events = handshake.parts().store.log_tail(200).await.expect("read");
    let set_back = Body::Revoked {
        what: Withdrawn::Clock,
        consent_receipt_id: None,
    };
    events.iter().filter(|it| it.event.body == set_back).count()
}

async fn void(handshake: &Handshake) -> Vec<bool> {
    let receipts = handshake.parts().store.receipts(10).await.expect("read");
    receipts.iter().map(|it| it.void).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_clock_that_is_set_back_ends_what_was_approved_and_so_it_stays() {
    let clock = Arc::new(TestClock::default());
    let world = leased(&clock).await;
    assert_eq!(void(&world.handshake).await, [false]);
    clock.set(-HOUR);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(
        (said(&world.handshake).await, world.cloud.requests()),
        (1, 2)
    );
    assert_eq!(void(&world.handshake).await, [true], "and a person sees it");
    // Set right again: nobody knows what happened in between.
    clock.set(HOUR);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(
        (said(&world.handshake).await, world.cloud.requests()),
        (1, 2)
    );
    // What is approved now holds.
    assert_eq!(came(&world.handshake, true).await, Came::Answer);
    assert_eq!(came(&world.handshake, false).await, Came::Answer);
    assert_eq!(world.cloud.requests(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_clock_that_is_set_back_between_two_processes_is_found_out_once() {
    let clock = Arc::new(TestClock::default());
    let world = leased(&clock).await;
    world.handshake.finish().await.expect("written");
    clock.set(-HOUR);
    // Opened by another one; the one from before finds the new run.
    let second = world.opened_at(&clock).await;
    assert_eq!(said(&second).await, 1);
    assert_eq!(came(&second, false).await, Came::Question);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(world.cloud.requests(), 2);
    drop(second);
    let third = world.opened_at(&clock).await;
    assert_eq!(said(&third).await, 1, "not again");
    // They are in one run: what is approved in one counts in the other.
    assert_eq!(came(&third, true).await, Came::Answer);
    assert_eq!(came(&world.handshake, false).await, Came::Answer);
    assert_eq!(world.cloud.requests(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_corrections_end_nothing_until_they_add_up() {
    let clock = Arc::new(TestClock::default());
    let world = leased(&clock).await;
    for _ in 0..2 {
        clock.set(-2);
        clock.passes(Duration::from_secs(10));
        assert_eq!(came(&world.handshake, false).await, Came::Answer);
        // Each process by itself.
        let other = world.opened_at(&clock).await;
        assert_eq!(came(&other, false).await, Came::Answer);
    }
    assert_eq!(
        (said(&world.handshake).await, world.cloud.requests()),
        (0, 6)
    );
    clock.set(-2);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(
        (said(&world.handshake).await, world.cloud.requests()),
        (1, 6)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_night_of_sleep_and_a_jump_of_ten_years_end_leases_and_lock_nobody_out() {
    let clock = Arc::new(TestClock::default());
    let world = leased(&clock).await;
    clock.passes(Duration::from_secs(8 * 60 * 60));
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(said(&world.handshake).await, 0, "nobody set anything");
    assert_eq!(came(&world.handshake, true).await, Came::Answer);
    assert_eq!(world.cloud.requests(), 3);

    clock.set(10 * 365 * 24 * HOUR);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(said(&world.handshake).await, 1, "somebody set it");
    // What is approved in that future does not live for ten years when it turns out to be none.
    assert_eq!(came(&world.handshake, true).await, Came::Answer);
    assert_eq!(world.cloud.requests(), 4);
    clock.set(-10 * 365 * 24 * HOUR);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(
        (said(&world.handshake).await, world.cloud.requests()),
        (2, 4)
    );
    // And a person goes on.
    assert_eq!(came(&world.handshake, true).await, Came::Answer);
    assert_eq!(came(&world.handshake, false).await, Came::Answer);
    assert_eq!(world.cloud.requests(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_machine_that_was_started_again_asks_anew() {
    let clock = Arc::new(TestClock::default());
    let world = leased(&clock).await;
    world.handshake.finish().await.expect("written");
    // The list names the start of the machine that it was written in.
    let list = world.trust_dir().join("homes.json");
    let text = std::fs::read_to_string(&list).expect("a list");
    let mut homes: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    homes[0]["boot_id"] = "another".into();
    std::fs::write(&list, homes.to_string()).expect("written");
    let again = world.opened_at(&clock).await;
    assert_eq!(came(&again, false).await, Came::Question);
    assert_eq!(void(&again).await, [true]);
    assert_eq!(world.cloud.requests(), 2);
}

/// Leases live for hours and are idle for half of one at most, so that less would be a correction that costs nobody anything.
#[tokio::test(flavor = "multi_thread")]
async fn s32_a_clock_that_is_set_ahead_by_more_than_an_hour_is_told_in_the_log() {
    let clock = Arc::new(TestClock::default());
    let world = leased(&clock).await;
    clock.set(20 * 60);
    assert_eq!(came(&world.handshake, false).await, Came::Answer);
    assert_eq!(said(&world.handshake).await, 0, "a correction");
    clock.set(HOUR + 60);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(came(&world.handshake, false).await, Came::Question);
    assert_eq!(said(&world.handshake).await, 1, "once");
    assert_eq!(void(&world.handshake).await, [true]);
    // Between two processes, too.
    assert_eq!(came(&world.handshake, true).await, Came::Answer);
    world.handshake.finish().await.expect("written");
    clock.set(2 * HOUR);
    let second = world.opened_at(&clock).await;
    assert_eq!(said(&second).await, 2);
    assert_eq!(came(&second, false).await, Came::Question);
    assert_eq!(world.cloud.requests(), 4);
}
