//! Verifying the log of a home: its leaves against what is signed, what was approved, and what was sent.

use std::path::{Path, PathBuf};

use handshake_core::{
    attest, consent::ConsentReceipt, consent::SignedReceipt, ids::ExternalId, ports::StoreError,
};
use handshake_flight_recorder::{
    Anchor, Evidence, Leaf, LogId, PublicKey, Receipt, Records, Trust, Verdict, Verifier,
};
use rusqlite::{Connection, params};
use serde::de::DeserializeOwned;

use super::{
    Loss, Result, Segment, columns, leaf, loss, segment,
    signed::{log_id_of, root_key},
};
use crate::{
    access, codec, connection, consent,
    error::{Fail, OpenError, store_error},
    migrate,
    readers::Readers,
    schema::STEPS,
    store::Store,
};

/// What the log of a home is verified against.
#[derive(Clone, Debug, Default)]
pub struct LogTrust {
    /// Keys with which the log may have begun. Where there are none, the one that the database names: it stands in the
    /// same file, so only what comes from elsewhere shows a log that was replaced as a whole.
    pub roots: Vec<PublicKey>,
    /// The recorder's key in the vault.
    pub present: Option<attest::PublicKey>,
    /// The approval key in the vault: its receipts count as anchors.
    pub approver: Option<attest::PublicKey>,
    /// What was written down outside.
    pub anchors: Vec<Anchor>,
}

/// What a look at the whole log found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogReport {
    /// The verdict over its leaves, with everything that was held against them.
    pub verdict: Verdict,
    /// The parts outside the database, oldest first.
    pub segments: Vec<Segment>,
    /// What was not recorded, oldest first; each stands in the chain itself.
    pub losses: Vec<Loss>,
}

/// The log of a database, only read, and without opening the store: what was cut off below a signed size does not open
/// any more, and has to be told all the same.
#[derive(Debug)]
pub struct LogReader {
    readers: Readers,
    log_id: LogId,
    folder: PathBuf,
}

impl LogReader {
    /// Opens the database at `path`. Makes nothing, changes nothing.
    ///
    /// # Errors
    /// [`OpenError`]: [`OpenError::Missing`] where there is no database, [`OpenError::Older`] for one that has to be
    /// migrated first, which opening the store does.
    pub fn open(path: &Path, install_id: &ExternalId) -> std::result::Result<Self, OpenError> {
        let path = access::existing(path)?;
        let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
        let conn = connection::reader(&path)?;
        match migrate::identify(&conn, known)? {
            0 => return Err(OpenError::Missing),
            found if found < known => return Err(OpenError::Older { found, known }),
            _ => {}
        }
        Ok(Self {
            folder: path.with_file_name(segment::FOLDER),
            log_id: log_id_of(install_id)?,
            readers: Readers::new(path),
        })
    }

    /// Verifies the whole log. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read; what can be read and is wrong is a verdict.
    pub fn verify(&self, trust: LogTrust) -> std::result::Result<Verdict, StoreError> {
        let verify = |conn: &Connection| verify(conn, &self.log_id, &self.folder, trust);
        self.readers.read_now(verify)
    }

    /// The same with what else there is to know about it. Blocks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn report(&self, trust: LogTrust) -> std::result::Result<LogReport, StoreError> {
        self.readers.read_now(|conn| {
            Ok(LogReport {
                verdict: verify(conn, &self.log_id, &self.folder, trust)?,
                segments: segment::all(conn, &self.folder)?,
                // An event that does not read back is the verdict's business.
                losses: loss::all(conn, &self.folder).unwrap_or_default(),
            })
        })
    }
}

impl Store {
    /// Verifies the whole log against its checkpoints, its own root key, the receipts and uses beside it, and the
    /// caller's anchors. Receipts of the store's approval key count as anchors.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read; what can be read and is wrong is a verdict.
    pub async fn verify_log(
        &self,
        anchors: Vec<Anchor>,
    ) -> std::result::Result<Verdict, StoreError> {
        let shared = self.shared();
        let (log_id, folder) = (shared.log_id.clone(), shared.segments.clone());
        let trust = LogTrust {
            approver: shared.approval_key(),
            anchors,
            ..LogTrust::default()
        };
        self.read(move |conn| verify(conn, &log_id, &folder, trust))
            .await
    }
}

