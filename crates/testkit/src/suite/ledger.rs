//! Promises of [`EgressLedger`](handshake_core::ports::EgressLedger). Each wants a fresh home.

mod jobs;
mod refusals;

use futures_util::future::join_all;
use handshake_core::{
    consent::{Block, ConsentReceipt, LeaseTerms, ReceiptEvidence, ReceiptScope},
    digest::{CommitmentKey, Digest},
    event::{Actor, Body, ControlKind, Event, EventScope},
    ids::{EventId, ReceiptId, UseId},
    ports::{
        Epochs, Intent, LedgerError, ReceiptQuery, SignedDecision, Spend, SpendReach, StoreError,
        Submission,
    },
    provider::ProviderRecord,
    tier::ModelTier,
};

use super::home::{Home, recorded, signed};
use crate::fixture;

pub use self::jobs::a10_a_job_makes_as_many_calls_as_its_bound;
pub use self::refusals::{
    a_failing_ledger_denies, a_stale_verdict_spends_nothing, control_calls_commit_their_event,
    enabled_models_are_an_epoch, s03_nothing_is_spent_without_a_receipt,
};

fn use_id(n: u8) -> UseId {
    UseId::from_entropy([n; 16])
}

fn key() -> CommitmentKey {
    CommitmentKey::new([3; 32]).expect("a key")
}

fn block(text: &str) -> Block {
    Block {
        commitment: key().commit("suite", &[text.as_bytes()]),
        bytes: text.len() as u64,
    }
}

async fn registered(home: &dyn Home) -> ProviderRecord {
    let record = fixture::relay();
    home.providers()
        .put(record.clone(), None)
        .await
        .expect("registered");
    record
}

/// A stored yes, and what it is for.
async fn approved(home: &dyn Home, lease: bool) -> (Submission, ConsentReceipt) {
    registered(home).await;
    let (now, run) = (home.clock().now(), home.clock().run());
    let submission =
        fixture::submission(1, "one", now, now.plus(std::time::Duration::from_secs(600)));
    home.queue()
        .submit(submission.clone())
        .await
        .expect("submitted");
    let key = home.signer().public_key().id().clone();
    let request = submission.request.request_id;
    let mut receipt = fixture::receipt(&submission.plan, request, [1; 16], now, run, key);
    if lease {
        receipt.ext.scope = ReceiptScope::SessionScoped;
        receipt.ext.lease = Some(LeaseTerms {
            models: receipt.ext.destination.model_id.iter().cloned().collect(),
            system: None,
            tools: None,
            fields: ["messages".to_owned(), "model".to_owned()].into(),
            kinds: submission.plan.ext.kinds.clone(),
            max_new_bytes_per_call: 1000,
            max_new_bytes_total: 10_000,
            max_uses: 10,
            idle_seconds: 600,
            waived: Default::default(),
        });
    }
    let decision = SignedDecision::Receipt(signed(home, &receipt));
    home.queue().decide(decision).await.expect("approved");
    (submission, receipt)
}

async fn epochs(home: &dyn Home) -> Epochs {
    home.ledger()
        .epochs(&fixture::relay().provider_id)
        .await
        .expect("epochs")
}

fn attempt(home: &dyn Home, id: UseId, attempt: u32, control: Option<ControlKind>) -> Event {
    let body = Body::CallAttempt {
        use_id: id,
        attempt,
        effective_tier: ModelTier::Cloud,
        body_bytes: 10,
        envelope_hash: key().commit("suite", &[b"envelope"]),
        control,
        consent_receipt_id: None,
        declassified: None,
        waived: None,
    };
    let mut entropy = *id.uuid().as_bytes();
    entropy[0] ^= u8::try_from(attempt).expect("small");
    let event_id = EventId::from_entropy(entropy);
    EventScope::default().event(event_id, home.clock().now(), Actor::System, body)
}

fn intent(home: &dyn Home, receipt: &ConsentReceipt, epochs: Epochs, id: UseId, n: u32) -> Intent {
    Intent {
        event: attempt(home, id, n, None),
        provider_id: receipt.ext.destination.provider_id.clone(),
        epochs,
        spend: Some(Spend {
            receipt_id: receipt.consent_receipt_id,
            reach: reach(receipt),
            use_id: id,
            attempt: n,
            max_attempts: 3,
            envelope_sha256: receipt.ext.envelope_sha256,
            body_bytes: 10,
            new_blocks: Vec::new(),
            job: None,
        }),
    }
}

fn reach(receipt: &ConsentReceipt) -> SpendReach {
    match &receipt.ext.lease {
        None => SpendReach {
            uses: 1,
            new_bytes: None,
        },
        Some(terms) => SpendReach {
            uses: terms.max_uses,
            new_bytes: Some(terms.max_new_bytes_total),
        },
    }
}

