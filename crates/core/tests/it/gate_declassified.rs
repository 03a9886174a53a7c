//! A finding that blocks is no question for a person at the call. What they declassified beforehand is one text under one
//! rule for one destination, and nothing beside it.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    code::ErrorCode,
    digest::KeyedHash,
    envelope::EnvelopeView,
    event::Body,
    finding::{self, FindingClass, Findings, WorkBudget},
    gate::EgressRequest,
    ids::{ProviderId, RuleId},
    ports::{BlockedFinding, FindingStore, LeakageValidator, LedgerError, SealRegister},
    provider::ProviderRecord,
    seal::{Declassified, Sealable},
};
use handshake_testkit::{fixture, gate::World};

use super::{
    gate_marks::{Marks, Word, blocks},
    gate_world::{
        Panics, Refuses, assert_nothing_spent, awaiting, body, cleared, denied, named, next_call,
        recorded, relay,
    },
};

const TEXT: &str = "the example key is blk-one and no other";
const ALARM: &str = "FR-EVT-EGRESS-006";

fn words() -> Vec<Word> {
    vec![
        blocks("blk-", "one"),
        blocks("two-", "two"),
        Word {
            views: &["base64"],
            ..blocks("enc-", "encoded")
        },
        Word {
            views: &["base64", "stitched"],
            ..blocks("stitched-", "stitched")
        },
        Word {
            class: FindingClass::Enrolled,
            ..blocks("enrolled-", "enrolled")
        },
        Word {
            class: FindingClass::Canary,
            ..blocks("canary-", "canary")
        },
        Word {
            class: FindingClass::Hidden,
            ..blocks("hidden-", "hidden")
        },
        Word {
            class: FindingClass::Uninspectable,
            ..blocks("opaque-", "opaque")
        },
        Word {
            class: FindingClass::SecondHandEgress,
            ..blocks("second-", "second")
        },
        Word {
            class: FindingClass::PrivateKey,
            ..blocks("pem-", "pem")
        },
    ]
}

async fn world(record: &Arc<ProviderRecord>) -> World {
    let world = World::with_validators(1, vec![Arc::new(Marks(words()))]);
    world.register(record).await;
    world
}

/// A call with one message of a person.
fn says(world: &World, record: &Arc<ProviderRecord>, text: &str) -> EgressRequest {
    next_call(world, record, body(&[("user", text)]))
}

/// What the validator finds, and a commitment to the text that holds the first of it.
fn found(world: &World, request: &EgressRequest) -> (Findings, Option<KeyedHash>) {
    let view = EnvelopeView::new(&request.prepared);
    let mut budget = WorkBudget::new(1 << 20);
    let found = Marks(words())
        .inspect(&view, &mut budget)
        .expect("findings");
    let key = world.gate.commitments();
    let leaf = finding::leaf(request.prepared.json(), &found.items[0], key);
    (found, leaf)
}

fn rule(id: &str) -> RuleId {
    RuleId::new(id).expect("an id")
}

/// What a person declassifies in a call: the first finding of it.
fn of(world: &World, request: &EgressRequest) -> Declassified {
    let (found, leaf) = found(world, request);
    let first = &found.items[0];
    let leaf = leaf.expect("a text");
    Declassified::of(&request.record, leaf, first.rule.clone(), first.class)
}

async fn declassify(world: &World, what: &Declassified) {
    let seal = world.memory.person_seals(what);
    world.memory.declassify(what, seal).await.expect("stored");
}

async fn is_blocked(world: &World, request: EgressRequest) {
    let denied = denied(world.gate.clear(request).await, ErrorCode::LeakageBlocked);
    assert!(
        denied
            .findings
            .is_some_and(|it| it.items.iter().any(|it| it.blocks()))
    );
    assert_nothing_spent(world);
}

fn alarms(world: &World) -> usize {
    let events = recorded(world, "FR-EVT-EGRESS");
    events.iter().filter(|id| **id == ALARM).count()
}