fn verify(conn: &Connection, log_id: &LogId, folder: &Path, trust: LogTrust) -> Result<Verdict> {
    let (handovers, bad_handover) = records(conn, "SELECT record FROM handovers ORDER BY epoch")?;
    let (checkpoints, bad_checkpoint) =
        records(conn, "SELECT record FROM checkpoints ORDER BY number")?;
    let (seams, bad_seam) = records(conn, "SELECT record FROM seams ORDER BY number")?;
    let (receipts, bad_receipt) = approved(conn, trust.approver.as_ref())?;
    let roots = if trust.roots.is_empty() {
        // One that does not read back is none: then nothing is signed by a key that counts.
        root_key(conn).ok().flatten().into_iter().collect()
    } else {
        trust.roots
    };
    let key = |key: attest::PublicKey| {
        PublicKey::from_bytes(key.to_bytes()).map_err(|_| StoreError::Failed)
    };
    let known = Trust {
        roots,
        present: trust.present.map(key).transpose()?,
        approvers: trust.approver.map(key).transpose()?.into_iter().collect(),
        anchors: trust.anchors,
    };
    let beside = Records {
        handovers,
        checkpoints,
        seams,
        receipts,
        uses: last_use(conn)?.into_iter().collect(),
    };
    let mut verifier = Verifier::over(known, Some(log_id.clone()), beside);
    for (bad, what) in [
        (bad_handover, Evidence::Handover),
        (bad_checkpoint, Evidence::Checkpoint),
        (bad_seam, Evidence::Seam),
        (bad_receipt, Evidence::Receipt),
    ] {
        if bad {
            verifier.malformed(what);
        }
    }
    each_leaf::<StoreError>(conn, folder, |piece| {
        match piece {
            Piece::Leaf(leaf) => verifier.push(leaf),
            // The chain ends where the segment begins; `segments` says which one it is.
            Piece::Unreadable(_) | Piece::Malformed => verifier.push_malformed(),
        }
        Ok(())
    })?;
    Ok(verifier.finish())
}

/// The receipts of this key, in the order in which they were stored; true where one cannot be read. What another key
/// signed, one that was replaced since, cannot be judged here.
fn approved(conn: &Connection, key: Option<&attest::PublicKey>) -> Result<(Vec<Receipt>, bool)> {
    let (mut receipts, mut bad) = (Vec::new(), false);
    for signed in consent::all_signed(conn)? {
        match signed.and_then(|signed| judged(signed, key)) {
            Ok(found) => receipts.extend(found),
            Err(_) => bad = true,
        }
    }
    Ok((receipts, bad))
}

/// The receipt, if it says that it is by this key.
fn judged(
    SignedReceipt { payload, signature }: SignedReceipt,
    key: Option<&attest::PublicKey>,
) -> std::result::Result<Option<Receipt>, StoreError> {
    let said: ConsentReceipt = serde_json::from_slice(&payload).map_err(|_| StoreError::Damaged)?;
    let receipt = Receipt::new(payload, signature).map_err(|_| StoreError::Damaged)?;
    let ours = key.is_none_or(|key| said.ext.key_id == *key.id());
    Ok(ours.then_some(receipt))
}

/// The size of the log at the last use: its event was appended and signed in one transaction with it.
fn last_use(conn: &Connection) -> Result<Option<u64>> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT max(intent_seq) FROM uses")?
        .query_row([], |row| row.get(0))?;
    Ok(last
        .map(codec::unsigned)
        .transpose()?
        .map(|event| event.saturating_add(1)))
}

/// A piece of the log, in its order.
pub(super) enum Piece<'a> {
    Leaf(&'a Leaf),
    /// A row that holds no leaf.
    Malformed,
    /// The leaves of a segment whose file is missing or damaged.
    Unreadable(Segment),
}

/// The log from its first leaf that was not pruned: the segments, then the rows.
pub(super) fn each_leaf<E: From<StoreError>>(
    conn: &Connection,
    folder: &Path,
    mut take: impl FnMut(Piece<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let failed = |error: rusqlite::Error| E::from(store_error(&error));
    let rows = segment::rows(conn).map_err(|fail| E::from(fail.answer()))?;
    for row in rows.into_iter().filter(|row| !row.pruned) {
        match row.leaves(folder) {
            Ok(leaves) => {
                for leaf in &leaves {
                    take(Piece::Leaf(leaf))?;
                }
            }
            Err(state) => take(Piece::Unreadable(row.segment(state)))?,
        }
    }
    let mut select = conn
        .prepare("SELECT seq, prev, hash, payload FROM events ORDER BY seq")
        .map_err(failed)?;
    let rows = select.query_map([], columns).map_err(failed)?;
    for row in rows {
        match leaf(row.map_err(failed)?) {
            Ok(leaf) => take(Piece::Leaf(&leaf))?,
            Err(_) => take(Piece::Malformed)?,
        }
    }
    Ok(())
}

/// Records up to the first that cannot be read; true where there is one.
fn records<T: DeserializeOwned>(conn: &Connection, sql: &str) -> Result<(Vec<T>, bool)> {
    let mut select = conn.prepare(sql)?;
    let mut rows = select.query(params![])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        match codec::from_json(&row.get::<_, String>(0)?) {
            Ok(record) => records.push(record),
            Err(_) => return Ok((records, true)),
        }
    }
    Ok((records, false))
}

/// All records, for whoever cannot go on without one.
pub(super) fn every<T: DeserializeOwned>(conn: &Connection, sql: &str) -> Result<Vec<T>> {
    match records(conn, sql)? {
        (records, false) => Ok(records),
        (_, true) => Err(Fail::from(StoreError::Damaged)),
    }
}
