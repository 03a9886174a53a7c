//! Leases: more of the same is not asked again, and everything else is.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    consent::{AskReason, ConsentReceipt, LeaseTerms},
    finding::{FindingClass, FindingLevel},
    gate::EgressRequest,
    ids::{ModelId, UseId},
    ports::{ConsentStore, EgressLedger, EntropyExt, ReceiptQuery},
    provider::ProviderRecord,
};
use handshake_testkit::{fixture, gate::World};
use serde_json::json;

use super::gate_world::{
    Says, awaiting, body, call, cleared, next_call, prepared_with, relay, with,
};

/// A home, and a lease that was given for the call `hello`.
async fn leased(
    edit: impl FnOnce(&mut ConsentReceipt),
) -> (World, Arc<ProviderRecord>, ConsentReceipt) {
    leased_in(World::new(1), edit).await
}

async fn leased_in(
    world: World,
    edit: impl FnOnce(&mut ConsentReceipt),
) -> (World, Arc<ProviderRecord>, ConsentReceipt) {
    let record = relay();
    world.register(&record).await;
    let request = world.egress(&record, prepared_with(&record, |_| {}));
    let mut lease = world.lease(&awaiting(world.gate.clear(request).await));
    edit(&mut lease);
    world
        .memory
        .put_receipt(lease.consent_receipt_id, world.sign(&lease));
    (world, record, lease)
}

async fn asks(world: &World, request: EgressRequest) -> Vec<AskReason> {
    awaiting(world.gate.clear(request).await)
        .plan
        .ext
        .asked_because
        .clone()
}

async fn evidence(
    world: &World,
    request: &EgressRequest,
) -> handshake_core::consent::ReceiptEvidence {
    let query = ReceiptQuery {
        principal: request.context.principal.clone(),
        session_id: request.context.consent_session.clone(),
        provider_id: request.record.provider_id.clone(),
        origin: request.record.base_url.origin(),
        envelope_sha256: request
            .prepared
            .envelope_sha256(&request.salt(world.gate.commitments())),
        blocks: Vec::new(),
    };
    world.memory.find(&query).await.expect("find").remove(0)
}

#[tokio::test]
async fn a_lease_covers_more_of_the_same() {
    let (world, record, lease) = leased(|_| {}).await;
    let mut messages = vec![("user", "hello")];
    let mut sizes = Vec::new();
    for more in ["one", "two", "three"] {
        let request = next_call(&world, &record, body(&messages));
        let cleared = cleared(world.gate.clear(request.clone()).await);
        assert_eq!(cleared.receipt(), Some(lease.consent_receipt_id));
        let seen = evidence(&world, &request).await;
        sizes.push(seen.new_bytes);
        messages.extend([("assistant", more), ("user", more)]);
    }
    let request = next_call(&world, &record, body(&messages[..1]));
    let seen = evidence(&world, &request).await;
    assert_eq!(seen.uses, 3);
    // What was sent before is not new again: two blocks of some forty bytes a turn.
    assert!(
        sizes[1] > sizes[0] && sizes[2] - sizes[1] < 100,
        "{sizes:?}"
    );
    assert!(seen.bytes > seen.new_bytes);
}

