//! Receipts at the gate: what covers a call, once, and what does not.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    code::ErrorCode,
    consent::{Assurance, ConsentReceipt, DemoBinding, EGRESS_EXT, ReceiptScope, SignedReceipt},
    digest::Digest,
    event::Body,
    finding::{FindingClass, FindingLevel},
    gate::{Authorization, EgressRequest, Outcome, PersonFact, StepName},
    ids::{ExternalId, ModelId, Principal, ReceiptId, SessionId, UseId},
    ports::{ApprovalQueue, EgressLedger, EntropyExt, LedgerError, SignedDecision, StoreError},
    provider::ProviderRecord,
    tier::Reach,
};
use handshake_testkit::{fixture, gate::World, memory::MemorySigner, mock::MockConsent};

use super::gate_world::{
    Refuses, Says, assert_denial_recorded, awaiting, call, cleared, denied, named, recorded, relay,
};

const RECEIPT_DOMAIN: &str = handshake_core::attest::RECEIPT_DOMAIN;

/// A call that waits, and what a person would sign.
async fn asked(world: &World, record: &Arc<ProviderRecord>) -> (EgressRequest, ConsentReceipt) {
    let request = call(world, record, "hello").await;
    let awaiting = awaiting(world.gate.clear(request.clone()).await);
    let receipt = world.receipt(&awaiting);
    (request, receipt)
}

fn store(world: &World, receipt: &ConsentReceipt) {
    world
        .memory
        .put_receipt(receipt.consent_receipt_id, world.sign(receipt));
}

fn again(world: &World, request: &EgressRequest) -> EgressRequest {
    request
        .clone()
        .of_call(UseId::from_entropy(world.memory.bytes()))
}

#[tokio::test]
async fn a8_a_receipt_is_good_for_its_call_once() {
    let world = World::new(1);
    let (request, receipt) = asked(&world, &relay()).await;
    store(&world, &receipt);
    let first = cleared(world.gate.clear(request.clone()).await);
    assert_eq!(first.receipt(), Some(receipt.consent_receipt_id));
    assert!(
        first.intent().is_some(),
        "the intent is committed before anything is dialled"
    );
    assert_eq!(recorded(&world, "FR-EVT-PROVIDER"), ["FR-EVT-PROVIDER-006"]);
    // Another use of the very same envelope is asked for again.
    let _asks = awaiting(world.gate.clear(again(&world, &request)).await);
    assert_eq!(recorded(&world, "FR-EVT-PROVIDER").len(), 1);
}

#[tokio::test]
async fn a8_two_at_once_spend_one_receipt_once() {
    let world = World::new(1);
    let (request, receipt) = asked(&world, &relay()).await;
    store(&world, &receipt);
    let other = again(&world, &request);
    let (one, two) =
        futures_util::future::join(world.gate.clear(request), world.gate.clear(other)).await;
    let through = [&one, &two]
        .iter()
        .filter(|a| matches!(a, Authorization::Cleared(_)))
        .count();
    assert_eq!(through, 1);
    assert_eq!(recorded(&world, "FR-EVT-PROVIDER").len(), 1);
}

#[tokio::test]
async fn a14_attempts_of_one_use_are_bounded_and_cleared_each() {
    let world = World::new(1);
    let (request, receipt) = asked(&world, &relay()).await;
    store(&world, &receipt);
    let attempt = |n| request.clone().at_attempt(n);
    // No use begins with a second attempt.
    denied(
        world.gate.clear(attempt(2)).await,
        ErrorCode::CloudConsentMismatch,
    );
    for n in 1..=3 {
        assert_eq!(cleared(world.gate.clear(attempt(n)).await).attempt(), n);
    }
    denied(
        world.gate.clear(attempt(4)).await,
        ErrorCode::CloudConsentMismatch,
    );
    assert_eq!(recorded(&world, "FR-EVT-PROVIDER").len(), 3);
}

