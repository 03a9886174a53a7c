//! Logs whose oldest leaves were removed on purpose.

use handshake_flight_recorder::{
    Anchor, PublicKey, Records, SEAM_DOMAIN, Seam, SignError, Status, TamperKind, Trust, Verdict,
    Verifier, framed,
};

use crate::sample::{Sample, public, sample, secret};

const TIME: &str = "2026-11-22T00:00:00Z";

fn seam(log: &Sample, size: usize, at: usize, prev: Option<&Seam>, key: u8) -> Seam {
    let secret = secret(key);
    let sign = |domain: &str, message: &[u8]| {
        ed25519_dalek::Signer::sign(&secret, &framed(domain, message)).to_bytes()
    };
    let (pruned, now) = (log.heads[size], log.heads[at]);
    Seam::sign(&log.log_id, &pruned, &now, TIME, prev, &public(key), &sign).expect("signs")
}

fn verify(log: &Sample, from: usize, seams: &[Seam], anchors: Vec<Anchor>) -> Verdict {
    let trust = Trust {
        roots: vec![log.root],
        anchors,
        ..Trust::default()
    };
    let records = Records {
        handovers: log.handovers.clone(),
        checkpoints: log.checkpoints.clone(),
        seams: seams.to_vec(),
        ..Records::default()
    };
    let mut verifier = Verifier::over(trust, Some(log.log_id.clone()), records);
    for leaf in &log.leaves[from..] {
        verifier.push(leaf);
    }
    verifier.finish()
}

fn head(log: &Sample, size: usize) -> Vec<Anchor> {
    vec![Anchor::Head(log.heads[size])]
}

#[test]
fn p9_a_pruned_log_goes_on_from_its_seam() {
    // Keys: 1 up to 10, 2 up to 20, 3 after it.
    let log = sample(25);
    let first = seam(&log, 6, 15, None, 2);
    let second = seam(&log, 12, 25, Some(&first), 3);
    let verdict = verify(&log, 6, std::slice::from_ref(&first), head(&log, 25));
    assert_eq!(
        (verdict.status, verdict.size, verdict.pruned),
        (Status::Intact, 25, Some(6))
    );
    let verdict = verify(&log, 12, &[first, second], head(&log, 25));
    assert_eq!(
        (verdict.status, verdict.size, verdict.pruned),
        (Status::Intact, 25, Some(12))
    );
    assert_eq!(verdict.checkpointed_size, Some(24));
    let whole = verify(&log, 0, &[], head(&log, 25));
    assert_eq!((whole.status, whole.pruned), (Status::Intact, None));
}

#[test]
fn p9_what_was_noted_about_pruned_leaves_is_held_against_what_is_signed() {
    let log = sample(25);
    let pruned = [seam(&log, 12, 25, None, 3)];
    let behind = verify(&log, 12, &pruned, head(&log, 8));
    assert_eq!(
        (behind.status, behind.anchored_size),
        (Status::SelfConsistentOnly, None)
    );
    let mut other = log.heads[8];
    other.hash = log.heads[9].hash;
    let contradicts = verify(&log, 12, &pruned, vec![Anchor::Head(other)]);
    assert_eq!(contradicts.status, Status::Tampered);
    assert_eq!(contradicts.tampering[0].kind, TamperKind::Rewritten);
    // At the seam itself there is a head to compare with.
    let at = verify(&log, 12, &pruned, head(&log, 12));
    assert_eq!((at.status, at.anchored_size), (Status::Intact, Some(12)));
}

#[test]
fn p9_leaves_without_a_seam_that_holds_are_missing() {
    let log = sample(25);
    let missing = |seams: &[Seam]| {
        let verdict = verify(&log, 12, seams, head(&log, 25));
        assert_eq!(
            (verdict.status, verdict.size, verdict.pruned),
            (Status::Tampered, 0, None)
        );
        verdict
            .tampering
            .iter()
            .map(|found| found.kind)
            .collect::<Vec<_>>()
    };
    assert!(missing(&[]).contains(&TamperKind::Removed));
    let good = seam(&log, 12, 25, None, 3);
    // A key that did not count then, a key of nobody, and a signature over something else.
    assert!(missing(&[seam(&log, 12, 25, None, 1)]).contains(&TamperKind::WrongKey));
    assert!(missing(&[seam(&log, 12, 25, None, 9)]).contains(&TamperKind::WrongKey));
    let mut altered = good.clone();
    altered.time = "2026-11-23T00:00:00Z".to_owned();
    assert!(missing(&[altered]).contains(&TamperKind::BadSignature));
    // The second of two seams alone.
    let first = seam(&log, 6, 25, None, 3);
    let second = seam(&log, 12, 25, Some(&first), 3);
    assert!(missing(std::slice::from_ref(&second)).contains(&TamperKind::SeamChain));
    // The first holds; the one after it does not, so the log goes on from the first, and leaves are missing.
    let forged = seam(&log, 12, 25, Some(&first), 9);
    let verdict = verify(&log, 12, &[first, forged], head(&log, 25));
    assert_eq!(
        (verdict.status, verdict.pruned),
        (Status::Tampered, Some(6))
    );
}

#[test]
fn p9_a_seam_that_contradicts_a_checkpoint_shows() {
    let log = sample(25);
    let other = crate::sample::sample_of(25, "another");
    // Signed with the right key, over leaves that never were in this log.
    let lies = [seam(&other, 12, 25, None, 3)];
    let verdict = verify(&log, 12, &lies, head(&log, 25));
    assert_eq!((verdict.status, verdict.size), (Status::Tampered, 12));
    assert_eq!(verdict.tampering[0].first_bad_seq, 12);
}

#[test]
fn p9_nothing_impossible_is_signed_as_a_seam() {
    let log = sample(25);
    let key: PublicKey = public(3);
    let told = std::cell::Cell::new("");
    let sign = |domain: &'static str, _: &[u8]| {
        told.set(domain);
        [0; 64]
    };
    let make = |pruned: usize, now: usize, time: &str, prev: Option<&Seam>| {
        let (pruned, now) = (log.heads[pruned], log.heads[now]);
        Seam::sign(&log.log_id, &pruned, &now, time, prev, &key, &sign).expect_err("refused")
    };
    let before = seam(&log, 12, 25, None, 3);
    assert_eq!(make(0, 25, TIME, None), SignError::Invalid, "of nothing");
    assert_eq!(
        make(12, 11, TIME, None),
        SignError::Invalid,
        "beyond the log"
    );
    assert_eq!(make(12, 25, "today", None), SignError::Invalid);
    assert_eq!(
        make(12, 25, TIME, Some(&before)),
        SignError::Invalid,
        "twice"
    );
    assert_eq!(told.get(), "");
    assert_eq!(make(13, 25, TIME, Some(&before)), SignError::WrongSigner);
    assert_eq!(told.get(), SEAM_DOMAIN);
}
