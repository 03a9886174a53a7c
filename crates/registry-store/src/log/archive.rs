//! Reading the log: its end, and all of it for an export.

use std::{path::Path, sync::Arc};

use handshake_core::{
    consent::SignedReceipt,
    event::RecordedEvent,
    ports::{Signer, StoreError},
};
use handshake_flight_recorder::{
    Checkpoint, EpochHandover, ExportWriter, Leaf, LogHead, LogId, Manifest, PublicKey, Receipt,
    Seam,
};
use rusqlite::{Connection, params};

use super::{
    Result,
    check::{Piece, each_leaf, every},
    segment,
};
use crate::{
    codec, consent,
    error::{ExportFailed, Fail},
    store::Store,
};

/// Events of one page at most.
const PAGE: u32 = 10_000;

impl Store {
    /// The identity of the log.
    #[must_use]
    pub fn log_id(&self) -> &LogId {
        &self.shared().log_id
    }

    /// Size and hash of the log. Its [`short_anchor`](LogHead::short_anchor) is what a person notes down.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_head(&self) -> std::result::Result<LogHead, StoreError> {
        let log_id = self.log_id().clone();
        self.read(move |conn| super::head(conn, &log_id)).await
    }

    /// The key with which the log began. Whoever verifies an export must have it from elsewhere.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_root(&self) -> std::result::Result<PublicKey, StoreError> {
        self.read(|conn| Ok(super::signed::root_key(conn)?.ok_or(StoreError::Damaged)?))
            .await
    }

    /// The last `count` events, oldest first; at most 10,000.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for an event that does not read back.
    pub async fn log_tail(
        &self,
        count: u32,
    ) -> std::result::Result<Vec<RecordedEvent>, StoreError> {
        let (log_id, folder) = (self.log_id().clone(), self.shared().segments.clone());
        self.read(move |conn| {
            let after = super::head(conn, &log_id)?
                .size
                .saturating_sub(u64::from(count.min(PAGE)));
            events_after(conn, &folder, after, count)
        })
        .await
    }

    /// Events after the one with this sequence number, oldest first, or from the first one; at most `limit`,
    /// and at most 10,000.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for an event that does not read back.
    pub async fn log_after(
        &self,
        seq: impl Into<Option<u64>>,
        limit: u32,
    ) -> std::result::Result<Vec<RecordedEvent>, StoreError> {
        // The leaf of an event has the next number.
        let leaf = seq.into().map_or(0, |seq| seq.saturating_add(1));
        let folder = self.shared().segments.clone();
        self.read(move |conn| events_after(conn, &folder, leaf, limit))
            .await
    }

    /// Signs the head and keeps the checkpoint. When nothing was added since, the last one.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while the recorder's key is locked.
    pub async fn log_checkpoint(&self) -> std::result::Result<Checkpoint, StoreError> {
        self.write(super::checkpoint).await
    }

    /// Hands over to the next epoch key. Afterwards the caller erases the old one. Other processes that
    /// still hold the old key cannot send to Cloud until they open the store again.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while the present key is locked; [`StoreError::Failed`] when it is not the
    /// present one any more, or `next` is the same.
    pub async fn rotate_recorder_key(
        &self,
        next: Arc<dyn Signer>,
    ) -> std::result::Result<EpochHandover, StoreError> {
        let signer = Arc::clone(&next);
        let made = self
            .write(move |tx| super::signed::hand_over(tx, &*signer))
            .await?;
        self.shared().set_signer(next);
        Ok(made)
    }

    /// Writes the log into a directory that does not exist or is empty; `handshake-verify` reads it.
    ///
    /// # Errors
    /// [`ExportFailed`].
    pub async fn export_log(
        &self,
        directory: &Path,
    ) -> std::result::Result<Manifest, ExportFailed> {
        let (directory, log_id) = (directory.to_owned(), self.log_id().clone());
        let folder = self.shared().segments.clone();
        self.read(move |conn| {
            let mut writer =
                ExportWriter::create(&directory, &log_id).map_err(ExportFailed::Write)?;
            let seams = every::<Seam>(conn, "SELECT record FROM seams ORDER BY number");
            for seam in seams.map_err(Fail::answer)? {
                writer.seam(&seam).map_err(ExportFailed::Write)?;
            }
            each_leaf(conn, &folder, |piece| match piece {
                Piece::Leaf(leaf) => writer.leaf(leaf).map_err(ExportFailed::Write),
                Piece::Malformed => Err(StoreError::Damaged.into()),
                Piece::Unreadable(segment) => Err(ExportFailed::Segment(segment.file())),
            })?;
            let handovers =
                every::<EpochHandover>(conn, "SELECT record FROM handovers ORDER BY epoch");
            for handover in handovers.map_err(Fail::answer)? {
                writer.handover(&handover).map_err(ExportFailed::Write)?;
            }
            let checkpoints =
                every::<Checkpoint>(conn, "SELECT record FROM checkpoints ORDER BY number");
            for checkpoint in checkpoints.map_err(Fail::answer)? {
                writer
                    .checkpoint(&checkpoint)
                    .map_err(ExportFailed::Write)?;
            }
            for signed in consent::all_signed(conn).map_err(Fail::answer)? {
                let SignedReceipt { payload, signature } = signed?;
                let receipt = Receipt::new(payload, signature).map_err(|_| StoreError::Damaged)?;
                writer.receipt(&receipt).map_err(ExportFailed::Write)?;
            }
            Ok(writer.finish().map_err(ExportFailed::Write)?)
        })
        .await
    }
}

fn events_after(
    conn: &Connection,
    folder: &Path,
    leaf: u64,
    limit: u32,
) -> Result<Vec<RecordedEvent>> {
    let limit = usize::try_from(limit.min(PAGE)).unwrap_or(usize::MAX);
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for row in segment::rows(conn)? {
        if row.pruned || row.last() <= leaf || payloads.len() >= limit {
            continue;
        }
        let take = |found: &Leaf| {
            if found.seq > leaf && payloads.len() < limit {
                payloads.push(found.payload.clone());
            }
        };
        row.each(folder, take).map_err(|_| StoreError::Damaged)?;
    }
    let more = limit - payloads.len();
    let mut rows =
        conn.prepare_cached("SELECT payload FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let more = codec::int(more as u64)?;
    for payload in rows.query_map(params![codec::int(leaf)?, more], |row| row.get(0))? {
        payloads.push(payload?);
    }
    let read = |payload: &Vec<u8>| RecordedEvent::read(payload);
    let events: std::result::Result<_, _> = payloads.iter().map(read).collect();
    Ok(events.map_err(|_| StoreError::Damaged)?)
}

/// Takes the leaves after one, in order, from segments and rows. What was taken before an error is not to be used.
pub(crate) fn leaves_after(
    conn: &Connection,
    folder: &Path,
    after: u64,
    mut take: impl FnMut(&Leaf),
) -> Result<()> {
    for row in segment::rows(conn)? {
        if !row.pruned && row.last() > after {
            let newer = |leaf: &Leaf| {
                if leaf.seq > after {
                    take(leaf);
                }
            };
            row.each(folder, newer).map_err(|_| StoreError::Damaged)?;
        }
    }
    let mut select = conn.prepare_cached(
        "SELECT seq, prev, hash, payload FROM events WHERE seq > ?1 ORDER BY seq",
    )?;
    for row in select.query_map(params![codec::int(after)?], super::columns)? {
        take(&super::leaf(row?)?);
    }
    Ok(())
}