#[tokio::test]
async fn s25_a_lease_asks_again_for_each_thing_that_is_new_in_kind() {
    type Edit = fn(&mut serde_json::Value);
    let edits: [(AskReason, Edit); 14] = [
        (AskReason::SystemChanged, |b| {
            b["system"] = "be unkind".into()
        }),
        (AskReason::SystemChanged, |b| {
            b["messages"] =
                json!([{ "role": "system", "content": "x" }, { "role": "user", "content": "a" }]);
        }),
        (AskReason::ToolsChanged, |b| {
            b["tools"] = json!([{ "type": "function" }])
        }),
        (AskReason::FieldsChanged, |b| {
            b["metadata"] = json!({ "user": "x" })
        }),
        (AskReason::FieldsChanged, |b| b["temperature"] = json!(0.5)),
        (AskReason::NewKind, |b| {
            b["messages"][0]["content"] = json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,QQ==" } }]);
        }),
        (AskReason::NewKind, |b| {
            b["messages"][0]["content"] =
                json!([{ "type": "image_url", "image_url": { "url": "https://x.example/?q" } }]);
        }),
        (AskReason::NewKind, |b| {
            b["messages"][0]["content"] = json!([{ "type": "input_audio", "input_audio": {} }]);
        }),
        (AskReason::NewKind, |b| {
            b["messages"][0]["content"] =
                json!([{ "type": "document", "source": { "type": "base64" } }]);
        }),
        (AskReason::NewKind, |b| {
            b["messages"][0]["images"] = json!(["QQ=="])
        }),
        (AskReason::NewKind, |b| {
            b["messages"][0]["tool_calls"] = json!([])
        }),
        (AskReason::NewKind, |b| {
            b["messages"][0]["role"] = "tool".into()
        }),
        (AskReason::Limit, |b| {
            b["messages"][0]["content"] = "x".repeat(64 * 1024).into()
        }),
        (AskReason::Limit, |b| {
            b["messages"] = json!([
                { "role": "user", "content": "x".repeat(40 * 1024) },
                { "role": "user", "content": "y".repeat(40 * 1024) },
            ]);
        }),
    ];
    for (n, (reason, edit)) in edits.into_iter().enumerate() {
        let (world, record, _) = leased(|_| {}).await;
        let request = world.egress(&record, prepared_with(&record, edit));
        let because = asks(&world, request).await;
        assert!(because.contains(&reason), "case {n}: {because:?}");
        assert!(!because.contains(&AskReason::NoReceipt), "case {n}");
    }
}

#[tokio::test]
async fn s26_a_lease_asks_again_for_another_destination_model_or_session() {
    let (world, record, _) = leased(|lease| lease.ext.destination.revision += 1).await;
    let request = world.egress(&record, prepared_with(&record, |_| {}));
    assert_eq!(asks(&world, request).await, [AskReason::Destination]);
    let (world, record, _) = leased(|lease| lease.ext.destination.path = "/other".to_owned()).await;
    let request = world.egress(&record, prepared_with(&record, |_| {}));
    assert_eq!(asks(&world, request).await, [AskReason::Destination]);
    let (world, record, _) = leased(|_| {}).await;
    let prepared = prepared_with(&record, |_| {}).edited(|envelope| {
        envelope.model_id = Some(ModelId::new("larger").expect("a model"));
    });
    assert_eq!(
        asks(&world, world.egress(&record, prepared)).await,
        [AskReason::Model]
    );
    let request = world.egress(&record, prepared_with(&record, |_| {}));
    let elsewhere = with(request, |context| {
        context.consent_session =
            handshake_core::ids::SessionId::new("another").expect("a session");
    });
    assert_eq!(asks(&world, elsewhere).await, [AskReason::NoReceipt]);
}

#[tokio::test]
async fn a_lease_covers_its_other_models() {
    let larger = || ModelId::new("larger").expect("a model");
    let (world, record, _) = leased(|lease| {
        let terms = lease.ext.lease.as_mut().expect("terms");
        assert!(terms.models.insert(larger()), "it is another one");
    })
    .await;
    let prepared =
        prepared_with(&record, |_| {}).edited(|envelope| envelope.model_id = Some(larger()));
    let _cleared = cleared(world.gate.clear(world.egress(&record, prepared)).await);
}

