//! Every named log against the product's own verifier, as a library.

use std::collections::BTreeSet;

use handshake_flight_recorder::{
    ExportParts, Status, Trust, Verdict, VerifyError, verify_export, verify_leaves, verify_parts,
};
use handshake_testkit::broken_logs::{self, Answer, Case};
use sha2::{Digest as _, Sha256};

fn trust(case: &Case) -> Trust {
    let parse = |text: &String| text.parse().expect("a key");
    Trust {
        roots: case.roots.iter().map(parse).collect(),
        approvers: case.approvers.iter().map(parse).collect(),
        anchors: case
            .anchors
            .iter()
            .map(|text| text.parse().expect("an anchor"))
            .collect(),
        ..Trust::default()
    }
}

/// Verified where it lies, as a person does.
fn verify(case: &Case) -> Result<Verdict, VerifyError> {
    let folder = tempfile::tempdir().expect("a directory");
    case.write(folder.path()).expect("written");
    match case.files.len() {
        1 => verify_leaves(&case.files["log.jsonl"][..], trust(case)),
        _ => verify_export(folder.path(), trust(case)),
    }
}

#[test]
fn s62_every_broken_log_is_found_and_every_sound_one_passes() {
    for log in broken_logs::all() {
        let found = verify(&log);
        let Ok(verdict) = found else {
            assert_eq!(log.answer, Answer::NoVerdict, "{}: {found:?}", log.name);
            continue;
        };
        let size = verdict.size;
        let answer = match verdict.status {
            Status::Intact => Answer::Intact {
                size,
                anchored_at: verdict.anchored_size.expect("anchored"),
            },
            Status::SelfConsistentOnly => Answer::SelfConsistentOnly { size },
            Status::Tampered => Answer::Tampered { size },
        };
        assert_eq!(answer, log.answer, "{}: {verdict:?}", log.name);
        assert_eq!(
            i32::from(verdict.exit_code()),
            log.answer.exit_code(),
            "{}",
            log.name
        );
    }
}

#[test]
fn s62_the_corpus_is_the_same_in_every_run() {
    let all = broken_logs::all();
    let names: BTreeSet<&str> = all.iter().map(|log| log.name).collect();
    assert_eq!(names.len(), all.len(), "a name names one case");
    assert!(all.len() >= 90, "{}", all.len());
    let mut hasher = Sha256::new();
    for log in &all {
        hasher.update(log.name);
        hasher.update(log.framed());
    }
    let digest: String = hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    // Changes with the corpus, and with nothing else.
    assert_eq!(
        digest,
        "54c7c2225ab5ea7504888a4204e287c7719710519c4151899b3887275c3081e7"
    );
    let again = |n| broken_logs::edited(7, n);
    assert!((0..50).all(|n| again(n) == again(n)));
    assert_ne!(again(1).framed(), again(2).framed());
}

#[test]
fn s62_random_edits_never_pass_as_what_they_are_not() {
    let mut seen = [0; 4];
    for n in 0..400 {
        let case = broken_logs::edited(11, n);
        let part = |name: &str| case.files.get(name).map(Vec::as_slice);
        let parts = || {
            Some(ExportParts {
                manifest: part("manifest.json")?,
                handovers: part("handovers.jsonl")?,
                checkpoints: part("checkpoints.jsonl")?,
                seams: part("seams.jsonl"),
                receipts: part("receipts.jsonl"),
                log: part("log.jsonl")?,
            })
        };
        let Some(Ok(verdict)) = parts().map(|parts| verify_parts(parts, trust(&case))) else {
            seen[3] += 1;
            continue;
        };
        seen[match verdict.status {
            Status::Intact => 0,
            Status::SelfConsistentOnly => 1,
            Status::Tampered => 2,
        }] += 1;
        // Whatever was done: what an anchor of the caller confirms is what the caller wrote down.
        if verdict.status == Status::Intact {
            let size = verdict.anchored_size.expect("anchored");
            let from = |anchor: &String| anchor.starts_with(&format!("{size}:"));
            let by_receipt = !case.approvers.is_empty();
            assert!(case.anchors.iter().any(from) || by_receipt, "{}", case.name);
        }
    }
    assert!(
        seen.iter().all(|count| *count > 3),
        "every kind of answer comes up: {seen:?}"
    );
}
