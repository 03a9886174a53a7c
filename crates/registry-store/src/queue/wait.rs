//! Waiting for a decision.

use std::{sync::PoisonError, time::Duration};

use handshake_core::{
    ids::RequestId,
    ports::{Decided, QueueError, StoreError},
    time::UtcTime,
};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::time::{Instant, timeout};

use super::{HEARTBEAT, Result, sweep};
use crate::{codec, store::Store, writer::Tx};

/// How often a waiter looks for decisions that another process stored.
const POLL: Duration = Duration::from_millis(100);

/// Where a request stands.
enum RequestState {
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
    if let Some(decided) = decision(store.write(move |tx| register(tx, request_id)).await?)? {
        return Ok(decided);
    }
    let mut last_heartbeat = clock.monotonic();
    let _waiter = Waiter::new(store, request_id);
    loop {
        let decided = store.shared().decided.notified();
        tokio::pin!(decided);
        // From here on nothing that is told is missed, and what was decided before is read below.
        decided.as_mut().enable();
        let mut found = store
            .read::<_, QueueError, _>(move |conn| request_state(conn, request_id))
            .await?;
        if matches!(found, RequestState::Pending(deadline) if deadline <= clock.now()) {
            // Ends it for everybody; a decision that came in between stands.
            found = store.write(move |tx| look(tx, request_id)).await?;
        }
        if let Some(decided) = decision(found)? {
            return Ok(decided);
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Decided::Expired);
        }
        if clock.monotonic().saturating_sub(last_heartbeat) >= HEARTBEAT {
            last_heartbeat = clock.monotonic();
            store.write(move |tx| heartbeat(tx, request_id)).await?;
        }
        // Either way it looks again.
        let _notified = timeout(left.unwrap_or(POLL).min(POLL), decided).await;
    }
}

fn decision(state: RequestState) -> std::result::Result<Option<Decided>, QueueError> {
    match state {
        RequestState::Pending(_) => Ok(None),
        RequestState::Decided(decided) => Ok(Some(decided)),
        RequestState::Gone => Err(QueueError::Unknown),
    }
}

fn register(tx: &Tx<'_>, request_id: RequestId) -> Result<RequestState> {
    let state = look(tx, request_id)?;
    if matches!(state, RequestState::Pending(_)) {
        heartbeat(tx, request_id)?;
    }
    Ok(state)
}

fn look(tx: &Tx<'_>, request_id: RequestId) -> Result<RequestState> {
    sweep(tx)?;
    request_state(tx.conn, request_id)
}

fn heartbeat(tx: &Tx<'_>, request_id: RequestId) -> Result<()> {
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

fn request_state(conn: &Connection, request_id: RequestId) -> Result<RequestState> {
    let found: Option<(String, Option<String>, i64)> = conn
        .prepare_cached("SELECT state, receipt_id, deadline FROM requests WHERE request_id = ?1")?
        .query_row(params![request_id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((state, receipt, deadline)) = found else {
        return Ok(RequestState::Gone);
    };
    Ok(match (&state[..], receipt) {
        ("pending", _) => RequestState::Pending(codec::time(deadline)),
        ("approved", Some(receipt)) => {
            RequestState::Decided(Decided::Approved(codec::id(&receipt)?))
        }
        ("denied", _) => RequestState::Decided(Decided::Denied),
        ("expired", _) => RequestState::Decided(Decided::Expired),
        ("withdrawn", _) => RequestState::Gone,
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
