//! What is not spent: without a receipt, under other rules, by a store that fails.

use super::*;

/// What is revoked, or never was, cannot be spent, not even by a use that is open.
///
/// # Panics
/// When it can.
pub async fn s03_nothing_is_spent_without_a_receipt(home: &dyn Home) {
    let (_, receipt) = approved(home, false).await;
    let epochs = epochs(home).await;
    let mut unknown = intent(home, &receipt, epochs.clone(), use_id(1), 1);
    unknown.spend.as_mut().expect("a spend").receipt_id = ReceiptId::from_entropy([9; 16]);
    assert_eq!(
        home.ledger().commit(unknown).await,
        Err(LedgerError::Contended)
    );
    let first = home
        .ledger()
        .commit(intent(home, &receipt, epochs.clone(), use_id(1), 1))
        .await;
    first.expect("committed");
    let revoke = SignedDecision::Revoke(receipt.consent_receipt_id);
    home.queue().decide(revoke).await.expect("revoked");
    let next = home
        .ledger()
        .commit(intent(home, &receipt, epochs, use_id(1), 2))
        .await;
    assert_eq!(next, Err(LedgerError::Contended));
    assert_eq!(attempts(home).await, 1);
}

/// When anything changed that a verdict rests on, nothing is spent and nothing recorded.
///
/// # Panics
/// When a stale verdict spends.
pub async fn a_stale_verdict_spends_nothing(home: &dyn Home) {
    let (submission, receipt) = approved(home, false).await;
    let judged = epochs(home).await;
    let record = fixture::relay();
    let changed = ProviderRecord {
        revision: record.revision + 1,
        ..record.clone()
    };
    home.providers()
        .put(changed, Some(record.revision))
        .await
        .expect("changed");
    let now = epochs(home).await;
    assert_ne!(judged, now, "a new revision is another epoch");
    assert_eq!(now.provider_revision, record.revision + 1);
    let stale = home
        .ledger()
        .commit(intent(home, &receipt, judged.clone(), use_id(1), 1))
        .await;
    assert_eq!(stale, Err(LedgerError::Stale));
    for edit in [
        (|e: &mut Epochs| e.policy = Digest::of(&[b"other rules"])) as fn(&mut Epochs),
        |e| e.enabled_models += 1,
        |e| e.rules = Digest::of(&[b"other rules"]),
        |e| e.enrolled += 1,
        |e| e.locked = !e.locked,
        |e| e.approval_key = None,
    ] {
        let mut other = now.clone();
        edit(&mut other);
        let stale = home
            .ledger()
            .commit(intent(home, &receipt, other, use_id(1), 1))
            .await;
        assert_eq!(stale, Err(LedgerError::Stale));
    }
    assert_eq!(attempts(home).await, 0);
    assert!(
        evidence(home, &submission, &[])
            .await
            .iter()
            .all(|found| found.uses == 0)
    );
}

/// Enabling or disabling a model is another epoch; a provider that is not there has revision 0.
///
/// # Panics
/// When it is not.
pub async fn enabled_models_are_an_epoch(home: &dyn Home) {
    let record = registered(home).await;
    let before = epochs(home).await;
    let known = fixture::snapshot(&record, "m", fixture::claims_all());
    let model = "cloud/m".parse().expect("a model ref");
    home.providers()
        .put_snapshot(&model, (*known).clone())
        .await
        .expect("put");
    let enabled = epochs(home).await;
    assert_ne!(before.enabled_models, enabled.enabled_models);
    let disabled = handshake_core::capability::CapabilitySnapshot {
        enabled: false,
        ..(*known).clone()
    };
    home.providers()
        .put_snapshot(&model, disabled)
        .await
        .expect("put");
    assert_ne!(epochs(home).await.enabled_models, enabled.enabled_models);
    home.providers()
        .remove(&record.provider_id)
        .await
        .expect("removed");
    assert_eq!(epochs(home).await.provider_revision, 0);
}

/// A payload-free call spends nothing; its event is committed all the same, under the same epochs.
///
/// # Panics
/// When it is not.
pub async fn control_calls_commit_their_event(home: &dyn Home) {
    let record = registered(home).await;
    let judged = epochs(home).await;
    let wanted = |epochs| Intent {
        event: attempt(home, use_id(1), 1, Some(ControlKind::ListModels)),
        provider_id: record.provider_id.clone(),
        epochs,
        spend: None,
    };
    let committed = home
        .ledger()
        .commit(wanted(judged.clone()))
        .await
        .expect("committed");
    assert_eq!(committed.use_id, use_id(1));
    assert_eq!(attempts(home).await, 1);
    let stale = Epochs {
        locked: !judged.locked,
        ..judged
    };
    assert_eq!(
        home.ledger().commit(wanted(stale)).await,
        Err(LedgerError::Stale)
    );
    assert_eq!(attempts(home).await, 1);
}

/// A store that fails reports it, and that is not a permission: for ports that can be made to fail.
///
/// # Panics
/// When a failing ledger answers.
pub async fn a_failing_ledger_denies(home: &dyn Home, fail: impl AsyncFn()) {
    let (_, receipt) = approved(home, false).await;
    let judged = epochs(home).await;
    fail().await;
    let committed = home
        .ledger()
        .commit(intent(home, &receipt, judged, use_id(1), 1))
        .await;
    assert!(
        matches!(committed, Err(LedgerError::Store(_))),
        "{committed:?}"
    );
    let read: Result<Epochs, StoreError> =
        home.ledger().epochs(&fixture::relay().provider_id).await;
    assert!(read.is_err());
}
