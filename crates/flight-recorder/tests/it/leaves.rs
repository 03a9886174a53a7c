//! Every kind of change to the leaves is found and named rightly.

use handshake_flight_recorder::{
    Evidence, Leaf, LogHead, Status, TamperKind, Verdict, append, leaf_hash,
};

use crate::sample::{sample, sample_of};

const SIZE: usize = 25;

fn first(verdict: &Verdict) -> (TamperKind, u64) {
    assert_eq!(verdict.status, Status::Tampered);
    assert_eq!(verdict.exit_code(), 5);
    (
        verdict.tampering[0].kind,
        verdict.tampering[0].first_bad_seq,
    )
}

#[test]
fn p9_an_honest_log_is_intact_up_to_its_anchor_and_the_rest_is_named() {
    let log = sample(SIZE);
    let verdict = log.verify(&log.leaves, &[log.anchor(20)]);
    assert_eq!(verdict.status, Status::Intact);
    assert_eq!(
        (
            verdict.anchored_size,
            verdict.anchor_bits,
            verdict.unanchored
        ),
        (Some(20), Some(48), 5)
    );
    assert_eq!(
        (verdict.checkpointed_size, verdict.epoch_keys, verdict.size),
        (Some(24), 3, 25)
    );
    assert_eq!((verdict.exit_code(), verdict.tampering.len()), (0, 0));
}

#[test]
fn s62_without_an_outside_anchor_it_is_self_consistent_only() {
    let log = sample(SIZE);
    let verdict = log.verify(&log.leaves, &[]);
    assert_eq!(
        (verdict.status, verdict.exit_code()),
        (Status::SelfConsistentOnly, 4)
    );
    assert_eq!((verdict.anchored_size, verdict.unanchored), (None, 25));
    // An anchor of the empty log confirms no leaf.
    let verdict = log.verify(&log.leaves, &[log.anchor(0)]);
    assert_eq!(verdict.status, Status::SelfConsistentOnly);
}

#[test]
fn s62_a_full_rewrite_with_the_current_key_shows_with_any_one_anchor() {
    let (honest, rewritten) = (sample_of(SIZE, "a"), sample_of(SIZE, "b"));
    assert_eq!(
        rewritten.verify(&rewritten.leaves, &[]).status,
        Status::SelfConsistentOnly
    );
    for size in 1..=SIZE {
        let verdict = rewritten.verify(&rewritten.leaves, &[honest.anchor(size)]);
        assert_eq!(first(&verdict).0, TamperKind::Rewritten, "anchor at {size}");
        assert!(
            verdict
                .tampering
                .iter()
                .any(|t| t.shown_by == Evidence::Anchor)
        );
        assert!(first(&verdict).1 <= size as u64);
    }
}

#[test]
fn p9_every_modified_leaf_is_named() {
    let log = sample(SIZE);
    for at in 0..SIZE {
        let seq = at as u64 + 1;
        let mut leaves = log.leaves.clone();
        leaves[at].payload = br#"{"event_id":"forged"}"#.to_vec();
        assert_eq!(
            first(&log.verify(&leaves, &[])),
            (TamperKind::Modified, seq)
        );

        // The same with its own hash put right: the leaf after it tells.
        let forged = &mut leaves[at];
        forged.hash = leaf_hash(forged.seq, &forged.prev, &forged.payload);
        let verdict = log.verify(&leaves, &[log.anchor(SIZE)]);
        if at + 1 < SIZE {
            assert!(
                matches!(first(&verdict), (TamperKind::Modified, bad) if bad == seq),
                "{at}: {verdict:?}"
            );
        } else {
            assert_eq!(first(&verdict).0, TamperKind::Rewritten);
        }

        // Renumbered, and pointed elsewhere.
        let mut leaves = log.leaves.clone();
        leaves[at].seq += 5;
        assert_eq!(
            first(&log.verify(&leaves, &[])),
            (TamperKind::Modified, seq)
        );
        let mut leaves = log.leaves.clone();
        leaves[at].prev = log.heads[0].hash;
        if at > 0 {
            assert_eq!(
                first(&log.verify(&leaves, &[])),
                (TamperKind::Modified, seq)
            );
        }
    }
}

#[test]
fn p9_every_removed_leaf_is_named() {
    let log = sample(SIZE);
    for at in 0..SIZE - 1 {
        let mut leaves = log.leaves.clone();
        leaves.remove(at);
        assert_eq!(
            first(&log.verify(&leaves, &[])),
            (TamperKind::Removed, at as u64 + 1)
        );
    }
}