#[tokio::test]
async fn a9_what_a_person_declassified_warns_and_they_are_asked_about_the_call_all_the_same() {
    for text in [TEXT, "pem-test-fixture", "enc-whatever"] {
        let record = relay();
        let world = world(&record).await;
        let request = says(&world, &record, text);
        is_blocked(&world, request.clone()).await;
        let what = of(&world, &request);
        declassify(&world, &what).await;
        let asked = awaiting(world.gate.clear(request.clone()).await);
        let ext = &asked.plan.ext;
        assert_eq!(ext.declassified.len(), 1);
        assert_eq!(
            (&ext.declassified[0].rule, ext.declassified[0].count),
            (&what.rule, 1)
        );
        let explained = world.gate.explain(request.clone()).await;
        let said = explained.findings.expect("a verdict");
        assert!(said.items[0].declassified.is_some() && !said.items[0].blocks());
        world.approve(&asked);
        let _cleared = cleared(world.gate.clear(request).await);
        let attempt = world
            .memory
            .events()
            .into_iter()
            .find_map(|event| match event.body {
                Body::CallAttempt { declassified, .. } => Some(declassified),
                _ => None,
            });
        assert_eq!(attempt, Some(Some(1)), "the log says that it was let pass");
        assert_eq!(alarms(&world), 0);
    }
}

#[tokio::test]
async fn a9_declassified_is_one_text_one_rule_and_one_destination() {
    let record = relay();
    let world = world(&record).await;
    let request = says(&world, &record, TEXT);
    declassify(&world, &of(&world, &request)).await;
    for text in [
        "the example key is blk-one and no other ",
        "the example key is blk-two and no other",
        "the example key is blk-one and no other, two-",
        "blk-one",
    ] {
        is_blocked(&world, says(&world, &record, text)).await;
    }
    // Beside the text itself.
    let both = body(&[("user", TEXT), ("user", "blk-one")]);
    is_blocked(&world, next_call(&world, &record, both)).await;
    // The same text under two rules: each is declassified for itself.
    let text = "blk-one two-one";
    let request = says(&world, &record, text);
    let first = of(&world, &request);
    declassify(&world, &first).await;
    is_blocked(&world, request.clone()).await;
    declassify(
        &world,
        &Declassified {
            rule: rule("two"),
            ..first
        },
    )
    .await;
    drop(awaiting(world.gate.clear(request).await));
    // The same text for another provider.
    let other = named();
    world.register(&other).await;
    is_blocked(&world, says(&world, &other, TEXT)).await;
}

#[tokio::test]
async fn a9_declassified_ends_with_the_provider_as_it_stood() {
    type Edit = fn(&mut ProviderRecord);
    let edits: [(&str, Edit); 2] = [
        ("edited", |it| it.revision += 1),
        ("registered again", |it| {
            it.created_at = it.created_at.plus(Duration::from_secs(1))
        }),
    ];
    for (how, edit) in edits {
        let record = relay();
        let world = world(&record).await;
        declassify(&world, &of(&world, &says(&world, &record, TEXT))).await;
        let mut next = (*record).clone();
        edit(&mut next);
        use handshake_core::ports::ProviderStore;
        world
            .memory
            .remove(&record.provider_id)
            .await
            .expect("removed");
        let next = Arc::new(next);
        world.register(&next).await;
        // Whatever became of the row: it says what it said of another provider.
        world
            .memory
            .edit_declassified(|row| row.revision = next.revision);
        is_blocked(&world, says(&world, &next, TEXT)).await;
        assert_eq!(recorded(&world, "FR-EVT-PROVIDER").len(), 0, "{how}");
    }
}

#[tokio::test]
async fn rt_b04_a_row_that_nobody_signed_declassifies_nothing_and_is_an_alarm() {
    let record = relay();
    let other = "another text with blk-two in it";
    type Attack = fn(&World, KeyedHash);
    let attacks: [(&str, Attack); 4] = [
        ("moved to another text", |world, leaf| {
            world.memory.edit_declassified(|row| row.leaf = leaf);
        }),
        ("without its seal", |world, leaf| {
            world.memory.edit_declassified(|row| {
                row.leaf = leaf;
                row.seal = None;
            });
        }),
        ("with a seal for something else", |world, leaf| {
            let what = fixture::relay();
            let seal = world.memory.person_seals(&what);
            world.memory.edit_declassified(|row| {
                row.leaf = leaf;
                row.seal = Some(seal);
            });
        }),
        ("signed once and never put in force", |world, leaf| {
            let what = Declassified::of(&fixture::relay(), leaf, rule("one"), FindingClass::Secret);
            let seal = world.memory.person_seals(&what);
            world.memory.edit_declassified(|row| {
                row.leaf = leaf;
                row.seal = Some(seal);
            });
        }),
    ];
    for (how, attack) in attacks {
        let world = world(&record).await;
        declassify(&world, &of(&world, &says(&world, &record, TEXT))).await;
        let request = says(&world, &record, other);
        let leaf = found(&world, &request).1.expect("a text");
        attack(&world, leaf);
        for _ in 0..3 {
            is_blocked(&world, request.clone()).await;
        }
        assert_eq!(alarms(&world), 1, "{how}");
        // And what was declassified is no more.
        is_blocked(&world, says(&world, &record, TEXT)).await;
    }
}

