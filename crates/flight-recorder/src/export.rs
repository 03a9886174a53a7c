//! Writes an export: a directory that anybody can verify without a database.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Checkpoint,
    format,
    handover::EpochHandover,
    hash::LogHash,
    leaf::{Leaf, LogHead, LogId},
    receipt::Receipt,
    seam::Seam,
};

pub(crate) const LOG: &str = "log.jsonl";
pub(crate) const CHECKPOINTS: &str = "checkpoints.jsonl";
pub(crate) const HANDOVERS: &str = "handovers.jsonl";
pub(crate) const SEAMS: &str = "seams.jsonl";
pub(crate) const RECEIPTS: &str = "receipts.jsonl";
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SCHEMA: &str = "hsk.log_export@0.1";
/// Of a log that was pruned, which a reader of the first form must not take for a whole one.
pub(crate) const PRUNED_SCHEMA: &str = "hsk.log_export@0.2";
/// With receipts of consent, with seams or without.
pub(crate) const RECEIPTS_SCHEMA: &str = "hsk.log_export@0.3";

/// `manifest.json`: one line, like the others. It is not signed; everything in it is checked against the
/// rest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `hsk.log_export@0.1`; `@0.2` with seams, of a log that was pruned; `@0.3` with receipts, whether pruned or not.
    pub schema: String,
    /// The log.
    pub log_id: LogId,
    /// How many leaves the log has; those that were pruned count.
    pub size: u64,
    /// The hash of the last one, or the genesis hash.
    pub head: LogHash,
    /// How many handovers were written.
    pub handovers: u64,
    /// How many checkpoints were written.
    pub checkpoints: u64,
    /// How many seams were written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seams: u64,
    /// How many receipts were written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub receipts: u64,
}

impl Manifest {
    /// The form that an export with these files has, so that a reader of an older one refuses it.
    pub(crate) fn form(&self) -> &'static str {
        match (self.seams, self.receipts) {
            (0, 0) => SCHEMA,
            (_, 0) => PRUNED_SCHEMA,
            _ => RECEIPTS_SCHEMA,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// An export could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The directory exists and is not empty.
    #[error("the export directory exists and is not empty")]
    NotEmpty,
    /// A file could not be written.
    #[error("cannot write {file}")]
    Io {
        /// Which file of the export.
        file: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes an export record by record. It writes what it is given, a damaged log too: judging is the
/// verifier's work. Files are readable by their owner only.
#[derive(Debug)]
pub struct ExportWriter {
    directory: PathBuf,
    log: BufWriter<File>,
    checkpoints: BufWriter<File>,
    handovers: BufWriter<File>,
    seams: Option<BufWriter<File>>,
    receipts: Option<BufWriter<File>>,
    manifest: Manifest,
}

impl ExportWriter {
    /// Begins an export in `directory`, which must not exist or be empty.
    ///
    /// # Errors
    /// [`ExportError`] when the directory is in use or cannot be written.
    pub fn create(directory: &Path, log_id: &LogId) -> Result<Self, ExportError> {
        make_directory(directory)?;
        let head = LogHead::genesis(log_id).hash;
        Ok(Self {
            log: BufWriter::new(new_file(directory, LOG)?),
            checkpoints: BufWriter::new(new_file(directory, CHECKPOINTS)?),
            handovers: BufWriter::new(new_file(directory, HANDOVERS)?),
            seams: None,
            receipts: None,
            directory: directory.to_owned(),
            manifest: Manifest {
                schema: SCHEMA.to_owned(),
                log_id: log_id.clone(),
                size: 0,
                head,
                handovers: 0,
                checkpoints: 0,
                seams: 0,
                receipts: 0,
            },
        })
    }

    /// Writes the next seam, in the order in which they were made, and before the first leaf.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn seam(&mut self, seam: &Seam) -> Result<(), ExportError> {
        let to = opened(&mut self.seams, &self.directory, SEAMS)?;
        write_record(to, SEAMS, seam)?;
        self.manifest.seams += 1;
        self.manifest.size = seam.size;
        self.manifest.head = seam.head;
        Ok(())
    }

    /// Writes the next leaf.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn leaf(&mut self, leaf: &Leaf) -> Result<(), ExportError> {
        write_line(&mut self.log, LOG, leaf.to_line())?;
        self.manifest.size += 1;
        self.manifest.head = leaf.hash;
        Ok(())
    }

    /// Writes the next checkpoint, in the order in which they were made.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), ExportError> {
        write_record(&mut self.checkpoints, CHECKPOINTS, checkpoint)?;
        self.manifest.checkpoints += 1;
        Ok(())
    }

    /// Writes the next handover, in the order in which they were made.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn handover(&mut self, handover: &EpochHandover) -> Result<(), ExportError> {
        write_record(&mut self.handovers, HANDOVERS, handover)?;
        self.manifest.handovers += 1;
        Ok(())
    }

    /// Writes the next receipt, in the order in which they were stored.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn receipt(&mut self, receipt: &Receipt) -> Result<(), ExportError> {
        let to = opened(&mut self.receipts, &self.directory, RECEIPTS)?;
        write_line(to, RECEIPTS, receipt.to_line())?;
        self.manifest.receipts += 1;
        Ok(())
    }

    /// Writes the manifest and makes all of it durable.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn finish(mut self) -> Result<Manifest, ExportError> {
        self.manifest.schema = self.manifest.form().to_owned();
        let mut manifest = BufWriter::new(new_file(&self.directory, MANIFEST)?);
        write_record(&mut manifest, MANIFEST, &self.manifest)?;
        let files = [
            (LOG, self.log),
            (CHECKPOINTS, self.checkpoints),
            (HANDOVERS, self.handovers),
            (MANIFEST, manifest),
        ];
        let seams = self.seams.map(|writer| (SEAMS, writer));
        let receipts = self.receipts.map(|writer| (RECEIPTS, writer));
        for (file, writer) in files.into_iter().chain(seams).chain(receipts) {
            let inner = writer
                .into_inner()
                .map_err(|e| io_error(file)(e.into_error()))?;
            inner.sync_all().map_err(io_error(file))?;
        }
        Ok(self.manifest)
    }
}

/// A file that only some exports have: made with its first record.
fn opened<'a>(
    writer: &'a mut Option<BufWriter<File>>,
    directory: &Path,
    file: &'static str,
) -> Result<&'a mut BufWriter<File>, ExportError> {
    Ok(match writer {
        Some(writer) => writer,
        none => none.insert(BufWriter::new(new_file(directory, file)?)),
    })
}

fn make_directory(directory: &Path) -> Result<(), ExportError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut entries = fs::read_dir(directory).map_err(io_error("the directory"))?;
            if entries.next().is_none() {
                Ok(())
            } else {
                Err(ExportError::NotEmpty)
            }
        }
        other => other.map_err(io_error("the directory")),
    }
}

fn new_file(directory: &Path, file: &'static str) -> Result<File, ExportError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(directory.join(file)).map_err(io_error(file))
}

fn write_record<T: Serialize>(
    to: &mut impl Write,
    file: &'static str,
    record: &T,
) -> Result<(), ExportError> {
    let line = format::to_line(record).map_err(|e| io_error(file)(io::Error::other(e)))?;
    write_line(to, file, line)
}

fn write_line(
    to: &mut impl Write,
    file: &'static str,
    mut line: Vec<u8>,
) -> Result<(), ExportError> {
    line.push(b'\n');
    to.write_all(&line).map_err(io_error(file))
}

fn io_error(file: &'static str) -> impl Fn(io::Error) -> ExportError {
    move |source| ExportError::Io { file, source }
}
