//! Events that are missing, and what says so.

use std::path::Path;

use handshake_core::{
    event::{Actor, Body, EventScope, LossCause, RecordedEvent},
    ids::EventId,
    ports::{EntropyExt, StoreError},
    time::UtcTime,
};
use rusqlite::Connection;

use super::{Result, append, segment};
use crate::{codec, store::Store, writer::Tx};

/// Events that were not recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loss {
    /// How many leaves the log had when it was noticed.
    pub at_size: u64,
    /// How many; `None` when a process died and took at most the events of its last 50 ms with it.
    pub lost: Option<u64>,
    /// Why.
    pub cause: LossCause,
    /// When it was noticed.
    pub noticed_at: UtcTime,
}

/// Records in the chain that events are missing.
pub(crate) fn record_loss(tx: &Tx<'_>, count: Option<u64>, cause: LossCause) -> Result<()> {
    let event = EventScope::default().event(
        EventId::from_entropy(tx.shared.options.entropy.bytes()),
        tx.now(),
        Actor::System,
        Body::EventsLost { count, cause },
    );
    append(tx, &event)?;
    Ok(())
}

impl Store {
    /// What was not recorded, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_losses(&self) -> std::result::Result<Vec<Loss>, StoreError> {
        let folder = self.shared().segments.clone();
        self.read(move |conn| all(conn, &folder)).await
    }
}

/// Every loss, oldest first.
pub(super) fn all(conn: &Connection, folder: &Path) -> Result<Vec<Loss>> {
    let mut losses = before_there_was_an_event(conn)?;
    for row in segment::rows(conn)? {
        if row.losses == 0 || row.pruned {
            continue;
        }
        // What cannot be read is named where the log is verified.
        for leaf in row.leaves(folder).unwrap_or_default() {
            if segment::reports_loss(&leaf.payload) {
                losses.extend(loss(&leaf.payload)?);
            }
        }
    }
    // A hint where to look; what is found is read strictly.
    let mut select = conn.prepare(
        "SELECT payload FROM events WHERE instr(payload, CAST('\"type\":\"events_lost\"' AS BLOB))
         ORDER BY seq",
    )?;
    let rows = select.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    for payload in rows {
        losses.extend(loss(&payload?)?);
    }
    losses.sort_by_key(|loss| loss.at_size);
    Ok(losses)
}

impl Store {
    /// How many integrity alarms the log holds, and when the last one was. Those in segments are not counted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_alarms(&self) -> std::result::Result<(u64, Option<UtcTime>), StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare(
                "SELECT payload FROM events
                 WHERE instr(payload, CAST('\"type\":\"integrity_alarm\"' AS BLOB)) ORDER BY seq",
            )?;
            let (mut count, mut last) = (0, None);
            for payload in select.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
                let recorded = RecordedEvent::read(&payload?).map_err(|_| StoreError::Damaged)?;
                if matches!(recorded.event.body, Body::IntegrityAlarm { .. }) {
                    count += 1;
                    last = Some(recorded.event.timestamp);
                }
            }
            Ok((count, last))
        })
        .await
    }
}

/// The loss that an event reports.
fn loss(payload: &[u8]) -> Result<Option<Loss>> {
    let recorded = RecordedEvent::read(payload).map_err(|_| StoreError::Damaged)?;
    Ok(match recorded.event.body {
        Body::EventsLost { count, cause } => Some(Loss {
            at_size: recorded.seq,
            lost: count,
            cause,
            noticed_at: recorded.event.timestamp,
        }),
        _ => None,
    })
}

/// Databases of the first version counted losses in a table beside the log.
fn before_there_was_an_event(conn: &Connection) -> Result<Vec<Loss>> {
    let mut rows =
        conn.prepare("SELECT at_size, lost, cause, noticed_at FROM gaps ORDER BY number")?;
    let rows = rows.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    rows.map(|row| {
        let (size, lost, cause, at): (i64, Option<i64>, String, i64) = row?;
        let cause = match cause.as_str() {
            "crash" => LossCause::Crash,
            _ => LossCause::Overflow,
        };
        Ok(Loss {
            at_size: codec::unsigned(size)?,
            lost: lost.map(codec::unsigned).transpose()?,
            cause,
            noticed_at: codec::time(at),
        })
    })
    .collect()
}
