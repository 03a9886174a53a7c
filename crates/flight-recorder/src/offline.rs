//! Reads an untrusted export and passes it to the verifier.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    checkpoint::Checkpoint,
    export::{
        CHECKPOINTS, HANDOVERS, LOG, MANIFEST, Manifest, PRUNED_SCHEMA, RECEIPTS, RECEIPTS_SCHEMA,
        SCHEMA, SEAMS,
    },
    format::{self, MalformedLine},
    handover::EpochHandover,
    leaf::Leaf,
    lines::{Line, Lines},
    receipt::Receipt,
    seam::Seam,
    verdict::{Evidence, TamperKind, Tampering, Verdict},
    verify::{Records, Trust, Verifier},
};

/// The most checkpoints or handovers that are read: they are held in memory.
const MAX_RECORDS: usize = 1_000_000;

/// There is nothing to give a verdict on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file is missing, unreadable or not a regular file.
    #[error("cannot read {file}")]
    Unreadable {
        /// Which file of the export.
        file: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was given is neither a directory nor a regular file.
    #[error("the export is neither a directory nor a regular file")]
    NoExport,
    /// The export names a format that this program does not know.
    #[error("unknown export format")]
    UnknownFormat,
    /// More records than this program reads.
    #[error("more than {MAX_RECORDS} records in {file}")]
    TooMany {
        /// Which file of the export.
        file: &'static str,
    },
}

/// The files of an export, wherever their bytes are.
#[derive(Clone, Debug)]
pub struct ExportParts<R> {
    /// `manifest.json`.
    pub manifest: R,
    /// `handovers.jsonl`.
    pub handovers: R,
    /// `checkpoints.jsonl`.
    pub checkpoints: R,
    /// `seams.jsonl`, which only the export of a pruned log has.
    pub seams: Option<R>,
    /// `receipts.jsonl`, which only an export with receipts has.
    pub receipts: Option<R>,
    /// `log.jsonl`.
    pub log: R,
}

/// Verifies what is there: an export directory, or its `log.jsonl` alone.
///
/// # Errors
/// As [`verify_export`] and [`verify_leaves`].
pub fn verify_path(path: &Path, trust: Trust) -> Result<Verdict, VerifyError> {
    const FILE: &str = "the export";
    let meta = path.metadata().map_err(unreadable(FILE))?;
    if meta.is_dir() {
        return verify_export(path, trust);
    }
    if !meta.is_file() {
        return Err(VerifyError::NoExport);
    }
    let file = File::open(path).map_err(unreadable(FILE))?;
    verify_leaves(BufReader::new(file), trust)
}

/// Verifies an export directory, as [`ExportWriter`](crate::ExportWriter) writes it.
///
/// # Errors
/// [`VerifyError`] when a file cannot be read at all. What can be read and is wrong is a verdict.
pub fn verify_export(directory: &Path, trust: Trust) -> Result<Verdict, VerifyError> {
    let parts = ExportParts {
        manifest: open(directory, MANIFEST)?,
        handovers: open(directory, HANDOVERS)?,
        checkpoints: open(directory, CHECKPOINTS)?,
        seams: open_if_there(directory, SEAMS)?,
        receipts: open_if_there(directory, RECEIPTS)?,
        log: open(directory, LOG)?,
    };
    verify_parts(parts, trust)
}

/// Verifies the bytes of an export.
///
/// # Errors
/// [`VerifyError`] when reading fails. What can be read and is wrong is a verdict.
pub fn verify_parts<R: BufRead>(
    parts: ExportParts<R>,
    trust: Trust,
) -> Result<Verdict, VerifyError> {
    let manifest = read_manifest(parts.manifest)?;
    let (handovers, bad_handover) = read_records::<EpochHandover>(parts.handovers, HANDOVERS)?;
    let (checkpoints, bad_checkpoint) = read_records::<Checkpoint>(parts.checkpoints, CHECKPOINTS)?;
    let (seams, bad_seam) = match parts.seams {
        Some(seams) => read_records::<Seam>(seams, SEAMS)?,
        None => (Vec::new(), false),
    };
    let (receipts, bad_receipt) = match parts.receipts {
        Some(receipts) => read_lines(receipts, RECEIPTS, Receipt::from_line)?,
        None => (Vec::new(), false),
    };
    let counts = [
        handovers.len(),
        checkpoints.len(),
        seams.len(),
        receipts.len(),
    ]
    .map(|count| count as u64);
    let signed_to = checkpoints.last().map_or(0, |checkpoint| checkpoint.size);
    let log_id = manifest.as_ref().map(|m| m.log_id.clone());
    let log_id = log_id.or_else(|| checkpoints.first().map(|c| c.log_id.clone()));

    let records = Records {
        handovers,
        checkpoints,
        seams,
        receipts,
        uses: Vec::new(),
    };
    let mut verifier = Verifier::over(trust, log_id, records);
    read_leaves(parts.log, LOG, &mut verifier)?;

    let malformed = [
        (manifest.is_none(), 0, Evidence::Manifest),
        (bad_handover, signed_to, Evidence::Handover),
        (bad_checkpoint, signed_to, Evidence::Checkpoint),
        (bad_seam, 0, Evidence::Seam),
        (bad_receipt, 0, Evidence::Receipt),
    ];
    let any = malformed.iter().any(|(bad, ..)| *bad);
    for (_, after, by) in malformed.into_iter().filter(|(bad, ..)| *bad) {
        verifier.note(Tampering::vague(
            TamperKind::Malformed,
            after.saturating_add(1),
            by,
        ));
    }
    if let Some(manifest) = manifest {
        let promised = [
            manifest.handovers,
            manifest.checkpoints,
            manifest.seams,
            manifest.receipts,
        ];
        let short = promised
            .iter()
            .zip(&counts)
            .any(|(promised, found)| promised > found);
        if !any && promised != counts {
            let kind = if short {
                TamperKind::Removed
            } else {
                TamperKind::Inserted
            };
            verifier.note(Tampering::vague(
                kind,
                signed_to.saturating_add(1),
                Evidence::Manifest,
            ));
        }
        compare_manifest(&manifest, &mut verifier);
    }
    Ok(verifier.finish())
}

