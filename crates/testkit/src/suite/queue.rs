//! Promises of [`ApprovalQueue`](handshake_core::ports::ApprovalQueue). Each wants a fresh home.

mod decisions;
mod waiting;

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

pub use self::{
    decisions::{
        a_no_is_recorded_once, a_no_silences_the_asker, a_revoked_receipt_is_told,
        a_signed_no_is_evidence, a_yes_is_stored_and_told, s03_only_what_was_shown_can_be_approved,
    },
    waiting::{
        a_deadline_ends_the_waiting, a_minute_after_the_last_waiter_it_is_withdrawn,
        an_abandoned_yes_is_void, somebody_waiting_keeps_it,
    },
};

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

/// 3 may be pending for one principal, 16 in total; a request that joins takes no room.
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
