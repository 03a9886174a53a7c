//! The log inside the database: the flight recorder's algebra over two tables.

mod archive;
mod recorder;

use std::cell::Cell;

use handshake_core::{
    code::ErrorCode,
    digest::canonical_json,
    event::{Actor, Body, Event, RecordedEvent},
    ids::EventId,
    ports::{EntropyExt, SignError, Signer, StoreError},
    time::UtcTime,
};
use handshake_flight_recorder::{
    Checkpoint, EpochHandover, Leaf, LogHash, LogHead, LogId, PublicKey, leaf_hash,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    codec,
    error::{Fail, OpenError},
    writer::Tx,
};

/// Events that were not recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gap {
    /// How many leaves the log had when it was noticed.
    pub at_size: u64,
    /// How many; `None` when a process died and took at most the events of its last 50 ms with it.
    pub lost: Option<u64>,
    /// When it was noticed.
    pub noticed_at: UtcTime,
}

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
        None => Ok(LogHead::genesis(log_id)),
    }
}

/// Appends an event. Events are numbered from 0, leaves from 1: the size of the log before is the event's number,
/// the size after it the leaf's.
pub(crate) fn append(tx: &Tx<'_>, event: Event) -> Result<u64> {
    let head = head(tx.conn, &tx.shared.log_id)?;
    let seq = head.size;
    let payload = canonical_json(&RecordedEvent { seq, event }).map_err(|_| StoreError::Failed)?;
    let (leaf, _) =
        handshake_flight_recorder::append(&head, payload).map_err(|_| StoreError::Failed)?;
    tx.conn
        .prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            codec::int(leaf.seq)?,
            leaf.payload,
            leaf.prev.as_bytes(),
            leaf.hash.as_bytes()
        ])?;
    Ok(seq)
}

/// Records that events are missing. A known number gets an alarm in the log itself, so that the place of the
/// gap is part of the chain; the number stands in the table, as the closed set of events has no field for it.
pub(crate) fn record_gap(tx: &Tx<'_>, lost: Option<u64>, cause: &str) -> Result<()> {
    let at = head(tx.conn, &tx.shared.log_id)?.size;
    let now = tx.now();
    if lost.is_some() {
        append(
            tx,
            Event {
                event_id: EventId::from_entropy(tx.shared.options.entropy.bytes()),
                timestamp: now,
                actor: Actor::System,
                principal: None,
                session_id: None,
                trace_id: None,
                job_id: None,
                wp_id: None,
                mt_id: None,
                model_id: None,
                provider_id: None,
                body: Body::IntegrityAlarm {
                    code: ErrorCode::Storage,
                },
            },
        )?;
    }
    let lost = lost.map(codec::int).transpose()?;
    tx.conn.execute(
        "INSERT INTO gaps (at_size, lost, cause, noticed_at) VALUES (?1, ?2, ?3, ?4)",
        params![codec::int(at)?, lost, cause, now.unix_millis()],
    )?;
    Ok(())
}

/// Signs the head, unless the last checkpoint says the same already.
pub(crate) fn checkpoint(tx: &Tx<'_>) -> Result<Checkpoint> {
    let shared = tx.shared;
    let head = head(tx.conn, &shared.log_id)?;
    let last = last_checkpoint(tx.conn)?;
    if let Some(last) = &last
        && last.size == head.size
        && last.head == head.hash
    {
        return Ok(last.clone());
    }
    let signer = shared.signer();
    let key = public_key(&*signer)?;
    // Another process may have handed over to the next key; then this one's word counts no more.
    if current_key(tx.conn)? != Some(key) {
        return Err(StoreError::Failed.into());
    }
    let time = tx.now().to_string();
    let made = with_signer(&*signer, |sign| {
        Checkpoint::sign(&shared.log_id, &head, &time, last.as_ref(), &key, sign)
    })?;
    tx.conn
        .prepare_cached("INSERT INTO checkpoints (size, record) VALUES (?1, ?2)")?
        .execute(params![codec::int(made.size)?, codec::json(&made)?])?;
    Ok(made)
}

/// Hands over to the next epoch key at the present head.
fn hand_over(tx: &Tx<'_>, next: &dyn Signer) -> Result<EpochHandover> {
    checkpoint(tx)?;
    let shared = tx.shared;
    let signer = shared.signer();
    let (from, to) = (public_key(&*signer)?, public_key(next)?);
    let head = head(tx.conn, &shared.log_id)?;
    let last: Option<i64> = tx
        .conn
        .query_row("SELECT max(epoch) FROM handovers", [], |row| row.get(0))?;
    let epoch = codec::unsigned(last.unwrap_or(0))? + 1;
    let made = with_signer(&*signer, |sign| {
        EpochHandover::sign(&shared.log_id, epoch, &from, &to, &head, sign)
    })?;
    tx.conn.execute(
        "INSERT INTO handovers VALUES (?1, ?2)",
        params![codec::int(epoch)?, codec::json(&made)?],
    )?;
    Ok(made)
}