#[tokio::test]
async fn a14_no_attempt_follows_a_closed_use_an_expiry_or_a_revocation() {
    type Between = fn(&World, &ConsentReceipt) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;
    let cases: [Between; 3] = [
        |world, _| {
            let memory = world.memory.clone();
            Box::pin(async move {
                let open = memory.events().iter().find_map(|event| match event.body {
                    Body::CallAttempt { use_id, .. } => Some(use_id),
                    _ => None,
                });
                memory
                    .close(open.expect("an attempt"))
                    .await
                    .expect("closed");
            })
        },
        |world, _| {
            world.memory.advance(Duration::from_secs(601));
            Box::pin(async {})
        },
        |world, receipt| {
            let (memory, id) = (world.memory.clone(), receipt.consent_receipt_id);
            Box::pin(async move {
                memory
                    .decide(SignedDecision::Revoke(id))
                    .await
                    .expect("revoked");
            })
        },
    ];
    for between in cases {
        let world = World::new(1);
        let (request, receipt) = asked(&world, &relay()).await;
        store(&world, &receipt);
        let _first = cleared(world.gate.clear(request.clone()).await);
        between(&world, &receipt).await;
        let second = request.at_attempt(2);
        denied(
            world.gate.clear(second).await,
            ErrorCode::CloudConsentMismatch,
        );
        assert_eq!(recorded(&world, "FR-EVT-PROVIDER").len(), 1);
    }
}

/// Signed by the right key, and for something else: as good as none.
#[tokio::test]
async fn s03_a_receipt_for_something_else_covers_nothing() {
    type Edit = fn(&mut ConsentReceipt);
    let edits: [(&str, Edit); 17] = [
        ("principal", |r| {
            let name = ExternalId::new("somebody-else").expect("a name");
            r.ext.principal = Principal {
                name,
                ..r.ext.principal.clone()
            };
        }),
        ("session", |r| {
            r.ext.session_ids = [SessionId::new("other").expect("a session")].into()
        }),
        ("no session", |r| r.ext.session_ids.clear()),
        ("provider", |r| {
            r.ext.destination.provider_id =
                handshake_core::ids::ProviderId::new("other").expect("an id");
        }),
        ("revision", |r| r.ext.destination.revision += 1),
        ("reach", |r| r.ext.destination.reach = Reach::Direct),
        ("path", |r| r.ext.destination.path = "/other".to_owned()),
        ("model", |r| {
            r.ext.destination.model_id = Some(ModelId::new("other").expect("a model"))
        }),
        ("no model", |r| r.ext.destination.model_id = None),
        ("envelope", |r| {
            r.ext.envelope_sha256 = Digest::of(&[b"other"])
        }),
        ("bytes", |r| r.ext.max_bytes += 1),
        ("run", |r| r.ext.run += 1),
        ("schema", |r| r.ext.schema = format!("{EGRESS_EXT}.1")),
        ("assurance", |r| r.ext.assurance = Assurance::A0),
        ("expired", |r| r.ext.expires_at = r.ext.not_before),
        ("not yet", |r| r.ext.not_before = r.ext.expires_at),
        ("scope", |r| r.ext.scope = ReceiptScope::WpScoped),
    ];
    for (what, edit) in edits {
        let world = World::new(1);
        let (request, mut receipt) = asked(&world, &relay()).await;
        edit(&mut receipt);
        store(&world, &receipt);
        let answer = world.gate.clear(request).await;
        assert!(
            matches!(answer, Authorization::AwaitingConsent(_)),
            "{what}: {answer:?}"
        );
        assert!(recorded(&world, "FR-EVT-PROVIDER").is_empty(), "{what}");
    }
    let world = World::new(1);
    let (request, mut receipt) = asked(&world, &relay()).await;
    receipt.ext.scope = ReceiptScope::BroadcastScoped;
    store(&world, &receipt);
    let _asks = awaiting(world.gate.clear(request).await);
}

