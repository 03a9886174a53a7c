//! Waiting for a decision.

use std::{sync::PoisonError, time::Duration};

use handshake_core::{
    ids::RequestId,
    ports::{Decided, QueueError, StoreError},
    time::UtcTime,
};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::time::{Instant, timeout};

use super::{BEAT, Result, sweep};
use crate::{codec, store::Store, writer::Tx};

/// How often a waiter looks for decisions that another process stored.
const POLL: Duration = Duration::from_millis(100);

/// Where a request stands.
enum Standing {
    /// Undecided until this deadline.
    Pending(UtcTime),
    Decided(Decided),
    /// It never was, or nobody waited for it any more.
    Gone,
}

pub(super) async fn wait(
    store: &Store,
    request_id: RequestId,
    at_most: Duration,
) -> std::result::Result<Decided, QueueError> {
    let until = Instant::now().checked_add(at_most);
    let clock = &store.shared().options.clock;
    // Before anybody counts as waiting: coming back to a withdrawn request does not revive it.
    if let Some(decided) = settle(store.write(move |tx| arrive(tx, request_id)).await?)? {
        return Ok(decided);
    }
    let mut heard = clock.monotonic();
    let _waiter = Waiter::new(store, request_id);
    loop {
        let told = store.shared().decided.notified();
        tokio::pin!(told);
        // From here on nothing that is told is missed, and what was decided before is read below.
        told.as_mut().enable();
        let mut found = store
            .read::<_, QueueError, _>(move |conn| standing(conn, request_id))
            .await?;
        if matches!(found, Standing::Pending(deadline) if deadline <= clock.now()) {
            // Ends it for everybody; a decision that came in between stands.
            found = store.write(move |tx| look(tx, request_id)).await?;
        }
        if let Some(decided) = settle(found)? {
            return Ok(decided);
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Decided::Expired);
        }
        if clock.monotonic().saturating_sub(heard) >= BEAT {
            heard = clock.monotonic();
            store.write(move |tx| beat(tx, request_id)).await?;
        }
        // Either way it looks again.
        let _told = timeout(left.unwrap_or(POLL).min(POLL), told).await;
    }
}

fn settle(standing: Standing) -> std::result::Result<Option<Decided>, QueueError> {
    match standing {
        Standing::Pending(_) => Ok(None),
        Standing::Decided(decided) => Ok(Some(decided)),
        Standing::Gone => Err(QueueError::Unknown),
    }
}

fn arrive(tx: &Tx<'_>, request_id: RequestId) -> Result<Standing> {
    let standing = look(tx, request_id)?;
    if matches!(standing, Standing::Pending(_)) {
        beat(tx, request_id)?;
    }
    Ok(standing)
}

fn look(tx: &Tx<'_>, request_id: RequestId) -> Result<Standing> {
    sweep(tx)?;
    standing(tx.conn, request_id)
}

fn beat(tx: &Tx<'_>, request_id: RequestId) -> Result<()> {
    let (id, now) = (request_id.to_string(), tx.now().unix_millis());
    tx.conn
        .prepare_cached(
            "INSERT INTO waiters VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET beat_at = excluded.beat_at",
        )?
        .execute(params![id, tx.shared.instance, now])?;
    seen(tx, &id, now)
}

fn seen(tx: &Tx<'_>, request_id: &str, now: i64) -> Result<()> {
    tx.conn
        .prepare_cached("UPDATE requests SET waited_at = max(waited_at, ?2) WHERE request_id = ?1")?
        .execute(params![request_id, now])?;
    Ok(())
}

fn standing(conn: &Connection, request_id: RequestId) -> Result<Standing> {
    let found: Option<(String, Option<String>, i64)> = conn
        .prepare_cached("SELECT state, receipt_id, deadline FROM requests WHERE request_id = ?1")?
        .query_row(params![request_id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((state, receipt, deadline)) = found else {
        return Ok(Standing::Gone);
    };
    Ok(match (&state[..], receipt) {
        ("pending", _) => Standing::Pending(codec::time(deadline)),
        ("approved", Some(receipt)) => Standing::Decided(Decided::Approved(codec::id(&receipt)?)),
        ("denied", _) => Standing::Decided(Decided::Denied),
        ("expired", _) => Standing::Decided(Decided::Expired),
        ("withdrawn", _) => Standing::Gone,
        _ => return Err(StoreError::Damaged.into()),
    })
}

/// One who waits. Dropping it is leaving.
struct Waiter<'a> {
    store: &'a Store,
    request_id: RequestId,
}

impl<'a> Waiter<'a> {
    fn new(store: &'a Store, request_id: RequestId) -> Self {
        let mut waiting = store
            .shared()
            .waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *waiting.entry(request_id).or_default() += 1;
        Self { store, request_id }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let request_id = self.request_id;
        let mut waiting = self
            .store
            .shared()
            .waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last = match waiting.get_mut(&request_id) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            _ => waiting.remove(&request_id).is_some(),
        };
        if last {
            let left_at = self.store.shared().options.clock.now();
            // Queued under the lock, so that leaving and coming are stored in the order in which they were.
            self.store.writer().queue(
                move |tx| leave(tx, request_id, left_at),
                |_: std::result::Result<(), QueueError>| {},
            );
        }
    }
}

fn leave(tx: &Tx<'_>, request_id: RequestId, left_at: UtcTime) -> Result<()> {
    let id = request_id.to_string();
    tx.conn
        .prepare_cached("DELETE FROM waiters WHERE request_id = ?1 AND instance = ?2")?
        .execute(params![id, tx.shared.instance])?;
    seen(tx, &id, left_at.unix_millis())
}
