//! Receipts and uses beside a log: what they say about it.

use std::{fs, path::Path};

use ed25519_dalek::Signer as _;
use handshake_flight_recorder::{
    Evidence, LogHead, PublicKey, RECEIPT_DOMAIN, Receipt, Records, Status, TamperKind, Trust,
    Verdict, Verifier, framed, verify_export,
};

use crate::sample::{Sample, public, sample, sample_of, secret};

const PERSON: u8 = 77;

/// What a person signs while the log has this head.
fn receipt(head: LogHead, key: u8) -> Receipt {
    let payload = format!(
        r#"{{"approved":true,"ext":{{"nonce":"00","recorder_checkpoint":"{}:{}","run":1}}}}"#,
        head.size, head.hash
    );
    let message = framed(RECEIPT_DOMAIN, payload.as_bytes());
    let signature = secret(key).sign(&message).to_bytes();
    Receipt::new(payload.into_bytes(), signature).expect("a receipt")
}

fn verify(log: &Sample, size: usize, approvers: Vec<PublicKey>, more: Records) -> Verdict {
    let trust = Trust {
        roots: vec![log.root],
        approvers,
        ..Trust::default()
    };
    let within = |at: u64| at <= size as u64;
    let records = Records {
        handovers: log.handovers.clone(),
        checkpoints: more.checkpoints,
        receipts: more.receipts,
        uses: more.uses,
        seams: Vec::new(),
    };
    let mut records = records;
    // Whoever cuts a log cuts what its own keys signed too.
    records
        .handovers
        .retain(|handover| within(handover.at_size));
    records
        .checkpoints
        .retain(|checkpoint| within(checkpoint.size));
    let mut verifier = Verifier::over(trust, Some(log.log_id.clone()), records);
    log.leaves[..size]
        .iter()
        .for_each(|leaf| verifier.push(leaf));
    verifier.finish()
}

fn beside(log: &Sample, receipts: Vec<Receipt>, uses: Vec<u64>) -> Records {
    Records {
        checkpoints: log.checkpoints.clone(),
        receipts,
        uses,
        ..Records::default()
    }
}

fn kinds(verdict: &Verdict) -> Vec<(TamperKind, Evidence)> {
    verdict
        .tampering
        .iter()
        .map(|found| (found.kind, found.shown_by))
        .collect()
}

#[test]
fn rt_b12_a_receipt_of_the_approver_is_an_anchor() {
    let log = sample(25);
    let two = || {
        vec![
            receipt(log.heads[6], PERSON),
            receipt(log.heads[18], PERSON),
        ]
    };
    let verdict = verify(&log, 25, vec![public(PERSON)], beside(&log, two(), vec![]));
    assert_eq!(
        (verdict.status, verdict.anchored_size, verdict.unanchored),
        (Status::Intact, Some(18), 7)
    );
    assert_eq!(verdict.anchored_by, Some(Evidence::Receipt));
    assert_eq!(verdict.exit_code(), 0);
    // Whoever does not know the key can only be told of contradictions.
    let verdict = verify(&log, 25, vec![], beside(&log, two(), vec![]));
    assert_eq!(
        (verdict.status, verdict.anchored_size),
        (Status::SelfConsistentOnly, None)
    );
    assert_eq!(verdict.exit_code(), 4);
    // An anchor of the same size that the caller wrote down is named before a receipt.
    let mut trust = log.trust(&[log.anchor(18)]);
    trust.approvers = vec![public(PERSON)];
    let mut verifier = Verifier::over(trust, Some(log.log_id.clone()), beside(&log, two(), vec![]));
    log.leaves.iter().for_each(|leaf| verifier.push(leaf));
    assert_eq!(verifier.finish().anchored_size, Some(18));
}

#[test]
fn rt_b12_a_log_that_ends_before_its_receipts_is_tampered_with() {
    let log = sample(25);
    let two = || {
        vec![
            receipt(log.heads[6], PERSON),
            receipt(log.heads[18], PERSON),
        ]
    };
    for approvers in [vec![], vec![public(PERSON)]] {
        for size in [0, 5, 6, 17] {
            let verdict = verify(&log, size, approvers.clone(), beside(&log, two(), vec![]));
            assert_eq!(verdict.status, Status::Tampered, "cut to {size}");
            assert_eq!(
                kinds(&verdict),
                [(TamperKind::Truncated, Evidence::Receipt)],
                "cut to {size}"
            );
            assert_eq!(verdict.tampering[0].first_bad_seq, size as u64 + 1);
        }
        // Another log of the same identity, made with the recorder's own keys.
        let other = sample_of(25, "another");
        let verdict = verify(&other, 25, approvers, beside(&other, two(), vec![]));
        assert_eq!(
            kinds(&verdict),
            [(TamperKind::Rewritten, Evidence::Receipt)]
        );
    }
}