/// Not signed by the approval key, whatever it says: somebody tampered.
#[tokio::test]
async fn s03_a_forged_receipt_denies_and_raises_the_alarm() {
    type Forge = fn(&World, &ConsentReceipt) -> SignedReceipt;
    let forgeries: [(&str, Forge); 8] = [
        ("another key", |_, receipt| {
            let thief = MemorySigner::new(8, b"own factor");
            let payload = receipt.signing_payload().expect("canonical");
            let signature = thief.sign_unasked(RECEIPT_DOMAIN, &payload);
            SignedReceipt { payload, signature }
        }),
        ("another key and its id", |_, receipt| {
            use handshake_core::ports::Signer;
            let thief = MemorySigner::new(8, b"own factor");
            let mut receipt = receipt.clone();
            receipt.ext.key_id = thief.public_key().id().clone();
            let payload = receipt.signing_payload().expect("canonical");
            let signature = thief.sign_unasked(RECEIPT_DOMAIN, &payload);
            SignedReceipt { payload, signature }
        }),
        ("the right key naming another", |world, receipt| {
            use handshake_core::ports::Signer;
            let mut receipt = receipt.clone();
            receipt.ext.key_id = MemorySigner::new(8, b"").public_key().id().clone();
            world.sign(&receipt)
        }),
        ("another purpose", |world, receipt| {
            let payload = receipt.signing_payload().expect("canonical");
            let signature = world.signer.sign_unasked("hsk.checkpoint.v1", &payload);
            SignedReceipt { payload, signature }
        }),
        ("edited", |world, receipt| {
            let no = ConsentReceipt {
                approved: false,
                ..receipt.clone()
            };
            let mut signed = world.sign(&no);
            let text = String::from_utf8(signed.payload).expect("text");
            signed.payload = text
                .replace("\"approved\":false", "\"approved\":true")
                .into_bytes();
            signed
        }),
        ("a flipped bit", |world, receipt| {
            let mut signed = world.sign(receipt);
            signed.signature[10] ^= 4;
            signed
        }),
        ("no receipt at all", |_, _| SignedReceipt {
            payload: b"{}".to_vec(),
            signature: [0; 64],
        }),
        ("an unknown member", |world, receipt| {
            let payload = receipt.signing_payload().expect("canonical");
            let mut value: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
            value["everything"] = true.into();
            let payload = value.to_string().into_bytes();
            let signature = world.signer.sign_unasked(RECEIPT_DOMAIN, &payload);
            SignedReceipt { payload, signature }
        }),
    ];
    for (what, forge) in forgeries {
        let world = World::new(1);
        let (request, receipt) = asked(&world, &relay()).await;
        world
            .memory
            .put_receipt(receipt.consent_receipt_id, forge(&world, &receipt));
        let answer = world.gate.clear(request.clone()).await;
        assert!(
            matches!(answer, Authorization::Denied(_)),
            "{what}: {answer:?}"
        );
        denied(answer, ErrorCode::CloudConsentMismatch);
        assert_denial_recorded(&world, true);
        assert_eq!(
            recorded(&world, "FR-EVT-EGRESS"),
            ["FR-EVT-EGRESS-006"],
            "{what}"
        );
        // A real one beside it is good all the same: nobody can be locked out by a bad row.
        let mut real = receipt;
        real.consent_receipt_id = ReceiptId::from_entropy([42; 16]);
        store(&world, &real);
        let _cleared = cleared(world.gate.clear(request).await);
    }
}

#[tokio::test]
async fn s03_a_session_receipt_without_terms_is_no_receipt() {
    let world = World::new(1);
    let (request, mut receipt) = asked(&world, &relay()).await;
    receipt.ext.scope = ReceiptScope::SessionScoped;
    store(&world, &receipt);
    denied(
        world.gate.clear(request).await,
        ErrorCode::CloudConsentMismatch,
    );
    assert_eq!(recorded(&world, "FR-EVT-EGRESS"), ["FR-EVT-EGRESS-006"]);
}

#[tokio::test]
async fn a8_a_no_denies_until_its_time_is_over() {
    let world = World::new(1);
    let (request, receipt) = asked(&world, &relay()).await;
    store(
        &world,
        &ConsentReceipt {
            approved: false,
            ..receipt
        },
    );
    denied(
        world.gate.clear(request.clone()).await,
        ErrorCode::CloudEscalationDenied,
    );
    assert_denial_recorded(&world, true);
    // It is a no to this envelope and to nothing else.
    let other = world.egress(&relay(), fixture::prepared(&relay(), "m", "something else"));
    let _asks = awaiting(world.gate.clear(other).await);
    world.memory.advance(Duration::from_secs(600));
    let _asks = awaiting(world.gate.clear(request).await);
}

