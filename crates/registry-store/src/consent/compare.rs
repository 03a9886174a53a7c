//! Comparing receipts with the log: one that does not say what the log says is void.

use std::sync::Arc;

use handshake_core::{event::Actor, ids::ReceiptId, ports::StoreError, seal::SealKind};
use handshake_flight_recorder::LogHead;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Result,
    book::{Book, Source},
    revoke::revoke_where,
    row::{SELECT, Stored, signed_at},
};
use crate::{
    error::Fail,
    log,
    store::{Shared, Store},
    writer::Tx,
};

impl Store {
    /// Compares every receipt that lives with the log. Those that differ are void from then on; how many. Each is
    /// compared when it is used in any case, so one who is in a hurry says how many leaves may be read for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reconcile(&self, at_most: Option<u64>) -> std::result::Result<usize, StoreError> {
        let shared = Arc::clone(self.shared());
        let void = self.read(move |conn| {
            let mut book = shared.book();
            let sql = format!("{SELECT} WHERE revoked_at IS NULL AND approved");
            let rows: Vec<Stored> = conn
                .prepare_cached(&sql)?
                .query_map([], Stored::read)?
                .collect::<rusqlite::Result<_>>()?;
            let oldest = live(&shared, &rows).map(|(_, signed)| signed.size).min();
            let leaves = log::head(conn, &shared.log_id)?.size;
            match (oldest, at_most) {
                (Some(oldest), Some(most)) if leaves.saturating_sub(oldest) > most => {
                    Ok(Vec::new())
                }
                _ => compare(conn, &shared, &mut book, &rows),
            }
        });
        let void = void.await?;
        let differ = void.len();
        self.make_void(void).await?;
        Ok(differ)
    }

    /// Ends receipts that do not say what the log says, and says so: the alarm once, the end in the log each time.
    pub(super) async fn make_void(
        &self,
        void: Vec<ReceiptId>,
    ) -> std::result::Result<(), StoreError> {
        if void.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = void.iter().map(ToString::to_string).collect();
        let broken: Vec<(SealKind, String)> = ids
            .iter()
            .map(|id| (SealKind::Receipt, id.clone()))
            .collect();
        self.report_broken_seals(&broken);
        self.write(move |tx| {
            for id in &ids {
                revoke_where(tx, "receipt_id = ?1", Some(id), Actor::System)?;
            }
            Ok(())
        })
        .await
    }
}

/// The rows that can be spent, each with the log as it stood when it was signed. One that nobody signed, or whose time is
/// over, is spent by nobody, whatever its row says.
fn live<'a>(shared: &Shared, rows: &'a [Stored]) -> impl Iterator<Item = (&'a Stored, LogHead)> {
    let (key, now) = (shared.approval_key(), shared.options.clock.now());
    let log_id = shared.log_id.clone();
    rows.iter()
        .filter(|row| row.lives())
        .filter_map(move |row| {
            let receipt = row.opened(key.as_ref()?)?;
            let lives = receipt.ext.expires_at > now;
            lives.then(|| (row, signed_at(&receipt, &log_id)))
        })
}

/// Which of these rows live and are not what the log says they are.
pub(super) fn compare(
    conn: &Connection,
    shared: &Shared,
    book: &mut Book,
    rows: &[Stored],
) -> Result<Vec<ReceiptId>> {
    let live: Vec<_> = live(shared, rows).collect();
    let earliest = live.iter().map(|(_, head)| *head);
    let Some(from) = earliest.min_by_key(|head| head.size) else {
        return Ok(Vec::new());
    };
    let source = Source {
        conn,
        folder: &shared.segments,
        log_id: &shared.log_id,
    };
    let whole = match book.keep_up(source, from) {
        Ok(whole) => whole.is_ok(),
        // A segment that is missing or damaged, or a row that is no leaf.
        Err(Fail::Refused(StoreError::Damaged)) => false,
        Err(error) => return Err(error),
    };
    let keys = &shared.options.seals;
    let mut void = Vec::new();
    for (row, _) in live {
        let id = row.id()?;
        if !whole || !row.agrees(keys, book.says(&id)) {
            void.push(id);
        }
    }
    Ok(void)
}

/// Compares one receipt in the transaction that is about to spend it, with everything that is in the transaction.
pub(crate) fn contradicts_log(tx: &Tx<'_>, receipt_id: &str) -> Result<bool> {
    let row = tx
        .conn
        .prepare_cached(&format!("{SELECT} WHERE receipt_id = ?1"))?
        .query_row(params![receipt_id], Stored::read)
        .optional()?;
    // A copy: what is not committed yet is not to be remembered.
    let mut book = tx.shared.book().clone();
    let rows: Vec<Stored> = row.into_iter().collect();
    Ok(!compare(tx.conn, tx.shared, &mut book, &rows)?.is_empty())
}