#[tokio::test]
async fn a_lease_asks_again_for_what_the_scan_found() {
    for (class, level, reason) in [
        (
            FindingClass::GenericSecret,
            FindingLevel::Ask,
            AskReason::Finding,
        ),
        (
            FindingClass::Uninspectable,
            FindingLevel::Warn,
            AskReason::Uninspectable,
        ),
        (
            FindingClass::SecondHandEgress,
            FindingLevel::Warn,
            AskReason::SecondHand,
        ),
    ] {
        let world = World::with_validators(1, vec![Arc::new(Says(Ok(vec![(class, level)])))]);
        let (world, record, _) = leased_in(world, |_| {}).await;
        let request = world.egress(&record, prepared_with(&record, |_| {}));
        assert_eq!(asks(&world, request).await, [reason]);
    }
    let world = World::with_validators(
        1,
        vec![Arc::new(Says(Ok(vec![(
            FindingClass::Personal,
            FindingLevel::Warn,
        )])))],
    );
    let (world, record, _) = leased_in(world, |_| {}).await;
    let _cleared = cleared(
        world
            .gate
            .clear(world.egress(&record, prepared_with(&record, |_| {})))
            .await,
    );
}

#[tokio::test]
async fn a_lease_asks_again_for_what_cannot_be_read() {
    let (world, record, _) = leased(|_| {}).await;
    for unreadable in [
        &br#"{"model":"m","messages":[],"messages":[{"role":"user","content":"hidden"}],"stream":true}"#[..],
        b"not json",
        b"[]",
    ] {
        let request = next_call(&world, &record, unreadable.to_vec());
        assert_eq!(asks(&world, request).await, [AskReason::Unreadable]);
    }
}

#[tokio::test]
async fn a_lease_ends_with_its_time() {
    let hello = |world: &World, record: &Arc<ProviderRecord>| {
        world.egress(record, prepared_with(record, |_| {}))
    };
    let minutes = |n: u64| Duration::from_secs(60 * n);
    // Idle: half an hour, whatever the receipt says.
    let (world, record, _) =
        leased(|lease| lease.ext.lease.as_mut().expect("terms").idle_seconds = 1_000_000).await;
    world.memory.advance(minutes(30));
    let _cleared = cleared(world.gate.clear(hello(&world, &record)).await);
    world.memory.advance(minutes(30) + Duration::from_millis(1));
    assert_eq!(
        asks(&world, hello(&world, &record)).await,
        [AskReason::Expired]
    );
    // Life: eight hours, whatever the receipt says and however busy it is.
    let (world, record, _) =
        leased(|lease| lease.ext.expires_at = lease.ext.not_before.plus(minutes(60 * 24 * 365)))
            .await;
    for _ in 0..16 {
        let _cleared = cleared(world.gate.clear(hello(&world, &record)).await);
        world.memory.advance(minutes(30));
    }
    assert_eq!(
        asks(&world, hello(&world, &record)).await,
        [AskReason::Expired]
    );
    // Its own end.
    let (world, record, _) =
        leased(|lease| lease.ext.expires_at = lease.ext.not_before.plus(minutes(5))).await;
    world.memory.advance(minutes(5));
    assert_eq!(
        asks(&world, hello(&world, &record)).await,
        [AskReason::Expired]
    );
    // A clock that was set back: signed in the future.
    let (world, record, _) =
        leased(|lease| lease.approved_at = lease.approved_at.plus(minutes(1))).await;
    assert_eq!(
        asks(&world, hello(&world, &record)).await,
        [AskReason::Expired]
    );
}

#[tokio::test]
async fn s25_a_lease_ends_with_its_limits_whatever_it_says() {
    // Uses.
    let (world, record, _) =
        leased(|lease| lease.ext.lease.as_mut().expect("terms").max_uses = 2).await;
    for _ in 0..2 {
        let request = world.egress(&record, prepared_with(&record, |_| {}));
        let _cleared = cleared(world.gate.clear(request).await);
    }
    let request = world.egress(&record, prepared_with(&record, |_| {}));
    assert_eq!(asks(&world, request).await, [AskReason::Limit]);
    // Bytes in all: 2 MiB, though the receipt says more.
    let (world, record, _) = leased(|lease| {
        let terms = lease.ext.lease.as_mut().expect("terms");
        terms.max_new_bytes_total = 1 << 50;
        terms.max_new_bytes_per_call = 1 << 50;
    })
    .await;
    let mut calls = 0;
    loop {
        let text = format!("{calls} {}", "x".repeat(60 * 1024));
        let request = next_call(&world, &record, body(&[("user", &text)]));
        match world.gate.clear(request).await {
            handshake_core::gate::Authorization::Cleared(_) => calls += 1,
            other => {
                assert_eq!(awaiting(other).plan.ext.asked_because, [AskReason::Limit]);
                break;
            }
        }
    }
    assert_eq!(calls, LeaseTerms::MAX_NEW_BYTES_TOTAL / (60 * 1024 + 40));
    // A small limit of its own.
    let (world, record, _) = leased(|lease| {
        lease
            .ext
            .lease
            .as_mut()
            .expect("terms")
            .max_new_bytes_per_call = 50
    })
    .await;
    let request = next_call(&world, &record, body(&[("user", &"x".repeat(60))]));
    assert_eq!(asks(&world, request).await, [AskReason::Limit]);
}

