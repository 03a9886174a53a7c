//! Waiting, leaving, coming back.

use super::*;

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
        Err(QueueError::Decided(Decided::Expired))
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
        Err(QueueError::Decided(Decided::Expired))
    );
    assert_eq!(
        home.queue().wait(id, LONG).await,
        Err(QueueError::Unknown),
        "it does not revive"
    );
}

/// A request with a waiter is kept, however long it takes.
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

/// A receipt for one call without a waiter is void after a minute.
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
