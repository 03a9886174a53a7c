//! The log: the flight recorder's algebra over rows of the database and sealed segments beside it.

mod anchored;
mod archive;
mod check;
mod loss;
mod recorder;
pub(crate) mod segment;
mod signed;

use handshake_core::{event::Event, ports::StoreError};
use handshake_flight_recorder::{Leaf, LogHash, LogHead, LogId, advance};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub use self::{
    anchored::Reach,
    check::{LogReader, LogReport, LogTrust},
    loss::Loss,
    segment::{Retention, Segment, SegmentState},
};
pub(crate) use self::{
    archive::leaves_after,
    loss::record_loss,
    signed::{bind, checkpoint, is_bound, log_id_of, signed_size},
};
use crate::{codec, error::Fail, writer::Tx};

type Result<T> = std::result::Result<T, Fail<StoreError>>;

/// The head, as this transaction sees it. Never kept beyond it: another process may append meanwhile.
pub(crate) fn head(conn: &Connection, log_id: &LogId) -> Result<LogHead> {
    let last: Option<(i64, Vec<u8>)> = conn
        .prepare_cached("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match last {
        Some((seq, bytes)) => Ok(LogHead {
            size: codec::unsigned(seq)?,
            hash: hash(&bytes)?,
        }),
        // All of it may be sealed.
        None => Ok(segment::end(conn, None)?.unwrap_or_else(|| LogHead::genesis(log_id))),
    }
}

/// The head of a running transaction. Read once, then kept while the lock is held.
pub(crate) fn present_head(tx: &Tx<'_>) -> Result<LogHead> {
    if let Some(known) = tx.head.get() {
        return Ok(known);
    }
    let read = head(tx.conn, &tx.shared.log_id)?;
    tx.head.set(Some(read));
    Ok(read)
}

/// Appends an event.
pub(crate) fn append(tx: &Tx<'_>, event: &Event) -> Result<u64> {
    let last = append_all(tx, std::slice::from_ref(event))?;
    Ok(last.ok_or(StoreError::Failed)?)
}

/// Appends events next to each other; `None` for none at all. Events are numbered from 0, leaves from 1: the size
/// of the log before is the event's number, the size after it the leaf's.
pub(crate) fn append_all(tx: &Tx<'_>, events: &[Event]) -> Result<Option<u64>> {
    let mut head = present_head(tx)?;
    // Unknown until all of them stand: a caller that goes on after an error reads it again.
    tx.head.set(None);
    let mut insert = tx
        .conn
        .prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)")?;
    let mut payload = Vec::with_capacity(1024);
    let mut last = None;
    for event in events {
        payload.clear();
        event
            .write_recorded(head.size, &mut payload)
            .map_err(|_| StoreError::Failed)?;
        let next = advance(&head, &payload).map_err(|_| StoreError::Failed)?;
        insert.execute(params![
            codec::int(next.size)?,
            payload,
            head.hash.as_bytes(),
            next.hash.as_bytes()
        ])?;
        last = Some(head.size);
        head = next;
    }
    tx.head.set(Some(head));
    Ok(last)
}

fn leaf_at(conn: &Connection, which: &str, at: impl rusqlite::Params) -> Result<Option<Leaf>> {
    let sql = format!("SELECT seq, prev, hash, payload FROM events {which}");
    let row = conn
        .prepare_cached(&sql)?
        .query_row(at, columns)
        .optional()?;
    Ok(row.map(leaf).transpose()?)
}

type Columns = (i64, Vec<u8>, Vec<u8>, Vec<u8>);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn leaf((seq, prev, digest, payload): Columns) -> std::result::Result<Leaf, StoreError> {
    Ok(Leaf {
        seq: codec::unsigned(seq)?,
        prev: hash(&prev)?,
        hash: hash(&digest)?,
        payload,
    })
}

fn hash(bytes: &[u8]) -> std::result::Result<LogHash, StoreError> {
    bytes
        .try_into()
        .map(LogHash::from_bytes)
        .map_err(|_| StoreError::Damaged)
}