#[tokio::test]
async fn a8_a_no_outweighs_a_lease_and_a_yes_to_this_very_call_outweighs_a_no() {
    let world = World::new(1);
    let request = call(&world, &relay(), "hello").await;
    let awaiting = awaiting(world.gate.clear(request.clone()).await);
    store(&world, &world.lease(&awaiting));
    store(
        &world,
        &ConsentReceipt {
            approved: false,
            ..world.receipt(&awaiting)
        },
    );
    denied(
        world.gate.clear(request.clone()).await,
        ErrorCode::CloudEscalationDenied,
    );
    let yes = world.receipt(&awaiting);
    store(&world, &yes);
    let cleared = cleared(world.gate.clear(request).await);
    assert_eq!(cleared.receipt(), Some(yes.consent_receipt_id));
}

#[tokio::test]
async fn a8_s06_a_demo_receipt_is_good_at_the_demos_own_listener_only() {
    let binding = |listener: &str| {
        Some(DemoBinding {
            listener: listener.parse().expect("an address"),
        })
    };
    let world = World::new(1);
    let (request, mut receipt) = asked(&world, &relay()).await;
    receipt.ext.demo = binding("127.0.0.1:4999");
    store(&world, &receipt);
    let _asks = awaiting(world.gate.clear(request.clone()).await);
    receipt.consent_receipt_id = ReceiptId::from_entropy([3; 16]);
    receipt.ext.demo = binding("127.0.0.1:4001");
    store(&world, &receipt);
    let _cleared = cleared(world.gate.clear(request).await);
    // One of several addresses is not enough.
    let world = World::new(1);
    world
        .memory
        .resolve_to(&[[93, 184, 215, 14].into(), [93, 184, 215, 15].into()]);
    let (request, mut receipt) = asked(&world, &named()).await;
    receipt.ext.demo = binding("93.184.215.14:443");
    store(&world, &receipt);
    let _asks = awaiting(world.gate.clear(request).await);
}

#[tokio::test]
async fn a8_without_an_approval_key_nobody_can_have_said_yes() {
    let world = World::wired(1, |ports, memory| {
        ports.approval_key = None;
        memory.trust(None);
    });
    let (request, receipt) = asked(&world, &relay()).await;
    store(&world, &receipt);
    let _asks = awaiting(world.gate.clear(request).await);
}

#[tokio::test]
async fn a8_an_ask_level_finding_needs_a_look_at_this_very_call() {
    let ask = || Says(Ok(vec![(FindingClass::GenericSecret, FindingLevel::Ask)]));
    let world = World::with_validators(1, vec![Arc::new(ask())]);
    let request = call(&world, &relay(), "hello").await;
    let awaiting = awaiting(world.gate.clear(request.clone()).await);
    assert_eq!(awaiting.plan.ext.findings.len(), 1);
    store(&world, &world.lease(&awaiting));
    let asked = super::gate_world::awaiting(world.gate.clear(request.clone()).await);
    assert_eq!(
        asked.plan.ext.asked_because,
        [handshake_core::consent::AskReason::Finding]
    );
    store(&world, &world.receipt(&awaiting));
    let _cleared = cleared(world.gate.clear(request).await);
}

#[tokio::test]
async fn a8_s27_a_block_level_finding_is_not_consentable() {
    let world = World::new(1);
    let (request, receipt) = asked(&world, &relay()).await;
    // The very same home, whose rules have become stricter since the person said yes.
    let memory = world.memory.clone();
    let stricter = World::wired(1, |ports, _| {
        let block = Says(Ok(vec![(FindingClass::Secret, FindingLevel::Block)]));
        ports.validators = vec![Arc::new(block)];
        ports.consent = Arc::new(memory.clone());
        ports.ledger = Arc::new(memory.clone());
    });
    store(&world, &receipt);
    denied(
        stricter.gate.clear(request).await,
        ErrorCode::LeakageBlocked,
    );
}

