//! Promises of [`ApprovalQueue`](handshake_core::ports::ApprovalQueue). Each wants a fresh home.

use std::time::Duration;

use futures_util::future::join;
use handshake_core::{
    consent::{ConsentReceipt, ReceiptEvidence},
    digest::Digest,
    event::Body,
    ids::{ExternalId, PlanId, Principal, RequestId, SessionId},
    ports::{
        Decided, PendingContent, QueueError, ReceiptQuery, SignedDecision, Submission, Submitted,
    },
};

use super::home::{Home, recorded, signed};
use crate::fixture::{self, asked_by};

const MINUTE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(20);

fn submission(home: &dyn Home, n: u8, text: &str) -> Submission {
    let now = home.clock().now();
    fixture::submission(n, text, now, now.plus(MINUTE * 10))
}

fn yes(home: &dyn Home, to: &Submission, id: u8) -> ConsentReceipt {
    let (now, run) = (home.clock().now(), home.clock().run());
    let key = home.signer().public_key().id().clone();
    fixture::receipt(&to.plan, to.request.request_id, [id; 16], now, run, key)
}

async fn submit(home: &dyn Home, submission: &Submission) -> Result<Submitted, QueueError> {
    home.queue().submit(submission.clone()).await
}

async fn decide(home: &dyn Home, receipt: &ConsentReceipt) -> Result<(), QueueError> {
    home.queue()
        .decide(SignedDecision::Receipt(signed(home, receipt)))
        .await
}

async fn evidence(home: &dyn Home, of: &Submission) -> Vec<ReceiptEvidence> {
    let ext = &of.plan.ext;
    let query = ReceiptQuery {
        principal: ext.principal.clone(),
        session_id: ext.session_id.clone(),
        provider_id: ext.destination.provider_id.clone(),
        origin: ext.destination.origin.clone(),
        envelope_sha256: ext.envelope_sha256,
        blocks: Vec::new(),
    };
    home.consent().find(&query).await.expect("find")
}

/// Waits, and does something a moment after the waiting began.
async fn meanwhile<T>(
    home: &dyn Home,
    of: &Submission,
    then: impl Future<Output = T>,
) -> (Result<Decided, QueueError>, T) {
    let later = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        then.await
    };
    join(home.queue().wait(of.request.request_id, LONG), later).await
}

/// What was submitted waits, with its plan and its content, and its request is recorded once.
///
/// # Panics
/// When it does not.
pub async fn a_submission_waits_to_be_read(home: &dyn Home) {
    let (first, second) = (submission(home, 1, "one"), submission(home, 2, "two"));
    assert_eq!(
        submit(home, &first).await,
        Ok(Submitted {
            request_id: first.request.request_id,
            joined: false
        })
    );
    home.advance(Duration::from_secs(1));
    submit(home, &second).await.expect("submitted");
    let pending = home.queue().pending().await.expect("pending");
    let waiting: Vec<RequestId> = pending.iter().map(|p| p.request.request_id).collect();
    assert_eq!(
        waiting,
        [first.request.request_id, second.request.request_id],
        "oldest first"
    );
    assert_eq!(pending[0].plan, first.plan);
    assert_eq!(pending[0].deadline, first.deadline);
    assert!(!pending[0].live, "nobody waits yet");
    let PendingContent {
        manifest,
        body,
        salt,
    } = home
        .queue()
        .open(first.request.request_id)
        .await
        .expect("open");
    let content = &first.content;
    assert_eq!(
        (manifest, body, salt),
        (content.manifest.clone(), content.body.clone(), content.salt)
    );
    assert_eq!(
        recorded(home, "FR-EVT-CLOUD").await,
        ["FR-EVT-CLOUD-001", "FR-EVT-CLOUD-001"]
    );
    let unknown = RequestId::from_entropy([9; 16]);
    assert!(matches!(
        home.queue().open(unknown).await,
        Err(QueueError::Unknown)
    ));
    assert_eq!(
        home.queue().wait(unknown, LONG).await,
        Err(QueueError::Unknown)
    );
}