/// White space and escapes carry bytes that no block shows; they count.
#[tokio::test]
async fn s29_padding_is_new_each_time() {
    let (world, record, _) = leased(|_| {}).await;
    let padded = |n: usize| {
        let plain = String::from_utf8(body(&[("user", "hello")])).expect("text");
        plain
            .replacen(',', &format!(",{}", " ".repeat(n)), 1)
            .into_bytes()
    };
    let request = next_call(&world, &record, padded(70 * 1024));
    assert_eq!(asks(&world, request).await, [AskReason::Limit]);
    let request = next_call(&world, &record, padded(1000));
    let _cleared = cleared(world.gate.clear(request.clone()).await);
    assert!(evidence(&world, &request).await.new_bytes >= 1000);
}

/// Two calls of one session at a time: each is retried under its own use.
#[tokio::test]
async fn a14_a_use_of_a_lease_goes_on_beside_others() {
    let (world, record, _) = leased(|_| {}).await;
    let one = next_call(&world, &record, body(&[("user", "one")]));
    let two = next_call(&world, &record, body(&[("user", "two")]));
    for request in [&one, &two] {
        let _cleared = cleared(world.gate.clear(request.clone()).await);
    }
    for request in [&one, &two] {
        let again = request.clone().at_attempt(2);
        let _cleared = cleared(world.gate.clear(again).await);
    }
    // Retries add no use and no new bytes; a closed use is over.
    assert_eq!(evidence(&world, &one).await.uses, 2);
    world.memory.close(one.use_id).await.expect("closed");
    let over = one.at_attempt(3);
    super::gate_world::denied(
        world.gate.clear(over).await,
        handshake_core::code::ErrorCode::CloudConsentMismatch,
    );
}

#[tokio::test]
async fn a_yes_to_this_very_call_is_spent_before_the_lease() {
    let world = World::new(1);
    let request = call(&world, &relay(), "hello").await;
    let asked = awaiting(world.gate.clear(request.clone()).await);
    let (lease, single) = (world.lease(&asked), world.receipt(&asked));
    for receipt in [&lease, &single] {
        world
            .memory
            .put_receipt(receipt.consent_receipt_id, world.sign(receipt));
    }
    let first = cleared(world.gate.clear(request.clone()).await);
    assert_eq!(first.receipt(), Some(single.consent_receipt_id));
    let next = request.of_call(UseId::from_entropy(world.memory.bytes()));
    let second = cleared(world.gate.clear(next).await);
    assert_eq!(second.receipt(), Some(lease.consent_receipt_id));
}

#[tokio::test]
async fn the_plan_counts_what_is_new_since_the_last_approval() {
    let (world, record, _) = leased(|_| {}).await;
    let first = next_call(&world, &record, body(&[("user", "hello")]));
    let _cleared = cleared(world.gate.clear(first).await);
    let more = fixture::prepared_body(
        &record,
        "m",
        json!({ "model": "m", "messages": [
            { "role": "user", "content": "hello" },
            { "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "data:," } }] },
        ], "stream": true })
        .to_string()
        .into_bytes(),
    );
    let asked = awaiting(world.gate.clear(world.egress(&record, more)).await);
    assert_eq!((asked.plan.ext.blocks, asked.plan.ext.new_blocks), (3, 1));
}
