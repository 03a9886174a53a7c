//! Whatever is done to the bytes of an export shows.

use std::{collections::BTreeMap, fs};

use handshake_flight_recorder::{ExportParts, Status, Verdict, VerifyError, verify_parts};
use proptest::prelude::*;

use crate::sample::{Sample, sample};

const FILES: [&str; 4] = [
    "log.jsonl",
    "checkpoints.jsonl",
    "handovers.jsonl",
    "manifest.json",
];

struct Export {
    log: Sample,
    files: BTreeMap<&'static str, Vec<u8>>,
}

impl Export {
    fn new(size: usize) -> Self {
        let log = sample(size);
        let directory = tempfile::tempdir().expect("a directory");
        log.export(directory.path());
        let files = FILES
            .map(|f| (f, fs::read(directory.path().join(f)).expect("reads")))
            .into();
        Self { log, files }
    }

    /// The verdict with one file replaced, anchored at the end.
    fn with(&self, file: &str, bytes: &[u8]) -> Result<Verdict, VerifyError> {
        let part = |name: &str| {
            if name == file {
                bytes
            } else {
                &self.files[name]
            }
        };
        let anchor = self.log.anchor(self.log.leaves.len());
        let parts = ExportParts {
            manifest: part("manifest.json"),
            handovers: part("handovers.jsonl"),
            checkpoints: part("checkpoints.jsonl"),
            seams: None,
            receipts: None,
            log: part("log.jsonl"),
        };
        verify_parts(parts, self.log.trust(&[anchor]))
    }

    fn must_show(&self, file: &str, bytes: &[u8], what: &str) {
        match self.with(file, bytes) {
            Ok(verdict) => assert_eq!(verdict.status, Status::Tampered, "{file}: {what}"),
            // Only a version number that became another one is not even judged.
            Err(error) => assert!(
                matches!(error, VerifyError::UnknownFormat),
                "{file}: {what}: {error}"
            ),
        }
    }
}

#[test]
fn p9_every_flipped_byte_of_every_file_shows() {
    let export = Export::new(10);
    let untouched = export.with("log.jsonl", &export.files["log.jsonl"]);
    assert_eq!(untouched.expect("a verdict").status, Status::Intact);
    for file in FILES {
        let bytes = &export.files[file];
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            export.must_show(file, &changed, &format!("byte {at}"));
        }
    }
}

#[test]
fn p9_every_removed_doubled_or_swapped_line_shows() {
    let export = Export::new(21);
    for file in FILES {
        let lines: Vec<&[u8]> = export.files[file]
            .split_inclusive(|b| *b == b'\n')
            .collect();
        for at in 0..lines.len() {
            let mut changed = lines.clone();
            changed.remove(at);
            export.must_show(file, &changed.concat(), &format!("without line {at}"));
            let mut changed = lines.clone();
            changed.insert(at, lines[at]);
            export.must_show(file, &changed.concat(), &format!("line {at} twice"));
            if at > 0 {
                let mut changed = lines.clone();
                changed.swap(at - 1, at);
                export.must_show(file, &changed.concat(), &format!("lines {at} swapped"));
            }
        }
    }
}

#[test]
fn p9_every_truncation_of_every_file_shows() {
    let export = Export::new(6);
    for file in FILES {
        let bytes = &export.files[file];
        for length in 0..bytes.len() {
            export.must_show(file, &bytes[..length], &format!("cut to {length}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn p9_any_edit_of_the_log_shows(
        size in 2_usize..24,
        edits in prop::collection::vec((0_usize..5, any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let export = Export::new(size);
        let original = &export.files["log.jsonl"];
        let mut bytes = original.clone();
        for (edit, index, byte) in edits {
            let at = index.index(bytes.len().max(1));
            match edit {
                0 if !bytes.is_empty() => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if !bytes.is_empty() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                _ => {
                    let copy: Vec<u8> = bytes[at..].iter().take(usize::from(byte)).copied().collect();
                    bytes.splice(at..at, copy);
                }
            }
        }
        let verdict = export.with("log.jsonl", &bytes).expect("a verdict");
        prop_assert_eq!(verdict.status == Status::Tampered, bytes != *original);
    }

    #[test]
    fn p9_arbitrary_bytes_never_pass_and_never_panic(
        file in 0_usize..4,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let export = Export::new(5);
        let verdict = export.with(FILES[file], &bytes).expect("a verdict");
        // Five leaves have no handover, so that file is rightly empty.
        let rightly_empty = FILES[file] == "handovers.jsonl" && bytes.is_empty();
        prop_assert_eq!(verdict.status == Status::Tampered, !rightly_empty);
    }
}