async fn evidence(home: &dyn Home, of: &Submission, blocks: &[Block]) -> Vec<ReceiptEvidence> {
    let ext = &of.plan.ext;
    let query = ReceiptQuery {
        principal: ext.principal.clone(),
        session_id: ext.session_id.clone(),
        provider_id: ext.destination.provider_id.clone(),
        origin: ext.destination.origin.clone(),
        envelope_sha256: ext.envelope_sha256,
        blocks: blocks.iter().map(|block| block.commitment).collect(),
    };
    home.consent().find(&query).await.expect("find")
}

async fn attempts(home: &dyn Home) -> usize {
    recorded(home, "FR-EVT-PROVIDER-006").await.len()
}

/// A spend and its event are there together, at the place that was told.
///
/// # Panics
/// When one of them is missing.
pub async fn a8_spend_and_event_are_one(home: &dyn Home) {
    let (submission, receipt) = approved(home, false).await;
    let mut wanted = intent(home, &receipt, epochs(home).await, use_id(1), 1);
    let committed = home
        .ledger()
        .commit(wanted.clone())
        .await
        .expect("committed");
    assert_eq!(committed.use_id, use_id(1));
    // The ledger says in it which receipt it spent.
    if let Body::CallAttempt {
        consent_receipt_id, ..
    } = &mut wanted.event.body
    {
        *consent_receipt_id = Some(receipt.consent_receipt_id);
    }
    let events = home.events().await;
    let seq = usize::try_from(committed.seq).expect("small");
    assert_eq!(
        events.get(seq),
        Some(&wanted.event),
        "the event is not where it was said to be"
    );
    let found = evidence(home, &submission, &[]).await;
    let one = found.first().expect("the receipt");
    assert_eq!(
        (one.uses, one.bytes, one.last_used),
        (1, 10, Some(home.clock().now()))
    );
    assert_eq!(
        one.open_use,
        Some((use_id(1), receipt.ext.envelope_sha256, 1))
    );
}

/// A receipt for one call begins one use, whoever asks.
///
/// # Panics
/// When it is spent twice.
pub async fn a8_one_call_is_spent_once(home: &dyn Home) {
    let (_, receipt) = approved(home, false).await;
    let epochs = epochs(home).await;
    let first = home
        .ledger()
        .commit(intent(home, &receipt, epochs.clone(), use_id(1), 1))
        .await;
    first.expect("committed");
    let again = home
        .ledger()
        .commit(intent(home, &receipt, epochs.clone(), use_id(2), 1))
        .await;
    assert_eq!(again, Err(LedgerError::Contended));
    home.ledger().close(use_id(1)).await.expect("closed");
    let after = home
        .ledger()
        .commit(intent(home, &receipt, epochs, use_id(3), 1))
        .await;
    assert_eq!(after, Err(LedgerError::Contended), "closing frees nothing");
    assert_eq!(attempts(home).await, 1, "a refused spend left an event");
}

/// Whatever number of callers race for one use, one gets it.
///
/// # Panics
/// When another number does.
pub async fn a8_a_race_has_one_winner(home: &dyn Home) {
    let (_, receipt) = approved(home, false).await;
    let epochs = epochs(home).await;
    let racers = (1..=8).map(|n| {
        home.ledger()
            .commit(intent(home, &receipt, epochs.clone(), use_id(n * 16), 1))
    });
    let won = join_all(racers).await.into_iter().filter(Result::is_ok);
    assert_eq!(won.count(), 1);
    assert_eq!(attempts(home).await, 1);
}

/// Callers who share a lease at the same moment hold nobody up, and together go no further than it reaches: 10 uses,
/// 10,000 new bytes.
///
/// # Panics
/// When one is refused that it reaches to, or goes further.
pub async fn a8_a_race_goes_as_far_as_the_lease_and_no_further(home: &dyn Home) {
    let (submission, receipt) = approved(home, true).await;
    let epochs = epochs(home).await;
    let race = async |from: u8, bytes: u64| {
        let racers = (from..from + 4).map(|n| {
            let mut wanted = intent(home, &receipt, epochs.clone(), use_id(n * 8), 1);
            let spend = wanted.spend.as_mut().expect("a spend");
            spend.new_blocks = vec![Block {
                bytes,
                ..block(&format!("block {n}"))
            }];
            home.ledger().commit(wanted)
        });
        let answers = join_all(racers).await;
        let refused = |answer: &Result<_, _>| matches!(answer, Err(LedgerError::Contended));
        assert!(
            answers.iter().all(|it| it.is_ok() || refused(it)),
            "{answers:?}"
        );
        answers.into_iter().filter(Result::is_ok).count()
    };
    assert_eq!(race(1, 3_000).await, 3, "the bytes are for three");
    assert_eq!(race(5, 10).await, 4);
    assert_eq!(race(9, 10).await, 3, "ten uses in all");
    let found = evidence(home, &submission, &[]).await;
    assert!(
        found
            .iter()
            .all(|it| (it.uses, it.new_bytes) == (10, 9_070)),
        "{found:?}"
    );
    assert_eq!(attempts(home).await, 10);
}

