//! The log against what was noted of it outside the home.

use handshake_core::{digest::Digest, ports::StoreError};
use handshake_flight_recorder::{LogHash, LogHead};
use rusqlite::{Connection, params};

use super::{Result, head, leaf_at, segment};
use crate::{codec, store::Store};

/// How a log stands to a head that it once had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// It came that far, and went on from there.
    There,
    /// It ends before it: an older copy was put in its place, or its end was taken away.
    Behind,
    /// It has another leaf there: it went another way since.
    Elsewhere,
}

impl Store {
    /// How the log stands to a head that was noted outside the home.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reaches(&self, size: u64, hash: Digest) -> std::result::Result<Reach, StoreError> {
        let log_id = self.log_id().clone();
        let noted = LogHead {
            size,
            hash: LogHash::from_bytes(*hash.as_bytes()),
        };
        self.read(move |conn| {
            let end = head(conn, &log_id)?;
            if end.size < noted.size {
                return Ok(Reach::Behind);
            }
            let same = match hash_at(conn, noted.size)? {
                _ if noted.size == 0 => LogHead::genesis(&log_id) == noted,
                Some(hash) => hash == noted.hash,
                // Inside a segment, or pruned: the seam and the chain after it are signed.
                None => true,
            };
            Ok(if same { Reach::There } else { Reach::Elsewhere })
        })
        .await
    }
}

fn hash_at(conn: &Connection, size: u64) -> Result<Option<LogHash>> {
    let leaf = leaf_at(conn, "WHERE seq = ?1", params![codec::int(size)?])?;
    match leaf {
        Some(leaf) => Ok(Some(leaf.hash)),
        None => Ok(segment::end(conn, Some(size))?.map(|end| end.hash)),
    }
}
