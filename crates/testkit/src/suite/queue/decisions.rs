//! A person's decisions: stored, delivered and recorded once, or refused.

use super::*;

/// A receipt for a pending request is stored, delivered to the waiter and recorded once. The content is deleted then.
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

/// A denial is delivered to the waiter, which records it; the queue does so only if there is no waiter.
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
    assert_eq!(again, Err(QueueError::Decided(Decided::Denied)));
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
/// When a person can be flooded with requests, or another principal is blocked.
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
        Err(QueueError::Silenced {
            again_in: Some(Duration::from_secs(1))
        })
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
            Err(QueueError::Silenced { again_in: None })
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
        Err(QueueError::Decided(Decided::Approved(
            yes(home, &shown, 1).consent_receipt_id
        )))
    );
    assert_eq!(evidence(home, &shown).await.len(), 1);
}

/// The gate learns of a revocation, and so can a stream that runs under the receipt.
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