#[tokio::test]
async fn a9_what_is_no_question_of_form_cannot_be_declassified_by_anybody() {
    let record = relay();
    for text in [
        "enrolled-secret",
        "canary-text",
        "hidden-text",
        "opaque-part",
        "second-hand",
    ] {
        let world = world(&record).await;
        let request = says(&world, &record, text);
        let what = of(&world, &request);
        assert!(
            Declassified::for_finding(&record, what.leaf, &found(&world, &request).0.items[0])
                .is_none()
        );
        // A seal of the person for it, whoever got it: the gate does not look for one.
        declassify(&world, &what).await;
        is_blocked(&world, request.clone()).await;
        // Nor under a class that could be.
        let lighter = Declassified {
            class: FindingClass::Secret,
            ..what
        };
        declassify(&world, &lighter).await;
        is_blocked(&world, request).await;
    }
    // What stands in several texts has none that could be declassified.
    let world = world(&record).await;
    assert_eq!(
        found(&world, &says(&world, &record, "stitched-together")).1,
        None
    );
}

#[tokio::test]
async fn a9_a_name_in_a_body_is_declassified_with_what_it_names() {
    let record = relay();
    let world = world(&record).await;
    let call = |name: &str| {
        let body = serde_json::json!({
            "model": "m", "messages": [{ "role": "user", "content": "hello" }], "stream": true,
            "metadata": { name: "harmless" },
        });
        next_call(&world, &record, body.to_string().into_bytes())
    };
    declassify(&world, &of(&world, &call("blk-one"))).await;
    drop(awaiting(world.gate.clear(call("blk-one")).await));
    is_blocked(&world, call("blk-two")).await;
}

#[tokio::test]
async fn a9_what_is_taken_back_blocks_and_does_not_come_back_with_its_row() {
    let record = relay();
    let world = world(&record).await;
    let request = says(&world, &record, TEXT);
    let what = of(&world, &request);
    let seal = world.memory.person_seals(&what);
    world.memory.declassify(&what, seal).await.expect("stored");
    let again = |world: &World| {
        let memory = world.memory.clone();
        let what = what.clone();
        async move {
            memory
                .classify_again(&what.provider_id, &what.rule, &what.leaf)
                .await
        }
    };
    again(&world).await.expect("taken back");
    again(&world).await.expect_err("there is none");
    is_blocked(&world, request.clone()).await;
    // The row is put back with the seal that it had, past the register.
    let statement = what.statement(seal.made_at).expect("canonical");
    world.memory.declassify(&what, seal).await.expect("stored");
    world
        .memory
        .change(&[], &[statement.subject()])
        .expect("struck");
    is_blocked(&world, request).await;
    assert_eq!(alarms(&world), 1);
}

/// A verdict that was reached before it was taken back is stale when it is to be committed.
#[tokio::test]
async fn a9_what_is_taken_back_meanwhile_is_judged_again() {
    let record = relay();
    let stale = [LedgerError::Stale];
    let world = World::wired(1, |ports, memory| {
        ports.validators = vec![Arc::new(Marks(words()))];
        ports.ledger = Refuses::meanwhile(memory, stale, |memory| {
            memory.edit_declassified(|row| row.seal = None);
        });
    });
    world.register(&record).await;
    let request = says(&world, &record, TEXT);
    declassify(&world, &of(&world, &request)).await;
    world.approve(&awaiting(world.gate.clear(request.clone()).await));
    is_blocked(&world, request).await;
}

