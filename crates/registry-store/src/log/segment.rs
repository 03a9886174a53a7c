//! Segments: old leaves in compressed files beside the database. A row says which leaves a file holds, how they
//! begin and end, and which bytes it has; the rows of the leaves themselves are gone then.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use handshake_core::{digest::Digest, ports::StoreError, time::UtcTime};
use handshake_flight_recorder::{Leaf, LogHead};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Result, hash};
use crate::{codec, store::Store};

mod format;
mod prune;
mod seal;

use self::format::Range;
pub use self::prune::Retention;
pub(super) use self::seal::reports_loss;
pub(crate) use self::seal::{Prepared, commit, is_due, prepare};

/// Where the files are, beside the database.
pub(crate) const FOLDER: &str = "log";
/// The largest file that is read. A segment of the size that is made holds about a megabyte.
const LARGEST: u64 = 1 << 30;

/// A part of the log outside the database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Its first leaf.
    pub first: u64,
    /// Its last leaf.
    pub last: u64,
    /// The size of its file.
    pub bytes: u64,
    /// What became of it.
    pub state: SegmentState,
}

impl Segment {
    /// The name of its file.
    #[must_use]
    pub fn file(&self) -> String {
        file_name(self.first, self.last)
    }
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SegmentState {
    /// Its file is there, with the bytes that were sealed.
    Sealed,
    /// Its file is not there.
    Missing,
    /// Its file is not the one that was sealed.
    Damaged,
    /// It was removed on purpose, which is signed.
    Pruned,
}

impl SegmentState {
    /// Whether its events cannot be read although they should.
    #[must_use]
    pub fn is_faulty(self) -> bool {
        matches!(self, Self::Missing | Self::Damaged)
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Pruned => "pruned",
        }
    }
}

/// A row of the table.
pub(super) struct Row {
    range: Range,
    sha256: Digest,
    bytes: u64,
    /// How many `events_lost` it holds.
    pub(super) losses: u64,
    /// When its last event was.
    last_at: UtcTime,
    pub(super) pruned: bool,
}

impl Row {
    fn first(&self) -> u64 {
        self.range.before.size + 1
    }

    pub(super) fn last(&self) -> u64 {
        self.range.after.size
    }

    fn path(&self, folder: &Path) -> PathBuf {
        // Made from the numbers, so that no row leads out of the folder.
        folder.join(file_name(self.first(), self.last()))
    }

    /// Reads its file, and only the very bytes that were sealed.
    fn read(&self, folder: &Path) -> std::result::Result<Vec<u8>, SegmentState> {
        let path = self.path(folder);
        let found = match path.symlink_metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SegmentState::Missing);
            }
            Err(_) => return Err(SegmentState::Damaged),
        };
        if !found.is_file() || found.len() != self.bytes || self.bytes > LARGEST {
            return Err(SegmentState::Damaged);
        }
        let bytes = fs::read(path).map_err(|_| SegmentState::Damaged)?;
        if Digest::of(&[&bytes]) == self.sha256 {
            Ok(bytes)
        } else {
            Err(SegmentState::Damaged)
        }
    }

    /// Its leaves in order. What was taken before an error is not to be used.
    pub(super) fn each(
        &self,
        folder: &Path,
        take: impl FnMut(&Leaf),
    ) -> std::result::Result<(), SegmentState> {
        let bytes = self.read(folder)?;
        format::unpack(&bytes, &self.range, take).map_err(|_| SegmentState::Damaged)
    }

    /// All of its leaves, of a file that is sound to its end.
    pub(super) fn leaves(&self, folder: &Path) -> std::result::Result<Vec<Leaf>, SegmentState> {
        let mut leaves = Vec::new();
        self.each(folder, |leaf| leaves.push(leaf.clone()))?;
        Ok(leaves)
    }

    fn state(&self, folder: &Path) -> SegmentState {
        if self.pruned {
            return SegmentState::Pruned;
        }
        match self.read(folder) {
            Ok(_) => SegmentState::Sealed,
            Err(state) => state,
        }
    }

    pub(super) fn segment(&self, state: SegmentState) -> Segment {
        Segment {
            first: self.first(),
            last: self.last(),
            bytes: self.bytes,
            state,
        }
    }
}

pub(super) fn rows(conn: &Connection) -> Result<Vec<Row>> {
    let mut select = conn.prepare_cached(
        "SELECT first, last, prev, head, sha256, bytes, losses, last_at, pruned FROM segments ORDER BY first",
    )?;
    let mut rows = select.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let first = codec::unsigned(row.get(0)?)?;
        let blob = |column| row.get::<_, Vec<u8>>(column);
        all.push(Row {
            range: Range {
                before: LogHead {
                    size: first.checked_sub(1).ok_or(StoreError::Damaged)?,
                    hash: hash(&blob(2)?)?,
                },
                after: LogHead {
                    size: codec::unsigned(row.get(1)?)?,
                    hash: hash(&blob(3)?)?,
                },
            },
            sha256: codec::digest(&blob(4)?)?,
            bytes: codec::unsigned(row.get(5)?)?,
            losses: codec::unsigned(row.get(6)?)?,
            last_at: codec::time(row.get(7)?),
            pruned: row.get(8)?,
        });
    }
    Ok(all)
}

/// The head after the leaf with this number, where a segment ends with it; or after the last segment.
pub(super) fn end(conn: &Connection, at: Option<u64>) -> Result<Option<LogHead>> {
    let row: Option<(i64, Vec<u8>)> = conn
        .prepare_cached(
            "SELECT last, head FROM segments WHERE ?1 IS NULL OR last = ?1 ORDER BY first DESC LIMIT 1",
        )?
        .query_row(params![at.map(codec::int).transpose()?], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    row.map(|(last, head)| {
        Ok(LogHead {
            size: codec::unsigned(last)?,
            hash: hash(&head)?,
        })
    })
    .transpose()
}

fn file_name(first: u64, last: u64) -> String {
    format!("segment-{first:012}-{last:012}.hsklog")
}

impl Store {
    /// The parts of the log that are outside the database, oldest first, each with its file compared.
    ///
    /// # Errors
    /// [`StoreError`]; a file that is missing or damaged is a state, not an error.
    pub async fn log_segments(&self) -> std::result::Result<Vec<Segment>, StoreError> {
        let folder = self.shared().segments.clone();
        self.read(move |conn| all(conn, &folder)).await
    }
}

/// Every segment, its file compared.
pub(super) fn all(conn: &Connection, folder: &Path) -> Result<Vec<Segment>> {
    let segment = |row: Row| row.segment(row.state(folder));
    Ok(rows(conn)?.into_iter().map(segment).collect())
}
