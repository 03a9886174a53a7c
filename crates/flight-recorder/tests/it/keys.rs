//! Signatures, epochs and who may sign what.

use handshake_flight_recorder::{
    Anchor, CHECKPOINT_DOMAIN, Checkpoint, EpochHandover, Evidence, HANDOVER_DOMAIN, PublicKey,
    SignError, Status, TamperKind, Trust, Verdict, Verifier, framed,
};

use crate::sample::{Sample, checkpoint, handover, public, sample, sample_of, secret};

fn kinds(verdict: &Verdict) -> Vec<TamperKind> {
    verdict.tampering.iter().map(|t| t.kind).collect()
}

fn with_checkpoints(log: &Sample, change: impl FnOnce(&mut Vec<Checkpoint>)) -> Verdict {
    let mut checkpoints = log.checkpoints.clone();
    change(&mut checkpoints);
    log.verify_with(&log.leaves, log.trust(&[log.anchor(25)]), checkpoints)
}

#[test]
fn p9_every_field_of_a_checkpoint_is_signed() {
    let log = sample(25);
    assert_eq!(with_checkpoints(&log, |_| ()).status, Status::Intact);
    let changes: [fn(&mut Checkpoint); 4] = [
        |c| c.size += 1,
        |c| c.time = "2026-11-22T00:00:01.000Z".to_owned(),
        |c| c.log_id = "other".parse().expect("id"),
        |c| std::mem::swap(&mut c.head, &mut c.prev_checkpoint_hash),
    ];
    for change in changes {
        let verdict = with_checkpoints(&log, |all| change(&mut all[0]));
        assert_eq!(kinds(&verdict), [TamperKind::BadSignature]);
    }
    let verdict = with_checkpoints(&log, |all| all[3].signature = all[2].signature);
    assert_eq!(kinds(&verdict), [TamperKind::BadSignature]);
}

#[test]
fn p9_a_checkpoint_cannot_be_taken_out_or_moved() {
    let log = sample(25);
    for at in 0..log.checkpoints.len() - 1 {
        let verdict = with_checkpoints(&log, |all| drop(all.remove(at)));
        assert_eq!(kinds(&verdict), [TamperKind::CheckpointChain], "{at}");
    }
    let verdict = with_checkpoints(&log, |all| all.swap(0, 1));
    assert_eq!(kinds(&verdict), [TamperKind::CheckpointChain]);
}

#[test]
fn s62_a_log_signed_anew_with_another_key_is_by_a_wrong_key() {
    let log = sample(8);
    let forged = checkpoint(&log.log_id, &log.heads[8], None, 99);
    let verdict = log.verify_with(&log.leaves, log.trust(&[]), vec![forged]);
    assert_eq!(kinds(&verdict), [TamperKind::WrongKey]);
    // The roots are the caller's. Without one, nobody's word counts.
    let verdict = log.verify_with(&log.leaves, Trust::default(), log.checkpoints.clone());
    assert_eq!(kinds(&verdict), [TamperKind::WrongKey]);
}

#[test]
fn s62_a_thief_of_todays_key_cannot_sign_yesterday_nor_an_old_key_today() {
    let log = sample(25);
    // Key 3 rules from size 20. A checkpoint of size 8 by it is worth nothing, though it is a true one.
    let late = checkpoint(&log.log_id, &log.heads[8], None, 3);
    assert_eq!(
        kinds(&log.verify_with(&log.leaves, log.trust(&[]), vec![late])),
        [TamperKind::WrongKey]
    );
    // Key 1 ended at size 10.
    let old = checkpoint(&log.log_id, &log.heads[24], None, 1);
    assert_eq!(
        kinds(&log.verify_with(&log.leaves, log.trust(&[]), vec![old])),
        [TamperKind::WrongKey]
    );
}

#[test]
fn s62_a_handover_counts_only_in_its_place() {
    let log = sample(25);
    let run = |handovers: &[_]| {
        let id = Some(log.log_id.clone());
        let mut verifier = Verifier::new(log.trust(&[]), id, handovers, Vec::new());
        log.leaves.iter().for_each(|leaf| verifier.push(leaf));
        kinds(&verifier.finish())
    };
    assert_eq!(run(&log.handovers), []);
    assert_eq!(
        run(&log.handovers[1..]),
        [TamperKind::WrongKey],
        "the first is missing"
    );
    let fork = handover(&log.log_id, 2, 1, 9, &log.heads[12]);
    assert_eq!(
        run(&[log.handovers[0].clone(), fork]),
        [TamperKind::WrongKey],
        "from a key that ended"
    );
    let back = handover(&log.log_id, 2, 2, 1, &log.heads[20]);
    assert_eq!(
        run(&[log.handovers[0].clone(), back]),
        [TamperKind::WrongKey],
        "to a key that was erased"
    );
    let early = handover(&log.log_id, 2, 2, 3, &log.heads[9]);
    assert_eq!(
        run(&[log.handovers[0].clone(), early]),
        [TamperKind::WrongKey],
        "before it began"
    );
    let stranger = handover(&log.log_id, 1, 9, 2, &log.heads[10]);
    assert_eq!(run(&[stranger]), [TamperKind::WrongKey], "not by a root");
    let mut forged = log.handovers[0].clone();
    forged.to_key = public(9);
    assert_eq!(run(&[forged]), [TamperKind::BadSignature]);
    // A true signature over a head that the log never had.
    let other = sample_of(25, "b");
    assert_eq!(run(&other.handovers), [TamperKind::Rewritten]);
}