/// The same call of the same principal joins what waits, whatever its salt and session, and is not recorded
/// again; another body, destination or principal does not join.
///
/// # Panics
/// When something else joins, or the same does not.
pub async fn identical_requests_join(home: &dyn Home) {
    let first = submission(home, 1, "same");
    submit(home, &first).await.expect("submitted");
    let again = submission(home, 2, "same");
    let joined = submit(home, &again).await.expect("submitted");
    assert_eq!(
        joined,
        Submitted {
            request_id: first.request.request_id,
            joined: true
        }
    );
    let other_body = submission(home, 3, "other");
    let mut elsewhere = submission(home, 4, "same");
    elsewhere.plan.ext.destination.revision += 1;
    let somebody_else = asked_by(submission(home, 5, "same"), "somebody-else");
    for other in [other_body, elsewhere, somebody_else] {
        assert!(!submit(home, &other).await.expect("submitted").joined);
    }
    assert_eq!(home.queue().pending().await.expect("pending").len(), 4);
    assert_eq!(recorded(home, "FR-EVT-CLOUD").await.len(), 4);
}

/// 3 wait for one principal, 16 in all; what joins needs no room.
///
/// # Panics
/// When more wait, or fewer may.
pub async fn the_queue_is_bounded(home: &dyn Home) {
    for n in 1..=3 {
        submit(home, &submission(home, n, &format!("mine {n}")))
            .await
            .expect("room");
    }
    let one_more = submission(home, 4, "mine 4");
    assert_eq!(submit(home, &one_more).await, Err(QueueError::Flood));
    assert!(
        submit(home, &submission(home, 5, "mine 1"))
            .await
            .expect("joins")
            .joined
    );
    for n in 4..=16u8 {
        let other = asked_by(submission(home, 10 + n, "theirs"), &format!("other-{}", n));
        submit(home, &other).await.expect("room");
    }
    let too_many = asked_by(submission(home, 100, "theirs"), "the-seventeenth");
    assert_eq!(submit(home, &too_many).await, Err(QueueError::Flood));
    assert_eq!(home.queue().pending().await.expect("pending").len(), 16);
}

/// A receipt for what waits is stored, told to the waiter, and recorded once. The content is gone then.
///
/// # Panics
/// When one of these does not happen.
pub async fn a_yes_is_stored_and_told(home: &dyn Home) {
    let first = submission(home, 1, "one");
    submit(home, &first).await.expect("submitted");
    let receipt = yes(home, &first, 1);
    let (waited, decided) = meanwhile(home, &first, decide(home, &receipt)).await;
    assert_eq!(decided, Ok(()));
    assert_eq!(waited, Ok(Decided::Approved(receipt.consent_receipt_id)));
    let found = evidence(home, &first).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].signed,
        signed(home, &receipt),
        "the very bytes that were signed"
    );
    assert_eq!(
        (found[0].uses, found[0].revoked, found[0].open_use),
        (0, false, None)
    );
    assert_eq!(
        recorded(home, "FR-EVT-CLOUD").await,
        ["FR-EVT-CLOUD-001", "FR-EVT-CLOUD-002"]
    );
    let events = home.events().await;
    let approved = events.iter().find_map(|event| match &event.body {
        Body::CloudEscalationApproved {
            request_id,
            consent_receipt_id,
            ..
        } => Some((*request_id, *consent_receipt_id)),
        _ => None,
    });
    assert_eq!(
        approved,
        Some((first.request.request_id, receipt.consent_receipt_id))
    );
    let id = first.request.request_id;
    assert!(
        matches!(home.queue().open(id).await, Err(QueueError::Unknown)),
        "content is kept"
    );
    assert!(home.queue().pending().await.expect("pending").is_empty());
    // Whoever comes later is told the same.
    assert_eq!(
        home.queue().wait(id, LONG).await,
        Ok(Decided::Approved(receipt.consent_receipt_id))
    );
}

