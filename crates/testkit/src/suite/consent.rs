//! Promises of [`ConsentStore`](handshake_core::ports::ConsentStore) and
//! [`ContactGrants`](handshake_core::ports::ContactGrants). Each wants a fresh home.

use std::time::Duration;

use handshake_core::{
    consent::{ConsentReceipt, ReceiptScope},
    digest::Digest,
    ids::{ProviderId, ReceiptId, SessionId},
    ports::{ReceiptQuery, SignedDecision, Submission},
    seal::ContactGrant,
};

use super::home::{Home, signed};
use crate::fixture::{self, asked_by};

async fn stored(
    home: &dyn Home,
    submission: &Submission,
    id: u8,
    scope: ReceiptScope,
) -> ConsentReceipt {
    home.queue()
        .submit(submission.clone())
        .await
        .expect("submitted");
    let (now, run) = (home.clock().now(), home.clock().run());
    let key = home.signer().public_key().id().clone();
    let request = submission.request.request_id;
    let mut receipt = fixture::receipt(&submission.plan, request, [id; 16], now, run, key);
    receipt.ext.scope = scope;
    let decision = SignedDecision::Receipt(signed(home, &receipt));
    home.queue().decide(decision).await.expect("approved");
    receipt
}

fn query(of: &Submission) -> ReceiptQuery {
    let ext = &of.plan.ext;
    ReceiptQuery {
        principal: ext.principal.clone(),
        session_id: ext.session_id.clone(),
        provider_id: ext.destination.provider_id.clone(),
        origin: ext.destination.origin.clone(),
        envelope_sha256: ext.envelope_sha256,
        blocks: Vec::new(),
    }
}

async fn found(home: &dyn Home, query: &ReceiptQuery) -> Vec<ReceiptId> {
    let key = home.signer().public_key();
    let rows = home.consent().find(query).await.expect("find");
    rows.iter()
        .map(|row| row.signed.open(&key).expect("a receipt").consent_receipt_id)
        .collect()
}

fn submission(home: &dyn Home, n: u8, text: &str) -> Submission {
    let now = home.clock().now();
    fixture::submission(n, text, now, now.plus(Duration::from_secs(600)))
}

/// Every receipt that may matter is found: for this envelope, and for this principal in this session.
///
/// # Panics
/// When one is missing.
pub async fn find_leaves_nothing_out(home: &dyn Home) {
    let (first, second) = (submission(home, 1, "one"), submission(home, 2, "two"));
    let single = stored(home, &first, 1, ReceiptScope::SingleCall)
        .await
        .consent_receipt_id;
    let lease = stored(home, &second, 2, ReceiptScope::SessionScoped)
        .await
        .consent_receipt_id;
    let here = query(&first);
    let matching = found(home, &here).await;
    assert!(
        matching.contains(&single) && matching.contains(&lease),
        "{matching:?}"
    );
    let other_bytes = ReceiptQuery {
        envelope_sha256: Digest::of(&[b"new bytes"]),
        ..here.clone()
    };
    assert!(
        found(home, &other_bytes).await.contains(&lease),
        "more of the same session"
    );
    let elsewhere = SessionId::new("another-session").expect("a session");
    let by_envelope = ReceiptQuery {
        session_id: elsewhere.clone(),
        ..here
    };
    assert!(
        found(home, &by_envelope).await.contains(&single),
        "the very envelope"
    );
    let nothing = ReceiptQuery {
        session_id: elsewhere,
        ..other_bytes
    };
    assert!(!found(home, &nothing).await.contains(&single));
}

/// Another principal's lease is not returned for a session of the same name.
///
/// # Panics
/// When it is.
pub async fn s03_sessions_are_of_one_principal(home: &dyn Home) {
    let theirs = asked_by(submission(home, 1, "one"), "somebody-else");
    let lease = stored(home, &theirs, 1, ReceiptScope::SessionScoped).await;
    let mine = submission(home, 2, "two");
    assert!(
        !found(home, &query(&mine))
            .await
            .contains(&lease.consent_receipt_id)
    );
    assert!(
        found(home, &query(&theirs))
            .await
            .contains(&lease.consent_receipt_id)
    );
}

/// A contact grant is for one provider at one revision.
///
/// # Panics
/// When it reaches further.
pub async fn a3_contact_is_granted_to_a_revision(home: &dyn Home) {
    let record = fixture::relay();
    home.providers()
        .put(record.clone(), None)
        .await
        .expect("registered");
    let contacts = home.contacts();
    let id = &record.provider_id;
    assert!(
        !contacts.granted(id, 1).await.expect("granted"),
        "nobody granted anything"
    );
    for grants in ["once", "again, which is fine"] {
        let granted = ContactGrant::of(&record);
        contacts
            .grant(&granted, fixture::seal())
            .await
            .expect(grants);
    }
    assert!(contacts.granted(id, 1).await.expect("granted"));
    assert!(
        !contacts.granted(id, 2).await.expect("granted"),
        "a newer revision has none"
    );
    let other = ProviderId::new("another").expect("an id");
    assert!(!contacts.granted(&other, 1).await.expect("granted"));
}
