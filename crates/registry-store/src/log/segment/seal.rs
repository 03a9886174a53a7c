//! Sealing: the file first, then one transaction that puts it in the place of the rows.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use handshake_core::{digest::Digest, event::RecordedEvent, ports::StoreError, time::UtcTime};
use handshake_flight_recorder::{Leaf, LogHead};
use rusqlite::{Connection, params};

use super::{
    super::{Result, columns, leaf, leaf_at},
    Row, file_name,
    format::{Packer, Range},
    rows,
};
use crate::{
    access, codec, connection,
    error::{Fail, store_error},
    store::Store,
    writer::Tx,
};

/// Leaves of a segment that is sealed by itself, about.
const SEGMENT: u64 = 8192;
/// Leaves of a segment at most. Where no checkpoint was made for so long, one that comes later covers its end.
const MOST: u64 = 2 * SEGMENT;
/// The newest leaves, which stay in the database while nobody asks for more.
const KEEP: u64 = 2048;
/// What says that a leaf reports a loss.
const LOSS: &[u8] = b"\"type\":\"events_lost\"";

/// The folder of the segments, locked against other processes that seal or prune.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// `None` while another process has it.
    pub(super) fn lock(path: &Path) -> std::result::Result<Option<Self>, StoreError> {
        access::check_directory(path).map_err(|_| StoreError::Failed)?;
        let lock = access::lock_file(&path.join("lock")).map_err(|_| StoreError::Failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self {
                path: path.to_owned(),
                _lock: lock,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(_)) => Err(StoreError::Failed),
        }
    }

    /// Takes away what a process left that died between a file and its transaction, and files that were pruned.
    /// A file that says nothing about the leaves that are still in the database stays.
    pub(super) fn clean(
        &self,
        rows: &[Row],
        first: Option<u64>,
    ) -> std::result::Result<(), StoreError> {
        let failed = |_: io::Error| StoreError::Failed;
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let pruned = |row: &Row| row.pruned && entry.path() == row.path(&self.path);
            let begins = name
                .strip_prefix("segment-")
                .and_then(|rest| rest.get(..12)?.parse::<u64>().ok());
            let orphan = match (begins, first) {
                (Some(begins), Some(first)) => begins >= first,
                _ => false,
            };
            let half = begins.is_some() && name.ends_with(".tmp");
            if half || orphan || rows.iter().any(pruned) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Writes a file so that it is there whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let half = self.path.join(format!("{name}.tmp"));
        let mut file = access::new_file(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, self.path.join(name))?;
        self.sync()
    }

    /// Makes the names durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }
}

/// A file that waits for its transaction.
pub(crate) struct Prepared {
    row: Row,
    /// Held until the transaction is over.
    _folder: Folder,
}

/// Whether so many leaves are in the database that the oldest are sealed.
pub(crate) fn is_due(conn: &Connection, size: u64) -> rusqlite::Result<bool> {
    let first = first(conn)?;
    Ok(first.is_some_and(|first| size.saturating_sub(first) >= SEGMENT + KEEP))
}

/// Whether a leaf looks like a loss; it is read strictly then.
pub(in crate::log) fn reports_loss(payload: &[u8]) -> bool {
    memchr::memmem::find(payload, LOSS).is_some()
}

fn first(conn: &Connection) -> rusqlite::Result<Option<u64>> {
    let first: Option<i64> = conn
        .prepare_cached("SELECT min(seq) FROM events")?
        .query_row([], |row| row.get(0))?;
    Ok(first.and_then(|first| u64::try_from(first).ok()))
}

/// Writes the file for the oldest leaves; `None` when there are too few of them, or another process does it.
/// Nothing is locked in the database meanwhile: what is read there never changes.
pub(crate) fn prepare(
    database: &Path,
    folder: &Path,
    all: bool,
    stop: &dyn Fn() -> bool,
) -> std::result::Result<Option<Prepared>, StoreError> {
    let Some(folder) = Folder::lock(folder)? else {
        return Ok(None);
    };
    let conn = connection::reader(database).map_err(|error| store_error(&error))?;
    let begin = conn
        .unchecked_transaction()
        .map_err(|error| store_error(&error))?;
    let packed = pack(&begin, &folder, all, stop).map_err(Fail::answer)?;
    let Some((row, bytes)) = packed else {
        return Ok(None);
    };
    let name = file_name(row.first(), row.last());
    folder
        .write(&name, &bytes)
        .map_err(|_| StoreError::Failed)?;
    // What replaces the rows is read back once, from the file.
    row.each(&folder.path, |_| {})
        .map_err(|_| StoreError::Failed)?;
    Ok(Some(Prepared {
        row,
        _folder: folder,
    }))
}