/// One validator blocks and another does not know. Declassifying what blocked leaves what nobody looked at.
#[tokio::test]
async fn a8_declassified_stands_for_no_verdict_of_another_validator() {
    for fails in [true, false] {
        let mut validators: Vec<Arc<dyn LeakageValidator>> = vec![Arc::new(Marks(words()))];
        if fails {
            validators.push(Arc::new(Panics));
        }
        let world = World::with_validators(1, validators);
        let record = relay();
        world.register(&record).await;
        let request = says(&world, &record, TEXT);
        is_blocked(&world, request.clone()).await;
        declassify(&world, &of(&world, &request)).await;
        let authorization = world.gate.clear(request).await;
        if fails {
            denied(authorization, ErrorCode::LeakageUndecided);
            assert_nothing_spent(&world);
        } else {
            drop(awaiting(authorization));
        }
    }
}

#[tokio::test]
async fn a8_a_store_that_cannot_say_what_is_declassified_lowers_nothing() {
    struct Silent;
    #[async_trait::async_trait]
    impl FindingStore for Silent {
        async fn declassified(
            &self,
            _: Option<(&ProviderId, u64)>,
        ) -> Result<Vec<handshake_core::ports::StoredDeclassified>, handshake_core::ports::StoreError>
        {
            Err(handshake_core::ports::StoreError::Failed)
        }
        async fn declassify(
            &self,
            _: &Declassified,
            _: handshake_core::seal::Seal,
        ) -> Result<(), handshake_core::ports::StoreError> {
            Err(handshake_core::ports::StoreError::Failed)
        }
        async fn classify_again(
            &self,
            _: &ProviderId,
            _: &RuleId,
            _: &KeyedHash,
        ) -> Result<(), handshake_core::ports::StoreError> {
            Err(handshake_core::ports::StoreError::Failed)
        }
        async fn keep_blocked(
            &self,
            _: Vec<BlockedFinding>,
        ) -> Result<(), handshake_core::ports::StoreError> {
            Err(handshake_core::ports::StoreError::Failed)
        }
        async fn blocked(&self) -> Result<Vec<BlockedFinding>, handshake_core::ports::StoreError> {
            Err(handshake_core::ports::StoreError::Failed)
        }
    }
    let record = relay();
    let world = World::wired(1, |ports, _| {
        ports.validators = vec![Arc::new(Marks(words()))];
        ports.findings = Arc::new(Silent);
    });
    world.register(&record).await;
    let request = says(&world, &record, TEXT);
    declassify(&world, &of(&world, &request)).await;
    is_blocked(&world, request).await;
}

#[tokio::test]
async fn s50_what_is_kept_of_a_block_names_it_and_tells_nothing_of_it() {
    let record = relay();
    let world = world(&record).await;
    let body = serde_json::json!({
        "model": "m", "stream": true,
        "messages": [{ "role": "user", "content": "blk-one and blk-two" }],
        "metadata": { "blk-three": 5 },
    });
    let request = next_call(&world, &record, body.to_string().into_bytes());
    is_blocked(&world, request.clone()).await;
    let kept = world.memory.blocked().await.expect("kept");
    assert_eq!(kept.len(), 2);
    let text = format!("{kept:?} {}", serde_json::to_string(&kept).expect("JSON"));
    for secret in ["blk-one", "blk-two", "blk-three", "and"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let whole = kept.iter().find(|it| it.leaf.is_some()).expect("a text");
    assert_eq!((whole.count, whole.bytes), (2, Some(19)));
    assert_eq!(whole.place.as_deref(), Some("/messages/0/content"));
    assert_eq!(whole.trace_id, request.context.scope.trace_id);
    let name = kept.iter().find(|it| it.leaf.is_none()).expect("a name");
    assert_eq!(name.place.as_deref(), Some("/metadata/…"));
    // The same again is kept once, and a flood is not kept at all.
    for _ in 0..50 {
        is_blocked(&world, request.clone()).await;
    }
    assert_eq!(world.memory.blocked().await.expect("kept").len(), 2);
    // What is declassified is what was kept.
    assert_eq!(of(&world, &request).handle(), whole.handle());
}
