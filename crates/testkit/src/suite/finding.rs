//! Promises of [`FindingStore`](handshake_core::ports::FindingStore). Each wants a fresh home.

use std::time::Duration;

use handshake_core::{
    digest::CommitmentKey,
    finding::FindingClass,
    ids::{ExternalId, Principal, ProviderId, RuleId},
    ports::{BlockedFinding, StoreError},
    provider::ProviderRecord,
    seal::Declassified,
};

use super::home::Home;
use crate::fixture;

/// What is declassified is for a provider in one revision, is put in force with its row and goes with it, and makes older
/// verdicts stale.
///
/// # Panics
/// When it reaches further.
pub async fn a9_declassified_is_for_a_revision_and_is_taken_back(home: &dyn Home) {
    let record = fixture::relay();
    home.providers()
        .put(record.clone(), None)
        .await
        .expect("registered");
    let findings = home.findings();
    let (id, revision) = (&record.provider_id, record.revision);
    let what = declassified(&record, b"a text");
    let stale = Declassified {
        provider_revision: revision + 1,
        ..what.clone()
    };
    let refused = findings.declassify(&stale, fixture::seal()).await;
    assert_eq!(refused, Err(StoreError::Missing), "another revision");
    let before = home.ledger().epochs(id).await.expect("epochs");
    for times in ["once", "again, which is fine"] {
        let stored = findings.declassify(&what, fixture::seal()).await;
        stored.expect(times);
    }
    let after = home.ledger().epochs(id).await.expect("epochs");
    assert_ne!(before, after, "what was judged before is stale");
    let rows = findings.declassified(Some((id, revision))).await;
    let rows = rows.expect("reads");
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0].rule, rows[0].leaf), (&what.rule, what.leaf));
    assert_eq!(rows[0].seal, Some(fixture::seal()));
    let other = ProviderId::new("another").expect("an id");
    for nothing in [(id, revision + 1), (&other, revision)] {
        let none = findings.declassified(Some(nothing)).await;
        assert_eq!(none.expect("reads"), []);
    }
    assert_eq!(findings.declassified(None).await.expect("reads").len(), 1);
    let back = findings.classify_again(id, &what.rule, &what.leaf).await;
    back.expect("taken back");
    let again = findings.classify_again(id, &what.rule, &what.leaf).await;
    assert_eq!(again, Err(StoreError::Missing));
    assert_eq!(findings.declassified(None).await.expect("reads"), []);
    let last = home.ledger().epochs(id).await.expect("epochs");
    assert_ne!(after, last, "taking it back is for the next verdict too");
}

/// What blocked a call is kept once, bounded, for a day, and one client does not push out what another's was blocked for.
///
/// # Panics
/// When it is kept for longer, or more of it.
pub async fn s50_what_blocked_is_kept_bounded_and_for_a_day(home: &dyn Home) {
    let findings = home.findings();
    let record = fixture::relay();
    let blocked = |who: &str, n: u32| BlockedFinding {
        trace_id: None,
        principal: client(who),
        provider_id: record.provider_id.clone(),
        provider_revision: 1,
        origin: record.base_url.origin(),
        model_id: None,
        rule: RuleId::new("rule").expect("an id"),
        class: FindingClass::Secret,
        leaf: Some(declassified(&record, format!("{who} {n}").as_bytes()).leaf),
        place: None,
        bytes: None,
        count: 1,
        at: home.clock().now(),
    };
    let first = blocked("quiet", 0);
    for _ in 0..2 {
        let kept = findings.keep_blocked(vec![first.clone()]).await;
        kept.expect("kept");
    }
    assert_eq!(
        findings.blocked().await.expect("reads"),
        std::slice::from_ref(&first)
    );
    for n in 0..100 {
        home.advance(Duration::from_secs(1));
        let kept = findings.keep_blocked(vec![blocked("loud", n)]).await;
        kept.expect("kept");
    }
    let kept = findings.blocked().await.expect("reads");
    assert_eq!(kept.len(), 1 + BlockedFinding::KEPT_OF_ONE);
    assert_eq!(
        kept.last(),
        Some(&first),
        "newest first, and the other client's is there"
    );
    for n in 0..5 {
        for m in 0..20 {
            home.advance(Duration::from_secs(1));
            let kept = findings
                .keep_blocked(vec![blocked(&format!("c{n}"), m)])
                .await;
            kept.expect("kept");
        }
    }
    let kept = findings.blocked().await.expect("reads");
    assert_eq!(kept.len(), BlockedFinding::KEPT);
    home.advance(Duration::from_secs(BlockedFinding::KEPT_SECONDS));
    assert_eq!(findings.blocked().await.expect("reads"), []);
}

fn declassified(record: &ProviderRecord, text: &[u8]) -> Declassified {
    let key = CommitmentKey::new([7; 32]).expect("a key");
    let leaf = key.commit("suite", &[text]);
    let rule = RuleId::new("rule").expect("an id");
    Declassified::of(record, leaf, rule, FindingClass::Secret)
}

fn client(name: &str) -> Principal {
    Principal {
        name: ExternalId::new(name).expect("a name"),
        ..fixture::principal()
    }
}