/// A no is told to the waiter, who records it; the queue does so only where nobody waits.
///
/// # Panics
/// When a denial is recorded twice, or not at all.
pub async fn a_no_is_recorded_once(home: &dyn Home) {
    let waited_for = submission(home, 1, "one");
    submit(home, &waited_for).await.expect("submitted");
    let no = home
        .queue()
        .decide(SignedDecision::Deny(waited_for.request.request_id));
    let (waited, decided) = meanwhile(home, &waited_for, no).await;
    assert_eq!((waited, decided), (Ok(Decided::Denied), Ok(())));
    assert_eq!(
        recorded(home, "FR-EVT-CLOUD").await,
        ["FR-EVT-CLOUD-001"],
        "the waiter records it"
    );
    let alone = asked_by(submission(home, 2, "two"), "somebody-else");
    submit(home, &alone).await.expect("submitted");
    let id = alone.request.request_id;
    home.queue()
        .decide(SignedDecision::Deny(id))
        .await
        .expect("denied");
    assert_eq!(
        recorded(home, "FR-EVT-CLOUD").await,
        ["FR-EVT-CLOUD-001", "FR-EVT-CLOUD-001", "FR-EVT-CLOUD-003"]
    );
    assert!(
        matches!(home.queue().open(id).await, Err(QueueError::Unknown)),
        "content is kept"
    );
    assert_eq!(home.queue().wait(id, LONG).await, Ok(Decided::Denied));
    let again = home.queue().decide(SignedDecision::Deny(id)).await;
    assert_eq!(again, Err(QueueError::Mismatch), "decided already");
    let never = home
        .queue()
        .decide(SignedDecision::Deny(RequestId::from_entropy([9; 16])))
        .await;
    assert_eq!(never, Err(QueueError::Unknown));
}

/// A signed no is stored as evidence and denies.
///
/// # Panics
/// When it approves, or is lost.
pub async fn a_signed_no_is_evidence(home: &dyn Home) {
    let first = submission(home, 1, "one");
    submit(home, &first).await.expect("submitted");
    let no = ConsentReceipt {
        approved: false,
        ..yes(home, &first, 1)
    };
    decide(home, &no).await.expect("stored");
    assert_eq!(
        home.queue().wait(first.request.request_id, LONG).await,
        Ok(Decided::Denied)
    );
    let found = evidence(home, &first).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].signed, signed(home, &no));
    assert!(
        !recorded(home, "FR-EVT-CLOUD")
            .await
            .contains(&"FR-EVT-CLOUD-002")
    );
}

/// After one no nothing of this principal and provider is taken for a minute, after two for good; others may
/// ask all the same.
///
/// # Panics
/// When a person can be nagged, or somebody else is silenced.
pub async fn a_no_silences_the_asker(home: &dyn Home) {
    let deny = async |n: u8| {
        let asked = submission(home, n, &format!("ask {n}"));
        submit(home, &asked).await.expect("submitted");
        home.queue()
            .decide(SignedDecision::Deny(asked.request.request_id))
            .await
            .expect("denied");
    };
    deny(1).await;
    home.advance(MINUTE - Duration::from_secs(1));
    assert_eq!(
        submit(home, &submission(home, 2, "again")).await,
        Err(QueueError::Flood)
    );
    let somebody_else = asked_by(submission(home, 3, "again"), "somebody-else");
    submit(home, &somebody_else)
        .await
        .expect("they were not denied");
    home.advance(Duration::from_secs(1));
    deny(4).await;
    for _ in 0..3 {
        home.advance(MINUTE * 60);
        assert_eq!(
            submit(home, &submission(home, 5, "again")).await,
            Err(QueueError::Flood)
        );
    }
}