fn pack(
    conn: &Connection,
    folder: &Folder,
    all: bool,
    stop: &dyn Fn() -> bool,
) -> Result<Option<(Row, Vec<u8>)>> {
    let first = first(conn)?;
    folder.clean(&rows(conn)?, first)?;
    let Some(first) = first else { return Ok(None) };
    let Some(last) = last_leaf(conn, first, all)? else {
        return Ok(None);
    };
    let mut select = conn.prepare(
        "SELECT seq, prev, hash, payload FROM events WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
    )?;
    let leaves = select.query_map(params![codec::int(first)?, codec::int(last)?], columns)?;
    let mut packer: Option<Packer> = None;
    let (mut losses, mut last_at) = (0, UtcTime::from_unix_millis(0));
    for row in leaves {
        let leaf: Leaf = leaf(row?)?;
        if leaf.seq == first {
            packer = Some(Packer::new(LogHead {
                size: first - 1,
                hash: leaf.prev,
            }));
        }
        let packer = packer.as_mut().ok_or(StoreError::Damaged)?;
        packer.leaf(&leaf).map_err(|_| StoreError::Damaged)?;
        losses += u64::from(reports_loss(&leaf.payload));
        if leaf.seq == last {
            let event = RecordedEvent::read(&leaf.payload).map_err(|_| StoreError::Damaged)?;
            last_at = event.event.timestamp;
        }
        if leaf.seq.is_multiple_of(256) && stop() {
            return Ok(None);
        }
    }
    let packer = packer.ok_or(StoreError::Damaged)?;
    let (range, bytes) = packer.finish().map_err(|_| StoreError::Damaged)?;
    if range.after.size != last {
        return Err(StoreError::Damaged.into());
    }
    let row = Row {
        range,
        sha256: Digest::of(&[&bytes]),
        bytes: bytes.len() as u64,
        losses,
        last_at,
        pruned: false,
    };
    Ok(Some((row, bytes)))
}

/// With which leaf a segment ends: one that a checkpoint signs, before the newest leaves and before what the end
/// of an open use is told from.
fn last_leaf(conn: &Connection, first: u64, all: bool) -> Result<Option<u64>> {
    let size = head_size(conn)?;
    let number = |sql: &str| -> Result<Option<u64>> {
        let found: Option<i64> = conn.query_row(sql, [], |row| row.get(0))?;
        Ok(found.map(codec::unsigned).transpose()?)
    };
    let signed = number("SELECT max(size) FROM checkpoints")?.unwrap_or(0);
    let open = number("SELECT min(intent_seq) FROM uses WHERE closed_at IS NULL")?;
    let newest = if all { 0 } else { KEEP };
    let limit = signed
        .min(size.saturating_sub(newest))
        .min(open.unwrap_or(u64::MAX));
    let enough = if all { 1 } else { SEGMENT };
    if limit < first || limit - first + 1 < enough {
        return Ok(None);
    }
    let furthest = limit.min(first + MOST - 1);
    let signed: Option<i64> = conn.query_row(
        "SELECT max(size) FROM checkpoints WHERE size BETWEEN ?1 AND ?2",
        params![codec::int(first)?, codec::int(furthest)?],
        |row| row.get(0),
    )?;
    match signed {
        Some(signed) => Ok(Some(codec::unsigned(signed)?)),
        None => Ok((furthest < limit).then_some(furthest)),
    }
}

fn head_size(conn: &Connection) -> Result<u64> {
    let last: Option<i64> = conn.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))?;
    Ok(last.map(codec::unsigned).transpose()?.unwrap_or(0))
}

/// Puts a file in the place of its rows.
pub(crate) fn commit(tx: &Tx<'_>, prepared: &Prepared) -> Result<()> {
    let row = &prepared.row;
    let Range { before, after } = row.range;
    let (first, last) = (codec::int(row.first())?, codec::int(after.size)?);
    let stands = |seq: i64| leaf_at(tx.conn, "WHERE seq = ?1", params![seq]);
    // Nobody else may have sealed them, and they are the ones that were read.
    let begins = stands(first)?.is_some_and(|leaf| leaf.prev == before.hash);
    let ends = stands(last)?.is_some_and(|leaf| leaf.hash == after.hash);
    if !begins || !ends {
        return Err(StoreError::Conflict.into());
    }
    tx.conn.execute(
        "INSERT INTO segments (first, last, prev, head, sha256, bytes, losses, last_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            first,
            last,
            before.hash.as_bytes(),
            after.hash.as_bytes(),
            row.sha256.as_bytes(),
            codec::int(row.bytes)?,
            codec::int(row.losses)?,
            row.last_at.unix_millis()
        ],
    )?;
    tx.conn.execute(
        "DELETE FROM events WHERE seq BETWEEN ?1 AND ?2",
        params![first, last],
    )?;
    Ok(())
}

impl Store {
    /// Signs the head and seals all that is signed into segments. How many were made.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a leaf does not hold, which stays where it is; [`StoreError::Locked`] while the
    /// recorder's key is locked.
    pub async fn seal_log(&self) -> std::result::Result<u64, StoreError> {
        self.log_checkpoint().await?;
        let mut made = 0;
        loop {
            let shared = std::sync::Arc::clone(self.shared());
            let task = tokio::task::spawn_blocking(move || {
                prepare(&shared.path, &shared.segments, true, &|| false)
            });
            let Some(prepared) = task.await.map_err(|_| StoreError::Failed)?? else {
                return Ok(made);
            };
            // The folder stays locked until the transaction is over: whoever looked before would seal the same.
            let prepared = std::sync::Arc::new(prepared);
            let held = std::sync::Arc::clone(&prepared);
            self.write(move |tx| commit(tx, &held)).await?;
            drop(prepared);
            made += 1;
        }
    }
}
