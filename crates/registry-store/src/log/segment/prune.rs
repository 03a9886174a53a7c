//! Pruning: whole segments go, oldest first, and a signed seam says so.

use std::{fs, sync::Arc, time::Duration};

use handshake_core::ports::StoreError;
use handshake_flight_recorder::Seam;
use rusqlite::params;

use super::{
    super::{Result, present_head, signed},
    Row, rows,
    seal::Folder,
};
use crate::{codec, store::Store, writer::Tx};

/// What is kept when a log is pruned, at least.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retention {
    /// So many of the newest events.
    Events(u64),
    /// What is not older than this.
    Age(Duration),
}

impl Store {
    /// Removes old segments for good; what is in the database stays. `None` when nothing is old enough.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] while another process seals or prunes; [`StoreError::Locked`] while the recorder's
    /// key is locked.
    pub async fn prune_log(
        &self,
        keep: Retention,
    ) -> std::result::Result<Option<Seam>, StoreError> {
        let shared = Arc::clone(self.shared());
        let task = tokio::task::spawn_blocking(move || Folder::lock(&shared.segments));
        let folder = task.await.map_err(|_| StoreError::Failed)??;
        let folder = folder.ok_or(StoreError::Conflict)?;
        let (seam, gone) = self.write(move |tx| prune(tx, keep)).await?;
        let segments = self.shared().segments.clone();
        let task = tokio::task::spawn_blocking(move || {
            for row in gone {
                match fs::remove_file(row.path(&segments)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(StoreError::Failed);
                    }
                    _ => {}
                }
            }
            folder.sync().map_err(|_| StoreError::Failed)
        });
        task.await.map_err(|_| StoreError::Failed)??;
        Ok(seam)
    }
}

/// Signs the seam and marks the segments. Their files go afterwards: one that stays because the process died says
/// nothing any more, and is taken away by whoever seals or prunes next.
fn prune(tx: &Tx<'_>, keep: Retention) -> Result<(Option<Seam>, Vec<Row>)> {
    let (head, now) = (present_head(tx)?, tx.now());
    let old = |row: &Row| match keep {
        Retention::Events(count) => head.size.saturating_sub(row.last()) >= count,
        Retention::Age(age) => now.since(row.last_at) > age,
    };
    let mut rows = rows(tx.conn)?;
    let mut gone: Vec<Row> = Vec::new();
    rows.retain(|row| !row.pruned);
    gone.extend(rows.into_iter().take_while(old));
    let Some(last) = gone.last() else {
        return Ok((None, gone));
    };
    let pruned = last.range.after;
    let seam = signed::seam(tx, &pruned)?;
    tx.conn.execute(
        "INSERT INTO seams (size, record) VALUES (?1, ?2)",
        params![codec::int(seam.size)?, codec::json(&seam)?],
    )?;
    tx.conn.execute(
        "UPDATE segments SET pruned = 1 WHERE last <= ?1 AND NOT pruned",
        params![codec::int(seam.size)?],
    )?;
    Ok((Some(seam), gone))
}
