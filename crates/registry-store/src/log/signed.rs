//! What the recorder signs: checkpoints and handovers; and whose log a database holds.

use std::cell::Cell;

use handshake_core::{
    ids::ExternalId,
    ports::{SignError, Signer, StoreError},
};
use handshake_flight_recorder::{
    Checkpoint, EpochHandover, Leaf, LogHead, LogId, PublicKey, Seam, Sign, leaf_hash,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Result, leaf_at, present_head, segment};
use crate::{
    codec,
    error::{Fail, OpenError},
    writer::Tx,
};

/// Signs the head, unless the last checkpoint says the same already.
pub(crate) fn checkpoint(tx: &Tx<'_>) -> Result<Checkpoint> {
    let shared = tx.shared;
    let head = present_head(tx)?;
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
    shared.must_note();
    Ok(made)
}

/// Hands over to the next epoch key at the present head.
pub(super) fn hand_over(tx: &Tx<'_>, next: &dyn Signer) -> Result<EpochHandover> {
    checkpoint(tx)?;
    let shared = tx.shared;
    let signer = shared.signer();
    let (from, to) = (public_key(&*signer)?, public_key(next)?);
    let head = present_head(tx)?;
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

/// Signs that the leaves up to `pruned` are removed.
pub(super) fn seam(tx: &Tx<'_>, pruned: &LogHead) -> Result<Seam> {
    let shared = tx.shared;
    let signer = shared.signer();
    let key = public_key(&*signer)?;
    if current_key(tx.conn)? != Some(key) {
        return Err(StoreError::Failed.into());
    }
    let (head, time) = (present_head(tx)?, tx.now().to_string());
    let last = last_seam(tx.conn)?;
    with_signer(&*signer, |sign| {
        let last = last.as_ref();
        Seam::sign(&shared.log_id, pruned, &head, &time, last, &key, sign)
    })
}

fn last_seam(conn: &Connection) -> Result<Option<Seam>> {
    let record: Option<String> = conn
        .prepare_cached("SELECT record FROM seams ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(record.map(|record| codec::from_json(&record)).transpose()?)
}

/// How many leaves the last checkpoint signs.
pub(crate) fn signed_size(conn: &Connection) -> Result<u64> {
    Ok(last_checkpoint(conn)?.map_or(0, |checkpoint| checkpoint.size))
}

fn with_signer<T>(
    signer: &dyn Signer,
    make: impl FnOnce(Sign<'_>) -> std::result::Result<T, handshake_flight_recorder::SignError>,
) -> Result<T> {
    let failed = Cell::new(None);
    let sign = |domain: &'static str, message: &[u8]| {
        signer.sign(domain, message, None).unwrap_or_else(|error| {
            failed.set(Some(error));
            // Not a signature; the recorder checks and refuses it.
            [0; 64]
        })
    };
    make(&sign).map_err(|_| match failed.get() {
        Some(SignError::Locked | SignError::Factor | SignError::LockedOut { .. }) => {
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

pub(super) fn root_key(conn: &Connection) -> Result<Option<PublicKey>> {
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

/// The identity of an install's log.
pub(crate) fn log_id_of(install_id: &ExternalId) -> std::result::Result<LogId, OpenError> {
    format!("hsk.local/{install_id}")
        .parse()
        .map_err(|_| OpenError::OtherInstall)
}

/// Whether the database has a log already.
pub(crate) fn is_bound(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare("SELECT 1 FROM meta WHERE name = 'log_id'")?
        .exists([])
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
    check_end(tx).map_err(|fail| match fail.answer() {
        StoreError::Damaged => OpenError::Log,
        other => other.into(),
    })
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
            size => match leaf_at(tx.conn, "WHERE seq = ?1", params![codec::int(size)?])? {
                Some(leaf) => Some(leaf.hash),
                // A segment ends with a leaf that is signed. Its file is read when the log is verified.
                None => segment::end(tx.conn, Some(size))?.map(|end| end.hash),
            },
        };
        if hash != Some(checkpoint.head) {
            return Err(StoreError::Damaged.into());
        }
    }
    Ok(())
}