/// Verifies leaves alone, one a line. There is no identity, no checkpoint and no handover, so only an
/// outside anchor can confirm anything.
///
/// # Errors
/// [`VerifyError::Unreadable`] when reading fails.
pub fn verify_leaves(input: impl BufRead, trust: Trust) -> Result<Verdict, VerifyError> {
    let mut verifier = Verifier::new(trust, None, &[], Vec::new());
    read_leaves(input, "the file", &mut verifier)?;
    Ok(verifier.finish())
}

fn read_leaves(
    input: impl BufRead,
    file: &'static str,
    verifier: &mut Verifier,
) -> Result<(), VerifyError> {
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next_line().map_err(unreadable(file))? {
        match line {
            Line::Whole(bytes) => match Leaf::from_line(bytes) {
                Ok(leaf) => verifier.push(&leaf),
                Err(_) => verifier.push_malformed(),
            },
            Line::Broken => verifier.push_malformed(),
        }
    }
    Ok(())
}

/// The manifest is not signed, but altering the log without updating it is detected here.
fn compare_manifest(manifest: &Manifest, verifier: &mut Verifier) {
    if verifier.is_broken() {
        return;
    }
    let size = verifier.size();
    let (kind, first) = match manifest.size.cmp(&size) {
        std::cmp::Ordering::Greater => (TamperKind::Truncated, size.saturating_add(1)),
        std::cmp::Ordering::Less => (TamperKind::Inserted, manifest.size.saturating_add(1)),
        std::cmp::Ordering::Equal if verifier.head() != Some(manifest.head) => {
            (TamperKind::Rewritten, size.max(1))
        }
        std::cmp::Ordering::Equal => return,
    };
    verifier.note(Tampering::vague(kind, first, Evidence::Manifest));
}

/// `None` when it is malformed.
fn read_manifest(input: impl BufRead) -> Result<Option<Manifest>, VerifyError> {
    let (manifests, bad) = read_records::<Manifest>(input, MANIFEST)?;
    let mut manifests = manifests.into_iter();
    match (manifests.next(), manifests.next()) {
        (Some(manifest), None) if !bad && manifest.schema == manifest.form() => Ok(Some(manifest)),
        (Some(manifest), None) if !bad && is_other_version(&manifest.schema) => {
            Err(VerifyError::UnknownFormat)
        }
        _ => Ok(None),
    }
}

/// Whether a schema id is ours with a version that is not known here. A known one on the wrong form is damage.
fn is_other_version(schema: &str) -> bool {
    let known = [SCHEMA, PRUNED_SCHEMA, RECEIPTS_SCHEMA].contains(&schema);
    let version = schema.strip_prefix("hsk.log_export@");
    !known
        && version.is_some_and(|version| {
            !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
}

/// Reads records up to the first malformed line. True when there was one.
fn read_records<T: Serialize + DeserializeOwned>(
    input: impl BufRead,
    file: &'static str,
) -> Result<(Vec<T>, bool), VerifyError> {
    read_lines(input, file, format::from_line)
}

fn read_lines<T>(
    input: impl BufRead,
    file: &'static str,
    read: impl Fn(&[u8]) -> Result<T, MalformedLine>,
) -> Result<(Vec<T>, bool), VerifyError> {
    let mut lines = Lines::new(input);
    let mut records = Vec::new();
    while let Some(line) = lines.next_line().map_err(unreadable(file))? {
        let Line::Whole(bytes) = line else {
            return Ok((records, true));
        };
        match read(bytes) {
            Ok(record) if records.len() < MAX_RECORDS => records.push(record),
            Ok(_) => return Err(VerifyError::TooMany { file }),
            Err(_) => return Ok((records, true)),
        }
    }
    Ok((records, false))
}

/// `None` where the export has no such file.
fn open_if_there(
    directory: &Path,
    file: &'static str,
) -> Result<Option<BufReader<File>>, VerifyError> {
    match directory.join(file).symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => open(directory, file).map(Some),
    }
}

/// Opens a regular file. A link, a pipe or a device in an export is refused: it could be endless.
fn open(directory: &Path, file: &'static str) -> Result<BufReader<File>, VerifyError> {
    let path = directory.join(file);
    let meta = path.symlink_metadata().map_err(unreadable(file))?;
    if !meta.is_file() {
        return Err(unreadable(file)(io::Error::other("not a regular file")));
    }
    File::open(path)
        .map(BufReader::new)
        .map_err(unreadable(file))
}

fn unreadable(file: &'static str) -> impl Fn(io::Error) -> VerifyError {
    move |source| VerifyError::Unreadable { file, source }
}