/// What is not, to the letter, a signed decision about what waits is refused, and nothing of it is stored.
///
/// # Panics
/// When it is taken.
pub async fn s03_only_what_was_shown_can_be_approved(home: &dyn Home) {
    type Edit = fn(&mut ConsentReceipt);
    let shown = submission(home, 1, "one");
    submit(home, &shown).await.expect("submitted");
    let edits: [(&str, Edit); 8] = [
        ("request", |r| {
            r.ext.request_id = RequestId::from_entropy([9; 16])
        }),
        ("plan", |r| {
            r.projection_plan_id = PlanId::from_entropy([9; 16])
        }),
        ("payload", |r| {
            r.payload_sha256 = Digest::of(&[b"another body"])
        }),
        ("envelope", |r| {
            r.ext.envelope_sha256 = Digest::of(&[b"another envelope"])
        }),
        ("destination", |r| {
            r.ext.destination.path.push_str("/elsewhere")
        }),
        ("revision", |r| r.ext.destination.revision += 1),
        ("principal", |r| {
            let name = ExternalId::new("somebody-else").expect("a name");
            r.ext.principal = Principal {
                name,
                ..r.ext.principal.clone()
            };
        }),
        ("session", |r| {
            r.ext.session_ids = [SessionId::new("another").expect("a session")].into()
        }),
    ];
    for (what, edit) in edits {
        let mut receipt = yes(home, &shown, 1);
        edit(&mut receipt);
        assert_eq!(
            decide(home, &receipt).await,
            Err(QueueError::Mismatch),
            "{what}"
        );
    }
    let good = signed(home, &yes(home, &shown, 1));
    let mut flipped = good.clone();
    flipped.signature[40] ^= 1;
    let mut edited = good.clone();
    let at = edited.payload.len() / 2;
    edited.payload[at] ^= 1;
    let mut no_receipt = good.clone();
    no_receipt.payload = b"{}".to_vec();
    for tampered in [flipped, edited, no_receipt] {
        let decided = home.queue().decide(SignedDecision::Receipt(tampered)).await;
        assert_eq!(
            decided,
            Err(QueueError::Mismatch),
            "the signature is not checked"
        );
    }
    assert!(
        evidence(home, &shown).await.is_empty(),
        "something refused was stored"
    );
    assert_eq!(
        home.queue().pending().await.expect("pending").len(),
        1,
        "and it still waits"
    );
    assert_eq!(recorded(home, "FR-EVT-CLOUD").await, ["FR-EVT-CLOUD-001"]);
    decide(home, &yes(home, &shown, 1))
        .await
        .expect("the real one");
    assert_eq!(
        decide(home, &yes(home, &shown, 2)).await,
        Err(QueueError::Mismatch),
        "decided already"
    );
    assert_eq!(evidence(home, &shown).await.len(), 1);
}

/// At its deadline a request expires for everybody; it cannot be decided any more.
///
/// # Panics
/// When it can.
pub async fn a_deadline_ends_the_waiting(home: &dyn Home) {
    let now = home.clock().now();
    let late = fixture::submission(1, "one", now, now.plus(MINUTE / 2));
    submit(home, &late).await.expect("submitted");
    let (waited, ()) = meanwhile(home, &late, async { home.advance(MINUTE / 2) }).await;
    assert_eq!(waited, Ok(Decided::Expired));
    assert_eq!(
        decide(home, &yes(home, &late, 1)).await,
        Err(QueueError::Mismatch)
    );
    assert!(home.queue().pending().await.expect("pending").is_empty());
    let id = late.request.request_id;
    assert!(
        matches!(home.queue().open(id).await, Err(QueueError::Unknown)),
        "content is kept"
    );
    assert!(evidence(home, &late).await.is_empty());
}