/// Attempts of a use follow each other up to the bound, with the same envelope, until it is closed.
///
/// # Panics
/// When another attempt is let through, or the next is not.
pub async fn a14_attempts_follow_each_other(home: &dyn Home) {
    let (_, receipt) = approved(home, false).await;
    let epochs = epochs(home).await;
    let commit = async |id, n, edit: fn(&mut Spend)| {
        let mut wanted = intent(home, &receipt, epochs.clone(), id, n);
        edit(wanted.spend.as_mut().expect("a spend"));
        home.ledger()
            .commit(wanted)
            .await
            .map(|committed| committed.use_id)
    };
    let same: fn(&mut Spend) = |_| {};
    let refused = Err(LedgerError::Contended);
    assert_eq!(
        commit(use_id(1), 2, same).await,
        refused,
        "no first attempt"
    );
    assert_eq!(commit(use_id(1), 1, same).await, Ok(use_id(1)));
    assert_eq!(
        commit(use_id(1), 1, same).await,
        refused,
        "the first one again"
    );
    assert_eq!(commit(use_id(1), 3, same).await, refused, "one left out");
    assert_eq!(commit(use_id(2), 2, same).await, refused, "another use");
    let other: fn(&mut Spend) = |spend| spend.envelope_sha256 = Digest::of(&[b"other bytes"]);
    assert_eq!(commit(use_id(1), 2, other).await, refused, "other bytes");
    assert_eq!(commit(use_id(1), 2, same).await, Ok(use_id(1)));
    assert_eq!(commit(use_id(1), 3, same).await, Ok(use_id(1)));
    assert_eq!(
        commit(use_id(1), 4, same).await,
        refused,
        "more than allowed"
    );
    assert_eq!(attempts(home).await, 3);
}

/// No attempt follows a closed use. Closing what is not open does nothing.
///
/// # Panics
/// When one does.
pub async fn a14_a_closed_use_stays_closed(home: &dyn Home) {
    let (submission, receipt) = approved(home, false).await;
    let epochs = epochs(home).await;
    home.ledger()
        .close(use_id(9))
        .await
        .expect("nothing happens");
    let first = home
        .ledger()
        .commit(intent(home, &receipt, epochs.clone(), use_id(1), 1))
        .await;
    first.expect("committed");
    home.ledger().close(use_id(1)).await.expect("closed");
    home.ledger().close(use_id(1)).await.expect("closed");
    assert!(
        evidence(home, &submission, &[])
            .await
            .iter()
            .all(|found| found.open_use.is_none())
    );
    let next = home
        .ledger()
        .commit(intent(home, &receipt, epochs, use_id(1), 2))
        .await;
    assert_eq!(next, Err(LedgerError::Contended));
}

/// A lease holds several uses at a time; each goes on by itself, and the gate is shown all of them.
///
/// # Panics
/// When one pushes another out.
pub async fn a_lease_holds_several_uses(home: &dyn Home) {
    let (submission, receipt) = approved(home, true).await;
    let epochs = epochs(home).await;
    let commit = async |id, n| {
        home.ledger()
            .commit(intent(home, &receipt, epochs.clone(), id, n))
            .await
    };
    commit(use_id(1), 1).await.expect("committed");
    commit(use_id(2), 1).await.expect("committed");
    commit(use_id(1), 2).await.expect("the first goes on");
    let found = evidence(home, &submission, &[]).await;
    let mut open: Vec<_> = found
        .iter()
        .filter_map(|e| e.open_use.map(|(id, _, n)| (id, n)))
        .collect();
    open.sort();
    let mut wanted = [(use_id(1), 2), (use_id(2), 1)];
    wanted.sort();
    assert_eq!(open, wanted);
    assert!(found.iter().all(|evidence| evidence.uses == 2));
}

/// A block is new once per receipt; its bytes count once.
///
/// # Panics
/// When it counts again, or is forgotten.
pub async fn blocks_are_new_once(home: &dyn Home) {
    let (submission, receipt) = approved(home, true).await;
    let epochs = epochs(home).await;
    let (a, b) = (block("first"), block("second one"));
    for (id, blocks) in [(1, vec![a]), (2, vec![a, b])] {
        let mut wanted = intent(home, &receipt, epochs.clone(), use_id(id), 1);
        wanted.spend.as_mut().expect("a spend").new_blocks = blocks;
        home.ledger().commit(wanted).await.expect("committed");
    }
    let found = evidence(home, &submission, &[a, b, block("third")]).await;
    let one = found.first().expect("the receipt");
    assert_eq!(one.new_bytes, a.bytes + b.bytes);
    assert_eq!(one.known_blocks, [a.commitment, b.commitment].into());
    assert_eq!(one.bytes, 20);
}