#[test]
fn p9_a_checkpoint_kept_in_a_receipt_is_an_anchor() {
    let log = sample(25);
    let anchored = |kept: Checkpoint| {
        let trust = Trust {
            roots: vec![log.root],
            anchors: vec![Anchor::Checkpoint(kept)],
            ..Trust::default()
        };
        log.verify_with(&log.leaves, trust, log.checkpoints.clone())
    };
    let verdict = anchored(log.checkpoints[4].clone());
    assert_eq!(
        (verdict.status, verdict.anchored_size, verdict.anchor_bits),
        (Status::Intact, Some(20), Some(256))
    );
    let mut forged = log.checkpoints[4].clone();
    forged.size = 19;
    let verdict = anchored(forged);
    assert_eq!(
        (kinds(&verdict), verdict.tampering[0].shown_by),
        (vec![TamperKind::BadSignature], Evidence::Anchor)
    );
    let other = sample_of(25, "b");
    assert_eq!(
        kinds(&anchored(other.checkpoints[4].clone())),
        [TamperKind::Rewritten]
    );
}

#[test]
fn s62_nothing_is_signed_with_another_key_than_the_one_named() {
    let log = sample(4);
    let wrong = |domain: &str, m: &[u8]| {
        ed25519_dalek::Signer::sign(&secret(9), &framed(domain, m)).to_bytes()
    };
    let time = "2026-11-22T00:00:00Z";
    let head = log.heads[4];
    let refused = Checkpoint::sign(&log.log_id, &head, time, None, &public(1), &wrong);
    assert_eq!(refused.expect_err("refused"), SignError::WrongSigner);
    let right = |domain: &str, m: &[u8]| {
        ed25519_dalek::Signer::sign(&secret(1), &framed(domain, m)).to_bytes()
    };
    for bad in [
        "",
        "yesterday",
        "2026-11-22T00:00:00+01:00",
        "2026-11-22 00:00:00Z",
        "2026-11-22T00:00:00.Z",
    ] {
        let refused = Checkpoint::sign(&log.log_id, &head, bad, None, &public(1), &right);
        assert_eq!(refused.expect_err("refused"), SignError::Invalid, "{bad}");
    }
    let later = checkpoint(&log.log_id, &log.heads[4], None, 1);
    let refused = Checkpoint::sign(
        &log.log_id,
        &log.heads[3],
        time,
        Some(&later),
        &public(1),
        &right,
    );
    assert_eq!(
        refused.expect_err("refused"),
        SignError::Invalid,
        "a log does not shrink"
    );
}

#[test]
fn p9_weak_public_keys_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert!(PublicKey::from_bytes(identity).is_err());
    assert!(PublicKey::from_bytes([0; 32]).is_err());
    assert!("00".repeat(32).parse::<PublicKey>().is_err());
    assert!(
        public(1)
            .to_string()
            .to_uppercase()
            .parse::<PublicKey>()
            .is_err()
    );
}

#[test]
fn p9_signed_bytes_begin_with_their_domain() {
    let log = sample(10);
    let told = std::cell::RefCell::new(Vec::new());
    let sign = |domain: &'static str, message: &[u8]| {
        told.borrow_mut().push((domain, message.to_vec()));
        [0; 64]
    };
    let (last, head) = (log.checkpoints.last(), log.heads[10]);
    Checkpoint::sign(
        &log.log_id,
        &head,
        "2026-11-22T00:00:00Z",
        last,
        &public(2),
        &sign,
    )
    .expect_err("no signature");
    EpochHandover::sign(&log.log_id, 2, &public(2), &public(3), &head, &sign)
        .expect_err("no signature");
    let told = told.into_inner();
    assert_eq!(told[0].0, CHECKPOINT_DOMAIN);
    assert_eq!(told[1].0, HANDOVER_DOMAIN);
    for (signed, domain) in [
        (log.checkpoints[0].signed_bytes(), CHECKPOINT_DOMAIN),
        (log.handovers[0].signed_bytes(), HANDOVER_DOMAIN),
    ] {
        let rest = &signed[domain.len() + 1..];
        assert_eq!(signed, framed(domain, rest));
        assert!(signed.starts_with(format!("{domain}\0").as_bytes()));
    }
}