#[tokio::test]
async fn a8_a_consent_store_that_cannot_answer_denies() {
    let mut consent = MockConsent::new();
    consent
        .expect_find()
        .returning(|_| Err(StoreError::Damaged));
    let world = World::wired(1, |ports, _| ports.consent = Arc::new(consent));
    let request = call(&world, &relay(), "hello").await;
    denied(world.gate.clear(request).await, ErrorCode::Storage);
    assert_denial_recorded(&world, true);
}

/// A world whose ledger refuses so first, and a call in it that was approved.
async fn refusing(
    errors: Vec<LedgerError>,
    meanwhile: fn(&handshake_testkit::memory::Memory),
) -> (World, EgressRequest) {
    let world = World::wired(1, |ports, memory| {
        ports.ledger = Refuses::meanwhile(memory, errors, meanwhile);
    });
    let (request, receipt) = asked(&world, &named()).await;
    store(&world, &receipt);
    (world, request)
}

#[tokio::test]
async fn a8_rules_that_changed_meanwhile_are_judged_again() {
    let (world, request) = refusing(vec![LedgerError::Stale], |_| {}).await;
    let _cleared = cleared(world.gate.clear(request).await);
    assert_eq!(
        world.memory.lookups(),
        3,
        "asked once, cleared after one restart at `locate`"
    );
    // What changed is that everything is locked now.
    let (world, request) =
        refusing(vec![LedgerError::Stale], |memory| memory.set_locked(true)).await;
    denied(world.gate.clear(request).await, ErrorCode::GovernanceLocked);
    assert_denial_recorded(&world, true);
    // Rules that change for ever are no permission.
    let (world, request) = refusing(vec![LedgerError::Stale; 50], |_| {}).await;
    denied(world.gate.clear(request).await, ErrorCode::Revision);
    assert_denial_recorded(&world, true);
}

#[tokio::test]
async fn a8_a_contended_receipt_is_judged_again_a_bounded_number_of_times() {
    let (world, request) = refusing(vec![LedgerError::Contended; 7], |_| {}).await;
    let _cleared = cleared(world.gate.clear(request).await);
    let (world, request) = refusing(vec![LedgerError::Contended; 8], |_| {}).await;
    denied(
        world.gate.clear(request).await,
        ErrorCode::CloudConsentMismatch,
    );
    assert_denial_recorded(&world, true);
}

#[tokio::test]
async fn a8_a_ledger_that_cannot_commit_clears_nothing() {
    let (world, request) = refusing(vec![LedgerError::Store(StoreError::Failed); 50], |_| {}).await;
    denied(world.gate.clear(request).await, ErrorCode::Storage);
    assert_denial_recorded(&world, true);
}

#[tokio::test]
async fn a8_giving_up_is_recorded_with_the_request() {
    for (said, code) in [
        (PersonFact::NoAnswer, ErrorCode::CloudConsentRequired),
        (PersonFact::No, ErrorCode::CloudEscalationDenied),
        (PersonFact::Spent, ErrorCode::CloudConsentMismatch),
        (PersonFact::Flood, ErrorCode::ConsentFlood),
        (
            PersonFact::QueueFailed(ErrorCode::Storage),
            ErrorCode::Storage,
        ),
    ] {
        let world = World::new(1);
        let request = call(&world, &relay(), "hello").await;
        let awaiting = awaiting(world.gate.clear(request).await);
        let given_up = world.gate.give_up(&awaiting, said).await;
        assert_eq!(given_up.error.code, code);
        assert_eq!(
            given_up.decision.outcome,
            Outcome::Deny(StepName::Person, code)
        );
        assert_denial_recorded(&world, true);
        let named = world.memory.events().iter().any(|event| {
            matches!(event.body, Body::CloudEscalationDenied { request_id: Some(id), code: recorded }
                if id == awaiting.escalation.request_id && recorded == code)
        });
        assert!(named);
    }
}