#[test]
fn rt_b12_a_receipt_that_nobody_signed_is_no_anchor() {
    let log = sample(25);
    let approvers = || vec![public(PERSON)];
    let foreign = vec![receipt(log.heads[18], 78)];
    let verdict = verify(&log, 25, approvers(), beside(&log, foreign, vec![]));
    assert_eq!(
        kinds(&verdict),
        [(TamperKind::BadSignature, Evidence::Receipt)]
    );
    assert_eq!(verdict.anchored_size, None);
    // Edited to name a smaller head, so that a cut would not show.
    let line = String::from_utf8(receipt(log.heads[18], PERSON).to_line()).expect("text");
    let (from, to) = (log.heads[18], log.heads[6]);
    let line = line.replace(
        &format!("{}:{}", from.size, from.hash),
        &format!("{}:{}", to.size, to.hash),
    );
    let edited = vec![Receipt::from_line(line.as_bytes()).expect("well formed")];
    let verdict = verify(&log, 10, approvers(), beside(&log, edited, vec![]));
    assert_eq!(
        kinds(&verdict),
        [(TamperKind::BadSignature, Evidence::Receipt)]
    );
}

#[test]
fn rt_b12_a_use_needs_its_leaf_and_a_checkpoint_over_it() {
    let log = sample(25);
    // Checkpoints stand at every fourth leaf.
    let verdict = verify(&log, 25, vec![], beside(&log, vec![], vec![3, 24]));
    assert_eq!(verdict.status, Status::SelfConsistentOnly);
    let verdict = verify(&log, 12, vec![], beside(&log, vec![], vec![3, 24]));
    assert_eq!(kinds(&verdict), [(TamperKind::Truncated, Evidence::Use)]);
    // The leaves are there, and the checkpoints were taken away.
    let mut without = beside(&log, vec![], vec![3, 24]);
    without.checkpoints.truncate(4);
    let verdict = verify(&log, 25, vec![], without);
    assert_eq!(kinds(&verdict), [(TamperKind::Removed, Evidence::Use)]);
    assert_eq!(verdict.tampering[0].first_bad_seq, 17);
    let mut none = beside(&log, vec![], vec![3]);
    none.checkpoints.clear();
    let verdict = verify(&log, 25, vec![], none);
    assert_eq!(kinds(&verdict), [(TamperKind::Removed, Evidence::Use)]);
}

fn export(log: &Sample, receipts: &[Receipt], directory: &Path) {
    use handshake_flight_recorder::ExportWriter;
    let mut writer = ExportWriter::create(directory, &log.log_id).expect("creates");
    log.leaves
        .iter()
        .for_each(|leaf| writer.leaf(leaf).expect("writes"));
    let handovers = log.handovers.iter();
    handovers.for_each(|handover| writer.handover(handover).expect("writes"));
    let checkpoints = log.checkpoints.iter();
    checkpoints.for_each(|checkpoint| writer.checkpoint(checkpoint).expect("writes"));
    receipts
        .iter()
        .for_each(|receipt| writer.receipt(receipt).expect("writes"));
    writer.finish().expect("finishes");
}

#[test]
fn rt_b12_an_export_carries_its_receipts() {
    let log = sample(12);
    let folder = tempfile::tempdir().expect("a directory");
    let receipts = [receipt(log.heads[5], PERSON), receipt(log.heads[9], PERSON)];
    export(&log, &receipts, folder.path());
    let file = |name: &str| folder.path().join(name);
    let manifest = fs::read_to_string(file("manifest.json")).expect("reads");
    assert!(
        manifest.starts_with(r#"{"schema":"hsk.log_export@0.3""#)
            && manifest.ends_with("\"receipts\":2}\n"),
        "{manifest}"
    );
    let verdict = |approvers: Vec<PublicKey>| {
        let trust = Trust {
            roots: vec![log.root],
            approvers,
            ..Trust::default()
        };
        verify_export(folder.path(), trust).expect("reads")
    };
    let good = verdict(vec![public(PERSON)]);
    assert_eq!(
        (good.status, good.anchored_size, good.root),
        (Status::Intact, Some(9), Some(log.root))
    );
    assert_eq!(verdict(vec![]).exit_code(), 4);

    let whole = fs::read_to_string(file("receipts.jsonl")).expect("reads");
    let first = whole.lines().next().expect("a line");
    for (edited, kind) in [
        (format!("{first}\n"), TamperKind::Removed),
        (format!("{whole}{first}\n"), TamperKind::Inserted),
        (whole.replacen("run", "nur", 1), TamperKind::BadSignature),
        (
            whole.replacen("\"receipt\"", "\"Receipt\"", 1),
            TamperKind::Malformed,
        ),
        (whole.trim_end().to_owned(), TamperKind::Malformed),
    ] {
        fs::write(file("receipts.jsonl"), &edited).expect("writes");
        let bad = verdict(vec![public(PERSON)]);
        assert!(
            bad.tampering.iter().any(|found| found.kind == kind),
            "{kind:?}: {bad:?}"
        );
    }
    // Without the file, and with a manifest that promises none: the version says that there were some.
    fs::remove_file(file("receipts.jsonl")).expect("removes");
    assert_eq!(verdict(vec![]).status, Status::Tampered);
    fs::write(
        file("manifest.json"),
        manifest.replace(",\"receipts\":2", ""),
    )
    .expect("writes");
    assert_eq!(verdict(vec![]).status, Status::Tampered);
}