#[test]
fn p9_every_inserted_leaf_is_named() {
    let log = sample(SIZE);
    for at in 0..SIZE {
        // A copy of another leaf.
        for copy in [0, at, SIZE - 1] {
            let mut leaves = log.leaves.clone();
            leaves.insert(at, log.leaves[copy].clone());
            let expected = if copy == at {
                at as u64 + 2
            } else {
                at as u64 + 1
            };
            assert_eq!(
                first(&log.verify(&leaves, &[])),
                (TamperKind::Inserted, expected),
                "{copy} at {at}"
            );
        }
        // A forged leaf that links to the one before it.
        let (forged, _) = append(&log.heads[at], b"{\"forged\":true}".to_vec()).expect("appends");
        let mut leaves = log.leaves.clone();
        leaves.insert(at, forged);
        let (verdict, place) = (log.verify(&leaves, &[]), at as u64 + 1);
        assert_eq!(
            first(&verdict),
            (TamperKind::Inserted, place),
            "forged at {at}"
        );
        // Of two leaves for one place, only a checkpoint there can tell which is the forged one.
        assert_eq!(
            verdict.tampering[0].exact,
            place.is_multiple_of(4) || place == 10
        );
        // Bytes that are no leaf of any log.
        let mut leaves = log.leaves.clone();
        leaves.insert(
            at,
            Leaf {
                seq: 3,
                prev: log.heads[1].hash,
                hash: log.heads[2].hash,
                payload: b"{}".to_vec(),
            },
        );
        assert_eq!(
            first(&log.verify(&leaves, &[])),
            (TamperKind::Inserted, at as u64 + 1),
            "garbage at {at}"
        );
    }
}

#[test]
fn p9_every_swap_is_named() {
    let log = sample(SIZE);
    for left in 0..SIZE {
        for right in left + 1..SIZE {
            let mut leaves = log.leaves.clone();
            leaves.swap(left, right);
            assert_eq!(
                first(&log.verify(&leaves, &[])),
                (TamperKind::Reordered, left as u64 + 1)
            );
        }
    }
}

#[test]
fn p9_every_truncation_before_an_anchor_shows_and_after_it_is_unanchored() {
    let log = sample(SIZE);
    // No checkpoint beyond 16, so that the anchor alone must tell.
    let checkpoints: Vec<_> = log
        .checkpoints
        .iter()
        .take_while(|c| c.size <= 4)
        .cloned()
        .collect();
    for length in 0..=SIZE {
        let trust = || handshake_flight_recorder::Trust {
            roots: vec![log.root],
            ..log.trust(&[log.anchor(18)])
        };
        let mut verifier = handshake_flight_recorder::Verifier::new(
            trust(),
            Some(log.log_id.clone()),
            &[],
            checkpoints.clone(),
        );
        log.leaves[..length]
            .iter()
            .for_each(|leaf| verifier.push(leaf));
        let verdict = verifier.finish();
        if length < 18 {
            assert_eq!(first(&verdict), (TamperKind::Truncated, length as u64 + 1));
            assert_eq!(verdict.tampering[0].shown_by, Evidence::Anchor);
        } else {
            assert_eq!(
                (verdict.status, verdict.unanchored),
                (Status::Intact, length as u64 - 18)
            );
        }
    }
}

#[test]
fn p9_a_checkpoint_in_the_export_shows_a_truncation_too() {
    let log = sample(SIZE);
    let verdict = log.verify(&log.leaves[..23], &[]);
    assert_eq!(first(&verdict), (TamperKind::Truncated, 24));
    assert_eq!(verdict.tampering[0].shown_by, Evidence::Checkpoint);
}

#[test]
fn p9_two_logs_cannot_be_spliced() {
    let (log, other) = (sample_of(SIZE, "a"), sample_of(SIZE, "b"));
    for at in 1..SIZE {
        let leaves = [&log.leaves[..at], &other.leaves[at..]].concat();
        assert_eq!(
            first(&log.verify(&leaves, &[])).0,
            TamperKind::Modified,
            "{at}"
        );
    }
    // A log of another identity does not begin where this one does.
    let other_genesis = LogHead::genesis(&"other".parse().expect("id"));
    let (leaf, _) = append(&other_genesis, log.leaves[0].payload.clone()).expect("appends");
    assert_eq!(first(&log.verify(&[leaf], &[])).1, 1);
}

#[test]
fn p9_appending_keeps_old_checkpoints_and_anchors_valid() {
    let mut log = sample(SIZE);
    for size in SIZE..SIZE + 10 {
        let (leaf, head) = append(&log.heads[size], b"{\"more\":1}".to_vec()).expect("appends");
        log.leaves.push(leaf);
        log.heads.push(head);
        let verdict = log.verify(&log.leaves, &[log.anchor(7), log.anchor(SIZE)]);
        assert_eq!(
            (verdict.status, verdict.anchored_size),
            (Status::Intact, Some(SIZE as u64))
        );
        assert_eq!(
            (verdict.checkpointed_size, verdict.unanchored),
            (Some(24), (size + 1 - SIZE) as u64)
        );
    }
}
