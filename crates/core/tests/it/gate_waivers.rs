//! A lease lets a value pass again that a rule asks about, where the person said so of that value; nothing else that it
//! asks about, and nothing that blocks.

use std::{collections::BTreeSet, sync::Arc};

use handshake_core::{
    code::ErrorCode,
    consent::{AskReason, Asked, Waiver},
    envelope::EnvelopeView,
    event::Body,
    finding::{FindingClass, WorkBudget},
    gate::EgressRequest,
    ports::LeakageValidator,
    provider::ProviderRecord,
};
use handshake_testkit::gate::World;

use super::{
    gate_marks::{Marks, Word, asked, blocks},
    gate_world::{assert_nothing_spent, awaiting, body, cleared, denied, next_call, relay},
};

fn words() -> Vec<Word> {
    vec![
        asked("mail:", "mail"),
        asked("tel:", "tel"),
        // A second rule that sees the same characters.
        asked("both:", "mail"),
        asked("both:", "tel"),
        Word {
            views: &["base64"],
            ..asked("enc:", "encoded")
        },
        Word {
            class: FindingClass::Uninspectable,
            ..asked("picture:", "picture")
        },
        Word {
            views: &["partial"],
            ..asked("part:", "partial")
        },
        blocks("blk:", "blk"),
    ]
}

fn waivers(world: &World, request: &EgressRequest) -> Asked {
    let view = EnvelopeView::new(&request.prepared);
    let mut budget = WorkBudget::new(1 << 20);
    let found = Marks(words())
        .inspect(&view, &mut budget)
        .expect("findings");
    Asked::of(
        &found.items,
        request.prepared.json(),
        world.gate.commitments(),
    )
}

fn says(world: &World, record: &Arc<ProviderRecord>, text: &str) -> EgressRequest {
    next_call(world, record, body(&[("user", text)]))
}

/// A home with a lease that waives what a first message holds, or that much of it.
async fn leased(text: &str, keep: impl Fn(&Waiver) -> bool) -> (World, Arc<ProviderRecord>) {
    let record = relay();
    let world = World::with_validators(1, vec![Arc::new(Marks(words()))]);
    world.register(&record).await;
    let request = says(&world, &record, text);
    let asked = awaiting(world.gate.clear(request.clone()).await);
    let mut lease = world.lease(&asked);
    let waived: BTreeSet<Waiver> = waivers(&world, &request).values;
    lease.ext.lease.as_mut().expect("terms").waived = waived.into_iter().filter(keep).collect();
    world
        .memory
        .put_receipt(lease.consent_receipt_id, world.sign(&lease));
    (world, record)
}

async fn asks(world: &World, request: EgressRequest) {
    let asked = awaiting(world.gate.clear(request).await);
    assert!(asked.plan.ext.asked_because.contains(&AskReason::Finding));
    assert_nothing_spent(world);
}

#[tokio::test]
async fn a9_s27_a_waived_value_passes_again_and_no_other_does() {
    let (world, record) = leased("write to mail:a please", |_| true).await;
    for text in [
        "write to mail:b please",
        "write to mail:a and mail:b please",
        "call tel:a please",
        "mail:aa",
        "mail:a tel:a",
    ] {
        asks(&world, says(&world, &record, text)).await;
    }
    let again = says(&world, &record, "another message to mail:a and that is all");
    let _cleared = cleared(world.gate.clear(again).await);
    let waived = world
        .memory
        .events()
        .into_iter()
        .find_map(|event| match event.body {
            Body::CallAttempt { waived, .. } => Some(waived),
            _ => None,
        });
    assert_eq!(waived, Some(Some(1)), "the log says that it was let pass");
}

#[tokio::test]
async fn a9_s27_a_waiver_is_of_one_rule() {
    let text = "reach me at both:x always";
    let (world, record) = leased(text, |waiver| waiver.rule.as_str() == "mail").await;
    asks(&world, says(&world, &record, text)).await;
    let (world, record) = leased(text, |_| true).await;
    let _cleared = cleared(world.gate.clear(says(&world, &record, text)).await);
}

#[tokio::test]
async fn a9_s27_a_lease_without_waivers_asks_as_it_did() {
    let (world, record) = leased("mail:a", |_| false).await;
    asks(&world, says(&world, &record, "mail:a")).await;
    let _cleared = cleared(world.gate.clear(says(&world, &record, "hello")).await);
}

#[tokio::test]
async fn a9_s29_what_was_decoded_is_waived_as_the_whole_text() {
    let (world, record) = leased("see enc:abc here", |_| true).await;
    let _cleared = cleared(
        world
            .gate
            .clear(says(&world, &record, "see enc:abc here"))
            .await,
    );
    let world_and = leased("see enc:abc here", |_| true).await;
    for text in ["see enc:abc here ", "enc:abc", "and see enc:abc here"] {
        asks(&world_and.0, says(&world_and.0, &world_and.1, text)).await;
    }
}

#[tokio::test]
async fn a9_s27_no_waiver_covers_what_nobody_can_look_into_nor_what_blocks() {
    for text in ["picture:x", "part:x"] {
        let (world, record) = leased(text, |_| true).await;
        asks(&world, says(&world, &record, text)).await;
        let asked = waivers(&world, &says(&world, &record, text));
        assert!(asked.values.is_empty() && asked.each_time, "{text}");
    }
    // Beside a waived value.
    let (world, record) = leased("mail:a", |_| true).await;
    asks(&world, says(&world, &record, "mail:a picture:x")).await;
    let blocked = says(&world, &record, "mail:a blk:x");
    denied(world.gate.clear(blocked).await, ErrorCode::LeakageBlocked);
    assert_nothing_spent(&world);
    // A waiver made up for a value that blocks says nothing about it.
    let request = says(&world, &record, "blk:x");
    assert!(waivers(&world, &request).blocks);
}

#[test]
fn a9_a_lease_without_waivers_keeps_the_bytes_that_were_signed() {
    let old = serde_json::json!({
        "models": ["m"], "system": null, "tools": null, "fields": ["messages"], "kinds": ["text"],
        "max_new_bytes_per_call": 1, "max_new_bytes_total": 2, "max_uses": 3, "idle_seconds": 4,
    });
    let terms: handshake_core::consent::LeaseTerms =
        serde_json::from_value(old.clone()).expect("as it was stored");
    assert!(terms.waived.is_empty());
    assert_eq!(serde_json::to_value(&terms).expect("JSON"), old);
}
