//! Waiting for a person.

use std::{sync::atomic::Ordering, time::Duration};

use handshake_core::{
    consent::ConsentReceipt,
    ids::ReceiptId,
    ports::{
        ApprovalQueue, ConsentStore, Decided, QueueError, SignedDecision, StoreError, Submission,
    },
};
use handshake_registry_store::Store;
use tokio::task::JoinHandle;

use crate::world::{World, principal, provider_id, query, raw, receipt, signed, submission};

fn waits(store: &Store, submission: &Submission) -> JoinHandle<Result<Decided, QueueError>> {
    let (store, id) = (store.clone(), submission.request.request_id);
    tokio::spawn(async move { store.wait(id, Duration::from_secs(20)).await })
}

async fn is_live(store: &Store) -> bool {
    let pending = store.pending().await.expect("lists");
    pending.iter().all(|record| record.live) && !pending.is_empty()
}

/// Until somebody is seen to wait.
async fn until_live(store: &Store) {
    while !is_live(store).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_decision_reaches_who_waits_here_and_in_another_process() {
    let world = World::new().await;
    let other = world.another(2);
    let asked = submission(&world.fakes, "agent", 1);
    let submitted = world.store.submit(asked.clone()).await.expect("submits");
    assert!(!submitted.joined && submitted.request_id == asked.request.request_id);
    assert!(!is_live(&world.store).await, "nobody waits yet");
    let (here, there) = (waits(&world.store, &asked), waits(&other, &asked));
    until_live(&world.store).await;
    let content = other.open(asked.request.request_id).await.expect("opens");
    assert_eq!(content.body, asked.content.body);
    assert_eq!(content.manifest, asked.content.manifest);
    assert_eq!(content.salt.as_bytes(), asked.content.salt.as_bytes());

    let yes = receipt(&world.fakes, &asked, true);
    other
        .decide(SignedDecision::Receipt(signed(&world.fakes, &yes)))
        .await
        .expect("decides");
    let approved = Ok(Decided::Approved(yes.consent_receipt_id));
    assert_eq!(
        (here.await.expect("waits"), there.await.expect("waits")),
        (approved.clone(), approved)
    );
    assert!(world.store.pending().await.expect("lists").is_empty());
    let found = world.store.find(&query(&asked, &[])).await.expect("finds");
    assert_eq!(found[0].signed, signed(&world.fakes, &yes));
    assert_eq!(
        world.families().await,
        ["FR-EVT-CLOUD-001", "FR-EVT-CLOUD-002"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s09_content_is_sealed_and_gone_once_decided() {
    let world = World::new().await;
    let asked = submission(&world.fakes, "agent", 1);
    world.store.submit(asked.clone()).await.expect("submits");
    let sealed = |connection: &rusqlite::Connection| -> Option<Vec<u8>> {
        connection
            .query_row("SELECT content FROM requests", [], |row| row.get(0))
            .expect("reads")
    };
    let connection = raw(world.home.path());
    let stored = sealed(&connection).expect("kept");
    assert!(!stored.windows(4).any(|window| window == b"text"));
    // What was sealed for one request does not open for another.
    let second = submission(&world.fakes, "agent", 2);
    world.store.submit(second.clone()).await.expect("submits");
    connection
        .execute(
            "UPDATE requests SET content = ?1 WHERE request_id = ?2",
            (&stored, second.request.request_id.to_string()),
        )
        .expect("moves");
    let moved = world
        .store
        .open(second.request.request_id)
        .await
        .expect_err("bound to its request");
    assert_eq!(moved, QueueError::Store(StoreError::Damaged));

    world
        .store
        .decide(SignedDecision::Deny(second.request.request_id))
        .await
        .expect("denies");
    world
        .store
        .decide(SignedDecision::Deny(asked.request.request_id))
        .await
        .expect("denies");
    assert_eq!(sealed(&connection), None);
    let gone = world
        .store
        .open(asked.request.request_id)
        .await
        .expect_err("decided");
    assert_eq!(gone, QueueError::Unknown);
    for entry in std::fs::read_dir(world.home.path()).expect("reads") {
        let bytes = std::fs::read(entry.expect("entry").path()).expect("reads");
        assert!(
            !bytes.windows(8).any(|window| window == b"\"text 1\""),
            "no plain text anywhere"
        );
        assert!(
            !bytes.windows(6).any(|window| window == b"text 1"),
            "no plain text anywhere"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_the_queue_is_limited_per_principal_and_in_all() {
    let world = World::new().await;
    let store = &world.store;
    for n in 0..3 {
        store
            .submit(submission(&world.fakes, "greedy", n))
            .await
            .expect("three of one principal");
    }
    let fourth = store.submit(submission(&world.fakes, "greedy", 3)).await;
    assert_eq!(fourth, Err(QueueError::Flood));
    // The same again joins, at the limit too.
    let again = store
        .submit(submission(&world.fakes, "greedy", 0))
        .await
        .expect("joins");
    assert!(again.joined);
    for n in 3..16 {
        store
            .submit(submission(&world.fakes, &format!("p{n}"), n))
            .await
            .expect("sixteen in all");
    }
    let more = store.submit(submission(&world.fakes, "p16", 16)).await;
    assert_eq!(more, Err(QueueError::Flood));
    assert_eq!(store.pending().await.expect("lists").len(), 16);
    let first = store.pending().await.expect("lists")[0].request.request_id;
    store
        .decide(SignedDecision::Deny(first))
        .await
        .expect("denies");
    store
        .submit(submission(&world.fakes, "p16", 16))
        .await
        .expect("there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_identical_requests_of_one_principal_join_and_no_others() {
    let world = World::new().await;
    let first = submission(&world.fakes, "agent", 1);
    world.store.submit(first.clone()).await.expect("submits");
    // The same bytes, asked again: other ids, another salt, so other hashes.
    let mut again = submission(&world.fakes, "agent", 2);
    again.content.body = first.content.body.clone();
    let joined = world.another(2).submit(again).await.expect("joins");
    assert!(joined.joined);
    assert_eq!(joined.request_id, first.request.request_id);
    let stranger = submission(&world.fakes, "stranger", 1);
    assert!(!world.store.submit(stranger).await.expect("submits").joined);
    let mut elsewhere = submission(&world.fakes, "agent", 3);
    elsewhere.content.body = first.content.body.clone();
    elsewhere.plan.ext.destination.path = "/v1/responses".to_owned();
    assert!(!world.store.submit(elsewhere).await.expect("submits").joined);
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_a_denial_cools_down_and_two_block_until_reopened() {
    let world = World::new().await;
    let ask = |n| world.store.submit(submission(&world.fakes, "agent", n));
    let deny = |n| {
        let id = submission(&world.fakes, "agent", n).request.request_id;
        world.store.decide(SignedDecision::Deny(id))
    };
    ask(1).await.expect("asks");
    deny(1).await.expect("denies");
    let silenced = |millis| {
        Err(QueueError::Silenced {
            again_in: Some(Duration::from_millis(millis)),
        })
    };
    assert_eq!(ask(2).await, silenced(60_000));
    world.fakes.clock.advance(Duration::from_millis(59_999));
    assert_eq!(ask(2).await, silenced(1));
    world
        .store
        .submit(submission(&world.fakes, "other", 2))
        .await
        .expect("nobody else cools down");
    world.fakes.clock.advance(Duration::from_millis(1));
    ask(2).await.expect("asks again");
    // The second no is a signed one.
    let asked = submission(&world.fakes, "agent", 2);
    let no = receipt(&world.fakes, &asked, false);
    world
        .store
        .decide(SignedDecision::Receipt(signed(&world.fakes, &no)))
        .await
        .expect("denies");
    assert_eq!(
        world
            .store
            .wait(asked.request.request_id, Duration::ZERO)
            .await,
        Ok(Decided::Denied)
    );
    world
        .fakes
        .clock
        .advance(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(ask(3).await, Err(QueueError::Silenced { again_in: None }));
    let refusals = world.store.refusals().await.expect("lists");
    assert_eq!((refusals.len(), refusals[0].denials), (1, 2));
    let agent = principal("agent");
    assert_eq!(world.store.reopen(&agent, &provider_id()).await, Ok(true));
    assert_eq!(world.store.reopen(&agent, &provider_id()).await, Ok(false));
    ask(3).await.expect("asks again");
    let denials = world
        .families()
        .await
        .iter()
        .filter(|family| **family == "FR-EVT-CLOUD-003")
        .count();
    assert_eq!(denials, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_a_yes_forgets_the_no_before_it() {
    let world = World::new().await;
    world
        .store
        .submit(submission(&world.fakes, "agent", 1))
        .await
        .expect("asks");
    let first = submission(&world.fakes, "agent", 1).request.request_id;
    world
        .store
        .decide(SignedDecision::Deny(first))
        .await
        .expect("denies");
    world.fakes.clock.advance(Duration::from_secs(60));
    world.approved(2).await;
    assert!(world.store.refusals().await.expect("lists").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_what_nobody_waits_for_is_withdrawn() {
    let world = World::new().await;
    let asked = submission(&world.fakes, "agent", 1);
    world.store.submit(asked.clone()).await.expect("submits");
    let waiter = waits(&world.store, &asked);
    until_live(&world.store).await;
    // Longer than anybody may be gone, but somebody is there.
    world.fakes.clock.advance(Duration::from_secs(90));
    assert!(is_live(&world.store).await);
    waiter.abort();
    assert!(waiter.await.is_err());
    while is_live(&world.store).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.fakes.clock.advance(Duration::from_secs(59));
    assert_eq!(world.store.pending().await.expect("lists").len(), 1);
    world.fakes.clock.advance(Duration::from_secs(1));
    let yes = receipt(&world.fakes, &asked, true);
    let late = world
        .store
        .decide(SignedDecision::Receipt(signed(&world.fakes, &yes)))
        .await;
    assert_eq!(late, Err(QueueError::Decided(Decided::Expired)));
    assert!(world.store.pending().await.expect("lists").is_empty());
    let id = asked.request.request_id;
    let back = world.store.wait(id, Duration::from_secs(1)).await;
    assert_eq!(
        back,
        Err(QueueError::Unknown),
        "coming back does not revive it"
    );
    assert_eq!(
        world.store.open(id).await.expect_err("withdrawn"),
        QueueError::Unknown
    );
    assert!(
        world
            .store
            .find(&query(&asked, &[]))
            .await
            .expect("finds")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_nobody_waits_beyond_the_deadline_or_their_own_patience() {
    let world = World::new().await;
    let asked = submission(&world.fakes, "agent", 1);
    world.store.submit(asked.clone()).await.expect("submits");
    let id = asked.request.request_id;
    let impatient = world.store.wait(id, Duration::from_millis(20)).await;
    assert_eq!(impatient, Ok(Decided::Expired));
    assert_eq!(
        world.store.pending().await.expect("lists").len(),
        1,
        "others may still wait"
    );
    let waiter = waits(&world.store, &asked);
    until_live(&world.store).await;
    world.fakes.clock.advance(Duration::from_secs(540));
    assert_eq!(waiter.await.expect("waits"), Ok(Decided::Expired));
    let yes = receipt(&world.fakes, &asked, true);
    let late = world
        .store
        .decide(SignedDecision::Receipt(signed(&world.fakes, &yes)))
        .await;
    assert_eq!(late, Err(QueueError::Decided(Decided::Expired)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_self_001_only_the_very_receipt_is_taken() {
    let world = World::new().await;
    let asked = submission(&world.fakes, "agent", 1);
    world.store.submit(asked.clone()).await.expect("submits");
    world
        .store
        .submit(submission(&world.fakes, "agent", 2))
        .await
        .expect("submits");
    let other = submission(&world.fakes, "agent", 2);
    let altered: [fn(&mut ConsentReceipt, &Submission); 8] = [
        |r, _| r.ext.envelope_sha256 = handshake_core::digest::Digest::of(&[b"x"]),
        |r, _| r.payload_sha256 = handshake_core::digest::Digest::of(&[b"x"]),
        |r, o| r.projection_plan_id = o.plan.projection_plan_id,
        |r, o| r.ext.request_id = o.request.request_id,
        |r, _| r.ext.destination.revision = 2,
        |r, _| r.ext.principal = principal("other"),
        |r, _| r.ext.session_ids.clear(),
        |r, _| r.ext.destination.path.push_str("/x"),
    ];
    for (n, alter) in altered.iter().enumerate() {
        let mut wrong = receipt(&world.fakes, &asked, true);
        alter(&mut wrong, &other);
        let decision = SignedDecision::Receipt(signed(&world.fakes, &wrong));
        assert_eq!(
            world.store.decide(decision).await,
            Err(QueueError::Mismatch),
            "alteration {n}"
        );
    }
    let yes = receipt(&world.fakes, &asked, true);
    let mut forged = signed(&world.fakes, &yes);
    forged.signature[0] ^= 1;
    assert_eq!(
        world.store.decide(SignedDecision::Receipt(forged)).await,
        Err(QueueError::Mismatch)
    );
    let mut renamed = signed(&world.fakes, &yes);
    renamed.payload.push(b' ');
    assert_eq!(
        world.store.decide(SignedDecision::Receipt(renamed)).await,
        Err(QueueError::Mismatch)
    );
    // Without a key nobody can approve anything.
    world.store.set_approval_key(None).await.expect("sets");
    let decision = SignedDecision::Receipt(signed(&world.fakes, &yes));
    assert_eq!(
        world.store.decide(decision.clone()).await,
        Err(QueueError::Mismatch)
    );
    assert!(world.store.receipts(10).await.expect("lists").is_empty());
    use handshake_core::ports::Signer;
    world
        .store
        .set_approval_key(Some(world.fakes.approver.public_key()))
        .await
        .expect("sets");
    world
        .store
        .decide(decision.clone())
        .await
        .expect("the right one");
    assert_eq!(
        world.store.decide(decision).await,
        Err(QueueError::Decided(Decided::Approved(
            yes.consent_receipt_id
        )))
    );
    let unknown = ReceiptId::from_entropy([1; 16]);
    let revoked = world.store.decide(SignedDecision::Revoke(unknown)).await;
    assert_eq!(revoked, Err(QueueError::Unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_nothing_is_taken_while_the_vault_is_locked() {
    let world = World::new().await;
    world.fakes.sealer.locked.store(true, Ordering::SeqCst);
    let locked = world
        .store
        .submit(submission(&world.fakes, "agent", 1))
        .await;
    assert_eq!(locked, Err(QueueError::Store(StoreError::Locked)));
    assert!(world.store.pending().await.expect("lists").is_empty());
    world.fakes.sealer.locked.store(false, Ordering::SeqCst);
    world
        .store
        .submit(submission(&world.fakes, "agent", 1))
        .await
        .expect("submits");
}