/// One who waited long enough leaves alone: the request stays for a minute, and others may join it.
///
/// # Panics
/// When one who leaves takes the request along, or it stays for ever.
pub async fn a_minute_after_the_last_waiter_it_is_withdrawn(home: &dyn Home) {
    let left = submission(home, 1, "one");
    submit(home, &left).await.expect("submitted");
    let id = left.request.request_id;
    let waited = home.queue().wait(id, Duration::from_millis(20)).await;
    assert_eq!(waited, Ok(Decided::Expired), "for this waiter");
    home.advance(MINUTE - Duration::from_secs(1));
    assert_eq!(home.queue().pending().await.expect("pending").len(), 1);
    // Somebody waits again: the minute begins anew when they leave.
    assert!(
        submit(home, &submission(home, 2, "one"))
            .await
            .expect("submitted")
            .joined
    );
    let _gave_up = home.queue().wait(id, Duration::from_millis(20)).await;
    home.advance(MINUTE - Duration::from_secs(1));
    assert_eq!(home.queue().pending().await.expect("pending").len(), 1);
    home.advance(Duration::from_secs(2));
    assert!(home.queue().pending().await.expect("pending").is_empty());
    assert_eq!(
        decide(home, &yes(home, &left, 1)).await,
        Err(QueueError::Mismatch)
    );
    assert_eq!(
        home.queue().wait(id, LONG).await,
        Err(QueueError::Unknown),
        "it does not revive"
    );
}

/// What somebody waits for does not go, however long it takes.
///
/// # Panics
/// When it does.
pub async fn somebody_waiting_keeps_it(home: &dyn Home) {
    let kept = submission(home, 1, "one");
    submit(home, &kept).await.expect("submitted");
    let receipt = yes(home, &kept, 1);
    let much_later = async {
        home.advance(MINUTE * 5);
        let pending = home.queue().pending().await.expect("pending");
        assert_eq!((pending.len(), pending[0].live), (1, true));
        decide(home, &receipt).await
    };
    let (waited, decided) = meanwhile(home, &kept, much_later).await;
    assert_eq!(decided, Ok(()));
    assert_eq!(waited, Ok(Decided::Approved(receipt.consent_receipt_id)));
}

/// A receipt for one call that nobody waits for is void after a minute.
///
/// # Panics
/// When it stays good.
pub async fn an_abandoned_yes_is_void(home: &dyn Home) {
    let asked = submission(home, 1, "one");
    submit(home, &asked).await.expect("submitted");
    decide(home, &yes(home, &asked, 1)).await.expect("approved");
    home.advance(MINUTE - Duration::from_secs(1));
    assert!(
        !evidence(home, &asked).await[0].revoked,
        "there is a minute to come back"
    );
    home.advance(Duration::from_secs(1));
    assert!(
        evidence(home, &asked)
            .await
            .iter()
            .all(|found| found.revoked),
        "nobody came back"
    );
}

/// Revoking is told to the gate, and who streams under it can find out.
///
/// # Panics
/// When it is not.
pub async fn a_revoked_receipt_is_told(home: &dyn Home) {
    let asked = submission(home, 1, "one");
    submit(home, &asked).await.expect("submitted");
    let receipt = yes(home, &asked, 1);
    decide(home, &receipt).await.expect("approved");
    home.advance(Duration::from_secs(1));
    let before = home.clock().now();
    assert!(
        home.consent()
            .revoked_since(before)
            .await
            .expect("revoked")
            .is_empty()
    );
    home.advance(Duration::from_secs(1));
    let id = receipt.consent_receipt_id;
    home.queue()
        .decide(SignedDecision::Revoke(id))
        .await
        .expect("revoked");
    assert!(
        evidence(home, &asked)
            .await
            .iter()
            .all(|found| found.revoked)
    );
    assert_eq!(
        home.consent().revoked_since(before).await.expect("revoked"),
        [id]
    );
    home.advance(Duration::from_secs(1));
    let after = home.clock().now();
    assert!(
        home.consent()
            .revoked_since(after)
            .await
            .expect("revoked")
            .is_empty()
    );
    let unknown = handshake_core::ids::ReceiptId::from_entropy([9; 16]);
    let never = home.queue().decide(SignedDecision::Revoke(unknown)).await;
    assert_eq!(never, Err(QueueError::Unknown));
}