fn with_signer<T>(
    signer: &dyn Signer,
    make: impl FnOnce(
        handshake_flight_recorder::Sign<'_>,
    ) -> std::result::Result<T, handshake_flight_recorder::SignError>,
) -> Result<T> {
    let failed = Cell::new(None);
    let sign = |message: &[u8]| {
        // What the recorder signs begins with its domain and a zero byte, which is how a signer frames it.
        let cut = message
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(message.len());
        let domain = std::str::from_utf8(&message[..cut]).unwrap_or_default();
        let rest = message.get(cut + 1..).unwrap_or_default();
        signer.sign(domain, rest, None).unwrap_or_else(|error| {
            failed.set(Some(error));
            // Not a signature; the recorder checks and refuses it.
            [0; 64]
        })
    };
    make(&sign).map_err(|_| match failed.get() {
        Some(SignError::Locked | SignError::Factor | SignError::LockedOut) => {
            StoreError::Locked.into()
        }
        _ => StoreError::Failed.into(),
    })
}

fn last_checkpoint(conn: &Connection) -> Result<Option<Checkpoint>> {
    let record: Option<String> = conn
        .prepare_cached("SELECT record FROM checkpoints ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(record.map(|record| codec::from_json(&record)).transpose()?)
}

/// The key whose word counts now: the last handover's, or the root.
fn current_key(conn: &Connection) -> Result<Option<PublicKey>> {
    let record: Option<String> = conn
        .prepare_cached("SELECT record FROM handovers ORDER BY epoch DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    match record {
        Some(record) => Ok(Some(codec::from_json::<EpochHandover>(&record)?.to_key)),
        None => root_key(conn),
    }
}

fn root_key(conn: &Connection) -> Result<Option<PublicKey>> {
    let stored: Option<Vec<u8>> = conn
        .prepare_cached("SELECT value FROM meta WHERE name = 'root_key'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let key = |bytes: Vec<u8>| {
        bytes
            .try_into()
            .ok()
            .and_then(|bytes| PublicKey::from_bytes(bytes).ok())
    };
    Ok(stored
        .map(|bytes| key(bytes).ok_or(StoreError::Damaged))
        .transpose()?)
}

fn public_key(signer: &dyn Signer) -> Result<PublicKey> {
    Ok(PublicKey::from_bytes(signer.public_key().to_bytes()).map_err(|_| StoreError::Failed)?)
}

/// Begins the log of a new database, or checks that it is this install's, signed by this key, and that its
/// end holds.
pub(crate) fn bind(tx: &Tx<'_>) -> std::result::Result<(), OpenError> {
    let key = public_key(&*tx.shared.signer()).map_err(Fail::answer)?;
    let log_id = tx.shared.log_id.as_str().as_bytes();
    let stored: Option<Vec<u8>> = tx
        .conn
        .query_row("SELECT value FROM meta WHERE name = 'log_id'", [], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(stored) = stored else {
        let mut insert = tx.conn.prepare("INSERT INTO meta VALUES (?1, ?2)")?;
        insert.execute(params!["log_id", log_id])?;
        insert.execute(params!["root_key", key.as_bytes()])?;
        return Ok(());
    };
    if stored != log_id {
        return Err(OpenError::OtherInstall);
    }
    if current_key(tx.conn).map_err(Fail::answer)? != Some(key) {
        return Err(OpenError::RecorderKey);
    }
    check_end(tx).map_err(|fail| fail.answer().into())
}

/// Checks the last leaf, and that the log reaches as far as its last checkpoint says.
fn check_end(tx: &Tx<'_>) -> Result<()> {
    let last: Option<Leaf> = leaf_at(tx.conn, "ORDER BY seq DESC LIMIT 1", [])?;
    let sound = |leaf: &Leaf| leaf_hash(leaf.seq, &leaf.prev, &leaf.payload) == leaf.hash;
    if !last.as_ref().is_none_or(sound) {
        return Err(StoreError::Damaged.into());
    }
    if let Some(checkpoint) = last_checkpoint(tx.conn)? {
        let hash = match checkpoint.size {
            0 => Some(LogHead::genesis(&tx.shared.log_id).hash),
            size => leaf_at(tx.conn, "WHERE seq = ?1", params![codec::int(size)?])?
                .map(|leaf| leaf.hash),
        };
        if hash != Some(checkpoint.head) {
            return Err(StoreError::Damaged.into());
        }
    }
    Ok(())
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
